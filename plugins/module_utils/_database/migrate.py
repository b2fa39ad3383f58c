# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Migrating the database to a release, in a container of its own that goes when it is done."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _slots
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.backups import Backup
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres, explain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.state import State
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import App, Migration

_OUTPUT_SHOWN = 500


def container_name(app: App) -> str:
    """Return the name of the container that migrates: one name, so that two never migrate at once."""
    return f"{app.project}-hotfix-migrate"


def migrate(
    session: Session, release: Release, migration: Migration, *, slot: str, kind: str, backup: t.Optional[Backup]
) -> t.List[str]:
    """Run the migration of *release*, and write down what it did; return it in words."""
    host = session.host
    path = _slots.write(host, release, slot)
    with session.step("migrate", release=release.id, kind=kind):
        stop(host)
        known = log.read(host.app.app_dir)
        entry = _begun(session, known, release, kind, backup)
        log.write(host.app.app_dir, known)
        session.require()
        started = host.clock.steady()
        try:
            printed = _run(host, migration, path, slot)
        except CommandError as exc:
            stop(host)
            why = explain(exc)
            if not exc.output and host.clock.steady() - started < migration.timeout:
                # Its exit code is that of a program that timeout(1) had to kill.
                why = "its container was killed, by hand or for lack of memory"
            raise _failed(host, known, entry, why) from exc
        changed = settle_entry(host, known, entry)
        log.write(host.app.app_dir, known)
    said = host.mask().text(printed.strip().replace("\n", " "))[-_OUTPUT_SHOWN:]
    if not changed:
        return [f"The migration of {release.id} found nothing to do: {said}".rstrip(": ") + "."]
    return [f"Migrated to {release.id}: {said}".rstrip(": ") + "."]


def stop(host: Host) -> bool:
    """End a migration that a killed run left running; return whether there was one."""
    name = container_name(host.app)
    listed = host.docker.run("ps", "--all", "--quiet", "--filter", f"name=^{name}$").split()
    host.docker.remove(listed)
    return bool(listed)


def not_here(session: Session, release: Release, *, kind: str, backup: t.Optional[Backup]) -> None:
    """Write down a migration that *release* declares and that we do not run on this host."""
    host = session.host
    known = log.read(host.app.app_dir)
    entry = _begun(session, known, release, kind, backup)
    entry.outcome = log.DONE
    entry.elsewhere = host.app.database is not None and not host.app.database.here
    entry.by_hand = not entry.elsewhere
    log.write(host.app.app_dir, known)


def _begun(session: Session, known: log.Log, release: Release, kind: str, backup: t.Optional[Backup]) -> log.Entry:
    """Return the entry of the migration that is about to run.

    What an interrupted run of the same release began is gone on with: the schema of before, and the backup of it,
    are those of the first try.
    """
    host = session.host
    found = known.of(release.id)
    if found is not None:
        found.outcome = log.BEGUN
        return found
    entry = log.Entry(
        release=release.id,
        kind=kind,
        at=stamp(host.clock.now()),
        before=sorted(r.id for r in host.releases.all() if r.live_number and r.id != release.id),
        backup=backup.id if backup else None,
        reason=session.run.reason,
        state_before=_state(host) if backup is None else backup.state,
    )
    known.entries.append(entry)
    return entry


def settle_entry(host: Host, known: log.Log, entry: log.Entry) -> bool:
    """Write down, in memory, how a migration ended that ran to its end; return whether it changed anything.

    One that found nothing to do leaves no entry: older code lives with the schema as it did before.
    """
    after = _state(host)
    entry.outcome = log.DONE
    entry.state_after = after
    before = entry.first_state
    changed = before is None or after is None or before != after
    # Without notes of a migration tool, one that only changed rows cannot be told from one that did nothing.
    blind = before is not None and after is not None and after.book is None
    if not changed and not (blind and entry.kind != log.COMPATIBLE):
        known.entries.remove(entry)
    return changed


def settle_unfinished(host: Host, known: log.Log, entry: log.Entry) -> str:
    """Write down, in memory, what a migration did that was cut off; return it in words."""
    before, now = entry.first_state, _state(host)
    if before is not None and now == before:
        known.entries.remove(entry)
        return f"The migration of {entry.release} was cut off and left nothing in the database."
    entry.outcome, entry.state_after = log.FAILED, now
    return f"The migration of {entry.release} was cut off, and the schema has changed or cannot be looked at."


def _failed(host: Host, known: log.Log, entry: log.Entry, why: str) -> HotfixError:
    left = settle_unfinished(host, known, entry).replace("was cut off", "failed")
    log.write(host.app.app_dir, known)
    return HotfixError(
        f"The migration of {entry.release} failed: {host.mask().text(why)}.",
        left=left,
        next_step="mend it and deploy again; users have seen nothing of the new version.",
    )


def _state(host: Host) -> t.Optional[State]:
    database = host.app.database
    if database is None or not database.here:
        return None
    try:
        return Postgres.of(host).state()
    except HotfixError:
        return None


def _run(host: Host, migration: Migration, path: Path, slot: str) -> str:
    app = host.app
    return host.docker.run(
        "compose",
        "--project-name",
        _slots.project(app, slot),
        "--project-directory",
        str(app.app_dir),
        "--file",
        str(path),
        "--env-file",
        os.devnull,
        "run",
        "--rm",
        "--no-deps",
        "--no-TTY",
        "--name",
        container_name(app),
        _slots.address_name(migration.service, slot),
        *migration.command,
        env=_compose.current_only_env(app, host.docker.containers(app.project)),
        stdin_file=Path(os.devnull),
        timeout=migration.timeout,
        mutates=True,
    )
