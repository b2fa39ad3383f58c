# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback is never more fragile than what it rescues."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from sandbox import faults
from sandbox.config import SandboxError
from tests.integration.driver import APP, NO_BASELINE, ROOT, UNCHECKED, Host, fresh, play, start

STAGING = ("-l", "staging")
# The module is the Python that has the app's lock open; what it started has inherited the lock, and is left alone.
KILL_MODULE = f"""
for process in /proc/[0-9]*; do
  if [ "$(cat $process/comm 2>/dev/null)" = python3 ] && ls -l $process/fd 2>/dev/null | grep -q ' {APP}/lock$'; then
    kill -9 "${{process#/proc/}}" && found=1
  fi
done
[ "${{found:-}}" ]
"""


@pytest.fixture
def broken(staging: Host) -> Host:
    """A staging host on which v2, which cannot save documents, replaced v1."""
    done = play("deploy", *STAGING, "-e", "version=v2", *UNCHECKED)
    assert done.code == 0, done.raw
    assert staging.served() == ("v2", False)
    return staging


@pytest.fixture(scope="module")
def stage() -> list[Host]:
    """Holds the staging host between tests that leave it at v1."""
    return []


@pytest.fixture
def on_v1(stage: list[Host]) -> Host:
    """A staging host with v1 confirmed; made anew where the test before left it otherwise."""
    if not stage or not is_on_v1(stage[0]):
        stage[:] = fresh("staging1")
        assert play("adopt", *STAGING).code == 0
    return stage[0]


def is_on_v1(host: Host) -> bool:
    try:
        current, held = host.current(), host.lease()["held"]
    except SandboxError:
        return False
    confirmed = (current["version"], current["state"]) == ("v1", "confirmed")
    return confirmed and not held and host.runs_its_record() and host.served() == ("v1", True)


def wait_for_step(host: Host, step: str, action: str, since: int = 0) -> None:
    """Return when a step of an action has begun on the host, by its journal from some line on."""
    end = time.monotonic() + 60
    while not any(e.get("step") == step and e.get("action") == action for e in host.journal()[since:]):
        assert time.monotonic() < end, f"{action} never came to {step}"
        time.sleep(0.1)


def assert_rolled_back(host: Host) -> None:
    assert host.served() == ("v1", True)
    assert host.current()["version"] == "v1"
    assert host.runs_its_record()
    assert host.states() == {"v1": "confirmed", "v2": "voided"}
    assert not host.lease()["held"]


@pytest.mark.slow
def test_from_a_release_whose_containers_are_dead_with_no_registry(broken: Host) -> None:
    for service in ("backend", "frontend", "hocuspocus"):
        faults.kill_service("staging1", service)
    with faults.registry_down():
        done = play("rollback", *STAGING, "-e", "reason='saving documents fails'")
    assert done.code == 0, done.raw
    assert_rolled_back(broken)
    assert "saving documents fails" in {entry.get("reason") for entry in broken.journal()}


@pytest.mark.slow
def test_repeating_it_changes_nothing_and_says_so(broken: Host) -> None:
    assert play("rollback", *STAGING).code == 0
    before = broken.containers()
    again = play("rollback", *STAGING)
    assert again.code == 0, again.raw
    assert "Rollback: nothing to do." in again.text
    assert "Already rolled back from" in again.text
    assert "changed=0" in again.text
    assert broken.containers() == before


@pytest.mark.slow
def test_forward_again_and_further_back_only_by_id(broken: Host) -> None:
    bad = broken.current()["id"]
    assert play("rollback", *STAGING).code == 0
    good = broken.current()["id"]
    assert play("rollback", *STAGING, "-e", f"release={bad}").code == 0
    assert broken.served()[0] == "v2"
    # What was left by going forward is no bad release: the plain rollback leads there again.
    assert broken.states() == {"v1": "superseded", "v2": "confirmed"}
    done = play("rollback", *STAGING, "-e", f"release={good}")
    assert done.code == 0, done.raw
    assert_rolled_back(broken)


def test_a_host_changed_by_hand_is_shown_and_rolled_back_all_the_same(broken: Host) -> None:
    by_hand = f"cd {APP} && docker pull -q registry.example.com:5000/notes-backend:v1 >/dev/null; "
    broken.run("bash", "-c", by_hand + "docker compose up -d --no-deps --pull never backend frontend 2>&1")
    info = play("release_info", *STAGING)
    assert info.code == 0, info.raw
    assert "note: Drift: backend has a container of registry.example.com:5000/notes-backend:v1" in info.text
    done = play("rollback", *STAGING)
    assert done.code == 0, done.raw
    assert "note: Drift before the rollback" in done.text
    assert_rolled_back(broken)


def test_its_own_configuration_comes_back_but_for_rotated_secrets(staging: Host) -> None:
    assert play("adopt", *STAGING).code == 0
    edit = "sed -i -e 's/^FLAG_STORE=.*/FLAG_STORE=redis/' -e 's/^ADMIN_TOKEN=.*/ADMIN_TOKEN=rotated-in-between/'"
    staging.run("bash", "-c", f"grep -q '^FLAG_STORE=' {APP}/.env || echo FLAG_STORE=process >>{APP}/.env")
    staging.run("bash", "-c", f"{edit} {APP}/.env")
    assert play("deploy", *STAGING, "-e", "version=v2", *UNCHECKED).code == 0
    ask = "docker exec notes-backend-1 printenv FLAG_STORE ADMIN_TOKEN"
    assert staging.run("bash", "-c", ask).split() == ["redis", "rotated-in-between"]
    assert play("rollback", *STAGING, *UNCHECKED).code == 0
    assert staging.run("bash", "-c", ask).split() == ["process", "rotated-in-between"]


def test_a_second_operator_is_told_who_holds_the_lease_and_may_take_it_over(on_v1: Host) -> None:
    ann, bob = ("-e", "hotfix_operator=ann@laptop"), ("-e", "hotfix_operator=bob@desk")
    before = len(on_v1.journal())
    deploy = start("deploy", *STAGING, *ann, "-e", "version=v3", *NO_BASELINE)
    try:
        wait_for_step(on_v1, "start", "deploy", before)
        refused = play("rollback", *STAGING, *bob)
        assert refused.code != 0
        assert "Somebody else is changing this app: ann@laptop (deploy, run " in refused.text
        assert "takeover=true" in refused.text
        taken = play("rollback", *STAGING, *bob, "-e", "takeover=true")
        assert taken.code == 0, taken.raw
        assert "The lease was taken over from ann@laptop" in taken.text
        printed, _nothing = deploy.communicate(timeout=120)
    finally:
        deploy.kill()
    # Ann's deploy was fenced out: it failed, and did not touch what Bob's rollback made.
    assert deploy.returncode != 0
    assert "lost the lease" in " ".join(printed.split()) or "Somebody else is changing" in " ".join(printed.split())
    assert on_v1.served() == ("v1", True)
    assert on_v1.runs_its_record()
    assert [e["taken_over"] for e in on_v1.journal()[before:] if "taken_over" in e]


@pytest.mark.parametrize(
    "step",
    [pytest.param("pull", marks=pytest.mark.slow), "start", pytest.param("verify", marks=pytest.mark.slow)],
)
@pytest.mark.slow
def test_after_kill_9_of_the_controller_the_next_run_goes_on_at_once(step: str, staging: Host) -> None:
    assert play("adopt", *STAGING).code == 0
    deploy = start("deploy", *STAGING, "-e", "version=v6")
    wait_for_step(staging, step, "deploy")
    os.killpg(deploy.pid, signal.SIGKILL)
    deploy.wait()
    done = play("rollback", *STAGING)
    # Killed before the switch began there is nothing to go back from; later there is.
    if done.code != 0:
        assert step == "pull"
        assert "There is nothing to roll back to" in done.text
    again = play("deploy", *STAGING, "-e", "version=v6")
    assert again.code == 0, again.raw
    assert staging.served() == ("v6", True)
    assert staging.runs_its_record()


@pytest.mark.slow
def test_after_kill_9_of_the_module_the_next_run_finishes_the_rollback(broken: Host) -> None:
    rollback = start("rollback", *STAGING)
    wait_for_step(broken, "start", "rollback")
    broken.run("bash", "-c", KILL_MODULE)
    printed, _nothing = rollback.communicate(timeout=120)
    assert rollback.returncode != 0, printed
    done = play("rollback", *STAGING)
    assert done.code == 0, done.raw
    assert_rolled_back(broken)


@pytest.mark.slow
def test_the_records_survive_damage(broken: Host) -> None:
    current = broken.current()["id"]
    broken.run("bash", "-c", f"echo 'torn {{' >>{APP}/journal.jsonl; : >{APP}/releases/{current}/release.json")
    done = play("rollback", *STAGING)
    assert done.code == 0, done.raw
    assert broken.served() == ("v1", True)
    assert broken.current()["version"] == "v1"


@pytest.mark.slow
def test_on_a_disk_that_is_full(broken: Host) -> None:
    faults.shrink_disk("staging1", 64)
    try:
        faults.fill_disk("staging1")
        done = play("rollback", *STAGING)
    finally:
        faults.free_disk("staging1")
        faults.restore_disk("staging1")
    assert done.code == 0, done.raw
    assert "The disk is full: the room that was kept for this was used." in done.text
    assert_rolled_back(broken)


@pytest.mark.slow
def test_a_host_lost_in_the_middle_of_a_deploy(production: list[Host]) -> None:
    """The hosts that can be reached go back, and the one that was lost converges when it is there again."""
    first, second = production
    assert play("adopt", "-l", "production").code == 0
    deploy = start("deploy", "-l", "production", "-e", "version=v6")
    try:
        wait_for_step(second, "start", "deploy")
        faults.kill_host("prod2")
        printed, _nothing = deploy.communicate(timeout=180)
    finally:
        deploy.kill()
        faults.start_host("prod2")
    text = " ".join(printed.split())
    assert deploy.returncode != 0, printed
    assert "prod2: unreachable" in text
    assert first.served() == ("v1", True)
    assert first.runs_its_record()
    done = play("rollback", "-l", "production")
    assert done.code == 0, done.raw
    for host in production:
        assert host.served() == ("v1", True)
        assert host.runs_its_record()


def test_the_password_is_never_an_argument(on_v1: Host) -> None:
    """Watch every process of the host while a deploy logs in and pulls."""
    watch = (
        "end=$((SECONDS+90)); while [ $SECONDS -lt $end ] && [ ! -e /tmp/watched ]; do "
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; done >/tmp/argv; rm -f /tmp/watched"
    )
    watcher = subprocess.Popen(["docker", "exec", "hotfix-staging1", "bash", "-c", watch])
    try:
        assert play("deploy", *STAGING, "-e", "version=v6", *NO_BASELINE).code == 0
    finally:
        on_v1.run("touch", "/tmp/watched")
        watcher.wait(30)
    seen = on_v1.run("cat", "/tmp/argv")
    assert (ROOT / ".sandbox/registry-password").read_text(encoding="utf-8").strip() not in seen
    assert "docker pull --quiet registry.example.com:5000/notes-backend:v6" in seen
