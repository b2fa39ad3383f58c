# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL behind a few threads, each with a connection of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection

from notes.versions import BASE_SCHEMA

Result = TypeVar("Result")

# One number for all who change the schema: two replicas, two hosts on one database, a migration.
SCHEMA_LOCK = 811


class DatabaseUnavailableError(Exception):
    """There is no connection. The driver's own text is left out: it can quote the connection string."""


def connect() -> Connection:
    """A connection of DATABASE_URL; its errors name no part of that."""
    try:
        return psycopg2.connect(
            os.environ.get("DATABASE_URL", ""),
            connect_timeout=2,
            options="-c statement_timeout=10000 -c lock_timeout=5000",
            application_name="notes",
        )
    except psycopg2.Error:
        raise DatabaseUnavailableError("no connection to the database") from None


def ensure_base_schema(connection: Connection) -> None:
    """Make the table of the first version where there is none. Never changes one that is there."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('notes')")
        row = cursor.fetchone()
        if row is not None and row[0] is not None:
            return
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        cursor.execute(BASE_SCHEMA)


class Database:
    """Runs functions on connections, off the event loop."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._local = threading.local()

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction; a connection that the server dropped meanwhile is replaced once."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, work)

    def _run(self, work: Callable[[Connection], Result]) -> Result:
        fresh = getattr(self._local, "connection", None) is None
        try:
            return self._attempt(work)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self._drop()
            if fresh:
                raise DatabaseUnavailableError("the database closed the connection") from None
        try:
            return self._attempt(work)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self._drop()
            raise DatabaseUnavailableError("the database closed the connection") from None

    def _attempt(self, work: Callable[[Connection], Result]) -> Result:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect()
            # The schema is looked at with each new connection: the volume may have been made anew.
            ensure_base_schema(connection)
            self._local.connection = connection
        with connection:
            return work(connection)

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Wait for nothing: what still runs belongs to requests that were given up."""
        self._pool.shutdown(wait=False, cancel_futures=True)
