# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result as JUnit XML, for CI: one test case for each thing that was looked at, or for each host."""

from __future__ import annotations

import re
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from hotfix.document import Document
from hotfix.exits import Exit

_GOOD = ("ok", "passed", "done", "unchanged", "seen", "planned", "warning", "nothing_to_do")
_SKIPPED = ("skipped",)
_NOT_SEEN = ("unreachable", "unknown", "could_not_look", "error")
#: What XML cannot hold.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def render(document: Document) -> str:
    """Return the XML. A run that failed has at least one case that did not pass."""
    cases = document["items"] or [
        {
            "host": host["name"],
            "of": document["command"],
            "name": host["name"],
            "status": host["outcome"],
            "text": host["summary"],
            "seconds": host["seconds"],
        }
        for host in document["hosts"]
    ]
    bad = document["exit"]["code"] not in (Exit.DONE, Exit.NOTHING_TO_DO)
    if bad and all(one["status"] in (*_GOOD, *_SKIPPED) for one in cases):
        cases = [
            *cases,
            {
                "host": document["limit"] or "",
                "of": document["command"],
                "name": "the whole run",
                "status": document["exit"]["name"],
                "text": document["message"],
                "seconds": None,
            },
        ]
    failures = sum(one["status"] not in (*_GOOD, *_SKIPPED, *_NOT_SEEN) for one in cases)
    errors = sum(one["status"] in _NOT_SEEN for one in cases)
    skipped = sum(one["status"] in _SKIPPED for one in cases)
    head = (
        f'<testsuite name={_attribute("hotfix " + document["command"])} tests="{len(cases)}" failures="{failures}" '
        f'errors="{errors}" skipped="{skipped}" time="{document["seconds"]:.3f}">'
    )
    body = "\n".join(_case(one) for one in cases)
    out = f"<system-out>{_text(document['message'])}</system-out>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{head}\n{body}\n{out}\n</testsuite>\n</testsuites>\n'


def _case(one: dict[str, Any]) -> str:
    head = (
        f'<testcase classname={_attribute(one["host"])} name={_attribute(one["name"])} time="{one["seconds"] or 0:.3f}"'
    )
    status = one["status"]
    if status in _GOOD:
        return f"{head}/>"
    if status in _SKIPPED:
        return f"{head}><skipped message={_attribute(one['text'])}/></testcase>"
    word = "error" if status in _NOT_SEEN else "failure"
    why = f"<{word} type={_attribute(status)} message={_attribute(one['text'][:200])}>{_text(one['text'])}</{word}>"
    return f"{head}>{why}</testcase>"


def _text(text: str) -> str:
    return escape(_CONTROL.sub("�", text))


def _attribute(text: str) -> str:
    return quoteattr(_CONTROL.sub("�", text))
