# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order services are started and stopped when one colour takes over from the other."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _files,
    _nginx_files,
    _proxy,
    _switch,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._blue_green import BlueGreen
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import opened
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

SERVICES: t.Dict[str, t.Dict[str, t.Any]] = {
    "backend": {"image": "registry.example.com/backend"},
    "sync": {"image": "registry.example.com/sync", "websockets": "close"},
    "worker": {"image": "registry.example.com/worker", "exclusive": True},
}


class Stage:
    """A host with v1 in the app's own project, v2 recorded, and what the engine was told to do."""

    def __init__(self, make_host: t.Any, runner: t.Any, **more: t.Any) -> None:
        self.runner = runner
        self.host = make_host(services=SERVICES, proxy_service="nginx", **more)
        runner.answers[("compose",)] = self._up
        runner.answers[("exec",)] = (0, "hotfix:reloaded", "")
        for service in SERVICES:
            runner.add(service, image="sha256:v1")
        runner.add("nginx")
        _proxy.folder(self.host).mkdir()
        managed = _proxy.Managed("nginx.conf", (("backend", 8081),), (), None)
        _files.write_json(_proxy.record_file(self.host), managed.as_json())
        _proxy.write_slot(self.host, managed, "own", None)
        _files.replace_symlink(_proxy.folder(self.host) / "live", "own")
        images = {name: Image(f"{options['image']}:v2", "sha256:v2") for name, options in SERVICES.items()}
        self.release = Release("20260102T030405Z-v2", "v2", images, "ann", "", "2026-01-02T03:04:05.000Z", "hash")
        self.host.releases.save(self.release)
        model = {"services": {name: {"image": "sha256:v2"} for name in SERVICES}}
        file = self.host.releases.compose_file(self.release.id)
        _compose.write(file, model, release_id=self.release.id, services=SERVICES)

    def _up(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        names = [word for word in words if word.endswith(("-blue", "-green"))][1:]
        with open(words[list(words).index("--file") + 1], encoding="utf-8") as handle:
            model = json.loads("".join(line for line in handle if not line.startswith("#")))
        for name in names:
            self.runner.add(name, image="sha256:v2", labels=model["services"][name]["labels"])
        return 0, "", ""

    def containers(self) -> t.List[t.Any]:
        return t.cast(t.List[t.Any], self.host.docker.containers("app"))

    def acts(self) -> t.List[str]:
        """Return what was started and stopped, in words."""
        names = {c["Id"]: c["Name"].lstrip("/") for c in self.runner.containers}
        told = []
        for words in self.runner.calls:
            if words[0] == "compose":
                told.append("up " + " ".join(w for w in words if w.endswith(("-blue", "-green")))[len("app-blue ") :])
            elif words[0] in ("stop", "restart"):
                told.append(f"{words[0]} " + " ".join(names[w] for w in words if w in names))
            elif words[0] == "exec":
                told.append("turn the proxy")
        return told


@pytest.fixture
def stage(make_host: t.Any, runner: t.Any) -> Stage:
    return Stage(make_host, runner)


def test_what_may_not_run_twice_is_stopped_before_its_successor_starts(stage: Stage) -> None:
    strategy = BlueGreen()
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session, session.step("switch"):
        strategy.start(session, stage.release)
        assert stage.acts() == ["up backend-blue sync-blue"]
        assert stage.release.slot == "blue"
        strategy.switch(session, stage.release, stage.containers())
    assert stage.acts() == [
        "up backend-blue sync-blue",
        "stop app-worker-3",
        "up worker-blue",
        "turn the proxy",
        # Its clients leave, and it is ready for a way back.
        "restart app-sync-2",
    ]
    assert stage.host.live_slot() == "blue"


def test_one_that_is_started_already_is_not_started_again(stage: Stage) -> None:
    strategy = BlueGreen()
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session:
        strategy.start(session, stage.release)
        assert strategy.is_warm(stage.host, stage.release, stage.containers())
        strategy.start(session, stage.release)
    assert stage.acts() == ["up backend-blue sync-blue"]


def test_one_that_is_not_healthy_is_not_warm(stage: Stage) -> None:
    strategy = BlueGreen()
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session:
        strategy.start(session, stage.release)
    stage.runner.containers[-1]["State"]["Health"]["Status"] = "unhealthy"
    assert not strategy.is_warm(stage.host, stage.release, stage.containers())


def test_the_slot_of_a_release_that_never_came_up_is_cleared_for_the_next(stage: Stage) -> None:
    labels = {
        "pangeafate.hotfix.app": "app",
        "pangeafate.hotfix.service": "backend",
        "pangeafate.hotfix.slot": "blue",
        "pangeafate.hotfix.release": "20260101T000000Z-v9",
    }
    left = stage.runner.add("backend-blue", image="sha256:v9", labels=labels, status="restarting")
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session:

        def removed(words: t.Sequence[str]) -> t.Tuple[int, str, str]:
            assert left["Id"] in words
            stage.runner.containers.remove(left)
            return 0, "", ""

        stage.runner.answers[("rm",)] = removed
        BlueGreen().start(session, stage.release)
    assert {c.release for c in stage.containers() if c.slot == "blue"} == {stage.release.id}


def test_a_release_that_the_proxy_refuses_leaves_users_where_they_were(stage: Stage) -> None:
    stage.runner.answers[("exec",)] = (0, "host not found in upstream\nhotfix:refused", "")
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session, session.step("switch"):
        BlueGreen().start(session, stage.release)
        with pytest.raises(HotfixError, match="host not found in upstream"):
            BlueGreen().switch(session, stage.release, stage.containers())
    assert stage.host.live_slot() == "own"


def test_a_turn_that_is_finished_by_another_run_keeps_the_assets_of_what_was_left(stage: Stage) -> None:
    assets = _nginx_files.Assets("/assets/", "backend", 8081)
    managed = _proxy.Managed("nginx.conf", (("backend", 8081),), (), assets)
    _files.write_json(_proxy.record_file(stage.host), managed.as_json())
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session, session.step("switch"):
        BlueGreen().start(session, stage.release)
        for _turn in range(2):
            BlueGreen().switch(session, stage.release, stage.containers())
            assert stage.host.live_slot() == "blue"
            served = (_proxy.folder(stage.host) / "live" / _nginx_files.ASSETS).read_text(encoding="utf-8")
            assert " backend;" in served


def test_every_slot_that_is_returned_to_asks_the_one_that_is_left_for_its_assets(stage: Stage) -> None:
    """A run that was killed may have left users in a third slot, which is not the one that is gone back to."""
    assets = _nginx_files.Assets("/assets/", "backend", 8081)
    managed = _proxy.Managed("nginx.conf", (("backend", 8081),), (), assets)
    _files.write_json(_proxy.record_file(stage.host), managed.as_json())
    _proxy.write_slot(stage.host, managed, "own", "blue")
    _proxy.write_slot(stage.host, managed, "blue", "own")
    _files.replace_symlink(_proxy.folder(stage.host) / "live", "blue")
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session, session.step("switch"):
        BlueGreen().start(session, stage.release)
        BlueGreen().switch(session, stage.release, stage.containers())
    assert stage.host.live_slot() == "green"
    asked = {
        slot: (_proxy.folder(stage.host) / slot / _nginx_files.ASSETS).read_text(encoding="utf-8")
        for slot in ("own", "blue", "green")
    }
    assert " backend-green;" in asked["own"]
    assert " backend-green;" in asked["blue"]
    assert " backend-blue;" in asked["green"]


@pytest.mark.parametrize(("number", "stopped"), [(0, True), (1, False)])
def test_what_runs_where_a_new_release_is_to_start_may_tell_its_clients_to_go(
    stage: Stage, number: int, stopped: bool
) -> None:
    labels = {
        "pangeafate.hotfix.app": "app",
        "pangeafate.hotfix.service": "backend",
        "pangeafate.hotfix.slot": "blue",
        "pangeafate.hotfix.release": "20260101T000000Z-v9",
    }
    left = stage.runner.add("backend-blue", image="sha256:v9", labels=labels)
    said: t.List[str] = []

    def told(words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        if left["Id"] in words:
            said.append(words[0])
        if words[0] == "rm":
            stage.runner.containers.remove(left)
        return 0, "", ""

    stage.runner.answers[("stop",)] = stage.runner.answers[("rm",)] = told
    stage.release.live_number = number
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session:
        BlueGreen().start(session, stage.release)
    assert said == (["stop", "rm"] if stopped else ["rm"])


INCIDENT = {
    "name": "saving",
    "type": "http",
    "path": "/",
    "expect": {"status": 200},
    "service": "backend",
    "port": 8081,
    "verify": True,
}


@pytest.mark.parametrize(
    ("check", "new", "told"),
    [
        # The containers of these tests have no address: whatever is asked of them could not be looked at.
        (INCIDENT, "The release is not good, and no user has seen it. Could not look", ""),
        (
            {**INCIDENT, "verify": False},
            "The release is not good, and no user has seen it. Could not look",
            "all the same, for it was good. Could not look",
        ),
        ({**INCIDENT, "expct": 1}, "unknown key 'expct'", "without the checks"),
    ],
)
def test_what_a_new_release_must_pass_does_not_hold_up_the_way_back(
    make_host: t.Any, runner: t.Any, check: t.Dict[str, t.Any], new: str, told: str
) -> None:
    stage = Stage(make_host, runner, checks=[check])
    with opened(stage.host, Run("r1", "ann", "", False), "deploy", resumes=False) as session:
        with pytest.raises(HotfixError, match=new):
            BlueGreen().start(session, stage.release)
        stage.release.live_number = 1
        runner.containers[:] = [c for c in runner.containers if not c["Config"]["Labels"].get("pangeafate.hotfix.slot")]
        BlueGreen().start(session, stage.release)
    assert told in " ".join(session.notes)
    assert bool(session.notes) == bool(told)


def test_the_strategy_follows_the_proxy(make_host: t.Any, stage: Stage) -> None:
    model = {"services": {name: {"image": "x"} for name in SERVICES}}
    assert _switch.choose(stage.host, model)[0].name == "blue_green"
    model["services"]["backend"]["network_mode"] = "host"
    strategy, why = _switch.choose(stage.host, model)
    assert (strategy.name, why) == ("recreate", "backend has network_mode host")
    _proxy.record_file(stage.host).unlink()
    assert "not under management" in str(_switch.choose(stage.host, model)[1])


def test_a_strategy_that_is_asked_for_by_name_is_taken_or_refused(make_host: t.Any) -> None:
    assert _switch.choose(make_host(strategy="recreate"), None)[0].name == "recreate"
    with pytest.raises(BadInputError, match="not under management"):
        _switch.choose(make_host(strategy="blue_green"), None)
