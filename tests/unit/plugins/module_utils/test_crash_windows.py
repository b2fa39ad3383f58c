# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module killed between any two things that it leaves behind: what the next command makes of it.

Everything durable (each file, each link, each journal line, each start of containers) is a place to die at. The engine
is run up to there, then a new run begins with nothing but what is on disk and in the engine.
"""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _proxy, _records
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Journal
from ansible_collections.pangeafate.hotfix.plugins.module_utils._perform import Wanted, perform
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run, app_from

REPOSITORY = "registry.example.com/backend"


class KilledError(BaseException):
    """The process is no more: nothing that it would still do happens."""


class Killer:
    """Lets a number of durable acts happen, and no more."""

    def __init__(self) -> None:
        self.left: t.Optional[int] = None

    def act(self) -> None:
        if self.left is None:
            return
        if self.left == 0:
            raise KilledError
        self.left -= 1


class World:
    """A host with one service, its engine, and the commands of an operator."""

    def __init__(self, runner: t.Any, params: t.Dict[str, t.Any], clock: t.Any, killer: Killer, strategy: str) -> None:
        self._runner, self._params, self._clock, self._killer = runner, params, clock, killer
        self._runs = 0
        self.unhealthy: t.Set[str] = set()
        app_dir = t.cast(t.Any, self.host().app.app_dir)
        (app_dir / "docker-compose.yml").write_text("services: {}")
        (app_dir / ".env").write_text("")
        for version in ("v1", "v2", "v3"):
            image = {
                "Id": f"sha256:{version}",
                "RepoDigests": [f"{REPOSITORY}@sha256:{version}"],
                "Config": {"Labels": {}, "Env": []},
            }
            for name in (f"{REPOSITORY}:{version}", f"{REPOSITORY}@sha256:{version}", f"sha256:{version}"):
                runner.images[name] = image
        runner.answers[("compose",)] = self._compose
        runner.answers[("info",)] = (0, str(app_dir), "")
        runner.answers[("rm",)] = self._remove
        runner.answers[("stop",)] = self._stop
        runner.add("backend", image="sha256:v1", labels={"com.docker.compose.config-hash": "h"})
        if strategy == "blue_green":
            self._manage_proxy()

    def _manage_proxy(self) -> None:
        self._runner.add("nginx", image="sha256:nginx")
        self._runner.answers[("exec",)] = (0, "hotfix:reloaded", "")
        host = self.host()
        (_proxy.folder(host)).mkdir()
        (host.app.app_dir / "nginx.conf").write_text("include /etc/nginx/hotfix/live/upstreams.conf;")
        managed = _proxy.Managed("nginx.conf", (("backend", 8081),), (), None)
        _files.write_json(_proxy.record_file(host), managed.as_json())
        _proxy.write_slot(host, managed, "own", None)
        _files.replace_symlink(_proxy.folder(host) / "live", "own")

    def _remove(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        self._killer.act()
        self._runner.containers[:] = [c for c in self._runner.containers if c["Id"] not in words]
        return 0, "", ""

    def _stop(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        self._killer.act()
        for container in self._runner.containers:
            if container["Id"] in words:
                container["State"]["Status"] = "exited"
        return 0, "", ""

    def host(self) -> Host:
        return Host(app_from(self._params), Docker(self._runner), self._clock)

    def _compose(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        if "--hash" in words:
            return 0, "backend h\n", ""
        if "config" in words:
            nginx = {"nginx": {"image": "nginx:1"}} if self._params["proxy_service"] else {}
            backend_model = {"image": f"{REPOSITORY}:v1", "environment": {}}
            return 0, json.dumps({"services": {"backend": backend_model, **nginx}}), ""
        self._killer.act()
        with open(words[list(words).index("--file") + 1], encoding="utf-8") as handle:
            model = json.loads("".join(line for line in handle if not line.startswith("#")))
        service = words[-1]
        backend = model["services"][service]
        version = backend["image"].rpartition(":")[2]
        slot = backend["labels"].get("pangeafate.hotfix.slot")
        self._runner.containers[:] = [
            c
            for c in self._runner.containers
            if c["Config"]["Labels"].get("pangeafate.hotfix.slot") != slot
            or c["Config"]["Labels"]["com.docker.compose.service"] == "nginx"
        ]
        health = "unhealthy" if version in self.unhealthy else "healthy"
        self._runner.add(service, image=f"sha256:{version}", labels=backend["labels"], health=health)
        return 0, "", ""

    def do(self, state: str, **more: t.Any) -> t.Any:
        return perform(
            self.host(), Run(f"r{self._runs}", "ann@laptop", "", False), Wanted(state, min_free_mb=0, **more)
        )

    def new_run(self) -> None:
        self._runs += 1

    def adopt(self) -> None:
        self.new_run()
        self.do("adopted")

    def deploy(self, version: str) -> None:
        """Deploy as the role does: in phases, undone when one of them fails."""
        self.new_run()
        release = self.do("prepared", version=version)["release"]["id"]
        try:
            if self.current() != version:
                self.do("migrated", release=release)
                self.do("started", release=release)
            self.do("live", release=release)
        except HotfixError:
            self.do("reverted", release=release)
            raise
        self.do("confirmed", release=release)

    def rollback(self) -> None:
        self.new_run()
        self.do("rolled_back")

    def runs(self) -> t.List[str]:
        """Return the versions that users reach."""
        host = self.host()
        containers = host.docker.containers(host.app.project)
        reached = [c for c in containers if c.slot == host.live_slot() and c.service == "backend" and c.running]
        return [c.image_id.rpartition(":")[2] for c in reached]

    def current(self) -> t.Optional[str]:
        current = self.host().releases.current()
        return current.version if current else None

    def states(self) -> t.Dict[str, str]:
        return {release.version: release.state for release in reversed(self.host().releases.all())}

    def is_settled_on(self, version: str) -> None:
        """Assert that everything agrees on *version*."""
        host = self.host()
        seen = observe(host)
        assert self.runs() == [version]
        assert seen.current is not None
        assert (seen.current.version, seen.current.state) == (version, "confirmed")
        assert (seen.unfinished, seen.attempted, seen.drift) == (None, None, ())
        assert host.lease.holder() is None


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    killer = Killer()

    def deadly(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def wrapped(*arguments: t.Any, **options: t.Any) -> t.Any:
            killer.act()
            return function(*arguments, **options)

        return wrapped

    monkeypatch.setattr(_files, "write_text", deadly(_files.write_text))
    monkeypatch.setattr(_files, "replace_symlink", deadly(_files.replace_symlink))
    monkeypatch.setattr(Journal, "append", deadly(Journal.append))
    return killer


@pytest.fixture(params=["recreate", "blue_green"])
def world(
    request: pytest.FixtureRequest, runner: t.Any, params: t.Dict[str, t.Any], clock: t.Any, killer: Killer
) -> World:
    proxy = "nginx" if request.param == "blue_green" else None
    params.update(services={"backend": {"image": REPOSITORY}}, health=None, proxy_service=proxy)
    return World(runner, params, clock, killer, request.param)


def killed(killer: Killer, after: int, command: t.Callable[[], None]) -> bool:
    """Run *command* and kill it after so many durable acts; tell whether it came to that."""
    killer.left = after
    try:
        command()
    except KilledError:
        return True
    except HotfixError:
        return False
    finally:
        killer.left = None
    return False


#: One more than the durable acts of an adoption, a deploy, a rollback, and a deploy that is undone.
COUNTS = (14, 50, 36, 60)
#: Every place is in the slow tier; the quick one has a part of them, another one for each test.
EACH = 5


def places(which: int, first: int = 0) -> t.List[t.Any]:
    """Return the places to die at of one command."""
    everywhere = range(COUNTS[which])
    return [n if n % EACH == first or which == 0 else pytest.param(n, marks=pytest.mark.slow) for n in everywhere]


def test_every_place_is_died_at(world: World, killer: Killer) -> None:
    adopt, deploy, rollback, failing = (count - 1 for count in COUNTS)
    assert not killed(killer, adopt, world.adopt)
    assert not killed(killer, deploy, lambda: world.deploy("v2"))
    assert not killed(killer, rollback, world.rollback)
    world.unhealthy.add("v3")
    assert not killed(killer, failing, lambda: world.deploy("v3"))


def test_a_release_that_nobody_saw_leaves_the_way_back_as_it_was(world: World) -> None:
    world.adopt()
    world.deploy("v2")
    world.unhealthy.add("v3")
    with pytest.raises(HotfixError):
        world.deploy("v3")
    world.is_settled_on("v2")
    if world.host().app.proxy_service:
        # It only ran beside what users reached, so the next rollback is the one that they want.
        world.rollback()
        world.is_settled_on("v1")


@pytest.mark.parametrize("then", ["rollback", "deploy v2", "deploy v3"])
def test_a_lost_link_hides_from_no_command_what_is_current(world: World, then: str) -> None:
    world.adopt()
    world.deploy("v2")
    _files.replace_symlink(world.host().app.app_dir / "current", "releases/20200101T000000Z-gone")
    seen = observe(world.host())
    assert seen.current is not None
    assert seen.current.version == "v2"
    assert any("the link to the current release is lost" in text for text in seen.drift)
    if then == "rollback":
        world.rollback()
        world.is_settled_on("v1")
        assert world.states()["v2"] == "voided"
    else:
        world.deploy(then.partition(" ")[2])
        world.is_settled_on(then.partition(" ")[2])


def test_a_deploy_says_what_it_goes_back_to_where_the_current_record_is_lost(
    runner: t.Any, params: t.Dict[str, t.Any], clock: t.Any, killer: Killer
) -> None:
    params.update(services={"backend": {"image": REPOSITORY}}, health=None, proxy_service="nginx")
    world = World(runner, params, clock, killer, "blue_green")
    world.adopt()
    world.deploy("v2")
    current = world.host().releases.current()
    assert current is not None
    (world.host().releases.folder(current.id) / "release.json").write_text("{")
    world.deploy("v3")
    assert (world.runs(), world.current()) == (["v3"], "v3")
    said = [entry["text"] for entry in world.host().journal.entries() if entry.get("step") == "note"]
    assert any("The record of what users have now is lost. Should the deploy fail" in text for text in said)
    assert not any("The link to the current release" in text for text in said)


def many_deploys(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have more releases than keep their record, the last of them v3."""
    monkeypatch.setattr(_records, "RECORDS_KEPT", 2)
    world.adopt()
    for number in range(8):
        world.deploy("v2" if number % 2 else "v3")
    world.deploy("v1")


def test_old_records_go_and_the_way_back_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    many_deploys(world, monkeypatch)
    releases = world.host().releases
    # The current one, and the five good ones before it that keep their images.
    assert [r.version for r in releases.all()] == ["v1", "v2", "v3", "v2", "v3", "v2"]
    assert sorted(releases.names()) == sorted(r.id for r in releases.all())
    forgotten = [e for e in world.host().journal.entries() if e.get("step") == "forgotten"]
    assert [e["was"]["version"] for e in forgotten] == ["v1", "v3", "v2", "v3"]
    assert forgotten[0]["history"][-1]["state"] == "superseded"
    world.rollback()
    world.is_settled_on("v2")


@pytest.mark.parametrize("after", range(40, 61, 2))
def test_a_deploy_that_dies_as_it_forgets_loses_nothing_else(
    world: World, killer: Killer, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    many_deploys(world, monkeypatch)
    killed(killer, after, lambda: world.deploy("v3"))
    world.deploy("v3")
    world.is_settled_on("v3")
    assert len(world.host().releases.all()) <= 7
    assert world.host().releases.damaged() == []


@pytest.mark.parametrize("after", places(0))
def test_adopt_then_adopt(world: World, killer: Killer, after: int) -> None:
    killed(killer, after, world.adopt)
    world.adopt()
    world.is_settled_on("v1")


@pytest.mark.parametrize("after", places(1, 2))
@pytest.mark.parametrize("then", ["rollback", "deploy v2", "deploy v3"])
def test_deploy_then(world: World, killer: Killer, after: int, then: str) -> None:
    world.adopt()
    killed(killer, after, lambda: world.deploy("v2"))
    was_begun = world.states().get("v2") not in (None, "preparing", "prepared") or world.runs() == ["v2"]
    if then == "rollback":
        try:
            world.rollback()
        except HotfixError as exc:
            # Nothing was switched yet, so there is nothing to go back from; the next deploy clears the rest away.
            assert exc.code == "nothing_to_do"
            assert not was_begun
            assert world.runs() == ["v1"]
        else:
            world.is_settled_on("v1")
            assert world.states()["v2"] in ("failed", "voided")
        return
    version = then.partition(" ")[2]
    world.deploy(version)
    world.is_settled_on(version)
    if version == "v3":
        # Only what was confirmed before it was replaced is known good.
        known_good = "v2" if any(r.was_confirmed for r in world.host().releases.all() if r.version == "v2") else "v1"
        world.rollback()
        world.is_settled_on(known_good)


@pytest.mark.parametrize("after", places(2, 3))
@pytest.mark.parametrize("then", ["rollback", "deploy v3", "deploy bad"])
def test_rollback_then(world: World, killer: Killer, after: int, then: str) -> None:
    world.adopt()
    world.deploy("v2")
    killed(killer, after, world.rollback)
    began = "v2" not in world.states() or world.states()["v2"] == "voided" or world.runs() == ["v1"]
    if then == "rollback":
        world.rollback()
        world.is_settled_on("v1")
        assert world.states()["v2"] == "voided"
        return
    if then == "deploy v3":
        world.deploy("v3")
        world.is_settled_on("v3")
        world.rollback()
    else:
        world.unhealthy.add("v3")
        with pytest.raises(HotfixError):
            world.deploy("v3")
    # What was on its way to be rolled back from is never returned to.
    if began:
        world.is_settled_on("v1")


@pytest.mark.parametrize("after", places(3, 1))
@pytest.mark.parametrize("then", ["rollback", "deploy v2"])
def test_a_failing_deploy_then(world: World, killer: Killer, after: int, then: str) -> None:
    world.adopt()
    world.unhealthy.add("v3")
    killed(killer, after, lambda: world.deploy("v3"))
    if then == "rollback":
        try:
            world.rollback()
        except HotfixError as exc:
            assert exc.code == "nothing_to_do"
            assert world.runs() == ["v1"]
        else:
            world.is_settled_on("v1")
    else:
        world.deploy("v2")
        world.is_settled_on("v2")
        world.rollback()
        world.is_settled_on("v1")
