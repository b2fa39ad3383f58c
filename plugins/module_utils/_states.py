# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The life of a release, as a table."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

PREPARING = "preparing"
PREPARED = "prepared"
LIVE = "live"
CONFIRMED = "confirmed"
SUPERSEDED = "superseded"
FAILED = "failed"
VOIDED = "voided"

#: From each state, the states that may follow. ``absent`` is a release that has no record yet.
TRANSITIONS: t.Dict[str, t.FrozenSet[str]] = {
    "absent": frozenset({PREPARING}),
    PREPARING: frozenset({PREPARED, FAILED}),
    PREPARED: frozenset({LIVE, FAILED}),
    LIVE: frozenset({CONFIRMED, SUPERSEDED, VOIDED}),
    CONFIRMED: frozenset({SUPERSEDED, VOIDED}),
    # A release that was replaced, or rolled back from, can be brought back: by a rollback, or by its ID.
    SUPERSEDED: frozenset({LIVE}),
    VOIDED: frozenset({LIVE}),
    # What never became live has nothing to come back to; a new deploy makes a new record.
    FAILED: frozenset(),
}


def check(release: str, before: str, after: str) -> None:
    """Raise unless *release* may go from the state *before* to *after*."""
    if after not in TRANSITIONS.get(before, frozenset()):
        raise HotfixError(
            f"Release {release} is {before} and cannot become {after}.",
            next_step="look at the host's releases with the release_info module.",
        )
