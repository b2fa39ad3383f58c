# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as one HTML file that asks nobody for anything: no script, no request, readable on a phone and on paper."""

from __future__ import annotations

import functools
import re
import typing as t
import urllib.parse
from pathlib import Path

import jinja2
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import charts, shown

Report = t.Mapping[str, t.Any]

#: Bytes that a mail or a wiki still takes, and a phone still opens.
MOST_BYTES = 2_000_000
_FOLDER = Path(__file__).parent / "templates"
_TELEPHONE = re.compile(r"[+0-9][0-9 ()./-]{2,30}")
_UNIT = re.compile(r"(?<=\d) (?=(?:ms|s|min|h|d|%|[KMG]?B)\b|%)")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
_CONTENTS = (
    ("impact", "Impact"),
    ("availability", "Availability"),
    ("timeline", "Timeline"),
    ("checklists", "Checklists"),
    ("cause", "Root cause and actions"),
    ("message", "Message to customers"),
    ("before-after", "Before and after"),
    ("checks", "Checks"),
    ("logs", "Logs"),
    ("hosts", "Hosts"),
    ("people", "Contacts"),
    ("evidence", "Evidence"),
    ("health", "The record"),
)


class Limits(t.NamedTuple):
    """How much of each list is shown; the rest is in report.json."""

    key_rows: int = 150
    rows: int = 1000
    text: int = 2000
    row_text: int = 400
    list_rows: int = 200
    log_lines: int = 40

    def less(self) -> Limits:
        """Return half of each."""
        return Limits(*(max(5, value // 2) for value in self))


class _Unknown(jinja2.ChainableUndefined):
    """What a report of another version does not hold is unknown, not empty."""

    def __str__(self) -> str:
        return shown.UNKNOWN


def render(report: Report) -> str:
    """Return the page. Where it would be too large, lists are cut shorter, and say so."""
    limits = Limits()
    while True:
        page = _page(report, limits)
        if len(page.encode()) <= MOST_BYTES or limits.less() == limits:
            return page
        limits = limits.less()


def _finalize(value: t.Any) -> t.Any:
    return shown.UNKNOWN if value is None else value


def _defined(function: t.Callable[..., str]) -> t.Callable[..., str]:
    """Let a filter take a value that the report does not hold for one that is not known."""

    @functools.wraps(function)
    def filtered(value: t.Any, *more: t.Any) -> str:
        return function(None if isinstance(value, jinja2.Undefined) else value, *more)

    return filtered


def _compiled() -> jinja2.BytecodeCache | None:
    """Return where the compiled template is kept for the next run: to compile it takes longer than to fill it in.

    It is a folder of the user's own among the temporary ones, which Jinja does not use where others could write to it.
    """
    try:
        return jinja2.FileSystemBytecodeCache()
    except (RuntimeError, OSError):
        return None


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=_Unknown,
        finalize=_finalize,
        bytecode_cache=_compiled(),
    )
    filters: dict[str, t.Callable[..., str]] = {
        "actor": shown.actor,
        "bounds": _bounds,
        "budget": lambda value: shown.BUDGETS.get(value, str(value)),
        "clock": lambda value, fine=False: shown.clock(value, fine=fine),
        "count": shown.count,
        "date_time": shown.date_time,
        "day": shown.day,
        "kept": shown.kept,
        "link": _link,
        "minute": shown.minute,
        "names": shown.names,
        "outage": lambda found: _together(shown.outage(found)),
        "outcome": shown.outcome,
        "seconds": lambda value: _together(shown.seconds(value)),
        "severity": shown.severity,
        "size": shown.size,
        "skew": shown.skew,
        "state": shown.state,
        "title_word": shown.title_word,
        "took": lambda row: _together(shown.took(row)),
        "tone": shown.tone,
        "value": shown.value,
        "when": shown.when,
    }
    environment.filters.update({name: _defined(function) for name, function in filters.items()})
    return environment


def _page(report: Report, limits: Limits) -> str:
    environment = _environment()
    return environment.get_template("report.html.j2").render(_view(report, limits))


@functools.cache
def _css() -> str:
    return (_FOLDER / "report.css").read_text(encoding="utf-8")


#: Lists that may be long; they are cut before anything is made of them.
_LISTS = ("before_after", "checks", "logs", "actions", "notifications", "hosts", "evidence", "remains")
_LONG = ("timeline", "availability", *_LISTS)


def _view(report: Report, limits: Limits) -> dict[str, t.Any]:
    """Return what the template shows: plain texts, in lists that are short enough."""
    r = shown.tidy({key: value for key, value in report.items() if key not in _LONG}, limits.text)
    impact = r.get("impact") or {}
    lists = {name: shown.part(report.get(name), limits.list_rows, limits.row_text) for name in _LISTS}
    for one in lists["logs"].rows:
        one["new_lines"] = (one.get("new") or [])[: limits.log_lines]
        one["paths"] = one.get("evidence") or []
    timeline = report.get("timeline") or []
    key_rows = shown.part([one for one in timeline if one.get("key")], limits.key_rows, limits.row_text)
    all_rows = shown.part(timeline, limits.rows, limits.row_text)
    for rows in (key_rows.rows, all_rows.rows):
        _mark_days(rows)
    seen = report.get("availability")
    r["availability"] = {key: shown.tidy((seen or {}).get(key), 100) for key in ("began", "ended", "bin_seconds")}
    r.setdefault("times", {})
    failed = impact.get("failed_requests") or {}
    return {
        **lists,
        "r": r,
        "report": r,
        "css": _css(),
        "moments": shown.MOMENTS,
        "phases": shown.PHASES,
        "contents": _CONTENTS,
        "charts": charts.draw(report),
        "key_rows": key_rows,
        "all_rows": all_rows,
        "degraded": _bounds(impact.get("degraded") or {}),
        "degraded_known": (impact.get("degraded") or {}).get("lower") is not None,
        "failed_share": _together(shown.share(failed.get("value"), failed.get("of"))),
        "mitigated_word": shown.not_reached(r, "mitigated"),
        "budgets": shown.budgets_for(r),
        "remaining": shown.remaining(report),
        "late": shown.tally(report.get("checklists"))[2],
        "next_due": shown.next_due(report.get("checklists")),
        "measures": shown.measures(r),
        "outage_targets": shown.part((impact.get("outage") or {}).get("targets"), limits.list_rows, limits.row_text),
        "troubles": shown.part((r.get("record_health") or {}).get("troubles"), limits.list_rows, limits.row_text),
        "contacts": [
            (name, [_reachable(one) for one in ((r.get("contacts") or {}).get(key) or [])[: limits.list_rows]])
            for key, name in (("technical", "Technical"), ("business", "Business"))
        ],
    }


def _mark_days(rows: t.Sequence[dict[str, t.Any]]) -> None:
    """Note where a day begins."""
    before = ""
    for row in rows:
        day = shown.day(row.get("at"))
        row["new_day"] = day if day not in (before, shown.UNKNOWN) else ""
        before = day if day != shown.UNKNOWN else before


def _together(text: str) -> str:
    """Keep a number and its unit on one line."""
    return _UNIT.sub("\u00a0", text)


def _bounds(found: Report) -> str:
    return _together(shown.outage({"known": True, **found}))


def _link(path: t.Any) -> str:
    """Return a link to a file of the record, and to nowhere else."""
    parts = str(path).split("/")
    if parts[0] != "evidence" or not all(parts) or ".." in parts or "\\" in str(path):
        return "#evidence"
    return urllib.parse.quote(str(path))


def _reachable(contact: Report) -> dict[str, t.Any]:
    """Add what a phone can call, where it is a number and an address and nothing else."""
    telephone, mail = str(contact.get("phone") or ""), str(contact.get("email") or "")
    return {
        **contact,
        "tel": "tel:" + re.sub(r"[^+0-9]", "", telephone) if _TELEPHONE.fullmatch(telephone) else "",
        "mail": f"mailto:{mail}" if _MAIL.fullmatch(mail) else "",
    }
