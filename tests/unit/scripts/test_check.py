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
    assert "three                   not run" in lines


def said(name: str, words: str, seconds: float = 0.0, code: int = 0) -> object:
    script = f"import time; time.sleep({seconds}); print({words!r}); raise SystemExit({code})"
    return check.Check(name, [sys.executable, "-c", script])


def test_what_runs_beside_is_counted_and_shown_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = {
        "one": [said("first", "4 passed in 0.10s", 0.6)],
        "two": [said("second", "8 passed in 0.10s")],
        "three": [said("third", "16 passed in 0.10s"), said("fourth", "32 passed in 0.10s")],
    }
    monkeypatch.setattr(check, "SECTIONS", {name: lambda _slow, steps=steps: steps for name, steps in sections.items()})
    monkeypatch.setattr(sys, "argv", ["check.py", "one+two", "three"])
    assert check.main() == 0
    lines = capsys.readouterr().out.splitlines()
    # The second was done long before the first, and is shown after it all the same.
    begun = [line for line in lines if line.startswith("--- ") and ":" not in line]
    assert begun == ["--- first", "--- second", "--- third", "--- fourth"]
    assert [line.split("   ")[-1] for line in lines if line.startswith("one ")] == ["beside two"]
    assert lines[-1] == "60 passed, 0 failed"


def test_a_lane_that_fails_lets_the_other_come_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = {
        "one": said("first", "", code=3),
        "two": said("second", "2 passed in 0.10s", 0.3),
        "three": said("third", "4 passed in 0.10s"),
        "four": said("fourth", "8 passed in 0.10s"),
    }
    monkeypatch.setattr(check, "SECTIONS", {name: lambda _slow, step=step: [step] for name, step in sections.items()})
    monkeypatch.setattr(sys, "argv", ["check.py", "one,two+three", "four"])
    assert check.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.endswith(" not run")] == ["two", "four"]
    assert lines[-1] == "4 passed, 1 failed"


def test_an_unknown_section_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["check.py", "lint,snity+unit"])
    with pytest.raises(SystemExit):
        check.main()
    assert "there is no section 'snity', but: lint, " in capsys.readouterr().err


def scenario(root: Path, name: str, limit: str) -> None:
    (root / "molecule" / name / "tests").mkdir(parents=True)
    (root / "molecule" / name / "molecule.yml").write_text(limit)
    (root / "molecule" / name / "tests" / f"test_{name}.py").touch()


def test_every_scenario_is_in_the_part_of_its_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROOT", tmp_path)
    for name, where in (("adopt", "production"), ("see", "staging"), ("use", "production")):
        scenario(tmp_path, name, f"        - --limit={where}\n")
    parts = {"molecule": ["adopt", "see", "use"], "molecule-staging": ["see"], "molecule-production": ["adopt", "use"]}
    for section, names in parts.items():
        assert [item.name for item in check.SECTIONS[section](False)] == [f"scenario {name}" for name in names]
    scenario(tmp_path, "zone", "scenario: {name: zone}\n")
    with pytest.raises(SystemExit, match="zone is to say"):
        check.molecule(False)


def test_a_scenario_without_tests_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROOT", tmp_path)
    with pytest.raises(SystemExit):
        check.molecule(False)
    (tmp_path / "molecule" / "deploy").mkdir(parents=True)
    (tmp_path / "molecule" / "deploy" / "molecule.yml").write_text("- --limit=production\n")
    with pytest.raises(SystemExit, match="deploy"):
        check.molecule(False)
    (tmp_path / "molecule" / "deploy" / "tests").mkdir()
    (tmp_path / "molecule" / "deploy" / "tests" / "test_deploy.py").touch()
    assert [item.name for item in check.molecule(False)] == ["scenario deploy"]
