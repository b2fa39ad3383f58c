# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollback is told about the schema before it acts, and what the operator must say to it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups, log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.backups import back_up
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.verdict import Verdict, permit, verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release

LIVE = ("preparing", "prepared", "live", "confirmed")


@pytest.fixture
def v1(make: t.Any) -> Release:
    made: Release = make("v1", *LIVE)
    return made


@pytest.fixture
def v2(make: t.Any, v1: Release) -> Release:
    made: Release = make("v2", *LIVE)
    return made


def entry(release: Release, kind: str, *before: Release, **more: t.Any) -> log.Entry:
    values = {"outcome": log.DONE, "state_before": ("s1", None), "state_after": ("s2", "b"), **more}
    return log.Entry(release.id, kind, "2026-01-02T03:04:05.000Z", [r.id for r in before], **values)


def known(host: t.Any, *entries: log.Entry) -> None:
    log.write(host.app.app_dir, log.Log(list(entries)))


def labelled(release: Release, migration: t.Optional[str]) -> Release:
    release.images = {"backend": Image("registry.example.com/b:v", "sha256:b", migration=migration)}
    return release


def test_nothing_lies_in_between(host: t.Any, server: t.Any, v1: Release, v2: Release) -> None:
    assert verdict(host, v2, v1) == Verdict(True, target=v1.id)
    assert verdict(host, None, v1).compatible
    assert verdict(host, v1, v1).compatible


def test_a_compatible_migration_is_said_and_no_obstacle(host: t.Any, server: t.Any, v1: Release, v2: Release) -> None:
    known(host, entry(v2, log.COMPATIBLE, v1))
    found = verdict(host, v2, v1)
    assert found.compatible
    assert found.sentences == [f"{v2.id} ran a compatible migration: the older code may run on its schema."]


@pytest.mark.parametrize(
    "kind, words",
    [(log.INCOMPATIBLE, "ran an incompatible migration"), (log.UNDECLARED, "ran a migration that is not declared")],
)
def test_any_other_needs_a_restore_of_the_backup_from_before_it(
    session: t.Any, server: t.Any, clock: t.Any, v1: Release, v2: Release, kind: str, words: str
) -> None:
    made = back_up(session, max_age=0, release=v2.id)
    known(session.host, entry(v2, kind, v1, backup=made.id))
    clock.advance(3723)
    found = verdict(session.host, v2, v1)
    assert (found.compatible, found.needs_restore, found.backup) == (False, True, made)
    assert found.window_start == "2026-01-02T03:04:05Z"
    assert words in found.sentences[0]
    assert (
        "back to 2026-01-02T03:04:05Z and loses at most everything written since then (1 h 2 min 3 s)"
        in (found.sentences[1])
    )


def test_the_first_of_several_counts(
    session: t.Any, server: t.Any, clock: t.Any, make: t.Any, v1: Release, v2: Release
) -> None:
    v3 = make("v3", *LIVE)
    first = back_up(session, max_age=0, release=v2.id)
    clock.advance(60)
    second = back_up(session, max_age=0, release=v3.id)
    known(
        session.host,
        entry(v2, log.INCOMPATIBLE, v1, backup=first.id),
        entry(v3, log.INCOMPATIBLE, v1, v2, backup=second.id),
    )
    server.notes["schema"] = "s3"
    assert verdict(session.host, v3, v1).backup == first
    assert verdict(session.host, v3, v2).backup == second


def test_a_release_that_was_deployed_onto_the_schema_knows_it(
    host: t.Any, server: t.Any, make: t.Any, v1: Release, v2: Release
) -> None:
    known(host, entry(v2, log.INCOMPATIBLE, v1))
    v3, v4 = make("v3", *LIVE), make("v4", *LIVE)
    assert verdict(host, v4, v3).compatible
    assert verdict(host, v4, v2).compatible
    assert not verdict(host, v4, v1).compatible


def test_one_that_left_no_trace_is_no_obstacle(host: t.Any, server: t.Any, v1: Release, v2: Release) -> None:
    known(host, entry(v2, log.INCOMPATIBLE, v1, outcome=log.BEGUN, state_after=None))
    found = verdict(host, v2, v1)
    assert found.compatible
    assert "its migration is not in the database" in found.sentences[-1]


def test_one_that_may_only_have_changed_rows_counts(host: t.Any, server: t.Any, v1: Release, v2: Release) -> None:
    known(host, entry(v2, log.INCOMPATIBLE, v1, state_after=("s1", None)))
    assert not verdict(host, v2, v1).compatible
    # With a migration tool's own notes of before it can be told.
    server.notes["book"] = "b1"
    known(host, entry(v2, log.INCOMPATIBLE, v1, state_before=("s1", "b1")))
    assert verdict(host, v2, v1).compatible


def test_a_database_that_cannot_be_asked_counts_as_migrated(
    host: t.Any, server: t.Any, v1: Release, v2: Release
) -> None:
    known(host, entry(v2, log.INCOMPATIBLE, v1, outcome=log.BEGUN))
    server.notes["open"] = False
    assert not verdict(host, v2, v1).compatible


@pytest.mark.parametrize("how", ["none", "gone", "cut"])
def test_without_a_backup_there_is_nothing_to_restore(
    session: t.Any, server: t.Any, v1: Release, v2: Release, how: str
) -> None:
    made = back_up(session, max_age=0, release=v2.id)
    known(session.host, entry(v2, log.INCOMPATIBLE, v1, backup=None if how == "none" else made.id))
    dump = backups.path(session.host, made.id)
    if how == "gone":
        dump.with_suffix(".json").unlink()
    else:
        dump.write_text("x")
    found = verdict(session.host, v2, v1)
    assert (found.compatible, found.needs_restore) == (False, False)
    wanted = {"none": "none was made", "gone": f"the backup {made.id} is gone", "cut": "has 1 bytes instead of"}[how]
    assert wanted in found.sentences[-1]
    with pytest.raises(HotfixError) as caught:
        permit(found, restore="2026-01-01T00:00:00Z", schema_ignored=None)
    assert "schema_ignored_reason" in caught.value.next_step


def test_what_only_a_label_declares_is_said(host: t.Any, server: t.Any, v1: Release, v2: Release) -> None:
    found = verdict(host, labelled(v2, "incompatible"), v1)
    assert found.compatible
    assert "incompatible; whether it was run is not known here" in found.sentences[0]
    assert "may run on its schema" in verdict(host, labelled(v2, "compatible"), v1).sentences[0]
    assert verdict(host, labelled(v2, "none"), v1).sentences == []


def test_a_damaged_record_is_said(host: t.Any, server: t.Any, v1: Release, v2: Release) -> None:
    for text in ("{", "[]", '{"entries": [{"x": 1}], "restores": []}'):
        log.file(host.app.app_dir).write_text(text)
        found = verdict(host, v2, v1)
        assert found.compatible
        assert "which migrations were run is not known" in found.sentences[0]
    log.write(host.app.app_dir, log.read(host.app.app_dir))
    assert (host.app.app_dir / "schema.json.damaged").exists()
    assert not log.read(host.app.app_dir).damaged


def test_a_release_whose_schema_was_taken_away_is_not_gone_to(
    host: t.Any, server: t.Any, make: t.Any, v1: Release, v2: Release
) -> None:
    undone = entry(v2, log.INCOMPATIBLE, v1)
    restore = log.Restore("t", "b", "k", "ann", [undone], [v1.id, v2.id])
    log.write(host.app.app_dir, log.Log([], [restore]))
    found = verdict(host, v1, v2)
    assert (found.compatible, found.needs_restore) == (False, False)
    assert "finds an older schema than it needs" in found.sentences[0]
    assert verdict(host, v2, v1).compatible
    # Migrated again, it has what it needs.
    v3 = make("v3", *LIVE)
    log.write(host.app.app_dir, log.Log([entry(v3, log.INCOMPATIBLE, v1, v2)], [restore]))
    assert verdict(host, v3, v3).compatible
    assert not any("took away" in text for text in verdict(host, v3, v2).sentences)


NEEDS = Verdict(False, True, ["Needs it."], "v1", window_start="2026-01-02T03:04:05Z")


def test_a_compatible_rollback_wants_no_word() -> None:
    assert permit(Verdict(True), restore=None, schema_ignored=None) is False
    # Nor is one an obstacle: of several hosts, or after a kill, another may have needed it.
    assert permit(Verdict(True), restore="2026-01-02T03:04:05Z", schema_ignored="agreed") is False
    with pytest.raises(BadInputError):
        permit(Verdict(True), restore="yes", schema_ignored=None)


def test_a_restore_wants_a_word() -> None:
    with pytest.raises(HotfixError) as caught:
        permit(NEEDS, restore=None, schema_ignored=None)
    assert caught.value.code == "refused"
    assert caught.value.what == "Needs it."
    assert "-e restore=2026-01-02T03:04:05Z" in caught.value.next_step
    assert permit(NEEDS, restore=None, schema_ignored="we know") is False


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05.999Z", "2026-01-02T03:04:05+00:00",
     "2026-01-02 03:04:05 UTC", "2026-01-01T00:00:00Z"],
)  # fmt: skip
def test_a_time_that_allows_for_the_loss_is_a_word(text: str) -> None:
    assert permit(NEEDS, restore=text, schema_ignored=None) is True


def test_a_time_that_allows_for_less_is_not() -> None:
    with pytest.raises(HotfixError, match="would lose everything since 2026-01-02T03:04:05Z, which is more"):
        permit(NEEDS, restore="2026-01-02T03:04:06Z", schema_ignored="we know")


@pytest.mark.parametrize("text", ["yes", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "03:04"])
def test_what_is_no_time_in_utc_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError, match="is no time in UTC"):
        permit(NEEDS, restore=text, schema_ignored=None)
