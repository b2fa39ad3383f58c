# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""How many connections the database still has room for: a second colour opens as many as the first."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import Postgres
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

_COUNT = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
       count(*) FILTER (WHERE datname IS NOT NULL),
       count(*) FILTER (WHERE datname = :'name' AND pid <> pg_backend_pid())
  FROM pg_stat_activity
"""


class Headroom(t.NamedTuple):
    """Connections that the server allows, that are open, and that are open to the app's own database."""

    maximum: int
    used: int
    of_app: int

    @property
    def free(self) -> int:
        """Return how many more can be opened."""
        return max(0, self.maximum - self.used)

    @property
    def fits_twice(self) -> bool:
        """Tell whether a second colour may open as many as the app has open now."""
        return self.free >= self.of_app

    def says(self) -> str:
        """Return it in words."""
        return f"{self.used} of {self.maximum} database connections are open, {self.of_app} of them by the app"


def headroom(host: Host) -> t.Optional[Headroom]:
    """Look; ``None`` where the app has no database on this host."""
    database = host.app.database
    if database is None or not database.here:
        return None
    (row,) = Postgres.of(host).rows(_COUNT, values={"name": database.name}, timeout=10.0)
    return Headroom(*(int(value) for value in row))
