# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container that is restarted in place: how it is stopped, waited for, and shown where it does not come back."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _proxy
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart.perform import Wanted, check, perform
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

RUN = Run("r1", "ann", "", False)
MODEL: t.Dict[str, t.Any] = {
    "services": {
        "redis": {"image": "y", "stop_grace_period": "20s"},
        "backend": {"image": "x", "depends_on": {"redis": {}}},
        "nginx": {"image": "z", "depends_on": {"backend": {}}},
    }
}


class Stage:
    """A host whose engine stops and starts containers; ``broken`` says how a container comes up instead."""

    def __init__(self, runner: t.Any, host: Host) -> None:
        self.runner, self.host = runner, host
        self.broken: t.Dict[str, t.Any] = {}
        self.stubborn: t.Set[str] = set()
        (host.app.app_dir / "docker-compose.yml").write_text("services: {}")
        (host.app.app_dir / ".env").write_text("REDIS_PASSWORD=correct-horse\n")
        runner.answers[("compose",)] = (0, json.dumps(MODEL), "")
        runner.answers[("stop",)] = self._stop
        runner.answers[("start",)] = self._start
        for service in MODEL["services"]:
            runner.add(service)

    def named(self, word: str) -> t.Dict[str, t.Any]:
        found: t.Dict[str, t.Any] = next(c for c in self.runner.containers if c["Id"] == word)
        return found

    def _stop(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        container = self.named(words[-1])
        if container["Name"] in self.stubborn and words[2] == "-1":
            return 124, "", ""
        container["State"]["Status"] = "exited"
        return 0, "", ""

    def _start(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        container = self.named(words[-1])
        container["State"].update({"Status": "running", **self.broken.get(container["Name"], {})})
        return 0, "", ""

    def restart(self, *names: str, **more: t.Any) -> t.Dict[str, t.Any]:
        return perform(self.host, RUN, Wanted(names, **more))

    def acts(self) -> t.List[str]:
        """Return what was stopped and started, in order."""
        return [
            f"{words[0]} {self.named(words[-1])['Name']}"
            for words in self.runner.calls
            if words[0] in ("stop", "start")
        ]


@pytest.fixture
def stage(runner: t.Any, make_host: t.Callable[..., Host]) -> Stage:
    return Stage(runner, make_host(proxy_service="nginx"))


def test_services_are_restarted_one_after_the_other_and_what_needs_them_is_looked_at(stage: Stage) -> None:
    result = stage.restart("nginx", "redis")
    assert stage.acts() == ["stop /app-redis-1", "start /app-redis-1", "stop /app-nginx-3", "start /app-nginx-3"]
    assert result["names"] == ["redis", "nginx"]
    assert "what depends on it (backend)" in result["summary"]
    assert "was not looked at (hotfix_health is not set)" in result["summary"]
    assert [step["step"] for step in result["steps"]] == ["restart", "restart", "check_dependants"]
    journal = [(e["step"], e.get("service")) for e in stage.host.journal.entries() if e["phase"] == "begin"]
    assert journal[:2] == [("restart", "redis"), ("restart", "nginx")]
    assert stage.host.lease.holder() is None


def test_one_that_does_not_stop_is_not_killed_unless_that_is_asked_for(stage: Stage, runner: t.Any) -> None:
    stage.stubborn.add("/app-redis-1")
    with pytest.raises(HotfixError, match="did not stop within 20 s, and was not killed") as caught:
        stage.restart("redis")
    assert "force=true" in caught.value.next_step
    assert "it may still end" in caught.value.left
    assert not [words for words in runner.calls if words[0] in ("start", "kill")]
    stage.restart("redis", force=True)
    assert runner.calls[[w[0] for w in runner.calls].index("start") - 1][:3] == ("stop", "--time", "10")


def test_a_proxy_does_not_wait_for_its_websockets(stage: Stage, runner: t.Any) -> None:
    plan = check(stage.host, Wanted(("nginx",)))["plan"]
    assert any("requests in flight have 2 s to finish" in line and "every WebSocket breaks" in line for line in plan)
    stage.restart("nginx")
    assert next(w for w in runner.calls if w[0] == "stop")[:3] == ("stop", "--time", "2")


def test_one_that_ended_by_itself_is_only_started(stage: Stage, runner: t.Any) -> None:
    runner.containers[0]["State"]["Status"] = "exited"
    stage.restart("redis")
    assert stage.acts() == ["start /app-redis-1"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"Status": "exited", "ExitCode": 78}, "it ended"),
        ({"Health": {"Status": "unhealthy", "Log": [{"Output": "NOAUTH"}]}}, "it is unhealthy"),
    ],
)
def test_one_that_does_not_come_back_is_shown_with_all_that_is_known_of_it(
    stage: Stage, runner: t.Any, state: t.Dict[str, t.Any], said: str
) -> None:
    stage.broken["/app-redis-1"] = {"OOMKilled": True, **state}
    runner.logs[runner.containers[0]["Id"]] = ("Bad directive: requirepass correct-horse\n", "")
    with pytest.raises(HotfixError, match=f"app-redis-1 did not come back: {said}") as caught:
        stage.restart("redis", "nginx")
    text = str(caught.value)
    assert f"exit code {state.get('ExitCode', 0)}" in text
    assert "killed for lack of memory: yes" in text
    assert "Bad directive: requirepass ********" in text
    assert "correct-horse" not in text
    if "Health" in state:
        assert "Its health check said: NOAUTH" in text
    else:
        assert "app-redis-1 is exited." in caught.value.left
    # What needs it is left alone.
    assert stage.acts() == ["stop /app-redis-1", "start /app-redis-1"]
    assert stage.host.lease.holder() is None


def test_one_that_crashes_again_and_again_is_not_waited_for_to_the_end(
    stage: Stage, runner: t.Any, clock: t.Any
) -> None:
    stage.broken["/app-redis-1"] = {"Status": "restarting", "ExitCode": 1}
    container, inspect = runner.containers[0], runner._engine

    def crashing(words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        if container["State"]["Status"] == "restarting":
            container["RestartCount"] += 1
        answer: t.Tuple[int, str, str] = inspect(words)
        return answer

    runner.answers[("inspect",)] = crashing
    with pytest.raises(HotfixError, match="crashes again and again"):
        stage.restart("redis")
    assert clock.steady() < 5


def test_one_that_never_becomes_healthy_fails_when_its_time_is_over(stage: Stage, clock: t.Any) -> None:
    stage.broken["/app-redis-1"] = {"Health": {"Status": "starting", "Log": []}}
    with pytest.raises(HotfixError, match="did not come back healthy within 30 s"):
        stage.restart("redis")
    assert clock.steady() >= 30


def test_what_needs_it_may_take_its_time_to_recover(stage: Stage, runner: t.Any, clock: t.Any) -> None:
    backend = runner.containers[1]
    backend["State"]["Health"]["Status"] = "unhealthy"
    sleep = clock.sleep

    def recovering(seconds: float) -> None:
        sleep(seconds)
        if clock.steady() > 8:
            backend["State"]["Health"]["Status"] = "healthy"

    clock.sleep = recovering
    assert stage.restart("redis")["changed"]
    assert 8 < clock.steady() < 12


def test_what_needs_it_and_does_not_recover_fails_the_restart(stage: Stage, runner: t.Any) -> None:
    runner.containers[1]["State"]["Health"] = {"Status": "unhealthy", "Log": [{"Output": "no database"}]}
    with pytest.raises(HotfixError, match="app-backend-2 did not come back healthy") as caught:
        stage.restart("redis")
    assert "Its health check said: no database" in str(caught.value)


def test_what_did_not_run_before_is_not_blamed_on_the_restart(stage: Stage, runner: t.Any) -> None:
    runner.containers[1]["State"]["Status"] = "exited"
    assert stage.restart("redis")["outcome"] == "done"


def test_a_proxy_that_would_not_come_up_again_is_not_stopped(stage: Stage, runner: t.Any) -> None:
    runner.answers[("exec",)] = (1, "", 'unknown directive "sever"')
    with pytest.raises(HotfixError, match='unknown directive "sever"') as caught:
        stage.restart("nginx")
    assert caught.value.code == "refused"
    assert stage.acts() == []


def test_a_managed_proxy_comes_back_with_the_slot_that_users_are_in(stage: Stage, runner: t.Any) -> None:
    host = stage.host
    _proxy.folder(host).mkdir()
    managed = _proxy.Managed("nginx.conf", (("backend", 8081),), (), None)
    _files.write_json(_proxy.record_file(host), managed.as_json())
    _proxy.write_slot(host, managed, "green", None)
    _files.replace_symlink(_proxy.folder(host) / "live", "green")
    runner.answers[("exec",)] = (0, "hotfix:reloaded", "")
    stage.restart("nginx")
    kinds = [words[0] for words in runner.calls if words[0] in ("stop", "cp", "start", "exec")]
    # It is tested, stopped, gets today's folder, is started, and asked what it sees.
    assert kinds == ["exec", "stop", "cp", "start", "exec"]
    identity = (_proxy.folder(host) / "green" / "id").read_text().strip()
    assert identity in [words for words in runner.calls if words[0] == "exec"][-1]
    assert host.live_slot() == "green"


def test_a_container_that_the_engine_cannot_start_is_told(stage: Stage, runner: t.Any) -> None:
    runner.answers[("start",)] = (1, "", "error mounting /srv/x: not a directory")
    with pytest.raises(HotfixError, match="could not be started again: error mounting"):
        stage.restart("redis")
