# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restart killed between any two things that it leaves behind: what the next command makes of it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _headroom, _timers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart import history
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart.perform import Wanted, check, perform
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

from tests.unit.plugins.module_utils import test_crash_windows as windows

killer = windows.killer
#: One more than the durable acts of a restart.
COUNT = 40
EACH = 4
PLACES = [n if n % EACH == 1 else pytest.param(n, marks=pytest.mark.slow) for n in range(COUNT)]


class World(windows.World):
    """A host whose v2 is restarted."""

    def __init__(self, *arguments: t.Any) -> None:
        super().__init__(*arguments)
        self._runner.answers[("start",)] = self._start
        self._runner.answers[("stats",)] = (0, "", "")

    def _start(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        self._killer.act()
        for container in self._runner.containers:
            if container["Id"] in words:
                container["State"]["Status"] = "running"
        return 0, "", ""

    def restart(self, *names: str) -> t.Dict[str, t.Any]:
        self.new_run()
        return perform(self.host(), Run(f"r{self._runs}", "ann@laptop", "", False), Wanted(names or ["backend"]))

    def cut_off(self) -> None:
        """Restart, to be killed."""
        self.restart()

    def ids(self) -> t.Set[str]:
        """Return the containers that users reach."""
        host = self.host()
        found = host.docker.containers(host.app.project)
        return {c.id for c in found if c.slot == host.live_slot() and c.service == "backend" and c.running}


def world_of(strategy: str, runner: t.Any, params: t.Dict[str, t.Any], clock: t.Any, killer: windows.Killer) -> World:
    proxy = "nginx" if strategy == "blue_green" else None
    params.update(services={"backend": {"image": windows.REPOSITORY}}, health=None, proxy_service=proxy)
    world = World(runner, params, clock, killer, strategy)
    world.adopt()
    world.deploy("v2")
    return world


@pytest.fixture
def world(runner: t.Any, params: t.Dict[str, t.Any], clock: t.Any, killer: windows.Killer) -> World:
    return world_of("blue_green", runner, params, clock, killer)


def test_every_place_is_died_at(world: World, killer: windows.Killer) -> None:
    assert not windows.killed(killer, COUNT - 1, world.cut_off)


def test_the_same_release_runs_afresh_in_the_other_colour(world: World) -> None:
    before, slot = world.ids(), world.host().live_slot()
    release = world.host().releases.current()
    assert release is not None
    result = world.restart()
    world.is_settled_on("v2")
    assert world.host().live_slot() == result["slot"] != slot
    assert not world.ids() & before
    after = world.host().releases.current()
    assert after is not None
    # It is no release: nothing but its slot is another one.
    assert (after.id, after.arrived_by, after.came_from, after.live_number) == (
        release.id,
        release.arrived_by,
        release.came_from,
        release.live_number,
    )
    assert "v1" in " ".join(result["notes"])
    assert "no longer runs beside" in " ".join(result["notes"])
    # What was left is stopped once it has drained, and nothing waits to be confirmed.
    assert set(_timers.cooling(world.host())) == {slot}
    assert _timers.deadline(world.host()) is None
    world.rollback()
    world.is_settled_on("v1")


def test_a_second_restart_makes_new_containers_and_waits_for_the_last_requests_of_the_first(
    world: World, clock: t.Any
) -> None:
    world.restart()
    first, began = world.ids(), clock.steady()
    world.restart()
    world.is_settled_on("v2")
    assert not world.ids() & first
    assert clock.steady() - began >= world.host().app.drain_timeout
    world.restart()
    world.is_settled_on("v2")


def test_a_lost_link_is_mended_first(world: World) -> None:
    before, app_dir = world.ids(), world.host().app.app_dir
    _files.replace_symlink(app_dir / "current", "releases/20200101T000000Z-gone")
    planned = check(world.host(), Wanted(["backend"]))
    assert "would be started afresh" in " ".join(planned["plan"])
    assert "Drift: the link to the current release is lost; it led to " in " ".join(planned["plan"])
    assert world.current() is None
    result = world.restart()
    assert "The link to the current release was lost; it leads to " in " ".join(result["notes"])
    world.is_settled_on("v2")
    assert not world.ids() & before


@pytest.mark.parametrize(
    ("advice", "told"),
    [
        (f"raise it, {_headroom.ADVICE}", "raise it, or restart in place with -e hotfix_strategy=recreate"),
        ("start it (docker start postgres).", "start it (docker start postgres)."),
    ],
)
def test_a_restart_without_room_says_what_is_in_the_way(
    world: World, monkeypatch: pytest.MonkeyPatch, advice: str, told: str
) -> None:
    def require(_host: t.Any) -> t.List[str]:
        raise HotfixError("It does not fit.", next_step=advice)

    monkeypatch.setattr(_headroom, "require", require)
    with pytest.raises(HotfixError) as caught:
        world.restart()
    assert caught.value.next_step.startswith(told)
    assert "deploy" not in caught.value.next_step


def test_where_the_record_is_lost_the_link_is_not_led_to_what_does_not_run(world: World) -> None:
    current = world.host().releases.current()
    assert current is not None
    (world.host().releases.folder(current.id) / "release.json").write_text("{")
    world.restart()
    assert world.runs() == ["v2"]
    assert world.current() is None


def test_where_the_record_is_lost_users_keep_what_they_have(world: World) -> None:
    """Even where what was live before ran in the slot that they reach: only the record tells the two apart."""
    world.deploy("v3")
    world.restart()
    releases = world.host().releases
    current, before = releases.all()[:2]
    assert (current.version, before.version) == ("v3", "v2")
    assert current.slot == before.slot == world.host().live_slot()
    (releases.folder(current.id) / "release.json").write_text("{")
    assert "is back in place" in world.restart()["summary"]
    assert world.runs() == ["v3"]


@pytest.mark.parametrize("after", PLACES)
@pytest.mark.parametrize("then", ["restart", "rollback", "deploy v3", "deploy v2"])
def test_restart_then(world: World, killer: windows.Killer, after: int, then: str) -> None:
    before = world.ids()
    windows.killed(killer, after, world.cut_off)
    assert world.runs() == ["v2"]
    if then == "restart":
        world.restart()
        world.is_settled_on("v2")
        assert not world.ids() & before
    elif then == "rollback":
        world.rollback()
        world.is_settled_on("v1")
    else:
        version = then.partition(" ")[2]
        world.deploy(version)
        assert world.runs() == [version]
        current = world.host().releases.current()
        assert current is not None
        assert (current.version, current.state) == (version, "confirmed")


def test_what_an_interrupted_restart_switched_to_is_kept_by_the_next(world: World, killer: windows.Killer) -> None:
    """It is cut off when users are on the fresh containers: the next run finishes it, and starts no third ones."""
    before, slot = world.ids(), world.host().live_slot()
    for after in range(COUNT):
        windows.killed(killer, after, world.cut_off)
        if world.host().live_slot() != slot:
            break
    fresh = world.ids()
    assert fresh != before
    result = world.restart()
    assert "Finishing the restart" in " ".join(result["notes"])
    assert world.ids() == fresh
    world.is_settled_on("v2")
    assert set(_timers.cooling(world.host())) == {slot}


def test_one_that_does_not_come_up_leaves_users_where_they_were(world: World, runner: t.Any) -> None:
    before, slot = world.ids(), world.host().live_slot()
    world.unhealthy.add("v2")
    runner.logs = {}
    with pytest.raises(HotfixError, match="unhealthy") as caught:
        world.restart()
    assert f"Users have the containers of before, in slot {slot}" in caught.value.left
    world.is_settled_on("v2")
    assert world.ids() == before
    world.unhealthy.clear()
    world.restart()
    world.is_settled_on("v2")
    assert not world.ids() & before


def test_a_proxy_that_refuses_leaves_users_where_they_were(world: World, runner: t.Any) -> None:
    before = world.ids()
    runner.answers[("exec",)] = (0, "host not found in upstream\nhotfix:refused", "")
    with pytest.raises(HotfixError, match="host not found") as caught:
        world.restart()
    assert "Users have the containers of" in caught.value.left
    runner.answers[("exec",)] = (0, "hotfix:reloaded", "")
    world.is_settled_on("v2")
    assert world.ids() == before


@pytest.mark.parametrize("warm", [True, False])
def test_one_that_ends_as_soon_as_users_come_is_left_where_that_is_better(
    world: World, runner: t.Any, warm: bool
) -> None:
    """Users go back to the containers of before, unless these were not well either."""
    before, slot = world.ids(), world.host().live_slot()
    old = next(c for c in runner.containers if c["Id"] in before)
    if not warm:
        old["State"]["Health"]["Status"] = "unhealthy"
    ended: t.List[str] = []

    def turn(_words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        fresh = runner.containers[-1]
        if not ended:
            fresh["State"]["Status"] = "exited"
            ended.append(fresh["Id"])
        return 0, "hotfix:reloaded", ""

    runner.answers[("exec",)] = turn
    with pytest.raises(HotfixError, match="0 running containers") as caught:
        world.restart()
    assert (world.host().live_slot() == slot) is warm
    current = world.host().releases.current()
    assert current is not None
    assert current.slot == world.host().live_slot()
    assert f"in slot {current.slot}" in caught.value.left
    assert _timers.deadline(world.host()) is None
    assert ("turned back" in caught.value.left) is warm
    if warm:
        world.is_settled_on("v2")
        assert world.ids() == before
    world.restart()
    world.is_settled_on("v2")
    assert not world.ids() & before


def test_a_release_that_waits_to_be_confirmed_is_not_restarted(world: World) -> None:
    world.new_run()
    release = world.do("prepared", version="v3")["release"]["id"]
    for state in ("migrated", "started", "live", "unconfirmed"):
        world.do(state, release=release)
    before = world.ids()
    with pytest.raises(HotfixError, match="a restart would take the place") as caught:
        world.restart()
    assert caught.value.code == "refused"
    assert world.ids() == before
    with pytest.raises(HotfixError, match="a restart would take the place"):
        check(world.host(), Wanted(["backend"]))


def test_a_deploy_that_was_cut_off_is_settled_first(world: World) -> None:
    world.new_run()
    release = world.do("prepared", version="v3")["release"]["id"]
    world.do("migrated", release=release)
    world.do("started", release=release)
    # Its lease is the same operator's, so nobody else is in the way.
    with pytest.raises(HotfixError, match="never finished"):
        world.restart()
    assert world.runs() == ["v2"]


def test_somebody_elses_lease_refuses_before_anything_is_touched(world: World) -> None:
    host = world.host()
    host.lease.take(owner="bob@desk", run="other", action="deploy", takeover=False)
    before = world.ids()
    with pytest.raises(HotfixError, match="bob@desk") as caught:
        world.restart()
    assert caught.value.code == "refused"
    with pytest.raises(HotfixError, match="bob@desk"):
        check(host, Wanted(["backend"]), Run("r", "ann@laptop", "", False))
    # A plan by itself is shown all the same.
    assert "bob@desk" in check(host, Wanted(["backend"]))["plan"][-1]
    assert world.ids() == before


def test_the_hosts_own_way_back_from_a_restart_leaves_the_release_as_it_became_current(
    world: World, killer: windows.Killer
) -> None:
    """The timer goes back to the containers of before; a rollback afterwards goes on to the release before."""
    slot = world.host().live_slot()
    for after in range(COUNT):
        windows.killed(killer, after, world.cut_off)
        if world.host().live_slot() != slot:
            break
    host = world.host()
    due, current = _timers.deadline(host), host.releases.current()
    assert due is not None
    assert current is not None
    assert (due.release, due.back_to, due.armed) == (current.id, current.id, True)
    # As the script does it.
    common = {"action": "switch_back", "by": "timer", "came_from": current.id, "release": current.id, "slot": slot}
    script = {**common, "run": "switch-back-1", "owner": "root@host", "step": "switch", "fencing": 99}
    host.journal.append({**script, "phase": "begin"})
    (host.app.app_dir / "proxy" / "live").unlink()
    (host.app.app_dir / "proxy" / "live").symlink_to(slot)
    host.journal.append({**script, "phase": "end", "outcome": "done"})
    _timers.disarm(t.cast(t.Any, type("Session", (), {"host": host})))
    assert "The restart of" in _timers.told(host)[0]
    world.rollback()
    world.is_settled_on("v1")


def test_where_the_proxy_is_not_managed_the_containers_are_restarted_in_place(
    runner: t.Any, params: t.Dict[str, t.Any], clock: t.Any, killer: windows.Killer
) -> None:
    world = world_of("recreate", runner, params, clock, killer)
    before = world.ids()
    plan = check(world.host(), Wanted(["backend"]))["plan"]
    assert "restarted in place (the proxy is not under management" in " ".join(plan)
    assert "never measured on this host" in " ".join(plan)
    result = world.restart()
    assert world.ids() == before
    assert [one["service"] for one in result["restarted"]] == ["backend"]
    assert ("stop", "--time", "-1", *before) in runner.calls
    assert [one["way"] for one in history.entries(world.host())] == ["in_place"]
    assert "Last time" in " ".join(check(world.host(), Wanted(["backend"]))["plan"])
