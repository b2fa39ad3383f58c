# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _start
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

MODEL = {"services": {"backend": {"deploy": {"replicas": 2}}}}


def still_ours() -> None:
    """Nobody else has taken over."""


@pytest.fixture
def release(make):
    return make("v1", "preparing", "prepared")


def later(clock, seconds: float, change) -> None:
    """Have *change* happen once *seconds* have passed."""
    advance = clock.advance
    waiting = [change]

    def advance_and_change(by: float) -> None:
        advance(by)
        if waiting and clock.steady() >= seconds:
            waiting.pop()()

    clock.advance = advance_and_change


def test_healthy_in_full_is_good_at_once(make_host, runner, clock, release) -> None:
    runner.add("backend")
    runner.add("backend")
    runner.add("postgres", status="exited", exit_code=1)
    _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert clock.steady() == 0


def test_starting_is_waited_for(make_host, runner, clock, release) -> None:
    containers = [runner.add("backend", health="starting"), runner.add("backend", health="starting")]
    later(clock, 12, lambda: [c["State"]["Health"].update(Status="healthy") for c in containers])
    _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert 12 <= clock.steady() < 13


def test_without_a_health_check_it_has_to_run_for_a_while(make_host, runner, clock, release) -> None:
    runner.add("backend", health=None)
    runner.add("backend", health=None)
    _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert 3 <= clock.steady() < 4


def test_a_quick_restart_without_a_health_check_starts_the_while_anew(make_host, runner, clock, release) -> None:
    container = runner.add("backend", health=None)
    runner.add("backend", health=None)
    later(clock, 2.5, lambda: container.update(RestartCount=1))
    _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert 5.5 <= clock.steady() < 6.5


def test_unhealthy_gives_up_at_once_and_shows_check_and_log(make_host, runner, clock, release) -> None:
    runner.add("backend")
    container = runner.add("backend", health="unhealthy", said="HTTP 503")
    runner.logs[container["Id"]] = ("listening on 8081\n", "no database\n")
    with pytest.raises(HotfixError, match="app-backend-2 is unhealthy") as caught:
        _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert clock.steady() == 0
    for text in ("HTTP 503", "listening on 8081", "no database"):
        assert text in caught.value.evidence


def test_a_crash_loop_gives_up_long_before_the_time_is_over(make_host, runner, clock, release) -> None:
    container = runner.add("backend", health="starting", restarts=1)
    runner.add("backend")
    later(
        clock, 2, lambda: (container.update(RestartCount=2), container["State"].update(Status="restarting", ExitCode=3))
    )
    with pytest.raises(HotfixError, match=r"crashes again and again \(exit code 3, 2 restarts\)"):
        _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert clock.steady() < 3


@pytest.mark.parametrize(
    ("restarts", "status", "message"),
    [
        (0, "exited", r"ended with exit code 137, killed for lack of memory\."),
        (4, "restarting", r"\(exit code 137, 4 restarts, killed for lack of memory\)"),
        (0, "dead", r"ended with exit code 137"),
    ],
)
def test_lack_of_memory_is_called_so(make_host, runner, release, restarts: int, status: str, message: str) -> None:
    runner.add("backend", status=status, exit_code=137, oom=True, restarts=restarts)
    with pytest.raises(HotfixError, match=message):
        _start.wait_healthy(make_host(), release, MODEL, still_ours)


def test_one_that_ended_gives_up_at_once(make_host, runner, clock, release) -> None:
    runner.add("backend")
    runner.add("backend", status="exited", exit_code=1)
    with pytest.raises(HotfixError, match=r"ended with exit code 1\.") as caught:
        _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert clock.steady() == 0
    assert "(it wrote nothing)" in caught.value.evidence


def test_the_time_is_over(make_host, runner, clock, release) -> None:
    runner.add("backend", health="starting")
    runner.add("backend")
    with pytest.raises(HotfixError, match="not healthy within 30 s: app-backend-1 is starting") as caught:
        _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert 30 <= clock.steady() < 31
    assert "hotfix_start_timeout" in caught.value.next_step


@pytest.mark.parametrize("images", [["sha256:v1"], ["sha256:v1", "sha256:v0"], ["sha256:v1"] * 3, []])
def test_too_few_too_many_or_others_are_not_the_release(make_host, runner, release, images) -> None:
    for image in images:
        runner.add("backend", image=image)
    with pytest.raises(HotfixError, match=r"backend: \d of 2 containers run the release"):
        _start.wait_healthy(make_host(start_timeout=2), release, MODEL, still_ours)


def test_secrets_in_logs_and_health_checks_are_masked(make_host, runner, release, tmp_path) -> None:
    (tmp_path / ".env").write_text("ADMIN_TOKEN=s3cr3t-admin\nDATABASE_URL=postgresql://u:s3cr3t-db@db/x\n")
    container = runner.add("backend", health="unhealthy", said="401 for s3cr3t-admin")
    runner.logs[container["Id"]] = ("token s3cr3t-admin, redis://u:s3cr3t-else@redis\n", "login s3cr3t-db failed\n")
    with pytest.raises(HotfixError) as caught:
        _start.wait_healthy(make_host(registry_password="s3cr3t-registry"), release, MODEL, still_ours)
    assert "s3cr3t" not in str(caught.value)
    assert "login ******** failed" in caught.value.evidence


def test_a_long_log_does_not_show_half_a_secret(make_host, runner, release, tmp_path) -> None:
    (tmp_path / ".env").write_text("ADMIN_TOKEN=" + "s3cr3t" * 10 + "\n")
    container = runner.add("backend", health="unhealthy", said="x" * 10 + "s3cr3t" * 10 + " " + "y" * 270)
    # The cut falls into the secret.
    runner.logs[container["Id"]] = ("a" * 50 + "s3cr3t" * 10 + "\n" + "b" * 1970, "")
    with pytest.raises(HotfixError) as caught:
        _start.wait_healthy(make_host(), release, MODEL, still_ours)
    assert "s3cr3t" not in str(caught.value)
    assert "bbbb" in caught.value.evidence
    assert "yyyy" in caught.value.evidence


def test_settle_waits_only_while_something_starts(make_host, runner, clock) -> None:
    container = runner.add("backend", health="starting")
    runner.add("postgres", health="starting")
    later(clock, 4, lambda: container["State"]["Health"].update(Status="unhealthy"))
    (found,) = _start.settle(make_host(), ["backend"], timeout=60, still_ours=still_ours)
    assert found.health == "unhealthy"
    assert 4 <= clock.steady() < 5


def test_settle_ends_with_its_time(make_host, runner, clock) -> None:
    runner.add("backend", health="starting")
    _start.settle(make_host(), ["backend"], timeout=5, still_ours=still_ours)
    assert 5 <= clock.steady() < 6
