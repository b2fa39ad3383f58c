# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The database: its connections and who holds them, queries that run for long, and who waits for whom."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres, explain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found, SkippedError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

#: Seconds that the server may take to let us in, so that nothing of ours stays behind inside of a database that hangs.
CONNECT = 3
_FULL = re.compile(r"too many clients|too many connections|remaining connection slots are reserved", re.IGNORECASE)
# A server that says FATAL is there and takes nobody in; without one psql says where it looked in vain.
_REFUSED = re.compile(r"FATAL:|connection to server .* failed|could not connect to server", re.DOTALL)
_LITERAL = re.compile(r"'(?:[^']|'')*'?|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL)
_QUERY = 120

_LOOK = r"""
SET statement_timeout = '4s';
SELECT 'server', current_setting('server_version'), current_setting('max_connections'),
       current_setting('superuser_reserved_connections'), pg_is_in_recovery(),
       count(*) FILTER (WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
       count(*) FILTER (WHERE backend_type IS NULL OR (backend_type = 'client backend' AND state IS NULL))
  FROM pg_catalog.pg_stat_activity;
SELECT 'state', coalesce(state, 'unknown'), count(*) FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 2;
SELECT 'client', coalesce(host(client_addr), 'inside'), count(*) FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 2;
SELECT 'session', pid, coalesce(state, ''),
       round(coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::numeric, 1),
       round(coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::numeric, 1),
       coalesce(host(client_addr), 'inside'), array_to_string(pg_blocking_pids(pid), ','),
       regexp_replace(left(coalesce(query, ''), 1000), '\s+', ' ', 'g')
  FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND (state <> 'idle' OR cardinality(pg_blocking_pids(pid)) > 0)
 ORDER BY xact_start NULLS LAST LIMIT 50;
"""


def look(host: Host) -> Found:
    """Ask the declared database as the declared user."""
    database = host.app.database
    if host.app.has_database is None:
        raise SkippedError("hotfix_database is not set.")
    if database is None:
        raise SkippedError("hotfix_database says that there is none.")
    if not database.here:
        raise SkippedError("The database runs on another host.")
    containers = host.docker.containers(host.app.project)
    ours = [one for one in containers if one.service == database.service]
    running = [one for one in ours if one.running]
    if len(running) != 1:
        state = ", ".join(f"{one.name} is {one.status}" for one in ours) or "it has no container"
        return {"answers": False, "runs": False, "full": False, "says": f"it does not run: {state}"}
    try:
        rows = Postgres(host.docker, running[0].id, database, connect_timeout=CONNECT).rows(_LOOK, timeout=20.0)
    except CommandError as exc:
        said = " ".join(explain(exc).split())[-300:]
        if not _REFUSED.search(said):
            # Whether it is the engine, the container or the server that hangs is not known.
            raise
        full = bool(_FULL.search(said))
        return {"answers": False, "runs": True, "full": full, "says": said, "container": running[0].name}
    names = {address: one.service for one in containers for address in one.addresses.values() if address}
    return {"answers": True, "runs": True, "full": False, "container": running[0].name, **read(rows, names)}


def read(rows: t.Sequence[t.Sequence[str]], services: t.Mapping[str, str]) -> Found:
    """Make sense of what the server told; *services* names the services by their addresses."""
    by_kind: t.Dict[str, t.List[t.Sequence[str]]] = {}
    for row in rows:
        by_kind.setdefault(row[0], []).append(row[1:])
    version, most, reserved, recovery, used, hidden = by_kind["server"][0][:6]
    clients: t.Dict[str, int] = {}
    for address, count in by_kind.get("client", ()):
        name = services.get(address, address)
        clients[name] = clients.get(name, 0) + int(count)
    return {
        "version": version.split()[0],
        "max_connections": int(most),
        "reserved": int(reserved),
        "recovery": recovery == "t",
        "connections": int(used),
        "hidden": int(hidden),
        "states": {state: int(count) for state, count in by_kind.get("state", ())},
        "clients": dict(sorted(clients.items(), key=lambda pair: -pair[1])),
        "sessions": [_session(row, services) for row in by_kind.get("session", ())],
    }


def _session(row: t.Sequence[str], services: t.Mapping[str, str]) -> Found:
    pid, state, query_age, transaction_age, address, blockers = row[:6]
    return {
        "pid": int(pid),
        "state": state,
        "seconds": float(query_age),
        "transaction_seconds": float(transaction_age),
        "client": services.get(address, address),
        "blocked_by": [int(one) for one in blockers.split(",") if one],
        # Values are somebody's data, passwords perhaps.
        "query": _LITERAL.sub("?", " ".join(row[6:]))[:_QUERY],
    }
