# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From events to the incident: what was said last, how far it came, and the order when clocks jump."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, fold

from tests.unit.plugins.plugin_utils.incident.reports import at, event, opening, reached


def test_nothing_is_an_incident_of_which_nothing_is_known() -> None:
    found = fold.fold([])
    assert (found.state, found.record, found.fields) == ("opened", "incident", {})
    assert {one.at for one in found.times.values()} == {None}
    assert all(one.source for one in found.times.values())


def test_a_later_word_counts() -> None:
    first = event("fields", 1.0, data={"fields": {"title": "All is down", "severity": 1}}, event_id="one")
    second = event("fields", 2.0, data={"fields": {"title": "Saving fails", "severity": None}}, event_id="two")
    found = fold.fold([opening(), first, second])
    assert (found.fields["title"], found.fields["severity"]) == ("Saving fails", 1)
    assert (found.said_by["title"], found.said_by["severity"]) == ("two", "one")


def test_two_openings_of_a_merge_add_to_one_another() -> None:
    mine = opening()
    mine["data"] = {**mine["data"], "services": ["backend"]}
    other = opening(5.0)
    other["data"] = {"title": "Other words", "services": ["backend", "frontend"], "severity": 2}
    found = fold.fold([mine, other])
    assert found.fields["title"] == "Saving fails"
    assert found.fields["services"] == ["backend", "frontend"]
    assert found.fields["severity"] == 2


def test_states_only_go_forward() -> None:
    found = fold.fold([opening(), reached("resolved", 10.0), reached("mitigated", 20.0)])
    assert found.state == "resolved"
    assert found.times["resolved"].at == at(10.0)
    assert found.times["mitigated"].at is None


def test_what_was_mitigated_again_counts_from_then() -> None:
    found = fold.fold([opening(), reached("mitigated", 10.0), reached("mitigated", 20.0), reached("resolved", 30.0)])
    assert found.times["mitigated"].at == at(20.0)


def test_a_state_says_who_said_it_or_what_proves_it() -> None:
    proven = event("state", 9.0, data={"state": "mitigated", "how": "proven", "proof": ["a", "b"]}, event_id="s")
    found = fold.fold([opening(), proven, reached("resolved", 10.0, event_id="t")])
    assert found.times["mitigated"].source == "event s, proven by a, b"
    assert found.times["resolved"].source == "event t, said by ann@laptop"


def test_a_planned_change() -> None:
    begun = opening()
    begun["data"]["record"] = "change"
    assert fold.fold([begun]).record == "change"


@pytest.mark.parametrize("given", [None, 5, "yesterday", "2026-01-02 03:04", ["x"]])
def test_a_time_that_is_none_is_not_taken(given: Any) -> None:
    found = fold.fold([opening(), event("fields", 1.0, data={"fields": {"detected_at": given}})])
    assert found.times["detected"].at == at(0)


def test_a_time_with_an_offset_is_taken() -> None:
    found = fold.fold([opening(), event("fields", 1.0, data={"fields": {"detected_at": "2026-01-02T04:00:00+01:00"}})])
    assert found.times["detected"].at == "2026-01-02T03:00:00.000Z"


def test_merged_lines_come_back_into_their_order() -> None:
    """Those of the other operator stand at the end of the file, and were written by another machine."""
    mine = [event("note", number * 2.0, text=str(number * 2)) for number in range(5)]
    other = [{**event("note", number * 2.0 + 1, text=str(number * 2 + 1)), "boot": "boot-2"} for number in range(5)]
    for one in other:
        one["mono"] += 5000.0
    found = fold.fold([*mine, *other])
    assert [one["text"] for one in found.events] == [str(number) for number in range(10)]
    assert found.jumps == []


def test_lines_of_one_boot_are_ordered_by_the_steady_clock() -> None:
    lines = [event("note", float(number), text=str(number)) for number in range(20)]
    mixed = [*lines[::2], *reversed(lines[1::2])]
    assert [one["text"] for one in fold.fold(mixed).events] == [one["text"] for one in lines]


def jumped(back: float) -> list[events.Event]:
    """Return ten notes, a second each; before the sixth, the clock is set back."""
    lines = [event("note", float(number), text=str(number)) for number in range(10)]
    for number, one in enumerate(lines):
        if number >= 5:
            one["at"] = one["end"] = one["recorded"] = at(number - back)
    return lines


def test_a_clock_that_is_set_back_is_noticed_and_changes_no_order() -> None:
    lines = jumped(3600.0)
    found = fold.fold(lines)
    (jump,) = found.jumps
    assert (jump.event, jump.seconds) == (lines[5]["id"], 3600.0)
    assert [one["text"] for one in found.events] == [str(number) for number in range(10)]
    assert set(found.shifts) == {one["id"] for one in lines[:5]}


def test_a_clock_that_is_being_adjusted_is_not_set() -> None:
    assert fold.fold(jumped(0.4)).jumps == []


def test_the_newest_measurement_of_a_clock_counts() -> None:
    first = event("clock", 1.0, data={"host": "p1", "lower": 4.0, "upper": 5.0})
    second = event("clock", 2.0, data={"host": "p1", "lower": -0.1, "upper": 0.3})
    bad = event("clock", 3.0, data={"host": "p2", "lower": None, "upper": 0.3})
    found = fold.fold([first, second, bad])
    assert found.skew("p1") == (-0.1, 0.3)
    assert found.skew("p2") is None
    assert found.skew("p3") is None
    assert found.skew("controller") == (0.0, 0.0)


@pytest.mark.parametrize("data", [{}, {"fields": 5}, {"fields": {"services": "x", "title": 7}}, {"state": 9}])
def test_what_others_write_never_stops_it(data: dict[str, Any]) -> None:
    for kind in ("opened", "fields", "state", "clock", "unheard"):
        fold.fold([event(kind, 0.0, data=data)])
