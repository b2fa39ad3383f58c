#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the command `hotfix` adds to ansible-playbook, by turns in one run: a help page, and whole runs.

The runs are that of a playbook with one task over a local connection and, with --sandbox, that of release_info.yml on
the staging host of the sandbox. Nothing is changed anywhere.

    .venv/bin/python benchmarks/entrypoint.py [--rounds 9] [--sandbox] [--json FILE]
"""

from __future__ import annotations

import functools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.limits import Limit, arguments, judge

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
#: Seconds: of the processor for a help page, and of the clock beside the bare run.
HELP_LIMIT, LIMIT = 0.3, 0.5
ONE_TASK = """\
- name: One task
  hosts: all
  gather_facts: false
  tasks:
    - name: Do nothing
      ansible.builtin.command: "true"
      changed_when: false
"""
INVENTORY = (
    f"staging: {{hosts: {{here: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}}}\n"
)


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command that must work; return how long it took by the clock, and the processor's time."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "HOTFIX_"))}
    given = {"LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "SANDBOX_INCIDENTS": str(folder)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, env={**kept, **given}, capture_output=True, text=True, check=False)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pairs(folder: Path, sandbox: bool) -> dict[str, tuple[list[str], list[str]]]:
    """Return the runs, each bare and by the command."""
    playbook, inventory = folder / "one_task.yml", folder / "hosts.yml"
    playbook.write_text(ONE_TASK, encoding="utf-8")
    inventory.write_text(INVENTORY, encoding="utf-8")
    bare, ours = str(BIN / "ansible-playbook"), str(BIN / "hotfix")
    found = {
        "one task": (
            [bare, "-i", str(inventory), str(playbook), "-l", "staging"],
            [ours, "run", str(playbook), "-i", str(inventory), "-l", "staging"],
        )
    }
    if sandbox:
        hosts = str(ROOT / "inventories/sandbox")
        found["release_info.yml"] = (
            [bare, "-i", hosts, str(ROOT / "playbooks/release_info.yml"), "-l", "staging"],
            [ours, "status", "-i", hosts, "-l", "staging"],
        )
    return found


def measure(rounds: int, turns: dict[str, Callable[[], tuple[float, float]]]) -> dict[str, list[tuple[float, float]]]:
    """Take turns, so that what else the machine does hits all alike; the first turn warms up and is not counted."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, one in turns.items():
            taken = one()
            if number:
                found[name].append(taken)
    return found


def main() -> int:
    parser = arguments(__doc__, rounds=9)
    parser.add_argument("--sandbox", action="store_true", help="also a run against the sandbox's staging host")
    options = parser.parse_args()
    result: dict[str, Any] = {"rounds": options.rounds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        turns: dict[str, Callable[[], tuple[float, float]]] = {
            "help": lambda: run([str(BIN / "hotfix"), "--help"], folder)
        }
        runs = pairs(folder, options.sandbox)
        for what, (bare, ours) in runs.items():
            turns[f"{what}, ansible-playbook"] = functools.partial(run, bare, folder)
            turns[f"{what}, hotfix"] = functools.partial(run, ours, folder)
        taken = measure(options.rounds, turns)
    shown = {what: statistics.median(seconds for seconds, _processor in times) for what, times in taken.items()}
    processor = statistics.median(used for _seconds, used in taken["help"])
    print(f"medians of {options.rounds} rounds, by turns")
    result.update(help=processor, medians=shown, more={})
    limits = [Limit("`hotfix --help`, of the processor", processor, HELP_LIMIT, "s")]
    for what in runs:
        both = zip(taken[f"{what}, hotfix"], taken[f"{what}, ansible-playbook"], strict=True)
        more = statistics.median(ours[0] - bare[0] for ours, bare in both)
        result["more"][what] = more
        limits.append(Limit(f"{what}: `hotfix` takes more than `ansible-playbook`", more, LIMIT, "s"))
        bare_took, took = shown[f"{what}, ansible-playbook"], shown[f"{what}, hotfix"]
        print(f"  {what}: ansible-playbook {bare_took:.2f} s, hotfix {took:.2f} s")
    return judge(limits, result, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
