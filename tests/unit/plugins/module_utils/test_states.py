# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

ALLOWED = {
    ("absent", "preparing"),
    ("preparing", "prepared"),
    ("preparing", "failed"),
    ("prepared", "live"),
    ("prepared", "failed"),
    ("live", "confirmed"),
    ("live", "superseded"),
    ("live", "voided"),
    ("confirmed", "superseded"),
    ("confirmed", "voided"),
    ("superseded", "live"),
    ("voided", "live"),
}
EVERY = sorted(itertools.product(_states.TRANSITIONS, _states.TRANSITIONS))


@pytest.mark.parametrize("pair", EVERY, ids=["-".join(pair) for pair in EVERY])
def test_every_pair_of_states(pair: t.Tuple[str, str]) -> None:
    if pair in ALLOWED:
        _states.check("r", *pair)
    else:
        with pytest.raises(HotfixError, match=f"r is {pair[0]} and cannot become {pair[1]}"):
            _states.check("r", *pair)


def test_an_unknown_state_leads_nowhere() -> None:
    with pytest.raises(HotfixError):
        _states.check("r", "lively", "live")
