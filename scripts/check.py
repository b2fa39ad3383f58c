#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's checks, section by section, and close with the line `N passed, N failed`.

A section that fails ends the run after all its checks were made: what follows would cost minutes and tell little.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# "==== 1 failed, 2 passed in 3.05s ====", and the same without the bars where pytest is told to be quiet.
PYTEST_SUMMARY = re.compile(r"^(?:=+ )?(?:\d+ [a-z]+, )*\d+ [a-z]+ in [0-9.]+s(?: \([0-9:]+\))?(?: =+)?$")
SANITY_TEST = re.compile(r'^Running sanity test "')
# The oldest interpreter that the controller side supports, and with it the oldest ansible-core.
OLDEST = "3.11"


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
    return [Check("unit tests", pytest("--numprocesses", "2", "tests/unit", slow=slow))]


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


def integration(slow: bool) -> list[Check]:
    return [Check("playbooks against the sandbox", pytest("tests/integration/sandbox", slow=slow))]


def molecule(_slow: bool) -> list[Check]:
    scenarios = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    if not scenarios:
        raise SystemExit("there is no Molecule scenario under molecule/")
    # Molecule passes over a scenario that has nothing to verify, and calls it a success.
    if untested := [name for name in scenarios if not list(ROOT.glob(f"molecule/{name}/tests/test_*.py"))]:
        raise SystemExit(f"scenarios without tests: {', '.join(untested)}")
    # Plain output; and no advice on where else the scenarios could be.
    environment = (("MOLECULE_COMMAND_BORDERS", "false"), ("MOLECULE_GLOB", "molecule/*/molecule.yml"))
    return [
        Check(f"scenario {name}", [tool("molecule"), "test", "--scenario-name", name], environment)
        for name in scenarios
    ]


SECTIONS: dict[str, Callable[[bool], list[Check]]] = {
    section.__name__: section for section in (lint, sanity, unit, oldest, packaging, sandbox, integration, molecule)
}


def run(check: Check) -> Tally:
    """Run one check, showing its output as it comes."""
    print(f"\n--- {check.name}", flush=True)
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
                print(line, end="", flush=True)
                tally.read(line.rstrip())
    tally.close(process.returncode)
    outcome = "ok" if process.returncode == 0 else f"FAILED (exit code {process.returncode})"
    print(f"--- {check.name}: {outcome}, {time.monotonic() - started:.1f} s", flush=True)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="+", choices=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--slow", action="store_true", help="also the tests that take long")
    arguments = parser.parse_args()
    total = Tally()
    rows: list[str] = []
    for name in arguments.sections:
        print(f"\n=== {name} ===", flush=True)
        started = time.monotonic()
        tallies = [run(check) for check in SECTIONS[name](arguments.slow)]
        failed = sum(tally.failed for tally in tallies)
        total.passed += sum(tally.passed for tally in tallies)
        total.skipped += sum(tally.skipped for tally in tallies)
        total.failed += failed
        rows.append(f"{name:<12} {'FAILED' if failed else 'ok':<7} {time.monotonic() - started:7.1f} s")
        if failed:
            break
    rows += [f"{name:<12} not run" for name in arguments.sections[len(rows) :]]
    print("\n=== summary ===", *rows, sep="\n")
    if total.skipped:
        print(f"skipped: {total.skipped}")
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
