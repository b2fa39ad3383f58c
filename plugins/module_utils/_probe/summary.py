# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a probe saw, in numbers and in a few lines. Nothing in it was not measured; what is unknown is None."""

from __future__ import annotations

import json
import os
import typing as t
from collections import Counter
from datetime import datetime, timezone

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

BEFORE, DURING, AFTER = "before", "during", "after"
PHASES = (BEFORE, DURING, AFTER)
_SLOW = 1.0
_REASONS_SHOWN = 3
#: In the lines; the numbers have all. A host that flaps would hide what was done, and so would a fleet of such hosts.
_OUTAGES_SHOWN = 3
_HOSTS_SHOWN = 5

Numbers = t.Dict[str, t.Any]


class Seen:
    """All records of a probe, read once."""

    def __init__(self, every: t.Iterable[records.Record]) -> None:
        self.wall: t.Optional[float] = None
        self.ended: t.Optional[str] = None
        self.lost = 0
        self.last = 0.0
        self.targets: t.Dict[str, records.Record] = {}
        self.unusable: t.Dict[str, str] = {}
        self.samples: t.List[records.Sample] = []
        self.gaps: t.Dict[str, t.List[Gap]] = {}
        self.clock: t.List[records.Record] = []
        self.websockets: t.List[records.Record] = []
        self.marks: t.List[t.Tuple[float, str]] = []
        for record in every:
            self._take(record)
        self.marks.sort()

    def _take(self, record: records.Record) -> None:
        kind = record["kind"]
        self.last = max(self.last, float(record.get("at") or 0) + float(record.get("seconds") or 0))
        if kind == "begin":
            self.wall = float(record["wall"])
        elif kind == "target":
            self.targets[record["name"]] = record
        elif kind == "unusable":
            self.unusable[record["target"]] = record["why"]
        elif kind == "sample":
            given = {name: record[name] for name in records.Sample._fields if name in record}
            self.samples.append(records.Sample(**given))
        elif kind == "gap":
            self.gaps.setdefault(record["target"], []).append(Gap(record["at"], record["seconds"]))
        elif kind == "clock":
            self.clock.append(record)
        elif kind == "websocket":
            self.websockets.append(record)
        elif kind == "mark":
            self.marks.append((float(record["at"]), str(record["phase"])))
        elif kind == "end":
            self.ended = str(record["why"])
            self.lost = int(record.get("lost") or 0)

    def gaps_at(self, target: str) -> t.List[Gap]:
        """Return when nobody looked at a target. Around a jump of the clock the machine may have slept."""
        jumps = [Gap(max(0.0, one["at"] - 0.5), 0.5) for one in self.clock]
        return sorted([*self.gaps.get(target, []), *jumps])

    def phase(self, at: float) -> str:
        """Return the phase that a moment is in: the one that began last."""
        found = BEFORE
        for since, phase in self.marks:
            if since <= at:
                found = phase
        return found

    def iso(self, at: float) -> t.Optional[str]:
        """Return a moment as the clock on the wall had it."""
        if self.wall is None:
            return None
        moment = datetime.fromtimestamp(self.wall + at, timezone.utc)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def summarise(every: t.Iterable[records.Record]) -> Numbers:
    """Return the numbers of a probe from its records."""
    seen = Seen(every)
    by_target = {name: _of_target(seen, name) for name in seen.targets}
    numbers: Numbers = {
        "began": seen.iso(0.0),
        "seconds": round(seen.last, 3),
        "ended": seen.ended,
        "lost": seen.lost,
        "marks": [{"phase": phase, "at": round(at, 3)} for at, phase in seen.marks],
        **_counts(seen.samples),
        "phases": _phases(seen, seen.samples),
        "targets": by_target,
        "unusable": seen.unusable,
        "clock_jumps": [{"at": one["at"], "seconds": one["seconds"]} for one in seen.clock],
    }
    numbers["lines"] = lines(numbers)
    return numbers


def _of_target(seen: Seen, name: str) -> Numbers:
    samples = [one for one in seen.samples if one.target == name]
    gaps = seen.gaps_at(name)
    target = seen.targets[name]
    found = spans(points(samples, gaps, float(target.get("slow") or _SLOW)), gaps)
    return {
        **_counts(samples),
        "outages": [_span(seen, one) for one in found if one.state == DOWN],
        "down": _total([one for one in found if one.state == DOWN]),
        "degraded": _total([one for one in found if one.state == DEGRADED]),
        "phases": _phases(seen, samples),
        "gaps": [{"at": gap.at, "seconds": gap.seconds} for gap in seen.gaps.get(name, [])],
        "websocket": _websocket([one for one in seen.websockets if one["target"] == name], target, seen.last),
    }


def _counts(samples: t.Sequence[records.Sample]) -> Numbers:
    """Count. No key is ``failed``, which Ansible takes for its own."""
    by = Counter(one.verdict for one in samples)
    why = Counter(one.why for one in samples if one.verdict == records.FAILED)
    return {
        "samples": by[records.GOOD] + by[records.FAILED],
        "failures": by[records.FAILED],
        "why": dict(why.most_common()),
        "limited": by[records.LIMITED],
        "blind": by[records.BLIND],
        "unanswered": by[records.UNANSWERED],
        "reconnected": sum(one.again for one in samples),
    }


def _phases(seen: Seen, samples: t.Sequence[records.Sample]) -> t.Dict[str, Numbers]:
    """Sum up before, during and after. A percentile of nothing is None."""
    found = {}
    for phase in PHASES:
        inside = [one for one in samples if seen.phase(one.at) == phase]
        good = [one.seconds for one in inside if one.verdict == records.GOOD]
        failed = sum(one.verdict == records.FAILED for one in inside)
        found[phase] = {
            "samples": len(good) + failed,
            "failures": failed,
            "p50": percentile(good, 0.5),
            "p95": percentile(good, 0.95),
        }
    return found


def _span(seen: Seen, span: Span) -> Numbers:
    return {
        "first": seen.iso(span.first),
        "last": seen.iso(span.last),
        "lower": round(span.lower, 3),
        "upper": None if span.upper is None else round(span.upper, 3),
        "samples": span.samples,
        "began_before": span.began_before,
        "still_so": span.still_so,
    }


def _total(found: t.Sequence[Span]) -> Numbers:
    uppers = [one.upper for one in found if one.upper is not None]
    return {
        "spans": len(found),
        "samples": sum(one.samples for one in found),
        "lower": round(sum(one.lower for one in found), 3),
        "upper": round(sum(uppers), 3) if len(uppers) == len(found) else None,
    }


def _websocket(events: t.Sequence[records.Record], target: records.Record, end: float) -> t.Optional[Numbers]:
    """Follow the target's WebSocket through what happened to it; None where it was given none."""
    if not target.get("websocket"):
        return None
    opened, codes, away, since, refused = 0, Counter[str](), 0.0, None, ""
    for event in events:
        if event["what"] == "opened":
            opened += 1
            away = max(away, event["at"] - since) if since is not None else away
            since = None
        elif event["what"] == "closed":
            codes[str(event["code"])] += 1
            since = event["at"]
        else:
            refused = event["why"]
            since = 0.0 if since is None and not opened else since
    if since is not None:
        away = max(away, end - since)
    return {
        "opened": opened,
        "closed": sum(codes.values()),
        "codes": dict(codes),
        "away": round(away, 3),
        "open": bool(opened) and since is None,
        "refused": refused,
    }


def lines(numbers: Numbers) -> t.List[str]:
    """Say the most important of it, in lines for the outcome of a run."""
    if not numbers["targets"]:
        return ["availability was not measured: " + ("; ".join(_unusable(numbers)) or "nothing was sampled") + "."]
    several = len(numbers["targets"]) > 1
    of_hosts = {name: _lines_of(one, f" at {name}" if several else "") for name, one in numbers["targets"].items()}
    noticed = [name for name, said in of_hosts.items() if said]
    worst = sorted(noticed, key=lambda name: _badness(numbers["targets"][name]), reverse=True)[:_HOSTS_SHOWN]
    said = [_first_line(numbers)]
    said += [text for name in noticed if name in worst for text in of_hosts[name]]
    others = [name for name in noticed if name not in worst]
    if others:
        down = [numbers["targets"][name]["down"]["lower"] for name in others if numbers["targets"][name]["outages"]]
        most = f"{len(down)} of them down, for {max(down):.1f} s at least where it was longest" if down else "none down"
        said.append(f"{len(others)} more hosts fared no worse ({most}): {', '.join(others)}.")
    return [*said, *_not_counted(numbers)]


def _badness(one: Numbers) -> t.Tuple[float, float, float]:
    return one["down"]["lower"], one["degraded"]["lower"], (one["websocket"] or {}).get("away") or 0.0


def _lines_of(one: Numbers, at: str) -> t.List[str]:
    """Say what was noticed at a host."""
    said = [f"down{at} {_bounds(outage)}{_since(outage)}." for outage in one["outages"]]
    if len(said) > _OUTAGES_SHOWN:
        longest = max(one["outages"], key=lambda outage: outage["lower"])
        said = [
            f"down{at} {len(said)} times, {_bounds(one['down'])} in all.",
            f"down{at} for longest {_bounds(longest)}{_since(longest)}.",
        ]
    degraded = one["degraded"]
    if degraded["samples"]:
        many = f"{degraded['samples']} sample{'s' if degraded['samples'] > 1 else ''}"
        said.append(f"degraded{at} {_bounds(degraded)} (slow, or failed by itself: {many}).")
    said += [f"{text[:-1]}{at}." for text in _websocket_lines(one["websocket"])]
    unseen = sum(gap["seconds"] for gap in one["gaps"])
    if unseen:
        said.append(f"nothing was sampled{at} for {unseen:.1f} s: this machine was busy.")
    return said


def _first_line(numbers: Numbers) -> str:
    total = numbers["samples"]
    if not total:
        return f"unknown: not one sample told anything in {numbers['seconds']:.1f} s."
    why = [f"{count} {reason}" for reason, count in list(numbers["why"].items())[:_REASONS_SHOWN]]
    reasons = f" ({', '.join(why)})" if why else ""
    outages = any(one["outages"] for one in numbers["targets"].values())
    seen = "" if outages else ", no outage seen"
    failed = f"{numbers['failures']} of {total} samples failed{reasons}"
    return f"{failed}{seen} in {numbers['seconds']:.1f} s; {_latency(numbers)}."


def _latency(numbers: Numbers) -> str:
    """Say how quick the good answers were, and of how many samples that is."""
    shown = []
    for phase in PHASES:
        one = numbers["phases"][phase]
        if one["p50"] is not None:
            said = f"{phase} " if numbers["marks"] else ""
            shown.append(
                f"{said}{one['p50'] * 1000:.0f}/{one['p95'] * 1000:.0f} ms ({one['samples'] - one['failures']})"
            )
    return f"latency p50/p95 {', '.join(shown)}" if shown else "no good answer to measure"


def _bounds(one: Numbers) -> str:
    if one["upper"] is None:
        return f"for at least {one['lower']:.1f} s"
    return f"for {one['lower']:.1f} to {one['upper']:.1f} s"


def _since(outage: Numbers) -> str:
    if outage["began_before"] and outage["still_so"]:
        return ", from the first sample to the last"
    if outage["began_before"]:
        return ", since before the first sample"
    return f" from {outage['first']}{', and still so at the end' if outage['still_so'] else ''}"


def _websocket_lines(one: t.Optional[Numbers]) -> t.List[str]:
    if one is None:
        return []
    if not one["opened"]:
        return [f"the WebSocket could not be opened ({one['refused'] or 'unknown'})."]
    if not one["closed"]:
        return []
    codes = ", ".join(f"{code} x {count}" if count > 1 else code for code, count in one["codes"].items())
    back = f"away for {one['away']:.1f} s at most" if one["open"] else f"still away after {one['away']:.1f} s"
    return [f"the WebSocket was closed ({codes}), {back}."]


def _not_counted(numbers: Numbers) -> t.List[str]:
    said = []
    if numbers["limited"]:
        said.append(f"{numbers['limited']} samples met a rate limit (429) and count neither way.")
    if numbers["unanswered"]:
        said.append(
            f"{numbers['unanswered']} samples were not answered yet when the probe ended; they count neither way."
        )
    if numbers["blind"]:
        said.append(f"{numbers['blind']} samples could not be made from this machine and count neither way.")
    if numbers["lost"]:
        said.append(f"{numbers['lost']} records could not be written: what they held is unknown.")
    if numbers["clock_jumps"]:
        said.append("this machine slept, or its clock was set, while it was measured.")
    said += [f"{text}." for text in _unusable(numbers)]
    if numbers["ended"] is None:
        said.append("the sampler ended without a word: what came after its last sample is unknown.")
    elif numbers["ended"] != "stopped":
        said.append(f"the probe ended early: {numbers['ended']}.")
    return said


def _unusable(numbers: Numbers) -> t.List[str]:
    return [f"{name} was not measured: {why}" for name, why in numbers["unusable"].items()]


def of_folder(folder: str) -> Numbers:
    """Sum up what is in a probe's folder."""
    return summarise(records.read(os.path.join(folder, records.SAMPLES)))


def write(folder: str) -> None:
    """Sum up, and keep the numbers beside the samples; the file is there whole or not at all."""
    path = os.path.join(folder, records.SUMMARY)
    with open(f"{path}.new", "w", encoding="utf-8") as handle:
        json.dump(of_folder(folder), handle, indent=2)
        handle.write("\n")
    os.replace(f"{path}.new", path)
