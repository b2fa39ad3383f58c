# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Where a flag's value stands in an answer, how a request is filled in, and which values mean on and off."""

from __future__ import annotations

import difflib
import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

NAME = "{name}"
VALUE = "{value}"
_PICK = re.compile(r"\[([^=\]]+)=(.*)\]")
_MISSING = object()

Flags = t.Dict[str, t.Optional[bool]]


@dataclass(frozen=True)
class Words:
    """The values that mean on and off, as the other side writes them."""

    on: t.Any = True
    off: t.Any = False

    def __post_init__(self) -> None:
        if _same(self.on, self.off):
            raise BadInputError("value_on and value_off are the same.", next_step="give two different values.")

    def read(self, value: t.Any) -> t.Optional[bool]:
        """Return what *value* means; ``None`` when it is neither."""
        if _same(value, self.on):
            return True
        return False if _same(value, self.off) else None

    def write(self, on: bool) -> t.Any:
        """Return the value for on or off."""
        return self.on if on else self.off


def _same(one: t.Any, other: t.Any) -> bool:
    if isinstance(one, (dict, list)) or isinstance(other, (dict, list)):
        return bool(one == other)
    return str(one).lower() == str(other).lower()


def flag_name(name: str) -> str:
    """Return *name* when it can be one."""
    if not name or len(name) > 255 or not name.isprintable() or name != name.strip():
        raise BadInputError(
            f"{name!r} cannot be a flag's name.", next_step="give the name as the provider has it, such as NEW_EDITOR."
        )
    return name


class ResultPath:
    """Where values stand in an answer: ``flags.{name}``, ``{name}.enabled`` or ``features.[name={name}].enabled``.

    Keys are separated by dots; a number picks from a list, ``[key=value]`` picks the first item with that value.
    Where ``{name}`` is in the path the answer tells all flags, and so all names.
    """

    def __init__(self, path: str, option: str = "result") -> None:
        self.path = path
        self._segments = _segments(path)
        self._at = next((i for i, segment in enumerate(self._segments) if NAME in segment), -1)
        if self._at >= 0 and self._segments[self._at] != NAME and not _PICK.fullmatch(self._segments[self._at]):
            raise BadInputError(
                f"In {option} {path!r} the name stands inside a part.",
                next_step=f"give it a part of its own, as in flags.{NAME} or features.[name={NAME}].enabled.",
            )

    @property
    def tells_names(self) -> bool:
        """Whether one answer holds all flags."""
        return self._at >= 0

    def all(self, data: t.Any, words: Words) -> t.Optional[Flags]:
        """Return all flags of an answer; ``None`` when the answer is of another shape."""
        found = _descend(data, self._segments[: self._at])
        pick = _PICK.fullmatch(self._segments[self._at])
        items: t.List[t.Tuple[str, t.Any]] = []
        if pick and isinstance(found, list):
            items = [(str(one[pick.group(1)]), one) for one in found if isinstance(one, dict) and pick.group(1) in one]
        elif not pick and isinstance(found, dict):
            items = [(str(key), one) for key, one in found.items()]
        else:
            return None
        rest = self._segments[self._at + 1 :]
        return {name: words.read(_descend(one, rest)) for name, one in items}

    def one(self, data: t.Any, words: Words) -> t.Optional[bool]:
        """Return the value of an answer that is about one flag."""
        return words.read(_descend(data, self._segments))


def _segments(path: str) -> t.List[str]:
    # A dot inside brackets separates nothing.
    return re.findall(r"\[[^\]]*\]|[^.\[]+", path) if path else []


def _descend(data: t.Any, segments: t.Sequence[str]) -> t.Any:
    for segment in segments:
        pick = _PICK.fullmatch(segment)
        if pick and isinstance(data, list):
            data = next(
                (x for x in data if isinstance(x, dict) and str(x.get(pick.group(1))) == pick.group(2)), _MISSING
            )
        elif isinstance(data, dict):
            data = data.get(segment, _MISSING)
        elif isinstance(data, list) and segment.isdigit() and int(segment) < len(data):
            data = data[int(segment)]
        else:
            return _MISSING
    return data


def fill_path(path: str, name: str, value: t.Any) -> str:
    """Fill name and value into a URL's path."""
    filled = path.replace(NAME, urllib.parse.quote(name, safe=""))
    return filled.replace(VALUE, urllib.parse.quote(_plain(value), safe=""))


def fill(template: t.Any, name: str, value: t.Any) -> t.Any:
    """Fill name and value into a body, however deep; ``{value}`` alone becomes the value itself, of its own type."""
    if isinstance(template, dict):
        return {fill(k, name, _plain(value)): fill(v, name, value) for k, v in template.items()}
    if isinstance(template, list):
        return [fill(item, name, value) for item in template]
    if not isinstance(template, str):
        return template
    if template == VALUE:
        return value
    return template.replace(NAME, name).replace(VALUE, _plain(value))


def _plain(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def closest(name: str, known: t.Iterable[str]) -> t.List[str]:
    """Return the names nearest to *name*, the nearest first; all of them in order where none is near and few exist."""
    names = sorted(set(known))
    folded = {re.sub(r"[\W_]", "", one).lower(): one for one in reversed(names)}
    near = difflib.get_close_matches(re.sub(r"[\W_]", "", name).lower(), list(folded), n=3, cutoff=0.6)
    return [folded[one] for one in near] or names[:10]


def word(value: t.Optional[bool]) -> str:
    """Return a value as results show it."""
    return "unknown" if value is None else "enabled" if value else "disabled"


def short(value: bool) -> str:
    """Return a value as an operator says it."""
    return "on" if value else "off"
