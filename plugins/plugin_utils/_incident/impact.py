# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the samples of the probes to the impact. Every number says where it is from; what nobody measured is None.

The probes of several runs are joined on the wall clock. Between two of them nobody looked: that time lengthens what an
outage may have lasted at most, and never what it lasted at least.
"""

from __future__ import annotations

import itertools
import math
import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import records
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.spans import (
    DEGRADED,
    DOWN,
    Gap,
    Span,
    percentile,
    points,
    spans,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.summary import AFTER, BEFORE, DURING, Seen
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.fold import (
    Incident,
    Moment,
    number,
    seconds_of,
    stamp_of,
)

Row = dict[str, t.Any]
Interval = tuple[float, float]
Holds = t.Callable[[t.Mapping[str, t.Any]], bool]

#: The most bins of a target; a chart is not wider.
BINS = 240
_LENGTHS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0)
_TELLS = (records.GOOD, records.FAILED)
_SLOW = 1.0
#: What the procedure allows, in seconds.
BUDGETS = {"flag": 30, "rollback": 180, "quick_fix": 300, "code_deploy": 900}


def stamp(at: float) -> str:
    """Return seconds since 1970 as a record has it."""
    return _clock.stamp(datetime.fromtimestamp(round(at, 3), UTC))


# -------------------------------------------------------------------- intervals


def union(given: t.Iterable[Interval]) -> list[Interval]:
    """Return the times that are in any of them, in order and apart."""
    found: list[Interval] = []
    for begin, end in sorted(given):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def common(one: t.Sequence[Interval], other: t.Sequence[Interval]) -> list[Interval]:
    """Return the times that are in both."""
    found: list[Interval] = []
    left, right = union(one), union(other)
    i = j = 0
    while i < len(left) and j < len(right):
        begin, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if begin < end:
            found.append((begin, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(one: t.Sequence[Interval], other: t.Sequence[Interval]) -> list[Interval]:
    """Return the times that are in the first and not in the second."""
    edges = union(other)
    outside = [
        (before[1], after[0])
        for before, after in zip([(0.0, -math.inf), *edges], [*edges, (math.inf, 0.0)], strict=True)
        if before[1] < after[0]
    ]
    return common(one, outside)


def length(given: t.Iterable[Interval]) -> float | None:
    """Return how long they are together; None where there is no end to them."""
    total = sum(end - begin for begin, end in union(given))
    return round(total, 3) if math.isfinite(total) else None


# --------------------------------------------------------------------- samples


@dataclass
class Watched:
    """One target through all probes. Times are seconds since 1970 by the controller's clock."""

    name: str
    slow: float = _SLOW
    samples: list[records.Sample] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    #: From when to when a probe was looking, one for each.
    looked: list[Interval] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def close(self) -> None:
        """Work out what all samples together say."""
        self.samples.sort(key=lambda one: one.at)
        looked = union(self.looked)
        self.gaps += [Gap(a[1], b[0] - a[1]) for a, b in itertools.pairwise(looked)]
        self.gaps.sort()
        self.spans = spans(points(self.samples, self.gaps, self.slow), self.gaps)

    @property
    def seen(self) -> Interval | None:
        """Return when somebody looked first and last."""
        return (self.looked[0][0], max(end for _begin, end in self.looked)) if self.looked else None

    @property
    def blind(self) -> list[Interval]:
        """Return when nobody looked, in between."""
        return union((gap.at, gap.end) for gap in self.gaps)

    def sure(self, state: str) -> list[Interval]:
        """Return when the target surely was in a state."""
        return without([(one.first, one.last) for one in self.spans if one.state == state], self.blind)

    def possible(self, state: str) -> list[Interval]:
        """Return when it may have been, seen from the samples before and after."""
        found = []
        for index, one in enumerate(self.spans):
            if one.state == state:
                before = -math.inf if one.began_before else self.spans[index - 1].last
                after = math.inf if one.still_so else self.spans[index + 1].first
                found.append((before, after))
        return union(found)

    def unseen(self) -> list[Interval]:
        """Return when nobody looked at it, the time before and after included."""
        seen = self.seen
        return (
            [(-math.inf, math.inf)] if seen is None else union([(-math.inf, seen[0]), *self.blind, (seen[1], math.inf)])
        )


@dataclass
class Samples:
    """All that the probes of an incident saw."""

    targets: dict[str, Watched] = field(default_factory=dict)
    #: Good answers' seconds by phase, and how many told anything.
    latency: dict[str, list[float]] = field(default_factory=lambda: {BEFORE: [], DURING: [], AFTER: []})
    #: The evidence they are from, and its event.
    sources: list[tuple[str, str]] = field(default_factory=list)
    #: Hosts that were not sampled, and why.
    unmeasured: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Tell whether a single sample told anything."""
        return any(one.looked for one in self.targets.values())

    @property
    def source(self) -> str:
        """Name the files."""
        if not self.sources:
            why = "; ".join(f"{name}: {text}" for name, text in self.unmeasured.items())
            return f"not measured ({why})" if why else "not measured: no samples of a probe are in the record"
        return ", ".join(path for path, _event in self.sources) + " (samples of the probe)"

    @property
    def event(self) -> str:
        """Return the event of the last probe."""
        return self.sources[-1][1] if self.sources else ""


def read(incident: Incident, folder: Path, holds: Holds) -> Samples:
    """Read the samples of every probe of the incident; evidence that *holds* does not vouch for is left out."""
    found = Samples()
    probes = sorted(incident.of("probe"), key=lambda one: one["at"])
    taken: set[str] = set()
    phases: list[dict[str, list[float]]] = []
    for event in probes:
        for name, why in _texts(event["data"].get("unmeasured")).items():
            found.unmeasured[name] = why
        for reference in event["evidence"]:
            if not reference["path"].endswith(".jsonl") or reference["sha256"] in taken:
                continue
            taken.add(reference["sha256"])
            if not holds(reference):
                found.troubles.append(f"{reference['path']} is missing or was changed: what it showed is not counted.")
                continue
            phases.append(_take(found, event, reference, folder))
    for name, one in found.targets.items():
        one.close()
        if one.looked:
            found.unmeasured.pop(name, None)
    _phases(found, [one for one in phases if any(one.values())])
    return found


def _texts(value: t.Any) -> dict[str, str]:
    return {str(name): str(one) for name, one in value.items()} if isinstance(value, dict) else {}


def _take(found: Samples, event: E.Event, reference: t.Mapping[str, t.Any], folder: Path) -> dict[str, list[float]]:
    """Add what one probe saw. Its own clock is a steady one: only its beginning is taken from the wall."""
    phases: dict[str, list[float]] = {BEFORE: [], DURING: [], AFTER: []}
    path = reference["path"]
    try:
        seen = Seen(records.read(str(folder / path)))
    except (OSError, KeyError, TypeError, ValueError):
        found.troubles.append(f"{path} cannot be read as samples: what it showed is not counted.")
        return phases
    wall = seen.wall
    if wall is None:
        summary = event["data"].get("availability")
        began = stamp_of(summary.get("began")) if isinstance(summary, dict) else None
        if began is None:
            found.troubles.append(f"{path} does not say when it began: what it showed is not counted.")
            return phases
        wall = seconds_of(began)
    found.sources.append((path, event["id"]))
    for name, why in seen.unusable.items():
        found.unmeasured[name] = why
    looked: dict[str, list[float]] = {}
    for sample in seen.samples:
        at = wall + sample.at
        if sample.verdict in _TELLS:
            window = looked.setdefault(sample.target, [at, at])
            window[0], window[1] = min(window[0], at), max(window[1], at + sample.seconds)
            if sample.verdict == records.GOOD:
                phases[seen.phase(sample.at)].append(sample.seconds)
        _watched(found, sample.target).samples.append(sample._replace(at=at))
    for name, target in seen.targets.items():
        one = _watched(found, name)
        one.slow = number(target.get("slow")) or one.slow
        one.gaps += [Gap(wall + gap.at, gap.seconds) for gap in seen.gaps_at(name)]
    for name, (begin, end) in looked.items():
        _watched(found, name).looked.append((begin, end))
    if seen.lost:
        found.troubles.append(f"{seen.lost} samples of {path} could not be written: what they held is unknown.")
    return phases


def _watched(found: Samples, name: str) -> Watched:
    return found.targets.setdefault(name, Watched(name))


def _phases(found: Samples, phases: t.Sequence[dict[str, list[float]]]) -> None:
    """Before is before the first run, after is after the last one; all between belongs to the incident."""
    for index, one in enumerate(phases):
        last = index == len(phases) - 1
        found.latency[BEFORE if index == 0 else DURING] += one[BEFORE]
        found.latency[DURING] += one[DURING]
        found.latency[AFTER if last else DURING] += one[AFTER]


# ---------------------------------------------------------------------- impact


def impact(incident: Incident, samples: Samples, times: t.Mapping[str, Moment]) -> Row:
    """Return the impact, as the report has it."""
    mitigate = _between(times, "detected", "mitigated")
    return {
        "outage": _outage(samples),
        "failed_requests": _failed(samples),
        "degraded": _degraded(samples),
        "time_to_mitigate": mitigate,
        "time_to_resolve": _between(times, "detected", "resolved"),
        "budgets": _budgets(incident, mitigate),
        "latency": {
            phase: {
                "p50": percentile(seconds, 0.5),
                "p95": percentile(seconds, 0.95),
                "samples": len(seconds),
            }
            for phase, seconds in samples.latency.items()
        },
    }


def first_sign(incident: Incident, samples: Samples) -> Moment:
    """Return the earliest of what showed that something is wrong."""
    signs: list[tuple[float, str, str]] = []
    said = stamp_of(incident.fields.get("started_at"))
    if said is not None:
        teller = incident.said_by["started_at"]
        signs.append((seconds_of(said), said, f"event {teller}: said by an operator"))
    for one in samples.targets.values():
        down = [span.first for span in one.spans if span.state == DOWN]
        if down:
            source = f"first failing sample of an outage at {one.name} in {samples.source}"
            signs.append((down[0], stamp(down[0]), source))
    for event in incident.of("smoke"):
        if event["data"].get("verdict") == "failed":
            signs.append((seconds_of(event["at"]), event["at"], f"event {event['id']}: smoke checks failed"))
            break
    if not signs:
        return Moment(None, "no sample and no smoke check failed, and nobody said when it began")
    _at, found, source = min(signs)
    return Moment(found, source)


def _span(one: Span) -> Row:
    return {
        "first": stamp(one.first),
        "last": stamp(one.last),
        "lower": round(one.lower, 3),
        "upper": None if one.upper is None else round(one.upper, 3),
        "began_before": one.began_before,
        "still_so": one.still_so,
    }


def _outage(samples: Samples) -> Row:
    looked = [one for one in samples.targets.values() if one.looked]
    targets: list[Row] = []
    for one in sorted(looked, key=lambda one: one.name):
        down = [span for span in one.spans if span.state == DOWN]
        targets.append(
            {
                "name": one.name,
                "lower": length(one.sure(DOWN)),
                "upper": length(one.possible(DOWN)),
                "unseen": length(one.blind),
                "spans": [_span(span) for span in down],
            }
        )
    if not looked:
        return {"known": False, "lower": None, "upper": None, "all_down": None, "source": samples.source, "targets": []}
    possible = union(time for one in looked for time in one.possible(DOWN))
    names = ", ".join(one["name"] for one in targets)
    which = "" if len(looked) == 1 else f"; lower and upper: any of {names} down"
    unseen = max(one["unseen"] for one in targets)
    gaps = f"; nobody looked for {unseen:.1f} s in between" if unseen else ""
    return {
        "known": True,
        "lower": length(time for one in looked for time in one.sure(DOWN)),
        "upper": length(possible),
        "all_down": _all_down(looked, possible) if len(looked) > 1 else None,
        "source": f"{samples.source}{which}{gaps}{_unbounded(looked)}",
        "targets": targets,
    }


def _unbounded(looked: t.Sequence[Watched]) -> str:
    """Say why there is no upper bound, and which span covers a time in which nobody looked."""
    said = []
    for one in looked:
        for span in (span for span in one.spans if span.state == DOWN):
            if span.began_before:
                said.append(f"{one.name} was down already at its first sample")
            if span.still_so:
                said.append(f"{one.name} was still down at its last sample")
        if common(one.possible(DOWN), one.blind):
            said.append(f"upper holds time in which nobody looked at {one.name}")
    return "".join(f"; {text}" for text in said)


def _all_down(looked: t.Sequence[Watched], possible: list[Interval]) -> Row:
    """All at once: surely where each surely was, possibly where each may have been or nobody looked at it."""
    sure, perhaps = [(-math.inf, math.inf)], possible
    for one in looked:
        sure = common(sure, one.sure(DOWN))
        perhaps = common(perhaps, [*one.possible(DOWN), *one.unseen()])
    return {"lower": length(sure), "upper": length(perhaps)}


def _failed(samples: Samples) -> Row:
    every = [sample for one in samples.targets.values() for sample in one.samples if sample.verdict in _TELLS]
    if not every:
        return {"value": None, "of": None, "why": {}, "source": samples.source}
    failed = Counter(sample.why or "no reason was noted" for sample in every if sample.verdict == records.FAILED)
    value = sum(failed.values())
    source = f"{value} of {len(every)} samples by the probe, not requests of users; {samples.source}"
    return {"value": value, "of": len(every), "why": dict(failed.most_common()), "source": source}


def _degraded(samples: Samples) -> Row:
    looked = [one for one in samples.targets.values() if one.looked]
    if not looked:
        return {"lower": None, "upper": None, "source": samples.source}
    return {
        "lower": length(time for one in looked for time in one.sure(DEGRADED)),
        "upper": length(time for one in looked for time in one.possible(DEGRADED)),
        "source": f"{samples.source}: slow answers, and failures by themselves, at any target",
    }


def _between(times: t.Mapping[str, Moment], begin: str, end: str) -> Row:
    since, until = times[begin], times[end]
    row: Row = {"seconds": None, "from": since.at, "to": until.at}
    if since.at is None or until.at is None:
        missing = until if until.at is None else since
        return {**row, "source": missing.source}
    seconds = round(seconds_of(until.at) - seconds_of(since.at), 3)
    if seconds < 0:
        return {**row, "source": f"{end} is before {begin}: the clock was set, or one of them is wrong"}
    return {**row, "seconds": seconds, "source": f"from {begin} ({since.source}) to {end} ({until.source})"}


# --------------------------------------------------------------------- budgets


def _budgets(incident: Incident, mitigate: Row) -> list[Row]:
    runs = {event["run"]: event for event in incident.of("run") if event["run"]}
    quick = mitigate["seconds"]
    return [
        _budget("flag", _flags(incident, runs), "no feature flag was switched off"),
        _budget("rollback", _rollbacks(incident, runs), "no rollback was made"),
        _row("quick_fix", quick, mitigate["source"]),
        _budget("code_deploy", _deploys(runs), "nothing was deployed"),
    ]


def _row(what: str, took: float | None, source: str) -> Row:
    budget = BUDGETS[what]
    return {
        "what": what,
        "budget": budget,
        "took": took,
        "kept": None if took is None else took <= budget,
        "source": source,
    }


def _budget(what: str, found: t.Sequence[tuple[float | None, str]], none: str) -> Row:
    """Return the slowest of several: the budget was kept when all of them kept it."""
    if not found:
        return _row(what, None, none)
    unknown = next((source for took, source in found if took is None), None)
    measured = [(took, source) for took, source in found if took is not None]
    if not measured:
        return _row(what, None, str(unknown))
    took, source = max(measured)
    more = f"; the slowest of {len(measured)}" if len(measured) > 1 else ""
    also = f"; another one: {unknown}" if unknown else ""
    return _row(what, took, f"{source}{more}{also}")


def _flags(incident: Incident, runs: t.Mapping[str, E.Event]) -> list[tuple[float | None, str]]:
    found: list[tuple[float | None, str]] = []
    for event in incident.of("flag"):
        if not _is_off(event["data"].get("wanted")):
            continue
        name = f"event {event['id']}"
        if event["outcome"] not in ("done", "unchanged"):
            found.append((None, f"{name}: it is not proven that it was off ({event['outcome'] or 'no outcome'})"))
            continue
        run = runs.get(event["run"] or "")
        until = _off(event)
        if run is None:
            seconds = number(event["data"].get("seconds_to_effect"))
            seconds = event["seconds"] if seconds is None else seconds
            found.append((seconds, f"{name}: by itself, for its run is not in the record"))
        elif until is None:
            found.append((None, f"{name}: when it was proven to be off is not known"))
        else:
            found.append(_since(run, until, name, "proven off"))
    return found


def _off(event: E.Event) -> float | None:
    """Return when the flag was proven to be off."""
    if event["end"] is not None:
        return seconds_of(event["end"])
    seconds = number(event["data"].get("seconds_to_effect"))
    return None if seconds is None else seconds_of(event["at"]) + seconds


def _is_off(wanted: t.Any) -> bool:
    return wanted is False or str(wanted).lower() in ("off", "false", "disabled")


def _since(run: E.Event, until: float, name: str, what: str) -> tuple[float | None, str]:
    seconds = round(until - seconds_of(run["at"]), 3)
    source = f"run {run['run']} (event {run['id']}): from its start until {what} ({name})"
    return (seconds, source) if seconds >= 0 else (None, f"{source}: that is before its start, the clock was set")


def _rollbacks(incident: Incident, runs: t.Mapping[str, E.Event]) -> list[tuple[float | None, str]]:
    ends: dict[str, tuple[float, str]] = {}
    for event in incident.of("step"):
        if event["run"] in runs and event["outcome"] in ("done", "unchanged") and event["end"] is not None:
            end = (seconds_of(event["end"]), f"event {event['id']}")
            ends[event["run"]] = max(end, ends.get(event["run"], end))
    found: list[tuple[float | None, str]] = []
    for name, run in runs.items():
        if run["data"].get("action") != "rollback":
            continue
        if run["outcome"] not in ("done", "unchanged"):
            outcome = run["outcome"] or "its end is not in the record"
            found.append((None, f"run {name} (event {run['id']}): it did not end well on every host ({outcome})"))
        elif name in ends:
            found.append(_since(run, *ends[name], "switched and proven on the last host"))
        else:
            found.append((run["seconds"], f"run {name} (event {run['id']}): the whole run"))
    return found


def _deploys(runs: t.Mapping[str, E.Event]) -> list[tuple[float | None, str]]:
    found: list[tuple[float | None, str]] = []
    for name, run in runs.items():
        if run["data"].get("action") == "deploy":
            done = run["outcome"] in ("done", "unchanged")
            how = (
                "the whole run" if done else f"it did not end well ({run['outcome'] or 'its end is not in the record'})"
            )
            found.append((run["seconds"] if done else None, f"run {name} (event {run['id']}): {how}"))
    return found


# ---------------------------------------------------------------- availability


def availability(samples: Samples) -> Row | None:
    """Return the samples in bins, for a chart; None where there are none. The marks are added by the report."""
    looked = [one for one in samples.targets.values() if one.looked]
    if not looked:
        return None
    began = min(one.samples[0].at for one in looked)
    ended = max(max(end for _begin, end in one.looked) for one in looked)
    whole = max(ended - began, 0.001)
    size = next((one for one in _LENGTHS if math.floor(whole / one) < BINS), math.ceil(whole / (BINS - 1)))
    count = math.floor(whole / size) + 1
    return {
        "began": stamp(began),
        "ended": stamp(ended),
        "bin_seconds": float(size),
        "targets": [
            {"name": one.name, "bins": _bins(one, began, size, count)}
            for one in sorted(looked, key=lambda one: one.name)
        ],
        "marks": [],
    }


def _bins(one: Watched, began: float, size: float, count: int) -> list[Row]:
    counts = [Counter[str]() for _number in range(count)]
    good: list[list[float]] = [[] for _number in range(count)]
    for sample in one.samples:
        place = min(int((sample.at - began) / size), count - 1)
        counts[place][sample.verdict] += 1
        if sample.verdict == records.GOOD:
            good[place].append(sample.seconds)
    unseen = one.unseen()
    rows = []
    for place in range(count):
        since = began + place * size
        rows.append(
            {
                "at": stamp(since),
                "good": counts[place][records.GOOD],
                "failed": counts[place][records.FAILED],
                "limited": counts[place][records.LIMITED],
                "unseen": length(common(unseen, [(since, since + size)])),
                "p50": percentile(good[place], 0.5),
                "p95": percentile(good[place], 0.95),
                "max": max(good[place], default=None),
            }
        )
    return rows
