# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was broken before is not blamed on a release; an incident's check is; a rollback tells and stays."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.integration.driver import UNCHECKED, Host, Played, fresh, play

pytestmark = pytest.mark.slow
STAGING = ("-l", "staging")
HEALTH = {"name": "health", "type": "http", "path": "/api/health", "expect": {"status": 200}}
# It was broken before this release, and is after it.
BROKEN = {"name": "teapot", "type": "http", "path": "/api/health", "expect": {"status": 418}, "retries": 0}
SAVING = {
    "name": "a note can be saved",
    "type": "http",
    "method": "POST",
    "path": "/api/notes/share",
    "body": {"title": "smoke check", "content": "x"},
    "expect": {"status": 201},
    "capture": {"id": "$.shareId"},
    "cleanup": [{"path": "/api/notes/{id}"}],
    "retries": 0,
    "verify": True,
}


def suite(*checks: Any, **more: Any) -> tuple[str, str]:
    return "-e", json.dumps({"hotfix_checks": list(checks), "reason": "a test", "backup_skip_reason": "a test", **more})


def good(done: Played) -> Played:
    assert done.code == 0, done.raw
    return done


@pytest.fixture(scope="module")
def host() -> Host:
    """A host whose proxy is under management, at v1."""
    (found,) = fresh("staging1")
    good(play("adopt", *STAGING))
    good(play("proxy", *STAGING))
    return found


def test_results_are_kept_for_programs_and_for_a_later_run(host: Host, tmp_path: Path) -> None:
    before, junit = tmp_path / "before.json", tmp_path / "smoke-check.xml"
    kept = {"smoke_check_json": str(before), "smoke_check_junit": str(junit)}
    done = play("smoke_check", *STAGING, *suite(HEALTH, BROKEN, **kept))
    assert done.code != 0
    assert "FAILED teapot" in done.text
    assert {stat.S_IMODE(path.stat().st_mode) for path in (before, junit)} == {0o600}
    root = ElementTree.XML(junit.read_text())
    assert {key: root.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
    }
    done = good(play("smoke_check", *STAGING, *suite(HEALTH, BROKEN, smoke_check_baseline=str(before))))
    assert "known teapot" in done.text
    assert "staging1: seen: 1 of 2 checks passed, 1 as bad as before we began" in done.text
    assert "teapot was already failing at staging1 before we began: GET /api/health answered 200, not 418." in done.text


def test_a_release_is_not_blamed_for_what_was_broken_before(host: Host) -> None:
    done = good(play("deploy", *STAGING, "-e", "version=v6", *suite(HEALTH, BROKEN)))
    assert "teapot was already failing at staging1 before we began" in done.text
    assert host.current()["version"] == "v6"
    # Where nobody looked before, there is nothing to excuse it.
    done = play("deploy", *STAGING, "-e", "version=v1", *suite(HEALTH, BROKEN, deploy_baseline=False))
    assert done.code != 0
    assert "Deploy: reverted." in done.text
    assert host.current()["version"] == "v6"


def test_the_fix_of_an_incident_must_resolve_it(host: Host) -> None:
    good(play("deploy", *STAGING, "-e", "version=v2", *UNCHECKED, "-e", "backup_skip_reason=test"))
    # What does not mend it goes back, though it is no worse than before.
    broken = {**HEALTH, "name": "not mended", "path": "/api/nonexistent", "verify": True, "retries": 0}
    done = play("deploy", *STAGING, "-e", "version=v6", *suite(HEALTH, SAVING, broken))
    assert done.code != 0
    assert "Deploy: reverted." in done.text
    assert "not mended: GET /api/nonexistent answered 404, not 200" in done.text
    assert host.current()["version"] == "v2"
    done = good(play("deploy", *STAGING, "-e", "version=v6", *suite(HEALTH, SAVING)))
    said = "a note can be saved failed at staging1 before and passes now: the fix resolves the incident."
    assert said in done.text


def test_a_rollback_tells_what_users_have_and_stays(host: Host) -> None:
    good(play("deploy", *STAGING, "-e", "version=v2", *UNCHECKED, "-e", "backup_skip_reason=test"))
    done = play("rollback", *STAGING, *suite(HEALTH, SAVING, BROKEN))
    assert done.code != 0
    assert host.current()["version"] == "v6"
    assert host.served() == ("v6", True)
    assert "Rollback: failed." in done.text
    assert "Broken (1 of 3 checks failed): teapot: GET /api/health answered 200, not 418." in done.text
    # Nothing is switched over it, by a second run neither.
    assert "Before that: " in done.text
    again = good(play("rollback", *STAGING, *suite(HEALTH, SAVING)))
    assert "unchanged" in again.text
    assert host.current()["version"] == "v6"
