# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access logs of formats that nobody told us: statuses always, times where they are there, and never a guess."""

from __future__ import annotations

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose import access_log

AGENT = '"Mozilla/5.0 (X11; rv:120.000) Chrome/120.123"'
BEGIN = '203.0.113.7 - - [02/Jan/2026:03:04:05 +0000] "GET /api/notes?token=s3cret HTTP/1.1" 502 157 "-" '


@pytest.mark.parametrize(
    ("line", "status", "seconds", "path"),
    [
        (BEGIN + AGENT, 502, None, "/api/notes"),
        (BEGIN + AGENT + " 0.012", 502, 0.012, "/api/notes"),
        (BEGIN + AGENT + ' "0.250" "-"', 502, 0.25, "/api/notes"),
        # The whole request takes at least as long as the part of it behind the proxy.
        (BEGIN + AGENT + ' rt=1.500 uct="0.001" urt="1.499"', 502, 1.5, "/api/notes"),
        (BEGIN + AGENT + " 1.500 1.499", 502, 1.5, "/api/notes"),
        # Seconds since 1970 are no time that a request takes.
        (BEGIN + AGENT + " 1767323045.123", 502, None, "/api/notes"),
        ('203.0.113.7 - - [02/Jan/2026:03:04:05 +0000] "" 400 0 "-" "-"', 400, None, ""),
        ('203.0.113.7 - - [02/Jan/2026:03:04:05 +0000] "\\x16\\x03\\x01" 400 157 "-" "-"', 400, None, ""),
        ('{"status": "200", "request_time": "0.034", "request": "POST /api/x HTTP/2.0"}', 200, 0.034, "/api/x"),
        ('{"Status": 404, "uri": "/away"}', 404, None, "/away"),
        ('app.example.com 203.0.113.7 "PUT /n/1 HTTP/1.1" 204 0 0.003', 204, 0.003, "/n/1"),
    ],
)
def test_what_a_line_tells(line: str, status: int, seconds: float | None, path: str) -> None:
    assert access_log.parse(line) == access_log.Request(status, seconds, path)


@pytest.mark.parametrize(
    "line",
    [
        '2026/01/02 03:04:05 [error] 7#7: *21 connect() failed (111: Connection refused), request: "GET / HTTP/1.1"',
        "ERROR the database is away",
        '{"level": 50, "msg": "no"}',
        '{"status": "ok"}',
        "{broken",
        "",
    ],
)
def test_what_is_no_request_is_none(line: str) -> None:
    assert access_log.parse(line) is None


def test_counts_shares_and_percentiles() -> None:
    lines = [f'"GET /a HTTP/1.1" 200 1 0.{number:03d}' for number in range(1, 101)]
    lines += ['"GET /b HTTP/1.1" 500 1 9.000', '"GET /b HTTP/1.1" 503 1 9.000', '"GET /ws HTTP/1.1" 101 1 3600.000']
    found = access_log.summed([one for one in map(access_log.parse, lines) if one is not None])
    assert found["requests"] == 103
    assert found["statuses"] == {"101": 1, "200": 100, "500": 1, "503": 1}
    assert found["server_errors"] == 2
    assert found["failing"] == [{"path": "/b", "count": 2}]
    # A WebSocket that was open for an hour is no slow request.
    assert found["seconds"] == {"p50": 0.051, "p95": 0.097, "p99": 9.0}


def test_times_that_the_format_does_not_tell_are_unknown() -> None:
    found = access_log.summed([access_log.Request(200, None, "/")])
    assert found["seconds"] is None
    assert access_log.summed([])["requests"] == 0
