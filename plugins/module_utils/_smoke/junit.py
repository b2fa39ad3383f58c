# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Results as JUnit XML, which CI systems show: a suite for every host, a case for every check."""

from __future__ import annotations

import json
import typing as t
from xml.etree import ElementTree

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import ERROR, FAILED, SKIPPED

_KINDS = {FAILED: "failure", ERROR: "error", SKIPPED: "skipped"}
#: How the case is called that stands for a whole host, where there was no look.
LOOK = "the host can be looked at"


def document(looks: t.Mapping[str, t.Mapping[str, t.Any]], *, name: str, written: str) -> str:
    """Return the XML of all hosts. Each look has ``results``, or says in ``trouble`` why it has none.

    A failure is what answered and not as it must, an error what could not be looked at. What is known, because it was
    so before, is told as skipped: it is nothing that this change broke. *written* is the time, as ISO 8601 has it.
    """
    suites = [_suite(host, look, written) for host, look in looks.items()]
    root = ElementTree.Element("testsuites", {"name": _text(name), **_sums(suites, ("tests", "failures", "errors"))})
    # The hosts were looked at at the same time.
    root.set("time", f"{max((float(suite.get('time', 0)) for suite in suites), default=0.0):.3f}")
    root.extend(suites)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False, short_empty_elements=True) + "\n"


def _sums(suites: t.Sequence[ElementTree.Element], names: t.Sequence[str]) -> t.Dict[str, str]:
    return {name: str(sum(int(suite.get(name, 0)) for suite in suites)) for name in names}


def _suite(host: str, look: t.Mapping[str, t.Any], written: str) -> ElementTree.Element:
    cases = [_case(host, one) for one in look.get("results") or []]
    if look.get("trouble"):
        trouble = {"name": LOOK, "type": "look", "status": ERROR, "message": look["trouble"]}
        cases.append(_case(host, trouble))
    suite = ElementTree.Element("testsuite", {"name": _text(host), "hostname": _text(host), "timestamp": written})
    suite.set("tests", str(len(cases)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(1 for case in cases if case.find(kind) is not None)))
    suite.set("time", f"{float(look.get('seconds') or 0.0):.3f}")
    suite.extend(cases)
    return suite


def _case(host: str, one: t.Mapping[str, t.Any]) -> ElementTree.Element:
    status, message = str(one["status"]), str(one["message"])
    case = ElementTree.Element(
        "testcase",
        {
            "classname": _text(f"{host}.{one['type']}"),
            "name": _text(str(one["name"])),
            "time": f"{float(one.get('seconds') or 0.0):.3f}",
        },
    )
    known = bool(one.get("known"))
    if known:
        message = f"{status} as is known, and not held against this change: {message}"
    kind = "skipped" if known else _KINDS.get(status)
    if kind:
        told = ElementTree.SubElement(case, kind, {"message": _text(message)})
        if kind != "skipped":
            told.set("type", status)
            told.text = _text(message)
    shown = {key: one[key] for key in ("phases", "attempts", "evidence", "leftovers") if one.get(key)}
    if shown:
        output = ElementTree.SubElement(case, "system-out")
        output.text = _text(json.dumps({"message": message, **shown}, indent=2, ensure_ascii=False))
    return case


def _text(text: str) -> str:
    """Return *text* without what XML cannot hold, however it is escaped."""
    return "".join(one if _allowed(ord(one)) else "�" for one in text)


def _allowed(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
