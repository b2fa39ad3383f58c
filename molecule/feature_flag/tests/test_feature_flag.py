# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from testinfra.host import Host

if TYPE_CHECKING:
    from conftest import App

FLAG = "COLLABORATIVE_EDITING"


def flags(host: Host, address: str) -> dict[str, bool]:
    """What one instance evaluates, asked by its own address."""
    answer: dict[str, Any] = json.loads(
        host.check_output(f"curl --silent --show-error --fail --max-time 5 http://{address}:8081/api/feature-flags")
    )
    found: dict[str, bool] = answer["flags"]
    return found


def test_every_backend_evaluates_it_off_by_its_own_address(app: App, host: Host) -> None:
    backends = app.containers["backend"]
    assert len(backends) == 2
    for container in backends:
        (network,) = container["NetworkSettings"]["Networks"].values()
        for _read in range(3):
            assert flags(host, network["IPAddress"])[FLAG] is False


def test_no_other_flag_was_touched_and_none_created(app: App, host: Host) -> None:
    for container in app.containers["backend"]:
        (network,) = container["NetworkSettings"]["Networks"].values()
        found = flags(host, network["IPAddress"])
        assert found == {FLAG: False, "NOTE_SHARING": True, "COMMENTS": True, "NEW_EDITOR": False}


def test_no_container_was_started_anew(app: App, host: Host) -> None:
    before = set(host.file("/home/deploy/containers-before").content_string.split())
    for containers in app.containers.values():
        assert {c["Id"] for c in containers} <= before
        assert {c["RestartCount"] for c in containers} == {0}


def test_the_journal_tells_who_and_why_once(app: App) -> None:
    lines = [entry for entry in app.journal() if entry.get("action") == "feature_flag"]
    assert [line["phase"] for line in lines] == ["begin", "end"]
    assert (lines[1]["flag"], lines[1]["state"], lines[1]["outcome"]) == (FLAG, "disabled", "done")
    assert lines[1]["reason"] == "documents are lost"
    assert "@" in lines[1]["owner"]
    # The instance that somebody had switched by hand already is known for that.
    assert sorted(lines[0]["before"].values()) == ["disabled", "enabled"]
    assert set(lines[1]["after"].values()) == {"disabled"}


def test_the_token_is_in_no_file_but_the_apps_own(host: Host) -> None:
    token = host.check_output("sed -n 's/^ADMIN_TOKEN=//p' /srv/notes/.env")
    assert token
    # The pattern comes from a file: it is no argument either.
    found = host.run(
        "sed -n 's/^ADMIN_TOKEN=//p' /srv/notes/.env >~/.pattern; "
        "grep -r --files-with-matches --fixed-strings --file ~/.pattern /srv/notes ~/.ansible /tmp 2>/dev/null; "
        "rm ~/.pattern"
    )
    assert found.stdout.split() == ["/srv/notes/.env"]


def test_no_lease_was_taken(host: Host) -> None:
    assert not host.file("/srv/notes/lease.json").exists
