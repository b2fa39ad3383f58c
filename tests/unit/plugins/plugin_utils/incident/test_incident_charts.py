# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The charts are SVG in which nothing overlaps, nothing is invented, and nothing is markup but ours."""

from __future__ import annotations

import itertools
import json
import re
import typing as t
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import charts
from hypothesis import given
from hypothesis import strategies as st

PARTS = ("svg", "title", "desc", "defs", "pattern", "rect", "path", "text")
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def stamp(seconds: float) -> str:
    at = BEGAN + timedelta(seconds=seconds)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def seen(number: int, size: float = 1.0, marks: t.Sequence[float] = (), **more: t.Any) -> dict[str, t.Any]:
    plain = {"good": 4, "failed": 0, "limited": 0, "unseen": 0.0, "p50": 0.03, "p95": 0.05, "max": 0.06, **more}
    return {
        "availability": {
            "began": stamp(0),
            "ended": stamp(number * size),
            "bin_seconds": size,
            "targets": [{"name": "app1", "bins": [{**plain, "at": stamp(one * size)} for one in range(number)]}],
            "marks": [{"at": stamp(at), "text": f"at {at}", "event": "e"} for at in marks],
        }
    }


class Drawing(HTMLParser):
    """The elements of an SVG, each with its attributes and its text; all must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append((tag, {name: str(value) for name, value in attrs}, []))
        self.elements.append(self._open[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: str(value) for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self._open[-1][2].append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.elements if name == tag]


def only(report: dict[str, t.Any]) -> charts.Chart:
    drawn = charts.draw(report)
    assert drawn is not None
    (chart,) = drawn.charts
    return chart


def test_where_no_probe_looked_there_is_no_chart() -> None:
    assert charts.draw({"availability": None}) is None
    assert charts.draw({}) is None
    assert (
        charts.draw({"availability": {"began": stamp(0), "ended": stamp(1), "bin_seconds": 1, "targets": []}}) is None
    )


def test_the_example_is_drawn_for_both_widths_and_says_what_it_shows() -> None:
    example = json.loads((Path(__file__).parent / "example_report.json").read_text(encoding="utf-8"))
    drawn = charts.draw(example)
    assert drawn is not None
    assert {one.name for one in drawn.charts} == {one["name"] for one in example["availability"]["targets"]}
    assert [one.number for one in drawn.marks] == list(range(1, len(example["availability"]["marks"]) + 1))
    for chart in drawn.charts:
        bins = next(one["bins"] for one in example["availability"]["targets"] if one["name"] == chart.name)
        for layout in (chart.wide, chart.narrow):
            drawing = Drawing(layout)
            ((title, _title), (desc, said), (svg, _svg)) = (drawing.all(name)[0] for name in ("title", "desc", "svg"))
            assert f"{sum(one['good'] for one in bins)} samples answered" in said
            assert f"{sum(one['failed'] for one in bins)} failed" in said
            assert svg["aria-labelledby"] == f"{title['id']} {desc['id']}"
    ids = re.findall(r' id="([^"]+)"', "".join(one.wide + one.narrow for one in drawn.charts))
    assert len(ids) == len(set(ids))


def test_texts_are_no_markup() -> None:
    report = seen(5)
    report["availability"]["targets"][0]["name"] = "<script>alert(1)</script>\"'&\u202e\x1b[31m"
    chart = only(report)
    for layout in (chart.wide, chart.narrow):
        assert "<script" not in layout
        assert "\u202e" not in layout and "\x1b" not in layout
        assert {name for name, _attributes, _text in Drawing(layout).elements} <= {*PARTS}


def test_failed_and_unseen_have_their_own_shapes() -> None:
    plain, failed, unseen = only(seen(4)).wide, only(seen(4, failed=2)).wide, only(seen(4, unseen=1.0)).wide
    assert 'fill="url(#chart-1-wide-f)" d=' not in plain and 'fill="url(#chart-1-wide-u)" d=' not in plain
    assert 'fill="url(#chart-1-wide-f)" d=' in failed
    assert 'fill="url(#chart-1-wide-u)" d=' in unseen


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    report = seen(9)
    for one in (3, 4, 6):
        report["availability"]["targets"][0]["bins"][one].update(p50=None, p95=None)
    line = re.search(r'class="p50" d="([^"]+)"', only(report).wide)
    assert line is not None
    # Three pieces, and the one that is a single point has a length of its own.
    assert len(re.findall(r"M[^M]*", line[1].split("h3")[0])) >= 3
    assert line[1].count("L") == (3 - 1) + (1 - 1) + (2 - 1)
    assert line[1].count("h3") == 1


def test_no_latency_at_all_is_no_empty_axis() -> None:
    chart = only(seen(4, p50=None, p95=None))
    assert ">Latency" not in chart.wide


def test_a_scale_fits_its_values() -> None:
    assert only(seen(4)).scale == "linear"
    slow = seen(4)
    slow["availability"]["targets"][0]["bins"][2].update(p50=4.0, p95=9.0)
    assert only(slow).scale == "logarithmic"
    assert "logarithmic" in only(slow).wide


def test_neighbours_share_a_bar_and_lose_nothing() -> None:
    report = seen(1000)
    report["availability"]["targets"][0]["bins"][500].update(failed=7, p95=3.0)
    bins = report["availability"]["targets"][0]["bins"]
    merged = charts.bars(bins, BEGAN, 1.0, 100)
    assert len(merged) <= 100
    assert sum(one.good for one in merged) == 4000
    assert sum(one.failed for one in merged) == 7
    assert max(one.p95 or 0 for one in merged) == 3.0
    assert only(report).merged


@given(
    st.lists(st.floats(0, 600, allow_nan=False), max_size=40),
    st.sampled_from([(44.0, 334.0), (64.0, 950.0)]),
)
def test_numbers_of_actions_never_touch(at: list[float], room: tuple[float, float]) -> None:
    left, right = room
    places = [(number, left + (right - left) * one / 600) for number, one in enumerate(sorted(at), 1)]
    found = charts.pills(places, left - 8, right + 10)
    assert [number for first, last, _x, _w in found for number in range(first, last + 1)] == [one for one, _x in places]
    edges = [(x - width / 2, x + width / 2) for _first, _last, x, width in found]
    for (_begin, end), (begin, _end) in itertools.pairwise(edges):
        assert end <= begin
    for begin, end in edges:
        assert begin >= left - 8 - 0.001 and end <= right + 10 + 0.001


def test_actions_outside_of_what_was_seen_are_counted() -> None:
    drawn = charts.draw(seen(10, marks=[-5.0, 2.0, 3.0, 99.0]))
    assert drawn is not None
    assert [one.text for one in drawn.marks] == ["at 2.0", "at 3.0"]
    assert drawn.marks_left_out == 2


@pytest.mark.parametrize("length", [3, 50, 700, 86400, 86400 * 30])
def test_times_stand_apart(length: int) -> None:
    chart = only(seen(3, size=length / 3))
    for layout, width in ((chart.wide, 960), (chart.narrow, 344)):
        texts = [one for one in Drawing(layout).all("text") if re.fullmatch(r"[\d:-]{5,8}", one[1])]
        assert texts
        edges = [(float(at["x"]) - len(text) * 3.5, float(at["x"]) + len(text) * 3.5) for at, text in texts]
        assert all(end < begin for (_b, end), (begin, _e) in itertools.pairwise(edges))
        assert edges[0][0] >= 0 and edges[-1][1] <= width
