# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A good version passes the checks from outside, a bad one fails exactly the one that it should."""

from __future__ import annotations

import json

import pytest

from tests.integration.driver import Host, fresh, play

NOTE = "a note can be saved, read and deleted"


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
    assert "staging1: seen: 4 of 5 checks passed, 1 skipped" in done.text
    # Nothing is recorded on this host yet, so nobody can say which containers may answer.
    assert "the containers of this release answer was skipped" in done.text
    assert (host.fingerprint(), notes(host)) == before


def test_a_plan_asks_nobody(host: Host) -> None:
    before = notes(host)
    done = play("smoke_check", "-l", "staging", "--check")
    assert done.code == 0, done.raw
    assert "planned: Would make 5 checks at staging1." in done.text
    assert notes(host) == before


def test_what_cannot_be_right_is_named(host: Host) -> None:
    checks = [{"name": "health", "type": "http", "path": "/api/health", "expct": {"status": 200}}]
    done = play("smoke_check", "-l", "staging", "-e", json.dumps({"hotfix_checks": checks}))
    assert done.code != 0
    assert "Smoke check: bad input." in done.text
    assert "Check 'health': unknown key 'expct'" in done.text


def test_nobody_there_is_not_broken(host: Host) -> None:
    host.docker("stop", "notes-nginx")
    try:
        done = play("smoke_check", "-l", "staging")
    finally:
        host.docker("start", "notes-nginx")
    assert done.code != 0
    assert "staging1: failed: Could not look (4 of 5 checks)" in done.text
    assert "Broken" not in done.text


@pytest.mark.slow
def test_a_version_that_cannot_save_fails_that_check_and_no_other(host: Host) -> None:
    # Without the checks, or the deploy itself would go back.
    reason = {"hotfix_checks": [], "reason": "to see a bad version"}
    deployed = play("deploy", "-l", "staging", "-e", "version=v2", "-e", json.dumps(reason))
    assert deployed.code == 0, deployed.raw
    done = play("smoke_check", "-l", "staging")
    assert done.code != 0
    assert f"staging1: failed: Broken (1 of 5 checks failed): {NOTE}: POST /api/notes/share answered 500" in done.text
    # This release is recorded, so its containers are known, and it is they who answer.
    assert "was skipped" not in done.text
