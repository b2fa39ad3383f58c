# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is stopped is stopped on its hosts too, and it is known what each of them is like then."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from tests.integration.driver import NO_BASELINE, ROOT, UNCHECKED, Host
from tests.integration.hotfix import LONGEST, Ended, Terminal, hotfix, start

VALIDATOR = Draft7Validator(json.loads((ROOT / "schemas/hotfix-result.schema.json").read_text(encoding="utf-8")))
LIMIT = ("-l", "staging")
DEPLOY = ("deploy", "v6", *LIMIT, *NO_BASELINE, *UNCHECKED)


def at_work(host: Host) -> list[str]:
    """Processes of a run that are on the host, but for the host's own timers."""
    # A mark is in the environment of whatever an SSH session of the command started.
    script = (
        "for p in /proc/[0-9]*; do "
        "if tr '\\0' '\\n' < $p/environ 2>/dev/null | grep -q '^LC_HOTFIX_RUN=' ; then "
        "tr '\\0' ' ' < $p/cmdline; echo; fi; done"
    )
    lines = [line.strip() for line in host.run("bash", "-c", script).splitlines()]
    # The host's timer looks every two seconds whether it is still wanted.
    return [line for line in lines if line and "switch-back" not in line and line != "sleep 2"]


def wait_for_step(host: Host, step: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while step not in host.steps_begun() and time.monotonic() < end:
        time.sleep(0.1)
    assert step in host.steps_begun()


def assert_stopped(host: Host, ended: Ended, code: int) -> None:
    assert ended.code == code, ended.text
    VALIDATOR.validate(ended.result)
    assert "staging1: stopped." in ended.result["left"]
    assert at_work(host) == []
    assert not host.lease()["held"]
    actions = {entry.get("action") for entry in host.journal()}
    # Before the first step there was no lease to be taken away.
    assert ("unlock" in actions) or ("deploy" not in actions)
    # What the host is like is told, from a look after the stop.
    (told,) = ended.result["hosts"]
    assert told["state"] is not None
    assert told["state"]["lease"] is None
    journal = len(host.journal())
    time.sleep(2)
    assert len(host.journal()) == journal, "something is still at work"


@pytest.mark.parametrize("how", ["SIGTERM", pytest.param("timeout", marks=pytest.mark.slow)])
def test_a_deploy_that_is_stopped_leaves_a_host_from_which_it_goes_on(staging: Host, tmp_path: Path, how: str) -> None:
    assert hotfix(tmp_path, "run", "pangeafate.hotfix.adopt", *LIMIT).code == 0
    more = () if how == "SIGTERM" else ("--timeout", "9")
    process = start(tmp_path, *DEPLOY, "-o", "json", *more)
    if how == "SIGTERM":
        wait_for_step(staging, "switch")
        process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONGEST)
    assert_stopped(staging, Ended(process.returncode, out, err), 130 if how == "SIGTERM" else 124)
    again = hotfix(tmp_path, *DEPLOY)
    assert again.code in (0, 3), again.text
    assert staging.current()["version"] == "v6"
    assert staging.runs_its_record()
    assert staging.served() == ("v6", True)


@pytest.mark.slow
def test_ctrl_c_on_a_terminal_ends_a_rollback_on_the_host_too(staging: Host, tmp_path: Path) -> None:
    assert hotfix(tmp_path, *DEPLOY).code == 0
    before = len(staging.journal())
    terminal = Terminal(tmp_path, "rollback", *LIMIT, "--to", first_release(staging))
    end = time.monotonic() + 60
    while not any(e.get("step") == "switch" for e in staging.journal()[before:]) and time.monotonic() < end:
        terminal.read(lambda _text: True)
        time.sleep(0.1)
    terminal.type("\x03")
    assert terminal.end() == 130, terminal.text
    assert "rollback on staging: cancelled" in terminal.text
    assert "staging1: stopped." in terminal.text
    assert "current:" in terminal.text
    assert at_work(staging) == []
    again = hotfix(tmp_path, "rollback", *LIMIT)
    assert again.code in (0, 3), again.text
    assert staging.current()["version"] == "v1"
    assert staging.runs_its_record()


def first_release(host: Host) -> str:
    return min(host.run("ls", "/srv/notes/releases").split())


@pytest.mark.slow
def test_a_look_that_is_stopped_leaves_nothing_at_work(managed: Host, tmp_path: Path) -> None:
    own = tmp_path / "long.yml"
    own.write_text(
        "- name: A long look\n  hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - name: Wait\n      ansible.builtin.command: sh -c 'trap \"\" TERM HUP; sleep 321'\n",
        encoding="utf-8",
    )
    process = start(tmp_path, "run", "long.yml", *LIMIT, "-o", "json")
    end = time.monotonic() + 60
    while not any("sleep 321" in line for line in at_work(managed)) and time.monotonic() < end:
        time.sleep(0.2)
    assert any("sleep 321" in line for line in at_work(managed))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LONGEST)
    ended = Ended(process.returncode, out, err)
    assert ended.code == 130, ended.text
    assert "Ended sleep" in ended.result["left"]
    assert at_work(managed) == []


@pytest.mark.slow
def test_a_timer_of_the_host_outlives_a_stop(staging: Host, tmp_path: Path) -> None:
    """The release is live and not confirmed: it still goes back by itself, though nobody confirms it any more."""
    assert hotfix(tmp_path, "run", "pangeafate.hotfix.adopt", *LIMIT).code == 0
    process = start(tmp_path, *DEPLOY, "-o", "json", "-e", "hotfix_confirm_within=25", "-e", "deploy_confirm=later")
    wait_for_step(staging, "verify")
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONGEST)
    ended = Ended(process.returncode, out, err)
    if ended.code == 0:
        pytest.fail("it had ended before it was stopped")
    end = time.monotonic() + 60
    while staging.current()["version"] != "v1" and time.monotonic() < end:
        time.sleep(0.5)
    assert staging.current()["version"] == "v1", ended.text
