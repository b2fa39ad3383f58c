# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make so many runs, or the named ones again; fail where one of them was lost.

python -m tests.chaos --runs 20 --seed 7
python -m tests.chaos --case deploy/module_killed/12
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from pathlib import Path

from tests.chaos.runs import ACTIONS, Ended, Place, case_of, drawn
from tests.integration.driver import ROOT

PRINTED = ROOT / ".cache/chaos"


def keep(ended: Ended) -> Path:
    """Keep what a run printed."""
    PRINTED.mkdir(parents=True, exist_ok=True)
    path = PRINTED / f"{str(ended.case).replace('/', '-')}.log"
    path.write_text("\n".join([*ended.problems, ended.printed]), encoding="utf-8")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="drawn where it is not given; it is printed")
    parser.add_argument("--first", type=int, default=0, help="number of the first run, to go on with a seed")
    parser.add_argument("--minutes", type=float, default=None, help="begin no run after so many")
    parser.add_argument("--host", default="staging1")
    parser.add_argument("--whole", action="store_true", help="command all hosts of its group; one has the trouble")
    parser.add_argument("--action", action="append", default=[], choices=sorted(ACTIONS), help="draw among these")
    parser.add_argument("--case", action="append", default=[], help="make this run, as a report names it")
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    cases = [case_of(text) for text in options.case]
    series = range(options.first, options.first + options.runs)
    cases = cases or [drawn(seed, number, options.action) for number in series]
    print(f"seed {seed}, {len(cases)} runs on {options.host}", flush=True)
    place = Place(options.host, whole=options.whole)
    every = []
    began = time.monotonic()
    for number, case in enumerate(cases, options.first):
        if options.minutes is not None and time.monotonic() - began > 60 * options.minutes:
            print(f"{options.minutes:g} minutes are over; go on with --first {number}", flush=True)
            break
        ended = place.run(case)
        every.append(ended)
        path = keep(ended)
        how = f"good after {', '.join(ended.recovered)}" if ended.good else f"LOST, see {path}"
        numbers = f"{ended.failed} of {ended.requests} requests failed"
        print(f"{number:4} {case} from {ended.since}: {how}; {numbers}; {ended.seconds:.0f} s {ended.took}", flush=True)
        for problem in ended.problems:
            print(f"       {problem[:400]}", flush=True)
    by = Counter(len(one.recovered) for one in every if one.good)
    lost = [one for one in every if not one.good]
    first = f"{by[1]} by the same command again"
    print(
        f"{len(every) - len(lost)} good ({first}), {len(lost)} lost, {sum(one.lost_notes for one in every)} notes lost"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
