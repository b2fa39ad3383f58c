# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The parts of a look at a host: all are taken at once, each with an end to it, and each says how it went."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._at_once import Ended, at_once
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

#: A part that could not be looked at is never one where all is well.
SEEN, UNSEEN, SKIPPED = "seen", "unseen", "skipped"

Found = t.Dict[str, t.Any]
Part = t.Dict[str, t.Any]
Work = t.Callable[[], Found]


class SkippedError(Exception):
    """There is nothing to look at; the text says why."""


def part(status: str, *, why: str = "", next_step: str = "", seconds: float = 0.0, found: t.Any = None) -> Part:
    """Return a part in the shape in which it is judged and kept."""
    return {"status": status, "why": why, "next": next_step, "seconds": round(seconds, 3), "found": found or {}}


def take(works: t.Mapping[str, Work], timeout: float) -> t.Dict[str, Part]:
    """Look at all parts at once; none is waited for longer than *timeout* seconds."""
    ended = at_once(list(works.values()), timeout)
    return {name: _part(one, timeout) for name, one in zip(works, ended)}


def _part(ended: t.Optional[Ended[Found]], timeout: float) -> Part:
    if ended is None:
        said = f"It did not end within {timeout:g} s."
        return part(UNSEEN, why=said, next_step="see what it waits for, and look again.", seconds=timeout)
    error = ended.error
    if error is None:
        return part(SEEN, seconds=ended.seconds, found=ended.value)
    if isinstance(error, SkippedError):
        return part(SKIPPED, why=str(error), seconds=ended.seconds)
    if isinstance(error, HotfixError):
        return part(UNSEEN, why=error.what, next_step=error.next_step, seconds=ended.seconds)
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        said = f"It cannot be looked at:{where} {error.strerror or error}."
        return part(UNSEEN, why=said, next_step="mend what it says.", seconds=ended.seconds)
    # One part that goes wrong in a way that nobody thought of is no reason to lose the others.
    said = f"It could not be looked at ({type(error).__name__})."
    return part(UNSEEN, why=said, next_step="look at it by hand.", seconds=ended.seconds)


def hidden(value: t.Any, hide: t.Callable[[str], str]) -> t.Any:
    """Return *value* with *hide* done to every text in it, however deep."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {key: hidden(item, hide) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(item, hide) for item in value]
    return value
