# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From events to the incident: what was said of it last, how far it has come, and in which order things happened."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E

Event = E.Event
#: Bounds of a host's clock minus the controller's, in seconds.
Skew = tuple[float, float]

INCIDENT, CHANGE = "incident", "change"
#: The criteria of the procedure for emergencies.
CRITERIA = {
    "security": "Security vulnerabilities actively being exploited",
    "outage": "Complete service outage affecting all users",
    "data_loss": "Data corruption or loss in progress",
    "broken_function": "Critical functionality completely broken (login, document access, data saving)",
}
#: A wall clock that goes back by less than this against the steady one is being adjusted, and was not set.
BACK = 1.0

_FIELDS = (
    "title",
    "severity",
    "criterion",
    "summary",
    "reason",
    "environment",
    "services",
    "roles",
    "contacts",
    "zone",
    "record",
    "root_cause",
    "contributing",
    "customer_message",
    "detected_at",
    "started_at",
)
_MERGED_LISTS = ("services", "roles")


@dataclass(frozen=True)
class Moment:
    """A time, and where it is from; or None, and why."""

    at: str | None
    source: str


@dataclass(frozen=True)
class Jump:
    """The controller's clock went back by so many seconds before this event was written."""

    event: str
    at: str
    seconds: float

    def __str__(self) -> str:
        return f"The controller's clock went back by {self.seconds:.1f} s before {self.at}."


@dataclass
class Incident:
    """What a record says, put together."""

    #: In the order in which they were written down, whatever the clock said.
    events: list[Event] = field(default_factory=list)
    fields: dict[str, t.Any] = field(default_factory=dict)
    #: Which event said it last.
    said_by: dict[str, str] = field(default_factory=dict)
    state: str = "opened"
    #: The state event that counts for each state that was reached.
    reached: dict[str, Event] = field(default_factory=dict)
    times: dict[str, Moment] = field(default_factory=dict)
    jumps: list[Jump] = field(default_factory=list)
    #: The newest measurement of each host's clock.
    clocks: dict[str, Event] = field(default_factory=dict)
    #: Seconds to add to a time of this event to compare it with those after the last jump. Mostly empty.
    shifts: dict[str, float] = field(default_factory=dict)
    kinds: dict[str, list[Event]] = field(default_factory=dict)

    @property
    def record(self) -> str:
        """Return whether this is an incident, or a planned change that hit nobody."""
        return CHANGE if self.fields.get("record") == CHANGE else INCIDENT

    def of(self, *kinds: str) -> list[Event]:
        """Return the events of one kind, or of several one kind after the other."""
        return [event for kind in kinds for event in self.kinds.get(kind, ())]

    def skew(self, clock: str) -> Skew | None:
        """Return the bounds of a clock; None where they were not measured."""
        if clock == E.CONTROLLER:
            return 0.0, 0.0
        data = self.clocks[clock]["data"] if clock in self.clocks else {}
        lower, upper = number(data.get("lower")), number(data.get("upper"))
        return None if lower is None or upper is None or lower > upper else (lower, upper)

    def forget(self) -> list[Event]:
        """Hand the events over to whoever needs them last, and keep none: a large record is not held twice."""
        events, self.events, self.kinds, self.reached = self.events, [], {}, {}
        return events


def fold(events: t.Iterable[Event]) -> Incident:
    """Put *events* together. They come as :meth:`Folder.events` returns them: one of each ID."""
    found = Incident()
    found.events = _in_order(list(events), found)
    for event in found.events:
        found.kinds.setdefault(event["kind"], []).append(event)
    for event in found.of("opened"):
        _say(found, event, event["data"], keep=True)
    for event in found.events:
        if event["kind"] == "fields":
            given = event["data"].get("fields")
            _say(found, event, given if isinstance(given, dict) else {})
        elif event["kind"] == "state":
            _reach(found, event)
        elif event["kind"] == "clock":
            host = event["data"].get("host") or event["host"]
            if isinstance(host, str):
                found.clocks[host] = event
    found.times = _times(found)
    return found


def seconds_of(stamp: str) -> float:
    """Return a time as seconds since 1970, to compute with."""
    return E.moment(stamp).timestamp()


def stamp_of(value: t.Any) -> str | None:
    """Return a time that somebody gave as a record has it; None where it is none, or has no zone."""
    try:
        moment = E.moment(value)
        return None if moment.tzinfo is None else _clock.stamp(moment)
    except (TypeError, ValueError, OverflowError):
        return None


def number(value: t.Any) -> float | None:
    """Return *value* where it is a number that can be computed with; records of others may hold anything."""
    found = E.number(value)
    return None if found is None else float(found)


def text_of(value: t.Any) -> str:
    """Return *value* where it is text, else nothing."""
    return value if isinstance(value, str) else ""


def _in_order(events: list[Event], found: Incident) -> list[Event]:
    """Order by when they were written down: within a boot by the steady clock, between boots by the wall clock."""
    boots: dict[str | None, list[tuple[float, int]]] = {}
    for index, event in enumerate(events):
        known = event.get("boot") is not None and event.get("mono") is not None
        boots.setdefault(event["boot"] if known else None, []).append((event["mono"] if known else float(index), index))
    keys = [0.0] * len(events)
    for boot, lines in boots.items():
        lines.sort()
        latest = float("-inf")
        back: list[tuple[int, float]] = []
        before: tuple[float, float] | None = None
        for place, (mono, index) in enumerate(lines):
            wall = seconds_of(events[index]["recorded"])
            if boot is not None and before is not None:
                lost = (mono - before[0]) - (wall - before[1])
                if lost > BACK and wall < before[1]:
                    event = events[index]
                    found.jumps.append(Jump(event["id"], event["recorded"], round(lost, 3)))
                    back.append((place, lost))
            before = (mono, wall)
            latest = max(latest, wall)
            keys[index] = latest
        if back:
            _shift(events, lines, back, found)
    return [events[index] for index in sorted(range(len(events)), key=keys.__getitem__)]


def _shift(events: list[Event], lines: list[tuple[float, int]], back: list[tuple[int, float]], found: Incident) -> None:
    """Note by how much times before each jump are ahead of those after the last one."""
    edges = [(lines[place][0], lost) for place, lost in back]
    for mono, index in lines:
        event = events[index]
        took = event["seconds"]
        if took is None:
            took = max(0.0, seconds_of(event["recorded"]) - seconds_of(event["at"]))
        elif event["end"] is not None:
            took += max(0.0, seconds_of(event["recorded"]) - seconds_of(event["end"]))
        shift = sum(lost for edge, lost in edges if mono - took < edge)
        if shift:
            found.shifts[event["id"]] = -shift


def _say(found: Incident, event: Event, given: t.Mapping[str, t.Any], *, keep: bool = False) -> None:
    """Take in what an event says of the incident. With *keep* it only adds: a second opening comes from a merge."""
    for name in _FIELDS:
        value = given.get(name)
        if value in (None, "", [], {}):
            continue
        if keep and name in found.fields:
            old = found.fields[name]
            if name in _MERGED_LISTS and isinstance(old, list) and isinstance(value, list):
                found.fields[name] = old + [one for one in value if one not in old]
            continue
        found.fields[name] = value
        found.said_by[name] = event["id"]


def _reach(found: Incident, event: Event) -> None:
    """Take in a state. It only goes forward; what was mitigated again counts from the last time before its end."""
    state = event["data"].get("state")
    if state not in E.STATES:
        return
    _say(found, event, {"record": event["data"].get("record")})
    rank, now = E.STATES.index(state), E.STATES.index(found.state)
    if rank > now or (rank == now and state == "mitigated"):
        found.state = state
        found.reached[state] = event


def _times(found: Incident) -> dict[str, Moment]:
    times = {}
    opened = found.of("opened")
    first = found.events[0] if found.events else None
    if opened:
        times["opened"] = Moment(opened[0]["at"], f"event {opened[0]['id']}")
    elif first is not None:
        times["opened"] = Moment(
            first["at"], f"event {first['id']}, the first: the opening itself is not in the record"
        )
    else:
        times["opened"] = Moment(None, "the record holds no event")
    times["detected"] = _detected(found, times["opened"])
    for state in ("mitigated", "resolved", "closed"):
        event = found.reached.get(state)
        times[state] = Moment(None, f"not {state} yet") if event is None else Moment(event["at"], _source(event))
    if times["mitigated"].at is None and times["resolved"].at is not None:
        times["mitigated"] = Moment(None, "nobody said when, and nothing proved it")
    return times


def _detected(found: Incident, opened: Moment) -> Moment:
    said = found.fields.get("detected_at")
    if isinstance(said, str) and (stamp := stamp_of(said)) is not None:
        return Moment(stamp, f"event {found.said_by['detected_at']}: said by an operator")
    if opened.at is None:
        return opened
    return Moment(opened.at, f"{opened.source}: the first event of the record; when it was noticed before was not said")


def _source(event: Event) -> str:
    proof = event["data"].get("proof")
    ids = [one for one in proof if isinstance(one, str)] if isinstance(proof, list) else []
    if event["data"].get("how") == "proven":
        return f"event {event['id']}, proven by " + (", ".join(ids) or "nothing that is named")
    return f"event {event['id']}, said by {event['actor']['name']}"
