# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result for people, at most 80 columns wide unless a line of the report is longer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from hotfix.document import Document
from hotfix.exits import MEANINGS, Exit
from hotfix.words import ours

WIDTH = 80


def render(document: Document) -> str:
    """Return the text: the outcome, each host, what was measured, where the report is, the next command."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    code = Exit(document["exit"]["code"])
    where = (
        f" on {document['environment'] or document['limit']}" if document["environment"] or document["limit"] else ""
    )
    planned = ", only planned" if document["check"] else ""
    took = f" ({document['seconds']:.1f} s)" if document["seconds"] else ""
    yield f"{document['command']}{where}: {MEANINGS[code]}{planned}{took}"
    if document["output"]:
        yield ours(document["output"]).rstrip()
    elif document["message"] and not (document["hosts"] and code is Exit.DONE):
        yield from wrapped(document["message"], "  ")
    for host in document["hosts"]:
        yield from _host(host, document)
    for line in document["users"]["lines"]:
        yield from wrapped(f"users: {line}", "")
    yield from (part for line in document["lines"] for part in wrapped(line, ""))
    if document["left"]:
        yield from wrapped(document["left"], "")
    if document["incident"]:
        found = document["incident"]
        yield f"report: {found['path']}   (incident {found['id']}, {found['state']})"
    for number, line in enumerate(document["next"]):
        yield from wrapped(f"{'next: ' if number == 0 else '      '}{line}", "      ")


def _host(host: dict[str, Any], document: Document) -> Iterator[str]:
    seconds = f" ({host['seconds']:.1f} s)" if host["seconds"] else ""
    if document["output"] and host["outcome"] in ("seen", "ok"):
        # The report has said it.
        return
    yield from wrapped(
        f"{host['name']}: {host['outcome'].replace('_', ' ')}{seconds}: {host['summary']}".rstrip(": "), "  "
    )
    for note in host["notes"] if host["state"] is None else []:
        yield from wrapped(f"  {note}", "    ")
    if host["state"]:
        yield from state_lines(host["state"])


def state_lines(state: dict[str, Any]) -> Iterator[str]:
    """Say what a host is like."""
    current, previous = state["current"], state["previous"]
    if current:
        who = f", by {current['operator']}" if current.get("operator") else ""
        yield from wrapped(
            f"  current:  {current['version']} ({current['id']}, {current['state']}{who})", "            "
        )
    else:
        yield "  current:  nothing that was recorded"
    if previous:
        yield from wrapped(
            f"  previous: {previous['version']} ({previous['id']}), where a rollback goes", "            "
        )
    else:
        yield "  previous: none, so there is nothing to roll back to"
    if state["reverts_at"]:
        yield f"  reverts at {clock(state['reverts_at'])} unless it is confirmed"
    yield from wrapped(f"  lease:    {state['lease'] or 'free'}", "            ")
    if state["unfinished"]:
        yield from wrapped(f"  unfinished: {state['unfinished']}", "            ")
    for line in state["failing"]:
        yield from wrapped(f"  failing:  {line}", "            ")
    for line in state["drift"]:
        yield from wrapped(f"  drift:    {line}", "            ")


def clock(stamp: str) -> str:
    """Return the time of day of a UTC time stamp, and say that it is UTC."""
    time = stamp.partition("T")[2].partition(".")[0].rstrip("Z")
    return f"{time} UTC" if time else stamp


def wrapped(text: str, indent: str) -> Iterator[str]:
    """Fold each line of a text; words that are longer, such as paths, stay whole."""
    for number, line in enumerate(ours(text).splitlines()):
        first = "" if number == 0 else indent
        yield from textwrap.wrap(
            line,
            WIDTH,
            initial_indent=first,
            subsequent_indent=indent or "  ",
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        ) or [""]
