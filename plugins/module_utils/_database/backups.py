# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Backups: dumps that were read back in full after they were written, each with a record beside it.

``backups/<id>.dump`` is the dump, ``backups/<id>.json`` its record. The record is written last: a dump without one
was never verified and counts for nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import typing as t
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import parse, stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres, explain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.state import State
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

_MEGABYTE = 1024 * 1024
#: Bytes that stay free beside a dump, for records and a rollback.
_MARGIN = 32 * _MEGABYTE
_PART = ".part"


@dataclass(frozen=True)
class Backup:
    """A verified dump.

    ``at`` is the time before it began: whatever was written until then is in it. ``seconds`` is what writing and
    reading back took, ``state`` the schema's hashes at that time.
    """

    id: str
    database: str
    at: str
    verified_at: str
    bytes: int
    seconds: float
    sha256: str
    server: str
    state: t.Sequence[t.Optional[str]]
    reused: bool = False

    def summary(self) -> t.Dict[str, t.Any]:
        """Return what reports show of it."""
        return {name: value for name, value in asdict(self).items() if name != "state"}


def folder(host: Host) -> Path:
    """Return where backups are."""
    return host.app.app_dir / "backups"


def path(host: Host, backup_id: str) -> Path:
    """Return the dump of a backup."""
    return folder(host) / f"{backup_id}.dump"


def everything(host: Host) -> t.List[Backup]:
    """Return every verified backup whose dump is there in its full length, newest first."""
    found = []
    for record in folder(host).glob("*.json"):
        backup = _read(record)
        if backup is not None and problem(host, backup) is None:
            found.append(backup)
    return sorted(found, key=lambda b: b.at, reverse=True)


def find(host: Host, backup_id: t.Optional[str]) -> t.Optional[Backup]:
    """Return the record of a backup, whether or not its dump is still there."""
    return _read(folder(host) / f"{backup_id}.json") if backup_id else None


def problem(host: Host, backup: Backup) -> t.Optional[str]:
    """Say what is wrong with the dump of *backup* at a first look; ``None`` when nothing is."""
    try:
        size = path(host, backup.id).stat().st_size
    except OSError as exc:
        return f"its dump cannot be read ({exc.strerror})"
    return None if size == backup.bytes else f"its dump has {size} bytes instead of {backup.bytes}"


def require_intact(host: Host, backup: Backup) -> None:
    """Raise unless the dump of *backup* is, byte for byte, what was verified."""
    wrong = problem(host, backup)
    if wrong is None and _sha256(path(host, backup.id)) != backup.sha256:
        wrong = "its dump is not what was verified: it was changed since, or the disk is damaged"
    if wrong is not None:
        others = ", ".join(b.id for b in everything(host) if b.id != backup.id) or "none"
        raise HotfixError(
            f"The backup {backup.id} cannot be used: {wrong}.",
            next_step=f"bring its dump back from a copy (other backups here: {others}).",
        )


def back_up(session: Session, *, max_age: float, release: str) -> Backup:
    """Return a verified backup of the database as it is: one that is younger than *max_age* seconds, or a fresh one.

    One from before a migration does not count. With a *max_age* of 0 it is always a fresh one.
    """
    host = session.host
    postgres = Postgres.of(host)
    with session.step("back_up", mutates=False, release=release, database=postgres.database.name):
        _files.make_folder(folder(host))
        _sweep(host)
        state = _told(postgres.state)
        recent = _recent(host, postgres, state, max_age) if max_age > 0 else None
        if recent is not None:
            return recent
        _require_room(host, postgres)
        return _made(host, postgres, state)


def _recent(host: Host, postgres: Postgres, state: State, max_age: float) -> t.Optional[Backup]:
    now = host.clock.now()
    for backup in everything(host):
        age = (now - parse(backup.at)).total_seconds()
        if backup.database != postgres.database.name or not 0 <= age <= max_age:
            continue
        if State.of_json(backup.state) == state and _sha256(path(host, backup.id)) == backup.sha256:
            return replace(backup, reused=True)
    return None


def _made(host: Host, postgres: Postgres, state: State) -> Backup:
    began, started = host.clock.now(), host.clock.steady()
    backup_id = _new_id(host, f"{began:%Y%m%dT%H%M%SZ}-{postgres.database.name}")
    part = folder(host) / f".{backup_id}{_PART}"
    descriptor = os.open(str(part), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Whoever sweeps can tell by it that somebody still writes, be it only a program that we left behind.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        server = _told(postgres.version)
        _told(lambda: postgres.dump(part, descriptor))
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
        try:
            postgres.read_back(part)
        except CommandError as exc:
            raise HotfixError(
                f"The dump of {postgres.database.name} was written ({size} bytes) but cannot be read back: "
                f"{explain(exc)}.",
                next_step="look at the disk of the host and at the database, then run this again.",
            ) from exc
        backup = Backup(
            id=backup_id,
            database=postgres.database.name,
            at=stamp(began),
            verified_at=stamp(host.clock.now()),
            bytes=size,
            seconds=round(host.clock.steady() - started, 3),
            sha256=_sha256(part),
            server=server,
            state=tuple(state),
        )
        os.replace(str(part), str(path(host, backup_id)))
        _files.write_json(folder(host) / f"{backup_id}.json", asdict(backup))
    except BaseException as exc:
        for left in (part, path(host, backup_id)):
            with contextlib.suppress(FileNotFoundError):
                left.unlink()
        if _is_full(exc):
            raise HotfixError(
                f"The disk of {folder(host)} became full while the backup was written; what was written is removed.",
                next_step="make room on it, then run this again.",
            ) from exc
        raise
    finally:
        os.close(descriptor)
    return backup


def _is_full(exc: BaseException) -> bool:
    if isinstance(exc, OSError):
        return exc.errno == errno.ENOSPC
    return isinstance(exc, HotfixError) and "no space left" in exc.what.lower()


def _told(function: t.Callable[[], t.Any]) -> t.Any:
    try:
        return function()
    except CommandError as exc:
        raise HotfixError(
            f"The database could not be backed up: {explain(exc)}.",
            next_step="mend what it says (hotfix_database names service, name and user), or deploy without a backup "
            "for a recorded reason (-e \"backup_skip_reason='…'\").",
        ) from exc


def _require_room(host: Host, postgres: Postgres) -> None:
    database = postgres.database.name
    last = next((b for b in everything(host) if b.database == database), None)
    # A dump is compressed and has no indexes: what the last one took tells more than the database's size.
    wanted = (last.bytes * 3 // 2 if last else _told(postgres.size)) + _MARGIN
    stat = os.statvfs(str(folder(host)))
    free = stat.f_bavail * stat.f_frsize
    if free < wanted:
        raise HotfixError(
            f"Only {free // _MEGABYTE} MB are free for a backup of {database} in {folder(host)}, "
            f"{wanted // _MEGABYTE + 1} MB are wanted.",
            next_step="make room on that disk, then run this again.",
        )


def _new_id(host: Host, wanted: str) -> str:
    number, backup_id = 1, wanted
    while path(host, backup_id).exists() or (folder(host) / f".{backup_id}{_PART}").exists():
        number += 1
        backup_id = f"{wanted}-{number}"
    return backup_id


def _sweep(host: Host) -> None:
    """Remove what killed runs left: parts that nobody writes any more, and dumps that were never verified."""
    for part in folder(host).glob(f".*{_PART}"):
        if _abandoned(part):
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
    for dump in folder(host).glob("*.dump"):
        # Of one that somebody just verified, the record is written a moment after the dump has its name.
        if not dump.with_suffix(".json").exists() and _abandoned(dump) and not dump.with_suffix(".json").exists():
            with contextlib.suppress(FileNotFoundError):
                dump.unlink()


def _abandoned(file: Path) -> bool:
    try:
        descriptor = os.open(str(file), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def retain(host: Host) -> t.List[str]:
    """Remove old backups; return the IDs of those that went.

    The newest stay, and so do those that a rollback of a release that may still be gone back to would restore.
    """
    needed = {entry.backup for entry in log.read(host.app.app_dir).entries if entry.backup}
    good = [r for r in host.releases.all() if r.is_good][: host.app.backup_keep]
    needed.update(release.backup for release in good if release.backup)
    gone = []
    for backup in everything(host)[max(1, host.app.backup_keep) :]:
        if backup.id not in needed:
            # The record goes first: a dump without one is swept later, a record without a dump would lie.
            (folder(host) / f"{backup.id}.json").unlink()
            path(host, backup.id).unlink()
            gone.append(backup.id)
    return gone


def _read(record: Path) -> t.Optional[Backup]:
    data = _files.read_json(record)
    try:
        backup = Backup(**{name: data[name] for name in Backup.__dataclass_fields__ if name != "reused"})
        parse(backup.at)
        backup = replace(backup, state=tuple(backup.state))
    except (TypeError, KeyError, ValueError):
        return None
    return backup if backup.id == record.stem else None


def _sha256(file: Path) -> str:
    found = hashlib.sha256()
    with open(str(file), "rb") as handle:
        for chunk in iter(lambda: handle.read(_MEGABYTE), b""):
            found.update(chunk)
    return found.hexdigest()
