# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""From samples to times: how long a target was down or degraded, at least and at most.

Every time is one at which a request was *sent*. Between two requests nobody looked, so a span has two lengths: from its
first sample to its last one it surely lasted, and it may have lasted from the sample before to the one after.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import records

UP = "up"
DEGRADED = "degraded"
DOWN = "down"

#: So many failures in a row are an outage, a fresh and a kept connection among them. Less is a target that is degraded.
DOWN_AFTER = 2


class Gap(t.NamedTuple):
    """A time in which the sampler itself was not able to look."""

    at: float
    seconds: float

    @property
    def end(self) -> float:
        """Return when it was over."""
        return self.at + self.seconds


class Point(t.NamedTuple):
    """What a request says about the moment at which it was sent."""

    at: float
    state: str


class Span(t.NamedTuple):
    """A time in one state, in seconds. ``upper`` is None where the probe saw no beginning or no end of it."""

    state: str
    first: float
    last: float
    lower: float
    upper: t.Optional[float]
    samples: int
    began_before: bool
    still_so: bool


def percentile(values: t.Sequence[float], share: float) -> t.Optional[float]:
    """Return the nearest rank: the smallest value that at least this share of all values does not exceed."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def points(samples: t.Iterable[records.Sample], gaps: t.Sequence[Gap], slow: float) -> t.List[Point]:
    """Say for each sample that tells something which state it shows.

    What was under way while the sampler could not run tells less: it may have failed, or seemed slow, by our fault.
    """
    known: t.List[t.Tuple[float, str]] = []
    for sample in sorted(samples, key=lambda one: one.at):
        ours = any(sample.at < gap.end and gap.at < sample.at + sample.seconds for gap in gaps)
        if sample.verdict == records.GOOD:
            known.append((sample.at, DEGRADED if sample.seconds > slow and not ours else UP))
        elif sample.verdict == records.FAILED and not ours:
            known.append((sample.at, DOWN))
    found: t.List[Point] = []
    row: t.List[float] = []
    for at, state in [*known, (math.inf, UP)]:
        if state == DOWN:
            row.append(at)
            continue
        found += [Point(one, DOWN if len(row) >= DOWN_AFTER else DEGRADED) for one in row]
        row = []
        if at < math.inf:
            found.append(Point(at, state))
    return found


def spans(found: t.Sequence[Point], gaps: t.Sequence[Gap] = ()) -> t.List[Span]:
    """Return the times in one state each, in their order; together they hold all points."""
    groups: t.List[t.List[Point]] = []
    for point in found:
        if groups and groups[-1][-1].state == point.state:
            groups[-1].append(point)
        else:
            groups.append([point])
    made = []
    for index, group in enumerate(groups):
        before = groups[index - 1][-1].at if index else None
        after = groups[index + 1][0].at if index + 1 < len(groups) else None
        first, last = group[0].at, group[-1].at
        made.append(
            Span(
                state=group[0].state,
                first=first,
                last=last,
                lower=last - first - _unseen(first, last, gaps),
                upper=None if before is None or after is None else after - before,
                samples=len(group),
                began_before=before is None,
                still_so=after is None,
            )
        )
    return made


def _unseen(first: float, last: float, gaps: t.Sequence[Gap]) -> float:
    """Return how much of a time lies in gaps; gaps may lie in one another."""
    unseen, until = 0.0, first
    for gap in sorted(gaps):
        begin, end = max(gap.at, until), min(gap.end, last)
        if end > begin:
            unseen += end - begin
            until = end
    return unseen
