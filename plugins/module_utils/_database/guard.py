# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a deploy owes the database: a verified backup, a migration that the running version can live with.

Every rollback comes by here, mostly to find nothing: what does the work is imported when there is some.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import App

KINDS = (log.NONE, log.COMPATIBLE, log.INCOMPATIBLE)


def kind_of(images: t.Mapping[str, Image], app: App, declared: t.Optional[str] = None) -> str:
    """Return how the code that runs now gets on with what *images* migrate to: the worst that any of them says.

    What the operator *declared* counts before the labels. Only of the service that migrates is a label wanted.
    """
    if declared:
        if declared not in KINDS:
            raise BadInputError(
                f"{declared!r} is no kind of migration.", next_step=f"declare one of {', '.join(KINDS)}."
            )
        return declared
    labels = {name: image.migration for name, image in images.items()}
    found = set(labels.values()) - {None}
    if log.INCOMPATIBLE in found:
        return log.INCOMPATIBLE
    silent = app.migration is not None and labels.get(app.migration.service) is None
    if silent or found - set(KINDS):
        return log.UNDECLARED
    return log.COMPATIBLE if log.COMPATIBLE in found else log.NONE


def require(
    host: Host,
    images: t.Union[t.Mapping[str, Image], Release, None],
    *,
    skip_reason: t.Optional[str],
    migration_reason: t.Optional[str],
    declared: t.Optional[str] = None,
) -> None:
    """Raise unless a deploy may go on: a backup can be made, and the migration is declared compatible.

    Each can be done without for a reason, which is recorded. Nothing is changed. Without *images*, as before they are
    pulled, only the backup is looked at.
    """
    _require_backup(host, skip_reason)
    if images is None:
        return
    found = images.images if isinstance(images, Release) else images
    kind = kind_of(found, host.app, declared)
    if kind in (log.NONE, log.COMPATIBLE) or migration_reason:
        return
    services = ", ".join(f"{name} ({image.migration or 'no label'})" for name, image in sorted(found.items()))
    what = (
        "a migration that the version that runs now cannot live with"
        if kind == log.INCOMPATIBLE
        else "no word on whether the version that runs now can live with its migration"
    )
    raise HotfixError(
        f"The new version carries {what}: {services}. Both versions meet the schema, and going back would need a "
        "restore of the database.",
        code="refused",
        next_step="split the migration, or label the image (pangeafate.hotfix.migration=compatible) where it is; "
        "to do it all the same, say why: -e \"migration_reason='…'\".",
    )


def _require_backup(host: Host, skip_reason: t.Optional[str]) -> None:
    app = host.app
    if skip_reason or app.has_database is False:
        return
    without = "or deploy without a backup and say why: -e \"backup_skip_reason='…'\"."
    if app.database is None:
        raise HotfixError(
            "Whether this app has a database is not declared, so no backup can be made before the deploy.",
            code="refused",
            next_step="set hotfix_database: {service: postgres, name: app, user: app}, or {} where there is none; "
            + without,
        )
    if not app.database.here:
        return
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres

    try:
        Postgres.of(host).version()
    except CommandError as exc:
        raise HotfixError(
            f"The database does not answer, so no backup can be made before the deploy: {exc.output or exc.what}",
            code="refused",
            next_step=f"mend what it says (hotfix_database names service, name and user), {without}",
        ) from exc


def secure(
    session: Session,
    release: Release,
    *,
    slot: str,
    skip_reason: t.Optional[str],
    migration_reason: t.Optional[str],
    declared: t.Optional[str] = None,
) -> t.List[str]:
    """Back the database up and migrate it to *release*; return what was done, in words.

    Where several hosts share one database, only the host on which it runs does it.
    """
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups, migrate

    app = session.host.app
    kind = kind_of(release.images, app, declared)
    if app.database is not None and not app.database.here:
        if kind != log.NONE:
            migrate.not_here(session, release, kind=kind, backup=None)
        return ["The database runs on another host, which backs it up and migrates it."]
    notes = []
    backup = None
    if app.database is not None and not skip_reason:
        # What a restore would lose is what was written since the backup: before such a migration it is a fresh one.
        max_age = app.backup_max_age if kind in (log.NONE, log.COMPATIBLE) else 0.0
        backup = backups.back_up(session, max_age=max_age, release=release.id)
        release.backup = backup.id
        session.host.releases.save(release)
        how = "a verified one from before counts" if backup.reused else f"read back in full, {backup.seconds} s"
        notes.append(f"Backup {backup.id} ({backup.bytes} bytes, {how}).")
    elif app.has_database is not False:
        notes.append(f"No backup was made: {skip_reason}.")
    if kind not in (log.NONE, log.COMPATIBLE):
        notes.append(f"A migration that is {kind} is let through: {migration_reason}.")
    if kind == log.NONE:
        notes += ["The release declares that it has nothing to migrate."] if app.migration is not None else []
    elif app.migration is not None:
        notes += migrate.migrate(session, release, app.migration, slot=slot, kind=kind, backup=backup)
    else:
        migrate.not_here(session, release, kind=kind, backup=backup)
        notes.append("hotfix_migration is not set: nothing was migrated by this deploy.")
    return notes


def settle(session: Session) -> t.List[str]:
    """Bring what a killed run left of a migration or a restore into order; return it in words."""
    host = session.host
    notes = []
    if log.restore_file(host.app.app_dir).exists():
        notes += _settle_restore(session)
    known = log.read(host.app.app_dir)
    unfinished = known.unfinished()
    if unfinished:
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import migrate

        # Not under the lock: what a killed run left running holds that, and ends with its container.
        with session.step("stop_migration", mutates=False, release=unfinished[-1].release):
            migrate.stop(host)
        with session.step("end_migration", release=unfinished[-1].release):
            notes += [migrate.settle_unfinished(host, known, entry) for entry in unfinished]
            log.write(host.app.app_dir, known)
    return notes


def _settle_restore(session: Session) -> t.List[str]:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import restore

    try:
        said = restore.settle(session)
    except HotfixError as exc:
        session.require()
        # Whether the app can be rescued without its database is not decided here.
        return [f"A restore was cut off, and the database cannot be brought into order now: {exc.what}"]
    return [said] if said is not None else []
