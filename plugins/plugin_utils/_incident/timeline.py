# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timeline: one row for each event, by the controller's clock, with how far a row's time can be trusted."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.spans import DOWN
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.fold import Incident, seconds_of, text_of
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.impact import Samples, stamp

Row = dict[str, t.Any]

#: Kinds whose rows are the short story.
_KEY = frozenset(("opened", "state", "run", "flag", "release", "lease", "note", "trouble"))
_UTC = ZoneInfo("UTC")
_UNMEASURED = "The clock of {} was not compared with the controller's: the time is as it said."
_JUMPED = "The controller's clock was set back after this: the row keeps its place in the order of the record."


class Zone:
    """The operator's time zone."""

    def __init__(self, wanted: str | None, said: t.Any) -> None:
        name, offset = wanted or "", ""
        if not name:
            given = said if isinstance(said, dict) else {"name": said}
            name, offset = text_of(given.get("name")) or "UTC", text_of(given.get("offset"))
        #: Why another zone than the one asked for is used; mostly empty.
        self.trouble = ""
        self.name = name
        self._zone: tzinfo = _UTC
        try:
            self._zone = ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            fixed = _fixed(offset)
            if fixed is None:
                self.trouble = f"The time zone {name!r} is not known here: times are in UTC."
                self.name = "UTC"
            else:
                self._zone = fixed

    def local(self, at: str) -> str:
        """Return a time of a record in this zone."""
        return E.moment(at).astimezone(self._zone).isoformat(timespec="milliseconds")

    def at(self, at: str) -> datetime:
        """Return the same as a time to compute with."""
        return E.moment(at).astimezone(self._zone)

    def row(self, at: str | None) -> dict[str, str]:
        """Return the name, and the offset that it has at a moment."""
        offset = "+00:00" if at is None else self.local(at)[-6:]
        return {"name": self.name, "offset": offset}


def _fixed(offset: str) -> tzinfo | None:
    try:
        found = datetime.strptime(offset, "%z").utcoffset()
    except ValueError:
        return None
    return None if found is None else timezone(found)


def rows(incident: Incident, samples: Samples, zone: Zone) -> list[Row]:
    """Return all rows in their order. The incident gives its events away: a large record is not held twice."""
    shifts, jumps = incident.shifts, {jump.event: jump for jump in incident.jumps}
    skews = {clock: incident.skew(clock) for clock in {event["clock"] for event in incident.events}}
    base = {clock: _base(incident, clock) for clock in skews}
    made: list[tuple[float, int, Row]] = []
    events = incident.forget()
    events.reverse()
    while events:
        event = events.pop()
        row = _row(event, skews[event["clock"]], zone)
        shift = shifts.get(event["id"], 0.0) if event["clock"] == E.CONTROLLER else 0.0
        if shift:
            row["note"] = f"{row['note']} {_JUMPED}".strip()
        made.append((seconds_of(row["at"]) + (shift or base[event["clock"]]), len(made), row))
        if event["id"] in jumps:
            jump = jumps[event["id"]]
            trouble = _made(event["recorded"], str(jump), "trouble", jump.event, zone, actor=E.tool())
            made.append((seconds_of(event["recorded"]), len(made), trouble))
    for row in _outages(samples, zone):
        made.append((seconds_of(row["at"]), len(made), row))
    made.sort(key=lambda one: one[:2])
    return [row for _key, _place, row in made]


def _base(incident: Incident, clock: str) -> float:
    """Return the shift of the moment at which a host's clock was compared with the controller's."""
    event = incident.clocks.get(clock)
    return incident.shifts.get(event["id"], 0.0) if event else 0.0


def _row(event: E.Event, skew: tuple[float, float] | None, zone: Zone) -> Row:
    at, end, seconds = event["at"], event["end"], event["seconds"]
    note, uncertain = "", None
    if skew is None:
        note = _UNMEASURED.format(event["clock"])
    else:
        uncertain = round((skew[1] - skew[0]) / 2, 3)
        middle = (skew[0] + skew[1]) / 2
        if middle:
            at = stamp(seconds_of(at) - middle)
            end = None if end is None else stamp(seconds_of(end) - middle)
    if event["kind"] in E.LASTING and end is None:
        note = f"{note} Its end is not in the record.".strip()
    elif end is not None and end < at:
        note = f"{note} It ended before it began by the clock that told it, which was set.".strip()
    return {
        "at": at,
        "local": zone.local(at),
        "end": end,
        "seconds": seconds,
        "actor": event["actor"],
        "host": event["host"],
        "step": event["step"],
        "outcome": event["outcome"],
        "text": said(event),
        "kind": event["kind"],
        "key": _is_key(event),
        "clock": event["clock"],
        "uncertain": uncertain,
        "note": note,
        "event": event["id"],
        "evidence": [one["path"] for one in event["evidence"]],
    }


def _is_key(event: E.Event) -> bool:
    if event["kind"] == "smoke":
        return bool(event["data"].get("when") != "before" or event["data"].get("verdict") == "failed")
    return str(event["kind"]) in _KEY


def said(event: E.Event) -> str:
    """Say what happened, also where the event itself does not."""
    if event["text"]:
        return str(event["text"])
    entry = event["data"].get("entry")
    if event["kind"] == "journal" and isinstance(entry, dict):
        return (
            f"{text_of(entry.get('action')) or 'unknown'}: {text_of(entry.get('text')) or text_of(entry.get('step'))}"
        )
    return str(event["kind"])


def _made(at: str, text: str, kind: str, event: str, zone: Zone, *, actor: E.Actor, **more: t.Any) -> Row:
    row: Row = {
        "at": at,
        "local": zone.local(at),
        "end": at,
        "seconds": 0.0,
        "actor": actor,
        "host": None,
        "step": None,
        "outcome": None,
        "text": text,
        "kind": kind,
        "key": True,
        "clock": E.CONTROLLER,
        "uncertain": 0.0,
        "note": "",
        "event": event,
        "evidence": [],
    }
    return {**row, **more}


def _outages(samples: Samples, zone: Zone) -> t.Iterator[Row]:
    """Yield what the probe saw: each outage, from its first failing sample to its last."""
    paths = [path for path, _event in samples.sources]
    for one in samples.targets.values():
        for span in (span for span in one.spans if span.state == DOWN):
            lasted = (
                f"for {span.lower:.1f} to {span.upper:.1f} s"
                if span.upper is not None
                else f"for {span.lower:.1f} s at least"
            )
            began = " already at the first sample" if span.began_before else ""
            still = ", and still so at the last sample" if span.still_so else ""
            yield _made(
                stamp(span.first),
                f"{one.name} was down{began}, {lasted}{still}.",
                "probe",
                samples.event,
                zone,
                actor=E.probe(),
                host=one.name,
                outcome="failed",
                end=stamp(span.last),
                seconds=round(span.last - span.first, 3),
                evidence=paths,
            )


def marks(timeline: t.Iterable[t.Mapping[str, t.Any]], began: str, ended: str) -> list[Row]:
    """Return the short story's actions, for the axis of a chart."""
    return [
        {"at": row["at"], "text": row["text"], "event": row["event"]}
        for row in timeline
        if row["key"] and row["kind"] not in ("probe", "note", "trouble") and began <= row["at"] <= ended
    ]
