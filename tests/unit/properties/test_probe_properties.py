# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe says of an outage is true whenever it looked, and whatever it looked at."""

from __future__ import annotations

import json
import math
import statistics
from itertools import pairwise

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import records, summary
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Sample
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.spans import (
    DEGRADED,
    DOWN,
    DOWN_AFTER,
    UP,
    Gap,
    percentile,
    points,
    spans,
)
from hypothesis import given
from hypothesis import strategies as st

moments = st.lists(st.integers(0, 2000), min_size=1, max_size=60, unique=True).map(sorted)
edges = st.lists(st.integers(0, 2001), min_size=2, max_size=8, unique=True).map(sorted)
verdicts = st.sampled_from(records.VERDICTS)


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    """Anything that a sampler may have written, in any order."""
    found = [
        Sample("p1", at / 100, draw(st.floats(0, 6)), "fresh", draw(verdicts), None, "some reason")
        for at in draw(moments)
    ]
    return draw(st.permutations(found))


gaps = st.lists(st.builds(Gap, st.floats(0, 20), st.floats(0, 5)), max_size=4)


def seen(times: list[int], outages: list[tuple[int, int]]) -> list[Sample]:
    """What a sampler sees of an app that fails whatever is sent within an outage."""
    down = [any(begin <= at < end for begin, end in outages) for at in times]
    return [
        Sample("p1", at, 0.001, "fresh", records.FAILED if failed else records.GOOD)
        for at, failed in zip(times, down, strict=True)
    ]


@given(moments, edges)
def test_one_outage_lies_within_its_bounds(times: list[int], begin_and_end: list[int]) -> None:
    begin, end = begin_and_end[0], begin_and_end[-1]
    found = [span for span in spans(points(seen(times, [(begin, end)]), [], 1.0)) if span.state == DOWN]
    failed = [at for at in times if begin <= at < end]
    assert len(found) == (len(failed) >= DOWN_AFTER)
    for span in found:
        assert span.lower <= end - begin
        assert span.upper is None or span.upper >= end - begin
        assert (span.upper is None) == (failed[0] == times[0] or failed[-1] == times[-1])


@given(moments, edges)
def test_several_outages_are_never_made_longer_than_they_can_have_been(times: list[int], borders: list[int]) -> None:
    outages = list(zip(borders[::2], borders[1::2], strict=False))
    found = [span for span in spans(points(seen(times, outages), [], 1.0)) if span.state == DOWN]
    # Where nobody looked between two outages they look like one, which then has the time between them.
    for span in found:
        inside = [at for at in times if span.first <= at <= span.last]
        assert all(any(begin <= at < end for begin, end in outages) for at in inside)
        assert span.lower == span.last - span.first
        assert span.upper is None or span.upper > span.lower


@given(samples(), gaps, st.floats(0.01, 5))
def test_every_sample_that_tells_something_is_in_one_span(many: list[Sample], unseen: list[Gap], slow: float) -> None:
    found = points(many, unseen, slow)
    made = spans(found, unseen)
    assert sum(span.samples for span in made) == len(found)
    assert len(found) <= sum(one.verdict in (records.GOOD, records.FAILED) for one in many)
    assert all(before.state != after.state for before, after in pairwise(made))
    assert all(before.last <= after.first for before, after in pairwise(made))
    for span in made:
        assert 0 <= span.lower <= span.last - span.first
        assert span.upper is None or span.upper >= span.lower
        assert (span.upper is None) == (span.began_before or span.still_so)
        assert span.state != DOWN or span.samples >= DOWN_AFTER


@given(samples(), st.floats(0.01, 5))
def test_a_time_in_which_the_sampler_could_not_look_is_never_an_outage(many: list[Sample], slow: float) -> None:
    always = [Gap(-1, 100)]
    found = points(many, always, slow)
    assert {point.state for point in found} <= {UP}
    assert len(found) == sum(one.verdict == records.GOOD for one in many)


@given(samples(), gaps)
def test_what_tells_nothing_changes_nothing(many: list[Sample], unseen: list[Gap]) -> None:
    telling = [one for one in many if one.verdict in (records.GOOD, records.FAILED)]
    assert points(many, unseen, 1.0) == points(telling, unseen, 1.0)


@given(samples(), st.floats(0.01, 5), st.floats(0.01, 5))
def test_a_lower_threshold_never_shows_less_that_is_degraded(many: list[Sample], one: float, two: float) -> None:
    low, high = sorted((one, two))
    degraded = [{point.at for point in points(many, [], slow) if point.state == DEGRADED} for slow in (low, high)]
    assert degraded[1] <= degraded[0]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < math.ceil(share * len(values))
    assert percentile(values, 0.5) == statistics.median_low(values)


@given(samples(), st.lists(st.tuples(st.sampled_from(["during", "after"]), st.floats(-1, 20)), max_size=4))
def test_the_numbers_add_up(many: list[Sample], marks: list[tuple[str, float]]) -> None:
    every: list[records.Record] = [
        {"kind": "begin", "wall": 1767323045.0, "mono": 1.0, "pid": 1},
        {"kind": "target", "at": 0.0, "name": "p1", "slow": 1.0},
        *({"kind": "sample", **one._asdict()} for one in many),
        *({"kind": "mark", "phase": phase, "at": at} for phase, at in marks),
        {"kind": "end", "at": 20.0, "why": "stopped"},
    ]
    numbers = summary.summarise(every)
    assert sum(numbers[key] for key in ("samples", "limited", "blind", "unanswered")) == len(many)
    assert sum(numbers["phases"][phase]["samples"] for phase in summary.PHASES) == numbers["samples"]
    assert sum(numbers["phases"][phase]["failures"] for phase in summary.PHASES) == numbers["failures"]
    assert numbers["failures"] == sum(numbers["why"].values())
    assert numbers["lines"]
    json.dumps(numbers, allow_nan=False)
