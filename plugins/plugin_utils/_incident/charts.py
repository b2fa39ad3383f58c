# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws what the probe saw as SVG: answers and latency over time, and on the axis what was done meanwhile.

Each chart is drawn twice, for a wide and for a narrow page: a drawing that is shrunk to a phone has letters that nobody
can read. Colours are classes that the page's style sheet gives, for light, dark and paper; each also has its own shape.
"""

from __future__ import annotations

import html
import math
import typing as t
from datetime import UTC, datetime, timedelta

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import shown

Report = t.Mapping[str, t.Any]

#: More bars than this are not told apart; neighbours are put together.
_BARS = {"wide": 300, "narrow": 110}
_WIDTH = {"wide": 960.0, "narrow": 344.0}
_LEFT = {"wide": 64.0, "narrow": 52.0}
_RIGHT = 10.0
_TOP = 6.0
_PILL = 20.0
_CHARACTER = 7.0
_ANSWERS = {"wide": 120.0, "narrow": 96.0}
_LATENCY = {"wide": 120.0, "narrow": 104.0}
_TITLE = 22.0
_GAP = 40.0
_AXIS = 26.0
_TICK_ROOM = {"wide": 96.0, "narrow": 78.0}
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
#: A factor between the fastest and the slowest from which on a linear scale would show the slow ones only.
_LOG_FROM = 20.0
#: The part of a bin in which nobody looked, from which on it is hatched.
_GAP_SHOWN = 0.05
#: Actions that are drawn and listed, and targets that have a chart.
MARKS = 60
TARGETS = 12


class Mark(t.NamedTuple):
    """An action on the axis."""

    number: int
    at: float
    time: str
    text: str


class Bar(t.NamedTuple):
    """What was seen in one piece of time, in seconds since the beginning."""

    at: float
    seconds: float
    good: int
    failed: int
    limited: int
    unseen: bool
    p50: float | None
    p95: float | None


class Chart(t.NamedTuple):
    """What the page shows of one target."""

    name: str
    #: SVG, in which every text is escaped.
    wide: str
    narrow: str
    said: str
    merged: bool
    scale: str


class Charts(t.NamedTuple):
    """All charts, and the actions that are marked in each."""

    charts: list[Chart]
    marks: list[Mark]
    marks_left_out: int
    targets_left_out: int
    limited: bool
    unseen: bool


def draw(report: Report) -> Charts | None:
    """Draw a chart for each target that the probe looked at; None where it saw nothing."""
    seen = report.get("availability") or {}
    began, ended = shown.moment(seen.get("began")), shown.moment(seen.get("ended"))
    size = float(seen.get("bin_seconds") or 0)
    targets = [one for one in seen.get("targets") or [] if one.get("bins")]
    if began is None or size <= 0 or not targets:
        return None
    last = max((_since(began, bin_["at"]) or 0.0) + size for one in targets for bin_ in one["bins"])
    length = max(last, (ended - began).total_seconds() if ended else 0.0, size)
    marks, left_out = _marks(began, length, seen.get("marks") or [])
    # The targets that failed come first: there may be more of them than are drawn.
    targets = sorted(targets, key=lambda one: -sum(bin_.get("failed") or 0 for bin_ in one["bins"]))
    drawn = [_chart(number, one, began, length, size, marks) for number, one in enumerate(targets[:TARGETS], 1)]
    bins = [bin_ for one in targets for bin_ in one["bins"]]
    return Charts(
        charts=drawn,
        marks=marks,
        marks_left_out=left_out,
        targets_left_out=max(0, len(targets) - TARGETS),
        limited=any(bin_.get("limited") for bin_ in bins),
        unseen=any(_unseen(bin_, size) for bin_ in bins),
    )


def _since(began: datetime, at: t.Any) -> float | None:
    found = shown.moment(at)
    return None if found is None else (found - began).total_seconds()


def _marks(began: datetime, length: float, given: t.Sequence[Report]) -> tuple[list[Mark], int]:
    """Number the actions that lie on the axis, in the order of time."""
    inside = []
    for one in given:
        at = _since(began, one.get("at"))
        if at is not None and -0.001 <= at <= length:
            inside.append((max(0.0, at), one))
    inside.sort(key=lambda pair: pair[0])
    marks = [
        Mark(number, at, str(one["at"]), shown.cut(shown.plain(one.get("text") or shown.UNKNOWN), 160))
        for number, (at, one) in enumerate(inside[:MARKS], 1)
    ]
    return marks, len(given) - len(marks)


def _unseen(bin_: Report, size: float) -> bool:
    """Tell whether nobody looked for a part of the time that can be seen in the drawing."""
    return float(bin_.get("unseen") or 0) > size * _GAP_SHOWN


def bars(bins: t.Sequence[Report], began: datetime, size: float, most: int) -> list[Bar]:
    """Put neighbouring bins together until there are at most *most*; of latencies the highest is kept."""
    placed = [(at, one) for one in bins if (at := _since(began, one.get("at"))) is not None]
    placed.sort(key=lambda pair: pair[0])
    if not placed:
        return []
    first = placed[0][0]
    many = max(1, math.ceil((placed[-1][0] - first + size) / size / most))
    groups: dict[int, list[Report]] = {}
    for at, one in placed:
        groups.setdefault(int((at - first) / size + 1e-6) // many, []).append(one)
    return [
        Bar(
            at=first + number * many * size,
            seconds=many * size,
            good=sum(one.get("good") or 0 for one in group),
            failed=sum(one.get("failed") or 0 for one in group),
            limited=sum(one.get("limited") or 0 for one in group),
            unseen=any(_unseen(one, size) for one in group),
            p50=max((one["p50"] for one in group if one.get("p50") is not None), default=None),
            p95=max((one["p95"] for one in group if one.get("p95") is not None), default=None),
        )
        for number, group in sorted(groups.items())
    ]


def _chart(number: int, target: Report, began: datetime, length: float, size: float, marks: t.Sequence[Mark]) -> Chart:
    name = shown.cut(shown.plain(target.get("name") or shown.UNKNOWN), 80)
    wide = bars(target["bins"], began, size, _BARS["wide"])
    said = _said(name, target["bins"], wide)
    drawings = {
        layout: _Drawing(f"chart-{number}-{layout}", layout, began, length, marks).draw(
            name, said, bars(target["bins"], began, size, _BARS[layout])
        )
        for layout in _WIDTH
    }
    return Chart(
        name=name,
        wide=drawings["wide"],
        narrow=drawings["narrow"],
        said=said,
        merged=bool(wide) and wide[0].seconds > size * 1.5,
        scale="logarithmic" if _Scale(wide).log else "linear",
    )


def _said(name: str, bins: t.Sequence[Report], drawn: t.Sequence[Bar]) -> str:
    """Return the chart in words, for who cannot see it."""
    good = sum(one.get("good") or 0 for one in bins)
    failed = sum(one.get("failed") or 0 for one in bins)
    highest = max((one.p95 for one in drawn if one.p95 is not None), default=None)
    said = f"{name}: {shown.count(good)} samples answered and {shown.count(failed)} failed"
    if failed:
        bad = [one["at"] for one in bins if one.get("failed")]
        said += f", between {shown.clock(min(bad))} and {shown.clock(max(bad))} UTC"
    if highest is not None:
        said += f". The highest p95 of the latency is {shown.seconds(highest)}"
    if any(one.get("unseen") for one in bins):
        said += ". For a part of the time nobody looked"
    return f"{said}."


class _Scale:
    """The axis of the latencies: linear, or logarithmic where the slow would hide the fast."""

    def __init__(self, drawn: t.Sequence[Bar]) -> None:
        values = [value for one in drawn for value in (one.p50, one.p95) if value is not None and value > 0]
        self.known = bool(values)
        self._low, self._high = (min(values), max(values)) if values else (0.0, 1.0)
        self.log = self.known and self._high / self._low >= _LOG_FROM
        self.ticks = self._decades() if self.log else self._even()
        if self.log:
            self._bottom, self._top = math.log10(self.ticks[0]), math.log10(self.ticks[-1])
        else:
            self._bottom, self._top = 0.0, self.ticks[-1]

    def _even(self) -> list[float]:
        rough = max(self._high, 0.001) / 3
        power = 10 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
        return [step * number for number in range(math.ceil(self._high / step * 0.999) + 1)]

    def _decades(self) -> list[float]:
        low = math.floor(math.log10(self._low) + 1e-9)
        high = math.ceil(math.log10(self._high) - 1e-9)
        return [10.0**power for power in range(low, high + 1)]

    def share(self, value: float) -> float:
        """Return how far up a value is, from 0 to 1."""
        if self.log:
            value = math.log10(max(value, self.ticks[0]))
        return (value - self._bottom) / (self._top - self._bottom)


class _Drawing:
    """One SVG. Numbers are rounded to tenths of a pixel, which keeps the file small."""

    def __init__(self, name: str, layout: str, began: datetime, length: float, marks: t.Sequence[Mark]) -> None:
        self._id = name
        self._layout = layout
        self._began = began
        self._length = length
        self._marks = marks
        self._width = _WIDTH[layout]
        self._left = _LEFT[layout]
        self._answers_top = _TOP + (_PILL if marks else 0.0) + _TITLE
        self._answers_end = self._answers_top + _ANSWERS[layout]
        self._parts: list[str] = []

    def draw(self, name: str, said: str, drawn: t.Sequence[Bar]) -> str:
        scale = _Scale(drawn)
        latency_top = self._answers_end + _GAP
        latency_end = latency_top + _LATENCY[self._layout]
        bottom = latency_end if scale.known else self._answers_end
        height = bottom + _AXIS
        self._defs()
        self._answers(drawn)
        if scale.known:
            self._latency(drawn, scale, latency_top, latency_end)
        self._times(bottom)
        self._marked(bottom)
        opening = (
            f'<svg class="chart {self._layout}" viewBox="0 0 {_n(self._width)} {_n(height)}" role="img" '
            f'aria-labelledby="{self._id}-t {self._id}-d" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="{self._id}-t">{html.escape(f"Answers and latency over time: {name}")}</title>'
            f'<desc id="{self._id}-d">{html.escape(said)}</desc>'
        )
        return opening + "".join(self._parts) + "</svg>"

    def _x(self, at: float) -> float:
        return self._left + (self._width - self._left - _RIGHT) * min(max(at / self._length, 0.0), 1.0)

    def _text(self, x: float, y: float, text: str, kind: str, anchor: str = "start") -> None:
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}"{where}>{html.escape(text)}</text>')

    def _defs(self) -> None:
        """Define the hatchings: failed and unseen differ by shape, not by colour alone."""
        self._parts.append(
            f'<defs><pattern id="{self._id}-f" width="5" height="5" patternUnits="userSpaceOnUse">'
            '<rect class="failed" width="5" height="5"/><path class="hatch" d="M0 5L5 0M-1 1L1 -1M4 6L6 4"/></pattern>'
            f'<pattern id="{self._id}-u" width="7" height="7" patternUnits="userSpaceOnUse">'
            '<path class="unseen" d="M0 0L7 7M-1 6L1 8M6 -1L8 1"/></pattern></defs>'
        )

    def _answers(self, drawn: t.Sequence[Bar]) -> None:
        top, end = self._answers_top, self._answers_end
        most = max((one.good + one.failed + one.limited for one in drawn), default=0) or 1
        room = end - top
        self._text(0, top - 6, "Samples", "title")
        for value in sorted({most, most // 2 if most > 3 else 0, 0}):
            y = end - room * 0.86 * value / most
            self._grid(y)
            self._text(self._left - 6, y + 4, shown.count(value), "tick", "end")
        shapes: dict[str, list[str]] = {"unseen": [], "good": [], "failed": [], "limited": []}
        for one in drawn:
            left, right = self._x(one.at), self._x(one.at + one.seconds)
            if one.unseen:
                shapes["unseen"].append(_box(left, top, right, end))
            y = end
            # A slit between the bars, where there is room for it.
            slit = 0.8 if right - left > 3 else 0.0
            for name, value in (("good", one.good), ("failed", one.failed), ("limited", one.limited)):
                if value:
                    above = y - max(room * 0.86 * value / most, 1.5)
                    shapes[name].append(_box(left, above, right - slit, y))
                    y = above
        for name, paths in shapes.items():
            if paths:
                fill = {"failed": f' fill="url(#{self._id}-f)"', "unseen": f' fill="url(#{self._id}-u)"'}.get(name, "")
                kind = {"failed": "", "unseen": ""}.get(name, f' class="{name}"')
                self._parts.append(f'<path{kind}{fill} d="{"".join(paths)}"/>')
        self._parts.append(f'<path class="base" d="M{_n(self._left)} {_n(end)}H{_n(self._width - _RIGHT)}"/>')

    def _latency(self, drawn: t.Sequence[Bar], scale: _Scale, top: float, end: float) -> None:
        room = end - top
        self._text(0, top - 12, f"Latency{' (logarithmic scale)' if scale.log else ''}", "title")
        for value in scale.ticks:
            y = end - room * scale.share(value)
            self._grid(y)
            self._text(self._left - 6, y + 4, shown.seconds(value) if value else "0", "tick", "end")
        blind = [_box(self._x(one.at), top, self._x(one.at + one.seconds), end) for one in drawn if one.unseen]
        if blind:
            self._parts.append(f'<path fill="url(#{self._id}-u)" d="{"".join(blind)}"/>')
        for name in ("p95", "p50"):
            self._line(name, drawn, lambda value: end - room * scale.share(value))

    def _line(self, name: str, drawn: t.Sequence[Bar], place: t.Callable[[float], float]) -> None:
        """Draw a line that is broken where nothing was measured."""
        path: list[str] = []
        until: float | None = None
        dots: list[str] = []
        for number, one in enumerate(drawn):
            value = one.p50 if name == "p50" else one.p95
            if value is None:
                until = None
                continue
            joined = until is not None and abs(until - one.at) < one.seconds / 2
            follows = number + 1 < len(drawn) and (drawn[number + 1].p50 if name == "p50" else drawn[number + 1].p95)
            x, y = self._x(one.at + one.seconds / 2), place(value)
            path.append(f"{'L' if joined else 'M'}{_n(x)} {_n(y)}")
            if not joined and follows is None:
                # A point of its own would have no length, and not be seen.
                dots.append(f"M{_n(x - 1.5)} {_n(y)}h3")
            until = one.at + one.seconds
        if path:
            self._parts.append(f'<path class="{name}" d="{"".join(path)}{"".join(dots)}"/>')

    def _grid(self, y: float) -> None:
        self._parts.append(f'<path class="grid" d="M{_n(self._left)} {_n(y)}H{_n(self._width - _RIGHT)}"/>')

    def _times(self, bottom: float) -> None:
        """Write times under the axis, at full seconds, minutes or hours, as many as there is room for."""
        room = self._width - self._left - _RIGHT
        most = max(1, int(room / _TICK_ROOM[self._layout]))
        step = next(
            (one for one in _STEPS if self._length / one <= most),
            _STEPS[-1] * math.ceil(self._length / most / _STEPS[-1]),
        )
        midnight = self._began.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        offset = (self._began - midnight).total_seconds()
        at = math.ceil(offset / step) * step - offset
        shape = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86400 else "%m-%d"
        while at <= self._length:
            x = self._x(at)
            self._parts.append(f'<path class="grid" d="M{_n(x)} {_n(bottom)}v5"/>')
            label = f"{self._began.astimezone(UTC) + timedelta(seconds=at + 0.0005):{shape}}"
            half = len(label) * _CHARACTER / 2
            if x + half <= self._width and x - half >= 0:
                self._text(x, bottom + 19, label, "tick", "middle")
            at += step

    def _marked(self, bottom: float) -> None:
        """Draw a line for each action, and its number above; numbers that would touch share one label."""
        for one in self._marks:
            x = self._x(one.at)
            self._parts.append(f'<path class="mark" d="M{_n(x)} {_n(_TOP + _PILL)}V{_n(bottom)}"/>')
        for first, last, x, width in pills(
            [(one.number, self._x(one.at)) for one in self._marks], self._left - 8, self._width
        ):
            label = str(first) if first == last else f"{first}–{last}"
            self._parts.append(
                f'<rect class="pill" x="{_n(x - width / 2)}" y="{_n(_TOP)}" width="{_n(width)}" '
                f'height="{_n(_PILL)}" rx="{_n(_PILL / 2)}"/>'
            )
            self._text(x, _TOP + 14.5, label, "number", "middle")


def pills(places: t.Sequence[tuple[int, float]], left: float, right: float) -> list[tuple[int, int, float, float]]:
    """Put numbered labels where their actions are: first and last number, middle and width; none touches another."""
    found: list[tuple[int, int, float, float]] = []
    for number, x in places:
        one = _pill(number, number, x, x, left, right)
        span = (x, x)
        while found and one[2] - one[3] / 2 < found[-1][2] + found[-1][3] / 2 + 2:
            before = found.pop()
            span = (min(dict(places)[before[0]], span[0]), span[1])
            one = _pill(before[0], number, span[0], span[1], left, right)
        found.append(one)
    return found


def _pill(first: int, last: int, x: float, y: float, left: float, right: float) -> tuple[int, int, float, float]:
    characters = len(str(first)) if first == last else len(f"{first}–{last}")
    width = max(_PILL, characters * _CHARACTER + 10)
    middle = min(max((x + y) / 2, left + width / 2), right - width / 2)
    return first, last, middle, width


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _box(left: float, top: float, right: float, bottom: float) -> str:
    return f"M{_n(left)} {_n(top)}H{_n(max(right, left + 0.4))}V{_n(bottom)}H{_n(left)}Z"
