#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the report of a large record takes: seconds and memory, of a process of its own in every round.

The record holds as many events as are asked for, of hosts' journals, and the samples of a probe of two hosts over an
hour. Beside it stands what only reading the events takes.

    .venv/bin/python -m benchmarks.incident [--rounds 5] [--events 100000] [--json FILE]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.limits import Limit, arguments, judge

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".ansible" / "collections"
#: What a large record may take.
SECONDS, MEGABYTES = 10.0, 300
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_PIECE = 5000

PROGRAM = """
import json, re, sys, time
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, render, report, store
folder = store.Folder(sys.argv[2])
began = time.monotonic()
if sys.argv[1] == "read":
    folder.events()
elif sys.argv[1] == "build":
    report.build(folder)
else:
    render.render(folder)
seconds = time.monotonic() - began
# Not getrusage: its peak counts that of the process which started this one.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))
print(json.dumps([seconds, peak / 1024]))
"""


@dataclass(frozen=True)
class Taken:
    """What one process took."""

    seconds: float
    megabytes: float


def stamp(seconds: float) -> str:
    moment = BEGIN + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def journal(events: Any, number: int) -> Any:
    """Return an event as it is collected from a host."""
    host, run = f"prod{number % 20}", f"run-{number // 500}"
    entry = {"action": "deploy", "step": "pull", "run": run, "owner": "ann@laptop", "fencing": number, "version": "v2"}
    return events.event(
        "journal",
        text=f"deploy: pull ({number})",
        actor=events.tool(),
        host=host,
        clock=host,
        run=run,
        step="pull",
        outcome="done",
        at=stamp(number * 0.03),
        end=stamp(number * 0.03 + 0.02),
        data={"entry": {**entry, "phase": "begin"}, "end_entry": {**entry, "phase": "end", "outcome": "done"}},
    )


def samples() -> str:
    """Return an hour of two hosts, five times a second, with an outage."""
    lines: list[dict[str, Any]] = [{"kind": "begin", "wall": BEGIN.timestamp(), "mono": 1.0, "pid": 1}]
    lines += [{"kind": "target", "at": 0.0, "name": name, "slow": 1.0} for name in ("prod1", "prod2")]
    for number in range(5 * 3600):
        for name in ("prod1", "prod2"):
            bad = 6000 <= number < 6200 and name == "prod1"
            one = {"kind": "sample", "target": name, "at": number * 0.2, "seconds": 0.01, "how": "fresh"}
            lines.append({**one, "verdict": "failed", "why": "refused"} if bad else {**one, "verdict": "good"})
    return "".join(f"{json.dumps(one)}\n" for one in lines)


def record(path: Path, count: int) -> Path:
    """Write the record, and return its folder."""
    sys.path.insert(0, str(COLLECTIONS))
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Store

    def opened(_incident: str) -> events.Event:
        data = {"title": "Saving fails", "environment": "production"}
        return events.event("opened", text="Opened.", actor=events.tool(), at=stamp(0), data=data)

    folder = Store(path / "incidents").create("production", "large", opened)
    reference = folder.add_evidence("samples.jsonl", samples(), "every sample of the probe")
    probe = events.event(
        "probe", text="Probed.", actor=events.probe(), at=stamp(0), end=stamp(3600), evidence=[reference]
    )
    folder.append(probe)
    for since in range(0, count, _PIECE):
        folder.append(*(journal(events, number) for number in range(since, min(count, since + _PIECE))))
    return folder.path


def measure(what: str, folder: Path) -> Taken:
    """Do it in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    command = [sys.executable, "-c", PROGRAM, what, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return Taken(*json.loads(done.stdout))


def table(medians: Mapping[str, Taken]) -> str:
    """Return the medians as Markdown, with what each takes in times of reading."""
    titles = {
        "read": "only reading the events",
        "build": "the report as data",
        "render": "**report.json, report.md, report.html and the calendar**",
    }
    lines = ["| what | seconds | times | MB |", "| --- | --: | --: | --: |"]
    for name, one in medians.items():
        times = one.seconds / medians["read"].seconds
        lines.append(f"| {titles[name]} | {one.seconds:.2f} s | {times:.1f} | {one.megabytes:.0f} |")
    return "\n".join(lines)


def limits(medians: Mapping[str, Taken]) -> list[Limit]:
    """Return what was to be reached."""
    last = medians["render"]
    return [
        Limit("all reports of the incident", last.seconds, SECONDS, "s"),
        Limit("memory for that", last.megabytes, MEGABYTES, "MB"),
    ]


def median(taken: Sequence[Taken]) -> Taken:
    return Taken(statistics.median(one.seconds for one in taken), max(one.megabytes for one in taken))


def main() -> int:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    taken: dict[str, list[Taken]] = {"read": [], "build": [], "render": []}
    with tempfile.TemporaryDirectory(prefix="hb.") as name:
        folder = record(Path(name), options.events)
        for number in range(1, options.rounds + 1):
            for what, found in taken.items():
                found.append(measure(what, folder))
            print(f"round {number}: {[found[-1] for found in taken.values()]}", file=sys.stderr, flush=True)
    medians = {what: median(found) for what, found in taken.items()}
    print(f"\nMedians of {options.rounds} rounds, {options.events} events, {os.cpu_count()} cores; MB: the most.\n")
    print(table(medians))
    numbers = {what: [asdict(one) for one in found] for what, found in taken.items()}
    return judge(limits(medians), numbers, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
