# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of rollbacks says of its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import rollback
from benchmarks.rollback import Taken


def taken(**more: Any) -> Taken:
    values = {"returned": 3.0, "serves": 1.5, "alone": 1.6, "failed": 0, "requests": 400, "lost": 0, "dropped": 20}
    return Taken(**{**values, "gap": 0.1, "why": {}, **more})


def judged(memory: float | None = None, **rows: Taken) -> dict[str, bool]:
    found = rollback.limits({key: rollback.row([one]) for key, one in rows.items()}, memory)
    return {one.what: one.good for one in found}


def test_the_limits_are_ratios_of_the_same_run() -> None:
    one_task = taken(returned=1.4)
    assert all(judged(one_task=one_task, warm=taken(serves=1.6)).values())
    slower = judged(one_task=one_task, warm=taken(serves=1.62))
    assert [what for what, good in slower.items() if not good] == ["warm: v1 serves, in times of a one-task playbook"]


def test_cold_may_take_the_apps_boot_and_a_second_more() -> None:
    warm = taken(serves=1.5)
    assert judged(warm=warm, cold=taken(serves=5.4, boot=3.0))["cold: v1 serves later than warm by"]
    assert not judged(warm=warm, cold=taken(serves=5.6, boot=3.0))["cold: v1 serves later than warm by"]


@pytest.mark.parametrize("key", ["warm", "cold", "switch_back"])
def test_one_failed_request_in_one_round_is_a_miss(key: str) -> None:
    rows = {key: rollback.row([taken(boot=3.0), taken(failed=1, boot=3.0), taken(boot=3.0)])}
    missed = {one.what: one.value for one in rollback.limits(rows, None) if not one.good}
    assert missed[f"{key.replace('_', '-')}: failed requests in any round"] == 1


def test_a_version_that_never_served_is_a_miss_and_shown_as_such(tmp_path: Path) -> None:
    warm = rollback.row([taken(), taken(serves=None, alone=None), taken()])
    methods = [m for m in rollback.Bench("prod2", tmp_path, False).methods() if m.key == "warm"]
    assert "| never | never |" in rollback.table(methods, {"warm": warm})
    first, *_others = rollback.limits({"warm": warm, "one_task": rollback.row([taken()])}, 10.0)
    assert (first.what, first.shown) == ("warm: v1 serves, in times of a one-task playbook", "never")
    assert not first.good


def test_every_method_has_a_line_and_a_key_of_its_own(tmp_path: Path) -> None:
    methods = rollback.Bench("prod2", tmp_path, False).methods()
    rows = {method.key: rollback.row([taken()]) for method in methods}
    assert len(rows) == len(methods)
    assert len(rollback.table(methods, rows).splitlines()) == len(methods) + 2


def test_memory_is_judged_where_it_was_measured() -> None:
    assert judged(memory=30.0) == {"memory of the module on the host": True}
    assert judged(memory=61.0) == {"memory of the module on the host": False}
