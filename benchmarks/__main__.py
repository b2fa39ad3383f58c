# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make every measurement, one after the other, and write what was to be reached and what was as one table.

The table goes into README.md, between the two marks that are there for it, with the machine, the versions and the
command. What each benchmark came to is kept in measured.json beside this file, with its day and its machine, so that
one of them can be made again without the others; every number of the last runs is under artifacts/benchmarks.

    .venv/bin/python -m benchmarks [--only NAME …] [--rounds N] [--table]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.limits import Limit

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = ROOT / "artifacts/benchmarks"
KEPT = ROOT / "benchmarks/measured.json"
NAMES = (
    "rollback",
    "smoke_check",
    "feature_flag",
    "diagnose",
    "entrypoint",
    "incident",
    "emergency_build",
    "hotfix",
    "scale",
    "soak",
)
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


Measured = dict[str, dict[str, Any]]


def measure(name: str, rounds: int | None) -> int:
    """Make one benchmark, which tells by itself how it goes; keep what it came to, and return its exit code."""
    print(f"\n=== {name}\n", flush=True)
    NUMBERS.mkdir(parents=True, exist_ok=True)
    file = NUMBERS / f"{name}.json"
    file.unlink(missing_ok=True)
    more = ["--rounds", str(rounds)] if rounds else []
    program = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(file)]
    code = subprocess.run([*program, *more], cwd=ROOT, check=False).returncode
    if file.exists():
        keep(name, json.loads(file.read_text(encoding="utf-8")), machine())
    return code


def keep(name: str, found: dict[str, Any], on: str, file: Path = KEPT) -> None:
    """Put what a benchmark came to beside what the others did."""
    every = kept(file)
    every[name] = {"measured": found["measured"], "machine": on, "limits": found["limits"]}
    file.write_text(json.dumps(every, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def kept(file: Path = KEPT) -> Measured:
    """Return what each benchmark came to when it was made last."""
    found: Measured = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def machine() -> str:
    """Say on what it was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    docker = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, Linux {platform.release().partition('-')[0]}, Docker {docker}, "
        f"Python {platform.python_version()}, ansible-core {version('ansible-core')}; hosts and users are on it too"
    )


def rows(measured: Measured) -> Iterator[str]:
    """Yield a line of the table for every limit of every benchmark that was made."""
    for name in NAMES:
        found = measured.get(name, {"limits": []})
        for number, one in enumerate(found["limits"]):
            limit = Limit(**one)
            called = f"`{name}`, {found['measured']}" if number == 0 else ""
            shown = limit.shown if limit.good else f"**{limit.shown}, missed**"
            yield f"| {called} | {limit.what} | {shown} | {limit.allowed} |"


def table(measured: Measured) -> str:
    """Return the whole of what stands between the marks."""
    head = "| benchmark | what | measured | to be reached |\n| --- | --- | --: | --: |"
    listed = "\n".join(rows(measured))
    missing = [f"`{name}`" for name in NAMES if name not in measured]
    lacks = f"\n\nNot measured there by this command: {', '.join(missing)}." if missing else ""
    machines = "; or on ".join(dict.fromkeys(measured[name]["machine"] for name in NAMES if name in measured))
    return f"On {machines}. `python -m benchmarks` makes it anew.\n\n{head}\n{listed}{lacks}"


def written(text: str, inner: str) -> str:
    """Return *text* with *inner* between the marks."""
    found, count = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _old: f"{BEGIN}\n\n{inner}\n\n{END}", text, flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"README.md has to have {BEGIN} and {END} once. Next: put them where the table is to be.")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, help="of each, instead of what each makes by itself")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table of what is kept")
    options = parser.parse_args()
    codes = [] if options.table else [measure(name, options.rounds) for name in options.only]
    shown = table(kept())
    readme = ROOT / "README.md"
    readme.write_text(written(readme.read_text(encoding="utf-8"), shown), encoding="utf-8")
    print(f"\n{shown}")
    return 1 if any(codes) else 0


if __name__ == "__main__":
    raise SystemExit(main())
