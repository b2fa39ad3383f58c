# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _lease
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Heartbeat, Lease, Lock


@pytest.fixture
def lease(tmp_path: Path, clock) -> Lease:
    return Lease(tmp_path, clock)


def take(lease: Lease, owner: str = "ann@laptop", run: str = "r1", takeover: bool = False):
    return lease.take(owner=owner, run=run, action="deploy", takeover=takeover)


def test_a_free_lease_is_taken_and_given_back(lease) -> None:
    taken = take(lease)
    assert (taken.fencing, taken.taken_over) == (1, None)
    assert lease.holder().owner == "ann@laptop"
    lease.release(taken.fencing)
    assert lease.holder() is None


def test_a_second_operator_is_told_who_holds_it_and_since_when(lease) -> None:
    take(lease)
    with pytest.raises(HotfixError, match=r"ann@laptop \(deploy, run r1, since 2026-01-02T03:04:05.000Z") as caught:
        take(lease, owner="bob@desk", run="r2")
    assert caught.value.code == "refused"
    assert "takeover=true" in caught.value.next_step
    assert lease.holder().owner == "ann@laptop"


def resume(lease: Lease, run: str = "r1"):
    return lease.resume(owner="ann@laptop", run=run, action="deploy")


def test_tasks_of_one_run_go_on_with_it_and_fence_out_the_task_before(lease, clock) -> None:
    first = take(lease)
    lease.park(first.fencing, 900)
    clock.advance(800)
    second = resume(lease)
    assert second.fencing > first.fencing
    assert lease.holder().since == "2026-01-02T03:04:05.000Z"
    with pytest.raises(HotfixError, match="lost the lease"):
        lease.require(first.fencing)


def test_a_task_does_not_go_on_with_what_somebody_else_took_meanwhile(lease, clock) -> None:
    lease.park(take(lease).fencing, 5)
    clock.advance(10)
    other = take(lease, owner="bob@desk", run="r2")
    with pytest.raises(HotfixError, match="lost the lease: bob@desk"):
        resume(lease)
    lease.release(other.fencing)
    with pytest.raises(HotfixError, match="lost the lease"):
        resume(lease)
    assert lease.holder() is None


def test_the_same_owner_resumes_at_once_and_fences_out_the_old_run(lease) -> None:
    old = take(lease, run="r1")
    new = take(lease, run="r2")
    assert new.taken_over.run == "r1"
    assert new.reason == "same owner"
    lease.require(new.fencing)
    with pytest.raises(HotfixError, match="lost the lease"):
        lease.require(old.fencing)
    assert not lease.beat(old.fencing)
    lease.release(old.fencing)
    assert lease.holder().run == "r2"


def test_a_takeover_is_explicit_and_recorded(lease) -> None:
    take(lease)
    taken = take(lease, owner="bob@desk", run="r2", takeover=True)
    assert taken.taken_over.owner == "ann@laptop"
    assert taken.reason == "taken over by the operator"


def test_a_lease_without_a_sign_of_life_is_free(lease, clock) -> None:
    take(lease)
    clock.advance(_lease.LEASE_TTL + 1)
    assert lease.holder() is None
    assert take(lease, owner="bob@desk", run="r2").reason == "it had run out"


def test_a_heartbeat_keeps_it(lease, clock) -> None:
    taken = take(lease)
    for _second in range(5):
        clock.advance(_lease.LEASE_TTL - 1)
        assert lease.beat(taken.fencing)
    with pytest.raises(HotfixError):
        take(lease, owner="bob@desk", run="r2")


def test_a_heartbeat_from_the_future_is_no_life_for_ever(lease, clock) -> None:
    clock.advance(86400)
    take(lease)
    clock.advance(-86400)
    assert take(lease, owner="bob@desk", run="r2").reason == "it had run out"


def test_the_number_only_grows_even_over_releases(lease) -> None:
    numbers = []
    for run in ("r1", "r2", "r3"):
        taken = take(lease, run=run)
        numbers.append(taken.fencing)
        lease.release(taken.fencing)
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": "x"}', '{"heartbeat": 3}'])
def test_a_damaged_lease_is_no_obstacle(lease, tmp_path, content) -> None:
    (tmp_path / "lease.json").write_text(content)
    assert lease.holder() is None
    # Whatever number was counted up to before is smaller.
    assert take(lease).fencing > 1_000_000_000


def test_the_heartbeat_thread_beats(tmp_path) -> None:
    lease = Lease(tmp_path, Clock())
    taken = take(lease)
    before = json.loads((tmp_path / "lease.json").read_text())["heartbeat"]
    clock = Clock()
    with Heartbeat(lease, taken.fencing, interval=0.01):
        end = clock.steady() + 5
        while json.loads((tmp_path / "lease.json").read_text())["heartbeat"] == before:
            assert clock.steady() < end
            clock.sleep(0.01)


def _hold(folder: str, ready, done) -> None:
    with Lock(Path(folder), Clock()).held():
        ready.set()
        done.wait(10)


def test_the_lock_shuts_out_a_second_process_and_goes_with_the_first(tmp_path, clock) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(str(tmp_path), ready, done))
    process.start()
    assert ready.wait(10)
    with pytest.raises(HotfixError, match="still changes this app"), Lock(tmp_path, clock).held(timeout=1):
        pass
    process.kill()
    process.join()
    with Lock(tmp_path, clock).held(timeout=1):
        pass


def _race(folder: str, name: str, start, results) -> None:
    start.wait(10)
    try:
        take(Lease(Path(folder), Clock()), owner=name, run=name)
        results.put(name)
    except HotfixError:
        results.put(None)


def test_of_ten_operators_at_once_one_gets_it(tmp_path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    runners = [context.Process(target=_race, args=(str(tmp_path), f"op{i}", start, results)) for i in range(10)]
    for process in runners:
        process.start()
    start.set()
    winners = [name for name in (results.get(timeout=20) for _process in runners) if name]
    for process in runners:
        process.join()
    assert len(winners) == 1
    assert Lease(tmp_path, Clock()).holder().owner == winners[0]
