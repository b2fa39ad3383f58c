# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command's result as data: what --output json prints, and what the other forms are made of.

schemas/hotfix-result.schema.json describes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hotfix import __version__
from hotfix.record import Host, Record
from hotfix.state import State, state_of
from hotfix.verdict import Verdict
from hotfix.watch import Seen

SCHEMA = "urn:pangeafate.hotfix:result:1"
Document = dict[str, Any]
_NEXT = re.compile(r"\bNext: (.+?)(?:\n|$)", re.DOTALL)
_MEASURED = ("samples", "good", "failed", "seconds")


def empty(command: str, verdict: Verdict) -> Document:
    """Return the document of a command that ran nothing."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "command": command,
        "playbook": None,
        "environment": None,
        "limit": None,
        "check": False,
        "exit": {"code": int(verdict.code), "name": verdict.code.word},
        "message": verdict.message.strip(),
        "started": None,
        "ended": None,
        "seconds": 0.0,
        "run": None,
        "hosts": [],
        "lines": [],
        "steps": [],
        "users": {"lines": [], "samples": None, "failed": None},
        "incident": None,
        "items": [],
        "output": None,
        "left": None,
        "next": [],
    }


def document(command: str, seen: Seen, verdict: Verdict, states: Mapping[str, State] | None = None) -> Document:
    """Return the document of a run. *states* are what the hosts are like now, where somebody has looked."""
    record = seen.record
    looked = states if states is not None else {host: state_of(found) for host, found in record.looks().items()}
    message = verdict.message.strip()
    run = record.run
    return {
        **empty(command, verdict),
        "playbook": seen.job.playbook,
        "environment": record.environment or None,
        "limit": seen.job.limit,
        "check": seen.job.check,
        "message": message,
        "started": _stamp(seen.began),
        "ended": _stamp(seen.ended),
        "seconds": round(seen.seconds, 3),
        "run": {key: run.get(key) for key in ("id", "operator", "reason")} if run else None,
        "hosts": [_host(host, looked.get(host.name)) for host in record.hosts.values()],
        "lines": list(record.others),
        "steps": [
            {"name": step.name, "seconds": round((step.ended - step.began).total_seconds(), 3) if step.ended else None}
            for step in record.steps
            if step.hosts and not step.quiet
        ],
        "users": _users(record),
        "incident": dict(record.incident) if record.incident else None,
        "items": items(record),
        "output": _output(record),
        "next": [one.strip() for one in _NEXT.findall(message)],
    }


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _host(host: Host, state: State | None) -> dict[str, Any]:
    outcome, summary = host.outcome, host.summary
    if not outcome:
        # The run ended before its hosts were decided over: what each said last is all there is.
        last: Mapping[str, Any] = next(
            (result for _module, result in reversed(host.results) if result.get("outcome")), {}
        )
        outcome = str(last.get("outcome") or "")
        summary = str(last.get("summary") or last.get("msg") or "")
    if host.unreachable and not host.outcome:
        outcome, summary = "unreachable", host.unreachable
    elif host.failed and not outcome:
        outcome, summary = "failed", host.failed
    return {
        "name": host.name,
        "outcome": outcome or ("ok" if host.reached else "unknown"),
        "summary": summary.strip(),
        "seconds": host.seconds,
        "notes": list(host.notes),
        "state": state,
    }


def _users(record: Record) -> dict[str, Any]:
    found = record.availability or {}
    numbers = {key: found.get(key) for key in ("samples", "failed")}
    return {"lines": list(record.users), **{k: v if isinstance(v, int) else None for k, v in numbers.items()}}


def items(record: Record) -> list[dict[str, Any]]:
    """Return what was looked at one by one: checks of a smoke check, items of a preflight."""
    return [
        _item(host.name, module, one)
        for host in record.hosts.values()
        for module, result in host.results
        for one in result.get("results") or result.get("items") or []
        if isinstance(one, Mapping) and ("name" in one or "item" in one or "key" in one)
    ]


def _item(host: str, module: str, one: Mapping[str, Any]) -> dict[str, Any]:
    seconds = one.get("seconds")
    # A preflight says what it saw, what that breaks and how it is mended; a smoke check has one sentence.
    said = [str(one[key]) for key in ("message", "says", "breaks", "mend") if one.get(key)]
    return {
        "host": str(one.get("target") or host),
        "of": module,
        "name": str(one["name"]),
        "status": str(one.get("status") or "unknown"),
        "text": " ".join(said),
        "seconds": float(seconds) if isinstance(seconds, int | float) else None,
    }


def _output(record: Record) -> str | None:
    """Return what a report module has written for people."""
    texts = [str(found.get("msg")) for found in record.reports.values() if found.get("msg")]
    return "\n".join(texts) or None
