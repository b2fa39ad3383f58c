#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the kill switch on the sandbox: from the command to the flag proven off on 2 hosts with 2 instances each.

Beside it, in the same run and in turns: a playbook with one task over SSH, which is what Ansible itself costs, and one
plain curl to one address, which proves nothing. Resets the production hosts of the sandbox.

    .venv/bin/python benchmarks/feature_flag.py [--rounds 7] [--json FILE]
"""

from __future__ import annotations

import json
import os
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
FLAG = "COLLABORATIVE_EDITING"
LIMIT = 0.7
ONE_TASK = """\
- name: One task over SSH
  hosts: all
  gather_facts: false
  tasks:
    - name: Do nothing
      ansible.builtin.command: "true"
      changed_when: false
"""
REDIS = {
    "feature_flag_provider": "redis",
    "feature_flag_token": "",
    "feature_flag_instances": {
        "services": ["backend"],
        "port": 8081,
        "path": "/api/feature-flags",
        "result": "flags.{name}",
    },
}


def seconds(command: list[str], **environment: str) -> float:
    """Run a command that must work, and return how long it took."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    given = {"LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment}
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env={**kept, **given}, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return took


def play(playbook: Path, *arguments: str) -> list[str]:
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return [program, "-i", str(ROOT / "inventories/sandbox"), str(playbook), "-l", "production", *arguments]


def switch(enabled: bool, variables: dict[str, Any]) -> list[str]:
    given = {"flag": FLAG, "enabled": enabled, "reason": "benchmark", **variables}
    return play(ROOT / "playbooks/feature_flag.yml", "-e", json.dumps(given))


def curl(folder: Path) -> float:
    """The seed's way: one request to one address, believed at once. The token goes by a file, not by an argument."""
    token = (ROOT / ".sandbox" / "admin-token").read_text(encoding="utf-8").strip()
    config = folder / "curl"
    config.write_text(f'header = "x-admin-token: {token}"\n', encoding="utf-8")
    config.chmod(0o600)
    url = f"https://127.0.1.11:8443/api/feature-flags/{FLAG}"
    resolve = ["--connect-to", "app.example.com:8443:127.0.1.11:8443", "--cacert", str(ROOT / ".sandbox/ca/ca.crt")]
    body = ["--json", '{"enabled": false}']
    command = ["curl", "--silent", "--show-error", "--fail", "--config", str(config), *resolve, *body]
    return seconds([*command, url.replace("127.0.1.11", "app.example.com")])


def measure(rounds: int, variables: dict[str, Any], more: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Take turns, so that what else the machine does hits all alike; the first turn warms up and is not counted."""
    found: dict[str, list[float]] = {"proven": [], **{name: [] for name in more}}
    for number in range(rounds + 1):
        turn = {name: one() for name, one in more.items()}
        turn["proven"] = seconds(switch(False, variables))
        seconds(switch(True, variables))
        if number:
            for name, took in turn.items():
                found[name].append(took)
    return found


def reset(variant: str) -> None:
    subprocess.run([sys.executable, "-m", "sandbox", "reset", "production", "--variant", variant], cwd=ROOT, check=True)


def main() -> int:
    options = arguments(__doc__, rounds=7).parse_args()
    result: dict[str, Any] = {"rounds": options.rounds}
    limits: list[Limit] = []
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        one_task = folder / "one_task.yml"
        one_task.write_text(ONE_TASK, encoding="utf-8")
        beside: dict[str, Callable[[], float]] = {
            "one task": lambda: seconds(play(one_task)),
            "curl, unproven": lambda: curl(folder),
        }
        for provider, variant, variables in (("http", "per_process_flags", {}), ("redis", "persistent_flags", REDIS)):
            reset(variant)
            taken = measure(options.rounds, variables, beside)
            medians = {what: statistics.median(times) for what, times in taken.items()}
            more = statistics.median(a - b for a, b in zip(taken["proven"], taken["one task"], strict=True))
            what = f"off and proven on 2 hosts x 2 instances ({provider}), more than a one-task playbook"
            limits.append(Limit(what, more, LIMIT, "s"))
            result[provider] = {"seconds": taken, "medians": medians, "more_than_one_task": more}
            print(f"{provider}: off and proven on 2 hosts x 2 instances, medians of {options.rounds} rounds")
            for name, median in medians.items():
                print(f"  {name:<16} {median:6.2f} s   ({min(taken[name]):.2f} to {max(taken[name]):.2f})")
    return judge(limits, result, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
