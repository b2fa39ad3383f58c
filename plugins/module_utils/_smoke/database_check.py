# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``database``: it answers, has connections to spare, and no query runs for too long."""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres, explain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.here import HostCheck, mask_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    Here,
    Outcome,
    Surroundings,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil

HOST = True
KEYS = ("connections_below", "longest_query")
_LONGEST_DAY = 86400.0
# A server that says FATAL is there and takes nobody in; without one psql says where it looked in vain.
_REFUSED = re.compile(r"FATAL:|connection to server .* failed|could not connect to server", re.DOTALL)
#: What clients hold, what there is for them, for how long the oldest query runs, and how many are hidden from us.
_LOOK = r"""
SELECT count(*) FILTER (WHERE a.backend_type = 'client backend'),
       current_setting('max_connections'),
       coalesce(max(extract(epoch FROM clock_timestamp() - a.query_start))
                FILTER (WHERE a.state = 'active' AND a.pid <> pg_backend_pid()
                              AND a.backend_type = 'client backend'), 0),
       count(*) FILTER (WHERE a.backend_type IS NULL OR (a.backend_type = 'client backend' AND a.state IS NULL)),
       pg_is_in_recovery()
  FROM pg_catalog.pg_stat_activity a
"""


@dataclass(frozen=True)
class DatabaseCheck(HostCheck):
    """Asks the database in its own container. ``connections_below`` is a share of those that it takes."""

    connections_below: float
    longest_query: t.Optional[float]

    def look(self, here: Here, around: Surroundings) -> Outcome:
        """Ask it."""
        if here.database is None:
            return Outcome(SKIPPED, "no database is declared here (hotfix_database)")
        if not here.database.here:
            return Outcome(SKIPPED, "the database runs on another host, which looks at it")
        end = time.monotonic() + min(self.timeout, around.left())
        ours = [one for one in here.docker.containers(here.project) if one.service == here.database.service]
        running = [one for one in ours if one.running]
        if len(running) != 1:
            state = ", ".join(f"{one.name} is {one.status}" for one in ours) or "it has no container"
            # The engine did answer, so this much is known.
            return Outcome(FAILED, f"the database does not run: {state}")
        database = Postgres(here.docker, running[0].id, here.database)
        veil = Veil(around.values().values())
        try:
            rows = database.rows(_LOOK, timeout=max(0.1, end - time.monotonic()))
        except CommandError as exc:
            said = veil.text(mask_of(here, ours).text(explain(exc)))
            status = FAILED if _REFUSED.search(said) else ERROR
            return Outcome(status, f"the database does not answer: {_one_line(said)}")
        return self._judged(rows)

    def _judged(self, rows: t.Sequence[t.Sequence[str]]) -> Outcome:
        try:
            used, most, longest, hidden = int(rows[0][0]), int(rows[0][1]), float(rows[0][2]), int(rows[0][3])
        except (IndexError, ValueError):
            return Outcome(ERROR, "the database gave an answer that cannot be read")
        evidence = {
            "connections": used,
            "max_connections": most,
            "longest_query": round(longest, 3),
            "recovery": rows[0][4:] == ["t"],
        }
        said = f"{used} of {most} connections are taken"
        if used >= self.connections_below * most:
            return Outcome(FAILED, f"{said}, not less than {self.connections_below:.0%}", evidence=evidence)
        if self.longest_query is not None:
            if longest > self.longest_query:
                told = f"a query runs for {longest:.1f} s, not at most {self.longest_query:g} s"
                return Outcome(FAILED, told, evidence=evidence)
            if hidden:
                return Outcome(
                    ERROR, f"the queries of {hidden} connections are hidden from this user", evidence=evidence
                )
        return Outcome(PASSED, f"the database answers; {said}", evidence=evidence)


def _one_line(text: str) -> str:
    return cut(" ".join(text.split()), 200)


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], _secrets: t.Collection[str]) -> DatabaseCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    return DatabaseCheck(
        **common,
        connections_below=fields.number(raw, "connections_below", said, 0.8, 0.01, 1.0),
        longest_query=fields.number(raw, "longest_query", said, 0.0, 0.001, _LONGEST_DAY)
        if "longest_query" in raw
        else None,
    )
