# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits are judged alike by all benchmarks, and make one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import app_options
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import LONGEST, OLDER_FILES

from benchmarks import soak
from benchmarks.__main__ import KEPT, NAMES, keep, kept, table, written
from benchmarks.limits import Limit, judge

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("limit", "good"),
    [
        (Limit("x", 1.15, 1.15), True),
        (Limit("x", 1.16, 1.15), False),
        (Limit("x", None, 1.15), False),
        (Limit("x", 12, 12, least=True), True),
        (Limit("x", 11, 12, least=True), False),
    ],
)
def test_what_was_kept_is_told_from_what_was_missed(
    limit: Limit, good: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = judge([Limit("y", 0, 1, "s"), limit], {"rounds": 3}, tmp_path / "numbers.json")
    assert code == (0 if good else 1)
    first, second = capsys.readouterr().out.strip().splitlines()
    assert first == "ok       y: 0.00 s, at most 1.00 s"
    assert second.startswith("ok " if good else "MISSED ")
    found = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert found["rounds"] == 3
    assert Limit(**found["limits"][1]) == limit


def test_the_table_holds_every_limit_and_names_what_was_not_measured(tmp_path: Path) -> None:
    judge([Limit("warm", 1.1, 1.15), Limit("failed", 2, 0)], {"more": 1}, tmp_path / "rollback.json")
    file = tmp_path / "measured.json"
    keep("soak", {"measured": "2026-01-02", "limits": []}, "1 core", file)
    keep("rollback", json.loads((tmp_path / "rollback.json").read_text(encoding="utf-8")), "2 cores", file)
    lines = table(kept(file)).splitlines()
    assert any(
        line.startswith("| `rollback`, 20") and line.endswith("| warm | 1.10 | at most 1.15 |") for line in lines
    )
    assert "|  | failed | **2.00, missed** | at most 0.00 |" in lines
    assert lines[-1].startswith("Not measured there by this command: `smoke_check`,")
    assert lines[-1].endswith("`scale`.")
    assert lines[0] == "On 2 cores; or on 1 core. `python -m benchmarks` makes it anew."


def test_a_benchmark_that_is_made_again_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    for name, day in (("soak", "2026-01-01"), ("scale", "2026-01-02"), ("soak", "2026-01-03")):
        keep(name, {"measured": day, "limits": []}, "2 cores", file)
    assert {name: one["measured"] for name, one in kept(file).items()} == {"soak": "2026-01-03", "scale": "2026-01-02"}


def test_the_readme_shows_what_is_kept() -> None:
    assert table(kept(KEPT)) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_goes_where_the_readme_has_a_place_for_it() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    once = written(readme, "| a |")
    assert "| a |" in once
    assert written(once, "| a |") == once
    with pytest.raises(SystemExit, match=r"README\.md has to have"):
        written("no place", "| a |")


def test_every_benchmark_is_made() -> None:
    there = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__init__", "__main__", "limits", "fleet"}
    assert set(NAMES) == there


def test_the_journal_may_grow_to_what_it_is_cut_down_to() -> None:
    assert soak.JOURNAL_KILOBYTES * 1024 == (OLDER_FILES + 1) * LONGEST


def test_and_the_backups_to_the_newest_and_those_of_as_many_releases() -> None:
    newest = app_options()["backup_keep"]["default"]
    assert newest + newest == soak.BACKUPS
