# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature flags. In the store `process` a change is known to one process only, as in the seed; in `redis` to all."""

from __future__ import annotations

import logging
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

LOG = logging.getLogger("notes")
HASH = "feature-flags"
DEFAULTS = {"COLLABORATIVE_EDITING": True, "NOTE_SHARING": True, "COMMENTS": True, "NEW_EDITOR": False}


class Flags:
    """Values of all flags, with defaults for those that nobody has set."""

    def __init__(self, redis: Redis, shared: bool) -> None:
        # The client's commands are typed as either awaitable or not.
        self._redis: Any = redis
        self._shared = shared
        self._values = dict(DEFAULTS)

    async def all(self) -> dict[str, bool]:
        """Every flag's value as this process sees it."""
        if self._shared:
            try:
                stored = await self._redis.hgetall(HASH)
            except (RedisError, OSError):
                # Better the last value known than a default that somebody has overruled.
                LOG.warning("feature flags: redis does not answer, using the last known values")
            else:
                self._values = {**DEFAULTS, **{name: value == "true" for name, value in stored.items()}}
        return dict(self._values)

    async def enabled(self, name: str) -> bool:
        """One flag's value; a name nobody has set is off."""
        return (await self.all()).get(name, False)

    async def set(self, name: str, enabled: bool) -> None:
        """Change a flag. Only the shared store insists that Redis has taken it."""
        try:
            await self._redis.hset(HASH, name, "true" if enabled else "false")
        except (RedisError, OSError):
            if self._shared:
                raise
            LOG.warning("feature flags: redis does not answer, %s is set in this process only", name)
        self._values[name] = enabled
