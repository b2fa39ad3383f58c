# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Paths into JSON: the part of JSONPath that names one place, ``$.items[0].id`` or ``$['a key']``."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)"
    r"|\[(?P<index>-?\d{1,9})\]"
    r"|\['(?P<single>(?:[^'\\]|\\.)+)'\]"
    r'|\["(?P<double>(?:[^"\\]|\\.)+)"\]'
)


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


#: What is at a place that is not there; ``null`` is something else.
MISSING = _Missing()


class JsonPath:
    """A place in a JSON document. ``$.`` at the beginning may be left out."""

    def __init__(self, text: str, said: str) -> None:
        self.text = text if text.startswith("$") else f"$.{text}" if not text.startswith("[") else f"${text}"
        self.steps: t.List[t.Union[str, int]] = []
        position = 1
        while position < len(self.text):
            match = _STEP.match(self.text, position)
            if match is None:
                raise BadInputError(
                    f"{said}: {text!r} is no path to one place in JSON (from {self.text[position:]!r} on).",
                    next_step="write it as $.items[0].id or $['a key']; wildcards, filters and slices are not known.",
                )
            self.steps.append(_step(match))
            position = match.end()

    @property
    def last(self) -> str:
        """Return the last name on the way."""
        return next((str(step) for step in reversed(self.steps) if isinstance(step, str)), "")

    def find(self, data: t.Any) -> t.Any:
        """Return what is there, or :data:`MISSING`."""
        for step in self.steps:
            if isinstance(step, int):
                if not isinstance(data, list) or not -len(data) <= step < len(data):
                    return MISSING
                data = data[step]
            else:
                if not isinstance(data, dict) or step not in data:
                    return MISSING
                data = data[step]
        return data


def _step(match: t.Match[str]) -> t.Union[str, int]:
    if match.group("index") is not None:
        return int(match.group("index"))
    if match.group("name") is not None:
        return match.group("name")
    return re.sub(r"\\(.)", r"\1", match.group("single") or match.group("double"))
