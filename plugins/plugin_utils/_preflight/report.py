# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that was found, summed up: a verdict, a table as a person reads it, and a document for programs."""

from __future__ import annotations

import textwrap
import typing as t
from datetime import UTC, datetime

from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    PASSED,
    SKIPPED,
    WARNING,
    Found,
    Item,
    Look,
    item,
)

WIDTH = 80
FORMAT = 1
CONTROLLER = "controller"
_WORDS = {FAILED: "FAILED", WARNING: "WARNING"}
_STATUS, _NAME = 8, 17
_INDENT = " " * (2 + _STATUS)
_NOT_SEEN = Look(
    "look", "hosts", "Nothing is known of this host, so nothing is known to work there.", lambda: Found("", "")
)

Vars = t.Mapping[str, t.Any]


def items_of(variables: Vars, name: str) -> dict[str, list[Item]]:
    """Return the items of every host of the play, and of the controller, from what was registered under *name*."""
    found: dict[str, list[Item]] = {}
    here: list[Item] = []
    for host in variables.get("ansible_play_hosts_all") or []:
        result = variables["hostvars"][host].get(name)
        if isinstance(result, t.Mapping) and isinstance(result.get("looks"), (list, tuple)):
            found[host] = list(result["looks"])
            here += result.get("here") or []
        else:
            why = str((result or {}).get("msg") or (result or {}).get("module_stderr") or "It was not looked at.")
            found[host] = [item(_NOT_SEEN, Found(FAILED, " ".join(why.split())[-400:], "mend what it says."))]
    return {**({CONTROLLER: here} if here else {}), **{host: items for host, items in found.items() if items}}


def counts(found: t.Mapping[str, t.Sequence[Item]]) -> dict[str, int]:
    """Return how many items have each status."""
    every = [one["status"] for items in found.values() for one in items]
    return {status: every.count(status) for status in (FAILED, WARNING, PASSED, SKIPPED)}


def verdict(found: t.Mapping[str, t.Sequence[Item]]) -> str:
    """Return the worst of all; nothing that was looked at is no pass."""
    counted = counts(found)
    if counted[FAILED] or not sum(counted.values()):
        return FAILED
    return WARNING if counted[WARNING] else PASSED


def lines(found: t.Mapping[str, t.Sequence[Item]], name: str, *, brief: bool = False) -> list[str]:
    """Return the verdict and the table, at most 80 columns wide; *brief* leaves out what works or is not used."""
    counted = counts(found)
    told = ", ".join(f"{number} {status}" for status, number in counted.items() if number) or "nothing was looked at"
    shown = textwrap.wrap(f"Preflight of {name}: {told}.", WIDTH)
    for host, every in found.items():
        items = [one for one in every if not (brief and one["status"] in (PASSED, SKIPPED))]
        if not items:
            continue
        shown.append(host if len(host) <= WIDTH else f"{host[: WIDTH - 1]}…")
        for one in items:
            shown += _item(one)
    return [line.rstrip() for line in shown]


def _item(one: Item) -> list[str]:
    status = str(one["status"])
    name = str(one["name"])
    begin = f"  {_WORDS.get(status, status):<{_STATUS}}"
    if len(name) < _NAME:
        found = _wrapped(str(one["says"]), f"{begin}{name:<{_NAME}}", " " * (len(begin) + _NAME))
    else:
        cut = name if len(name) <= WIDTH - len(begin) else f"{name[: WIDTH - len(begin) - 1]}…"
        found = [begin + cut, *_wrapped(str(one["says"]), " " * (len(begin) + _NAME))]
    if one.get("breaks"):
        found += _wrapped(f"In an emergency: {one['breaks']}", _INDENT)
    if one.get("mend"):
        found += _wrapped(f"To mend it: {one['mend']}", _INDENT)
    return found


def _wrapped(text: str, first: str, later: str | None = None) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if later is None else later,
        break_on_hyphens=False,
    ) or [first]


def document(found: t.Mapping[str, t.Sequence[Item]], name: str) -> dict[str, t.Any]:
    """Return all of it for other programs."""
    return {
        "format": FORMAT,
        "written": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "name": name,
        "verdict": verdict(found),
        "counts": counts(found),
        CONTROLLER: list(found.get(CONTROLLER) or []),
        "hosts": {host: list(items) for host, items in found.items() if host != CONTROLLER},
    }
