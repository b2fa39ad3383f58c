# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore, killed at every place, and the swap that clients are in the way of."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups, guard, log, restore
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.backups import back_up
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.verdict import Verdict, verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import opened

LIVE = ("preparing", "prepared", "live", "confirmed")
#: More than a whole restore has.
ACTS = 24


class Case:
    """v1 ran, v2 migrated incompatibly, and a row was written since."""

    def __init__(self, session: t.Any, server: t.Any, make: t.Any) -> None:
        self.session, self.server, self.host = session, server, session.host
        self.v1: Release = make("v1", *LIVE)
        self.backup = back_up(session, max_age=0, release="v2")
        self.v2: Release = make("v2", *LIVE)
        entry = log.Entry(self.v2.id, log.INCOMPATIBLE, "t", [self.v1.id], backup=self.backup.id, outcome=log.DONE)
        entry.state_before, entry.state_after = self.backup.state, ("s2", "b")
        log.write(self.host.app.app_dir, log.Log([entry]))
        server.databases["notes"] = server.new("s2", ["a", "b"], "b")

    def verdict(self) -> Verdict:
        return verdict(self.host, self.v2, self.v1)

    def restore(self, **more: t.Any) -> t.List[str]:
        return restore.restore_for(self.session, self.verdict(), **more)

    def is_restored(self) -> None:
        assert self.server.notes == self.server.new("s1", ["a"])
        (kept,) = (name for name in self.server.databases if name != "notes")
        assert kept.startswith("notes_before_2026")
        assert self.server.databases[kept] == self.server.new("s2", ["a", "b"], "b")
        known = log.read(self.host.app.app_dir)
        assert known.entries == []
        assert [(r.backup, r.kept_as) for r in known.restores] == [(self.backup.id, kept)]
        assert not restore.file(self.host).exists()
        assert self.verdict().compatible

    def is_untouched(self) -> None:
        assert self.server.databases == {"notes": self.server.new("s2", ["a", "b"], "b")}
        assert not restore.file(self.host).exists()
        assert self.verdict().needs_restore


@pytest.fixture
def case(session: t.Any, server: t.Any, make: t.Any) -> Case:
    return Case(session, server, make)


def test_exactly_the_announced_state_comes_back(case: Case) -> None:
    stopped: t.List[t.List[str]] = []
    notes = case.restore(before_swap=lambda: stopped.append(sorted(case.server.databases)))
    case.is_restored()
    assert notes == [
        "The database is as of 2026-01-02T03:04:05Z; the one before the restore is kept as "
        "notes_before_20260102T030405Z."
    ]
    # Whatever writes is stopped late: the restored database was whole by then, and not yet in its place.
    assert stopped == [["notes", "notes_restore_20260102T030405Z"]]


@pytest.mark.parametrize("acts", range(ACTS))
def test_killed_anywhere_the_next_one_finishes_it(case: Case, killer: t.Any, run: t.Any, acts: int) -> None:
    with killer.after(acts):
        case.restore()
    with opened(case.host, run, "rollback", resumes=False) as session:
        case.session = session
        guard.settle(session)
        assert case.server.notes["open"]
        if not case.verdict().compatible:
            case.restore()
        guard.settle(session)
    case.is_restored()


@pytest.mark.parametrize("acts", range(ACTS))
def test_killed_anywhere_the_database_can_be_left_as_it_was(case: Case, killer: t.Any, run: t.Any, acts: int) -> None:
    with killer.after(acts):
        case.restore()
    with opened(case.host, run, "rollback", resumes=False) as session:
        guard.settle(session)
    assert case.server.notes["open"]
    assert case.server.notes["rows"] in (["a"], ["a", "b"])
    # What the records say is what the database is.
    assert case.verdict().compatible == (case.server.notes["rows"] == ["a"])


def test_acts_are_enough(case: Case, killer: t.Any) -> None:
    with killer.after(ACTS):
        case.restore()
    case.is_restored()


def test_clients_that_linger_are_waited_for(case: Case) -> None:
    case.server.busy = 2
    case.restore()
    case.is_restored()


def test_clients_that_stay_leave_the_database_as_it_was(case: Case) -> None:
    case.server.busy = 99
    with pytest.raises(HotfixError) as caught:
        case.restore()
    assert "being accessed by other users" in caught.value.what
    assert case.server.notes == case.server.new("s2", ["a", "b"], "b")
    case.server.busy = 0
    case.restore()
    case.is_restored()


def test_a_damaged_dump_is_noticed_before_anything_is_touched(case: Case) -> None:
    dump = backups.path(case.host, case.backup.id)
    dump.write_text(dump.read_text().replace('"a"', '"x"'))
    with pytest.raises(HotfixError) as caught:
        case.restore(before_swap=lambda: pytest.fail("stopped the app"))
    assert "its dump is not what was verified" in caught.value.what
    case.is_untouched()


def test_a_restore_that_fails_leaves_the_database_as_it_was(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError

    def load(*_arguments: t.Any) -> None:
        raise CommandError("failed", output="could not extend file: No space left on device", next_step="x")

    monkeypatch.setattr(case.server, "load", load)
    with pytest.raises(HotfixError) as caught:
        case.restore()
    assert "could not be restored beside the database: could not extend file" in caught.value.what
    assert caught.value.left == "The database is as it was."
    case.is_untouched()


def test_another_schema_than_was_backed_up_is_noticed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    load = case.server.load

    def wrong(path: t.Any, database: str) -> None:
        load(path, database)
        case.server.databases[database]["schema"] = "other"

    monkeypatch.setattr(case.server, "load", wrong)
    with pytest.raises(HotfixError, match="is not the one that was backed up"):
        case.restore()
    case.is_untouched()


def test_a_database_that_is_gone_is_said(case: Case, killer: t.Any) -> None:
    with killer.after(5):
        case.restore()
    case.server.databases.clear()
    with pytest.raises(HotfixError, match="There is no database notes"):
        restore.settle(case.session)
    # Whatever else is to be done goes on.
    assert "cannot be brought into order now: There is no database notes" in guard.settle(case.session)[0]


def test_an_intent_for_another_backup_is_let_go(case: Case, killer: t.Any, clock: t.Any) -> None:
    with killer.after(8):
        case.restore()
    known = log.read(case.host.app.app_dir)
    clock.advance(60)
    case.server.databases["notes"]["schema"] = "s1"
    case.server.databases["notes"]["book"] = None
    known.entries[0].backup = back_up(case.session, max_age=0, release="v2").id
    log.write(case.host.app.app_dir, known)
    case.server.databases["notes"] = case.server.new("s2", ["a", "b"], "b")
    case.restore()
    assert sorted(case.server.databases) == ["notes", "notes_before_20260102T030505Z"]


def test_there_must_be_a_backup(session: t.Any, server: t.Any) -> None:
    with pytest.raises(HotfixError, match="no backup to restore"):
        restore.restore_for(session, Verdict(False))


@pytest.mark.parametrize("acts", range(12))
def test_a_side_database_that_somebody_dropped_is_not_taken_for_whole_again(
    case: Case, killer: t.Any, monkeypatch: pytest.MonkeyPatch, acts: int
) -> None:
    class GoneError(Exception):
        pass

    def gone() -> None:
        raise GoneError

    with pytest.raises(GoneError):
        case.restore(before_swap=gone)
    intent = restore.pending(case.host)
    assert intent is not None and intent.staged
    del case.server.databases[intent.side]
    with killer.after(acts):
        case.restore()
    if not case.verdict().compatible:
        case.restore()
    guard.settle(case.session)
    case.is_restored()
