# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The turn that the script makes for a rollback before its module is there: the plain one, and no other."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _timers

FOR = ("--for", "run-9", "ann@laptop")


@pytest.fixture
def plain(scene: t.Any) -> t.Any:
    """A scene in which a rollback is nothing but a turn of the proxy."""
    scene.host.app = replace(scene.host.app, options={})
    scene.go_live()
    render(scene)
    return scene


def render(scene: t.Any, *, is_plain: bool = True) -> None:
    with scene.session() as session:
        _timers.render_switch_back(session, scene.new, scene.old, plain=is_plain)
        session.release_lease()


def test_users_are_turned_back_and_the_run_goes_on_from_there(plain: t.Any) -> None:
    done = plain.run(*FOR)
    assert done.returncode == 0, done.stdout
    assert plain.where() == (plain.old.id, "own")
    line = plain.host.journal.entries()[-1]
    assert (line["action"], line["by"], line["run"], line["outcome"]) == ("switch_back", "rollback", "run-9", "done")
    assert plain.host.lease.holder() is None
    with plain.session("run-9") as session:
        _timers.catch_up(session)
        assert session.turned["release"] == plain.old.id
        assert session.notes == []
        session.release_lease()
    releases = plain.host.releases
    assert (releases.current().id, releases.current().arrived_by) == (plain.old.id, "rollback")
    assert releases.find(plain.new.id).state == "voided"


def test_what_was_stopped_in_order_is_started_before_users_are_turned_to_it(plain: t.Any) -> None:
    plain.each("backend", "own", state="exited")
    plain.each("worker", "own", state="exited")
    done = plain.run(*FOR)
    assert done.returncode == 0, done.stdout
    words = [call[0] for call in plain.calls()]
    assert words.index("start") < words.index("exec")
    assert "compose" not in words
    assert plain.where() == (plain.old.id, "own")


def test_a_run_that_was_cut_off_after_it_is_told_of_by_the_next(plain: t.Any) -> None:
    assert plain.run(*FOR).returncode == 0
    with plain.session("run-10") as session:
        _timers.catch_up(session)
        assert session.turned is None
        assert "a rollback of ann@laptop turned the proxy and was cut off then" in session.notes[0]
        session.release_lease()
    assert plain.host.releases.current().arrived_by == "rollback"


def test_a_second_one_leaves_all_to_the_module(plain: t.Any) -> None:
    assert plain.run(*FOR).returncode == 0
    assert plain.run(*FOR).returncode == 4


def not_plain(scene: t.Any) -> None:
    render(scene, is_plain=False)


def not_healthy(scene: t.Any) -> None:
    scene.each("backend", "own", health="unhealthy")


def half_stopped(scene: t.Any) -> None:
    containers = scene.read()["containers"]
    next(one for one in containers if one["id"] == "id1")["state"] = "exited"
    next(one for one in containers if one["id"] == "id3")["health"] = "unhealthy"
    scene.write(containers=containers)


def gone(scene: t.Any) -> None:
    own = [one for one in scene.read()["containers"] if one["image"] != "sha256:v1"]
    scene.write(containers=own)


def held(scene: t.Any) -> None:
    scene.host.lease.take(owner="bob@desk", run="run-2", action="deploy", takeover=False)


def half_way(scene: t.Any) -> None:
    scene.host.journal.append({"step": "switch", "phase": "begin", "action": "deploy", "release": scene.new.id})


def overdue(scene: t.Any) -> None:
    due = {"armed": True, "at": "2020-01-02T03:04:05.000Z", "id": "run-1", "release": scene.new.id}
    (scene.dir / "deadline.json").write_text(json.dumps(due, indent=2))


def changed_by_hand(scene: t.Any) -> None:
    (scene.dir / "current").unlink()


@pytest.mark.parametrize("case", [not_plain, not_healthy, half_stopped, gone, held, half_way, overdue, changed_by_hand])
def test_whatever_is_to_be_decided_is_left_to_the_module(plain: t.Any, case: t.Callable[[t.Any], None]) -> None:
    case(plain)
    before = (plain.dir / "journal.jsonl").read_bytes(), (plain.dir / "lease.json").read_bytes(), plain.running()
    done = plain.run(*FOR)
    assert done.returncode == 4, done.stdout
    assert (plain.dir / "proxy" / "live").resolve().name == "blue"
    after = (plain.dir / "journal.jsonl").read_bytes(), (plain.dir / "lease.json").read_bytes(), plain.running()
    assert after == before


def test_what_may_not_run_twice_is_left_to_the_module(scene: t.Any) -> None:
    scene.go_live()
    render(scene)
    assert scene.run(*FOR).returncode == 4
