# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a server does, a check ends in time, and says which of the two it is: broken, or could not look."""

from __future__ import annotations

import contextlib
import socket
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke

HEAD = b"HTTP/1.1 200 OK\r\n"


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


def read_all(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.recv(65536)


def silent(_connection: socket.socket) -> None:
    time.sleep(20)


Behave = t.Callable[[socket.socket], None]


def says(raw: bytes, rest: Behave = lambda _connection: None) -> Behave:
    """Read the request, answer with *raw*, and hang up after the *rest*."""

    def behave(connection: socket.socket) -> None:
        read_all(connection)
        connection.sendall(raw)
        rest(connection)

    return behave


def sized(length: int, body: bytes, kind: bytes = b"text/plain") -> bytes:
    return HEAD + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, length) + body


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LATE = "answered 200 and did not end its answer in time"
NO_HTTP = "does not speak HTTP as it should"
#: What a server does, how the check ends, and what it says.
CASES: t.Dict[str, t.Tuple[Behave, str, str]] = {
    "says nothing": (silent, "error", "did not answer within 0.6 s"),
    "hangs up": (lambda _c: None, "error", "did not answer"),
    "hangs up after the request": (read_all, "error", "did not answer"),
    "drips its status line": (lambda c: drip(c, b"HTTP/1.1 2", b"0"), "error", "did not answer within 0.6 s"),
    "continues for ever": (lambda c: drip(c, b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "error", "within 0.6 s"),
    "drips its headers": (lambda c: drip(c, HEAD, b"X-A: b\r\n"), "failed", LATE),
    "drips its body": (lambda c: drip(c, HEAD + b"\r\n", b"x"), "failed", LATE),
    "drips its chunks": (lambda c: drip(c, CHUNKED, b"1\r\nx\r\n"), "failed", LATE),
    "stops in its body": (says(sized(9, b"ok"), silent), "failed", LATE),
    "breaks off in its body": (says(sized(9, b"ok")), "failed", "broke off after 2 of 9 bytes"),
    "breaks off in its chunks": (says(CHUNKED + b"9\r\nok"), "failed", "broke off"),
    "chunks that are none": (says(CHUNKED + b"zz\r\n"), "failed", "broke off"),
    "a header of 10 MB": (lambda c: flood(c, HEAD + b"X-A: ", b"aaaaaaaaaa"), "failed", NO_HTTP),
    "headers without end": (lambda c: flood(c, HEAD, b"X-A: b\r\n"), "failed", NO_HTTP),
    "a body without end": (lambda c: flood(c, HEAD + b"\r\n", b"a" * 100), "failed", "a body of more than 4 MB"),
    "no HTTP": (says(b"SSH-2.0-OpenSSH_9.9\r\n"), "failed", NO_HTTP),
    "a status that is none": (says(b"HTTP/1.1 abc\r\n\r\n"), "failed", NO_HTTP),
    "a length that is none": (says(sized(-5, b"ok")), "passed", ""),
    "no UTF-8": (says(sized(2, b"\xff\xfe")), "passed", ""),
    "a charset that is none": (says(sized(2, b"ok", b"text/html; charset=nope")), "passed", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_server_that_means_no_good(case: str, hostile: t.Any, check: t.Any) -> None:
    behave, status, sentence = CASES[case]
    server = hostile(behave)
    started = time.monotonic()
    # Those that never end are cut off early; what is to come gets its time even on a machine that is busy.
    timeout = 0.6 if "within" in sentence else 3 if sentence == LATE else 15
    report = _smoke.run(check(timeout=timeout), [_smoke.Target("x", f"http://127.0.0.1:{server.port}")])
    # Far from the 20 s that the server would take, even on a machine that is busy.
    assert time.monotonic() - started < 15
    (result,) = report.results
    assert result.status == status, result.message
    assert sentence in result.message


def test_what_is_no_json_is_told_as_that(hostile: t.Any, check: t.Any) -> None:
    for body in (b"\xff\xfe", b"[" * 200000):
        server = hostile(says(sized(len(body), body)))
        report = _smoke.run(check(expect={"json": {"$.a": 1}}), [_smoke.Target("x", f"http://127.0.0.1:{server.port}")])
        assert report.results[0].message.endswith("its body is no JSON")


def test_what_may_have_been_made_is_reported_when_the_answer_never_came(hostile: t.Any, note: t.Any) -> None:
    server = hostile(silent)
    checks = _smoke.parse([{**note, "timeout": 0.3}])
    report = _smoke.run(checks, [_smoke.Target("x", f"http://127.0.0.1:{server.port}")])
    assert report.verdict == "error"
    assert report.results[0].leftovers == ["DELETE /api/notes/{id} could not be made, no answer gave id"]


def test_a_check_that_is_stuck_does_not_hold_up_the_rest(hostile: t.Any, check: t.Any) -> None:
    server = hostile(silent)
    started = time.monotonic()
    target = _smoke.Target("x", f"http://127.0.0.1:{server.port}")
    report = _smoke.run(check(timeout=600, retries=5), [target], timeout=0.5)
    assert time.monotonic() - started < 5
    assert report.verdict == "error"


def test_a_name_that_leads_nowhere(check: t.Any) -> None:
    report = _smoke.run(check(timeout=3), [_smoke.Target("x", "http://no-such-host.invalid")])
    assert report.verdict == "error"
    assert "leads nowhere" in report.summary or "did not answer" in report.summary


def tls(port: int, **more: t.Any) -> _smoke.Target:
    return _smoke.Target(**{"name": "x", "url": "https://app.example.com", "address": ("127.0.0.1", port), **more})


def test_over_tls_with_its_phase(hostile: t.Any, check: t.Any, certificate: Path) -> None:
    server = hostile(says(sized(2, b"ok")), certificate)
    report = _smoke.run(check(), [tls(server.port, ca_file=str(certificate / "cert.pem"))])
    assert report.good, report.summary
    assert list(report.results[0].phases) == ["resolve", "connect", "tls", "processing", "transfer"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({}, "has a certificate that cannot be trusted"),
        ({"url": "https://other.example.com", "ca_file": True}, "has a certificate of another name"),
    ],
)
def test_a_certificate_that_is_not_right(
    more: t.Dict[str, t.Any], sentence: str, hostile: t.Any, check: t.Any, certificate: Path
) -> None:
    if "ca_file" in more:
        more = {**more, "ca_file": str(certificate / "cert.pem")}
    server = hostile(says(sized(2, b"ok")), certificate)
    report = _smoke.run(check(), [tls(server.port, **more)])
    assert report.verdict == "error"
    assert sentence in report.summary
    assert _smoke.run(check(), [tls(server.port, validate_certs=False)]).good


def test_a_handshake_that_never_ends(hostile: t.Any, check: t.Any) -> None:
    # The head of a long TLS record, then its bytes one by one.
    server = hostile(lambda c: drip(c, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x00"))
    started = time.monotonic()
    report = _smoke.run(check(timeout=0.6), [tls(server.port)])
    assert time.monotonic() - started < 5
    assert report.verdict == "error"
    assert "did not answer within" in report.summary


def test_no_tls_where_tls_is_wanted(app: t.Any, check: t.Any) -> None:
    report = _smoke.run(check(), [tls(app.server_address[1])])
    assert report.verdict == "error"
    assert "does not speak TLS as we do" in report.summary
