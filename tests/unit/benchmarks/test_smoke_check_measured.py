# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of the default suite says of its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import smoke_check
from benchmarks.smoke_check import Round


def taken(**more: Any) -> Round:
    values = {"checks": 13, "module": 2.0, "alone": 1.5, "each": 9.0, "playbook": 4.0, "hand": 3.0}
    return Round(**{**values, "slowest": "the API is quick", **more})


@pytest.mark.parametrize(("module", "checks", "good"), [(2.5, 12, True), (2.6, 12, False), (2.5, 11, False)])
def test_the_limits(module: float, checks: int, good: bool) -> None:
    medians = smoke_check.row([taken(module=module)])
    assert all(one.good for one in smoke_check.limits(medians, checks)) is good


def test_the_difference_is_taken_within_each_round() -> None:
    # The medians of both sides are 2.0: their difference would hide that it was 0.5 s in two rounds of three.
    rounds = [taken(module=2.0, alone=1.5), taken(module=2.5, alone=2.0), taken(module=1.9, alone=2.0)]
    assert smoke_check.row(rounds)["more"] == pytest.approx(0.5)


def test_every_number_has_a_line() -> None:
    printed = smoke_check.table(smoke_check.row([taken()]), 13, "the API is quick")
    assert "13 checks x 2 hosts" in printed
    assert "| 3.00 s | 1.50 |" in printed
    assert len(printed.splitlines()) == 7
