# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script ``switch-back``, really run by sh: what a human types, and what a timer does."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _switch_back, _timers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Lease


def test_it_goes_back_to_the_release_that_still_runs(scene: t.Any) -> None:
    scene.go_live()
    scene.each("worker", "own", state="exited")
    scene.add("worker", "blue", scene.new.id, image="sha256:v2")
    scene.rendered()
    done = scene.run()
    assert done.returncode == 0, done.stdout
    assert f"Switched back from {scene.new.id} to {scene.old.id}." in done.stdout
    assert scene.where() == (scene.old.id, "own")
    # Of what may not run twice, the one of the slot that was left is gone before the other runs.
    assert scene.running()["worker", "own"] == 1 and ("worker", "blue") not in scene.running()
    assert [call[0] for call in scene.calls()].count("exec") == 1
    line = scene.host.journal.entries()[-1]
    assert (line["action"], line["step"], line["outcome"], line["by"]) == ("switch_back", "switch", "done", "hand")
    assert (line["release"], line["came_from"], line["slot"]) == (scene.old.id, scene.new.id, "own")


def test_users_are_served_before_what_they_do_not_reach_is_started(scene: t.Any) -> None:
    scene.go_live()
    scene.each("worker", "own", state="exited")
    scene.rendered()
    assert scene.run().returncode == 0
    words = [call[0] for call in scene.calls()]
    assert words.index("exec") < words.index("start")


def test_a_second_run_changes_nothing(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    assert scene.run().returncode == 0
    journal = (scene.dir / "journal.jsonl").read_bytes()
    again = scene.run()
    assert again.returncode == 0 and "nothing was changed" in again.stdout
    assert (scene.dir / "journal.jsonl").read_bytes() == journal


def test_a_second_run_mends_what_is_down(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    assert scene.run().returncode == 0
    scene.each("backend", "own", state="exited")
    assert scene.run().returncode == 0
    assert scene.running()["backend", "own"] == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run it in the name of another")
def test_what_root_writes_belongs_to_the_user_of_the_app(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    for path in [scene.dir, *scene.dir.rglob("*")]:
        os.chown(str(path), 1234, 1234, follow_symlinks=False)
    assert scene.run().returncode == 0
    files = [path for path in scene.dir.iterdir() if path.is_file()]
    assert {path.name: path.stat().st_uid for path in files} == {path.name: 1234 for path in files}
    assert {"lease.json", "idle-blue.json", "switch-back.log"} <= {path.name for path in files}


def test_it_starts_what_was_stopped(scene: t.Any) -> None:
    scene.go_live()
    scene.each("backend", "own", state="exited")
    scene.rendered()
    assert scene.run().returncode == 0
    assert scene.running()["backend", "own"] == 2
    assert [c[0] for c in scene.calls()].count("compose") == 0


def test_it_makes_what_is_gone_from_the_file_of_the_release(scene: t.Any) -> None:
    scene.go_live()
    state = scene.read()
    kept = [c for c in state["containers"] if c["image"] != "sha256:v1"]
    scene.write(containers=kept)
    scene.rendered()
    done = scene.run()
    assert done.returncode == 0, done.stdout
    (call,) = [c for c in scene.calls() if c[0] == "compose"]
    assert str(scene.host.releases.compose_file(scene.old.id)) in call
    assert "never" in call and "--no-deps" in call
    assert scene.running()["backend", "own"] == 2


def test_a_slot_that_runs_something_else_is_no_way_back(scene: t.Any) -> None:
    scene.go_live()
    scene.each("backend", "own", image="sha256:else")
    scene.rendered()
    assert scene.run().returncode == 0
    assert [c[0] for c in scene.calls()].count("compose") == 1


def test_what_was_adopted_is_known_and_not_asked_for(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    assert scene.run().returncode == 0
    assert [c[0] for c in scene.calls()].count("inspect") == 0
    assert scene.where() == (scene.old.id, "own")


def test_what_was_made_anew_by_hand_is_asked_for(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    state = scene.read()
    for one in state["containers"]:
        if one["image"] == "sha256:v1":
            one["id"] += "-anew"
    scene.write(containers=state["containers"])
    assert scene.run().returncode == 0
    asked, *_late = (c for c in scene.calls() if c[0] == "inspect")
    assert [word for word in asked if word.endswith("-anew")] == ["id1-anew", "id3-anew", "id5-anew"]
    assert [c[0] for c in scene.calls()].count("compose") == 0


def test_a_way_is_rendered_while_the_engine_is_down(scene: t.Any) -> None:
    scene.go_live()
    scene.write(down=True)
    scene.rendered()
    scene.write(down=False)
    assert scene.run().returncode == 0
    assert "inspect" in [c[0] for c in scene.calls()]


def test_keys_that_are_current_only_come_from_env_or_from_what_runs(scene: t.Any) -> None:
    from dataclasses import replace

    scene.host.app = replace(scene.host.app, current_only=("TOKEN",))
    scene.go_live()
    scene.each("backend", "own", image="sha256:else")
    scene.rendered()
    assert scene.run().returncode == 0
    made = [c for c in scene.read()["containers"] if c["image"] == "sha256:v1" and c["id"].startswith("app-backend")]
    assert made[0]["env"] == ["TOKEN=today's"]
    assert "today's" not in json.dumps(scene.calls()) + (scene.dir / "switch-back").read_text(encoding="utf-8")


def test_what_is_not_healthy_is_not_gone_to_unless_forced(scene: t.Any) -> None:
    scene.go_live()
    scene.each("backend", "own", health="unhealthy")
    scene.rendered()
    done = scene.run()
    assert done.returncode == 1 and "Not healthy within 3 s: backend" in done.stdout
    assert scene.where() == (scene.new.id, "blue")
    assert scene.host.journal.entries()[-1]["outcome"] == "failed"
    assert scene.run("--force").returncode == 0
    assert scene.where() == (scene.old.id, "own")


def test_a_proxy_that_refuses_is_left_as_it_is(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    scene.write(refuses=True)
    done = scene.run()
    assert done.returncode == 1 and "host not found in upstream" in done.stdout
    assert scene.where() == (scene.new.id, "blue")


def test_a_proxy_without_the_folder_gets_a_copy(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    scene.write(mounted=False)
    # The container of the test sees slot own; the way leads there, so the copy shows in the way to blue.
    with scene.session() as session:
        _timers.render_switch_back(session, scene.old, scene.new)
        session.release_lease()
    _files.replace_symlink(scene.dir / "current", f"releases/{scene.old.id}")
    _files.replace_symlink(scene.dir / "proxy" / "live", "own")
    done = scene.run()
    assert done.returncode == 0, done.stdout
    assert [c[:2] for c in scene.calls() if c[0] == "cp"] == [["cp", f"{scene.dir}/proxy/."]]
    assert scene.where() == (scene.new.id, "blue")


def test_a_proxy_that_is_down_is_started(scene: t.Any) -> None:
    scene.go_live()
    scene.each("proxy", "own", state="exited")
    scene.rendered()
    assert scene.run().returncode == 0
    assert scene.running()["proxy", "own"] == 1


def test_without_a_way_back_it_says_so(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered(back=False)
    done = scene.run()
    assert done.returncode == 3 and "nothing to switch back to" in done.stdout
    assert scene.run("--status").returncode == 0


def test_it_does_not_lead_away_from_another_release(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    _files.replace_symlink(scene.dir / "current", "releases/20260102T030409Z-v9")
    done = scene.run()
    assert done.returncode == 3 and "Current is 20260102T030409Z-v9" in done.stdout
    assert scene.calls() == []


def test_unknown_words_are_refused(scene: t.Any) -> None:
    scene.rendered()
    done = scene.run("--backwards")
    assert done.returncode == 2 and "--takeover" in done.stdout
    assert scene.calls() == []


def test_status_changes_nothing(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    before = sorted((p, p.stat().st_mtime) for p in scene.dir.rglob("*") if p.is_file())
    done = scene.run("--status")
    assert done.returncode == 0
    assert f"from {scene.new.id} to {scene.old.id}" in done.stdout and "slot blue" in done.stdout
    assert sorted((p, p.stat().st_mtime) for p in scene.dir.rglob("*") if p.is_file()) == before
    assert [c[0] for c in scene.calls()] == ["ps"]


# -- one change at a time


def test_somebody_elses_lease_is_taken_over_only_when_told_to(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    taken = scene.host.lease.take(owner="bob@desk", run="run-9", action="deploy", takeover=False)
    refused = scene.run()
    assert refused.returncode == 3 and "bob@desk (deploy, run run-9" in refused.stdout
    assert scene.where() == (scene.new.id, "blue")
    assert scene.run("--takeover").returncode == 0
    # The run that had it is fenced out: its next change is refused.
    with pytest.raises(Exception, match="lost the lease"):
        scene.host.lease.require(taken.fencing)
    assert _files.read_json(scene.dir / "lease.json")["fencing"] == taken.fencing + 1


def test_the_engine_reads_the_lease_that_it_leaves(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    assert scene.run().returncode == 0
    lease = Lease(scene.dir, scene.host.clock)
    assert lease.holder() is None
    number = _files.read_json(scene.dir / "lease.json")["fencing"]
    assert lease.take(owner="ann@laptop", run="run-3", action="rollback", takeover=False).fencing == number + 1


def test_a_damaged_lease_is_outnumbered(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    (scene.dir / "lease.json").write_text("{", encoding="utf-8")
    assert scene.run().returncode == 0
    assert _files.read_json(scene.dir / "lease.json")["fencing"] > 1_000_000_000


def test_a_command_that_a_dead_run_left_is_ended(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    script = scene.dir / "switch-back"
    script.write_text(script.read_text(encoding="utf-8").replace("PATIENCE=10", "PATIENCE=1"), encoding="utf-8")
    path = scene.dir / "lock"
    left = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl,time; h=open({str(path)!r}); fcntl.flock(h, 2); time.sleep(60)"]
    )
    try:
        probe = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
        scene.wait(lambda: not _free(probe))
        os.close(probe)
        done = scene.run()
        assert done.returncode == 0, done.stdout
        assert f"Ended process {left.pid}" in done.stdout
        assert left.wait(5) == -15
    finally:
        left.kill()
        left.wait()


def _free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


# -- killed


def _kill_at(scene: t.Any, point: int, after: str) -> bool:
    """Run the script and kill it at a point; tell whether that was reached."""
    Path(f"{scene.programs.state}.count").unlink(missing_ok=True)
    return bool(scene.run(DIE_AT=str(point), DIE_AFTER=after).returncode == -9)


def _killed_and_run_again(scene: t.Any, point: int, after: str) -> bool:
    reached = _kill_at(scene, point, after)
    again = scene.run()
    assert again.returncode == 0, (point, after, again.stdout)
    assert scene.where() == (scene.old.id, "own"), (point, after)
    assert scene.running()["backend", "own"] == 2, (point, after)
    assert scene.host.journal.unfinished_switch() is None, (point, after)
    found = _timers.pending(scene.host)
    assert found is not None and found["came_from"] == scene.new.id, (point, after)
    assert scene.host.lease.holder() is None, (point, after)
    return reached


def _reset(scene: t.Any, engine: str) -> None:
    # A process that waits to stop the slot may still be writing its log.
    scene.wait(lambda: shutil.rmtree(str(scene.dir), ignore_errors=True) or not scene.dir.exists())
    shutil.copytree(f"{scene.dir}.before", str(scene.dir), symlinks=True)
    scene.programs.state.write_text(engine, encoding="utf-8")


def _all_points(scene: t.Any, step: int) -> None:
    scene.go_live()
    scene.each("backend", "own", state="exited")
    scene.rendered()
    shutil.copytree(str(scene.dir), f"{scene.dir}.before", symlinks=True)
    engine = scene.programs.state.read_text(encoding="utf-8")
    point = 1
    while _killed_and_run_again(scene, point, "yes" if point % 2 else "no"):
        _reset(scene, engine)
        point += step
    assert point > 8


def test_it_may_be_killed_and_run_again(scene: t.Any) -> None:
    _all_points(scene, 9)


@pytest.mark.slow
def test_it_may_be_killed_anywhere_and_run_again(scene: t.Any) -> None:
    _all_points(scene, 1)


# -- full disk


def test_a_disk_without_room_for_records_does_not_stop_it(scene: t.Any) -> None:
    scene.go_live()
    scene.rendered()
    # Nobody can write there, root included: it is a folder.
    (scene.dir / "journal.jsonl").unlink()
    (scene.dir / "journal.jsonl").mkdir()
    (scene.dir / "lease.json").unlink()
    (scene.dir / "lease.json").mkdir()
    (scene.dir / "lease.json" / "full").touch()
    done = scene.run()
    assert done.returncode == 0, done.stdout
    assert "The journal could not be written." in done.stdout
    assert scene.where() == (scene.old.id, "own")


# -- recreate


def test_without_slots_the_containers_are_replaced_in_place(scene: t.Any) -> None:
    scene.go_live()
    shutil.rmtree(str(scene.dir / "proxy"))
    scene.new.slot = "own"
    scene.each("backend", "own", image="sha256:v2")
    scene.rendered()
    done = scene.run()
    assert done.returncode == 0, done.stdout
    assert os.path.basename(os.readlink(str(scene.dir / "current"))) == scene.old.id
    execs = [c for c in scene.calls() if c[0] == "exec"]
    assert [c[2:] for c in execs] == [["nginx", "-t"], ["nginx", "-s", "reload"]]


# -- the text


@pytest.mark.parametrize("method", [_switch_back.FLIP, _switch_back.RECREATE, _switch_back.NOWHERE])
def test_it_is_posix_sh_without_a_warning(method: str, tmp_path: Path) -> None:
    path = tmp_path / "switch-back"
    path.write_text(_switch_back.render(_way(method=method)), encoding="utf-8")
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
    tool = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if tool is None:
        # On the oldest target; where it is developed there is one.
        return
    # Below warnings it would have word lists quoted, which are meant to be split.
    checked = subprocess.run(
        [tool, "--shell=sh", "--severity=warning", str(path)], stdout=subprocess.PIPE, check=False, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_what_it_is_given_is_data(tmp_path: Path) -> None:
    evil = "/srv/a'b; touch pwned; $(touch pwned)"
    path = tmp_path / "switch-back"
    path.write_text(_switch_back.render(_way(app_dir=evil)), encoding="utf-8")
    done = subprocess.run(["sh", str(path)], cwd=str(tmp_path), stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == 1
    assert [p.name for p in tmp_path.iterdir()] == ["switch-back"]


def _way(**changed: t.Any) -> _switch_back.Way:
    return _switch_back.Way(
        **{
            "app_dir": "/srv/notes",
            "project": "notes",
            "leaves": "20260102T030406Z-v2",
            "leaves_slot": "blue",
            "services": ("backend",),
            "method": _switch_back.FLIP,
            "proxy_test": ("nginx", "-t"),
            "proxy_reload": ("nginx", "-s", "reload"),
            **changed,
        }
    )
