# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of an incident, in the words that every channel uses."""

from __future__ import annotations

import os
import re
import socket
import typing as t

#: For whoever reads the JSON of a webhook.
SCHEMA = "pangeafate.hotfix/incident-notification/1"

REPORTS = {"html": "report.html", "markdown": "report.md", "json": "report.json"}
UNKNOWN = "unknown"

_SAID = {
    "opened": "Incident opened",
    "mitigated": "Incident mitigated",
    "resolved": "Incident resolved",
    "failed": "Run failed in incident",
}
_LONGEST = {"title": 300, "headline": 2000}
_MOST = 50
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _text(value: t.Any, longest: int = 500) -> str:
    """Return a text without control characters, and not without end."""
    text = _CONTROL.sub(" ", str(value)).strip() if value is not None else ""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _line(value: t.Any, longest: int = 500) -> str:
    """Return a text on one line: what is in a header or a subject begins no other one."""
    return _text(" ".join(str(value).split()) if value is not None else "", longest)


def _names(value: t.Any) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value] if value else []
    return [_line(one, 100) for one in values[:_MOST]]


def _times(value: t.Any) -> dict[str, str | None]:
    """Return the times by name. A report has each with its source; here the time is enough."""
    if not isinstance(value, t.Mapping):
        return {}
    found = {}
    for name, at in list(value.items())[:_MOST]:
        at = at.get("at") if isinstance(at, t.Mapping) else at
        found[_line(name, 50)] = _line(at, 50) if at else None
    return found


class Message:
    """One moment of one incident.

    *facts* may lack anything: what is not there is unknown. ``facts["event"]`` is the ID of the event that is told, by
    which telling it twice is told from telling of another one.
    """

    def __init__(self, folder: str, about: str, facts: t.Mapping[str, t.Any]) -> None:
        self.about = about
        self.incident = _line(facts.get("incident") or os.path.basename(folder), 100)
        self.event = _line(facts.get("event"), 100)
        self.at = _line(facts.get("at"), 50) or None
        self.title = _line(facts.get("title"), _LONGEST["title"]) or self.incident
        severity = facts.get("severity")
        self.severity: int | None = None
        if isinstance(severity, (int, str)) and str(severity) in ("1", "2", "3", "4"):
            self.severity = int(severity)
        self.environment = _line(facts.get("environment"), 100) or None
        self.headline = _text(facts.get("headline") or facts.get("summary"), _LONGEST["headline"])
        self.operator = _line(facts.get("operator"), 200) or None
        self.services = _names(facts.get("services"))
        self.hosts = _names(facts.get("hosts"))
        self.times = _times(facts.get("times"))
        self.folder = folder
        self.reports = {kind: os.path.join(folder, name) for kind, name in REPORTS.items()}
        self.controller = socket.gethostname()

    @property
    def key(self) -> str:
        """Return what is the same when the same is told again."""
        return "/".join(part for part in (self.incident, self.about, self.event) if part)

    @property
    def subject(self) -> str:
        """Return it on one line, the place first: it is read on the screen of a phone."""
        where = f"[{self.environment}] " if self.environment else ""
        return f"{where}{_SAID.get(self.about, self.about)}: {self.title}"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Return what is known besides, by name."""
        known = [
            ("Incident", self.incident),
            ("Severity", str(self.severity or UNKNOWN)),
            ("Environment", self.environment or UNKNOWN),
            ("Services", ", ".join(self.services)),
            ("Hosts", ", ".join(self.hosts)),
            ("Operator", self.operator or ""),
            *((name.replace("_", " ").capitalize(), at) for name, at in self.times.items() if at),
            ("Report", f"{self.controller}:{self.reports['html']}"),
        ]
        return [(name, value) for name, value in known if value]

    def as_json(self) -> dict[str, t.Any]:
        """Return it for a program."""
        return {
            "schema": SCHEMA,
            "key": self.key,
            "incident": self.incident,
            "about": self.about,
            "at": self.at,
            "title": self.title,
            "severity": self.severity,
            "environment": self.environment,
            "services": self.services,
            "hosts": self.hosts,
            "operator": self.operator,
            "headline": self.headline or None,
            "times": self.times,
            "reports": {"host": self.controller, **self.reports},
        }
