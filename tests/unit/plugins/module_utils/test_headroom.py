# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second colour is not started where it would not fit."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _headroom
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

TOO_MUCH = "900TiB / 901TiB"


def uses(runner: t.Any, *amounts: str) -> None:
    runner.answers[("stats",)] = (0, "".join(json.dumps({"MemUsage": amount}) + "\n" for amount in amounts), "")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [("12.5MiB / 1GiB", 13107200), ("1GiB / 2GiB", 1073741824), ("500kB / 1GB", 500000), ("0B / 0B", 0), ("--", 0)],
)
def test_amounts_are_read_as_the_engine_writes_them(usage: str, expected: int) -> None:
    assert _headroom.memory_of({"MemUsage": usage}) == expected


def test_memory_that_is_there_is_enough(make_host: t.Any, runner: t.Any) -> None:
    runner.add("backend")
    uses(runner, "1MiB / 1GiB")
    assert _headroom.require(make_host()) == []


def test_memory_that_is_not_there_is_told_before_anything_is_started(make_host: t.Any, runner: t.Any) -> None:
    runner.add("backend")
    uses(runner, TOO_MUCH)
    with pytest.raises(HotfixError, match="MB of memory are free, and a second release may need") as error:
        _headroom.require(make_host())
    assert "hotfix_strategy=recreate" in error.value.next_step


def test_only_what_users_reach_is_doubled(make_host: t.Any, runner: t.Any) -> None:
    runner.add("postgres")
    assert _headroom.require(make_host()) == ["Whether the memory is enough for two releases could not be looked at."]
    assert not any(words[0] == "stats" for words in runner.calls)
