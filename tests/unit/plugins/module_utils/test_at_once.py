# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several things at once, none waited for too long, and a value that several need made once."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._at_once import Once, at_once


def test_what_returns_what_raises_and_what_hangs_are_told_apart() -> None:
    end = threading.Event()

    def hangs() -> str:
        end.wait(30)
        return "late"

    def fails() -> str:
        raise ValueError("no")

    began = time.monotonic()
    good, bad, late = at_once([lambda: "good", fails, hangs], 0.3)
    end.set()
    assert time.monotonic() - began < 5
    assert good is not None
    assert (good.value, good.error) == ("good", None)
    assert bad is not None
    assert isinstance(bad.error, ValueError)
    assert late is None


def test_what_several_need_is_made_once() -> None:
    made: list[int] = []

    def make() -> int:
        time.sleep(0.05)
        made.append(1)
        return len(made)

    once = Once(make)
    found = at_once([once] * 8, 5)
    assert [one.value for one in found if one is not None] == [1] * 8
    assert made == [1]


def test_what_could_not_be_made_is_not_tried_again() -> None:
    tried: list[int] = []

    def fails() -> int:
        tried.append(1)
        raise OSError("gone")

    once = Once(fails)
    for _number in range(3):
        with pytest.raises(OSError, match="gone"):
            once()
    assert tried == [1]
