# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies the migrations of this image's version: `python3 -m notes.migrate`. The services never do."""

from __future__ import annotations

import argparse
import json
import sys

import psycopg2
from psycopg2.extensions import connection as Connection

from notes.database import SCHEMA_LOCK, DatabaseUnavailableError, connect
from notes.service import current_version
from notes.versions import Migration, Version

TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL,
    applied_by text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


def applied(connection: Connection) -> dict[int, tuple[str, str]]:
    """Name and kind of the migrations that the database has, without changing it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('schema_migrations')")
        row = cursor.fetchone()
        if row is None or row[0] is None:
            return {}
        cursor.execute("SELECT number, name, kind FROM schema_migrations ORDER BY number")
        return {int(number): (name, kind) for number, name, kind in cursor.fetchall()}


def pending(connection: Connection, version: Version) -> list[Migration]:
    """The version's migrations that the database has not seen."""
    done = applied(connection)
    return [migration for migration in version.migrations if migration.number not in done]


def foreign(connection: Connection, version: Version) -> list[dict[str, str]]:
    """Migrations of other versions in the database. An older image knows of them only what the table says."""
    own = {migration.number for migration in version.migrations}
    return [
        {"name": f"{number}-{name}", "kind": kind}
        for number, (name, kind) in applied(connection).items()
        if number not in own
    ]


def apply(connection: Connection, version: Version) -> list[Migration]:
    """All pending migrations, in one transaction, one runner at a time."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        cursor.execute(TABLE)
        todo = pending(connection, version)
        for migration in todo:
            for statement in migration.statements:
                cursor.execute(statement)
            cursor.execute(
                "INSERT INTO schema_migrations (number, name, kind, applied_by) VALUES (%s, %s, %s, %s)",
                (migration.number, migration.name, migration.kind, version.name),
            )
    return todo


def _names(migrations: list[Migration]) -> list[str]:
    return [f"{migration.number}-{migration.name}" for migration in migrations]


def main() -> None:
    """Prints one line of JSON. Exits 1 when the database could not be changed."""
    parser = argparse.ArgumentParser(prog="python3 -m notes.migrate", description=__doc__)
    parser.add_argument("--status", action="store_true", help="only say what is pending, change nothing")
    arguments = parser.parse_args()
    version = current_version()
    try:
        connection = connect()
        with connection:
            others = foreign(connection, version)
        if arguments.status:
            with connection:
                todo = pending(connection, version)
        else:
            todo = apply(connection, version)
    except DatabaseUnavailableError as error:
        sys.exit(f"migrate: {error}")
    except psycopg2.Error as error:
        sys.exit(f"migrate: {type(error).__name__}: {(error.diag.message_primary or 'the connection was lost')}")
    print(
        json.dumps(
            {
                "version": version.name,
                "migration": version.migration,
                "pending" if arguments.status else "applied": _names(todo),
                "foreign": others,
            }
        )
    )


if __name__ == "__main__":
    main()
