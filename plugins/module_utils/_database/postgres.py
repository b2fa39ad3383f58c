# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""PostgreSQL in a container of the app: every program runs inside of it, over the local socket.

A password is never an argument and never leaves the container. Official images trust the local socket; where one
does not, the shell inside takes the password from the container's own environment.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.state import State
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Database

#: Seconds that a dump, its reading back, or a restore may take.
LONG = 4 * 3600.0
#: Milliseconds that a dump waits for a table that a migration has locked.
_LOCK_WAIT = 60_000
#: The longest name that PostgreSQL takes, in bytes.
_LONGEST_NAME = 63
_SEPARATOR = "\x1f"

#: Becomes the program that its arguments name, with a password from the environment where that has one.
_INSIDE = (
    'if [ -z "${PGPASSWORD-}" ]; then PGPASSWORD=${POSTGRES_PASSWORD-}; '
    'if [ -z "$PGPASSWORD" ] && [ -r "${POSTGRES_PASSWORD_FILE-}" ]; then '
    'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi; export PGPASSWORD; fi; exec "$@"'
)

#: Where migration tools write down what they applied, in lower case.
_BOOKS = (
    "schema_migrations", "migrations", "alembic_version", "django_migrations", "flyway_schema_history",
    "databasechangelog", "goose_db_version", "schema_version", "schema_info", "__efmigrationshistory",
    "_prisma_migrations", "knex_migrations", "doctrine_migration_versions", "sequelizemeta", "typeorm_migrations",
    "mikro_orm_migrations", "atlas_schema_revisions", "__drizzle_migrations", "pgmigrations", "_sqlx_migrations",
    "__diesel_schema_migrations", "refinery_schema_history",
)  # fmt: skip

# One row for each such table: its name and a hash of all its rows.
_READ_BOOKS = r"""
SELECT format('SELECT %L, md5(coalesce(string_agg(x::text, chr(10) ORDER BY x::text), '''')) FROM %I.%I AS x',
              n.nspname || '.' || c.relname, n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.reltuples < 100000 AND n.nspname !~ '^(pg_|information_schema$)'
   AND lower(c.relname) = ANY (string_to_array(:'books', ','))
 ORDER BY 1
\gexec
"""

#: Lines of a dump that differ though the schema is the same.
_NOT_SCHEMA = re.compile(r"(?:--|\\(?:un)?restrict |SET |SELECT pg_catalog\.set_config|\s*$)")


class Postgres:
    """The programs of PostgreSQL in one running container."""

    def __init__(
        self, docker: Docker, container: str, database: Database, *, connect_timeout: t.Optional[int] = None
    ) -> None:
        self._docker = docker
        self._container = container
        self.database = database
        #: Seconds that the server may take to let a program in; without it they wait as long as they are let.
        self._connect_timeout = connect_timeout

    @classmethod
    def of(cls, host: Host) -> Postgres:
        """Return that of the app's declared database, or raise when it does not run."""
        database = host.app.database
        if database is None or not database.here:
            raise BadInputError("This app has no database on this host.", next_step="declare it with hotfix_database.")
        found = [c for c in host.docker.containers(host.app.project) if c.service == database.service]
        running = [c for c in found if c.running]
        if not found:
            raise BadInputError(
                f"The database service {database.service!r} has no container in the Compose project "
                f"{host.app.project!r}.",
                next_step="correct hotfix_database.service, or declare with hotfix_database: {} that there is none.",
            )
        if len(running) != 1:
            state = ", ".join(f"{c.name} is {c.status}" for c in found)
            raise HotfixError(
                f"The database does not run: {state}.",
                next_step=f"start it (docker start {found[0].name}), then run this again.",
            )
        return cls(host.docker, running[0].id, database)

    # -- asking -------------------------------------------------------------------------------------------

    def rows(
        self,
        sql: str,
        *,
        database: t.Optional[str] = None,
        timeout: float = 60.0,
        mutates: bool = False,
        values: t.Optional[t.Mapping[str, str]] = None,
    ) -> t.List[t.List[str]]:
        """Run *sql* and return its rows. *values* are psql variables: ``:'name'`` and ``:"name"`` quote them."""
        variables = [word for name, value in (values or {}).items() for word in ("-v", f"{name}={value}")]
        printed = self._docker.run(
            *self._inside("psql", database, "-X", "-q", "-A", "-t", "-F", _SEPARATOR, "-v", "ON_ERROR_STOP=1"),
            *variables,
            "-f",
            "-",
            stdin=sql,
            timeout=timeout,
            mutates=mutates,
        )
        return [line.split(_SEPARATOR) for line in printed.splitlines() if line]

    def value(self, sql: str, values: t.Optional[t.Mapping[str, str]] = None) -> str:
        """Return the one value that *sql* asks for; empty where there is no row."""
        found = self.rows(sql, values=values)
        return found[0][0] if found else ""

    def version(self) -> str:
        """Return the server's version; that it answers is what most callers want to know."""
        return self.value("SHOW server_version")

    def size(self) -> int:
        """Return the bytes that the database has on disk: more than a dump of it, as a rule."""
        return int(self.value("SELECT pg_database_size(:'name')", {"name": self.database.name}))

    def exists(self, database: str) -> bool:
        """Tell whether the server has *database*."""
        sql = "SELECT 1 FROM pg_database WHERE datname = :'name'"
        return bool(self.rows(sql, database=self.maintenance(), values={"name": database}))

    def maintenance(self) -> str:
        """Return the database to be in while others are renamed."""
        return "postgres" if self.database.name != "postgres" else "template1"

    def state(self, database: t.Optional[str] = None) -> State:
        """Return what a migration would have changed."""
        printed = self._docker.run(
            *self._inside("pg_dump", database, "--schema-only", f"--lock-wait-timeout={_LOCK_WAIT}"), timeout=300.0
        )
        schema = "\n".join(line for line in printed.splitlines() if not _NOT_SCHEMA.match(line))
        books = self.rows(_READ_BOOKS, database=database, values={"books": ",".join(_BOOKS)})
        book = "\n".join(" ".join(row) for row in books)
        return State(_hash(schema), _hash(book) if books else None)

    # -- dumps --------------------------------------------------------------------------------------------

    def dump(self, path: Path, descriptor: int) -> None:
        """Write a dump to *path*, which must exist. *descriptor* is left open in the program that writes."""
        self._docker.run(
            *self._inside("pg_dump", None, "--format=custom", f"--lock-wait-timeout={_LOCK_WAIT}"),
            stdout_file=path,
            pass_fds=(descriptor,),
            timeout=LONG,
        )

    def read_back(self, path: Path) -> None:
        """Read the dump in *path* in full, as a restore does, and raise when it cannot be."""
        command = ("exec", "--interactive", self._container, "pg_restore", "--file=/dev/null")
        self._docker.run(*command, stdin_file=path, timeout=LONG)

    def load(self, path: Path, database: str) -> None:
        """Restore the dump in *path* into *database*, which must be empty; the first error ends it."""
        self._docker.run(
            *self._inside("pg_restore", database, "--exit-on-error"), stdin_file=path, timeout=LONG, mutates=True
        )
        # A dump has no statistics, and without them the first queries can take minutes.
        self.rows("ANALYZE", database=database, timeout=LONG, mutates=True)

    # -- databases ----------------------------------------------------------------------------------------

    def create_like(self, database: str) -> None:
        """Create an empty *database* with owner, locale, settings and grants of the app's own."""
        columns = {row[0] for row in self.rows(_LOCALE_COLUMNS, database=self.maintenance())}
        locale = next((c for c in ("datlocale", "daticulocale") if c in columns), "NULL::text")
        provider = "datlocprovider" if "datlocprovider" in columns else "'c'"
        sql = _CREATE_LIKE.replace("@locale@", locale).replace("@provider@", provider)
        self.rows(
            sql,
            database=self.maintenance(),
            timeout=300.0,
            mutates=True,
            values={"old": self.database.name, "new": database},
        )

    def drop(self, database: str) -> None:
        """Drop *database* if it is there, whoever is in it."""
        sql = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'name' \\g /dev/null\n"
            'DROP DATABASE IF EXISTS :"name"'
        )
        self.rows(sql, database=self.maintenance(), timeout=300.0, mutates=True, values={"name": database})

    def open(self) -> None:
        """Let clients connect to the app's database, should they not be allowed to."""
        sql = (
            "SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS true', datname) FROM pg_database "
            "WHERE datname = :'name' AND NOT datallowconn\n\\gexec\n"
        )
        self.rows(sql, database=self.maintenance(), mutates=True, values={"name": self.database.name})

    def swap(self, side: str, before: str) -> None:
        """Put *side* in the place of the app's database, which is called *before* from then on.

        Clients are sent away, and find the other when they come back. The two renames are one transaction.
        """
        self.rows(
            _SWAP, database=self.maintenance(), timeout=120.0, mutates=True,
            values={"name": self.database.name, "side": side, "before": before},
        )  # fmt: skip

    def _inside(self, program: str, database: t.Optional[str], *arguments: str) -> t.Tuple[str, ...]:
        who = ("--no-password", f"--username={self.database.user}", f"--dbname={database or self.database.name}")
        # psql and pg_restore read their stdin; pg_dump must not be given ours.
        attach = () if program == "pg_dump" else ("--interactive",)
        wait = () if self._connect_timeout is None else ("--env", f"PGCONNECT_TIMEOUT={self._connect_timeout}")
        return ("exec", *attach, *wait, self._container, "sh", "-c", _INSIDE, "sh", program, *who, *arguments)


_LOCALE_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_catalog.pg_database'::regclass"

_CREATE_LIKE = r"""
SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L LC_COLLATE %L LC_CTYPE %L', :'new',
              pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
       || CASE @provider@ WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', @locale@)
                          WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', @locale@)
                          ELSE '' END
  FROM pg_database WHERE datname = :'old'
\gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'new')
  FROM pg_database WHERE datname = :'old' AND datacl IS NOT NULL
\gexec
SELECT format('GRANT %s ON DATABASE %I TO %s%s', g.privilege_type, :'new',
              CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
              CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_database d, aclexplode(d.datacl) g WHERE d.datname = :'old'
\gexec
SELECT format('ALTER %s SET %I TO %s',
              CASE s.setrole WHEN 0 THEN format('DATABASE %I', :'new')
                             ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(s.setrole), :'new') END,
              split_part(c, '=', 1),
              -- Lists are stored as they are written; anything else is one literal.
              CASE WHEN lower(split_part(c, '=', 1)) IN ('search_path', 'temp_tablespaces', 'datestyle',
                        'session_preload_libraries', 'local_preload_libraries')
                   THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END)
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c
 WHERE d.datname = :'old'
\gexec
"""

_SWAP = r"""
ALTER DATABASE :"name" ALLOW_CONNECTIONS false;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (:'name', :'side') \g /dev/null
BEGIN;
ALTER DATABASE :"name" RENAME TO :"before";
ALTER DATABASE :"side" RENAME TO :"name";
ALTER DATABASE :"before" ALLOW_CONNECTIONS true;
COMMIT;
"""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def name_beside(database: str, what: str, stamp: str) -> str:
    """Return the name of a database beside the app's, within the length that PostgreSQL takes."""
    tail = f"_{what}_{stamp}"
    return database[: _LONGEST_NAME - len(tail)] + tail


def explain(exc: CommandError) -> str:
    """Return what a program of PostgreSQL said, or that it said nothing in time."""
    return exc.output.rstrip(".") or exc.what.rstrip(".")
