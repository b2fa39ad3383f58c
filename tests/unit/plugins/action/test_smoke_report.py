# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table that a person reads, and the files that programs read, from results as the module returns them."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.pangeafate.hotfix.plugins.action import smoke_report
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import baseline, junit, table
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Report, Result
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
# What the schema that CI systems share lets stand in an element: its attributes, and its children.
JUNIT: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"},
        {"testcase"},
    ),
    "testcase": ({"name", "classname", "time"}, {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


def one(name: str, status: str, message: str = "it says so", **more: Any) -> Result:
    attempts = [] if status == "skipped" else [{"status": status, "message": message, "seconds": 0.25}]
    return Result(name, "http", "app1", status, message, 0.25, attempts=attempts, **more)


def returned(*results: Result, before: Any = None, **more: Any) -> dict[str, Any]:
    """What the module returns."""
    report = Report(list(results), 1.5)
    baseline.judge(report, baseline.read(before))
    outcome = "seen" if report.good else "failed"
    return {**report.as_dict(), "verdict": report.verdict, "outcome": outcome, "changed": False, **more}


def looks(**hosts: Any) -> dict[str, dict[str, Any]]:
    variables = {"ansible_play_hosts_all": list(hosts), "hostvars": {h: {"found": r} for h, r in hosts.items()}}
    return smoke_report.looks_of(variables, ["found", "found_on_host"])


MIXED = returned(
    one("the home page loads", "passed"),
    one("a note can be saved, read and deleted", "failed", "POST /api/notes/share answered 500, not 201"),
    one("live editing answers", "error", "GET /ws: 127.0.0.1:9 refuses connections"),
    one("the home page works in a browser", "skipped", "no Chromium or Chrome is installed here"),
    one("the API is quick", "failed", "p95 is 0.9 s"),
    before={"results": [{"name": "the API is quick", "target": "app1", "status": "failed"}]},
)


def test_the_table() -> None:
    unreachable = {"unreachable": True, "msg": "Failed to connect to the host via ssh: " + "no route " * 12}
    assert "\n".join(table.lines(looks(app1=MIXED, app2=unreachable))) == (
        "app1\n"
        "  passed   the home page loads                                           0.250 s\n"
        "  FAILED   a note can be saved, read and deleted                         0.250 s\n"
        "           POST /api/notes/share answered 500, not 201\n"
        "  ERROR    live editing answers                                          0.250 s\n"
        "           GET /ws: 127.0.0.1:9 refuses connections\n"
        "  skipped  the home page works in a browser\n"
        "           no Chromium or Chrome is installed here\n"
        "  known    the API is quick                                              0.250 s\n"
        "           p95 is 0.9 s\n"
        "app2\n"
        "  ERROR    could not be looked at\n"
        "           Failed to connect to the host via ssh: no route no route no route no\n"
        "           route no route no route no route no route no route no route no route\n"
        "           no route"
    )


def test_what_passed_later_or_was_left_behind_is_in_the_table() -> None:
    late = one("a", "passed", leftovers=["DELETE /api/notes/7 answered 500"])
    late.attempts.insert(0, {"status": "failed", "message": "no", "seconds": 0.1})
    assert table.lines(looks(app1=returned(late)))[2:] == [
        "           only at attempt 2",
        "           left behind: DELETE /api/notes/7 answered 500",
    ]


def xml(found: dict[str, dict[str, Any]]) -> ElementTree.Element:
    root = ElementTree.XML(junit.document(found, name="smoke check", written="2026-01-02T03:04:05"))
    check(root)
    return root


def check(element: ElementTree.Element) -> None:
    attributes, children = JUNIT[element.tag]
    assert set(element.keys()) == attributes, element.tag
    for child in element:
        assert child.tag in children
        check(child)
    if element.tag in ("testsuite", "testsuites"):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if attribute in attributes:
                assert element.get(attribute) == str(len(list(element.iter(tag))))
        assert float(element.get("time", "")) >= 0


def test_junit_tells_failure_error_and_skipped_apart() -> None:
    root = xml(looks(app1=MIXED, app2={"unreachable": True, "msg": "Failed to connect"}))
    assert dict(root.items()) == {"name": "smoke check", "tests": "6", "failures": "1", "errors": "2", "time": "1.500"}
    kinds = {
        (suite.get("name"), case.get("name")): next((child.tag for child in case if child.tag != "system-out"), None)
        for suite in root
        for case in suite
    }
    assert kinds == {
        ("app1", "the home page loads"): None,
        ("app1", "a note can be saved, read and deleted"): "failure",
        ("app1", "live editing answers"): "error",
        ("app1", "the home page works in a browser"): "skipped",
        ("app1", "the API is quick"): "skipped",
        ("app2", "the host can be looked at"): "error",
    }
    known = root.find("./testsuite/testcase[@name='the API is quick']/skipped")
    assert known is not None
    assert known.get("message") == "failed as is known, and not held against this change: p95 is 0.9 s"


def test_what_was_found_stands_beside_it() -> None:
    evidence = {"request": "GET /", "status": 500, "body": "<h1>&amp; \x00\x1b[31m ]]> \ud800 \ufffe</h1>"}
    root = xml(looks(app1=returned(one("a \x0b <b>", "failed", "answered 500", evidence=evidence))))
    output = json.loads(root.findtext("./testsuite/testcase/system-out") or "")
    assert output["evidence"]["status"] == 500
    assert output["evidence"]["body"].startswith("<h1>&amp; ")
    assert output["attempts"][0]["message"] == "answered 500"


anything = st.text(max_size=40)
statuses = st.sampled_from(["passed", "failed", "error", "skipped"])
results = st.builds(
    one, anything, statuses, anything, verify=st.booleans(), evidence=st.dictionaries(anything, anything)
)


@given(st.lists(results, max_size=4), anything, st.none() | st.lists(statuses, max_size=4))
def test_any_text_makes_a_table_that_fits_and_xml_that_can_be_read(
    found: list[Result], host: str, before: list[str] | None
) -> None:
    listed = [{"name": r.name, "target": "app1", "status": s} for r, s in zip(found, before or [], strict=False)]
    judged = returned(*found, before=None if before is None else {"results": listed})
    assert sum(judged["counts"].values()) == len(found)
    assert not any(r.known and (r.status in ("passed", "skipped") or (r.verify and before is not None)) for r in found)
    # What is known makes no verdict good that has nothing else for it.
    assert (judged["verdict"] == "passed") == (
        any(r.status == "passed" for r in found) and all(r.known or r.status in ("passed", "skipped") for r in found)
    )
    shown = looks(**{host: judged})
    assert all(len(line) <= 80 for line in table.lines(shown))
    xml(shown)


def test_the_files(tmp_path: Path) -> None:
    arguments = {"name": "smoke check", "json": str(tmp_path / "a.json"), "junit": str(tmp_path / "a.xml")}
    found = looks(app1=MIXED, app2={"outcome": "bad_input", "failed": True, "msg": "Check 'a': unknown key 'b'."})
    assert smoke_report.write(found, arguments, NOW) == [arguments["json"], arguments["junit"]]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    saved = json.loads((tmp_path / "a.json").read_text())
    assert saved["verdict"] == "failed"
    assert saved["counts"] == {"passed": 1, "failed": 1, "error": 1, "skipped": 1, "known": 1}
    assert saved["hosts"]["app2"]["trouble"] == "Check 'a': unknown key 'b'."
    assert (saved["hosts"]["app1"]["verdict"], saved["hosts"]["app2"]["verdict"]) == ("failed", "error")
    # A later run can be compared with it.
    assert (baseline.read(str(tmp_path / "a.json")) or {})["live editing answers", "app1"] == "error"
    text = (tmp_path / "a.xml").read_text()
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ')
    assert 'timestamp="2026-01-02T03:04:05"' in text


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HotfixError, match="cannot be written to"):
        smoke_report.write(looks(app1=MIXED), {"json": str(tmp_path / "no" / "a.json")}, NOW)


def test_both_looks_of_a_host_are_one() -> None:
    variables = {
        "ansible_play_hosts_all": ["app1", "app2", "app3"],
        "hostvars": {
            "app1": {"found": returned(one("a", "passed")), "on_host": returned(one("b", "failed"))},
            "app2": {"found": returned(one("a", "passed")), "on_host": {"skipped": True}},
            "app3": {"found": {"outcome": "planned", "plan": ["Would"]}, "on_host": {"skipped": True}},
        },
    }
    found = smoke_report.looks_of(variables, ["found", "on_host"])
    # A plan found nothing, and is no error.
    assert list(found) == ["app1", "app2"]
    assert [one["name"] for one in found["app1"]["results"]] == ["a", "b"]
    assert (found["app1"]["verdict"], found["app2"]["verdict"]) == ("failed", "passed")
    assert found["app1"]["counts"]["passed"] == found["app1"]["counts"]["failed"] == 1


def test_a_host_without_anything_is_an_error() -> None:
    found = smoke_report.looks_of({"ansible_play_hosts_all": ["app1"], "hostvars": {"app1": {}}}, ["found"])
    assert (found["app1"]["verdict"], found["app1"]["trouble"]) == ("error", "It was not looked at.")
    assert xml(found).get("errors") == "1"
