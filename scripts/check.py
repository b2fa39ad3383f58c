#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's checks, section by section, and close with the line `N passed, N failed`.

A section that fails ends the run after all its checks were made: what follows would cost minutes and tell little.
`a,b+c` runs the sections `a` and `b`, and beside them `c`: for what mostly waits, or needs one processor of several.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
# "==== 1 failed, 2 passed in 3.05s ====", and the same without the bars where pytest is told to be quiet.
PYTEST_SUMMARY = re.compile(r"^(?:=+ )?(?:\d+ [a-z]+, )*\d+ [a-z]+ in [0-9.]+s(?: \([0-9:]+\))?(?: =+)?$")
SANITY_TEST = re.compile(r'^Running sanity test "')
# The oldest interpreter that the controller side supports, and with it the oldest ansible-core.
OLDEST = "3.11"
# The parts of the sandbox: what works on one of them goes on beside what works on the other.
STAGING, PRODUCTION = "staging", "production"
#: What a scenario may be limited to, and the part that it is of.
LIMITS = {STAGING: STAGING, PRODUCTION: PRODUCTION, "prod1": PRODUCTION}

T = TypeVar("T")


@dataclass(frozen=True)
class Check:
    name: str
    command: Sequence[str]
    environment: tuple[tuple[str, str], ...] = ()


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    sanity_tests: int = 0

    def read(self, line: str) -> None:
        """Count what a line of a check's output reports; most report nothing."""
        if SANITY_TEST.match(line):
            self.sanity_tests += 1
        if PYTEST_SUMMARY.match(line):
            for number, outcome in re.findall(r"(\d+) (passed|failed|skipped|errors?)", line):
                field = "failed" if outcome.startswith("error") else outcome
                setattr(self, field, getattr(self, field) + int(number))

    def close(self, returncode: int) -> None:
        """Let the exit code decide: a check that fails has at least one failure, one that counts nothing is one."""
        if returncode:
            self.failed = max(self.failed, 1)
            self.passed += max(self.sanity_tests - 1, 0)
        elif self.failed:
            raise RuntimeError("a check reported failures and exited with 0")
        else:
            self.passed += self.sanity_tests
            self.passed = max(self.passed, 1)


class Output:
    """What is printed in one of several lanes: kept until it is the lane's turn, and then shown as it comes."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._kept: list[str] | None = []
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        with self._lock:
            if self._kept is None:
                self._show(text)
            else:
                self._kept.append(text)

    def begin(self) -> None:
        with self._lock:
            for text in self._kept or []:
                self._show(text)
            self._kept = None


def show(text: str) -> None:
    print(text, end="", flush=True)


def at_once(lanes: Sequence[Callable[[Callable[[str], None]], T]]) -> list[T]:
    """Run all lanes, and show what they print one lane after the other."""
    outputs = [Output(show) for _lane in lanes]
    with ThreadPoolExecutor(len(lanes)) as pool:
        running = [pool.submit(lane, output.write) for lane, output in zip(lanes, outputs, strict=True)]
        results = []
        for lane, output in zip(running, outputs, strict=True):
            output.begin()
            results.append(lane.result())
    return results


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def pytest(*arguments: str, slow: bool) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", *([] if slow else ["-m", "not slow"]), *arguments]


def shell_scripts() -> list[str]:
    """Every file of the tree that a shell runs, by its first line."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    scripts = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as stream:
                if re.match(rb"#!(/usr/bin/env bash|/bin/(ba)?sh)\b", stream.readline(80)):
                    scripts.append(name)
    return scripts


def lint(_slow: bool) -> list[Check]:
    return [
        Check("the tree's own rules", [sys.executable, "scripts/check_tree.py"]),
        Check("ruff", [tool("ruff"), "check", "."]),
        Check("ruff format", [tool("ruff"), "format", "--check", "--quiet", "--diff", "."]),
        Check("mypy", [tool("mypy")]),
        Check("yamllint", [tool("yamllint"), "--strict", "."]),
        Check("ansible-lint", [tool("ansible-lint"), "--offline", "--nocolor", "-q"]),
        Check("shellcheck", [tool("shellcheck"), "--severity=warning", *shell_scripts()]),
        Check("changelog", [tool("antsibull-changelog"), "lint"]),
        Check(
            "documentation", [tool("antsibull-docs"), "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "."]
        ),
    ]


def sanity(_slow: bool) -> list[Check]:
    return [Check("ansible-test sanity", [sys.executable, "scripts/sanity.py"])]


def unit(slow: bool) -> list[Check]:
    # What hypothesis draws is the same in each run, but where there is time to look into what is new.
    drawn = ["--hypothesis-profile=new"] if slow else []
    # Many of them wait for what they started, and a few are long: a process that is done takes from the others.
    return [Check("unit tests", pytest("--numprocesses", "3", "--dist", "worksteal", *drawn, "tests/unit", slow=slow))]


def oldest(_slow: bool) -> list[Check]:
    """Install the requirements on the oldest Python, in an environment of its own, and run the unit tests there."""
    venv = ".cache/venv-oldest"
    return [
        Check(
            f"environment of Python {OLDEST}", ["scripts/bootstrap"], (("HOTFIX_PYTHON", OLDEST), ("HOTFIX_VENV", venv))
        ),
        Check(
            f"unit tests on Python {OLDEST}",
            [f"{venv}/bin/python", "-m", "pytest", "-q", "tests/unit"],
            (("PATH", f"{ROOT / venv / 'bin'}{os.pathsep}{os.environ['PATH']}"),),
        ),
    ]


def packaging(slow: bool) -> list[Check]:
    return [Check("packaging", pytest("tests/integration/test_packaging.py", slow=slow))]


def sandbox(_slow: bool) -> list[Check]:
    return [Check("sandbox", ["make", "--no-print-directory", "sandbox"])]


def target(slow: bool) -> list[Check]:
    return [Check("what runs on targets, on Debian 11", pytest("tests/integration/test_oldest_target.py", slow=slow))]


def integration(slow: bool, part: str | None = None) -> list[Check]:
    # What takes longest is told, so that the tier stays short.
    found = pytest("--durations=25", "--durations-min=10", "tests/integration/sandbox", slow=slow)
    if part:
        found += ["--part", part]
    return [Check("playbooks against the sandbox", found)]


def molecule(_slow: bool, part: str | None = None) -> list[Check]:
    scenarios = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    if not scenarios:
        raise SystemExit("there is no Molecule scenario under molecule/")
    # Molecule passes over a scenario that has nothing to verify, and calls it a success.
    if untested := [name for name in scenarios if not list(ROOT.glob(f"molecule/{name}/tests/test_*.py"))]:
        raise SystemExit(f"scenarios without tests: {', '.join(untested)}")
    hosts = {name: hosts_of(name) for name in scenarios}
    # Plain output; and no advice on where else the scenarios could be.
    environment = (("MOLECULE_COMMAND_BORDERS", "false"), ("MOLECULE_GLOB", "molecule/*/molecule.yml"))
    records = ROOT / ".cache/test-incidents"
    return [
        Check(
            f"scenario {name}",
            [tool("molecule"), "test", "--scenario-name", name],
            (*environment, ("SANDBOX_INCIDENTS", str(records / name))),
        )
        for name in scenarios
        if part in (None, hosts[name])
    ]


def hosts_of(scenario: str) -> str:
    """The part of the sandbox that a scenario works on."""
    limit = re.search(r"--limit=(\S+)", (ROOT / f"molecule/{scenario}/molecule.yml").read_text(encoding="utf-8"))
    if limit is None or limit[1] not in LIMITS:
        raise SystemExit(f"scenario {scenario} is to say {' or '.join(f'--limit={name}' for name in LIMITS)}")
    return LIMITS[limit[1]]


SECTIONS: dict[str, Callable[[bool], list[Check]]] = {
    section.__name__: section
    for section in (lint, sanity, unit, oldest, packaging, sandbox, target, integration, molecule)
}
SECTIONS |= {
    f"{section.__name__}-{part}": functools.partial(section, part=part)
    for section in (integration, molecule)
    for part in (STAGING, PRODUCTION)
}


def run(check: Check, write: Callable[[str], None]) -> Tally:
    """Run one check, writing its output as it comes."""
    write(f"\n--- {check.name}\n")
    tally = Tally()
    started = time.monotonic()
    # The tools call one another by name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **dict(check.environment)}
    process = subprocess.Popen(
        check.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        if process.stdout is not None:
            for line in process.stdout:
                write(line)
                tally.read(line.rstrip())
    tally.close(process.returncode)
    outcome = "ok" if process.returncode == 0 else f"FAILED (exit code {process.returncode})"
    write(f"--- {check.name}: {outcome}, {time.monotonic() - started:.1f} s\n")
    return tally


@dataclass(frozen=True)
class Result:
    section: str
    tallies: Sequence[Tally]
    seconds: float
    beside: Sequence[str]

    @property
    def failed(self) -> int:
        return sum(tally.failed for tally in self.tallies)

    def row(self) -> str:
        beside = f"   beside {', '.join(self.beside)}" if self.beside else ""
        return f"{self.section:<23} {'FAILED' if self.failed else 'ok':<7} {self.seconds:7.1f} s{beside}"


def run_sections(names: Sequence[str], slow: bool, beside: Sequence[str], write: Callable[[str], None]) -> list[Result]:
    """Run sections one after the other, up to the first that fails."""
    results: list[Result] = []
    for name in names:
        write(f"\n=== {name} ===\n")
        started = time.monotonic()
        tallies = [run(check, write) for check in SECTIONS[name](slow)]
        results.append(Result(name, tallies, time.monotonic() - started, beside))
        if results[-1].failed:
            break
    return results


def stage(text: str) -> list[list[str]]:
    """Read `a,b+c`: the lanes of a stage."""
    lanes = [lane.split(",") for lane in text.split("+")]
    for name in itertools.chain.from_iterable(lanes):
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"there is no section {name!r}, but: {', '.join(SECTIONS)}")
    return lanes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="+", type=stage, metavar="SECTIONS", help=", ".join(SECTIONS))
    parser.add_argument("--slow", action="store_true", help="also the tests that take long")
    arguments = parser.parse_args()
    results: list[Result] = []
    for lanes in arguments.stages:
        started = [
            functools.partial(
                run_sections, lane, arguments.slow, [x for other in lanes if other is not lane for x in other]
            )
            for lane in lanes
        ]
        results += itertools.chain.from_iterable(at_once(started))
        if any(result.failed for result in results):
            break
    done = [result.section for result in results]
    named = [name for lanes in arguments.stages for lane in lanes for name in lane]
    rows = [*(result.row() for result in results), *(f"{name:<23} not run" for name in named if name not in done)]
    print("\n=== summary ===", *rows, sep="\n")
    tallies = [tally for result in results for tally in result.tallies]
    passed, failed, skipped = (sum(getattr(t, key) for t in tallies) for key in ("passed", "failed", "skipped"))
    if skipped:
        print(f"skipped: {skipped}")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
