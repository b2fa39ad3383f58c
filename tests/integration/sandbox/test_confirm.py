# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that nobody confirms is left by the host itself, with nobody logged in, and after a reboot."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sandbox import faults
from tests.integration.driver import APP, Host, Played, fresh, play

pytestmark = pytest.mark.slow
LATER = ("-e", "confirm=later", "-e", "backup_skip_reason=test", "-e", '{"hotfix_checks": []}')


def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.3)


def good(done: Played) -> Played:
    assert done.code == 0, done.raw
    return done


@pytest.fixture
def host() -> Host:
    """Return a host whose proxy is under management, at v1."""
    (found,) = fresh("staging1")
    good(play("adopt", "-l", "staging"))
    good(play("proxy", "-l", "staging"))
    return found


def _end_ssh_sessions(host: Host) -> None:
    """End every SSH session of the user on the host, as a controller that is gone does."""
    listed = host.run("ps", "axww", "-o", "pid=,args=")
    sessions = [line.split()[0] for line in listed.splitlines() if "sshd" in line and "deploy" in line]
    assert sessions
    host.run("kill", *sessions)


def test_an_unconfirmed_release_is_left(host: Host) -> None:
    done = good(play("deploy", "-l", "staging", "-e", "version=v6", "-e", "hotfix_confirm_within=10", *LATER))
    assert "reverts at" in done.text
    left = host.current()["id"]
    assert host.served()[0] == "v6"
    _end_ssh_sessions(host)
    wait(lambda: host.served()[0] == "v1")
    wait(lambda: host.journal()[-1].get("outcome") == "done")

    seen = good(play("release_info", "-l", "staging"))
    assert f"Release {left} was left" in seen.text and "switched back by itself" in seen.text
    late = play("confirm", "-l", "staging")
    assert late.code != 0 and "nothing to confirm" in late.text and "not confirmed in time" in late.text
    again = good(play("rollback", "-l", "staging"))
    assert "unchanged" in again.text and "switched back" in again.text
    assert host.states() == {"v1": "confirmed", "v6": "voided"}
    assert host.current()["arrived_by"] == "switch_back"


def test_a_release_that_is_confirmed_in_time_stays(host: Host) -> None:
    good(play("deploy", "-l", "staging", "-e", "version=v6", "-e", "hotfix_confirm_within=30", *LATER))
    confirmed = good(play("confirm", "-l", "staging"))
    assert "Confirm: done on every host" in confirmed.text
    assert "unchanged" in good(play("confirm", "-l", "staging")).text
    assert "deadline.json" not in host.run("ls", APP)
    wait(lambda: "--at-deadline" not in host.run("ps", "axww", "-o", "args"))
    assert host.served()[0] == "v6"


def test_a_deadline_that_passed_while_the_host_was_down_is_honoured_at_the_next_contact(host: Host) -> None:
    good(play("deploy", "-l", "staging", "-e", "version=v6", "-e", "hotfix_confirm_within=10", *LATER))
    due = time.monotonic() + 11
    with faults.host_down(host.name):
        time.sleep(max(0.0, due - time.monotonic()))
    wait(lambda: host.served()[0] == "v6", 60)
    seen = good(play("release_info", "-l", "staging"))
    assert "that time has passed" in seen.text and "does not run" in seen.text
    late = play("confirm", "-l", "staging")
    assert late.code != 0 and "nothing to confirm" in late.text and "switched back by itself" in late.text, late.raw
    assert host.served()[0] == "v1"
    assert host.states() == {"v1": "confirmed", "v6": "voided"}
