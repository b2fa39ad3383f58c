# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timeline: rows by the controller's clock, and how far each can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, report, timeline

from tests.unit.plugins.plugin_utils.incident.reports import at, event, made, opening, problems, row, samples
from tests.unit.plugins.plugin_utils.incident.test_incident_fold import jumped


def rows(path: Path, *given: events.Event, zone: str | None = None, probes: Any = ()) -> list[dict[str, Any]]:
    found = report.build(made(path, *given, probes=probes), zone=zone)
    assert problems(found) == []
    listed: list[dict[str, Any]] = found["timeline"]
    return listed


def journal(seconds: float, host: str, text: str, took: float | None = 1.0) -> events.Event:
    entry = {"action": "deploy", "step": text, "phase": "begin", "at": at(seconds)}
    found = event("journal", seconds, took, clock=host, host=host, step=text, text=text, data={"entry": entry})
    return {**found, "recorded": at(100), "mono": 1100.0}


def test_hosts_times_are_moved_by_the_middle_of_their_skew(tmp_path: Path) -> None:
    """p1 is 60 s ahead, give or take half a second: its step of 70 was at 10."""
    skew = event("clock", 5.0, data={"host": "p1", "lower": 59.5, "upper": 60.5})
    found = rows(
        tmp_path,
        opening(),
        event("note", 9.0, text="a"),
        event("note", 11.0, text="b"),
        skew,
        journal(70.0, "p1", "switch"),
    )
    moved = next(one for one in found if one["text"] == "switch")
    assert (moved["at"], moved["end"], moved["uncertain"], moved["note"]) == (at(10.0), at(11.0), 0.5, "")
    assert moved["seconds"] == 1.0
    texts = [one["text"] for one in found]
    assert texts.index("a") < texts.index("switch") < texts.index("b")


def test_a_clock_that_was_not_compared_is_named(tmp_path: Path) -> None:
    found = rows(tmp_path, opening(), journal(7.0, "p2", "pull"))
    moved = next(one for one in found if one["text"] == "pull")
    assert (moved["at"], moved["uncertain"]) == (at(7.0), None)
    assert "p2 was not compared" in moved["note"]


def test_what_hosts_did_before_comes_before(tmp_path: Path) -> None:
    found = rows(tmp_path, opening(), journal(-7200.0, "p1", "switch"))
    assert [one["kind"] for one in found] == ["journal", "opened"]


def test_what_has_no_end_says_so(tmp_path: Path) -> None:
    found = rows(tmp_path, opening(), journal(5.0, "p1", "switch", None))
    moved = next(one for one in found if one["text"] == "switch")
    assert (moved["end"], moved["seconds"]) == (None, None)
    assert "Its end is not in the record." in moved["note"]


def test_the_short_story_holds_a_run_once(tmp_path: Path) -> None:
    run = event("run", 1.0, 9.0, run="r1", data={"action": "deploy"})
    step = event("step", 2.0, 7.0, run="r1", host="p1", step="deploy")
    found = rows(
        tmp_path, opening(), run, step, journal(3.0, "p1", "pull"), event("smoke", 8.0, 1.0, data={"when": "after"})
    )
    assert [one["kind"] for one in found if one["key"]] == ["opened", "run", "smoke"]
    assert {one["kind"] for one in found if not one["key"]} == {"step", "journal"}


def test_what_people_noted_is_in_the_short_story_and_no_mark_on_an_axis(tmp_path: Path) -> None:
    found = rows(tmp_path, opening(), event("note", 2.0, 0.0, text="Redis was full"))
    assert [one["text"] for one in found if one["key"]][-1] == "Redis was full"
    assert "Redis was full" not in [one["text"] for one in timeline.marks(found, found[0]["at"], found[-1]["at"])]


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        (None, "2026-01-02T03:04:05.000+00:00"),
        ("Europe/Berlin", "2026-01-02T04:04:05.000+01:00"),
        ("Asia/Kolkata", "2026-01-02T08:34:05.000+05:30"),
        ("No/Where", "2026-01-02T03:04:05.000+00:00"),
    ],
)
def test_each_row_has_the_operators_time(tmp_path: Path, zone: str | None, local: str) -> None:
    assert rows(tmp_path, opening(), zone=zone)[0]["local"] == local


def test_a_zone_that_nobody_knows_is_named(tmp_path: Path) -> None:
    found = report.build(made(tmp_path, opening()), zone="No/Where")
    assert found["zone"] == {"name": "UTC", "offset": "+00:00"}
    assert any("'No/Where' is not known" in one for one in found["remains"])


def test_the_zone_of_the_opening_is_taken_with_its_offset(tmp_path: Path) -> None:
    found = report.build(made(tmp_path, opening(zone={"name": "Local/Here", "offset": "+02:00"})))
    assert found["zone"] == {"name": "Local/Here", "offset": "+02:00"}
    assert found["timeline"][0]["local"] == "2026-01-02T05:04:05.000+02:00"


def test_a_clock_that_is_set_back_keeps_the_order_and_is_a_row(tmp_path: Path) -> None:
    found = rows(tmp_path, *jumped(3600.0))
    texts = [one["text"] for one in found]
    assert [one for one in texts if one.isdigit()] == [str(number) for number in range(10)]
    (trouble,) = [one for one in found if one["kind"] == "trouble"]
    assert "went back by 3600.0 s" in trouble["text"]
    assert texts.index(trouble["text"]) in (5, 6)
    assert all("set back after this" in one["note"] for one in found[:5])


def test_outages_are_rows(tmp_path: Path) -> None:
    found = rows(tmp_path, opening(), probes=[samples(row("ggfffgg"))])
    (hit,) = [one for one in found if one["outcome"] == "failed"]
    assert (hit["at"], hit["end"], hit["host"], hit["actor"]["kind"]) == (at(0.4), at(0.8), "p1", "probe")
    assert hit["text"] == "p1 was down, for 0.4 to 0.8 s."
    assert hit["key"]


def test_marks_are_the_short_story_while_somebody_looked(tmp_path: Path) -> None:
    given = [
        opening(),
        event("flag", 0.5, 0.1, text="off"),
        event("flag", 500.0, 0.1, text="later"),
        event("note", 0.6, text="x"),
    ]
    found = report.build(made(tmp_path, *given, probes=[samples(row("ggggg"))]))
    assert [one["text"] for one in found["availability"]["marks"]] == ["opened", "off"]
