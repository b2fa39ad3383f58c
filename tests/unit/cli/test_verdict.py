# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every exit code, decided from events."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hotfix.exits import MEANINGS, Exit
from hotfix.verdict import verdict
from tests.unit.cli.events_of import outcome, record, result, selected, stats, task

ROOT = Path(__file__).resolve().parents[3]
GOOD = result("prod1", "release", outcome="done", changed=True, summary="Release B is live.")


def code(*events: Any, status: str = "successful", looks: bool = False, stopped: str | None = None) -> Exit:
    return verdict(record(*events), status, stopped, looks=looks).code


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("done", Exit.DONE),
        ("planned", Exit.DONE),
        ("seen", Exit.DONE),
        ("unchanged", Exit.NOTHING_TO_DO),
        ("nothing_to_do", Exit.NOTHING_TO_DO),
        ("reverted", Exit.SWITCHED_BACK),
        ("partial", Exit.PARTIAL),
        ("unreachable", Exit.COULD_NOT_LOOK),
        ("unknown", Exit.COULD_NOT_LOOK),
        ("refused", Exit.REFUSED),
        ("bad_input", Exit.USAGE),
    ],
)
def test_the_fleets_word_decides(word: str, expected: Exit) -> None:
    bad = expected not in (Exit.DONE, Exit.NOTHING_TO_DO) or word == "nothing_to_do"
    events = [
        selected("prod1", "prod2"),
        task("Deploy"),
        GOOD,
        outcome("prod1", word, ["prod1: done: Release B is live."], "failed" if bad else "ok"),
        stats(failures={"prod1": 1} if bad else {}),
    ]
    assert code(*events, status="failed" if bad else "successful") is expected


def failed(**said: Any) -> list[Any]:
    return [
        selected("prod1"),
        task("Deploy"),
        result("prod1", "release", failed=False, failed_when_result=False, **said),
        outcome("prod1", "failed", ["prod1: failed: It broke."], "failed"),
        stats(failures={"prod1": 1}),
    ]


def test_a_failure_says_whether_anything_was_changed() -> None:
    untouched = failed(outcome="failed", left="Nothing was changed.", msg="It broke. Nothing was changed.")
    assert code(*untouched, status="failed") is Exit.FAILED_UNCHANGED
    touched = failed(outcome="failed", left="On this host current is B.", msg="It broke. On this host current is B.")
    assert code(*touched, status="failed") is Exit.FAILED_CHANGED


def test_a_module_that_died_may_have_changed_something() -> None:
    assert code(*failed(module_stderr="Killed", msg="MODULE FAILURE"), status="failed") is Exit.FAILED_CHANGED


def test_checks_that_could_not_look_are_no_failure_of_the_app() -> None:
    assert code(*failed(outcome="failed", verdict="error", msg="No answer."), status="failed") is Exit.COULD_NOT_LOOK
    broken = failed(outcome="failed", verdict="failed", left="Nothing was changed.", msg="500.")
    assert code(*broken, status="failed") is Exit.FAILED_UNCHANGED


def test_nothing_to_do_is_no_news_of_a_look() -> None:
    events = [selected("prod1"), outcome("prod1", "unchanged", []), stats(ok={"prod1": 1})]
    assert code(*events, looks=True) is Exit.DONE


def test_what_fails_after_a_good_outcome_is_a_failure() -> None:
    """The images were built, and then the deploy's first task broke."""
    events = [
        selected("prod1"),
        outcome("prod1", "done", ["prod1: done: Built."]),
        result("prod1", "assert", "failed", msg="No."),
        stats(failures={"prod1": 1}),
    ]
    assert code(*events, status="failed") is Exit.FAILED_UNCHANGED


def test_a_refusal_before_anything_was_touched_is_bad_usage() -> None:
    refused = "version holds a template ('{{ x }}'). Nothing was touched. Next: give version in plain text."
    events = [
        task("Refuse anything but one environment", "fleet"),
        result("prod1", "fleet", "failed", msg=refused),
        stats(failures={"prod1": 1}),
    ]
    assert code(*events, status="failed") is Exit.USAGE


def test_a_preflight_that_found_something_has_changed_nothing() -> None:
    events = [
        selected("prod1"),
        result("prod1", "preflight", outcome="seen", looks=[]),
        result("prod1", "preflight_report", msg="Preflight of production: 1 failed.", verdict="failed"),
        result("prod1", "assert", "failed", msg="1 items would fail in an emergency. Nothing was changed."),
        stats(failures={"prod1": 1}),
    ]
    assert code(*events, status="failed", looks=True) is Exit.FAILED_UNCHANGED


@pytest.mark.parametrize("module", ["diagnose_report", "logs_report"])
def test_a_report_of_hosts_that_were_not_read_could_not_look(module: str) -> None:
    events = [
        selected("prod1"),
        result("prod1", module, "failed", msg="x", outcome="seen"),
        stats(failures={"prod1": 1}),
    ]
    assert code(*events, status="failed", looks=True) is Exit.COULD_NOT_LOOK


@pytest.mark.parametrize(
    ("said", "looks", "expected"),
    [
        ({"outcome": "done"}, False, Exit.DONE),
        ({"outcome": "nothing_to_do"}, True, Exit.DONE),
        ({"outcome": "nothing_to_do"}, False, Exit.NOTHING_TO_DO),
        ({"outcome": "bad_input", "failed": True, "msg": "There is no such key."}, False, Exit.USAGE),
    ],
)
def test_the_incident_record_decides_for_itself(said: dict[str, Any], looks: bool, expected: Exit) -> None:
    kind = "failed" if said.get("failed") else "ok"
    events = [selected("prod1"), result("prod1", "incident_report", kind, **said), stats(ok={"prod1": 1})]
    assert code(*events, looks=looks, status="failed" if kind == "failed" else "successful") is expected


@pytest.mark.parametrize(("stopped", "expected"), [("cancelled", Exit.CANCELLED), ("timed_out", Exit.TIMED_OUT)])
def test_a_stop_is_told_from_a_failure(stopped: str, expected: Exit) -> None:
    assert code(selected("prod1"), task("Deploy"), status="canceled", stopped=stopped) is expected


def test_a_run_without_statistics_was_not_run_to_its_end() -> None:
    assert code(status="failed") is Exit.NOT_RUN
    # Even where the runner calls it a success.
    assert code(selected("prod1"), task("Deploy"), GOOD, status="successful") is Exit.NOT_RUN


def test_a_run_on_no_host_is_no_success() -> None:
    assert code(stats()) is Exit.COULD_NOT_LOOK


def test_the_documentation_has_every_code() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    table = {int(number): name for number, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)}
    assert table == {int(one): one.word for one in Exit}
    assert set(MEANINGS) == set(Exit)
