# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever users make the proxy log, nothing of it is taken for more than it is."""

from __future__ import annotations

from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose import access_log
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(max_size=300))
def test_no_line_is_too_strange(line: str) -> None:
    found = access_log.parse(line)
    assert found is None or 100 <= found.status <= 599


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_a_percentile_is_one_of_the_values(values: list[float]) -> None:
    ordered = sorted(values)
    assert access_log.percentile(ordered, 0.95) in ordered
    assert access_log.percentile(ordered, 0.5) <= access_log.percentile(ordered, 0.99)
