#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a diagnosis of 2 hosts on the sandbox: from the command to the findings of both.

Beside it, in the same run and in turns: a playbook with one task over SSH, which is what Ansible costs. What each
part of the look took is told after it. Brings the production hosts of the sandbox up, and changes nothing on them.

    .venv/bin/python -m benchmarks.diagnose [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.feature_flag import ONE_TASK, ROOT, play, seconds
from benchmarks.limits import Limit, arguments, judge

LIMIT = 3.0


def measure(rounds: int, folder: Path) -> tuple[dict[str, list[float]], dict[str, dict[str, float]]]:
    """Take turns, so that what else the machine does hits both alike; the first turn warms up and is not counted."""
    one_task = folder / "one_task.yml"
    one_task.write_text(ONE_TASK, encoding="utf-8")
    file = folder / "diagnosis.json"
    diagnose = play(ROOT / "playbooks/diagnose.yml", "-e", json.dumps({"diagnose_json": str(file)}))
    found: dict[str, list[float]] = {"diagnosis": [], "one task": []}
    for number in range(rounds + 1):
        turn = {"one task": seconds(play(one_task)), "diagnosis": seconds(diagnose)}
        if number:
            for name, took in turn.items():
                found[name].append(took)
    hosts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["hosts"]
    return found, {host: {name: one["seconds"] for name, one in said["parts"].items()} for host, said in hosts.items()}


def main() -> int:
    options = arguments(__doc__, rounds=5).parse_args()
    subprocess.run([sys.executable, "-m", "sandbox", "up", "production"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as name:
        taken, parts = measure(options.rounds, Path(name))
    medians = {what: statistics.median(times) for what, times in taken.items()}
    more = statistics.median(a - b for a, b in zip(taken["diagnosis"], taken["one task"], strict=True))
    print(f"a diagnosis of 2 hosts, medians of {options.rounds} rounds")
    for what, median in medians.items():
        print(f"  {what:<16} {median:6.2f} s   ({min(taken[what]):.2f} to {max(taken[what]):.2f})")
    for host, took in parts.items():
        slowest = sorted(took.items(), key=lambda pair: -pair[1])
        print(f"  {host}: " + ", ".join(f"{part} {time:.2f}" for part, time in slowest if time >= 0.01))
    numbers = {"rounds": options.rounds, "seconds": taken, "medians": medians, "parts": parts}
    limit = Limit("a diagnosis of two hosts, more than a one-task playbook", more, LIMIT, "s")
    return judge([limit], numbers, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
