# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What numbers may be. NaN compares with nothing and infinity becomes no number of seconds, so neither passes here."""

from __future__ import annotations

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

#: Seconds. Whoever waits for longer than a year means something else.
LONGEST = 366 * 86400.0


def within(value: float, said: str, advice: str, *, least: float = 0.0, most: float = LONGEST) -> float:
    """Return *value* where it is between *least* and *most*; *advice* begins the next step, as ``set timeout to``."""
    if not least <= value <= most:
        why = "too little" if value < least else "too much, or no number"
        raise BadInputError(
            f"{said} {str(value)[:40]} is {why}.",
            next_step=f"{advice} {least:g} or more." if value < least else f"{advice} a number of at most {most:g}.",
        )
    return value
