# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a change: who is asked, and what the plan says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hotfix import conduct, plan
from hotfix.exits import Exit, UsageError
from hotfix.runner import Job
from hotfix.task import LOOK, Options, Task
from hotfix.watch import Seen
from tests.unit.cli.events_of import outcome, record, result, selected, stats, task

ROLLBACK = Task(
    "rollback", "rollback", changes=True, what="roll back", undo="hotfix rollback --to {left} -l {limit}", advice=()
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "sha256:" + "6" * 64
OTHER = "sha256:" + "7" * 64


def planned(changed: bool = True, word: str = "planned") -> Seen:
    found = record(
        selected("prod1", "prod2"),
        task("Roll back"),
        *(
            result(
                host,
                "release",
                outcome=word,
                changed=changed,
                diff={
                    "before": f"backend: registry.example.com/notes-backend@{DIGEST}\nfrontend: same@{DIGEST}\n",
                    "after": f"backend: registry.example.com/notes-backend@{OTHER}\nfrontend: same@{DIGEST}\n",
                },
            )
            for host in ("prod1", "prod2")
        ),
        outcome(
            "prod1",
            word,
            [
                "prod1: planned: From B-v2 to the last known good release, A-v1.",
                "prod1: note: The app is away while A-v1 boots (strategy recreate: no proxy).",
                "prod2: planned: From B-v2 to the last known good release, A-v1.",
                "prod2: note: A-v1 still runs (blue): a switch of the proxy, no request is to fail.",
            ],
            msg="Rollback: planned, nothing was changed.",
        ),
        stats(ok={"prod1": 1, "prod2": 1}),
    )
    return Seen(Job("x", "production"), found, "successful", NOW, NOW)


@pytest.mark.parametrize(
    ("limit", "unasked", "more", "asks"),
    [
        ("production", None, {}, True),
        ("prod1", None, {}, True),
        ("staging", None, {}, False),
        ("staging", "", {}, True),
        ("preview", "staging,preview", {}, False),
        ("staging,production", None, {}, True),
        ("staging:prod1", None, {}, True),
        ("production", None, {"yes": True}, False),
        ("production", None, {"check": True}, False),
    ],
)
def test_who_is_asked(
    monkeypatch: pytest.MonkeyPatch, limit: str, unasked: str | None, more: dict[str, Any], asks: bool
) -> None:
    monkeypatch.delenv("HOTFIX_UNASKED", raising=False)
    if unasked is not None:
        monkeypatch.setenv("HOTFIX_UNASKED", unasked)
    assert plan.must_ask(ROLLBACK, Options(limit=limit, **more)) is asks


def test_what_changes_nothing_is_never_asked_about() -> None:
    assert not plan.must_ask(Task("status", "release_info", looks=True), Options(limit="production"))


def test_without_a_terminal_it_says_that_it_needs_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match=r"there is no terminal to ask on\. Nothing was touched\. Next: .* give --yes"):
        plan.require_terminal(Options(limit="production"))


def test_the_plan_says_what_changes_where_the_interruption_and_the_way_back() -> None:
    shown = plan.text(ROLLBACK, Options(limit="production"), planned())
    for words in (
        "Plan: roll back on production, 2 hosts",
        "  prod1: From B-v2 to the last known good release, A-v1.",
        "backend: notes-backend@666666666666 -> notes-backend@777777777777",
        "Interruption: The app is away while A-v1 boots (strategy recreate: no proxy).",
        "To undo it: hotfix rollback --to B-v2 -l production",
    ):
        assert words in shown, words
    assert "frontend" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_an_interruption_that_nobody_knows_is_unknown() -> None:
    found = planned()
    for host in found.record.hosts.values():
        host.notes = []
    assert "Interruption: unknown" in plan.text(ROLLBACK, Options(limit="production"), found)


def test_what_cannot_be_planned_is_shown_by_what_is_so_now() -> None:
    found = record(
        selected("prod1"),
        result(
            "prod1",
            "release_info",
            outcome="seen",
            current={"id": "B-v2", "version": "v2", "state": "live"},
            lease="bob@desk (deploy)",
        ),
        outcome("prod1", "seen", ["prod1: seen: B runs."]),
        stats(ok={"prod1": 1}),
    )
    confirm = Task("confirm", "confirm", changes=True, plan=LOOK, what="confirm what is current", interruption="none")
    shown = plan.text(confirm, Options(limit="production"), Seen(Job("x"), found, "successful", NOW, NOW))
    assert "prod1: current is v2 (B-v2), live; lease held by bob@desk (deploy)" in shown
    assert "Interruption: none" in shown


class Asked:
    """A terminal on which somebody answers, and the runs that were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: str, *seen: Seen) -> None:
        self.jobs: list[Job] = []
        waiting = list(seen)

        def watch(job: Job, *_arguments: object) -> Seen:
            self.jobs.append(job)
            return waiting.pop(0)

        monkeypatch.setattr(conduct, "watch", watch)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin.readline", lambda: answer, raising=False)


def test_it_looks_asks_once_and_then_does_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(monkeypatch, "y\n", planned(), planned(word="done"))
    assert conduct.conduct(ROLLBACK, Options(limit="production")) is Exit.DONE
    assert [(job.check, job.diff) for job in asked.jobs] == [(True, True), (False, False)]
    shown = capsys.readouterr().err
    assert shown.count("now? [y/N]") == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yess\n"])
def test_any_other_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    asked = Asked(monkeypatch, answer, planned())
    assert conduct.conduct(ROLLBACK, Options(limit="production")) is Exit.CANCELLED
    assert [job.check for job in asked.jobs] == [True]


def test_a_plan_to_do_nothing_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, "y\n", planned(changed=False))
    assert conduct.conduct(ROLLBACK, Options(limit="production")) is Exit.NOTHING_TO_DO
    assert len(asked.jobs) == 1


def test_a_plan_that_is_refused_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    found = record(selected("prod1"), outcome("prod1", "refused", ["prod1: refused: No backup."], "failed"), stats())
    found.hosts["prod1"].reached = True
    asked = Asked(monkeypatch, "y\n", Seen(Job("x", "production"), found, "failed", NOW, NOW))
    assert conduct.conduct(ROLLBACK, Options(limit="production")) is Exit.REFUSED
    assert len(asked.jobs) == 1


def test_a_yes_beforehand_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, "", planned(word="done"))
    assert conduct.conduct(ROLLBACK, Options(limit="production", yes=True)) is Exit.DONE
    assert [job.check for job in asked.jobs] == [False]
