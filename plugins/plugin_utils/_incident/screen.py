# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An incident on a terminal: where it stands, what users noticed, what is to be done next. 100 columns wide."""

from __future__ import annotations

import textwrap
import typing as t
from datetime import datetime, timedelta, tzinfo

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import checklists, shown

Report = t.Mapping[str, t.Any]

_WIDTH = 100
_NEXT_STATE = {"opened": "mitigated", "mitigated": "resolved", "resolved": "closed"}
_WHEN = {
    "mitigated": "once users are served again",
    "resolved": "once the cause is gone",
    "closed": "once the review is over",
}


class Screen:
    """How times and commands are shown to one operator."""

    def __init__(self, zone: tzinfo, zone_name: str, now: datetime, command: str) -> None:
        self._zone, self._zone_name, self._now, self._command = zone, zone_name, now, command

    def lines(self, report: Report, paths: t.Mapping[str, str], added: t.Sequence[str] = ()) -> list[str]:
        """Return the lines that tell of an incident."""
        state = str(report["state"])
        since = (report["times"].get(state) or {}).get("at")
        rows = [
            ("state", f"{state}, since {self.local(since)}{self._ago(since)}" if since else state),
            ("severity", self._severity(report)),
            ("users", self._users(report)),
            ("measured", self._measured(report)),
            ("summary", str(report.get("summary") or report.get("reason") or "")),
            ("cause", str(report.get("root_cause") or "not known yet")),
        ]
        found = [f"Incident {report['id']}: {shown.plain(report['title'])}"]
        for name, value in rows:
            found += self._row(name, value)
        for number, text in enumerate(added):
            found += self._row("added" if number == 0 else "", text)
        found += [line for one in report["checklists"] for line in self._checklist(one)]
        found += self._actions(report)
        found += ["", *self._next(report, state)]
        return found + [f"  {name:<10} {path}" for name, path in paths.items()]

    def listed(self, rows: t.Sequence[tuple[str, str, str | None, str]]) -> list[str]:
        """Return a line for each incident: its ID, state, when it was opened, title."""
        width = max((len(row[0]) for row in rows), default=0)
        return [
            f"{incident:<{width}}  {state:<9}  {self.local(opened):<19}  {shown.plain(title)}"
            for incident, state, opened, title in rows
        ]

    def local(self, stamp: t.Any) -> str:
        """Return a time in the operator's zone."""
        found = shown.moment(stamp)
        return f"{found.astimezone(self._zone):%Y-%m-%d %H:%M:%S}" if found else shown.UNKNOWN

    def _ago(self, stamp: t.Any) -> str:
        found = shown.moment(stamp)
        if found is None:
            return ""
        return f" ({self._zone_name}), {_long(max(self._now - found, timedelta()))} ago"

    def _row(self, name: str, value: str) -> list[str]:
        if not value:
            return []
        wrapped = textwrap.wrap(shown.plain(value), _WIDTH - 13) or [""]
        return [f"  {name if number == 0 else '':<10} {line}" for number, line in enumerate(wrapped)]

    def _severity(self, report: Report) -> str:
        criterion = report.get("criterion")
        said = str(report["severity"]) if report.get("severity") else "nobody said (-e severity=1 to 4)"
        return f"{said}; {criterion['text']}" if criterion else f"{said}; no criterion named (-e criterion=outage)"

    def _users(self, report: Report) -> str:
        outage, failed = report["impact"]["outage"], report["impact"]["failed_requests"]
        if not outage["known"]:
            return "nobody looked from outside, so it is unknown what they noticed"
        if outage["upper"] == 0:
            down = "never down"
        else:
            down = f"down for at least {_seconds(outage['lower'])} and at most {_seconds(outage['upper'])}"
        if failed["value"] is None:
            return down
        return f"{down}; {failed['value']:,} of {failed['of']:,} samples failed"

    def _measured(self, report: Report) -> str:
        impact = report["impact"]
        parts = []
        for name, word in (("time_to_mitigate", "mitigated"), ("time_to_resolve", "resolved")):
            seconds = impact[name]["seconds"]
            if seconds is not None:
                parts.append(f"{word} after {_long(timedelta(seconds=seconds))}")
        for one in impact["budgets"]:
            if one["took"] is not None:
                kept = {True: "kept", False: "missed"}.get(one["kept"], shown.UNKNOWN)
                parts.append(
                    f"{shown.BUDGETS.get(one['what'], one['what']).lower()} {_seconds(one['took'])} "
                    f"(budget {one['budget']:g} s, {kept})"
                )
        return "; ".join(parts)

    def _checklist(self, one: Report) -> list[str]:
        items = one["items"]
        done = sum(bool(item["done"]) for item in items)
        if not items:
            return []
        if one["key"] == checklists.VERIFICATION:
            due = ""
        elif one.get("due") is None:
            due = ", not due before users are served again"
        elif done == len(items):
            due = ", done"
        else:
            left = shown.moment(one["due"])
            late = bool(one["overdue"])
            span = _long(abs(self._now - left)) if left else ""
            due = f", {'OVERDUE since' if late else 'due'} {self.local(one['due'])}"
            due += f" ({span} ago)" if late else f" (in {span})"
        found = ["", f"  {shown.plain(one['title'])}: {done} of {len(items)}{due}"]
        width = max(len(str(item["key"])) for item in items)
        for item in items:
            mark = "x" if item["done"] else " "
            by = (item.get("by") or {}).get("name")
            note = f" ({by})" if item["done"] and by else ""
            text = textwrap.wrap(f"{shown.plain(item['text'])}{note}", max(30, _WIDTH - width - 12)) or [""]
            found.append(f"    [{mark}] {item['key']:<{width}}  {text[0]}")
            found += [f"        {'':<{width}}  {more}" for more in text[1:]]
        return found

    def _actions(self, report: Report) -> list[str]:
        actions = report.get("actions") or []
        if not actions:
            return []
        found = ["", "  So that it does not happen again"]
        for one in actions:
            owner = f", {one['owner']}" if one.get("owner") else ""
            due = f", until {one['due']}" if one.get("due") else ""
            found.append(f"    [{'x' if one.get('done') else ' '}] {one['id']}  {shown.plain(one['text'])}{owner}{due}")
        return found

    def _next(self, report: Report, state: str) -> list[str]:
        rows = []
        open_item = next((i["key"] for one in report["checklists"] for i in one["items"] if not i["done"]), None)
        if open_item:
            rows.append(("tick one", f"{self._command} -e tick={open_item} -e by=NAME"))
        following = _NEXT_STATE.get(state)
        if following:
            rows.append((following, f"{self._command} -e state={following}   ({_WHEN[following]})"))
        return [f"  {name:<10} {text}" for name, text in rows]


def _seconds(value: t.Any) -> str:
    return shown.UNKNOWN if value is None else shown.seconds(float(value))


def _long(span: timedelta) -> str:
    """Return a span of time in two units at most."""
    seconds = round(abs(span).total_seconds())
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((number for number, (value, _unit) in enumerate(parts) if value), len(parts) - 1)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value or first == len(parts) - 1)
