# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Restoring the database: beside the one that is there, then swapped with it in one transaction.

``restore.json`` is written before the first act and removed after the last. A killed restore is gone on with by the
next one; any other change first makes sure that clients can connect again.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups, log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.backups import Backup
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import (
    Postgres,
    explain,
    name_beside,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.state import State
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.verdict import Verdict, shown
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

_TRIES = 3


@dataclass
class Intent:
    """A restore that was begun: which backup, for which release, and the names of the two databases beside."""

    backup: str
    target: str
    at: str
    side: str
    before: str
    staged: bool = False


def file(host: Host) -> Path:
    """Return where the intent is."""
    return log.restore_file(host.app.app_dir)


def pending(host: Host) -> t.Optional[Intent]:
    """Return the restore that a killed run left unfinished, if any."""
    data = _files.read_json(file(host))
    try:
        return Intent(**data)
    except TypeError:
        return None


def restore_for(
    session: Session, verdict: Verdict, *, before_swap: t.Optional[t.Callable[[], None]] = None
) -> t.List[str]:
    """Restore what *verdict* announced. *before_swap* stops whatever must not write into the restored database."""
    host = session.host
    backup = verdict.backup
    if verdict.elsewhere:
        if before_swap is not None:
            before_swap()
        return [_left_to_the_other_host(session, verdict)]
    if backup is None:
        raise HotfixError("There is no backup to restore.", next_step="go back with schema_ignored_reason.")
    postgres = Postgres.of(host)
    intent = pending(host)
    if intent is not None and intent.backup != backup.id:
        _drop(postgres, intent)
        intent = None
    if intent is None or not _is_swapped(postgres, intent):
        intent = _stage(session, postgres, backup, verdict.target, intent)
        if before_swap is not None:
            before_swap()
    with session.step("restore_swap", backup=backup.id, kept_as=intent.before):
        _swap(session, postgres, intent)
        return [_finish(session, intent, backup)]


def settle(session: Session) -> t.Optional[str]:
    """Bring what a killed restore left into order: finish one that was swapped, else let clients in again."""
    host = session.host
    intent = pending(host)
    if intent is None:
        return None
    postgres = Postgres.of(host)
    with session.step("restore_settle", backup=intent.backup):
        if not postgres.exists(postgres.database.name):
            # The two renames are one transaction; without it somebody renamed by hand.
            raise HotfixError(
                f"There is no database {postgres.database.name}, and a restore of {intent.backup} was cut off.",
                next_step=f"look at the server ({intent.side} and {intent.before} are the names it used).",
            )
        postgres.open()
        if _is_swapped(postgres, intent):
            return _finish(session, intent, backups.find(host, intent.backup))
    return f"A restore of {intent.backup} was cut off before it changed the database."


def _stage(session: Session, postgres: Postgres, backup: Backup, target: str, begun: t.Optional[Intent]) -> Intent:
    host = session.host
    name = postgres.database.name
    if begun is not None and begun.staged and postgres.exists(begun.side):
        return begun
    now = f"{host.clock.now():%Y%m%dT%H%M%SZ}"
    intent = begun or Intent(
        backup.id, target, stamp(host.clock.now()), name_beside(name, "restore", now), name_beside(name, "before", now)
    )
    with session.step("restore_stage", backup=backup.id, database=intent.side):
        backups.require_intact(host, backup)
        intent.staged = False
        _files.write_json(file(host), asdict(intent))
        try:
            # A killed try may have left half of it.
            postgres.drop(intent.side)
            postgres.create_like(intent.side)
            postgres.load(backups.path(host, backup.id), intent.side)
            _require_same(postgres, intent, backup)
        except (HotfixError, OSError) as exc:
            with contextlib.suppress(HotfixError, OSError):
                _drop(postgres, intent)
                file(host).unlink()
            if isinstance(exc, CommandError):
                raise HotfixError(
                    f"The backup {backup.id} could not be restored beside the database: {explain(exc)}.",
                    left="The database is as it was.",
                    next_step="mend what it says, then run this again.",
                ) from exc
            raise
        intent.staged = True
        _files.write_json(file(host), asdict(intent))
    return intent


def _require_same(postgres: Postgres, intent: Intent, backup: Backup) -> None:
    wanted = State.of_json(backup.state)
    if wanted is not None and postgres.state(intent.side) != wanted:
        raise HotfixError(
            f"The schema restored from {backup.id} is not the one that was backed up.",
            left="The database is as it was.",
            next_step="look at the dump by hand (pg_restore --list), and keep it.",
        )


def _swap(session: Session, postgres: Postgres, intent: Intent) -> None:
    if _is_swapped(postgres, intent):
        return
    attempt = 0
    while True:
        try:
            session.require()
            postgres.swap(intent.side, intent.before)
            return
        except HotfixError as exc:
            attempt += 1
            # A client that was told to go may still be on its way out.
            lingers = isinstance(exc, CommandError) and "being accessed by other users" in exc.output
            if lingers and attempt < _TRIES:
                continue
            with contextlib.suppress(HotfixError):
                postgres.open()
            if not isinstance(exc, CommandError):
                raise
            raise HotfixError(
                f"The restored database could not be put in place: {explain(exc)}.",
                left="The database is as it was; the restored one is beside it.",
                next_step="run the same command again.",
            ) from exc


def _is_swapped(postgres: Postgres, intent: Intent) -> bool:
    return postgres.exists(intent.before)


def _drop(postgres: Postgres, intent: Intent) -> None:
    if not _is_swapped(postgres, intent):
        postgres.open()
        postgres.drop(intent.side)


def _finish(session: Session, intent: Intent, backup: t.Optional[Backup]) -> str:
    """Write down that the database is that of the backup now, and let go of the intent."""
    host = session.host
    known = log.read(host.app.app_dir)
    first = next((i for i, entry in enumerate(known.entries) if entry.backup == intent.backup), len(known.entries))
    if not any(restore.kept_as == intent.before for restore in known.restores):
        known.undo(
            first,
            at=stamp(host.clock.now()),
            backup=intent.backup,
            kept_as=intent.before,
            operator=session.run.owner,
            known=[r.id for r in host.releases.all()],
        )
        log.write(host.app.app_dir, known)
    file(host).unlink()
    when = f"as of {shown(backup.at)}" if backup else f"that of {intent.backup}"
    return f"The database is {when}; the one before the restore is kept as {intent.before}."


def _left_to_the_other_host(session: Session, verdict: Verdict) -> str:
    """Write down that the host of the database undoes what *verdict* is about."""
    host = session.host
    with session.step("restore_elsewhere", release=verdict.target):
        known = log.read(host.app.app_dir)
        blocking = known.blocking(verdict.target)
        if blocking:
            known.undo(
                known.entries.index(blocking[0]),
                at=stamp(host.clock.now()),
                backup="",
                kept_as="",
                operator=session.run.owner,
                known=[r.id for r in host.releases.all()],
            )
            log.write(host.app.app_dir, known)
    return "The database runs on another host, which restores it."
