# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each exit code by a run that earns it, and the journey of an operator from a bad release to a report."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from sandbox import faults
from tests.integration.driver import NO_BASELINE, UNCHECKED, Host
from tests.integration.hotfix import Ended, Terminal, hotfix, start
from tests.integration.hotfix import hotfix as once

pytestmark = pytest.mark.slow

LIMIT = ("-l", "staging")
BLIND = (*NO_BASELINE, *UNCHECKED)


def test_the_journey_of_an_operator(staging: Host, tmp_path: Path) -> None:
    # All of it belongs to one record.
    kept = {"SANDBOX_INCIDENTS": str(tmp_path / "incidents")}

    def hotfix(folder: Path, *words: str) -> Ended:
        return once(folder, *words, **kept)

    assert hotfix(tmp_path, "run", "pangeafate.hotfix.adopt", *LIMIT).code == 0
    # A release that is to be confirmed, on a terminal.
    terminal = Terminal(
        tmp_path,
        "deploy",
        "v6",
        *LIMIT,
        "--confirm-later",
        *BLIND,
        "--reason",
        "release 6",
        SANDBOX_INCIDENTS=kept["SANDBOX_INCIDENTS"],
    )
    assert terminal.end() == 0, terminal.text
    assert "next: hotfix confirm -l staging" in terminal.text
    assert any("Switch to the release" in line for line in terminal.lines)
    assert any("samples failed" in line for line in terminal.lines)
    assert max(len(line) for line in terminal.lines if "report:" not in line) <= 80
    state = hotfix(tmp_path, *LIMIT)
    assert "reverts at " in state.text
    assert "next: hotfix confirm -l staging" in state.text
    assert hotfix(tmp_path, "confirm", *LIMIT).code == 0
    # A flag goes off, and it is gone back.
    assert hotfix(tmp_path, "flag", "COLLABORATIVE_EDITING", "off", *LIMIT).code == 0
    assert hotfix(tmp_path, "flag", "COLLABORATIVE_EDITING", "off", *LIMIT).code == 3
    assert hotfix(tmp_path, "flag", "COLABORATIVE_EDITING", "off", *LIMIT).code == 2
    back = hotfix(tmp_path, "rollback", *LIMIT, "--reason", "saving fails")
    assert back.code == 0, back.text
    assert "next: hotfix smoke -l staging" in back.text
    assert "samples failed" in back.text
    again = hotfix(tmp_path, "rollback", *LIMIT)
    assert again.code == 3, again.text
    assert "Already rolled back" in again.text
    # What only people know of it.
    assert hotfix(tmp_path, "incident", "note", "the vendor knows", *LIMIT).code == 0
    assert hotfix(tmp_path, "incident", "check", "customers_told", "--by", "alice", *LIMIT).code == 0
    assert hotfix(tmp_path, "incident", "check", "no_such_item", *LIMIT).code == 2
    assert hotfix(tmp_path, "incident", "resolve", "--root-cause", "a missing index", *LIMIT).code == 0
    report = hotfix(tmp_path, "incident", "report", "--list", *LIMIT)
    assert report.code == 0, report.text
    assert "resolved" in report.text


def test_a_release_that_fails_its_checks_is_switched_back(staging: Host, tmp_path: Path) -> None:
    ended = hotfix(tmp_path, "deploy", "v2", *LIMIT, *NO_BASELINE, "-o", "json")
    assert ended.code == 4, ended.text
    assert ended.result["exit"]["name"] == "switched_back"
    assert staging.current()["version"] == "v1"


@pytest.mark.parametrize(
    ("words", "code"), [(("deploy", "../v6"), 2), (("deploy", "v6 {{ x }}"), 2), (("deploy", "no-such-version"), 2)]
)
def test_what_cannot_be_deployed_changes_nothing(
    managed: Host, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    containers = managed.containers()
    ended = hotfix(tmp_path, *words, *LIMIT, *BLIND)
    assert ended.code == code, ended.text
    assert managed.containers() == containers


def test_somebody_elses_lease_is_refused_until_it_is_taken_away_for_a_reason(staging: Host, tmp_path: Path) -> None:
    assert hotfix(tmp_path, "run", "pangeafate.hotfix.adopt", *LIMIT).code == 0
    process = start(tmp_path, "deploy", "v6", *LIMIT, *BLIND, "-e", "hotfix_operator=bob@desk")
    end = time.monotonic() + 60
    while "prepare" not in staging.steps_begun() and time.monotonic() < end:
        time.sleep(0.1)
    # Bob's laptop dies, and with it all that ran there.
    with contextlib.suppress(ProcessLookupError):
        for pid in [process.pid, *below(process.pid)]:
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    time.sleep(3)
    refused = hotfix(tmp_path, "deploy", "v6", *LIMIT, *BLIND)
    assert refused.code == 7, refused.text
    assert "bob@desk" in refused.text
    assert "hotfix unlock -l staging --reason" in refused.text
    assert hotfix(tmp_path, "unlock", *LIMIT).code == 7
    taken = hotfix(tmp_path, "unlock", *LIMIT, "--reason", "his laptop is gone")
    assert taken.code == 0, taken.text
    note = next(entry for entry in staging.journal() if entry.get("action") == "unlock")
    assert note["held_by"] == "bob@desk"
    assert "his laptop is gone" in note["text"]
    ended = hotfix(tmp_path, "deploy", "v6", *LIMIT, *BLIND)
    assert ended.code == 0, ended.text
    assert staging.served() == ("v6", True)


def below(pid: int) -> list[int]:
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    return [*found, *(deeper for one in found for deeper in below(one))]


def test_a_rollback_that_reached_some_hosts_is_partial_and_the_same_again_does_the_rest(
    production: list[Host], tmp_path: Path
) -> None:
    limit = ("-l", "production", "--yes")
    assert hotfix(tmp_path, "deploy", "v6", *limit, *BLIND).code == 0
    with faults.ssh_cut("prod2"):
        ended = hotfix(
            tmp_path, "rollback", *limit, "-o", "json", "-e", "rollback_look=false", "-e", "ansible_ssh_timeout=2"
        )
    assert ended.code == 5, ended.text
    assert {host["name"]: host["outcome"] for host in ended.result["hosts"]} == {
        "prod1": "done",
        "prod2": "unreachable",
    }
    rest = hotfix(tmp_path, "rollback", *limit, "-e", "rollback_look=false")
    assert rest.code == 0, rest.text
    assert [host.current()["version"] for host in production] == ["v1", "v1"]
