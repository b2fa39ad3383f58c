# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Whether older code can live with the database as it is now, said before a rollback touches anything."""

from __future__ import annotations

import contextlib
import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import parse
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.backups import Backup

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(?:Z|\+00:00| UTC)")


@dataclass(frozen=True)
class Verdict:
    """What a rollback means for the database.

    ``compatible``: the target can run as the database is. ``needs_restore``: it can once ``backup`` is restored, which
    loses what was written since ``window_start`` (UTC, to the second). With ``elsewhere`` the host of the database
    knows these two, and restores. Where neither holds, nothing here helps.
    """

    compatible: bool
    needs_restore: bool = False
    sentences: t.List[str] = field(default_factory=list)
    target: str = ""
    backup: t.Optional[Backup] = None
    window_start: t.Optional[str] = None
    elsewhere: bool = False


def verdict(host: Host, leaving: t.Optional[Release], target: Release) -> Verdict:
    """Judge a rollback from *leaving* to *target*. The database is asked only where a migration lies in between."""
    if leaving is None or leaving.id == target.id:
        return Verdict(True, target=target.id)
    known = log.read(host.app.app_dir)
    sentences = _declared_only(known, leaving)
    if known.damaged:
        sentences.append(f"{log.file(host.app.app_dir)} cannot be read: which migrations were run is not known.")
    missing = known.missing_for(target.id)
    if missing:
        names = ", ".join(sorted({entry.release for entry in missing}))
        sentences.append(
            f"A restore took away the schema that {target.id} had (the migration of {names}): "
            "its code finds an older schema than it needs. Deploying the version again migrates."
        )
        return Verdict(False, sentences=sentences, target=target.id)
    newer, blocking = known.newer_than(target.id), known.blocking(target.id)
    sentences += [
        f"{entry.release} ran a compatible migration: the older code may run on its schema."
        for entry in newer
        if entry.kind == log.COMPATIBLE
    ]
    if not blocking:
        return Verdict(True, sentences=sentences, target=target.id)
    first = blocking[0]
    if _left_no_trace(host, first):
        sentences.append(f"The schema is as it was before {first.release}: its migration is not in the database.")
        return Verdict(True, sentences=sentences, target=target.id)
    return _needs_restore(host, blocking, target, sentences)


def _declared_only(known: log.Log, leaving: Release) -> t.List[str]:
    """Say what labels declare of which no migration is known."""
    if known.of(leaving.id) is not None or known.was_undone(leaving.id):
        return []
    return [
        f"{service} of {leaving.id} declares a migration that is {kind}; whether it was run is not known here."
        if kind != log.COMPATIBLE
        else f"{service} of {leaving.id} declares a compatible migration: the older code may run on its schema."
        for service, kind in sorted(leaving.migrations.items())
    ]


def _left_no_trace(host: Host, entry: log.Entry) -> bool:
    before = entry.first_state
    database = host.app.database
    if before is None or database is None or not database.here:
        return False
    # Imported when it is needed only: every rollback comes by here, and few have a migration in between.
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres

    # A migration that only changed rows shows in the notes of the migration tool, where there are any.
    if before.book is None and entry.outcome == log.DONE:
        return False
    try:
        return Postgres.of(host).state() == before
    except HotfixError:
        # A rollback is not held up by a database that cannot be asked; the migration counts as applied.
        return False


def _needs_restore(host: Host, blocking: t.Sequence[log.Entry], target: Release, said: t.List[str]) -> Verdict:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups

    first = blocking[0]
    words = {log.INCOMPATIBLE: "an incompatible migration", log.UNDECLARED: "a migration that is not declared"}
    for entry in blocking:
        what = words.get(entry.kind, "a migration")
        ran = "declares" if entry.by_hand else "began" if entry.outcome == log.BEGUN else "ran"
        said.append(f"{entry.release} {ran} {what} ({entry.at}): the code of {target.id} cannot live with the schema.")
    if first.elsewhere:
        said.append("The host of the database says what a restore would lose.")
        return Verdict(False, needs_restore=True, sentences=said, target=target.id, elsewhere=True)
    backup = backups.find(host, first.backup)
    wrong = "none was made" if backup is None else backups.problem(host, backup)
    if backup is None or wrong is not None:
        why = f"the backup {first.backup} is gone" if first.backup and backup is None else wrong
        said.append(f"There is no backup from before it to restore: {why}.")
        return Verdict(False, sentences=said, target=target.id)
    since = shown(backup.at)
    age = host.clock.now() - parse(backup.at)
    said.append(
        f"A restore brings the database {backup.database} back to {since} and loses at most everything "
        f"written since then ({_duration(age.total_seconds())}); the database as it is now is kept beside it."
    )
    return Verdict(False, needs_restore=True, sentences=said, target=target.id, backup=backup, window_start=since)


def permit(found: Verdict, *, restore: t.Optional[str], schema_ignored: t.Optional[str]) -> bool:
    """Return whether a restore is to be carried out; raise where the operator has not said how to go on.

    *restore* is the time since which everything may be lost; the backup must be of then or later. Where no restore is
    needed, as on a host that is there already, the word for one is no obstacle: the same command can be run again.
    """
    confirmed = _time(restore) if restore else None
    if found.compatible:
        return False
    if confirmed is not None and found.elsewhere:
        return True
    if confirmed is not None and found.needs_restore and found.window_start is not None:
        start = _time(found.window_start)
        if start >= confirmed:
            return True
        raise HotfixError(
            f"The restore was confirmed for {restore}, but it would lose everything since {found.window_start}, "
            "which is more.",
            code="refused",
            next_step=f"confirm it as -e restore={found.window_start}, or leave the database alone with "
            "-e \"schema_ignored_reason='…'\".",
        )
    if schema_ignored and confirmed is None:
        return False
    raise HotfixError(" ".join(found.sentences), code="refused", next_step=_ways(found))


def _ways(found: Verdict) -> str:
    ignored = "-e \"schema_ignored_reason='…'\""
    if found.elsewhere:
        return (
            "roll back that host as well, with -e restore=TIME as it names it, or go back without a restore with "
            f"{ignored}."
        )
    if found.needs_restore:
        return (
            f"restore it with -e restore={found.window_start} (everything written since then is lost), or go back "
            f"without it with {ignored}."
        )
    return f"deploy a version that can live with the schema, or go back all the same with {ignored}."


def shown(at: str) -> str:
    """Return a recorded time to the second, rounded down: what an operator reads and types."""
    return f"{parse(at):%Y-%m-%dT%H:%M:%SZ}"


def _time(text: str) -> datetime:
    match = _TIME.fullmatch(text.strip())
    if match is not None:
        with contextlib.suppress(ValueError):
            return parse(f"{match.group(1)}T{match.group(2)}.000Z")
    raise BadInputError(
        f"restore {text!r} is no time in UTC.",
        next_step="give the time that the refusal named, as -e restore=2026-01-02T03:04:05Z.",
    )


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
