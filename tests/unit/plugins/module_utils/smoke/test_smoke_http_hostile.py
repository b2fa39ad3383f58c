# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a server does, every type of check over HTTP ends in time, and tells broken from could not look."""

from __future__ import annotations

import contextlib
import socket
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke

TYPES: t.Dict[str, t.Dict[str, t.Any]] = {
    "http": {"path": "/x", "expect": {"status": 200}, "follow_redirects": 5},
    "page": {},
    "health": {},
    "crud": {"path": "/x"},
    "cors": {"path": "/x", "origin": "https://app.example.com"},
    "not_found": {"path": "/x", "follow_redirects": 5},
    "rate_limit": {"path": "/x"},
    "latency": {"path": "/x", "expect": {"p95": 5}},
}
HEAD = b"HTTP/1.1 200 OK\r\n"
SIZED = HEAD + b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n"


def drip(connection: socket.socket, first: bytes, piece: bytes) -> None:
    """Send a little again and again, so that no single wait is long."""
    connection.sendall(first)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        connection.sendall(piece)
        time.sleep(0.05)


def flood(connection: socket.socket, first: bytes, piece: bytes) -> None:
    connection.sendall(first)
    for _number in range(4000):
        connection.sendall(piece * 4096)


def says(raw: bytes) -> t.Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.recv(65536)
        connection.sendall(raw)

    return behave


def redirects(connection: socket.socket) -> None:
    """Lead on to a new address each time."""
    asked = connection.recv(65536).split(b" ")[1]
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s1\r\nContent-Length: 0\r\n\r\n" % asked)


#: What a server does, and what it is called: an answer that is none is broken, no answer is no verdict.
CASES: t.Dict[str, t.Tuple[t.Callable[[socket.socket], None], str]] = {
    "says nothing": (lambda _connection: time.sleep(20), "error"),
    "hangs up": (lambda _connection: None, "error"),
    "drips its status line": (lambda c: drip(c, b"HTTP/1.1 2", b"0"), "error"),
    "drips its headers": (lambda c: drip(c, HEAD, b"X-A: b\r\n"), "failed"),
    "drips its body": (lambda c: drip(c, HEAD + b"\r\n", b"x"), "failed"),
    "breaks off in its body": (says(SIZED % 9 + b"ok"), "failed"),
    "a header of 10 MB": (lambda c: flood(c, HEAD + b"X-A: ", b"aaaaaaaaaa"), "failed"),
    "a body without end": (lambda c: flood(c, HEAD + b"\r\n", b"a" * 100), "failed"),
    "no HTTP": (says(b"SSH-2.0-OpenSSH_9.9\r\n"), "failed"),
    "leads on for ever": (redirects, "failed"),
    "no UTF-8": (says(SIZED % 2 + b"\xff\xfe"), "failed"),
    "tags without end": (says(SIZED % 60000 + b"<a " * 20000), "failed"),
    "JSON without end": (says(SIZED % 200000 + b"[" * 200000), "failed"),
}
# These look at nothing but status and time.
ANY_BODY = ("http", "rate_limit", "latency")


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("case", CASES)
def test_a_server_that_means_no_good(case: str, kind: str, hostile: t.Any) -> None:
    behave, status = CASES[case]
    server = hostile(behave)
    # Those that never end are cut off early, and later where the machine is too busy for that; others get their time.
    timeouts = (0.3, 3) if case.startswith(("says nothing", "drips")) else (10,)
    if case in ("no UTF-8", "tags without end", "JSON without end") and kind in ANY_BODY:
        status = "passed"
    started = time.monotonic()
    for timeout in timeouts:
        raw = {"name": "a", "type": kind, "retries": 0, "timeout": timeout, **TYPES[kind]}
        (result,) = _smoke.run(_smoke.parse([raw]), [_smoke.Target("x", f"http://127.0.0.1:{server.port}")]).results
        if result.status == status:
            break
    # Far from the 20 s that the server would take, even on a machine that is busy.
    assert time.monotonic() - started < 15
    assert result.status == status, result.message
    assert result.message
    assert len(result.message) < 1500


def test_what_the_end_of_the_run_cut_off_is_no_verdict(hostile: t.Any) -> None:
    server = hostile(lambda c: drip(c, HEAD + b"\r\n", b"x"))
    target = _smoke.Target("x", f"http://127.0.0.1:{server.port}")
    raw = [{"name": kind, "type": kind, "retries": 0, **more} for kind, more in TYPES.items()]
    results = _smoke.run(_smoke.parse(raw), [target], timeout=0.5).results
    assert {one.status for one in results} == {"error"}, results
