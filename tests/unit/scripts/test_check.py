# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing line counts what ran, and never more."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SPEC = importlib.util.spec_from_file_location("check", ROOT / "scripts" / "check.py")
assert SPEC is not None
assert SPEC.loader is not None
check = importlib.util.module_from_spec(SPEC)
# dataclasses look their module up by name.
sys.modules["check"] = check
SPEC.loader.exec_module(check)


@pytest.mark.parametrize(
    ("line", "returncode", "counted"),
    [
        ("============ 12 passed in 3.05s ============", 0, (12, 0)),
        ("===== 1 failed, 2 passed, 3 skipped in 63.20s (0:01:03) =====", 1, (2, 1)),
        ("12 passed, 1 deselected in 0.35s", 0, (12, 0)),
        ("2 failed, 1 error in 0.35s", 1, (0, 3)),
        ("no tests ran in 0.01s", 5, (0, 1)),
        ("it said that 12 passed in 3.05s of waiting", 0, (1, 0)),
        ("All checks passed!", 0, (1, 0)),
        ("", 1, (0, 1)),
    ],
)
def test_a_check_is_counted_by_its_last_words_and_its_exit_code(
    line: str, returncode: int, counted: tuple[int, int]
) -> None:
    tally = check.Tally()
    tally.read(line)
    tally.close(returncode)
    assert (tally.passed, tally.failed) == counted


def test_every_test_of_ansible_test_counts() -> None:
    tally = check.Tally()
    for name in ("compile", "import", "pep8"):
        tally.read(f'Running sanity test "{name}"')
    tally.close(0)
    assert (tally.passed, tally.failed) == (3, 0)


def test_a_check_that_contradicts_itself_is_an_error() -> None:
    tally = check.Tally()
    tally.read("1 failed, 2 passed in 1.00s")
    with pytest.raises(RuntimeError):
        tally.close(0)


def test_the_run_ends_with_the_section_that_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = check.Check("good", [sys.executable, "-c", "print('3 passed in 0.10s')"])
    bad = check.Check("bad", [sys.executable, "-c", "raise SystemExit(3)"])
    monkeypatch.setattr(
        check,
        "SECTIONS",
        {"one": lambda _slow: [good], "two": lambda _slow: [bad, good], "three": lambda _slow: [good]},
    )
    monkeypatch.setattr(sys, "argv", ["check.py", "one", "two", "three"])
    assert check.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "6 passed, 1 failed"
    assert "three        not run" in lines


def test_a_scenario_without_tests_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROOT", tmp_path)
    with pytest.raises(SystemExit):
        check.molecule(False)
    (tmp_path / "molecule" / "deploy").mkdir(parents=True)
    (tmp_path / "molecule" / "deploy" / "molecule.yml").touch()
    with pytest.raises(SystemExit, match="deploy"):
        check.molecule(False)
    (tmp_path / "molecule" / "deploy" / "tests").mkdir()
    (tmp_path / "molecule" / "deploy" / "tests" / "test_deploy.py").touch()
    assert [item.name for item in check.molecule(False)] == ["scenario deploy"]
