# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from conftest import App


def test_the_last_good_version_answers_and_saves_documents(app: App) -> None:
    assert app.version_served() == "v1"
    assert app.saves_documents()


def test_it_never_stopped_so_the_rollback_was_a_turn_of_the_proxy(app: App, host: Host) -> None:
    before = set(host.file("/home/deploy/containers-before").content_string.split())
    for service in ("backend", "frontend", "hocuspocus", "postgres", "redis", "nginx"):
        assert {c["Id"] for c in app.containers[service]} <= before, service
    for service in ("backend", "frontend", "postgres", "redis", "nginx"):
        assert all(c["RestartCount"] == 0 and c["State"]["Running"] for c in app.containers[service]), service
    began = next(i for i, e in enumerate(app.journal()) if e.get("action") == "rollback")
    assert not {"pull", "images", "start"} & {e["step"] for e in app.journal()[began:]}


def test_the_proxy_leads_to_it(app: App, host: Host) -> None:
    assert host.check_output("readlink /srv/notes/proxy/live") == "own"
    records = app.records()
    assert (records["v1"]["slot"], records["v6"]["slot"]) == ("own", "blue")
    assert (records["v1"]["state"], records["v6"]["state"]) == ("confirmed", "voided")


def test_nothing_waits_to_be_confirmed_and_the_lease_is_free(host: Host) -> None:
    assert not host.file("/srv/notes/deadline.json").exists
    assert '"held": false' in host.file("/srv/notes/lease.json").content_string


def test_the_database_was_backed_up_before_the_deploy(app: App, host: Host) -> None:
    backup = app.records()["v6"]["backup"]
    dump = host.file(f"/srv/notes/backups/{backup}.dump")
    assert dump.size > 0
    assert dump.mode == 0o600
