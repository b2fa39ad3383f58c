#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the default suite from outside on both production hosts of the sandbox, in turns with what it stands beside.

In every round: the module as a process with all public checks but the browser's; each check alone, one after the other,
the slowest of them named; the playbook; and the sequential curl script that people write by hand. Between them it is
quiet for a second and more, because the app counts requests per second. Changes nothing.

    .venv/bin/python -m benchmarks.smoke_check [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.limits import Limit, arguments, judge
from sandbox.cli import inside
from sandbox.config import APP_NAME, HTTPS_PORT, STATE, host

ROOT = Path(__file__).resolve().parent.parent
HOSTS = ("prod1", "prod2")
CA = STATE / "ca" / "ca.crt"
URL = f"https://{APP_NAME}:{HTTPS_PORT}"
MODULE = "ansible_collections.pangeafate.hotfix.plugins.modules.smoke_check"
#: At least so many checks, and at most so many seconds more than the slowest of them.
CHECKS, MORE = 12, 1.0
QUIET = 1.2

# The suite as a play sees it: read by the lookup, with its variables rendered.
RENDER = """\
- name: Write the suite as it is for a host
  hosts: prod1
  gather_facts: false
  tasks:
    - name: Write it
      ansible.builtin.copy:
        content: "{{ hotfix_checks | to_json }}"
        dest: "{{ rendered }}"
        mode: "0600"
      delegate_to: localhost
      vars:
        ansible_connection: local
        ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

# What people's scripts do: one curl after the other, and the next host after the first.
HAND = """
set -u
fail() { echo "FAILED: $*" >&2; exit 1; }
for address in "$@"; do
  curl() { command curl --silent --cacert "$CA" --connect-to "$NAME:$PORT:$address:$PORT" "$@"; }
  status() { curl --output /dev/null --write-out '%{http_code}' "$@"; }
  [ "$(status "$URL/api/health")" = 200 ] || fail health
  page=$(curl "$URL/")
  case $page in *'</html>'*) ;; *) fail page ;; esac
  script=$(printf '%s' "$page" | grep -o '/assets/[^"]*\\.js' | head -n 1)
  [ "$(status "$URL$script")" = 200 ] || fail script
  note='{"title": "smoke", "content": "smoke"}'
  saved=$(curl --json "$note" "$URL/api/notes/share")
  id=$(printf '%s' "$saved" | sed -n 's/.*"shareId":"\\([^"]*\\)".*/\\1/p')
  [ -n "$id" ] || fail save
  curl "$URL/api/notes/$id" | grep -q '"title":"smoke"' || fail read
  curl --request DELETE --output /dev/null "$URL/api/notes/$id" || fail delete
  curl --head --header 'Origin: app://obsidian.md' "$URL/api/health" |
    grep -qi '^access-control-allow-origin' || fail CORS
  # Nobody ends the connection: the time limit does.
  curl --http1.1 --include --no-buffer --max-time 1 --header 'Connection: Upgrade' --header 'Upgrade: websocket' \\
    --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: c21va2Ugc21va2Ugc21vaw==' "$URL/ws" |
    head -n 1 | grep -q ' 101 ' || fail WebSocket
  for _number in 1 2 3 4 5; do
    case $(status "$URL/api/health") in 200 | 429) ;; *) fail 'quick requests' ;; esac
  done
  html='{"title": "smoke", "content": "<h1>smoke</h1>"}'
  id=$(curl --json "$html" "$URL/api/notes/share" | sed -n 's/.*"shareId":"\\([^"]*\\)".*/\\1/p')
  [ -n "$id" ] || fail HTML
  curl --request DELETE --output /dev/null "$URL/api/notes/$id" || fail delete
  [ "$(status "$URL/api/nonexistent")" = 404 ] || fail 'not found'
done
"""


@dataclass(frozen=True)
class Round:
    """Seconds of one round. `alone` is the slowest check's own process, `each` all checks' one after the other."""

    checks: int
    module: float
    slowest: str
    alone: float
    each: float
    playbook: float
    hand: float

    @property
    def more(self) -> float:
        """Return what all checks together take more than the slowest alone."""
        return self.module - self.alone


class Bench:
    """The suite and the hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        self.environment = {**kept, "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        running = ("docker", "ps", "--quiet", "--no-trunc")
        self.containers = {name: inside(host(name).container, *running).split() for name in HOSTS}
        self.checks = [one for one in self._rendered() if one.get("scope") != "host" and one["type"] != "browser"]

    def _rendered(self) -> list[dict[str, Any]]:
        playbook, rendered = self.folder / "render.yml", self.folder / "suite.json"
        playbook.write_text(RENDER, encoding="utf-8")
        self.seconds(self.play(playbook, "-e", json.dumps({"rendered": str(rendered)})))
        checks: list[dict[str, Any]] = json.loads(rendered.read_text(encoding="utf-8"))
        return checks

    def play(self, playbook: Path, *arguments: str) -> list[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, "-i", str(ROOT / "inventories/sandbox"), str(playbook), *arguments]

    def seconds(self, command: Sequence[str], **more: str) -> float:
        """Return what a command takes that must work; the quiet before it is not counted."""
        time.sleep(QUIET)
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env={**self.environment, **more}, capture_output=True, text=True, check=False
        )
        took = time.monotonic() - began
        if done.returncode != 0:
            raise SystemExit(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
        self.printed = done.stdout
        return took

    def module(self, checks: Sequence[Mapping[str, Any]]) -> tuple[float, dict[str, Any]]:
        """Run the module as Ansible does, as a process of its own; return its seconds and its result."""
        targets = [
            {
                "name": name,
                "url": URL,
                "address": f"{host(name).address}:{HTTPS_PORT}",
                "ca_file": str(CA),
                "instances": self.containers[name],
            }
            for name in HOSTS
        ]
        arguments = self.folder / "arguments.json"
        given = {"ANSIBLE_MODULE_ARGS": {"checks": list(checks), "targets": targets}}
        arguments.write_text(json.dumps(given), encoding="utf-8")
        command = [sys.executable, "-m", MODULE, str(arguments)]
        took = self.seconds(command, PYTHONPATH=str(ROOT / ".ansible" / "collections"))
        result: dict[str, Any] = json.loads(self.printed)
        return took, result

    def hand(self) -> float:
        addresses = [host(name).address for name in HOSTS]
        settings = {"CA": str(CA), "NAME": APP_NAME, "PORT": str(HTTPS_PORT), "URL": URL}
        return self.seconds(["bash", "-c", HAND, "smoke", *addresses], **settings)

    def measure(self) -> Round:
        """Make one round."""
        module, result = self.module(self.checks)
        made = {one["name"] for one in result["results"] if one["status"] == "passed"}
        alone = {check["name"]: self.module([check])[0] for check in self.checks if check["name"] in made}
        slowest = max(alone, key=lambda name: alone[name])
        playbook = self.seconds(self.play(ROOT / "playbooks/smoke_check.yml", "-l", "production"))
        return Round(len(made), module, slowest, alone[slowest], sum(alone.values()), playbook, self.hand())


def row(taken: Sequence[Round]) -> dict[str, float]:
    """Return the medians; the difference is that of each round, not that of the medians."""
    names = ("module", "alone", "more", "each", "playbook", "hand")
    return {name: statistics.median(getattr(one, name) for one in taken) for name in names}


def table(medians: Mapping[str, float], checks: int, slowest: str) -> str:
    """Return the medians as Markdown, with what each takes in times of the module."""
    rows = [
        (f"**the default suite, {checks} checks x {len(HOSTS)} hosts at once**", "module"),
        (f"its slowest check alone ({slowest})", "alone"),
        ("the same checks one after the other, a process each", "each"),
        ("`playbooks/smoke_check.yml`, with what looks on the hosts", "playbook"),
        (f"the sequential curl script, {len(HOSTS)} hosts", "hand"),
    ]
    lines = ["| what | seconds | times |", "| --- | --: | --: |"]
    whole = medians["module"]
    lines += [f"| {title} | {medians[key]:.2f} s | {medians[key] / whole:.2f} |" for title, key in rows]
    return "\n".join(lines)


def limits(medians: Mapping[str, float], checks: int) -> list[Limit]:
    """Return what was to be reached."""
    return [
        Limit("more than the slowest check", medians["more"], MORE, "s"),
        Limit("checks that are made", checks, CHECKS, least=True),
    ]


def main() -> int:
    options = arguments(__doc__, rounds=5).parse_args()
    with tempfile.TemporaryDirectory(prefix="hb.") as name:
        bench = Bench(Path(name))
        taken = []
        for number in range(1, options.rounds + 1):
            taken.append(bench.measure())
            print(f"round {number}: {taken[-1]}", file=sys.stderr, flush=True)
    medians = row(taken)
    slowest = statistics.mode(one.slowest for one in taken)
    made = min(one.checks for one in taken)
    print(f"\nMedians of {options.rounds} rounds, {os.cpu_count()} cores:\n")
    print(table(medians, made, slowest))
    numbers = {"medians": medians, "checks": made, "taken": [asdict(one) for one in taken]}
    return judge(limits(medians, made), numbers, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
