# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _leftovers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Lease, Lock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run
from ansible_collections.pangeafate.hotfix.plugins.module_utils._unlock import unlock

BOB = Run("r2", "bob@desk", "", False)


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    """A live lease of ann's run r1."""
    found = Lease(tmp_path, Clock())
    found.take(owner="ann@laptop", run="r1", action="deploy", takeover=False)
    return found


def away(app_dir: Path, run: Run = BOB, of_run: str | None = None, check: bool = False):
    return unlock(app_dir, run, of_run=of_run, mark=None, check=check)


def journal(app_dir: Path):
    return [json.loads(line) for line in (app_dir / "journal.jsonl").read_text(encoding="utf-8").splitlines()]


def expire(app_dir: Path) -> None:
    record = json.loads((app_dir / "lease.json").read_text(encoding="utf-8"))
    record.update(heartbeat="2026-01-02T03:04:05.000Z", expires="2026-01-02T03:05:05.000Z")
    (app_dir / "lease.json").write_text(json.dumps(record), encoding="utf-8")


def test_a_stale_lease_is_taken_away_and_recorded(tmp_path: Path, lease) -> None:
    expire(tmp_path)
    result = away(tmp_path)
    assert (result["outcome"], result["changed"]) == ("done", True)
    assert "taken away from ann@laptop (deploy, run r1" in result["summary"]
    assert result["summary"].endswith("it had run out.")
    assert not lease.last().held
    (entry,) = journal(tmp_path)
    assert (entry["action"], entry["owner"], entry["held_by"], entry["taken_over"]) == (
        "unlock",
        "bob@desk",
        "ann@laptop",
        "r1",
    )
    assert away(tmp_path)["outcome"] == "unchanged"


def test_a_live_lease_is_refused_without_a_reason(tmp_path: Path, lease) -> None:
    with pytest.raises(HotfixError, match=r"The lease is live: ann@laptop \(deploy, run r1") as caught:
        away(tmp_path)
    assert caught.value.code == "refused"
    assert lease.holder().run == "r1"
    assert not (tmp_path / "journal.jsonl").exists()


def test_a_live_lease_is_taken_away_with_a_reason(tmp_path: Path, lease) -> None:
    result = away(tmp_path, Run("r2", "bob@desk", "her laptop is gone", False))
    assert result["summary"].endswith("her laptop is gone.")
    assert lease.holder() is None
    # Whoever had it finds that it was lost.
    with pytest.raises(HotfixError, match="This run lost the lease"):
        lease.require(1)


def test_the_operator_who_stopped_a_run_takes_its_lease_and_no_other(tmp_path: Path, lease) -> None:
    assert away(tmp_path, of_run="r0")["outcome"] == "unchanged"
    assert lease.holder().run == "r1"
    assert away(tmp_path, of_run="r1")["outcome"] == "done"
    assert lease.holder() is None


def test_a_check_takes_nothing_away(tmp_path: Path, lease) -> None:
    result = away(tmp_path, Run("r2", "bob@desk", "why", False), check=True)
    assert result["outcome"] == "planned"
    assert lease.holder().run == "r1"


def test_the_command_that_the_run_left_behind_is_waited_for(tmp_path: Path, lease) -> None:
    # The lock is free a moment before the process is gone; what it did last is there by then.
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); "
        "print(1, flush=True); time.sleep(1); open(sys.argv[2], 'w').close()"
    )
    lock, done = tmp_path / "lock", tmp_path / "done"
    words = [sys.executable, "-c", code, str(lock), str(done)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        away(tmp_path, of_run="r1")
        assert done.exists()
    with Lock(tmp_path, Clock()).held(timeout=1):
        pass


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(HotfixError, match="There is no folder"):
        away(tmp_path / "nowhere")


def marked(mark: str, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env={**os.environ, "LC_HOTFIX_RUN": mark})


def started(process: subprocess.Popen[bytes], mark: str) -> None:
    until = time.monotonic() + 10
    while process.pid not in {one.pid for one in _leftovers.find(mark)} and time.monotonic() < until:
        time.sleep(0.02)


def test_what_a_stopped_run_left_at_work_is_ended(tmp_path: Path) -> None:
    stubborn = "trap '' TERM; sleep 300 & wait; sleep 300"
    with marked("m1", "sh", "-c", stubborn) as one, marked("m2", "sleep", "300") as other:
        started(one, "m1")
        time.sleep(0.2)
        try:
            result = unlock(None, BOB, of_run=None, mark="m1")
            assert result["outcome"] == "done"
            assert {note.split()[1] for note in result["notes"]} == {"sh", "sleep"}
            assert one.wait(10) != 0
            assert _leftovers.find("m1") == []
            assert other.poll() is None
        finally:
            other.kill()
            one.kill()


def test_the_hosts_own_way_back_is_no_leftover(tmp_path: Path) -> None:
    script = tmp_path / "switch-back"
    script.write_text("sleep 300 & echo $! > pid; wait\n", encoding="utf-8")
    process = subprocess.Popen(["sh", str(script)], env={**os.environ, "LC_HOTFIX_RUN": "m3"}, cwd=tmp_path)
    until = time.monotonic() + 10
    while not (tmp_path / "pid").exists() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    try:
        assert _leftovers.end("m3", grace=0.2) == []
        assert process.poll() is None
    finally:
        os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), 9)
        process.kill()
        process.wait()


def test_the_module_that_ends_them_does_not_end_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from ansible_collections.pangeafate.hotfix.plugins.module_utils import _leftovers; "
        "print(_leftovers.end('m4', grace=0.1))"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LC_HOTFIX_RUN": "m4", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
