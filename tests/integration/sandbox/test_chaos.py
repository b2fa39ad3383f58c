# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever breaks in the middle of a change under load, the next commands reach a good state: the cases that are kept.

`make chaos` draws others.
"""

from __future__ import annotations

import pytest

from tests.chaos.kept import KEPT, QUICK
from tests.chaos.runs import Place, case_of


@pytest.fixture(scope="module")
def place() -> Place:
    return Place("staging1")


def _is_good(place: Place, text: str) -> None:
    ended = place.run(case_of(text))
    assert ended.good, "\n".join([*ended.problems, f"{ended.lost_notes} notes are lost", ended.printed])


@pytest.mark.parametrize("case", QUICK)
def test_what_was_broken_is_made_good(place: Place, case: str) -> None:
    _is_good(place, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", KEPT)
def test_what_was_lost_once_is_not_lost_again(place: Place, case: str) -> None:
    _is_good(place, case)
