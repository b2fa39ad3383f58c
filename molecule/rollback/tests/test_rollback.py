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


def test_what_was_left_is_voided_and_its_record_kept(app: App) -> None:
    records = app.records()
    assert records["v2"]["state"] == "voided"
    assert app.current()["version"] == "v1"
    assert (records["v1"]["state"], records["v1"]["arrived_by"]) == ("confirmed", "rollback")
    assert records["v1"]["came_from"] == records["v2"]["id"]


def test_the_containers_run_the_recorded_images_and_configuration(app: App) -> None:
    assert app.images() == app.recorded_images(app.current())
    for containers in (app.containers[name] for name in ("backend", "frontend", "hocuspocus")):
        for container in containers:
            assert container["State"]["Running"]
            assert not container["State"]["Paused"]
            assert container["Config"]["Labels"]["pangeafate.hotfix.release"] == app.current()["id"]


def test_database_cache_and_proxy_were_left_alone(app: App, host: Host) -> None:
    before = set(host.file("/home/deploy/containers-before").content_string.split())
    for service in ("postgres", "redis", "nginx"):
        assert {c["Id"] for c in app.containers[service]} <= before, service


def test_no_registry_was_asked(app: App) -> None:
    began = next(i for i, e in enumerate(app.journal()) if e.get("action") == "rollback")
    assert "pull" not in {e["step"] for e in app.journal()[began:]}


def test_the_lease_is_free_again(host: Host) -> None:
    assert '"held": false' in host.file("/srv/notes/lease.json").content_string
