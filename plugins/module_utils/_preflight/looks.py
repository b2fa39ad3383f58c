# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Looks that are taken all at once, each with an end to it, and what each of them found."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._at_once import at_once
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

PASSED, WARNING, FAILED, SKIPPED = "passed", "warning", "failed", "skipped"
#: The parts of a preflight, in the order in which they are told.
PARTS = ("hosts", "clock", "rollback", "database", "registry", "git", "flags", "certificates", "notifications")
#: Those for which somebody has to be on the host.
ON_HOST = ("hosts", "clock", "rollback", "database", "registry", "flags")

Item = t.Dict[str, t.Any]


class Found(t.NamedTuple):
    """What one look found: its status, a sentence, and how it is mended where it has to be."""

    status: str
    says: str
    mend: str = ""


class Look(t.NamedTuple):
    """One look: what it is called, the part it belongs to, and what will not work in an emergency if it fails.

    ``work`` returns what it found, or raises: an error is an item that failed.
    """

    name: str
    part: str
    breaks: str
    work: t.Callable[[], Found]


def item(look: Look, found: Found, seconds: float = 0.0) -> Item:
    """Return what was found in the shape in which it is told and kept."""
    bad = found.status in (WARNING, FAILED)
    return {
        "name": look.name,
        "part": look.part,
        "status": found.status,
        "says": found.says,
        "breaks": look.breaks if bad else "",
        "mend": found.mend if bad else "",
        "seconds": round(seconds, 3),
    }


def look_at(looks: t.Sequence[Look], timeout: float, hide: t.Callable[[str], str] = lambda text: text) -> t.List[Item]:
    """Take all *looks* at once and return their items in order; none is waited for longer than *timeout* seconds.

    *hide* takes secrets out of what is said.
    """
    ended = at_once([functools.partial(_found, one) for one in looks], timeout)
    late = Found(FAILED, f"It did not end within {timeout:g} s.", "see what it waits for, and run this again.")
    items = []
    for look, one in zip(looks, ended):
        if one is None or one.value is None:
            items.append(item(look, late, timeout))
        else:
            found = one.value
            items.append(item(look, Found(found.status, hide(found.says), hide(found.mend)), one.seconds))
    return items


def _found(look: Look) -> Found:
    try:
        return look.work()
    except HotfixError as exc:
        return Found(FAILED, exc.what, exc.next_step)
    except OSError as exc:
        where = f" {exc.filename}" if exc.filename else ""
        return Found(FAILED, f"It cannot be looked at:{where} {exc.strerror or exc}.", "mend what it says.")
    except Exception as exc:
        # One look that goes wrong in a way that nobody thought of is no reason to lose the others.
        return Found(FAILED, f"It could not be looked at ({type(exc).__name__}).", "look at it by hand.")
