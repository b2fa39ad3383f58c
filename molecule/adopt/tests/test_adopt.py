# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from conftest import App


def test_what_ran_is_release_zero_and_known_good(app: App) -> None:
    record = app.current()
    assert (record["version"], record["state"], record["arrived_by"]) == ("v1", "confirmed", "adopt")
    assert app.images() == app.recorded_images(record)


def test_every_image_is_pinned_by_its_digest(app: App) -> None:
    for name, image in app.current()["images"].items():
        assert image["digest"].startswith(f"registry.example.com:5000/notes-{name}@sha256:")


def test_no_container_was_touched(app: App, host: Host) -> None:
    running = sorted(c["Id"] for containers in app.containers.values() for c in containers)
    assert sorted(host.file("/home/deploy/containers-before").content_string.split()) == running


def test_only_the_owner_reads_the_snapshot(host: Host) -> None:
    for name in (".env", "compose.yml", "release.json"):
        found = host.file(f"/srv/notes/current/{name}")
        assert (found.user, found.mode) == ("deploy", 0o600), name


def test_a_key_that_is_current_only_is_in_no_snapshot(host: Host) -> None:
    token = host.check_output("sed -n 's/^ADMIN_TOKEN=//p' /srv/notes/.env")
    assert token
    assert host.run("grep --recursive --files-with-matches --fixed-strings -e %s /srv/notes/releases", token).rc == 1
    assert "${ADMIN_TOKEN}" in host.file("/srv/notes/current/compose.yml").content_string


def test_the_first_contact_is_in_the_journal(app: App) -> None:
    assert [(e["step"], e["phase"]) for e in app.journal() if e["step"] == "adopt"] == [
        ("adopt", "begin"),
        ("adopt", "end"),
    ]


def test_the_lease_is_free_again(host: Host) -> None:
    assert '"held": false' in host.file("/srv/notes/lease.json").content_string
