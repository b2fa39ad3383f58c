# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as Markdown that fits into a pull request or a wiki: no text in it can be anything but text."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import shown

Report = t.Mapping[str, t.Any]

#: A comment of a pull request may have 65,536 characters.
MOST_CHARACTERS = 60_000
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#+!|~^$:&\"'.=-]")
# At the beginning of a line, and nowhere else, these are a list or a heading; a colon and a dot only in addresses.
_HARMLESS = re.compile(r"\\([(){}+!^\"'.=:-])")
_BEGINNING = re.compile(r"^(?:(?=[-+=:])|(\d{1,9})(?=[.)](?:\s|$)))")
_ADDRESS = re.compile(r"(?<=[A-Za-z0-9]):(?=//)|(?<=\bwww)\.", re.IGNORECASE)
# What the page of a forge would make a mention, a reference to an issue or an emoji of.
_MENTION = re.compile(r"(?:(?<!\w)@|\\#|\bGH-)(?=\w)")
_EMOJI = re.compile(r":(?=(?:[a-z0-9_+\\-]*[a-z][a-z0-9_+\\-]*|[+-]1):)")
_BREAK = "&#8203;"
_SIMPLE_CODE = re.compile(r"[A-Za-z0-9@:._/+=, -]+")
_MARKS = {"good": "✅ ", "bad": "❌ ", "caution": "⚠️ "}


class _Limits(t.NamedTuple):
    rows: int = 60
    list_rows: int = 50
    text: int = 1500
    row_text: int = 240
    log_lines: int = 8

    def less(self) -> _Limits:
        return _Limits(*(max(3, value // 2) for value in self))


def render(report: Report) -> str:
    """Return the page. Where it would be too long for a comment, lists are cut shorter, and say so."""
    limits = _Limits()
    while True:
        page = _Page(report, limits).text()
        if len(page) <= MOST_CHARACTERS or limits.less() == limits:
            return page
        limits = limits.less()


def escape(value: object) -> str:
    """Return a text on one line that Markdown shows as it is, in a paragraph as in the cell of a table."""
    text = " ".join(shown.plain(value).split())
    text = _SPECIAL.sub(r"\\\g<0>", text)
    text = _HARMLESS.sub(r"\1", text)
    text = _BEGINNING.sub(lambda found: f"{found[1] or ''}\\", text)
    text = _ADDRESS.sub(lambda found: found.group() + _BREAK, text)
    text = _EMOJI.sub(":" + _BREAK, text)
    return _MENTION.sub(lambda found: found.group() + _BREAK, text)


def code(value: object) -> str:
    """Return an identifier as code, or as text where it is none."""
    text = shown.plain(value)
    return f"`{text}`" if _SIMPLE_CODE.fullmatch(text) and text == text.strip() and text else escape(text)


def fence(lines: t.Iterable[str]) -> list[str]:
    """Return lines as they are, between fences that none of them can close."""
    inside = [" ".join(shown.plain(line).splitlines()) for line in lines]
    longest = max((len(run) for line in inside for run in re.findall(r"`+", line)), default=0)
    mark = "`" * max(3, longest + 1)
    return [f"{mark}text", *inside, mark]


def _sign(tone: str, text: str) -> str:
    return f"{_MARKS.get(tone, '')}{escape(text)}" if text else ""


class _Page:
    """The page, piece by piece."""

    def __init__(self, report: Report, limits: _Limits) -> None:
        self._r = report
        self._limits = limits
        self._lines: list[str] = []

    def text(self) -> str:
        self._head()
        self._impact()
        self._remains()
        self._timeline()
        self._checklists()
        self._cause()
        self._message()
        self._facts()
        self._logs()
        self._people()
        self._record()
        return "\n".join(self._lines).rstrip() + "\n"

    def _add(self, *lines: str) -> None:
        self._lines += [*lines, ""]

    def _short(self, value: t.Any) -> str:
        return (
            escape(shown.cut(shown.plain(value), self._limits.row_text)) if value not in (None, "") else shown.UNKNOWN
        )

    def _long(self, value: t.Any) -> list[str]:
        """Return a text of several paragraphs."""
        text = shown.cut(shown.plain(value), self._limits.text)
        lines: list[str] = []
        for line in text.splitlines():
            if line.strip():
                lines += [escape(line), ""]
        return lines[:-1]

    def _part(self, key: str) -> shown.Part:
        return shown.part(self._r.get(key), self._limits.list_rows, self._limits.row_text)

    def _table(self, head: t.Sequence[str], part: shown.Part, row: t.Callable[[t.Any], t.Sequence[str]]) -> None:
        """Write a table; every cell is escaped already."""
        lines = [_row(head), _row(["---"] * len(head)), *(_row(row(one)) for one in part.head)]
        if part.left_out:
            lines.append(_row([f"… {_left_out(part)}", *[""] * (len(head) - 1)]))
        self._add(*lines, *(_row(row(one)) for one in part.tail))

    def _head(self) -> None:
        r = self._r
        what = "Change" if r.get("record") == "change" else "Incident"
        self._add(f"# {what}: {self._short(r.get('title') or r.get('id'))}")
        state = f"**{escape(shown.state(r.get('state')))}** · **{shown.severity(r.get('severity'))}**"
        self._add(f"{state} · {self._short(r.get('environment'))} · {code(r.get('id'))}")
        self._add(*self._long(r.get("headline") or shown.UNKNOWN))
        if r.get("summary"):
            self._add(*self._long(r["summary"]))
        criterion = (r.get("criterion") or {}).get("text")
        self._add(
            f"- Services: {escape(shown.names(r.get('services')))}",
            f"- Criterion: {self._short(criterion)}",
            f"- Reason given: {self._short(r.get('reason'))}",
            *(
                f"- {self._short(shown.title_word(one.get('role')))}: {self._short(one.get('name'))}"
                for one in r.get("roles") or []
            ),
        )

    def _impact(self) -> None:
        r = self._r
        self._add("## Impact")
        lines = shown.measures(r)
        self._table(
            ("What", "Measured", "Source"),
            shown.Part(list(lines), [], 0, len(lines)),
            lambda one: (
                one.what,
                f"**{escape(one.value)}**" + (f" ({self._short(one.note)})" if one.note else ""),
                self._short(one.source),
            ),
        )
        impact = r.get("impact") or {}
        budgets = impact.get("budgets") or []
        if budgets:
            self._table(
                ("Budget of the procedure", "Took", "Budget", "Verdict", "Source"),
                shown.part(budgets, self._limits.list_rows, self._limits.row_text),
                lambda one: (
                    escape(shown.BUDGETS.get(one["what"], one["what"])),
                    shown.seconds(one.get("took")),
                    shown.seconds(one.get("budget")),
                    _sign({True: "good", False: "bad"}.get(one.get("kept"), ""), shown.kept(one.get("kept"))),
                    self._short(one.get("source")),
                ),
            )
        latency = impact.get("latency") or {}
        phases = [(name, latency.get(key) or {}) for key, name in shown.PHASES]
        self._table(
            ("Latency of good answers", "p50", "p95", "Samples"),
            shown.Part(list(phases), [], 0, len(phases)),
            lambda one: (
                one[0],
                shown.seconds(one[1].get("p50")),
                shown.seconds(one[1].get("p95")),
                shown.count(one[1].get("samples")),
            ),
        )
        times = [(name, shown.when(r, key), (r.get("times") or {}).get(key) or {}) for key, name in shown.MOMENTS]
        self._table(
            ("Time (UTC)", "When", "Source"),
            shown.Part(list(times), [], 0, len(times)),
            lambda one: (one[0], escape(one[1]), self._short(one[2].get("source"))),
        )

    def _remains(self) -> None:
        self._add("## What remains")
        left, more = shown.remaining(self._r)
        self._add(f"**{left}**" + (f" ({more})" if more else ""))
        part = self._part("remains")
        if part.rows:
            self._add(*(f"- {escape(one)}" for one in part.head))
            if part.left_out:
                self._add(_left_out(part))
                self._add(*(f"- {escape(one)}" for one in part.tail))

    def _timeline(self) -> None:
        every = self._r.get("timeline") or []
        zone = (self._r.get("zone") or {}).get("name") or shown.UNKNOWN
        self._add("## Timeline")
        part = shown.part([one for one in every if one.get("key")], self._limits.rows, self._limits.row_text)
        self._table(
            ("UTC", f"Local ({self._short(zone)})", "What happened", "By", "Outcome", "Took"), part, self._event
        )
        if len(every) > part.total:
            self._add(f"All {shown.count(len(every))} events are in report.json and report.html.")

    def _event(self, one: Report) -> tuple[str, ...]:
        by = escape(shown.actor(one.get("actor"))) + (f" on {self._short(one['host'])}" if one.get("host") else "")
        text = self._short(one.get("text")) + (f" ({self._short(one['note'])})" if one.get("note") else "")
        return (
            shown.date_time(one.get("at")),
            shown.clock(one.get("local")),
            text,
            by,
            _sign(shown.tone(one.get("outcome")), shown.outcome(one.get("outcome"))),
            shown.took(one),
        )

    def _checklists(self) -> None:
        self._add("## Checklists")
        for one in self._r.get("checklists") or []:
            due = f"due {shown.minute(one['due'])} UTC" if one.get("due") else "no due time yet"
            late = ", **overdue**" if one.get("overdue") else ""
            self._add(f"### {self._short(one.get('title'))} ({due}{late})")
            self._add(*(self._item(item) for item in one.get("items") or []))

    def _item(self, item: Report) -> str:
        said = []
        if item.get("done"):
            by = item.get("by") or {}
            how = "proven by the record" if by.get("kind") == "tool" else f"ticked by {self._short(by.get('name'))}"
            said.append(how + (f" at {shown.date_time(item['at'])} UTC" if item.get("at") else ""))
        if item.get("note"):
            said.append(self._short(item["note"]))
        if item.get("proof"):
            said.append(f"evidence: {', '.join(code(one) for one in item['proof'][:3])}")
        return f"- [{'x' if item.get('done') else ' '}] {self._short(item.get('text'))}" + (
            f" ({'; '.join(said)})" if said else ""
        )

    def _cause(self) -> None:
        r = self._r
        self._add("## Root cause and actions")
        self._add(*(self._long(r["root_cause"]) if r.get("root_cause") else ["The root cause is unknown so far."]))
        contributing = self._part("contributing")
        if contributing.rows:
            self._add("What contributed:")
            self._add(*(f"- {escape(one)}" for one in contributing.rows))
        actions = self._part("actions")
        if actions.rows:
            self._table(
                ("Action", "Kind", "Owner", "Due", "State"),
                actions,
                lambda one: (
                    self._short(one.get("text")),
                    self._short(one.get("type")),
                    self._short(one.get("owner") or "nobody yet"),
                    escape(shown.minute(one["due"])) if one.get("due") else "no date yet",
                    "✅ done" if one.get("done") else "open",
                ),
            )

    def _message(self) -> None:
        message = self._r.get("customer_message") or {}
        if message.get("text"):
            self._add("## Message to customers" + (" (draft: edit before sending)" if message.get("draft") else ""))
            self._add(*(f"> {line}".rstrip() for line in self._long(message["text"])))

    def _facts(self) -> None:
        facts = self._part("before_after")
        if facts.rows:
            self._add("## Before and after")
            self._table(
                ("What", "Host", "Before", "After"),
                facts,
                lambda one: (
                    self._short(one.get("what")),
                    self._short(one.get("host") or "all"),
                    code(shown.value(one.get("before"))),
                    code(shown.value(one.get("after"))),
                ),
            )
        checks = self._part("checks")
        if checks.rows:
            self._add("## Checks")
            self._table(
                ("Check", "Target", "Result", "Before", "Message", "Took"),
                checks,
                lambda one: (
                    self._short(one.get("name")),
                    self._short(one.get("target")),
                    _sign(shown.tone(one.get("status")), shown.outcome(one.get("status")) or shown.UNKNOWN),
                    escape(shown.outcome(one.get("before")) or shown.UNKNOWN),
                    self._short(one.get("message") or "none"),
                    shown.seconds(one.get("seconds")),
                ),
            )
        hosts = self._part("hosts")
        if hosts.rows:
            self._add("## Hosts")
            self._table(
                ("Host", "Outcome", "Summary", "Clock against the controller's"),
                hosts,
                lambda one: (
                    self._short(one.get("name")),
                    _sign(shown.tone(one.get("outcome")), shown.outcome(one.get("outcome")) or shown.UNKNOWN),
                    self._short(one.get("summary")),
                    escape(shown.skew(one.get("skew"))),
                ),
            )

    def _logs(self) -> None:
        logs = self._part("logs")
        if not logs.rows:
            return
        self._add("## Logs")
        self._table(
            ("Service", "Host", "Errors before", "Errors after", "Evidence"),
            logs,
            lambda one: (
                self._short(one.get("service")),
                self._short(one.get("host")),
                shown.count(one.get("errors_before")),
                shown.count(one.get("errors_after")),
                ", ".join(code(path) for path in (one.get("evidence") or [])[:3]) or "none",
            ),
        )
        for one in logs.rows:
            new = one.get("new") or []
            if new:
                where = f" on {self._short(one['host'])}" if one.get("host") else ""
                more = len(new) - self._limits.log_lines
                left = f" (the first {self._limits.log_lines} of {len(new)}; all in report.json)" if more > 0 else ""
                self._add(f"New error lines of {self._short(one.get('service'))}{where}{left}:")
                self._add(*fence(new[: self._limits.log_lines]))

    def _people(self) -> None:
        contacts = self._r.get("contacts") or {}
        people = [*(contacts.get("technical") or []), *(contacts.get("business") or [])]
        if people:
            self._add("## Contacts")
            self._table(
                ("Role", "Name", "Phone", "E-mail"),
                shown.part(people, self._limits.list_rows, self._limits.row_text),
                lambda one: tuple(self._short(one.get(key)) for key in ("role", "name", "phone", "email")),
            )
        sent = self._part("notifications")
        if sent.rows:
            self._add("## Notifications")
            self._table(
                ("UTC", "Channel", "About", "Result", "Detail"),
                sent,
                lambda one: (
                    shown.date_time(one.get("at")),
                    self._short(one.get("channel")),
                    self._short(one.get("about")),
                    {True: "✅ accepted", False: "❌ failed"}.get(one.get("ok"), shown.UNKNOWN),
                    self._short(one.get("detail") or "none"),
                ),
            )

    def _record(self) -> None:
        evidence = self._part("evidence")
        if evidence.rows:
            self._add("## Evidence")
            self._table(
                ("File", "About", "Size", "sha256", "State"),
                evidence,
                lambda one: (
                    code(one.get("path")),
                    self._short(one.get("about")),
                    shown.size(one.get("bytes")),
                    code(one.get("sha256") or shown.UNKNOWN),
                    {True: "intact", False: "❌ changed or missing"}.get(one.get("intact"), shown.UNKNOWN),
                ),
            )
        health = self._r.get("record_health") or {}
        self._add("## The record")
        self._add(
            f"- Events: {shown.count(health.get('events'))}, damaged lines: {shown.count(health.get('damaged'))}",
            f"- sha256 of events.jsonl: {code(health.get('sha256') or shown.UNKNOWN)}",
            *(f"- Merged from: {self._short(one)}" for one in (health.get("merged") or [])[: self._limits.list_rows]),
            *(f"- Trouble: {self._short(one)}" for one in (health.get("troubles") or [])[: self._limits.list_rows]),
        )
        made = f"{self._short(self._r.get('generator'))} at {shown.date_time(self._r.get('generated'))} UTC"
        self._add(f"Written by {made}. Everything that was left out is in report.json.")


def _left_out(part: shown.Part) -> str:
    return f"{shown.count(part.left_out)} of {shown.count(part.total)} rows are only in report.json"


def _row(cells: t.Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
