# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups: verified, reused, refused, and never half."""

from __future__ import annotations

import fcntl
import json
import os
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups, log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.backups import Backup, back_up, folder
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import opened


def names(host: t.Any) -> t.List[str]:
    return sorted(path.name for path in folder(host).iterdir())


def test_a_backup_is_written_read_back_and_recorded(session: t.Any, server: t.Any) -> None:
    made = back_up(session, max_age=600, release="r")
    assert made.id == "20260102T030405Z-notes"
    assert names(session.host) == [f"{made.id}.dump", f"{made.id}.json"]
    dump = backups.path(session.host, made.id)
    assert dump.stat().st_mode & 0o777 == 0o600
    assert folder(session.host).stat().st_mode & 0o777 == 0o700
    assert json.loads(dump.read_text())["rows"] == ["a"]
    assert (made.bytes, made.at) == (dump.stat().st_size, "2026-01-02T03:04:05.000Z")
    assert backups.everything(session.host) == [made]
    assert [entry["step"] for entry in session.host.journal.entries()] == ["back_up", "back_up"]


def test_a_young_one_counts_and_an_old_one_does_not(session: t.Any, server: t.Any, clock: t.Any) -> None:
    first = back_up(session, max_age=600, release="r")
    clock.advance(600)
    again = back_up(session, max_age=600, release="r")
    assert (again.id, again.reused, server.dumps) == (first.id, True, 1)
    clock.advance(1)
    assert not back_up(session, max_age=600, release="r").reused
    assert server.dumps == 2


def test_a_clock_that_was_set_back_makes_no_backup_young(session: t.Any, server: t.Any, clock: t.Any) -> None:
    back_up(session, max_age=600, release="r")
    clock.advance(-3600)
    assert not back_up(session, max_age=600, release="r").reused


@pytest.mark.parametrize("change", [{"schema": "s2"}, {"book": "b2"}])
def test_one_from_before_a_migration_does_not_count(session: t.Any, server: t.Any, change: t.Dict[str, str]) -> None:
    back_up(session, max_age=600, release="r")
    server.notes.update(change)
    assert not back_up(session, max_age=600, release="r").reused


def test_one_that_was_changed_since_does_not_count(session: t.Any, server: t.Any) -> None:
    made = back_up(session, max_age=600, release="r")
    dump = backups.path(session.host, made.id)
    dump.write_text(dump.read_text().replace('"a"', '"x"'))
    assert not back_up(session, max_age=600, release="r").reused


def test_a_dump_that_cannot_be_read_back_is_no_backup(session: t.Any, server: t.Any) -> None:
    server.cut = 5
    with pytest.raises(HotfixError) as caught:
        back_up(session, max_age=600, release="r")
    assert "cannot be read back: pg_restore: error: could not read from input file: end of file." in caught.value.what
    assert names(session.host) == []


def test_a_full_disk_leaves_nothing_half(session: t.Any, server: t.Any) -> None:
    server.fails = "write /dev/stdout: no space left on device"
    with pytest.raises(HotfixError) as caught:
        back_up(session, max_age=600, release="r")
    assert "became full" in caught.value.what
    assert names(session.host) == []


def test_a_database_that_refuses_is_named(session: t.Any, server: t.Any) -> None:
    server.fails = 'pg_dump: error: role "notes" does not exist'
    with pytest.raises(HotfixError) as caught:
        back_up(session, max_age=600, release="r")
    assert 'role "notes" does not exist' in caught.value.what
    assert "backup_skip_reason" in caught.value.next_step


def test_room_is_wanted_before_anything_is_written(
    session: t.Any, server: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.statvfs(session.host.app.app_dir)
    monkeypatch.setattr(server, "size", lambda: stat.f_bavail * stat.f_frsize * 2)
    with pytest.raises(HotfixError) as caught:
        back_up(session, max_age=600, release="r")
    assert "MB are wanted" in caught.value.what
    assert server.dumps == 0


def test_the_room_that_is_wanted_follows_the_last_dump(
    session: t.Any, server: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(session, max_age=0, release="r")
    monkeypatch.setattr(server, "size", lambda: 10**18)
    back_up(session, max_age=0, release="r")
    assert server.dumps == 2


def test_what_killed_runs_left_is_swept(session: t.Any, server: t.Any) -> None:
    _files.make_folder(folder(session.host))
    for name in (".20250101T000000Z-notes.part", "20250101T000000Z-notes.dump"):
        (folder(session.host) / name).write_text("half")
    made = back_up(session, max_age=600, release="r")
    assert names(session.host) == [f"{made.id}.dump", f"{made.id}.json"]


def test_what_somebody_still_writes_is_not_swept(session: t.Any, server: t.Any) -> None:
    _files.make_folder(folder(session.host))
    part = folder(session.host) / ".20250101T000000Z-notes.part"
    with open(str(part), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        back_up(session, max_age=600, release="r")
        assert part.exists()


@pytest.mark.parametrize("acts", range(6))
def test_a_kill_anywhere_leaves_no_backup_that_was_not_verified(
    acts: int, session: t.Any, server: t.Any, killer: t.Any
) -> None:
    with killer.after(acts):
        back_up(session, max_age=600, release="r")
    for found in backups.everything(session.host):
        backups.require_intact(session.host, found)
    again = back_up(session, max_age=600, release="r")
    assert names(session.host) == [f"{again.id}.dump", f"{again.id}.json"]


def test_retention_keeps_the_newest_and_what_is_needed(
    make_host: t.Any, server: t.Any, run: t.Any, clock: t.Any, make: t.Any, database: t.Any
) -> None:
    host = make_host(database=database, backup_keep=2)
    made: t.List[Backup] = []
    with opened(host, run, "deploy", resumes=False) as session:
        for _number in range(6):
            clock.advance(60)
            made.append(back_up(session, max_age=0, release="r"))
    log.write(host.app.app_dir, log.Log([log.Entry("r", log.INCOMPATIBLE, "t", ["v1"], backup=made[1].id)]))
    good = make("v1", "preparing", "prepared", "live", "confirmed")
    good.backup = made[2].id
    host.releases.save(good)
    assert backups.retain(host) == [made[3].id, made[0].id]
    assert [b.id for b in backups.everything(host)] == [made[i].id for i in (5, 4, 2, 1)]
    assert backups.retain(host) == []


def test_nothing_to_retain(host: t.Any) -> None:
    assert backups.retain(host) == []


def test_an_unreadable_record_counts_for_nothing(session: t.Any, server: t.Any) -> None:
    made = back_up(session, max_age=600, release="r")
    record = folder(session.host) / f"{made.id}.json"
    for text in ("", "{}", json.dumps({**json.loads(record.read_text()), "id": "other"})):
        record.write_text(text)
        assert backups.everything(session.host) == []
        assert backups.find(session.host, made.id) is None
    assert backups.find(session.host, None) is None
