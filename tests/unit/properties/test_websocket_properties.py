# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever comes over a WebSocket: the check says what it was, the probe when it closed, and neither shows a secret.

The server is a real one on a loopback address. It shakes hands, sends the bytes of an example piece by piece, and hangs
up or stays.
"""

from __future__ import annotations

import json
import socket
import struct
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import web_socket
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.wire import Contexts
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import model
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import run
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.probe import servers

TOKEN = "canary-of-the-token"
FAULT = "a fault of the check itself"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
#: Parts of a secret that are shown are as good as the whole; so long is no word of ours.
SHOWN_AT_MOST = 8


class Answer(t.NamedTuple):
    """What a server does: more headers, the key that it accepts (its own where None), and bytes in pieces."""

    headers: bytes = b""
    accept: bytes | None = None
    pieces: tuple[bytes, ...] = ()
    stays: bool = False


class Peer(servers.Server):
    """Shakes hands, and does what a test says."""

    def __init__(self) -> None:
        super().__init__(self._meet)
        self.answer = Answer()
        self.url = f"http://127.0.0.1:{self.port}"

    def _meet(self, connection: socket.socket) -> None:
        connection.settimeout(2.0)
        head = servers.read_head(connection)
        if not head:
            return
        key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = web_socket.accept_of(key).encode() if self.answer.accept is None else self.answer.accept
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n" + self.answer.headers + b"\r\n"
        )
        for piece in self.answer.pieces:
            connection.sendall(piece)
            time.sleep(0.001)
        if not self.answer.stays:
            servers.hang_up(connection)
        servers.hear_out(connection)


@pytest.fixture(scope="module")
def peer() -> t.Iterator[Peer]:
    one = Peer()
    yield one
    one.close()


def frame(first: int, payload: bytes, width: int = 0, size: int | None = None, mask: bytes = b"") -> bytes:
    """Return a frame whose length is written in so many bytes, and may be none of its own."""
    size = len(payload) if size is None else size
    width = width or (0 if size < 126 else 2 if size < 65536 else 8)
    bit = 0x80 if mask else 0
    if width == 0:
        return bytes([first, bit | (size & 0x7F)]) + mask + payload
    number = (size & ((1 << 8 * width) - 1)).to_bytes(width, "big")
    return bytes([first, bit | (126 if width == 2 else 127)]) + number + mask + payload


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(0x80 | CLOSE, struct.pack("!H", code) + reason)


PAYLOADS = st.one_of(
    st.binary(max_size=10),
    st.sampled_from(
        [b"", b"hello", b"\x1b[31mred", "é²".encode(), b"\xc3", b"a" * 125, b"a" * 126, b"a" * 70_000, b"\0" * 5]
    ),
    st.integers(0, 130).map(lambda before: b"-" * before + TOKEN.encode()),
    st.integers(0, 65535).map(lambda code: struct.pack("!H", code) + b"why"),
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Return one frame, right or wrong in any part of its head."""
    if draw(st.integers(0, 8)) == 0:
        return draw(st.binary(max_size=20))
    payload = draw(PAYLOADS)
    kind = draw(st.sampled_from([TEXT, TEXT, BINARY, CLOSE, CLOSE, PING, PONG, *range(16)]))
    # The end of a message, and bits that an extension would have to give a meaning.
    flags = draw(st.sampled_from([0x80, 0x80, 0x80, 0, 0xC0, 0xA0, 0x90, 0x40]))
    size = draw(st.sampled_from([None] * 8 + [0, 1, 125, 126, 127, 65535, 65536, 2**20 + 1, 2**31, 2**63, 2**64 - 1]))
    mask = draw(st.sampled_from([b""] * 8 + [b"\0\0\0\0", b"mask"]))
    return frame(flags | kind, payload, draw(st.sampled_from([0, 0, 0, 2, 8])), size, mask)


HEADERS = st.sampled_from(
    [
        *[b""] * 12,
        b"Sec-WebSocket-Protocol: " + b"-" * 50 + TOKEN.encode() + b"\r\n",
        b"Sec-WebSocket-Protocol: \x1b[31m\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
        b"X-" + b"a" * 190 + TOKEN.encode() + b": b\r\n",
        b"X-A: " + b"b" * 190 + TOKEN.encode() + b"\r\n",
        b"Upgrade: h2c\r\n",
        b"no colon\r\n",
        b": \r\n",
        b"X-\xff: \xff\x00\r\n",
        b"X-A: " + b"b" * 70_000 + b"\r\n",
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    whole = b"".join(draw(st.lists(frames(), max_size=5)))
    if draw(st.integers(0, 4)) == 0:
        whole = whole[: draw(st.integers(0, len(whole)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    pieces = tuple(whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    accept = draw(st.sampled_from([None] * 12 + [b"", b"wrong", b"\xff", TOKEN.encode()]))
    return Answer(draw(HEADERS), accept, pieces, draw(st.integers(0, 12)) == 0)


def require_hidden(text: str) -> None:
    """Assert that no part of the secret is there that would help anybody."""
    parts = [TOKEN[at : at + SHOWN_AT_MOST] for at in range(len(TOKEN) - SHOWN_AT_MOST + 1)]
    assert [one for one in parts if one in text] == [], text


CHECKS: list[dict[str, t.Any]] = [
    {"name": "ping", "type": "websocket", "path": "/"},
    {"name": "echo", "type": "websocket", "path": "/{token}", "send": "hello {token}"},
    {
        "name": "says",
        "type": "websocket",
        "path": "/",
        "headers": {"X-Token": "{token}"},
        "expect": {"contains": "hello"},
    },
]
GOOD = (frame(0x80 | TEXT, b"hello"), closing(1000))


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=answers())
@example(answer=Answer(pieces=GOOD))
@example(answer=Answer(pieces=(b"\x81",)))
@example(answer=Answer(pieces=(frame(0x81, b"hello", 8),)))
@example(answer=Answer(pieces=(frame(0x81, b"", 8, 2**64 - 1),)))
@example(answer=Answer(pieces=(frame(0x81, b"", 8, 2**63),), stays=True))
@example(answer=Answer(pieces=(frame(0x01, b""),) * 3))
@example(answer=Answer(pieces=(frame(0x01, b"") * 20_000,)))
@example(answer=Answer(pieces=(frame(0x89, b"") * 20_000,)))
@example(answer=Answer(pieces=(frame(0x88, b"\x03"),)))
@example(answer=Answer(pieces=(closing(999), closing(1005), closing(5000))))
@example(answer=Answer(pieces=(closing(1008, b"\xff"),)))
@example(answer=Answer(pieces=(closing(1008, b"-" * 90 + TOKEN.encode()),)))
@example(answer=Answer(pieces=(closing(1008, b"\x1b[31mred\r\n"),)))
@example(answer=Answer(pieces=(frame(0x81, b"-" * 70 + TOKEN.encode()),)))
@example(answer=Answer(headers=b"Sec-WebSocket-Protocol: " + b"-" * 50 + TOKEN.encode() + b"\r\n"))
@example(answer=Answer(headers=b"X-" + b"a" * 190 + TOKEN.encode() + b": b\r\n"))
@example(answer=Answer(headers=b"X-A: " + b"b" * 190 + TOKEN.encode() + b"\r\n"))
@example(answer=Answer(headers=b"X-A: " + b"b" * 70_000 + b"\r\n"))
def test_a_check_says_what_it_was(peer: Peer, answer: Answer) -> None:
    peer.answer = answer
    checks = _smoke.parse([{**one, "retries": 0, "timeout": 0.5} for one in CHECKS], {"token": TOKEN})
    began = time.monotonic()
    report = run(checks, [_smoke.Target("here", peer.url)], timeout=2.0, secrets={"token": TOKEN})
    assert time.monotonic() - began < 5.0
    for one in report.results:
        assert one.status in model.STATUSES
        assert one.message
        assert FAULT not in one.message, one.message
        assert one.status != model.PASSED or answer.pieces
        assert "\x1b" not in json.dumps(one.message) + one.message
    shown = json.dumps(report.as_dict(), allow_nan=False)
    require_hidden(shown)
    assert "\\u001b" not in shown


def test_what_is_right_passes(peer: Peer) -> None:
    peer.answer = Answer(pieces=GOOD)
    checks = _smoke.parse([{**CHECKS[2], "retries": 0}], {"token": TOKEN})
    (found,) = run(checks, [_smoke.Target("here", peer.url)], timeout=5.0, secrets={"token": TOKEN}).results
    assert found.status == model.PASSED, found.message


Told = list[tuple[str, dict[str, t.Any]]]


def watched(peer: Peer) -> Told:
    """Return what a probe tells of one connection."""
    found: Told = []

    def tell(event: str, **about: t.Any) -> None:
        found.append((event, about))

    def over() -> bool:
        return any(event != "opened" for event, _about in found)

    web_socket.watch(peer.target(websocket="/", timeout=0.3), Contexts(), over, tell)
    return found


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=answers())
@example(answer=Answer(pieces=(b"\x81",)))
@example(answer=Answer(pieces=(frame(0x81, b"", 8, 2**64 - 1),), stays=True))
@example(answer=Answer(pieces=(frame(0x88, b"\x03"),)))
@example(answer=Answer(pieces=(frame(0x88, b"\xff\xff"),)))
@example(answer=Answer(pieces=(frame(0x89, b"") * 20_000,)))
@example(answer=Answer(accept=b"\xff"))
@example(answer=Answer(headers=b"no colon\r\n"))
@example(answer=Answer(headers=b"Upgrade: h2c\r\n"))
def test_a_probe_says_when_it_closed(peer: Peer, answer: Answer) -> None:
    peer.answer = answer
    began = time.monotonic()
    found = watched(peer)
    assert time.monotonic() - began < 5.0
    assert [event for event, _about in found] in (["opened", "closed"], ["refused"]), found
    about = found[-1][1]
    assert found[-1][0] == "refused" or 0 <= about["code"] <= 65535
    why = about.get("why", "")
    # What nobody thought of would be told by its type.
    assert "Error" not in why, why
    assert why.isprintable()
    require_hidden(json.dumps(found))
