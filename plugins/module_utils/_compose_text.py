# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One line more in a Compose file that people wrote: its comments, order and style stay as they are.

There is no YAML reader on a host that could write them back, so this looks at indented lines only and gives up on what
it does not know. Compose itself has to confirm what came of it.
"""

from __future__ import annotations

import re
import typing as t


def add_volume(text: str, service: str, entry: str) -> t.Optional[str]:
    """Return the file with *entry* (short syntax) among the volumes of *service*; ``None`` where that is not plain."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    top = _key(lines, range(len(lines)), 0, "services")
    if top is None:
        return None
    services = _block(lines, top, 0)
    place = _first_indent(lines, services)
    at = _key(lines, services, place, service) if place else None
    if at is None:
        return None
    body = _block(lines, at, place)
    inner = _first_indent(lines, body)
    if inner <= place:
        return None
    new = f"- {entry}\n"
    volumes = _key(lines, body, inner, "volumes")
    if volumes is None:
        if any(re.match(rf" {{{inner}}}[\"']?volumes[\"']?\s*:", lines[index]) for index in body):
            # It has them in another style, such as all in one line.
            return None
        lines.insert(at + 1, f"{' ' * inner}volumes:\n{' ' * (inner + 2)}{new}")
        return "".join(lines)
    items = [index for index in _list_below(lines, volumes, body, inner) if not _is_idle(lines[index])]
    if not items or not lines[items[0]].lstrip().startswith("- "):
        return None
    lines.insert(items[-1] + 1, " " * _indent(lines[items[0]]) + new)
    return "".join(lines)


def _is_idle(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _key(lines: t.Sequence[str], among: t.Iterable[int], indent: int, name: str) -> t.Optional[int]:
    """Return the line that opens the block of a key; ``None`` unless there is exactly one."""
    pattern = re.compile(rf" {{{indent}}}([\"']?){re.escape(name)}\1\s*:\s*(?:#.*)?\s*")
    found = [index for index in among if pattern.fullmatch(lines[index])]
    return found[0] if len(found) == 1 else None


def _block(lines: t.Sequence[str], opening: int, indent: int) -> range:
    """Return the lines of the block that a key of *indent* opens."""
    end = opening + 1
    while end < len(lines) and (_is_idle(lines[end]) or _indent(lines[end]) > indent):
        end += 1
    return range(opening + 1, end)


def _first_indent(lines: t.Sequence[str], block: range) -> int:
    return next((_indent(lines[index]) for index in block if not _is_idle(lines[index])), 0)


def _list_below(lines: t.Sequence[str], opening: int, body: range, indent: int) -> range:
    """Return the lines of the list that a key opens; its dashes may stand below the key's first letter."""
    end = opening + 1
    while end < body.stop and (
        _is_idle(lines[end])
        or _indent(lines[end]) > indent
        or (_indent(lines[end]) == indent and lines[end].lstrip().startswith("- "))
    ):
        end += 1
    return range(opening + 1, end)
