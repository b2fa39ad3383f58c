# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Results as a person reads them: a line for every check, within the width of a terminal."""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    KNOWN,
    PASSED,
    SKIPPED,
)

WIDTH = 80
# What is bad stands out without colours, which a log does not keep.
_WORDS = {FAILED: "FAILED", ERROR: "ERROR"}
_STATUS = 9
_INDENT = " " * (2 + _STATUS)
_SECONDS = 9


def lines(looks: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.List[str]:
    """Return the table of all hosts. Each look has ``results``, or says in ``trouble`` why it has none."""
    found: t.List[str] = []
    for host, look in looks.items():
        found.append(_cut(host, WIDTH))
        for one in look.get("results") or []:
            found += _check(one)
        if look.get("trouble"):
            found += [f"  {'ERROR':<{_STATUS}}{_cut('could not be looked at', WIDTH - len(_INDENT))}"]
            found += _wrapped(str(look["trouble"]))
    return [line.rstrip() for line in found]


def _check(one: t.Mapping[str, t.Any]) -> t.List[str]:
    status = str(one["status"])
    word = KNOWN if one.get("known") else _WORDS.get(status, status)
    made = status != SKIPPED and one.get("attempts")
    seconds = f"{float(one.get('seconds') or 0.0):.3f} s" if made else ""
    room = WIDTH - len(_INDENT) - _SECONDS - 1
    found = [f"  {word:<{_STATUS}}{_cut(str(one['name']), room):<{room}} {seconds:>{_SECONDS}}"]
    if status != PASSED:
        found += _wrapped(str(one["message"]))
    elif len(one.get("attempts") or []) > 1 and any(each["status"] != PASSED for each in one["attempts"]):
        found += _wrapped(f"only at attempt {len(one['attempts'])}")
    found += [line for text in one.get("leftovers") or [] for line in _wrapped(f"left behind: {text}")]
    return found


def _wrapped(text: str) -> t.List[str]:
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
    )


def _cut(text: str, room: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= room else f"{text[: room - 1]}…"
