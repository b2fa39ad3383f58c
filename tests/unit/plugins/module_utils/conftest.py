# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An app folder, a clock that tests set, and a way to make releases without Docker."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release, Releases
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import app_from


class SetClock(Clock):
    """A clock that only moves when told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        self._steady = 0.0

    def now(self) -> datetime:
        return self._now

    def steady(self) -> float:
        return self._steady

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._steady += seconds


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


class Maker:
    """Makes releases that went through the given states, in their order."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self._second = 0

    def __call__(self, version: str, *states: str, by: str = "deploy", came_from: t.Optional[str] = None) -> Release:
        self._second += 1
        release = Release(
            id=f"20260102T0304{self._second:02d}Z-{version}",
            version=version,
            images={"backend": Image(f"registry.example.com/backend:{version}", f"sha256:{version}")},
            operator="ann@laptop",
            reason="",
            created="2026-01-02T03:04:05.000Z",
            config_hash=version,
        )
        for state in states:
            release.advance(state, at=release.created, operator=release.operator, why="test")
            if state == _states.LIVE:
                self._releases.make_current(release, by=by, came_from=came_from)
        self._releases.save(release)
        return release


@pytest.fixture
def make(releases: Releases) -> Maker:
    return Maker(releases)


Answer = t.Tuple[int, str, str]


class FakeRunner:
    """Stands where programs are run: answers as the Docker CLI does, from containers and images that tests set.

    ``answers`` maps the first words after ``docker`` to an answer; the longest that fits is given. An answer may be
    a function of all words.
    """

    def __init__(self) -> None:
        self.containers: t.List[t.Dict[str, t.Any]] = []
        self.made = 0
        self.images: t.Dict[str, t.Dict[str, t.Any]] = {}
        self.logs: t.Dict[str, t.Tuple[str, str]] = {}
        self.answers: t.Dict[t.Tuple[str, ...], t.Any] = {}
        self.calls: t.List[t.Tuple[str, ...]] = []
        self.timeouts: t.List[float] = []
        self.descriptors: t.List[t.Tuple[int, ...]] = []
        self.stdin: t.List[t.Optional[str]] = []
        self.files: t.List[t.Tuple[t.Optional[Path], t.Optional[Path]]] = []
        self.environments: t.List[t.Mapping[str, str]] = []

    def __call__(
        self,
        arguments: t.Sequence[str],
        *,
        timeout: float,
        stdin: t.Optional[str] = None,
        env: t.Optional[t.Mapping[str, str]] = None,
        pass_fds: t.Sequence[int] = (),
        stdin_file: t.Optional[Path] = None,
        stdout_file: t.Optional[Path] = None,
    ) -> Answer:
        words = tuple(arguments[1:]) if arguments[0] == "docker" else tuple(arguments)
        self.calls.append(words)
        self.timeouts.append(timeout)
        self.descriptors.append(tuple(pass_fds))
        self.stdin.append(stdin)
        self.environments.append(dict(env or {}))
        self.files.append((stdin_file, stdout_file))
        for length in range(len(words), 0, -1):
            if words[:length] in self.answers:
                answer = self.answers[words[:length]]
                given: Answer = answer(words) if callable(answer) else answer
                return given
        return self._engine(words)

    def _engine(self, words: t.Sequence[str]) -> Answer:
        if words[0] == "ps":
            if "pangeafate.hotfix.keeps" in words[-1]:
                keepers = [c for c in self.containers if "pangeafate.hotfix.keeps" in c["Config"]["Labels"]]
                return 0, "".join(c["Id"] + "\n" for c in keepers), ""
            project = " app" if "pangeafate.hotfix.app" in words[-1] else ""
            return 0, "".join(c["Id"] + project + "\n" for c in self.containers), ""
        if words[:3] == ("inspect", "--type", "container"):
            found = [c for c in self.containers if c["Id"] in words[3:]]
            if "--format" in words:
                return 0, "".join(f"{c['Id']} {c['Image']}\n" for c in found), ""
            gone = set(words[3:]) - {c["Id"] for c in found}
            return (
                (1, json.dumps(found), f"Error: No such container: {min(gone)}") if gone else (0, json.dumps(found), "")
            )
        if words[:2] == ("image", "inspect"):
            image = self.images.get(words[2])
            return (0, json.dumps([image]), "") if image else (1, "[]", f"Error: No such image: {words[2]}")
        if words[0] == "logs":
            return (0, *self.logs.get(words[-1], ("", "")))
        return 0, "", ""

    def add(self, service: str, **state: t.Any) -> t.Dict[str, t.Any]:
        """Add a container, healthy and running unless told otherwise."""
        # No two containers ever have the same ID, though some may be gone.
        self.made += 1
        number = self.made
        health = state.pop("health", "healthy")
        said = state.pop("said", "")
        container: t.Dict[str, t.Any] = {
            "Id": f"{number:02d}" * 32,
            "Name": f"/app-{service}-{number}",
            "Image": state.pop("image", "sha256:v1"),
            "RestartCount": state.pop("restarts", 0),
            "Config": {
                "Image": f"registry.example.com/{service}:v1",
                "Env": state.pop("env", []),
                "Labels": {"com.docker.compose.service": service, **state.pop("labels", {})},
            },
            "State": {
                "Status": state.pop("status", "running"),
                "ExitCode": state.pop("exit_code", 0),
                "OOMKilled": state.pop("oom", False),
                **({"Health": {"Status": health, "Log": [{"Output": said}] if said else []}} if health else {}),
            },
        }
        assert not state
        self.containers.append(container)
        return container


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no socket of an engine: that of this machine is none of a test's business."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///no-engine")


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def docker(runner: FakeRunner) -> Docker:
    return Docker(runner)


@pytest.fixture
def params(tmp_path: Path) -> t.Dict[str, t.Any]:
    """Return what a module has after its argument spec was applied."""
    return {
        "app_dir": str(tmp_path),
        "project": "app",
        "compose_file": "docker-compose.yml",
        "services": {"backend": {"image": "registry.example.com/backend"}},
        "proxy_service": None,
        "proxy_test": ["nginx", "-t"],
        "proxy_reload": ["nginx", "-s", "reload"],
        "health": None,
        "current_only": [],
        "start_timeout": 30.0,
        "stop_timeout": 10,
        "pull_timeout": 600.0,
        "registry": None,
        "registry_username": None,
        "registry_password": None,
        "strategy": "auto",
        "proxy_config": None,
        "assets": None,
        "warm_for": 900.0,
        "confirm_within": 300.0,
        "unconfirmed": "revert",
        "database": {},
        "host_name": None,
        "migration": None,
        "backup_max_age": 600.0,
        "backup_keep": 5,
        "checks": [],
        "check_secrets": None,
    }


@pytest.fixture
def make_host(params: t.Dict[str, t.Any], docker: Docker, clock: SetClock) -> t.Callable[..., Host]:
    return lambda **changed: Host(app_from({**params, **changed}), docker, clock)
