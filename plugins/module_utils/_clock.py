# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The time, in one place so that tests can set it."""

from __future__ import annotations

import time
from datetime import datetime, timezone


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(timezone.utc)


def stamp(moment: datetime) -> str:
    """Return *moment* as ISO 8601 in UTC with milliseconds, as every record has it."""
    # Not by strftime, which writes some years with fewer than four digits.
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse(text: str) -> datetime:
    """Read what :func:`stamp` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


class Clock:
    """Wall clock and steady clock. *sleep* is here so that a test of a long wait need not wait."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return utc_now()

    def steady(self) -> float:
        """Return seconds that never jump, for measuring."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
