# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""JSON of others, of which nobody knows what it is."""

from __future__ import annotations

import json
import typing as t


def loads(text: t.Union[str, bytes]) -> t.Any:
    """Return what *text* holds. Whatever is wrong with it is a :class:`ValueError`, too deep a nesting as well."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def table(value: t.Any) -> t.Dict[str, t.Any]:
    """Return *value* where it is a dictionary, else an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: t.Any) -> t.List[t.Dict[str, t.Any]]:
    """Return the dictionaries of a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
