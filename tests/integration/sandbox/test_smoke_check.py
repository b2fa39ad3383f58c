# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A good version passes the checks from outside, a bad one fails exactly the one that it should."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import chromium

from tests.integration.driver import ROOT, Host, fresh, play

SUITE = ROOT / "inventories/checks.yml"
NOTE = "a note can be saved, changed and deleted"
HTML = "a note with HTML stays as it is"
RELEASE = "the containers of this release answer"
LOGS = "no new errors in the logs"
#: Of the worked example's suite: from outside, and on the host.
OUTSIDE, ON_HOST = 14, 3


def notes(host: Host) -> int:
    sql = "SELECT count(*) FROM notes"
    return int(host.docker("exec", "notes-postgres", "psql", "-U", "notes", "-tAc", sql).strip())


@pytest.fixture(scope="module")
def host() -> Host:
    """A staging host with a hand-started v1."""
    return fresh("staging1")[0]


def test_a_good_version_passes_and_nothing_is_left(host: Host) -> None:
    before = host.fingerprint(), notes(host)
    done = play("smoke_check", "-l", "staging")
    assert done.code == 0, done.raw
    assert f"of {OUTSIDE} checks passed" in done.text
    assert f"{ON_HOST} of {ON_HOST} checks passed" in done.text
    # Nothing is recorded on this host yet, so nobody can say which containers may answer.
    assert f"{RELEASE} was skipped" in done.text
    assert "a note of before can still be read was skipped: no note is named" in done.text
    assert (host.fingerprint(), notes(host)) == before


def test_a_plan_asks_nobody(host: Host) -> None:
    before = notes(host)
    done = play("smoke_check", "-l", "staging", "--check")
    assert done.code == 0, done.raw
    assert f"Would make {OUTSIDE} checks" in done.text
    assert f"Would make {ON_HOST} checks" in done.text
    assert notes(host) == before


def test_what_cannot_be_right_is_named_with_its_line(host: Host, tmp_path: Path) -> None:
    suite = tmp_path / "checks.yml"
    suite.write_text(SUITE.read_text(encoding="utf-8").replace("budget: 3", "bugdet: 3"), encoding="utf-8")
    line = 1 + suite.read_text(encoding="utf-8").splitlines().index("    bugdet: 3")
    lookup = f"{{{{ lookup('pangeafate.hotfix.suite', '{suite}') }}}}"
    done = play("smoke_check", "-l", "staging", "-e", json.dumps({"hotfix_checks": lookup}))
    assert done.code != 0
    assert f"checks.yml:{line}: Check 'the home page loads': unknown key 'bugdet'" in done.text


@pytest.mark.skipif(chromium.find(None) is None, reason="no Chromium or Chrome is installed here")
def test_a_browser_sees_the_page_as_users_do_and_keeps_a_picture(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    check = {"name": "in a browser", "type": "browser", "expect": {"title": "Notes", "contains": "connected"}}
    given = {"hotfix_checks": [check], "smoke_check_evidence_dir": str(folder)}
    done = play("smoke_check", "-l", "staging", "-e", json.dumps(given))
    assert done.code == 0, done.raw
    assert "staging1: seen: 1 of 1 checks passed" in done.text
    (picture,) = folder.iterdir()
    assert picture.name.startswith("staging1-in-a-browser-")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_nobody_there_is_not_broken(host: Host) -> None:
    host.docker("stop", "notes-nginx")
    try:
        done = play("smoke_check", "-l", "staging")
    finally:
        host.docker("start", "notes-nginx")
    assert done.code != 0
    assert "Could not look" in done.text
    assert "Broken" not in done.text


@pytest.mark.slow
def test_a_version_that_cannot_save_fails_what_saves_and_no_other(host: Host) -> None:
    # Without the checks, or the deploy itself would go back.
    reason = {"hotfix_checks": [], "reason": "to see a bad version"}
    deployed = play("deploy", "-l", "staging", "-e", "version=v2", "-e", json.dumps(reason))
    assert deployed.code == 0, deployed.raw
    done = play("smoke_check", "-l", "staging")
    assert done.code != 0
    assert f"Broken (2 of {OUTSIDE} checks failed): {NOTE}: POST /api/notes/share answered 500" in done.text
    assert f"{HTML}: POST /api/notes/share answered 500" in done.text
    # Without the proxy under management its containers took the place of those before, and their logs went with them.
    assert f"Could not look (1 of {ON_HOST} checks): {LOGS}" in done.text
    # This release is recorded, so its containers are known, and it is they who answer.
    assert f"{RELEASE} was skipped" not in done.text
