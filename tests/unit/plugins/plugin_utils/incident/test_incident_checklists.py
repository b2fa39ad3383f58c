# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checklists: ticked by evidence or by name, taken back by newer evidence, and due when the procedure says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import checklists, events, report

from tests.unit.plugins.plugin_utils.incident.reports import at, event, made, opening, problems, reached, row, samples

MITIGATED = reached("mitigated", 60.0)


def lists(path: Path, *given: events.Event, probes: Any = (), now: str = at(100)) -> dict[str, dict[str, Any]]:
    found = report.build(made(path, opening(), *given, probes=probes), generated=now)
    assert problems(found) == []
    return {one["key"]: one for one in found["checklists"]}


def item(found: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
    return next(one for part in found.values() for one in part["items"] if one["key"] == key)


def check(name: str, kind: str = "http", status: str = "passed", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "target": "p1", "status": status, "message": "said", "seconds": 0.5, **more}


def smoke(seconds: float, *results: dict[str, Any], verdict: str = "passed", **more: Any) -> events.Event:
    data = {"when": more.pop("when", "after"), "verdict": verdict, "results": list(results)}
    given = {"host": "p1", "run": "r1", **more}
    return event("smoke", seconds, 1.0, data=data, event_id=f"smoke-{seconds:g}-{given['host']}", **given)


def tick(seconds: float, key: str, done: bool = True, name: str = "ann") -> events.Event:
    return event("checklist", seconds, data={"item": key, "done": done, "by": name}, event_id=f"tick-{seconds:g}")


def test_they_are_those_of_the_procedure(tmp_path: Path) -> None:
    found = lists(tmp_path)
    assert [(one["title"], len(one["items"])) for one in found.values()] == [
        ("Immediate (< 30 minutes)", 5),
        ("Within 2 Hours", 5),
        ("Within 24 Hours", 5),
        ("Recovery Verification", 11),
    ]
    assert list(checklists.items()) == [one["key"] for part in found.values() for one in part["items"]]
    assert len(set(checklists.items())) == 26
    assert not any(one["done"] for part in found.values() for one in part["items"])


def test_nothing_is_due_before_users_are_back(tmp_path: Path) -> None:
    found = lists(tmp_path, now=at(10_000_000))
    assert {(one["counted_from"], one["due"], one["overdue"]) for one in found.values()} == {(None, None, False)}


def test_they_are_due_from_then_on(tmp_path: Path) -> None:
    found = lists(tmp_path, MITIGATED, now=at(60 + 7200 + 1))
    assert [one["due"] for one in found.values()] == [at(1860), at(7260), at(86460), None]
    assert [one["overdue"] for one in found.values()] == [True, True, False, False]


def test_what_is_all_done_is_not_overdue(tmp_path: Path) -> None:
    ticks = [tick(100.0 + number, key) for number, key in enumerate(checklists.LISTS["within_2_hours"][2])]
    assert lists(tmp_path, MITIGATED, *ticks, now=at(100_000))["within_2_hours"]["overdue"] is False


def test_a_name_ticks_and_takes_back(tmp_path: Path) -> None:
    done = item(lists(tmp_path, MITIGATED, tick(70.0, "runbooks")), "runbooks")
    assert (done["done"], done["by"], done["at"], done["proof"]) == (
        True,
        {"kind": "human", "name": "ann"},
        at(70),
        ["tick-70"],
    )
    other = tmp_path / "other"
    undone = item(
        lists(other, MITIGATED, tick(70.0, "runbooks"), tick(80.0, "runbooks", done=False, name="bob")), "runbooks"
    )
    assert (undone["done"], undone["by"], undone["note"]) == (False, None, f"Taken back by bob at {at(80)}.")


def test_smoke_tests_that_all_passed_tick_their_item_with_what_proves_it(tmp_path: Path) -> None:
    found = item(lists(tmp_path, smoke(50.0, check("a"), check("b", status="skipped")), MITIGATED), "smoke_passed")
    assert (found["done"], found["by"]["kind"], found["proof"]) == (True, "tool", ["smoke-50-p1"])
    assert found["note"] == "1 checks passed; skipped: b"


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([check("a"), check("b", status="failed")], "failed"),
        ([check("a"), check("b", status="failed", known=True)], "passed"),
        ([check("a"), check("b", status="error")], "error"),
        ([check("a")], "error"),
        ([check("a", status="skipped")], "passed"),
        ([], "passed"),
    ],
)
def test_less_than_all_does_not_tick(tmp_path: Path, results: list[dict[str, Any]], verdict: str) -> None:
    assert item(lists(tmp_path, smoke(50.0, *results, verdict=verdict), MITIGATED), "smoke_passed")["done"] is False


def test_one_host_that_fails_is_enough(tmp_path: Path) -> None:
    looks = [smoke(50.0, check("a")), smoke(51.0, check("a", status="failed"), verdict="failed", host="p2")]
    looks.append(smoke(52.0, check("b")))
    found = item(lists(tmp_path, *looks, MITIGATED), "smoke_passed")
    assert (found["done"], found["note"]) == (False, "bad: a")


def test_a_look_from_outside_does_not_hide_that_on_the_host(tmp_path: Path) -> None:
    looks = [smoke(50.0, check("memory", status="failed"), verdict="failed"), smoke(51.0, check("page"))]
    assert item(lists(tmp_path, *looks, MITIGATED), "smoke_passed")["done"] is False


def test_a_later_failure_takes_the_tick_back(tmp_path: Path) -> None:
    first = smoke(50.0, check("a"))
    later = smoke(500.0, check("a", status="failed"), verdict="failed", run="r2", when="asked")
    assert item(lists(tmp_path, first, MITIGATED, later), "smoke_passed")["done"] is False
    other = tmp_path / "other"
    said = item(lists(other, first, MITIGATED, tick(70.0, "smoke_passed"), later), "smoke_passed")
    assert (said["done"], said["proof"]) == (False, ["smoke-500-p1"])
    assert said["note"].startswith("Ticked by") and "evidence found since says otherwise: bad: a" in said["note"]


def test_a_name_after_the_evidence_counts_and_the_evidence_is_named(tmp_path: Path) -> None:
    bad = smoke(50.0, check("a", status="failed"), verdict="failed")
    said = item(lists(tmp_path, bad, MITIGATED, tick(70.0, "smoke_passed")), "smoke_passed")
    assert (said["done"], said["note"]) == (True, "By name; the evidence before says otherwise: bad: a.")


def test_what_was_found_before_the_run_says_nothing_of_after(tmp_path: Path) -> None:
    found = lists(tmp_path, smoke(50.0, check("a", "page"), when="before"), MITIGATED)
    assert (item(found, "smoke_passed")["done"], item(found, "page")["done"]) == (False, False)


@pytest.mark.parametrize(("status", "done"), [("passed", True), ("failed", False), ("skipped", False)])
def test_the_fix_is_verified_by_its_own_check(tmp_path: Path, status: str, done: bool) -> None:
    look = smoke(50.0, check("a"), check("saving works", status=status, verify=True))
    assert item(lists(tmp_path, look, MITIGATED), "fix_verified")["done"] is done


def test_without_such_a_check_the_fix_is_ticked_by_name(tmp_path: Path) -> None:
    found = item(lists(tmp_path, smoke(50.0, check("a")), MITIGATED), "fix_verified")
    assert (found["done"], found["proof"]) == (False, [])
    assert "verify: true" in found["note"]


def probe(before: float | None, after: float, count: int = 30) -> str:
    first = row("g" * 30 if before else "")
    then = row("g" * count, since=20.0)
    for part, seconds in ((first, before or 0.0), (then, after)):
        for one in part:
            one["seconds"] = seconds
    marks = [{"kind": "mark", "phase": "during", "at": 10.0}, {"kind": "mark", "phase": "after", "at": 15.0}]
    return samples(first, marks, then)


@pytest.mark.parametrize(
    ("given", "done", "note"),
    [
        ((0.05, 0.06), True, "p95 60 ms of 30 samples; before: 50 ms of 30"),
        ((0.05, 0.08), False, "p95 80 ms of 30 samples; before: 50 ms of 30"),
        ((0.6, 0.55), False, "p95 550 ms of 30 samples; before: 600 ms of 30"),
        ((None, 0.06), True, "p95 60 ms of 30 samples; before: not measured"),
        ((0.05, 0.05, 19), False, "19 samples after the last run; 20 tell something"),
    ],
)
def test_performance_is_normal_by_the_samples(tmp_path: Path, given: Any, done: bool, note: str) -> None:
    found = item(lists(tmp_path, MITIGATED, probes=[probe(*given)]), "performance")
    assert (found["done"], found["note"]) == (done, note)
    assert found["proof"] == ([] if "tell something" in note else ["probe-1"])


@pytest.mark.parametrize(
    ("before", "after", "new", "done"),
    [
        (0, 0, [], True),
        (3, 2, [], True),
        (0, 4, ["KeyError"], False),
        (None, 3, [], False),
        (None, 0, [], True),
        (0, None, [], False),
    ],
)
def test_logs_without_new_errors(tmp_path: Path, before: Any, after: Any, new: list[str], done: bool) -> None:
    data = {"service": "backend", "errors_before": before, "errors_after": after, "new": new}
    logs = event("logs", 50.0, 1.0, host="p1", data=data)
    assert item(lists(tmp_path, logs, MITIGATED), "no_new_errors")["done"] is done


def test_one_service_with_new_errors_is_enough(tmp_path: Path) -> None:
    bad = event(
        "logs", 50.0, 1.0, host="p1", data={"service": "a", "errors_before": 0, "errors_after": 2, "new": ["x"]}
    )
    good = event("logs", 51.0, 1.0, host="p1", data={"service": "b", "errors_before": 0, "errors_after": 0, "new": []})
    found = item(lists(tmp_path, bad, good, MITIGATED), "no_new_errors")
    assert (found["done"], found["note"]) == (False, "new error lines: a on p1")


def test_a_meeting_that_is_proposed_is_not_scheduled(tmp_path: Path) -> None:
    found = item(lists(tmp_path, MITIGATED, now=at(90_000)), "post_mortem_scheduled")
    assert (found["done"], found["note"]) == (False, "post-mortem.ics is a proposal, and no meeting yet")


def test_the_verification_is_ticked_by_the_types_of_checks(tmp_path: Path) -> None:
    kinds = ("page", "health", "crud", "cors", "latency", "memory", "database")
    look = smoke(
        50.0,
        *(check(f"the {kind}", kind) for kind in kinds),
        check("browser", "browser", "skipped", message="no Chromium"),
    )
    part = lists(tmp_path, look, MITIGATED)["verification"]
    undone = [one for one in part["items"] if not one["done"]]
    assert [(one["key"], one["note"]) for one in undone] == [("console", "skipped: no Chromium")]
    assert all(one["proof"] == ["smoke-50-p1"] for one in part["items"] if one["done"])


def test_a_slow_page_loads_and_is_slow(tmp_path: Path) -> None:
    found = lists(tmp_path, smoke(50.0, check("home", "page", seconds=3.5)), MITIGATED)
    assert item(found, "page")["done"] is True
    assert (item(found, "page_time")["done"], item(found, "page_time")["note"]) == (False, "3.50 s at the slowest")
