# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The post-mortem for calendars, read by a parser of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import calendar
from icalendar import Calendar

NASTY = 'Saving; fails, "badly" \\ for all\r\nBEGIN:VALARM — größer ' + "ü€🚨" * 40


def report(**more: Any) -> dict[str, Any]:
    items = [{"text": "Conduct post-mortem", "done": False}, {"text": "Document root cause", "done": True}]
    day = {"key": "within_24_hours", "due": "2026-01-03T03:04:05.000Z", "counted_from": "2026-01-02T03:04:05.000Z"}
    return {
        "id": "incident-1",
        "title": "Saving fails",
        "headline": "Users were not served for 0.6 to 1.0 s.",
        "zone": {"name": "Europe/Berlin", "offset": "+01:00"},
        "generated": "2026-01-02T04:00:00.000Z",
        "checklists": [{**day, "items": items}],
        **more,
    }


def parsed(given: dict[str, Any]) -> Any:
    raw = calendar.post_mortem(given)
    assert raw is not None
    found = Calendar.from_ical(raw)
    assert found.errors == []
    (event,) = found.walk("VEVENT")
    assert event.errors == []
    return event


def test_a_calendar_reads_it() -> None:
    event = parsed(report())
    assert event["SUMMARY"] == "Post-mortem: Saving fails"
    assert event["UID"] == "incident-1-post-mortem@pangeafate.hotfix"
    # Ten in Berlin.
    assert event.decoded("DTSTART") == datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert event.decoded("DTEND") == datetime(2026, 1, 2, 10, tzinfo=UTC)
    assert event.decoded("DTSTAMP") == datetime(2026, 1, 2, 4, tzinfo=UTC)
    assert "Conduct post-mortem" in event["DESCRIPTION"]
    assert "Document root cause" not in event["DESCRIPTION"]


def test_whatever_stands_in_a_title_stays_in_it() -> None:
    event = parsed(report(title=NASTY))
    assert event["SUMMARY"] == f"Post-mortem: {NASTY}".replace("\r\n", "\n")
    assert event.subcomponents == []


def test_lines_are_as_long_as_may_be_and_end_as_they_must() -> None:
    raw = calendar.post_mortem(report(title=NASTY))
    assert raw is not None
    lines = raw.split(b"\r\n")
    assert lines.pop() == b""
    assert max(len(one) for one in lines) <= 75
    assert b"\n" not in b"".join(lines) and b"\r" not in b"".join(lines)
    for one in lines:
        one.decode("utf-8")
    assert calendar.post_mortem(report(title=NASTY)) == raw


def test_before_it_is_due_there_is_none() -> None:
    given = report()
    given["checklists"][0]["due"] = None
    assert calendar.post_mortem(given) is None


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"])
def test_it_ends_before_it_is_due_and_is_at_ten_where_that_fits(zone: str) -> None:
    for hour in range(0, 24 * 200, 7):
        due = datetime(2026, 1, 3, tzinfo=UTC) + timedelta(hours=hour)
        begin = calendar.begins(due, ZoneInfo(zone))
        assert due - timedelta(hours=24) <= begin <= due - timedelta(hours=1)
        local = begin.astimezone(ZoneInfo(zone))
        assert (local.hour, local.minute) == (10, 0) or begin == due - timedelta(hours=2)


def test_without_ten_oclock_it_is_two_hours_before() -> None:
    due = datetime(2026, 1, 3, 10, 30, tzinfo=UTC)
    assert calendar.begins(due, UTC) == due - timedelta(hours=2)
