# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result as JSON, as JUnit XML and as text."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from hotfix.document import SCHEMA, document, empty
from hotfix.exits import Exit
from hotfix.output import junit, text
from hotfix.record import Record
from hotfix.runner import Job
from hotfix.state import state_of
from hotfix.verdict import Verdict, verdict
from hotfix.watch import Seen
from hotfix.words import ours
from tests.unit.cli.events_of import outcome, record, result, selected, stats, task

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED: dict[str, Any] = json.loads((ROOT / "schemas/hotfix-result.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft7Validator(PUBLISHED)
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LOOKED: dict[str, Any] = {
    "summary": "current is B",
    "managed": True,
    "live_slot": "blue",
    "switched": ["backend"],
    "current": {"id": "B", "version": "v2", "state": "live", "slot": "blue", "operator": "ann@laptop"},
    "last_known_good": {"id": "A", "version": "v1", "state": "superseded"},
    "releases": [{"id": "B", "version": "v2", "state": "live"}],
    "reverts_at": "2026-01-02T03:14:00.000Z",
    "lease": "bob@desk (deploy, run R, since 03:00)",
    "drift": ["nginx runs another image"],
    "unfinished": {"action": "deploy", "step": "switch", "release": "B", "owner": "ann@laptop"},
    "containers": [
        {
            "name": "n1",
            "service": "backend",
            "status": "running",
            "health": "unhealthy",
            "slot": "blue",
            "release": "B",
        },
        {"name": "n2", "service": "backend", "status": "exited", "health": None, "slot": "own", "release": "A"},
        # Of before anything was recorded: it holds no place in a release, and no user reaches it.
        {"name": "n0", "service": "backend", "status": "exited", "health": "unhealthy", "slot": "own", "release": None},
        {"name": "n3", "service": "redis", "status": "restarting", "health": None, "slot": "own", "release": None},
        {"name": "n4", "service": "backend", "status": "created", "health": None, "slot": "blue", "release": "B"},
    ],
}


def seen(found: Record, **more: Any) -> Seen:
    job = Job("pangeafate.hotfix.deploy", "production", **more)
    return Seen(job, found, "successful", BEGAN, BEGAN + timedelta(seconds=12.5))


def made(*events: Any, code: Exit | None = None, **more: Any) -> dict[str, Any]:
    found = record(*events)
    said = (
        verdict(found, "successful", None, looks=False) if code is None else Verdict(code, "It broke. Next: mend it.")
    )
    return document("deploy", seen(found), said, **more)


DEPLOYED = [
    selected("prod1", "prod2"),
    task("Deploy"),
    result("prod1", "release", outcome="done", changed=True, summary="Release B is live."),
    result("prod2", "release", "unreachable", msg="no route"),
    result(
        "prod1", "probe", lines=["0 of 61 samples failed."], measured=True, availability={"samples": 61, "failed": 0}
    ),
    outcome(
        "prod1",
        "partial",
        [
            "prod1: done (2.5 s): Release B is live: it answers.",
            "prod1: note: The lease was taken over.",
            "prod2: unreachable: no route",
            "users: 0 of 61 samples failed.",
            "incident: I1 (open): incidents/I1/report.html",
            "The hosts are not on the same images now.",
        ],
        "failed",
        "Deploy: partial. Next: mend prod2 and run the same command again.",
    ),
    stats(failures={"prod1": 1}),
]


def test_the_schema_is_one_and_leaves_no_key_open() -> None:
    Draft7Validator.check_schema(PUBLISHED)
    assert PUBLISHED["$id"] == SCHEMA

    def closed(one: Any) -> None:
        if isinstance(one, dict):
            if one.get("type") == "object" or "object" in (one.get("type") or []):
                assert one["additionalProperties"] is False
                assert set(one["required"]) == set(one["properties"])
            for part in one.values():
                closed(part)
        elif isinstance(one, list):
            for part in one:
                closed(part)

    closed(PUBLISHED)


def test_a_run_is_told_whole() -> None:
    found = made(*DEPLOYED)
    VALIDATOR.validate(found)
    assert found["exit"] == {"code": 5, "name": "partial"}
    assert found["environment"] == "production"
    assert found["seconds"] == 12.5
    assert found["run"]["operator"] == "ann@laptop"
    one, two = found["hosts"]
    assert (one["name"], one["outcome"], one["seconds"]) == ("prod1", "done", 2.5)
    assert one["summary"] == "Release B is live: it answers."
    assert one["notes"] == ["The lease was taken over."]
    assert (two["name"], two["outcome"], two["summary"]) == ("prod2", "unreachable", "no route")
    assert found["users"] == {"lines": ["0 of 61 samples failed."], "samples": 61, "failed": 0}
    assert found["incident"] == {"id": "I1", "state": "open", "path": "incidents/I1/report.html"}
    assert found["lines"] == ["The hosts are not on the same images now."]


def test_a_run_that_was_stopped_tells_what_each_host_said_last() -> None:
    found = made(*DEPLOYED[:4], code=Exit.CANCELLED, states={"prod1": state_of(LOOKED)})
    VALIDATOR.validate(found)
    assert [(host["name"], host["outcome"]) for host in found["hosts"]] == [("prod1", "done"), ("prod2", "unreachable")]
    assert found["hosts"][0]["state"]["unfinished"] == "deploy: switch of B began by ann@laptop and never ended"


def test_what_ran_nothing_is_valid_too() -> None:
    VALIDATOR.validate(empty("rollback", Verdict(Exit.USAGE, "No environment is named.")))


def test_a_state_names_what_ought_to_run_and_does_not() -> None:
    assert state_of(LOOKED)["failing"] == ["backend (n1) is running, unhealthy", "redis (n3) is restarting"]
    assert state_of(LOOKED)["stopped"] == []
    assert state_of({})["current"] is None


def test_what_ended_and_ought_to_run_is_named_by_its_service() -> None:
    ended = [{**one, "status": "exited"} for one in LOOKED["containers"] if one["name"] in ("n0", "n1", "n2", "n3")]
    assert state_of({**LOOKED, "containers": ended})["stopped"] == ["backend", "redis"]


def test_the_text_has_all_that_an_operator_looks_for() -> None:
    found = {**made(*DEPLOYED, states={"prod1": state_of(LOOKED)}), "next": ["hotfix status -l production"]}
    shown = text.render(found)
    for words in (
        "deploy on production: partly done (12.5 s)",
        "prod1: done (2.5 s): Release B is live",
        "prod2: unreachable: no route",
        "current:  v2 (B, live, by ann@laptop)",
        "previous: v1 (A), where a rollback goes",
        "reverts at 03:14:00 UTC unless it is confirmed",
        "lease:    bob@desk",
        "failing:  backend (n1)",
        "users: 0 of 61 samples failed.",
        "report: incidents/I1/report.html",
        "next: hotfix status -l production",
    ):
        assert words in shown, words
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_the_text_speaks_of_this_command() -> None:
    assert ours("going further back needs -e release=ID:") == "going further back needs --to ID:"
    assert ours("over with -e takeover=true (it is recorded)") == "over with --takeover (it is recorded)"
    assert ours("ansible-playbook playbooks/incident.yml -l staging -e tick=fix -e by=NAME") == (
        "hotfix incident check fix --by NAME -l staging"
    )
    assert ours("ansible-playbook playbooks/incident.yml -l staging") == "hotfix incident report -l staging"
    assert ours("see playbooks/release_info.yml.") == "see hotfix releases."


def test_junit_has_a_case_for_each_check() -> None:
    checks = [
        {"name": "the <API> is healthy", "target": "prod1", "status": "passed", "message": "", "seconds": 0.5},
        {"name": "notes are saved", "target": "prod1", "status": "failed", "message": "500 \x1b", "seconds": 1.0},
        {"name": "the page loads", "target": "prod1", "status": "error", "message": "no answer", "seconds": 5.0},
        {"name": "a note of before", "target": "prod1", "status": "skipped", "message": "none named", "seconds": 0.0},
    ]
    found = made(
        selected("prod1"), result("prod1", "smoke_check", outcome="failed", results=checks), code=Exit.FAILED_UNCHANGED
    )
    VALIDATOR.validate(found)
    suite = ET.fromstring(junit.render(found)).find("testsuite")
    assert suite is not None
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [case.get("name") for case in suite.iter("testcase")] == [check["name"] for check in checks]


def test_junit_of_a_run_that_failed_never_passes() -> None:
    found = made(selected("prod1"), result("prod1", "ping"), code=Exit.NOT_RUN)
    suite = ET.fromstring(junit.render(found)).find("testsuite")
    assert suite is not None
    assert int(suite.get("failures", "0")) + int(suite.get("errors", "0")) == 1


@pytest.mark.parametrize("code", list(Exit))
def test_every_code_can_be_shown(code: Exit) -> None:
    found = made(*DEPLOYED, code=code)
    assert text.render(found)
    ET.fromstring(junit.render(found))
