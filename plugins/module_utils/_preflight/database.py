# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Whether the database can be reached, and how old what could be restored is."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import parse
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.headroom import headroom
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    PASSED,
    SKIPPED,
    WARNING,
    Found,
    Look,
)

PART = "database"
#: Connections that people and programs need to look at a database that the app has filled up.
_SPARE = 3


def looks(host: Host, params: t.Mapping[str, t.Any]) -> t.List[Look]:
    """Return the looks of this part."""
    return [
        Look(
            "database",
            PART,
            "No backup can be made, so that a deploy is refused; nor can anything be restored.",
            lambda: _access(host),
        ),
        Look(
            "backup",
            PART,
            "Whatever is lost or damaged now cannot be brought back as it was after the last backup.",
            lambda: _backup(host, float(params["backup_age"])),
        ),
    ]


def _none(host: Host) -> t.Optional[Found]:
    if host.app.has_database is None:
        return Found(SKIPPED, "hotfix_database is not set.")
    if host.app.database is None:
        return Found(SKIPPED, "hotfix_database says that there is none.")
    return None if host.app.database.here else Found(SKIPPED, "The database runs on another host.")


def _access(host: Host) -> Found:
    none = _none(host)
    if none is not None:
        return none
    version = Postgres.of(host).version()
    room = headroom(host)
    if room is not None and room.free < _SPARE:
        return Found(
            WARNING,
            f"{room.says()}.",
            "see who holds them (pg_stat_activity), or raise max_connections.",
        )
    return Found(PASSED, f"PostgreSQL {version.split()[0]}; {room.says() if room else 'connections unknown'}.")


def _backup(host: Host, oldest: float) -> Found:
    none = _none(host)
    if none is not None:
        return none
    if oldest <= 0:
        return Found(SKIPPED, "preflight_backup_max_age is 0: backups are made elsewhere.")
    name = host.app.database.name if host.app.database else ""
    found = [one for one in backups.everything(host) if one.database == name]
    folder = backups.folder(host)
    mend = "deploy, which makes one; where others make backups, set preflight_backup_max_age to 0."
    if not found:
        return Found(FAILED, f"There is no verified backup of {name} in {folder}.", mend)
    age = (host.clock.now() - parse(found[0].at)).total_seconds()
    if age > oldest:
        return Found(
            FAILED,
            f"The newest verified backup of {name}, {found[0].id}, is {_hours(age)} old, and may be {_hours(oldest)}.",
            mend,
        )
    return Found(PASSED, f"{found[0].id} is {_hours(max(0.0, age))} old and was read back in full.")


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
