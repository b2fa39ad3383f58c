#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy and roll back again and again on one host of the sandbox, and see that nothing grows and nothing gets slower.

Looked at: files and bytes of the app's folder, releases, the journal, images and containers of the host's engine, the
memory of all that runs there, and what each command took. What is there after the first tenth counts as what a host
holds; after the last it may not be more by the margins below. Journal and backups alone may grow, up to what is kept of
them: a backup is made every ten minutes, and is as large as what users have written.

    .venv/bin/python -m benchmarks.soak [--rounds 200] [--host bench1] [--json FILE]
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass

from benchmarks.limits import Limit, arguments, judge
from tests.integration.driver import APP, NO_BASELINE, Host, play
from tests.integration.sabotage import zero_downtime

GOOD, NEXT = "v1", "v6"
#: By how much what is looked at may be more at the end, in times of what it was after the first tenth.
MARGIN = 1.1
#: Commands vary more than files do.
SLOWER = 1.15
#: What a host keeps of its journal: the file itself, and what was cut off.
JOURNAL_KILOBYTES = 9 * 512
#: And of its backups: the newest, and those that a kept release may need.
BACKUPS = 5 + 5
_LOOK = f"""
set -eu
echo files $(find {APP} -type f ! -name 'journal*.jsonl' ! -path '*/backups/*' | wc -l)
echo kilobytes $(du -sk --exclude='journal*.jsonl' --exclude=backups {APP} | cut -f1)
echo backups $(ls {APP}/backups | grep -c '[.]dump$')
echo releases $(ls {APP}/releases | wc -l)
echo journal_kilobytes $(cat {APP}/journal*.jsonl | wc -c | awk '{{print int($1 / 1024)}}')
echo images $(docker image ls --all --quiet | sort -u | wc -l)
echo image_tags $(docker image ls --format x | wc -l)
echo containers $(docker ps --all --quiet | wc -l)
echo networks $(docker network ls --quiet | wc -l)
echo volumes $(docker volume ls --quiet | wc -l)
echo processes $(ls -d /proc/[0-9]* | wc -l)
echo megabytes $(cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {{sum += $2}} END {{print int(sum / 1024)}}')
"""


@dataclass(frozen=True)
class Cycle:
    """Seconds that the two commands of a cycle took."""

    deploy: float
    rollback: float


def look(host: Host) -> dict[str, int]:
    """Count what could grow."""
    lines = (line.split() for line in host.run("bash", "-c", _LOOK).splitlines())
    return {name: int(number) for name, number in lines}


def timed(playbook: str, *arguments: str) -> float:
    """Return the seconds of a command that must do what it is told."""
    began = time.monotonic()
    done = play(playbook, *arguments)
    if done.code != 0 or "done on every host" not in done.text:
        raise SystemExit(f"{playbook} ended with {done.code}:\n{done.raw}")
    return time.monotonic() - began


def cycle(host: Host) -> Cycle:
    """Deploy and roll back; the versions are told from what the host says, not from the commands."""
    limit = ("-l", host.name)
    deploy = timed("deploy", *limit, "-e", f"version={NEXT}", *NO_BASELINE)
    served = host.served()[0]
    rollback = timed("rollback", *limit, "-e", "rollback_look=false")
    if (served, host.served()[0]) != (NEXT, GOOD):
        raise SystemExit(f"users were served {served}, and {host.served()[0]} after the rollback")
    return Cycle(deploy, rollback)


def ratios(cycles: list[Cycle], part: int) -> dict[str, float]:
    """Return what the commands take at the end, in times of what they took at the start."""
    found = {}
    for name in ("deploy", "rollback"):
        first, last = ([getattr(one, name) for one in some] for some in (cycles[:part], cycles[-part:]))
        found[name] = statistics.median(last) / statistics.median(first)
    return found


def main() -> int:
    parser = arguments(__doc__, rounds=200)
    parser.add_argument("--host", default="bench1")
    options = parser.parse_args()
    part = max(2, options.rounds // 10)
    (host,) = zero_downtime(options.host)
    cycles: list[Cycle] = []
    held: dict[str, int] = {}
    now: dict[str, int] = {}
    for number in range(1, options.rounds + 1):
        cycles.append(cycle(host))
        if number % part == 0 or number == options.rounds:
            now = look(host)
            held = held or now
            print(f"after {number:4} cycles: {json.dumps(now)}", flush=True)
    print(f"\n{len(cycles)} cycles on {host.name}; times are medians of the first and the last {part} of them")
    limits = [
        Limit(f"{name} at the end of {len(cycles)} cycles, in times of the start", ratio, SLOWER)
        for name, ratio in ratios(cycles, part).items()
    ]
    most = {"journal_kilobytes": float(JOURNAL_KILOBYTES), "backups": float(BACKUPS)}
    limits += [Limit(name.replace("_", " "), now[name], most.get(name, first * MARGIN)) for name, first in held.items()]
    return judge(limits, {"cycles": [asdict(one) for one in cycles], "held": held, "end": now}, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
