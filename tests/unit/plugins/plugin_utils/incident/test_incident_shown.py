# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same words for the same values, and texts that can do no tricks."""

from __future__ import annotations

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (0.0001, "under 1 ms"),
        (0.0312, "31 ms"),
        (0.9996, "1 s"),
        (2.94, "2.9 s"),
        (41.0, "41 s"),
        (99.4, "99.4 s"),
        (99.99, "1 min 40 s"),
        (180, "3 min"),
        (3599.7, "1 h"),
        (3700, "1 h 2 min"),
        (200000, "2 d 7 h"),
        (-3, "−3 s"),
    ],
)
def test_seconds(given: float | None, said: str) -> None:
    assert shown.seconds(given) == said


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (None, None, "unknown"),
        (41.0, 44.0, "41 to 44 s"),
        (0.2, 1.4, "200 ms to 1.4 s"),
        (41.0, 41.0, "41 s"),
        (0.0, 0.4, "up to 400 ms"),
        (41.0, None, "at least 41 s"),
        (None, 44.0, "at most 44 s"),
        (50.0, 130.0, "50 s to 2 min 10 s"),
        (70.0, 130.0, "70 s to 2 min 10 s"),
    ],
)
def test_between(lower: float | None, upper: float | None, said: str) -> None:
    assert shown.between(lower, upper) == said


def test_an_outage_that_nobody_measured_is_not_none() -> None:
    assert shown.outage({"known": False, "lower": None, "upper": None}) == "unknown"
    assert shown.outage(None) == "unknown"
    assert shown.outage({"known": True, "lower": 0, "upper": 0}) == "none seen"
    assert shown.outage({"known": True, "lower": 41, "upper": 44}) == "41 to 44 s"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("a\x00b\x08c\x9bd", "abcd"),
        ("a\r\nb", "a\nb"),
        ("invoice\u202egpj.exe", "invoice[U+202E]gpj.exe"),
        ("in\u200bvisible", "in[U+200B]visible"),
        ("broken \ud800 half", "broken \ufffd half"),
        ("שלום, grüß dich 👩‍🚀", "שלום, grüß dich 👩‍🚀"),
    ],
)
def test_a_text_is_shown_as_it_is_or_by_its_numbers(given: str, said: str) -> None:
    assert shown.plain(given) == said
    assert shown.plain(given).encode()


def test_long_lists_keep_both_ends() -> None:
    part = shown.part(list(range(10)), 4, 10)
    assert (part.head, part.tail, part.left_out, part.total) == ([0, 1], [8, 9], 6, 10)
    assert shown.part(None, 4, 10).rows == []


def test_what_is_still_to_come_is_not_unknown() -> None:
    report = {"state": "mitigated", "times": {"mitigated": {"at": None}, "resolved": {"at": None}}}
    assert shown.when(report, "resolved") == "not yet"
    assert shown.when(report, "mitigated") == "unknown"
    assert shown.when({**report, "times": {"mitigated": {"at": "2026-01-02T03:04:05.678Z"}}}, "mitigated") == (
        "2026-01-02 03:04:05"
    )


def test_the_first_screen_shows_the_way_taken_and_every_missed_budget() -> None:
    def budget(what: str, took: float | None, kept: bool | None) -> dict[str, object]:
        return {"what": what, "budget": 100, "took": took, "kept": kept, "source": "s"}

    every = [budget("flag", 40, False), budget("rollback", None, None), budget("quick_fix", 50, True)]
    assert [one["what"] for one in shown.budgets_for({"impact": {"budgets": every}})] == ["quick_fix", "flag"]
    assert shown.budgets_for({"impact": {"budgets": [every[1]]}}) == []


def test_a_moment_took_no_time_and_an_open_end_is_unknown() -> None:
    at = "2026-01-02T03:04:05.678Z"
    assert shown.took({"kind": "step", "at": at, "end": None, "seconds": None}) == "end unknown"
    assert shown.took({"kind": "step", "at": at, "end": at, "seconds": 0.0}) == ""
    assert shown.took({"kind": "state", "at": at, "end": None, "seconds": None}) == ""
    assert shown.took({"kind": "step", "at": at, "end": at, "seconds": 2.0}) == "2 s"


@pytest.mark.parametrize(
    ("value", "of", "said"),
    [(None, 5, ""), (1, 0, ""), (170, 1150, "14.8 %"), (1, 100000, "under 0.1 %"), (99999, 100000, "over 99.9 %")],
)
def test_share(value: int | None, of: int | None, said: str) -> None:
    assert shown.share(value, of) == said
