# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as it is shown: the same words for the same values in Markdown and HTML, and no text that does tricks."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime

Report = t.Mapping[str, t.Any]

UNKNOWN = "unknown"
CUT = " … (cut; whole in report.json)"

SEVERITIES = {1: "Severity 1", 2: "Severity 2", 3: "Severity 3", 4: "Severity 4"}
STATES = {"opened": "Open", "open": "Open", "mitigated": "Mitigated", "resolved": "Resolved", "closed": "Closed"}
#: In the order in which an incident goes through them.
MOMENTS = (
    ("first_sign", "First sign"),
    ("detected", "Detected"),
    ("opened", "Record opened"),
    ("mitigated", "Mitigated"),
    ("resolved", "Resolved"),
    ("closed", "Closed"),
)
_REACHED = {
    "opened": ("opened",),
    "open": ("opened",),
    "mitigated": ("opened", "mitigated"),
    "resolved": ("opened", "mitigated", "resolved"),
}
BUDGETS = {
    "flag": "Feature flag off",
    "rollback": "Rollback",
    "quick_fix": "Quick hotfix",
    "code_deploy": "Emergency code deploy",
}
PHASES = (("before", "Before"), ("during", "During"), ("after", "After"))
OUTCOMES = {
    "done": "done",
    "unchanged": "unchanged",
    "planned": "planned only",
    "seen": "seen",
    "failed": "failed",
    "refused": "refused",
    "bad_input": "bad input",
    "nothing_to_do": "nothing to do",
    "unreachable": "unreachable",
    "unknown": "outcome unknown",
    "passed": "passed",
    "skipped": "skipped",
    "error": "could not look",
    "known": "failed as before",
}
_GOOD = frozenset({"done", "passed", "ok", "good"})
_BAD = frozenset({"failed", "unreachable", "bad_input"})
_CAUTION = frozenset({"refused", "error", "unknown", "known", "degraded", "blind", "limited"})

# Kinds of events that take no time.
_MOMENTARY = frozenset({"opened", "fields", "state", "note", "checklist", "action", "merged", "trouble", "lease"})

# What a terminal would take for a command. It says nothing to a reader.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Characters that show other text in another order, or are not seen at all: their number is shown instead.
_HIDDEN = re.compile(
    r"[\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def plain(value: object) -> str:
    """Return a text without control characters; what would hide or turn text around is shown by its number."""
    text = str(value).replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    text = _CONTROL.sub("", _ANSI.sub("", text))
    text = _SURROGATE.sub("\ufffd", text)
    return _HIDDEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", text)


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text that is too long, and say so."""
    return text if len(text) <= limit else text[:limit].rstrip() + CUT


def tidy(value: t.Any, limit: int) -> t.Any:
    """Make every text in a value plain, and none longer than *limit*; keys are ours."""
    if isinstance(value, str):
        return cut(plain(value), limit)
    if isinstance(value, t.Mapping):
        return {plain(key): tidy(one, limit) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [tidy(one, limit) for one in value]
    return value


class Part(t.NamedTuple):
    """The rows of a list that are shown: its beginning and its end, and how many between them are not."""

    head: list[t.Any]
    tail: list[t.Any]
    left_out: int
    total: int

    @property
    def rows(self) -> list[t.Any]:
        return [*self.head, *self.tail]


def part(rows: t.Sequence[t.Any] | None, most: int, limit: int) -> Part:
    """Take at most *most* rows of a list, the oldest and the newest ones, and make them plain."""
    rows = rows or []
    if len(rows) <= most:
        return Part(tidy(rows, limit), [], 0, len(rows))
    tail = most // 2
    head = most - tail
    return Part(tidy(rows[:head], limit), tidy(rows[len(rows) - tail :], limit), len(rows) - most, len(rows))


def _number(value: float) -> str:
    """Tenths, where they are not zero; of little seconds the digits that count."""
    return f"{value:.1f}".removesuffix(".0")


def seconds(value: float | None) -> str:
    """Return a duration as it is spoken of."""
    if value is None:
        return UNKNOWN
    if value < 0:
        return f"−{seconds(-value)}"
    if value == 0:
        return "0 s"
    if value < 0.0005:
        return "under 1 ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 99.5:
        return f"{_number(value)} s"
    whole = round(value)
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    minutes = round(value / 60)
    if minutes < 2880:
        return _two(minutes // 60, "h", minutes % 60, "min")
    return _two(minutes // 1440, "d", minutes % 1440 // 60, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def between(lower: float | None, upper: float | None) -> str:
    """Return a duration that is known within bounds."""
    if lower is None and upper is None:
        return UNKNOWN
    if upper is None:
        return f"at least {seconds(lower)}"
    if lower is None:
        return f"at most {seconds(upper)}"
    low, high = seconds(lower), seconds(upper)
    if low == high:
        return low
    if lower == 0:
        return f"up to {high}"
    low_value, _blank, low_unit = low.rpartition(" ")
    if low_unit == high.rpartition(" ")[2] and " " not in low_value and high.count(" ") == 1:
        low = low_value
    return f"{low} to {high}"


def outage(found: Report | None) -> str:
    """Return how long users could not be served; nothing seen is not the same as nobody looked."""
    if not found or not found.get("known"):
        return UNKNOWN
    if found.get("lower") == 0 and found.get("upper") == 0:
        return "none seen"
    return between(found.get("lower"), found.get("upper"))


def count(value: float | None) -> str:
    """Return a number with its thousands apart."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def share(value: float | None, of: float | None) -> str:
    """Return one number as percents of another, empty where that says nothing."""
    if value is None or not of:
        return ""
    percents = 100 * value / of
    if 0 < percents < 0.1:
        return "under 0.1 %"
    if 99.9 < percents < 100:
        return "over 99.9 %"
    return f"{percents:.3g} %"


def milliseconds(value: float | None) -> str:
    """Return a latency, given in seconds."""
    return UNKNOWN if value is None else seconds(value)


def signed(value: float | None) -> str:
    """Return a difference of clocks in milliseconds."""
    if value is None:
        return UNKNOWN
    shown = f"{abs(value) * 1000:,.0f} ms" if abs(value) < 10 else seconds(abs(value))
    return shown if shown == "0 ms" else f"{'+' if value > 0 else '−'}{shown}"


def skew(found: Report | None) -> str:
    """Return how far a host's clock is from the controller's."""
    if not found or found.get("lower") is None or found.get("upper") is None:
        return UNKNOWN
    low, high = signed(found["lower"]), signed(found["upper"])
    return low if low == high else f"{low} to {high}"


def took(row: Report) -> str:
    """Return how long an event of the timeline took: nothing for what is a moment, unknown where no end was seen."""
    if row.get("seconds"):
        return seconds(row["seconds"])
    if row.get("kind") in _MOMENTARY or row.get("end") == row.get("at"):
        return ""
    return UNKNOWN if row.get("end") else f"end {UNKNOWN}"


def title_word(found: t.Any) -> str:
    """Return a text with a capital at its beginning."""
    text = plain(found or UNKNOWN)
    return text[:1].upper() + text[1:]


def size(value: int | None) -> str:
    """Return a number of bytes."""
    if value is None:
        return UNKNOWN
    amount = float(value)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"


def moment(value: str | None) -> datetime | None:
    """Return a time as it stands in the record, None where it is none."""
    try:
        found = datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def day(value: str | None) -> str:
    """Return the date of a time."""
    found = moment(value)
    return f"{found:%Y-%m-%d}" if found else UNKNOWN


def clock(value: str | None, *, fine: bool = False) -> str:
    """Return the time of day."""
    found = moment(value)
    if found is None:
        return plain(value) if value else UNKNOWN
    return f"{found:%H:%M:%S}" + (f".{found.microsecond // 1000:03d}" if fine else "")


def date_time(value: str | None) -> str:
    """Return date and time of day to the second."""
    found = moment(value)
    if found is None:
        return plain(value) if value else UNKNOWN
    return f"{found:%Y-%m-%d %H:%M:%S}"


def minute(value: str | None) -> str:
    """Return date and time of day to the minute."""
    return date_time(value)[:16] if moment(value) else date_time(value)


def span(first: str | None, last: str | None) -> str:
    """Return a time from its beginning to its end; the date once, where it is one."""
    if day(first) == day(last) != UNKNOWN:
        return f"{clock(first)} to {clock(last)} on {day(first)}"
    return f"{date_time(first)} to {date_time(last)}"


def severity(value: t.Any) -> str:
    """Return a severity in words."""
    return SEVERITIES.get(value, f"Severity {UNKNOWN}")


def state(value: t.Any) -> str:
    """Return a state in words."""
    return STATES.get(str(value), plain(value) if value else f"State {UNKNOWN}")


def outcome(value: t.Any) -> str:
    """Return an outcome in words."""
    return OUTCOMES.get(str(value), plain(value).replace("_", " ")) if value else ""


def tone(value: t.Any) -> str:
    """Return whether an outcome is good, bad, a caution or none of these."""
    for name, known in (("good", _GOOD), ("bad", _BAD), ("caution", _CAUTION)):
        if str(value) in known:
            return name
    return "plain"


def kept(value: bool | None) -> str:
    """Return in words whether a budget was kept."""
    return {True: "kept", False: "missed"}.get(t.cast(bool, value), UNKNOWN)


def when(report: Report, name: str) -> str:
    """Return when something was so; what is still to come is not unknown."""
    found = ((report.get("times") or {}).get(name) or {}).get("at")
    if found:
        return date_time(found)
    reached = _REACHED.get(str(report.get("state")))
    if reached is not None and name in ("mitigated", "resolved", "closed") and name not in reached:
        return "not yet"
    return UNKNOWN


def names(values: t.Any) -> str:
    """Return a list of names."""
    if isinstance(values, str):
        return plain(values)
    return ", ".join(plain(one) for one in values or []) or UNKNOWN


def actor(value: t.Any) -> str:
    """Return who or what did something."""
    if not isinstance(value, t.Mapping):
        return plain(value) if value else UNKNOWN
    return plain(value.get("name") or value.get("kind") or UNKNOWN)


def tally(checklists: t.Sequence[Report] | None) -> tuple[int, int, int]:
    """Return how many items of the checklists are done, of how many, and how many are overdue."""
    every = [(one, item) for one in checklists or [] for item in one.get("items") or []]
    done = sum(bool(item.get("done")) for _one, item in every)
    late = sum(bool(one.get("overdue")) and not item.get("done") for one, item in every)
    return done, len(every), late


def remaining(report: Report) -> tuple[str, str]:
    """Return how much is left to do, and what is overdue of it."""
    done, every, late = tally(report.get("checklists"))
    left = len(report.get("remains") or [])
    if not every:
        return (f"{left} open", "") if left else ("nothing noted", "")
    if done == every:
        return ("nothing" if not left else f"{left} open"), f"all {every} checklist items done"
    said = f"{done} of {every} checklist items done"
    return f"{every - done} open", f"{said}, {late} overdue" if late else said


def budgets_for(report: Report) -> list[Report]:
    """Return the budgets for the first screen: that of the way taken, and those that were missed."""
    measured = [one for one in (report.get("impact") or {}).get("budgets") or [] if one.get("took") is not None]
    first = next((one for one in measured if one.get("what") == "quick_fix"), None)
    found = [first] if first else sorted(measured, key=lambda one: float(one["took"]))[-1:]
    missed = [one for one in measured if one.get("kept") is False and one not in found]
    return [*found, *missed][:3]


def not_reached(report: Report, name: str) -> str:
    """Return "not yet" or "unknown" for a time that is not in the record."""
    said = when({**report, "times": {}}, name)
    return said if ((report.get("times") or {}).get(name) or {}).get("at") is None else UNKNOWN


def next_due(checklists: t.Sequence[Report] | None) -> str | None:
    """Return when the first checklist that is not finished is due."""
    due = [
        str(one["due"])
        for one in checklists or []
        if one.get("due") and any(not item.get("done") for item in one.get("items") or [])
    ]
    return min(due, default=None)


def value(found: t.Any) -> str:
    """Return a fact before or after."""
    return UNKNOWN if found is None else plain(found) or "(empty)"


class Measure(t.NamedTuple):
    """A line of the table of impact."""

    what: str
    value: str
    note: str
    source: str


def measures(report: Report) -> list[Measure]:
    """Return the measured impact line by line."""
    impact = report.get("impact") or {}
    out = impact.get("outage") or {}
    failed = impact.get("failed_requests") or {}
    slow = impact.get("degraded") or {}
    lines = [Measure("Outage", outage(out), "any target down" if out.get("all_down") else "", _source(out))]
    if out.get("all_down"):
        lines.append(Measure("All targets down at once", outage({"known": True, **out["all_down"]}), "", _source(out)))
    known = slow.get("lower") is not None or slow.get("upper") is not None
    lines.append(Measure("Slow, but up", outage({"known": known, **slow}), "", _source(slow)))
    percents = share(failed.get("value"), failed.get("of"))
    why = ", ".join(f"{plain(name)}: {count(number)}" for name, number in list((failed.get("why") or {}).items())[:8])
    of = f"{count(failed.get('value'))} of {count(failed.get('of'))}" if failed.get("value") is not None else UNKNOWN
    lines.append(
        Measure("Failed samples of the probe", of + (f" ({percents})" if percents else ""), why, _source(failed))
    )
    for key, name, state_name in (
        ("time_to_mitigate", "Time to mitigate", "mitigated"),
        ("time_to_resolve", "Time to resolve", "resolved"),
    ):
        took = impact.get(key) or {}
        spoken = seconds(took["seconds"]) if took.get("seconds") is not None else not_reached(report, state_name)
        both = f"{span(took['from'], took['to'])} UTC" if took.get("from") and took.get("to") else ""
        lines.append(Measure(name, spoken, both, _source(took)))
    return lines


def _source(found: Report) -> str:
    return plain(found.get("source") or f"source {UNKNOWN}")
