# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from testinfra.host import Host

if TYPE_CHECKING:
    from conftest import App

#: When each host that was looked at until now was started afresh.
SPANS = pytest.StashKey[list[tuple[str, str]]]()


def inspected(host: Host, *filters: str) -> list[dict[str, Any]]:
    asked = " ".join(f"--filter label={label}" for label in filters)
    found: list[dict[str, Any]] = json.loads(
        host.check_output(f"docker inspect $(docker ps --all --quiet --no-trunc {asked})")
    )
    return found


def test_users_are_with_fresh_containers_of_the_same_release(app: App, host: Host) -> None:
    current = app.current()
    assert (current["version"], current["state"], current["slot"]) == ("v1", "confirmed", "blue")
    assert list(app.records()) == ["v1"]
    assert host.check_output("readlink /srv/notes/proxy/live") == "blue"
    assert app.version_served() == "v1"
    assert app.saves_documents()
    before = set(host.file("/home/deploy/containers-before").content_string.split())
    fresh = inspected(host, "pangeafate.hotfix.slot=blue")
    assert {c["Id"] for c in fresh}.isdisjoint(before)
    assert all(c["State"]["Health"]["Status"] == "healthy" for c in fresh)
    assert {c["Image"] for c in fresh} == {image["image_id"] for image in current["images"].values()}


def test_the_cache_was_restarted_in_its_place(app: App, host: Host) -> None:
    (redis,) = app.containers["redis"]
    assert redis["Id"] in host.file("/home/deploy/containers-before").content_string.split()
    assert redis["State"]["Health"]["Status"] == "healthy"
    (step,) = [e for e in app.journal() if e.get("step") == "restart" and e["phase"] == "begin"]
    assert redis["State"]["StartedAt"][:19] >= step["at"][:19]


def test_database_and_proxy_were_left_alone(app: App) -> None:
    began = next(e["at"] for e in app.journal() if e["action"] == "restart")
    for service in ("postgres", "nginx"):
        assert all(c["State"]["StartedAt"][:19] < began[:19] for c in app.containers[service]), service


def test_what_users_noticed_is_kept_for_the_next_plan(host: Host) -> None:
    kept = json.loads(host.file("/srv/notes/restarts.json").content_string)
    assert [(one["way"], one["services"]) for one in kept] == [
        ("fresh", ["backend", "frontend", "hocuspocus"]),
        ("in_place", ["redis"]),
    ]
    assert (kept[0]["users"]["failures"], kept[0]["users"]["lower"]) == (0, 0.0)
    assert kept[1]["away"] > 0


def test_one_host_came_after_the_other(app: App, request: pytest.FixtureRequest) -> None:
    spans = request.config.stash.setdefault(SPANS, [])
    spans.append(tuple(e["at"] for e in app.journal() if e["action"] == "restart" and e["step"] == "start"))
    # Their clocks are one: they are on one machine.
    assert all(begin < end for begin, end in spans)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(sorted(spans)))


def test_the_lease_is_free_again(host: Host) -> None:
    assert '"held": false' in host.file("/srv/notes/lease.json").content_string
