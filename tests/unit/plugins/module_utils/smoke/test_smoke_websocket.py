# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A WebSocket passes only when it was opened, echoed and closed; whatever a server does, the check ends in time."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

Behave = t.Callable[[socket.socket], None]
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def upgrade(connection: socket.socket, more: str = "", accept: t.Optional[str] = None) -> str:
    """Answer the handshake, rightly unless told otherwise; return the request."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(4096)
    text = request.decode()
    match = re.search(r"Sec-WebSocket-Key: (\S+)", text)
    key = match.group(1) if match else ""
    text_of_key = (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
    raw = hashlib.sha1(text_of_key, usedforsecurity=False).digest()
    value = base64.b64encode(raw).decode() if accept is None else accept
    line = f"Sec-WebSocket-Accept: {value}\r\n" if value else ""
    switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    connection.sendall(f"{switching}{line}{more}\r\n".encode())
    return text


def put(connection: socket.socket, kind: int, payload: bytes = b"", head: int = 0x80) -> None:
    size = struct.pack("!B", len(payload)) if len(payload) < 126 else struct.pack("!BH", 126, len(payload))
    connection.sendall(struct.pack("!B", head | kind) + size + payload)


def get(connection: socket.socket) -> t.Tuple[int, bytes]:
    """Read one frame of the client, which must be masked."""
    first, second = exactly(connection, 2)
    assert second & 0x80
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(exactly(connection, 2), "big")
    mask = exactly(connection, 4)
    return first & 0x0F, bytes(one ^ mask[at % 4] for at, one in enumerate(exactly(connection, size)))


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def serve(connection: socket.socket, before: t.Sequence[t.Tuple[int, bytes]] = (), code: int = 1000) -> None:
    """Echo texts and answer pings until the client closes."""
    upgrade(connection)
    for kind, payload in before:
        put(connection, kind, payload)
    while True:
        kind, payload = get(connection)
        if kind == CLOSE:
            put(connection, CLOSE, struct.pack("!H", code))
            return
        if kind in (TEXT, PING):
            put(connection, PONG if kind == PING else TEXT, payload)


def quiet(_connection: socket.socket) -> None:
    time.sleep(20)


def after(behave: Behave) -> Behave:
    """Open the WebSocket, then behave."""

    def whole(connection: socket.socket) -> None:
        upgrade(connection)
        behave(connection)

    return whole


#: Seconds: for what is to come even on a machine that is busy, and for a beginning after which nothing comes.
PLENTY, SOON = 15, 2


def make(**more: t.Any) -> t.List[_smoke.Check]:
    plain = {"name": "a", "type": "websocket", "path": "/ws", "retries": 0, "timeout": PLENTY}
    return _smoke.parse([{**plain, **more}], {"token": "s3cret-token"})


def look(port: int, scheme: str = "http", **more: t.Any) -> _smoke.Result:
    keys = ("ca_file", "validate_certs", "address")
    target = {key: more.pop(key) for key in keys if key in more}
    url = more.pop("url", f"{scheme}://127.0.0.1:{port}")
    targets = [_smoke.Target("x", url, **target)]
    return _smoke.run(make(**more), targets, secrets={"token": "s3cret-token"}, timeout=30).results[0]


Start = t.Callable[..., t.Any]


def test_without_a_text_a_ping_is_answered(hostile: Start) -> None:
    result = look(hostile(serve).port)
    assert result.status == "passed", result.message
    assert re.fullmatch(r"WebSocket /ws opened, answered a ping in \d\.\d{3} s, and closed cleanly", result.message)
    assert set(result.phases) == {"resolve", "connect", "processing", "transfer"}
    assert result.evidence["status"] == 101


@pytest.mark.parametrize(
    "more",
    [
        {"send": "hello"},
        {"send": {"type": "ping", "n": [1, 2]}},
        {"send": "x" * 3000},
        {"send": "hello", "expect": {"equals": "hello"}},
        {"send": "hello", "expect": {"contains": "ell"}},
        {"send": "hi {token}", "expect": {"equals": "hi {token}"}},
    ],
)
def test_what_is_sent_comes_back(hostile: Start, more: t.Dict[str, t.Any]) -> None:
    assert look(hostile(serve).port, **more).status == "passed"


def test_other_messages_and_pings_may_come_before(hostile: Start) -> None:
    before = [(TEXT, b"welcome"), (PING, b"are you there"), (TEXT, b"news")]
    assert look(hostile(lambda c: serve(c, before)).port, send="hello").status == "passed"
    # A greeting can be what is expected.
    assert look(hostile(lambda c: serve(c, before)).port, expect={"contains": "news"}).status == "passed"


def test_an_echo_in_pieces(hostile: Start) -> None:
    def pieces(connection: socket.socket) -> None:
        _kind, payload = get(connection)
        put(connection, TEXT, payload[:2], head=0)
        put(connection, PING, b"still there")
        assert get(connection) == (PONG, b"still there")
        put(connection, 0, payload[2:])
        assert get(connection)[0] == CLOSE
        put(connection, CLOSE)

    assert look(hostile(after(pieces)).port, send="hello").status == "passed"


def test_the_request_is_what_was_asked_for(hostile: Start) -> None:
    seen: t.List[str] = []

    def behave(connection: socket.socket) -> None:
        seen.append(upgrade(connection, "Sec-WebSocket-Protocol: chat\r\n"))
        _kind, payload = get(connection)
        put(connection, PONG, payload)
        get(connection)
        put(connection, CLOSE)

    port = hostile(behave).port
    more = {"path": "/ws?room={token}", "origin": "https://app.example.com", "subprotocol": "chat"}
    result = look(
        port, url="http://app.example.com/base", address=("127.0.0.1", port), headers={"X-Token": "{token}"}, **more
    )
    assert result.status == "passed", result.message
    lines = seen[0].split("\r\n")
    assert lines[0] == "GET /base/ws?room=s3cret-token HTTP/1.1"
    for line in ("Host: app.example.com", "Origin: https://app.example.com", "X-Token: s3cret-token"):
        assert line in lines
    assert "Sec-WebSocket-Version: 13" in lines
    assert "s3cret-token" not in str(result.as_dict())


def test_over_tls(hostile: Start, certificate: Path) -> None:
    port = hostile(serve, certificate).port
    more: t.Dict[str, t.Any] = {"url": "https://app.example.com", "address": ("127.0.0.1", port), "send": "hello"}
    result = look(port, ca_file=str(certificate / "cert.pem"), **more)
    assert result.status == "passed", result.message
    assert "tls" in result.phases
    # Nothing is said to somebody whom we do not know.
    result = look(port, **more)
    assert (result.status, "cannot be trusted" in result.message) == ("error", True)


def closes(code: int, reason: bytes = b"") -> Behave:
    return after(lambda c: put(c, CLOSE, struct.pack("!H", code) + reason))


def half(connection: socket.socket) -> None:
    get(connection)
    connection.sendall(b"\x81\x05he")
    time.sleep(20)


def drip(connection: socket.socket) -> None:
    connection.sendall(b"\x81\x7e\x10\x00")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def chatter(connection: socket.socket) -> None:
    while True:
        put(connection, TEXT, b"something else")


def never_closes(connection: socket.socket) -> None:
    _kind, payload = get(connection)
    put(connection, TEXT, payload)
    while True:
        put(connection, TEXT, b"and another thing")
        time.sleep(0.02)


def hangs_up(connection: socket.socket) -> None:
    get(connection)


def head(raw: bytes) -> Behave:
    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(raw)

    return behave


def drip_head(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        connection.sendall(b"A: b\r\n")
        time.sleep(0.02)


def answers(more: str = "", accept: t.Optional[str] = None) -> Behave:
    """Answer the handshake in a way of its own, and say no more."""

    def behave(connection: socket.socket) -> None:
        upgrade(connection, more, accept)
        quiet(connection)

    return behave


def writes(raw: bytes) -> Behave:
    """Open the WebSocket, wait for a frame, write something, and say no more."""

    def behave(connection: socket.socket) -> None:
        get(connection)
        connection.sendall(raw)
        quiet(connection)

    return after(behave)


NOT_BACK = "opened, but did not send its echo"
CASES: t.Dict[str, t.Tuple[Behave, str, str]] = {
    "says nothing": (quiet, "error", f"did not answer within {SOON} s"),
    "hangs up": (lambda _c: None, "error", "did not answer"),
    "hangs up after the request": (head(b""), "error", "did not answer"),
    "answers 200": (head(b"HTTP/1.1 200 OK\r\n\r\nhello"), "failed", "answered 200, not 101: it opens no WebSocket"),
    "answers 503": (head(b"HTTP/1.1 503 No\r\n\r\n"), "failed", "answered 503, not 101"),
    "is no web server": (head(b"220 mail.example.com ESMTP\r\n"), "failed", "does not speak HTTP"),
    "breaks off in its answer": (head(b"HTTP/1.1 101 Sw"), "failed", "broke off within its answer"),
    "drips its headers": (drip_head, "failed", "did not end its answer in time"),
    "headers of 10 MB": (head(b"HTTP/1.1 101 x\r\nA: " + b"b" * 10000000), "failed", "more than 64 KB of headers"),
    "101 without an accept key": (answers(accept=""), "failed", "without Sec-WebSocket-Accept"),
    "101 with a wrong accept key": (
        answers(accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "failed",
        "with a wrong Sec-WebSocket-Accept",
    ),
    "101 and no upgrade": (
        head(b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        "failed",
        "does not upgrade to a WebSocket",
    ),
    "101 on a connection that stays": (
        head(b"HTTP/1.1 101 x\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n"),
        "failed",
        "header Connection",
    ),
    "an extension": (
        answers("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        "failed",
        "extension that nobody asked for",
    ),
    "a subprotocol": (
        answers("Sec-WebSocket-Protocol: chat\r\n"),
        "failed",
        "with the subprotocol 'chat', not none",
    ),
    "101, then silence": (after(quiet), "failed", f"{NOT_BACK} within {SOON} s"),
    "101, then hangs up": (after(hangs_up), "failed", f"{NOT_BACK} before the connection broke"),
    "closes at once": (closes(1012, b"restart"), "failed", "closed with 1012 (service restart): restart"),
    "closes for a policy": (closes(1008), "failed", f"{NOT_BACK}, and closed with 1008 (policy violation)"),
    "sends another text": (writes(b"\x81\x05HELLO"), "failed", f'(it sent "HELLO") within {SOON} s'),
    "half an echo": (after(half), "failed", f"{NOT_BACK} within {SOON} s"),
    "drips its echo": (after(drip), "failed", f"{NOT_BACK} within {SOON} s"),
    "says other things without end": (after(chatter), "failed", f'(it sent "something else") within {SOON} s'),
    "a masked frame": (writes(b"\x81\x85abcdhello"), "failed", "sent a masked frame"),
    "an oversized frame": (writes(b"\x82\x7f" + struct.pack("!Q", 2**40)), "failed", "more than 1 MB"),
    "no UTF-8": (writes(b"\x81\x02\xff\xfe"), "failed", "a text that is no UTF-8"),
    "never closes": (after(never_closes), "failed", f"did not close in answer to ours within {SOON} s"),
    "closes with an error": (lambda c: serve(c, code=1011), "failed", "closed with 1011 (internal error), not 1000"),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_whatever_a_server_does(hostile: Start, name: str) -> None:
    behave, status, says = CASES[name]
    never_ends = f"within {SOON} s" in says or says.endswith("in time")
    started = time.monotonic()
    result = look(hostile(behave).port, send="hello", timeout=SOON if never_ends else PLENTY)
    # Far from the 20 s that a server would take that never ends.
    assert time.monotonic() - started < 15
    assert result.status == status, result.message
    assert says in result.message


def test_a_pong_for_another_ping_is_none(hostile: Start) -> None:
    def behave(connection: socket.socket) -> None:
        get(connection)
        put(connection, PONG, b"other")
        quiet(connection)

    assert f"did not answer a ping within {SOON} s" in look(hostile(after(behave)).port, timeout=SOON).message


def test_nobody_listens() -> None:
    result = look(9)
    assert (result.status, result.message) == ("error", "WebSocket /ws: 127.0.0.1:9 refuses connections")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"path": "ws"}, "does not begin with '/'"),
        ({"send": ""}, "send sends nothing"),
        ({"expect": {}}, "neither equals nor contains"),
        ({"expect": {"equals": "a", "contains": "b"}}, "neither equals nor contains"),
        ({"expect": {"status": 101}}, "unknown key 'status'"),
        ({"headers": {"Sec-WebSocket-Key": "x"}}, "the handshake sets the header Sec-WebSocket-Key itself"),
        ({"headers": {"Origin": "https://x.example.com"}}, "the handshake sets the header Origin itself"),
        ({"headers": {"Authorization": "secret"}}, "looks like a credential"),
        ({"origin": "a\nb"}, "origin is no line of text"),
        ({"send": "{nothing}"}, "nothing gives a value to {nothing}"),
    ],
)
def test_what_cannot_be_right_is_refused(more: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        make(**more)
    assert says in str(caught.value)
