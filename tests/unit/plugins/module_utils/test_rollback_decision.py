# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a rollback goes, for every state that a host can be found in."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Observation
from ansible_collections.pangeafate.hotfix.plugins.module_utils._rollback import decide

GOOD = ("preparing", "prepared", "live", "confirmed")


def seen(releases, **more: t.Any) -> Observation:
    facts: t.Dict[str, t.Any] = {
        "current": releases.current(),
        "managed": releases.managed(),
        "containers": (),
        "drift": (),
        "unfinished": None,
        "attempted": None,
        "damaged": (),
    }
    return Observation(**{**facts, **more})


@pytest.fixture
def history(releases, make):
    """v1 was replaced by v2, which is current and broken."""
    v1 = make("v1", *GOOD, "superseded", by="adopt")
    v2 = make("v2", *GOOD, came_from=v1.id)
    return v1, v2


def test_to_the_last_known_good(releases, history) -> None:
    v1, v2 = history
    decision = decide(releases, seen(releases), None)
    assert (decision.target.id, decision.source.id, decision.change) == (v1.id, v2.id, True)


def rolled_back(releases, history) -> None:
    v1, v2 = history
    v1.advance("live", at="", operator="", why="")
    releases.make_current(v1, by="rollback", came_from=v2.id)
    v2.advance("voided", at="", operator="", why="")
    releases.save(v2)
    v1.advance("confirmed", at="", operator="", why="")
    releases.save(v1)


def test_repeating_it_changes_nothing_and_says_so(releases, history) -> None:
    v1, v2 = history
    rolled_back(releases, history)
    decision = decide(releases, seen(releases), None)
    assert not decision.change
    assert decision.why.startswith(f"Already rolled back from {v2.id} to {v1.id}")


def test_repeating_it_converges_a_host_that_drifted(releases, history) -> None:
    v1, _v2 = history
    rolled_back(releases, history)
    decision = decide(releases, seen(releases, drift=("backend has 0 running containers",)), None)
    assert decision.change
    assert decision.target.id == v1.id


def test_after_an_automatic_switch_back_there_is_nothing_to_do(releases, history) -> None:
    v1, v2 = history
    v1.advance("live", at="", operator="", why="")
    releases.make_current(v1, by="revert", came_from=v2.id)
    decision = decide(releases, seen(releases), None)
    assert not decision.change
    assert "switched back automatically" in decision.why


def test_a_half_deployed_release_is_left_for_the_current_one(releases, history, make) -> None:
    _v1, v2 = history
    v3 = make("v3", "preparing", "prepared")
    decision = decide(releases, seen(releases, attempted=v3.id), None)
    assert (decision.target.id, decision.source.id, decision.change) == (v2.id, v3.id, True)


def test_an_interrupted_rollback_is_finished_not_repeated_further_back(releases, make) -> None:
    make("v0", *GOOD, "superseded")
    v1 = make("v1", *GOOD, "superseded")
    v2 = make("v2", *GOOD)
    line = {"step": "switch", "phase": "begin", "action": "rollback", "release": v1.id, "came_from": v2.id}
    decision = decide(releases, seen(releases, unfinished=line), None)
    assert (decision.target.id, decision.source.id, decision.change) == (v1.id, v2.id, True)


def test_an_unmanaged_host_has_nothing_and_says_how_to_begin(releases) -> None:
    with pytest.raises(HotfixError, match="not under management") as caught:
        decide(releases, seen(releases), None)
    assert "adopt.yml" in caught.value.next_step


def test_a_dangling_current_goes_to_the_last_good_one(releases, history, tmp_path) -> None:
    v1, v2 = history
    (releases.folder(v2.id) / "release.json").write_text("{")
    decision = decide(releases, seen(releases), None)
    assert (decision.target.id, decision.source) == (v1.id, None)


def test_further_back_by_id(releases, make) -> None:
    v0 = make("v0", *GOOD, "superseded")
    make("v1", *GOOD, "superseded")
    v2 = make("v2", *GOOD)
    decision = decide(releases, seen(releases), v0.id)
    assert (decision.target.id, decision.source.id, decision.change) == (v0.id, v2.id, True)


def test_a_voided_release_only_by_id(releases, history) -> None:
    _v1, v2 = history
    rolled_back(releases, history)
    assert decide(releases, seen(releases), v2.id).target.id == v2.id


def test_the_current_one_by_id_changes_nothing(releases, history) -> None:
    _v1, v2 = history
    assert not decide(releases, seen(releases), v2.id).change


def test_a_release_that_was_never_live_is_refused(releases, history, make) -> None:
    v3 = make("v3", "preparing", "prepared", "failed")
    with pytest.raises(BadInputError, match="never live"):
        decide(releases, seen(releases), v3.id)


def test_an_unknown_release_is_refused(releases, history) -> None:
    with pytest.raises(BadInputError, match="not known"):
        decide(releases, seen(releases), "20260102T030499Z-v9")
