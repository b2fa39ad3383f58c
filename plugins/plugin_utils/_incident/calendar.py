# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The post-mortem as a file for calendars (RFC 5545): a proposal that people move to where it suits them."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_CLOCK = "%Y%m%dT%H%M%SZ"
_OCTETS = 75
_LENGTH = timedelta(hours=1)
_DAY, _LATEST = timedelta(hours=24), timedelta(hours=2)
_HOUR = 10


def begins(due: datetime, zone: tzinfo, counted_from: datetime | None = None) -> datetime:
    """Return when to meet: at ten in the operator's zone where that ends before *due*, else two hours before it."""
    earliest = due - _DAY if counted_from is None else counted_from
    local = due.astimezone(zone)
    for days in (0, 1):
        day = local.date() - timedelta(days=days)
        at = datetime(day.year, day.month, day.day, _HOUR, tzinfo=zone).astimezone(UTC)
        if at >= earliest and at + _LENGTH <= due:
            return at
    return (due - _LATEST).astimezone(UTC)


def post_mortem(report: t.Mapping[str, t.Any]) -> bytes | None:
    """Return the event for a report's post-mortem; None before anybody knows when it is due."""
    lists = {one["key"]: one for one in report["checklists"]}
    day = lists["within_24_hours"]
    if day["due"] is None:
        return None
    try:
        zone: tzinfo = ZoneInfo(report["zone"]["name"])
    except (ValueError, OSError, LookupError):
        zone = UTC
    begin = begins(datetime.fromisoformat(day["due"]), zone, datetime.fromisoformat(day["counted_from"]))
    todo = [item["text"] for item in day["items"] if not item["done"]]
    about = [
        report["headline"],
        f"Impact, timeline and evidence: report.html and report.md of the incident {report['id']}.",
        f"Open within 24 hours (due {day['due']}): {'; '.join(todo)}."
        if todo
        else "Nothing of the 24 hours' list is open.",
    ]
    lines = [
        ("BEGIN", "VCALENDAR"),
        ("VERSION", "2.0"),
        ("PRODID", "-//pangeafate.hotfix//incident record//EN"),
        ("BEGIN", "VEVENT"),
        ("UID", _text(f"{report['id']}-post-mortem@pangeafate.hotfix")),
        ("DTSTAMP", _utc(datetime.fromisoformat(report["generated"]))),
        ("DTSTART", _utc(begin)),
        ("DTEND", _utc(begin + _LENGTH)),
        ("SUMMARY", _text(f"Post-mortem: {report['title']}")),
        ("DESCRIPTION", _text("\n".join(about))),
        ("STATUS", "TENTATIVE"),
        ("TRANSP", "OPAQUE"),
        ("END", "VEVENT"),
        ("END", "VCALENDAR"),
    ]
    return b"".join(_folded(f"{name}:{value}") for name, value in lines)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime(_CLOCK)


def _text(value: str) -> str:
    """Escape a text, and leave out what no calendar may hold."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    plain = "".join(one for one in value if one in "\n\t" or (ord(one) >= 0x20 and ord(one) != 0x7F))
    for one in "\\;,":
        plain = plain.replace(one, f"\\{one}")
    return plain.replace("\n", "\\n")


def _folded(line: str) -> bytes:
    """Break a line where it is longer than 75 octets, and never within a character."""
    parts: list[bytes] = []
    part = b""
    for one in line:
        octets = one.encode("utf-8", "replace")
        if len(part) + len(octets) > _OCTETS - bool(parts):
            parts.append(part)
            part = b""
        part += octets
    return b"\r\n ".join([*parts, part]) + b"\r\n"
