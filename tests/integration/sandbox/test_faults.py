# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in the middle of it, with users at work: no request fails but those that the fault itself cuts off."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from sandbox import faults, load
from tests.integration import sabotage
from tests.integration.driver import NO_BASELINE, Host, Played, play, start
from tests.integration.sabotage import assert_settled, assert_unnoticed, containers_of, live_slot, zero_downtime

STAGING = ("-l", "staging")
# It brings a migration, which the versions before it can live with: every step that there is.
NEXT = "v7"

DEPLOY = (
    "pull",
    "prepare",
    "back_up",
    "migrate",
    "start",
    "smoke",
    "switch",
    "prepare_proxy",
    "point_proxy",
    "verify",
    "close_websockets",
    "confirm",
)
_TURN = ("switch", "prepare_proxy", "point_proxy", "verify", "close_websockets")
#: The module's steps in a rollback that the host's own script has turned already; in one that the module makes by
#: itself, as it does where it is asked for by ID; and where the old release's containers are gone.
ROLLBACKS = {
    "turned by the script": ("settle", "verify", "render_way_back"),
    "by ID": _TURN,
    "cold": ("images", "start", "smoke", *_TURN),
}
# What a deploy of v2 is undone by, whose check fails in the idle colour; and where nobody looks before users do.
ABANDON = ("abandon",)
REVERT = ("switch", "prepare_proxy", "point_proxy", "verify", "close_websockets")
_SAVING = {
    "name": "a note can be saved",
    "type": "http",
    "method": "POST",
    "path": "/api/notes/share",
    "body": {"title": "t", "content": "c"},
    "expect": {"status": 201},
}
SEEN_OUTSIDE = ("-e", json.dumps({"hotfix_checks": [_SAVING]}))


def begun(host: Host, action: str, since: int = 0) -> list[str]:
    """The steps of an action that began after a line of the journal, each once."""
    entries = host.journal()[since:]
    return list(dict.fromkeys(e["step"] for e in entries if e.get("phase") == "begin" and e["action"] == action))


def users_of(*names: str) -> AbstractContextManager[load.Users]:
    """Fewer users than elsewhere: the machine has also the faults to bear."""
    return load.running(*names, rate=25, sockets=8, slow_seconds=2)


def stop_idle_slot(host: Host, slot: str, *, remove: bool = False) -> None:
    assert containers_of(host, slot)
    label = "pangeafate.hotfix.slot"
    for name in host.docker("ps", "--format", "{{.Names}}").split():
        service = host.docker("inspect", "--format", '{{index .Config.Labels "com.docker.compose.service"}}', name)
        its = host.docker("inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', name) or "own"
        if its == slot and service.split("-")[0] in ("backend", "frontend", "hocuspocus"):
            host.docker(*(("rm", "--force") if remove else ("stop",)), name)


@pytest.fixture(scope="module")
def stage() -> Iterator[list[Host]]:
    """Holds the staging host between tests that leave it as they found it."""
    yield []


@pytest.fixture
def host(stage: list[Host]) -> Host:
    """A staging host with v1 confirmed and its proxy under management; made anew where a test left it otherwise."""
    if stage:
        try:
            assert_settled(stage[0], "v1")
        except (AssertionError, OSError):
            stage.clear()
    if not stage:
        stage.extend(zero_downtime("staging1"))
    return stage[0]


def done(played: Played) -> Played:
    assert played.code == 0, played.raw
    return played


def deployed(host: Host, way: str) -> tuple[str, ...]:
    """Deploy the next version, and return the arguments of the rollback that goes back in a certain way."""
    release, slot = host.current()["id"], live_slot(host)
    done(play("deploy", *STAGING, "-e", f"version={NEXT}", *NO_BASELINE))
    if way == "cold":
        stop_idle_slot(host, slot, remove=True)
    return (*STAGING, "-e", f"release={release}") if way == "by ID" else STAGING


@pytest.mark.slow
def test_the_steps_that_are_killed_below_are_all_that_there_are(host: Host) -> None:
    before = len(host.journal())
    for way, steps in ROLLBACKS.items():
        arguments = deployed(host, way)
        assert sorted(begun(host, "deploy", before)) == sorted(DEPLOY)
        before = len(host.journal())
        done(play("rollback", *arguments))
        assert begun(host, "rollback", before) == list(steps)
        assert begun(host, "switch_back", before) == (["switch"] if way == "turned by the script" else [])
        assert_settled(host, "v1")
        before = len(host.journal())
    for more, steps in (((), ABANDON), (SEEN_OUTSIDE, REVERT)):
        assert play("deploy", *STAGING, "-e", "version=v2", *more).code != 0
        assert begun(host, "revert", before) == list(steps)
        assert_settled(host, "v1")
        before = len(host.journal())


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["begin", "end"])
@pytest.mark.parametrize("step", DEPLOY)
def test_the_module_is_killed_in_a_deploy(step: str, phase: str, host: Host) -> None:
    """The rest of the playbook takes it back, and the next deploy goes through."""
    with users_of("staging1") as users:
        killed = sabotage.module_killed(
            host, "deploy", *STAGING, "-e", f"version={NEXT}", action="deploy", step=step, phase=phase
        )
        assert killed.code != 0
        if (step, phase) == ("confirm", "begin"):
            # All was well, and nobody confirmed it: its host goes back when the time is over, unless somebody comes.
            assert (host.current()["version"], host.current()["state"]) == (NEXT, "live")
        else:
            # Confirmed is confirmed, though the answer was lost; from anywhere else it goes back. Killed before the
            # release was told to the controller, or once it was confirmed, there is nothing to take back, and nobody
            # comes to give the lease back: it is kept for the operator.
            kept = step in ("pull", "prepare", "confirm")
            assert_settled(host, NEXT if step == "confirm" else "v1", lease=kept)
        done(play("deploy", *STAGING, "-e", f"version={NEXT}", *NO_BASELINE))
        assert_settled(host, NEXT)
        done(play("rollback", *STAGING))
    assert_settled(host, "v1")
    assert_unnoticed(users.report())
    assert users.versions() <= {"v1", NEXT}


@pytest.mark.slow
@pytest.mark.parametrize("step", DEPLOY)
def test_ansible_is_killed_in_a_deploy(step: str, host: Host) -> None:
    """The operator, who is the same, rolls back at once, and finds the app on v1."""
    with users_of("staging1") as users:
        sabotage.controller_killed(
            host, "deploy", *STAGING, "-e", f"version={NEXT}", action="deploy", step=step, phase="begin"
        )
        back = play("rollback", *STAGING)
        # Before there was anything to go back from, it says so.
        assert back.code == 0 or "There is nothing to roll back to" in back.text, back.raw
    assert_settled(host, "v1")
    assert_unnoticed(users.report())
    assert users.versions() <= {"v1", NEXT}


# Turning the proxy is the same whether the old release ran or had to be started.
KILLED = [
    *((way, step) for way in ("turned by the script", "by ID") for step in ROLLBACKS[way]),
    *(("cold", step) for step in ("images", "start", "smoke")),
]


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["begin", "end"])
@pytest.mark.parametrize(("way", "step"), KILLED)
def test_the_module_is_killed_in_a_rollback(way: str, step: str, phase: str, host: Host) -> None:
    """The next rollback finishes it."""
    arguments = deployed(host, way)
    with users_of("staging1") as users:
        killed = sabotage.module_killed(host, "rollback", *arguments, action="rollback", step=step, phase=phase)
        assert killed.code != 0
        done(play("rollback", *STAGING))
    assert_settled(host, "v1")
    assert_unnoticed(users.report())
    assert users.versions() <= {"v1", NEXT}


@pytest.mark.slow
@pytest.mark.parametrize(("way", "step"), KILLED)
def test_ansible_is_killed_in_a_rollback(way: str, step: str, host: Host) -> None:
    arguments = deployed(host, way)
    with users_of("staging1") as users:
        sabotage.controller_killed(host, "rollback", *arguments, action="rollback", step=step, phase="begin")
        done(play("rollback", *STAGING))
    assert_settled(host, "v1")
    assert_unnoticed(users.report())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("warm", "later"), [*((True, s) for s in (0.0, 0.03, 0.08, 0.15, 0.3)), *((False, s) for s in (0.0, 1.0, 4.0))]
)
def test_the_hosts_script_is_killed_in_a_rollback(warm: bool, later: float, host: Host) -> None:
    """The module that follows it finishes what it began, wherever that was."""
    slot = live_slot(host)
    done(play("deploy", *STAGING, "-e", f"version={NEXT}"))
    if not warm:
        stop_idle_slot(host, slot)
    with users_of("staging1") as users:
        done(sabotage.script_killed(host, "rollback", *STAGING, later=later))
    assert_settled(host, "v1")
    assert_unnoticed(users.report())
    assert users.versions() <= {"v1", NEXT}


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["begin", "end"])
@pytest.mark.parametrize(
    ("more", "step"),
    [pytest.param(more, s, id=s) for more, steps in (((), ABANDON), (SEEN_OUTSIDE, REVERT)) for s in steps],
)
def test_the_module_is_killed_while_it_takes_a_deploy_back(
    more: tuple[str, ...], step: str, phase: str, host: Host
) -> None:
    with users_of("staging1") as users:
        killed = sabotage.module_killed(
            host, "deploy", *STAGING, "-e", "version=v2", *more, action="revert", step=step, phase=phase
        )
        assert killed.code != 0
        done(play("deploy", *STAGING, "-e", f"version={NEXT}"))
        assert_settled(host, NEXT)
        done(play("rollback", *STAGING))
    assert_settled(host, "v1")
    # Saving is what is broken in v2.
    assert_unnoticed(users.report(forgive=lambda s: s.version == "v2" and s.status == 500))
    assert users.versions() <= ({"v1", "v2", NEXT} if more else {"v1", NEXT})


@pytest.mark.slow
def test_ssh_is_lost_before_the_switch(host: Host) -> None:
    """Nobody has seen the release; the next deploy takes up what was begun."""
    with users_of("staging1") as users:
        with sabotage.at(host, kill=False, action="deploy", step="start", phase="begin"):
            deploy = start("deploy", *STAGING, "-e", f"version={NEXT}", *sabotage.INTERPRETER)
            try:
                sabotage.wait_until_reached(host)
                faults.cut_ssh("staging1")
                sabotage.let_go(host)
                printed, _nothing = deploy.communicate(timeout=180)
            finally:
                if deploy.poll() is None:
                    os.killpg(deploy.pid, signal.SIGKILL)
                faults.restore_ssh("staging1")
        assert deploy.returncode != 0
        assert "unreachable" in printed
        assert users.versions() == {"v1"}
        done(play("deploy", *STAGING, "-e", f"version={NEXT}"))
        assert_settled(host, NEXT)
        done(play("rollback", *STAGING))
    assert_settled(host, "v1")
    assert_unnoticed(users.report())


@pytest.mark.slow
def test_ssh_is_lost_after_the_switch(host: Host) -> None:
    """Nobody can confirm the release: the host goes back by itself when its time is over."""
    with users_of("staging1") as users:
        with sabotage.at(host, kill=False, action="deploy", step="verify", phase="begin"):
            deploy = start(
                "deploy", *STAGING, "-e", f"version={NEXT}", "-e", "hotfix_confirm_within=40", *sabotage.INTERPRETER
            )
            try:
                sabotage.wait_until_reached(host)
                faults.cut_ssh("staging1")
                sabotage.let_go(host)
                seen = users.now()
                users.wait_for(lambda: NEXT in users.versions(), 10, NEXT)
                users.wait_for(lambda: (users.first("v1", seen + 5) or 0) > 0, 90, "v1 again")
                printed, _nothing = deploy.communicate(timeout=180)
            finally:
                if deploy.poll() is None:
                    os.killpg(deploy.pid, signal.SIGKILL)
                faults.restore_ssh("staging1")
        assert deploy.returncode != 0
        assert "unreachable" in printed
        assert (users.last(NEXT) or 0) - seen < 60
        told = done(play("rollback", *STAGING))
        assert "Already switched back on the host" in told.text
    assert_settled(host, "v1")
    assert_unnoticed(users.report())


@pytest.mark.slow
def test_the_registry_is_down(host: Host) -> None:
    # What an earlier test left of it would be used.
    for container in host.docker("ps", "-aq", "--filter", "name=hotfix-keep").split():
        host.docker("rm", "-f", container)
    host.run("bash", "-c", "docker image ls -q 'registry.example.com:5000/*:v6' | xargs -r docker image rm -f")
    with users_of("staging1") as users:
        with faults.registry_down():
            played = play("deploy", *STAGING, "-e", "version=v6")
        assert played.code != 0
        assert "cannot be pulled" in played.text or "The image registry.example.com:5000/notes-" in played.text
    assert_settled(host, "v1")
    assert_unnoticed(users.report())
    assert users.report().dropped == []


@pytest.mark.slow
def test_the_proxy_is_restarted_while_the_other_colour_is_stopped(host: Host) -> None:
    slot = live_slot(host)
    done(play("deploy", *STAGING, "-e", f"version={NEXT}"))
    stop_idle_slot(host, slot)
    with users_of("staging1") as users:
        time.sleep(2)
        cut = users.now()
        host.docker("restart", "notes-nginx")
        users.wait_for(lambda: (users.first(NEXT, users.now() - 2) or 0) > 0, 20, f"{NEXT} again")
        back = users.now() + 2
        time.sleep(5)
        done(play("rollback", *STAGING))
    assert_settled(host, "v1")
    report = users.report(forgive=lambda s: cut - 3 < s.end < back and s.status in (0, 502))
    assert not report.failed, report.text()
    assert (report.lost, report.unread) == ((), ())


@pytest.mark.slow
def test_the_engine_is_restarted_while_a_release_waits_for_its_confirmation(host: Host) -> None:
    done(play("deploy", *STAGING, "-e", f"version={NEXT}", "-e", "confirm=later"))
    with users_of("staging1") as users:
        time.sleep(1)
        faults.stop_engine("staging1")
        faults.start_engine("staging1")
        users.wait_for(lambda: users.first(NEXT, users.now() - 1) is not None, 60, f"{NEXT} again")
        time.sleep(5)
        since = users.now()
        done(play("rollback", *STAGING))
        time.sleep(2)
    assert_settled(host, "v1")
    report = users.report(since=since)
    assert not report.failed, report.text()
    assert (report.lost, report.unread) == ((), ())


@pytest.mark.slow
def test_the_host_is_rebooted_before_the_release_is_confirmed(host: Host) -> None:
    """The deadline that passed while it was away is honoured at the next contact, and reported."""
    done(play("deploy", *STAGING, "-e", f"version={NEXT}", "-e", "confirm=later", "-e", "hotfix_confirm_within=30"))
    with users_of("staging1") as users:
        faults.kill_host("staging1")
        time.sleep(30)
        faults.start_host("staging1")
        users.wait_for(lambda: users.answered(users.now() - 1), 60, "the app again")
        time.sleep(3)
        told = done(play("rollback", *STAGING))
        since = users.now()
        time.sleep(3)
    assert "deadline" in told.text
    assert_settled(host, "v1")
    report = users.report(since=since)
    assert not report.failed, report.text()
    assert (report.lost, report.unread) == ((), ())


@pytest.mark.slow
def test_the_disk_is_too_full_for_another_release() -> None:
    zero_downtime("staging1")
    with users_of("staging1") as users:
        faults.shrink_disk("staging1", 64)
        try:
            played = play("deploy", *STAGING, "-e", "version=v6")
        finally:
            faults.restore_disk("staging1")
    assert played.code != 0
    assert "MB are free on the disk of /srv/notes, 1024 MB are wanted" in played.text
    assert_unnoticed(users.report())
    assert users.versions() == {"v1"}


@pytest.mark.slow
def test_one_of_two_hosts_goes_down_in_a_deploy() -> None:
    """The other goes back though it was well, for users of both meet one version; the next deploy brings both on."""
    first, second = zero_downtime("prod1", "prod2")
    production = ("-l", "production")
    with users_of("prod1") as users:
        with (
            sabotage.at(first, kill=False, step="none"),
            sabotage.at(second, kill=False, action="deploy", step="switch", phase="begin"),
        ):
            deploy = start("deploy", *production, "-e", f"version={NEXT}", *sabotage.INTERPRETER)
            try:
                sabotage.wait_until_reached(second)
                faults.kill_host("prod2")
                printed, _nothing = deploy.communicate(timeout=240)
            finally:
                if deploy.poll() is None:
                    os.killpg(deploy.pid, signal.SIGKILL)
                faults.start_host("prod2")
        assert deploy.returncode != 0
        assert "prod2: unreachable" in " ".join(printed.split())
        assert_settled(first, "v1")
        done(play("deploy", *production, "-e", f"version={NEXT}"))
    assert_unnoticed(users.report())
    for one in (first, second):
        assert_settled(one, NEXT)
