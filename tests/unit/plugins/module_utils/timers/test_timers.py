# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deadlines and idle slots: set, taken back, honoured by a process of its own, and by the next contact."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _timers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError


def _deploy(scene: t.Any) -> _timers.Deadline:
    """Switch to v2 as a deploy does, and leave it unconfirmed."""
    with scene.session() as session:
        with session.step("arm"):
            due = _timers.arm(session, scene.new, scene.old)
        scene.go_live()
        # The run's next task comes within this time; meanwhile it has the lease.
        session.park_lease(600)
    return due


def _process(scene: t.Any, identity: str) -> t.Set[int]:
    """Return the sessions of the processes that wait for a record."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if identity.encode() in words and str(scene.dir / "switch-back").encode() in words:
                found.add(os.getsid(int(entry.name)))
        except OSError:
            continue
    return found


def _settled(scene: t.Any) -> t.List[str]:
    with scene.session("run-2") as session:
        _timers.catch_up(session)
        session.release_lease()
        return list(session.notes)


def test_a_release_that_nobody_confirms_is_left(scene: t.Any) -> None:
    due = _deploy(scene)
    assert _timers.deadline(scene.host) == due and due.armed
    assert due.says().startswith("reverts at ")
    scene.wait(lambda: scene.where() == (scene.old.id, "own"))
    scene.wait(lambda: not (scene.dir / "deadline.json").exists())
    scene.wait(lambda: scene.host.lease.holder() is None)
    entry = _timers.pending(scene.host)
    assert entry is not None and entry["by"] == "timer"
    assert "not confirmed in time" in " ".join(_timers.told(scene.host))
    assert "not confirmed in time" in str(_timers.why_left(scene.host, scene.new.id))
    (note,) = _settled(scene)
    assert "the host switched back by itself" in note
    old, new = scene.host.releases.get(scene.old.id), scene.host.releases.get(scene.new.id)
    assert (old.state, old.arrived_by, old.came_from) == ("confirmed", "switch_back", new.id)
    assert new.state == "voided" and old.live_number > new.live_number
    assert _timers.pending(scene.host) is None
    # Settling twice changes nothing.
    assert _settled(scene) == []


def test_the_slot_that_was_left_is_stopped_once_it_has_drained(scene: t.Any) -> None:
    _deploy(scene)
    scene.wait(lambda: ("backend", "blue") not in scene.running())
    assert scene.where() == (scene.old.id, "own")
    assert scene.running()["backend", "own"] == 2
    scene.wait(lambda: _timers.cooling(scene.host) == {})


def test_a_release_that_is_confirmed_in_time_stays(scene: t.Any) -> None:
    due = _deploy(scene)
    scene.wait(lambda: len(_process(scene, due.id)) == 1)
    with scene.session() as session, session.step("confirm"):
        _timers.disarm(session)
    scene.wait(lambda: not _process(scene, due.id))
    assert scene.where() == (scene.new.id, "blue")
    assert _timers.pending(scene.host) is None and _timers.told(scene.host) == []


def test_a_later_deadline_replaces_an_earlier_one(scene: t.Any) -> None:
    scene.host.app = replace(scene.host.app, confirm_within=60.0)
    first = _deploy(scene)
    with scene.session("run-2") as session, session.step("arm"):
        second = _timers.arm(session, scene.new, scene.old)
    scene.wait(lambda: not _process(scene, first.id))
    assert len(_process(scene, second.id)) == 1


def test_killed_between_the_deadline_and_the_record_it_goes_back_all_the_same(scene: t.Any) -> None:
    with scene.session() as session, session.step("switch", release=scene.new.id):
        _timers.arm(session, scene.new, scene.old)
        _files.replace_symlink(scene.dir / "proxy" / "live", "blue")
    scene.wait(lambda: scene.where() == (scene.old.id, "own"))
    scene.wait(lambda: _timers.pending(scene.host) is not None and scene.host.lease.holder() is None)
    assert _settled(scene) != []
    assert scene.host.releases.get(scene.new.id).state == "failed"


def test_another_run_at_work_is_waited_for(scene: t.Any) -> None:
    due = _deploy(scene)
    taken = scene.host.lease.take(owner="bob@desk", run="run-9", action="rollback", takeover=True)
    scene.host.clock.sleep(2.5)
    assert scene.where() == (scene.new.id, "blue") and len(_process(scene, due.id)) == 1
    scene.host.lease.require(taken.fencing)
    # What that run left needs no going back.
    (scene.dir / "deadline.json").unlink()
    scene.wait(lambda: not _process(scene, due.id))
    assert scene.where() == (scene.new.id, "blue")


def test_the_timer_holds_neither_lock_nor_pipes_nor_session(scene: t.Any) -> None:
    scene.host.app = replace(scene.host.app, confirm_within=60.0)
    due = _deploy(scene)
    scene.wait(lambda: len(_process(scene, due.id)) == 1)
    (process,) = _process(scene, due.id)
    ours = {"/dev/null", str(scene.dir / "switch-back.log"), str(scene.dir / "switch-back")}

    def opened() -> t.Set[str]:
        found = set()
        for item in Path(f"/proc/{process}/fd").iterdir():
            try:
                found.add(os.readlink(str(item)))
            except FileNotFoundError:
                continue
        return found

    # It has pipes of its own for a moment, whenever it reads a record.
    scene.wait(lambda: opened() <= ours)
    assert os.getsid(process) == process != os.getsid(0)
    assert os.readlink(f"/proc/{process}/cwd") == str(scene.dir)
    assert set(scene.programs.descriptors) == {()}


def test_what_keeps_it_from_going_back_is_tried_again(scene: t.Any) -> None:
    scene.write(down=True)
    due = _deploy(scene)
    log = scene.dir / "switch-back.log"
    scene.wait(lambda: "does not answer" in log.read_text(encoding="utf-8"))
    assert len(_process(scene, due.id)) == 1
    scene.write(down=False)
    scene.wait(lambda: scene.where() == (scene.old.id, "own"))


def test_keep_sets_a_deadline_without_a_timer(scene: t.Any) -> None:
    scene.host.app = replace(scene.host.app, unconfirmed="keep")
    due = _deploy(scene)
    assert not due.armed and "nothing reverts" in due.says()
    scene.host.clock.sleep(1.2)
    assert not _process(scene, due.id)
    assert "that time has passed" in _timers.told(scene.host)[0]
    assert not any("switched back" in note for note in _settled(scene))
    assert scene.where() == (scene.new.id, "blue")


def _rebooted(scene: t.Any, *, late: bool) -> _timers.Deadline:
    """Leave things as a host does that went down before its deadline."""
    scene.go_live()
    scene.rendered()
    at = "2026-01-02T03:04:05.000Z" if late else "2099-01-02T03:04:05.000Z"
    due = _timers.Deadline("run-1-1-x", scene.new.id, scene.old.id, at, "run-1", 1, True, "another boot")
    _files.write_json(scene.dir / "deadline.json", asdict(due))
    return due


def test_after_a_reboot_the_next_contact_honours_the_deadline(scene: t.Any) -> None:
    _rebooted(scene, late=True)
    assert any("does not run" in line for line in _timers.told(scene.host))
    with scene.session("run-2") as session:
        _timers.catch_up(session)
        # It went back under the lease of this run, which goes on.
        session.require()
        notes = list(session.notes)
    assert "no timer to see it" in notes[0] and "switched back by itself" in notes[0]
    assert scene.where() == (scene.old.id, "own")
    current = scene.host.releases.current()
    assert current is not None and current.arrived_by == "switch_back"
    assert scene.host.releases.get(scene.new.id).state == "voided"
    assert _timers.deadline(scene.host) is None


def test_after_a_reboot_a_deadline_to_come_gets_its_timer_again(scene: t.Any) -> None:
    due = _rebooted(scene, late=False)
    (note,) = _settled(scene)
    assert "The host was restarted" in note
    scene.wait(lambda: len(_process(scene, due.id)) == 1)
    assert _settled(scene) == [] and len(_process(scene, due.id)) == 1


def test_an_overdue_deadline_that_cannot_be_honoured_is_told(scene: t.Any) -> None:
    _rebooted(scene, late=True)
    scene.write(refuses=True)
    (note,) = _settled(scene)
    assert "could not go back" in note and "host not found in upstream" in note
    assert scene.where() == (scene.new.id, "blue")


def test_the_deadline_of_a_release_that_is_gone_is_dropped(scene: t.Any) -> None:
    _rebooted(scene, late=True)
    third = scene._release("20260102T030407Z-v3", "green")
    _files.replace_symlink(scene.dir / "current", f"releases/{third.id}")
    (note,) = _settled(scene)
    assert "was dropped" in note and _timers.deadline(scene.host) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}'])
def test_a_damaged_deadline_is_none(scene: t.Any, text: str) -> None:
    (scene.dir / "deadline.json").write_text(text, encoding="utf-8")
    assert _timers.deadline(scene.host) is None
    assert _timers.told(scene.host) == []


def test_going_back_by_hand_is_told_with_the_name(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    assert scene.run().returncode == 0
    (note,) = _settled(scene)
    assert "switched back by hand" in note and scene.new.id in note


def test_a_release_that_was_superseded_becomes_current_again(scene: t.Any) -> None:
    scene.go_live()
    scene.new.advance("confirmed", at=scene.new.created, operator="ann@laptop", why="test")
    scene.host.releases.save(scene.new)
    scene.old.advance("superseded", at=scene.old.created, operator="ann@laptop", why="test")
    scene.host.releases.save(scene.old)
    scene.rendered()
    assert scene.run().returncode == 0
    _settled(scene)
    assert scene.host.releases.get(scene.old.id).state == "confirmed"
    assert scene.host.releases.get(scene.new.id).state == "voided"


def test_a_later_switch_is_not_settled_away(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    assert scene.run().returncode == 0
    scene.host.journal.append({"step": "switch", "phase": "begin", "action": "rollback", "release": scene.old.id})
    assert _timers.pending(scene.host) is None


# -- idle slots


def _cool(scene: t.Any, slot: str, release: str, seconds: float) -> _timers.Cooling:
    with scene.session("run-2") as session:
        with session.step("cool"):
            one = _timers.cool(session, slot, release, seconds)
        session.release_lease()
    return one


def test_an_idle_slot_is_stopped_after_its_time(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    _cool(scene, "own", scene.old.id, 1.0)
    assert "Slot own" in _timers.told(scene.host)[0]
    scene.wait(lambda: ("backend", "own") not in scene.running())
    # What no release replaces is never stopped, and neither is the slot that serves.
    assert scene.running() == {("proxy", "own"): 1, ("backend", "blue"): 2}
    scene.wait(lambda: _timers.cooling(scene.host) == {})
    steps = [(e["step"], e["phase"]) for e in scene.host.journal.entries()][-2:]
    assert steps == [("stop_idle", "begin"), ("stop_idle", "end")]


def test_a_slot_that_users_are_sent_to_again_is_not_stopped(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    _cool(scene, "own", scene.old.id, 1.0)
    _files.replace_symlink(scene.dir / "proxy" / "live", "own")
    scene.wait(lambda: _timers.cooling(scene.host) == {})
    assert scene.running()["backend", "own"] == 2


def test_a_slot_is_not_stopped_while_a_run_is_at_work(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    _cool(scene, "own", scene.old.id, 0.0)
    with scene.session("run-3") as session:
        scene.host.clock.sleep(1.0)
        with session.step("look"):
            _timers.cancel_cool(session, "own")
        session.release_lease()
    scene.host.clock.sleep(3.0)
    assert scene.running()["backend", "own"] == 2


def test_another_release_in_the_slot_is_not_stopped(scene: t.Any) -> None:
    scene.rendered()
    _cool(scene, "blue", "20260102T030409Z-v9", 0.0)
    scene.wait(lambda: _timers.cooling(scene.host) == {})
    assert scene.running()["backend", "blue"] == 2


def test_an_idle_slot_after_a_reboot_is_stopped_later(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    past = _timers.Cooling("run-1-1-own", "own", scene.old.id, "2026-01-02T03:04:05.000Z", "another boot")
    _files.write_json(scene.dir / "idle-own.json", asdict(past))
    assert _settled(scene) == []
    scene.wait(lambda: ("backend", "own") not in scene.running())


# -- what cannot be


def test_without_its_tools_the_timer_is_not_said_to_run(scene: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.host.docker, "program", lambda *_words, **_options: (127, "", "setsid: not found"))
    with pytest.raises(HotfixError, match="setsid: not found"), scene.session() as session:
        _timers.arm(session, scene.new, scene.old)


def test_a_release_whose_file_is_damaged_is_no_way_back(scene: t.Any) -> None:
    scene.host.releases.compose_file(scene.old.id).write_text("{", encoding="utf-8")
    with scene.session() as session:
        due = _timers.arm(session, scene.new, scene.old)
        assert not due.armed
        assert "no way back" in session.notes[0]


def test_where_both_ran_in_one_colour_the_way_back_is_the_other(scene: t.Any) -> None:
    scene.old.slot = "blue"
    with scene.session() as session:
        assert _timers.render_switch_back(session, scene.new, scene.old)
    text = (scene.dir / "switch-back").read_text(encoding="utf-8")
    assert "BACK_SLOT=green" in text and "BACK_PROJECT=app-green" in text and "METHOD=flip" in text
    assert json.dumps("app-green") in (scene.host.releases.folder(scene.old.id) / "green.yml").read_text(
        encoding="utf-8"
    )
