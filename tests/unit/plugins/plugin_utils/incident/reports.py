# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of reports share: records with times of their own, and samples as a probe writes them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder, Store
from jsonschema import Draft7Validator

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SCHEMA = Path(__file__).resolve().parents[5] / "schemas" / "incident-report.schema.json"
LETTERS = {"g": "good", "f": "failed", "l": "limited", "b": "blind", "u": "unanswered", "s": "good"}


def at(seconds: float) -> str:
    """Return the time so many seconds after the beginning of every test."""
    moment = BEGIN + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


@functools.cache
def validator() -> Any:
    return Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def problems(report: Any) -> list[str]:
    """Return what the schema has against a report."""
    return [f"{error.json_path}: {error.message}" for error in validator().iter_errors(report)]


def event(kind: str, seconds: float = 0.0, took: float | None = None, **more: Any) -> events.Event:
    """Make an event of a record that is written as it happens."""
    end = at(seconds + took) if took is not None else None
    given = {"text": kind, "actor": events.tool(), "at": at(seconds), "end": end, **more}
    made = events.event(kind, **given)
    return {**made, "recorded": end or at(seconds), "mono": 1000.0 + seconds + (took or 0.0), "boot": "boot-1"}


def opening(seconds: float = 0.0, **more: Any) -> events.Event:
    return event("opened", seconds, data={"title": "Saving fails", "environment": "production", **more})


def reached(state: str, seconds: float, **more: Any) -> events.Event:
    return event("state", seconds, data={"state": state, "how": "asked"}, actor=events.human("ann@laptop"), **more)


def row(text: str, target: str = "p1", since: float = 0.0, every: float = 0.2) -> list[dict[str, Any]]:
    """Return samples: g good, s good and slow, f failed, l limited, b blind, u unanswered."""
    found = []
    for index, letter in enumerate(text):
        seconds = 1.5 if letter == "s" else 0.01
        one = {"kind": "sample", "target": target, "at": round(since + index * every, 4), "seconds": seconds}
        one |= {"how": ("fresh", "kept")[index % 2], "verdict": LETTERS[letter]}
        found.append({**one, **({"why": "connection refused"} if letter == "f" else {})})
    return found


def samples(*rows: Iterable[dict[str, Any]], began: float = 0.0, targets: Iterable[str] = ("p1",), **end: Any) -> str:
    """Return a file of samples of a probe that began so many seconds after the beginning."""
    wall = (BEGIN + timedelta(seconds=began)).timestamp()
    lines: list[dict[str, Any]] = [{"kind": "begin", "wall": round(wall, 4), "mono": 1.0, "pid": 1}]
    lines += [{"kind": "target", "at": 0.0, "name": name, "slow": 1.0} for name in targets]
    for one in rows:
        lines += one
    last = max((one["at"] for one in lines if one["kind"] == "sample"), default=0.0)
    lines.append({"kind": "end", "at": last, "why": "stopped", "lost": 0, **end})
    return "".join(f"{json.dumps(one)}\n" for one in lines)


def made(path: Path, *given: events.Event, probes: Iterable[str] = ()) -> Folder:
    """Write a record with these events and probes."""
    folder = Store(path / "incidents").create("production", "incident-1")
    lines = list(given)
    for number, text in enumerate(probes, 1):
        reference = folder.add_evidence(f"probe-{number}-samples.jsonl", text, "every sample of the probe")
        lines.append(
            event("probe", number, 1.0, evidence=[reference], actor=events.probe(), event_id=f"probe-{number}")
        )
    folder.append(*lines)
    return folder
