# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that look at the app from its own host find what was broken there, and leave nothing running."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.driver import APP, ROOT, Host, fresh, play

pytestmark = pytest.mark.slow
BACKEND = "notes-backend-1"
LEAK = "import time\nkept = []\nfor _ in range(60): kept.append(b'x' * 4_000_000); time.sleep(0.5)"


@pytest.fixture(scope="module")
def host() -> Host:
    return fresh("staging1")[0]


def look(*checks: dict[str, Any], **variables: Any) -> dict[str, dict[str, Any]]:
    """Make *checks*, once each; return the results by name."""
    given = [{"retries": 0, **check} if check["type"] != "memory" else check for check in checks]
    more = json.dumps({"hotfix_checks": given, **variables})
    done = play("smoke_check", "-l", "staging", "-v", "-e", more)
    # The task that looks at the host prints its whole result.
    match = re.search(r"look at the app from there.*?=> (?=\{)", done.raw, re.DOTALL)
    assert match, done.raw
    found: dict[str, Any] = json.JSONDecoder().raw_decode(done.raw[match.end() :])[0]
    return {one["name"]: one for one in found.get("results") or [{"name": "bad input", **found}]}


def test_all_is_well(host: Host) -> None:
    before = host.fingerprint()
    token = (ROOT / ".sandbox/admin-token").read_text(encoding="utf-8").strip()
    found = look(
        {"name": "disk", "type": "command", "command": ["df", "-h", "/"], "expect": {"contains": "Use%"}},
        {
            "name": "inside",
            "type": "command",
            "in": "backend",
            "command": ["sh", "-c", 'echo "I am $WHO in $HOSTNAME"; env'],
            "environment": {"WHO": "{name}"},
            "expect": {"matches": "^I am .+ in [0-9a-f]{12}$", "not_contains": "nothing"},
        },
        {"name": "exit", "type": "command", "command": ["sh", "-c", "exit 3"], "expect": {"exit_code": 3}},
        {"name": "database", "type": "database", "longest_query": 30},
        {"name": "logs", "type": "logs"},
        {"name": "all logs", "type": "logs", "services": ["nginx", "redis"], "since": 1},
        hotfix_check_secrets={"name": "somebody-secret"},
    )
    assert {name: one["status"] for name, one in found.items()} == dict.fromkeys(found, "passed"), found
    assert found["inside"]["evidence"]["in"].startswith("notes-backend")
    assert found["database"]["evidence"]["max_connections"] > 0
    # The environment of a container holds its secrets, and ours.
    assert token not in json.dumps(found)
    assert "somebody-secret" not in json.dumps(found)
    assert {one["target"] for one in found.values()} == {"staging1"}
    assert host.fingerprint() == before


def test_commands_that_do_not_end_well(host: Host) -> None:
    endless = ["sh", "-c", "sleep 971 & sleep 972"]
    found = look(
        {"name": "false", "type": "command", "command": ["false"]},
        {"name": "words", "type": "command", "command": ["echo", "a"], "expect": {"contains": ["a", "b"]}},
        {"name": "none", "type": "command", "command": ["no-such-program"]},
        {"name": "none inside", "type": "command", "in": "backend", "command": ["no-such-program"]},
        {"name": "no service", "type": "command", "in": "nowhere", "command": ["true"]},
        {"name": "endless", "type": "command", "command": endless, "timeout": 1},
        {"name": "endless inside", "type": "command", "in": "backend", "command": endless, "timeout": 2},
        {"name": "flood", "type": "command", "command": ["yes"], "timeout": 1},
    )
    messages = {name: f"{one['status']}: {one['message']}" for name, one in found.items()}
    assert messages.pop("words") == 'failed: echo a ended with 0, but did not print "b"'
    assert messages.pop("false") == "failed: false ended with 1, not 0"
    assert messages.pop("none") == "error: no-such-program could not be run: No such file or directory"
    assert messages.pop("no service") == "error: no container of nowhere runs"
    assert "no-such-program in notes-backend-1 could not be run: " in messages.pop("none inside")
    for name, message in messages.items():
        assert message.startswith("error: "), name
        assert re.search(r" did not end within [12] s, and was stopped$", message), message
    processes = host.run("bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sleep 97" not in processes
    assert "yes" not in processes.split()


def test_a_database_in_trouble(host: Host) -> None:
    query = ["docker", "exec", "notes-postgres", "psql", "-U", "notes", "-c", "SELECT pg_sleep(20)"]
    host.run("bash", "-c", f"({' '.join(repr(word) for word in query)} >/dev/null 2>&1 &)")
    time.sleep(1)
    found = look(
        {"name": "connections", "type": "database", "connections_below": 0.01},
        {"name": "query", "type": "database", "longest_query": 0.5},
    )
    assert re.fullmatch(r"\d+ of \d+ connections are taken, not less than 1%", found["connections"]["message"])
    assert re.fullmatch(r"a query runs for \d+\.\d s, not at most 0.5 s", found["query"]["message"])
    assert {one["status"] for one in found.values()} == {"failed"}


def test_a_database_that_is_not_there(host: Host) -> None:
    check = {"name": "database", "type": "database", "timeout": 3}
    host.docker("stop", "notes-postgres")
    try:
        found = look(check)["database"]
    finally:
        host.docker("start", "notes-postgres")
    assert (found["status"], found["message"]) == (
        "failed",
        "the database does not run: notes-postgres is exited",
    )
    elsewhere = {"service": "postgres", "name": "notes", "user": "notes", "host": "prod1"}
    assert look(check, hotfix_database=elsewhere)["database"]["status"] == "skipped"
    assert look(check, hotfix_database={})["database"]["status"] == "skipped"
    nobody = {"service": "postgres", "name": "notes", "user": "nobody"}
    found = look(check, hotfix_database=nobody)["database"]
    assert (found["status"], 'role "nobody" does not exist' in found["message"]) == ("failed", True), found


def test_a_new_error_in_a_log(host: Host) -> None:
    token = re.search(r"ADMIN_TOKEN=(\S+)", host.run("cat", f"{APP}/.env"))
    assert token
    check = {"name": "logs", "type": "logs", "since": 8}

    def write(line: str) -> None:
        host.docker("exec", BACKEND, "sh", "-c", 'echo "$1" > /proc/1/fd/2', "sh", line)

    write("ERROR cache miss for note 12 after 3.4 ms")
    time.sleep(9)
    write("ERROR cache miss for note 977 after 12.25 ms")
    found = look(check)["logs"]
    assert (found["status"], found["evidence"]["known_lines"]) == ("passed", 1), found
    write(f"ERROR upstream said no to {token.group(1)}")
    found = look(check)["logs"]
    assert found["status"] == "failed", found
    assert found["evidence"]["new_kinds"] == 1
    assert found["message"] == '1 new kind of error (1 line): backend: "ERROR upstream said no to ********"'
    assert token.group(1) not in json.dumps(found)
    found = look({**check, "ignore": ["upstream said"]})["logs"]
    assert found["status"] == "passed", found
    # Without a line from before there is nothing to compare with.
    found = look({**check, "since": 86400})["logs"]
    assert (found["status"], "nothing is left of the time before" in found["message"]) == ("error", True), found
    found = look({**check, "services": ["nowhere"]})["logs"]
    assert (found["status"], found["message"]) == ("error", "there is no container of nowhere whose log could be read")


@pytest.fixture
def leak(host: Host) -> Iterator[None]:
    host.docker("exec", "--detach", BACKEND, "python3", "-c", LEAK)
    yield
    host.docker("restart", "--time", "1", BACKEND)


def test_memory_that_grows(host: Host, leak: None) -> None:
    found = look({"name": "memory", "type": "memory", "minutes": 0.3, "at_most": 500, "services": ["backend"]})
    one = found["memory"]
    assert one["status"] == "failed", one
    assert re.match(r"memory grows too fast: notes-backend-1 by \d+\.\d MB/h, not at most 500 MB/h", one["message"])
    assert one["evidence"][BACKEND]["mb_per_hour"] > 5000
    assert one["evidence"]["notes-backend-2"]["mb_per_hour"] < 500


def test_without_an_app_nothing_is_asked(host: Host) -> None:
    check = {"name": "logs", "type": "logs"}
    bad = look(check, hotfix_app_dir="srv/notes")["bad input"]
    assert bad["outcome"] == "bad_input"
