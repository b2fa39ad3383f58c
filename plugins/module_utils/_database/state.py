# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a migration changes, in a form that can be compared and kept."""

from __future__ import annotations

import typing as t


class State(t.NamedTuple):
    """What a migration changes: a hash of the schema, and one of what migration tools wrote down, if any does."""

    schema: str
    book: t.Optional[str]

    @classmethod
    def of_json(cls, data: t.Any) -> t.Optional[State]:
        """Read what a record has of it."""
        if isinstance(data, (list, tuple)) and len(data) == 2 and isinstance(data[0], str):
            return cls(data[0], data[1])
        return None
