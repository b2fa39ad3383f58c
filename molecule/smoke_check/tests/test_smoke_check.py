# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A good version passes the suite of the worked example, and each bad one fails exactly what the table says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.checks import TYPES
from testinfra.host import Host

PAGE = "the home page loads"
BROWSER = "the home page works in a browser"
HEALTH = "the API is healthy"
PARTS = "every part is healthy"
NOTE = "a note can be saved, changed and deleted"
HTML = "a note with HTML stays as it is"
KNOWN = "a note of before can still be read"
ORIGINS = "the editor's plugin may call, and foreign pages may not"
SOCKET = "live editing answers"
CERTIFICATE = "the certificate is good for two weeks"
QUICK = "the API is quick"
LIMIT = "quick requests are answered"
UNKNOWN = "what does not exist is not found"
RELEASE = "the containers of this release answer"
CONNECTIONS = "the database has connections left"
MIGRATIONS = "the database has all migrations"
LOGS = "no new errors in the logs"
MEMORY = "memory does not grow"
SSH = "SSH answers"

#: What fails, and a part of what is said of it. What is not named passes.
FAILS: dict[str, dict[str, str]] = {
    "v1": {},
    "v2": {NOTE: "500", HTML: "500"},
    # The latency is that of the answer that the health check gives.
    "v3": {HEALTH: "search", PARTS: "search", QUICK: "503"},
    # It has not got its migration: whatever reads or saves a note fails, from another origin too.
    "v7": {NOTE: "500", HTML: "500", KNOWN: "500", ORIGINS: "500", MIGRATIONS: "nothing matching"},
    "v8": {BROWSER: "TypeError"},
    "v9": {PAGE: "app-v9.css", BROWSER: "app-v9.css", ORIGINS: "foreign", UNKNOWN: "200"},
    "v10": {SOCKET: "did not send its echo", QUICK: "p95"},
    "v11": {LIMIT: "503", CONNECTIONS: "of 100 connections", LOGS: "search index", MEMORY: "backend"},
    "strangers": {RELEASE: "none of the expected containers", SSH: "SSH-2"},
    "certificate": {CERTIFICATE: "signed by itself"},
}
#: What cannot be told: these versions took the place of v1, and its logs went with it.
UNKNOWABLE = {row: {LOGS: "nothing is left of the time before"} for row in ("v2", "v7")}


def looked(host: Host, row: str) -> dict[str, dict[str, Any]]:
    """The results of a row by check, from outside and from the host."""
    found = json.loads(host.file(f"/home/deploy/looks/{row}.json").content_string)
    results = [one for part in ("outside", "host") for one in found[part].get("results", [])]
    assert len({one["name"] for one in results}) == len(results)
    return {one["name"]: one for one in results}


@pytest.mark.parametrize("row", FAILS)
def test_it_fails_exactly_what_it_should(host: Host, row: str) -> None:
    results = looked(host, row)
    skipped = {name for name, one in results.items() if one["status"] == "skipped"}
    # Whose containers may answer is known once the app is recorded; a browser is not everywhere.
    assert skipped <= {RELEASE, BROWSER}
    wanted = {(name, "failed"): says for name, says in FAILS[row].items() if name not in skipped}
    wanted |= {(name, "error"): says for name, says in UNKNOWABLE.get(row, {}).items()}
    found = {(one["name"], one["status"]): one["message"] for one in results.values()}
    unlike = {key: message for key, message in found.items() if key[1] not in ("passed", "skipped")}
    assert set(unlike) == set(wanted), unlike
    assert all(says in unlike[key] for key, says in wanted.items()), unlike


def test_every_type_of_check_is_failed_by_something(host: Host) -> None:
    kinds = {name: one["type"] for row in ("v1", "v11") for name, one in looked(host, row).items()}
    assert {kinds[name] for fails in FAILS.values() for name in fails} == set(TYPES)


def test_nothing_of_the_checks_is_left(host: Host) -> None:
    sql = "SELECT title FROM notes"
    titles = host.check_output(f"docker exec notes-postgres psql -U notes -tAc '{sql}'").split("\n")
    assert titles == ["before"]
    assert all(one["leftovers"] == [] for row in FAILS for one in looked(host, row).values())
