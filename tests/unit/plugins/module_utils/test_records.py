# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import (
    HISTORY_KEPT,
    RECORDS_KEPT,
    Image,
    Releases,
)

GOOD = ("preparing", "prepared", "live", "confirmed")


def test_a_release_is_read_back_as_it_was_written(releases, make) -> None:
    made = make("v1", *GOOD)
    assert releases.get(made.id) == made
    assert releases.current() == made


def test_last_known_good_is_the_one_that_was_live_last(releases, make) -> None:
    old = make("v1", *GOOD, "superseded")
    middle = make("v2", *GOOD, "superseded")
    bad = make("v3", *GOOD)
    assert releases.last_known_good(excluding=[bad.id]).id == middle.id
    # Back to the oldest by ID, and forward again: what ran before counts, not what was made before.
    old.advance("live", at="", operator="", why="")
    releases.make_current(old, by="rollback", came_from=bad.id)
    old.advance("confirmed", at="", operator="", why="")
    old.advance("superseded", at="", operator="", why="")
    releases.save(old)
    newest = make("v4", *GOOD)
    assert releases.last_known_good(excluding=[newest.id]).id == old.id


def test_file_times_are_not_asked(releases, make) -> None:
    first = make("v1", *GOOD, "superseded")
    second = make("v2", *GOOD, "superseded")
    current = make("v3", *GOOD)
    os.utime(str(releases.folder(first.id)), (2**31, 2**31))
    os.utime(str(releases.folder(second.id)), (1, 1))
    assert releases.last_known_good(excluding=[current.id]).id == second.id


@pytest.mark.parametrize(
    "states",
    [
        ("preparing",),
        ("preparing", "prepared"),
        ("preparing", "failed"),
        ("preparing", "prepared", "failed"),
        ("preparing", "prepared", "live"),
        ("preparing", "prepared", "live", "superseded"),
        ("preparing", "prepared", "live", "voided"),
        (*GOOD, "voided"),
    ],
)
def test_what_was_never_good_or_was_left_is_no_target(releases, make, states) -> None:
    candidate = make("v1", *states)
    current = make("v2", *GOOD)
    with pytest.raises(HotfixError, match="nothing to roll back to") as caught:
        releases.require_rollback_target(excluding=[current.id])
    assert caught.value.code == "nothing_to_do"
    assert f"{candidate.id} is {states[-1]}" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"id": 1}', '{"id": "x", "images": 3}', "\x00\x00"])
def test_a_damaged_record_is_no_release_and_is_named(releases, make, content) -> None:
    good = make("v1", *GOOD, "superseded")
    damaged = make("v2", *GOOD, "superseded")
    (releases.folder(damaged.id) / "release.json").write_text(content)
    assert releases.damaged() == [damaged.id]
    assert releases.last_known_good(excluding=[]).id == good.id


def test_a_record_under_another_name_is_not_believed(releases, make, tmp_path) -> None:
    made = make("v1", *GOOD)
    other = "20260102T030499Z-v9"
    releases.folder(made.id).rename(tmp_path / "releases" / other)
    assert releases.find(other) is None


def test_a_dangling_current_is_no_current_but_still_managed(releases, make, tmp_path) -> None:
    make("v1", *GOOD)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("releases/20260102T030499Z-v9")
    assert releases.current() is None
    assert releases.managed()


def test_a_fresh_folder_is_not_managed(tmp_path: Path) -> None:
    assert not Releases(tmp_path).managed()


def test_records_are_readable_by_their_owner_only(releases, make) -> None:
    made = make("v1", *GOOD)
    assert stat.S_IMODE((releases.folder(made.id) / "release.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(releases.folder(made.id).stat().st_mode) == 0o700


def test_an_unknown_release_lists_the_known_ones(releases, make) -> None:
    made = make("v1", *GOOD)
    with pytest.raises(BadInputError, match=made.id):
        releases.get("20260102T030499Z-v9")


@pytest.mark.parametrize("name", ["../../etc", "20260102T030405Z-v1/../x", "v1", "", "20260102T030405Z-v1\n", "$(id)"])
def test_a_release_id_is_no_path(releases, name) -> None:
    with pytest.raises(BadInputError):
        releases.folder(name)


def test_an_image_is_pinned_by_digest_or_else_by_id() -> None:
    assert Image("r:v1", "sha256:1", digest="r@sha256:2").pin == "r@sha256:2"
    assert Image("r:v1", "sha256:1").pin == "sha256:1"


def test_being_confirmed_is_remembered(make) -> None:
    release = make("v1", *GOOD, "superseded")
    assert release.was_confirmed
    assert release.state == _states.SUPERSEDED
    assert [entry["state"] for entry in release.history] == [*GOOD, "superseded"]


def test_a_release_that_is_gone_back_to_a_hundred_times_does_not_grow(releases, make) -> None:
    release = make("v1", *GOOD)
    for number in range(100):
        for state in ("superseded", "live", "confirmed"):
            release.advance(state, at=f"2026-01-02T03:04:{number % 60:02}.000Z", operator="ann@laptop", why=str(number))
    releases.save(release)
    kept = releases.get(release.id).history
    assert len(kept) == HISTORY_KEPT
    assert [(one["state"], one["why"]) for one in kept[-3:]] == [
        (state, "99") for state in ("superseded", "live", "confirmed")
    ]


def test_what_nothing_goes_back_to_is_dispensable(releases, make) -> None:
    first = make("v1", *GOOD, "superseded")
    voided = make("v2", *GOOD, "voided")
    waits = make("v3", "preparing", "prepared")
    many = [make(f"v{number}", *GOOD, "voided") for number in range(4, 4 + RECORDS_KEPT)]
    current = make("v99", *GOOD)
    # The good one is the way back, however old; what is not at rest is somebody's work.
    assert {r.id for r in releases.dispensable(1)} == {voided.id, many[0].id}
    assert {r.id for r in releases.dispensable(0)} == {voided.id, many[0].id, first.id}
    assert waits.id in releases.names()
    assert current.id in releases.names()


def test_a_folder_that_was_left_half_way_is_no_release_and_goes_with_the_next(releases, make, tmp_path) -> None:
    one, two = make("v1", *GOOD, "superseded"), make("v2", *GOOD, "superseded")
    folder = releases.folder(one.id)
    left = folder.with_name(f".{one.id}.gone")
    folder.rename(left)
    (left / "release.json").unlink()
    assert (releases.names(), releases.damaged()) == ([two.id], [])
    releases.forget(two)
    assert (releases.names(), list(folder.parent.iterdir())) == ([], [])
