# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``memory``: watched for some minutes, no container's memory grows faster than it may."""

from __future__ import annotations

import json
import re
import statistics
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.here import HostCheck, reached, services_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    Here,
    Outcome,
    Surroundings,
)

HOST = True
KEYS = ("services", "minutes", "at_most")
_MB = 1024.0 * 1024.0
#: Samples of the whole time, at most; the engine itself takes two seconds for one.
_SAMPLES = 120
#: With fewer, or in less of the time that was to be watched, a slope says nothing.
_LEAST_SAMPLES = 5
_LEAST_SHARE = 0.8
_AMOUNT = re.compile(r"([0-9.]+)\s*([kKMGT]?i?)B")
_UNITS = {
    "": 1.0,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}

Sample = t.Tuple[float, float]


def slope(samples: t.Sequence[Sample]) -> float:
    """Return by how much a value grows in a second: the median of the slopes between any two samples.

    Half of the samples may be jumps of a garbage collector, and it still is that of the others (Theil and Sen).
    """
    found = [
        (value - earlier) / (moment - before)
        for index, (moment, value) in enumerate(samples)
        for before, earlier in samples[:index]
        if moment > before
    ]
    return statistics.median(found) if found else 0.0


def amount(text: str) -> float:
    """Return the bytes of an amount as the engine writes it, such as ``12.5MiB``."""
    match = _AMOUNT.match(text.strip())
    if match is None or match.group(2) not in _UNITS:
        raise ValueError(f"{text!r} is no amount of memory")
    return float(match.group(1)) * _UNITS[match.group(2)]


@dataclass(frozen=True)
class MemoryCheck(HostCheck):
    """``at_most`` is in MB an hour, of each container alone."""

    services: t.Tuple[str, ...]
    minutes: float
    at_most: float

    @property
    def takes(self) -> float:
        """Return the seconds that it watches."""
        return self.minutes * 60

    def look(self, here: Here, around: Surroundings) -> Outcome:
        """Watch, then judge each container."""
        began = self._ours(here)
        if isinstance(began, Outcome):
            return began
        if not began:
            return Outcome(ERROR, "no container of the app runs")
        samples, problem = self._watch(here, began, around)
        ended = self._ours(here)
        if isinstance(ended, Outcome):
            return ended
        gone = [one.name for one in began if one.id not in {other.id for other in ended}]
        evidence = {one.name: _evidence(samples[one.id]) for one in began}
        restarted = [one for one in ended for other in began if one.id == other.id and one.restarts > other.restarts]
        if restarted:
            why = ", for it was out of memory" if any(one.oom_killed for one in restarted) else ""
            names = ", ".join(one.name for one in restarted)
            return Outcome(FAILED, f"{names} was restarted while it was watched{why}", evidence=evidence)
        if gone:
            return Outcome(ERROR, f"{', '.join(gone)} was replaced or stopped while it was watched", evidence=evidence)
        if problem:
            return Outcome(ERROR, problem, evidence=evidence)
        return self._judged(began, samples, evidence)

    def _ours(self, here: Here) -> t.Union[t.List[Container], Outcome]:
        containers = here.docker.containers(here.project)
        wanted = services_of(here, self.services, containers)
        ours = [one for one in containers if one.service in wanted and one.running and reached(here, one)]
        missing = sorted(set(wanted) - {one.service for one in ours})
        return Outcome(ERROR, f"no container of {', '.join(missing)} runs") if missing else ours

    def _watch(
        self, here: Here, ours: t.Sequence[Container], around: Surroundings
    ) -> t.Tuple[t.Dict[str, t.List[Sample]], t.Optional[str]]:
        """Return the samples of every container, and why they do not do."""
        samples: t.Dict[str, t.List[Sample]] = {one.id: [] for one in ours}
        started = time.monotonic()
        end = started + min(self.takes, around.left() - self.timeout)
        last: t.Optional[str] = None
        while time.monotonic() < end:
            moment = time.monotonic()
            try:
                for container, used in _usage(here, list(samples), self.timeout).items():
                    samples[container].append((time.monotonic(), used))
            except (HotfixError, ValueError, KeyError) as exc:
                # One that is missing does not matter.
                last = str(getattr(exc, "what", exc)).rstrip(".")
            time.sleep(max(0.0, min(moment + self.takes / _SAMPLES, end) - time.monotonic()))
        for one in ours:
            found = samples[one.id]
            if len(found) < _LEAST_SAMPLES or found[-1][0] - found[0][0] < _LEAST_SHARE * self.takes - self.timeout:
                return samples, f"{one.name} could be looked at only {len(found)} times{f' ({last})' if last else ''}"
        return samples, None

    def _judged(
        self, ours: t.Sequence[Container], samples: t.Mapping[str, t.Sequence[Sample]], evidence: t.Dict[str, t.Any]
    ) -> Outcome:
        by_slope = sorted(((_per_hour(samples[one.id]), one.name) for one in ours), reverse=True)
        growing = [f"{name} by {grown:.1f} MB/h" for grown, name in by_slope if grown > self.at_most]
        watched = f"in {self.minutes:g} min"
        if growing:
            said = f"memory grows too fast: {', '.join(growing)}, not at most {self.at_most:g} MB/h ({watched})"
            return Outcome(FAILED, said, evidence=evidence)
        grown, name = by_slope[0]
        said = f"no memory grows faster than {self.at_most:g} MB/h {watched} (most: {name} by {grown:.1f} MB/h)"
        return Outcome(PASSED, said, evidence=evidence)


def _per_hour(samples: t.Sequence[Sample]) -> float:
    return slope(samples) * 3600 / _MB


def _evidence(samples: t.Sequence[Sample]) -> t.Dict[str, t.Any]:
    if not samples:
        return {"samples": 0}
    return {
        "samples": len(samples),
        "first_mb": round(samples[0][1] / _MB, 1),
        "last_mb": round(samples[-1][1] / _MB, 1),
        "highest_mb": round(max(used for _moment, used in samples) / _MB, 1),
        "mb_per_hour": round(_per_hour(samples), 2),
    }


def _usage(here: Here, ids: t.Sequence[str], timeout: float) -> t.Dict[str, float]:
    """Return the bytes that each container uses, its page cache left out."""
    printed = here.docker.run("stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *ids, timeout=timeout)
    found: t.Dict[str, float] = {}
    for line in printed.splitlines():
        one = json.loads(line)
        found[str(one["ID"])] = amount(str(one["MemUsage"]).partition("/")[0])
    return found


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], _secrets: t.Collection[str]) -> MemoryCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    if "at_most" not in raw:
        raise BadInputError(
            f"{said} expects nothing: it does not say by how much memory may grow.",
            next_step="set at_most to MB an hour, as in at_most: 50.",
        )
    for key in ("retries", "success_threshold", "failure_threshold"):
        if raw.get(key, 1 if key != "retries" else 0) not in (0, 1):
            raise BadInputError(
                f"{said}: {key} cannot be {raw[key]!r}: it watches once.", next_step="take it out.", place=(key,)
            )
    return MemoryCheck(
        **{**common, "retries": 0, "failure_threshold": 1, "success_threshold": 1},
        services=fields.texts(raw, "services", said),
        minutes=fields.number(raw, "minutes", said, 10.0, 0.01, 600.0),
        at_most=fields.number(raw, "at_most", said, 0.0, 0.0, 1e6),
    )
