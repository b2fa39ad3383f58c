# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services are restarted: users notice it of none that a release replaces, and are told beforehand of all others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox import load
from tests.integration import sabotage
from tests.integration.driver import APP, Host, Played, play
from tests.integration.sabotage import assert_settled, assert_unnoticed, containers_of, live_slot, zero_downtime

PROD1 = ("-l", "prod1")
IN_PLACE = ("-e", "hotfix_strategy=recreate")
FRESH = ("make_room", "images", "start", "smoke", "switch", "prepare_proxy", "point_proxy", "verify")


def restart(*arguments: str) -> Played:
    return play("restart", *PROD1, *arguments)


def done(played: Played) -> Played:
    assert played.code == 0, played.raw
    return played


def reached_by_users(host: Host, service: str) -> str:
    """The name of a container of a switched service in the slot that users are in."""
    slot = live_slot(host)
    names = host.docker("ps", "--filter", f"name={service}", "--format", "{{.Names}}").split()
    return next(name for name in names if name.startswith(f"notes-{service}" if slot == "own" else f"notes-{slot}"))


def starve(host: Host, name: str) -> None:
    """Leave a container so little memory that it is killed as soon as it starts."""
    host.docker("stop", "--time", "1", name)
    host.docker("update", "--memory", "6m", "--memory-swap", "6m", name)


def state_of(host: Host, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(host.docker("inspect", "--format", "{{json .State}}", name))
    return found


@pytest.fixture(scope="module")
def stage() -> Iterator[list[Host]]:
    """Holds the host between tests that leave it as they found it."""
    yield []


@pytest.fixture
def prod1(stage: list[Host]) -> Host:
    """A production host with v1 confirmed and its proxy under management; made anew where a test left it otherwise."""
    if stage:
        try:
            assert_settled(stage[0], "v1")
        except (AssertionError, OSError):
            stage.clear()
    if not stage:
        stage.extend(zero_downtime("prod1"))
    return stage[0]


def test_users_notice_nothing_of_a_release_that_is_started_afresh(prod1: Host) -> None:
    before, slot = prod1.current(), live_slot(prod1)
    plan = done(restart("-e", "services=backend", "--check"))
    assert "frontend, hocuspocus would be restarted with it" in plan.text
    assert live_slot(prod1) == slot
    with load.running("prod1", rate=25, sockets=8, slow_seconds=2) as users:
        first = done(restart("-e", "services=backend", "-e", "reason='pages are slow'"))
    assert_unnoticed(users.report())
    assert_settled(prod1, "v1")
    assert live_slot(prod1) != slot
    after = prod1.current()
    assert (after["id"], after["arrived_by"], after["came_from"]) == (
        before["id"],
        before["arrived_by"],
        before["came_from"],
    )
    assert "How long that takes is unknown: it was never measured on this host." in first.text
    again = done(restart("-e", "services=backend,frontend", "--check"))
    assert "users noticed nothing" in again.text


def test_what_cannot_be_meant_is_refused_before_anything_is_touched(prod1: Host) -> None:
    before = prod1.containers(), len(prod1.journal())
    told = restart("-e", "services=backnd,redis")
    assert told.code != 0
    assert "Unknown service 'backnd': the app has backend, frontend, hocuspocus, nginx, postgres, redis" in told.text
    told = restart()
    assert told.code != 0
    assert "No service is named" in told.text
    told = restart("-e", "services=high_usage,redis")
    assert told.code != 0
    assert "high_usage stands beside names of services" in told.text
    assert (prod1.containers(), len(prod1.journal())) == before


@pytest.mark.slow
def test_what_uses_too_much_is_found_shown_and_restarted(prod1: Host) -> None:
    idle = done(restart("-e", "services=high_usage", "-e", "restart_high_cpu=95"))
    assert "nothing would be restarted" in idle.text
    slot = live_slot(prod1)
    busy = reached_by_users(prod1, "backend")
    prod1.docker("exec", "--detach", busy, "sh", "-c", "while :; do :; done")
    told = done(restart("-e", "services=high_usage", "-e", "restart_high_cpu=20"))
    assert f"{busy} uses" in told.text
    assert "At or above 20 % of a CPU or 80 % of the memory: backend." in told.text
    assert_settled(prod1, "v1")
    assert live_slot(prod1) != slot


@pytest.mark.slow
def test_backing_services_are_restarted_in_the_order_of_their_dependences(prod1: Host) -> None:
    slot = live_slot(prod1)
    plan = done(restart("-e", "services=nginx,redis,postgres", "--check"))
    assert "every WebSocket breaks" in plan.text
    assert "backend, nginx cannot use it until it is healthy again" in plan.text
    lines = len(prod1.journal())
    done(restart("-e", "services=nginx,redis,postgres"))
    steps = [e for e in prod1.journal()[lines:] if e["phase"] == "begin" and e["step"] == "restart"]
    assert [step["service"] for step in steps] == ["postgres", "redis", "nginx"]
    assert "check_dependants" in [e["step"] for e in prod1.journal()[lines:]]
    assert live_slot(prod1) == slot
    assert_settled(prod1, "v1")
    again = done(restart("-e", "services=redis", "--check"))
    assert "Last time," in again.text


@pytest.mark.slow
def test_a_wedged_container_is_killed_only_when_told_to(prod1: Host) -> None:
    # It neither answers nor takes the signal to stop.
    prod1.docker("kill", "--signal", "STOP", "notes-redis")
    began = state_of(prod1, "notes-redis")["StartedAt"]
    told = restart("-e", "services=redis", "-e", "hotfix_stop_timeout=3")
    assert told.code != 0
    assert "notes-redis did not stop within 10 s, and was not killed." in told.text
    assert "-e force=true" in told.text
    assert state_of(prod1, "notes-redis")["StartedAt"] == began
    done(restart("-e", "services=redis", "-e", "force=true", "-e", "hotfix_stop_timeout=3"))
    assert state_of(prod1, "notes-redis")["StartedAt"] != began
    assert_settled(prod1, "v1")


@pytest.mark.slow
def test_a_container_that_does_not_come_back_is_shown(prod1: Host) -> None:
    name = reached_by_users(prod1, "frontend")
    starve(prod1, name)
    told = restart("-e", "services=frontend", *IN_PLACE, "-e", "hotfix_start_timeout=25")
    assert told.code != 0
    assert f"{name} did not come back" in told.text
    for words in ("exit code 137", "killed for lack of memory: yes", "Its health check said:", "Its last lines:"):
        assert words in told.text, told.raw
    prod1.docker("update", "--memory", "512m", "--memory-swap", "512m", name)
    done(restart("-e", "services=frontend", *IN_PLACE))
    assert state_of(prod1, name)["Status"] == "running"
    assert_settled(prod1, "v1")


@pytest.mark.slow
def test_a_proxy_that_would_not_come_up_again_is_left_running(prod1: Host) -> None:
    began = state_of(prod1, "notes-nginx")["StartedAt"]
    prod1.run("mv", f"{APP}/nginx/certs/privkey.pem", f"{APP}/nginx/certs/away")
    try:
        told = restart("-e", "services=nginx")
    finally:
        prod1.run("mv", f"{APP}/nginx/certs/away", f"{APP}/nginx/certs/privkey.pem")
    assert told.code != 0
    assert "would not come up again" in told.text
    assert state_of(prod1, "notes-nginx")["StartedAt"] == began
    assert_settled(prod1, "v1")


@pytest.mark.slow
def test_the_release_beside_the_current_one_makes_room_and_that_is_said() -> None:
    (host,) = zero_downtime("prod1")
    done(play("deploy", *PROD1, "-e", "version=v6"))
    plan = done(restart("-e", "services=backend", "--check"))
    assert "would make room: a rollback to it then starts it first." in plan.text
    said = done(restart("-e", "services=backend"))
    assert "no longer runs beside the current release" in said.text
    assert_settled(host, "v6")
    done(play("rollback", *PROD1))
    assert_settled(host, "v1")


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["begin", "end"])
@pytest.mark.parametrize("step", FRESH)
def test_the_module_is_killed_in_a_restart(step: str, phase: str, prod1: Host) -> None:
    """The operator's next restart goes on with it, and users noticed nothing of either."""
    if step == "make_room" and not containers_of(prod1, "green" if live_slot(prod1) == "blue" else "blue"):
        done(restart("-e", "services=backend"))
    with load.running("prod1", rate=25, sockets=8, slow_seconds=2) as users:
        killed = sabotage.module_killed(
            prod1, "restart", *PROD1, "-e", "services=backend", action="restart", step=step, phase=phase
        )
        assert killed.code != 0
        done(restart("-e", "services=backend"))
    assert_settled(prod1, "v1")
    assert_unnoticed(users.report())


@pytest.mark.slow
def test_ansible_is_killed_in_a_restart(prod1: Host) -> None:
    """A rollback finds nothing to go back to, and the next restart goes on."""
    with load.running("prod1", rate=25, sockets=8, slow_seconds=2) as users:
        sabotage.controller_killed(
            prod1, "restart", *PROD1, "-e", "services=backend", action="restart", step="switch", phase="begin"
        )
        done(restart("-e", "services=backend"))
    assert_settled(prod1, "v1")
    assert_unnoticed(users.report())


@pytest.mark.slow
def test_a_host_that_fails_is_the_last_one_that_is_touched() -> None:
    first, second = zero_downtime("prod1", "prod2")
    name = reached_by_users(first, "frontend")
    other = reached_by_users(second, "frontend")
    starve(first, name)
    began = state_of(second, other)["StartedAt"]
    both = ("-l", "production", "-e", "services=frontend", *IN_PLACE)
    told = play("restart", *both, "-e", "hotfix_start_timeout=25")
    first.docker("update", "--memory", "512m", "--memory-swap", "512m", name)
    assert told.code != 0
    assert "prod1: failed" in told.text
    assert state_of(second, other)["StartedAt"] == began
    done(play("restart", *both))
    assert state_of(second, other)["StartedAt"] != began
