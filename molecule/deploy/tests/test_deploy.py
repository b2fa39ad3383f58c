# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from testinfra.host import Host

if TYPE_CHECKING:
    from conftest import App


def test_the_version_answers_and_saves_documents(app: App) -> None:
    assert app.version_served() == "v6"
    assert app.saves_documents()


def test_current_is_confirmed_and_what_was_before_is_superseded(app: App) -> None:
    records = app.records()
    assert app.current() == records["v6"]
    assert (records["v6"]["state"], records["v6"]["came_from"]) == ("confirmed", records["v1"]["id"])
    assert records["v1"]["state"] == "superseded"


def test_the_containers_run_the_recorded_images(app: App) -> None:
    assert app.images() == app.recorded_images(app.current())


def test_both_replicas_run_and_carry_the_release(app: App) -> None:
    backends = app.containers["backend"]
    assert [c["State"]["Health"]["Status"] for c in backends] == ["healthy", "healthy"]
    assert {c["Config"]["Labels"]["pangeafate.hotfix.release"] for c in backends} == {app.current()["id"]}


def test_database_cache_and_proxy_were_left_alone(app: App, host: Host) -> None:
    before = set(host.file("/home/deploy/containers-before").content_string.split())
    for service in ("postgres", "redis", "nginx"):
        assert {c["Id"] for c in app.containers[service]} <= before, service


def test_every_step_has_a_line_before_and_a_line_after(app: App) -> None:
    opened: list[str] = []
    for entry in app.journal():
        if entry.get("phase") == "begin":
            opened.append(entry["step"])
        elif entry.get("phase") == "end":
            assert opened.pop() == entry["step"]
            assert entry["outcome"] == "done"
    assert opened == []
    assert {"pull", "prepare", "switch", "start", "reload_proxy", "verify", "confirm"} <= {
        e["step"] for e in app.journal()
    }


def test_nothing_that_was_recorded_holds_a_secret(host: Host) -> None:
    for key in ("ADMIN_TOKEN", "POSTGRES_PASSWORD"):
        value = host.check_output(f"sed -n 's/^{key}=//p' /srv/notes/.env")
        assert value
        for name in ("journal.jsonl", "lease.json", "current/release.json"):
            assert value not in host.file(f"/srv/notes/{name}").content_string, name


def test_the_registry_login_left_nothing_behind(host: Host) -> None:
    assert not host.file("/home/deploy/.docker/config.json").exists
    assert host.check_output("find /tmp -maxdepth 1 -name 'hotfix-login-*'") == ""


def test_the_images_of_both_releases_survive_a_prune(app: App, host: Host) -> None:
    host.check_output("docker image prune --all --force")
    for record in app.records().values():
        for image in record["images"].values():
            assert host.run("docker image inspect %s", image["digest"]).succeeded, image["reference"]


def test_the_lease_is_free_again(host: Host) -> None:
    assert '"held": false' in host.file("/srv/notes/lease.json").content_string
