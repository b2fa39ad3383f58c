# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A WebSocket is kept open as a user's is; whoever closes or breaks it is told of with the code."""

from __future__ import annotations

import socket
import struct
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import web_socket
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.wire import Contexts

from tests.unit.plugins.module_utils.probe.servers import (
    Server,
    accepts_web_sockets,
    answers,
    client_frame,
    pongs,
    read_head,
    silent,
    status,
)

Make = t.Callable[..., Server]


class Watched:
    """A WebSocket that is watched until a test has seen enough."""

    def __init__(self, target: Target) -> None:
        self.told: t.List[t.Tuple[str, t.Dict[str, t.Any]]] = []
        self._over = False
        arguments = (target, Contexts(), lambda: self._over, self._tell)
        self._thread = threading.Thread(target=web_socket.watch, args=arguments, daemon=True)
        self._thread.start()

    def _tell(self, what: str, **more: t.Any) -> None:
        self.told.append((what, more))

    def until(self, *wanted: str) -> t.List[t.Dict[str, t.Any]]:
        """Return the details when these have been told, in this order."""
        end = time.monotonic() + 5
        while [what for what, _more in self.told[: len(wanted)]] != list(wanted):
            assert time.monotonic() < end, self.told
            time.sleep(0.005)
        return [more for _what, more in self.told[: len(wanted)]]

    def end(self) -> None:
        self._over = True
        self._thread.join(3)
        assert not self._thread.is_alive()


@pytest.fixture
def watched() -> t.Iterator[t.Callable[[Target], Watched]]:
    made: t.List[Watched] = []

    def make(target: Target) -> Watched:
        made.append(Watched(target._replace(websocket="/ws", timeout=0.4)))
        return made[-1]

    yield make
    for one in made:
        one.end()


Watch = t.Callable[[Target], Watched]


def test_the_accept_key_of_the_standard() -> None:
    assert web_socket.accept_of(b"dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_one_that_stays_open_is_told_once(server: Make, watched: Watch, certificate: Path) -> None:
    for more in ({}, {"certificate": certificate}):
        one = watched(server(accepts_web_sockets(pongs), **more).target(validate_certs=False))
        one.until("opened")
        time.sleep(0.3)
        assert one.told == [("opened", {})]


def test_at_the_end_it_takes_leave(server: Make, watched: Watch) -> None:
    codes = []

    def behave(connection: socket.socket) -> None:
        while True:
            opcode, payload = client_frame(connection)
            if opcode == 8:
                codes.append(struct.unpack("!H", payload)[0])
                return
            connection.sendall(struct.pack("!BB", 0x8A, len(payload)) + payload)

    one = watched(server(accepts_web_sockets(behave)).target())
    one.until("opened")
    one.end()
    end = time.monotonic() + 2
    while not codes:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert codes == [1000]


def after_a_ping(*frames: bytes) -> t.Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        _opcode, payload = client_frame(connection)
        connection.sendall(struct.pack("!BB", 0x8A, len(payload)) + payload + b"".join(frames))
        time.sleep(1)

    return behave


CLOSED_BY = [
    (b"\x88\x02\x03\xf4", 1012),
    (b"\x88\x00", 1005),
    # Masked, reserved bits, an unknown opcode, a control frame that is too long, and a frame of 2^60 bytes.
    (b"\x81\x82abcdxy", 1002),
    (b"\xc1\x02xy", 1002),
    (b"\x83\x00", 1002),
    (b"\x89\x7e\x00\xff", 1002),
    (b"\x82\x7f\x10" + b"\x00" * 7, 1002),
]


@pytest.mark.parametrize(("sent", "code"), CLOSED_BY)
def test_how_it_was_closed(sent: bytes, code: int, server: Make, watched: Watch) -> None:
    one = watched(server(accepts_web_sockets(after_a_ping(sent))).target())
    assert one.until("opened", "closed", "opened")[1] == {"code": code}


def test_what_the_app_sends_by_itself_is_passed_over(server: Make, watched: Watch) -> None:
    frames = (b"\x01\x03abc", b"\x80\x02de", b"\x82\x7e\x01\x00" + b"x" * 256, b"\x89\x01p")
    heard = []

    def behave(connection: socket.socket) -> None:
        _opcode, payload = client_frame(connection)
        connection.sendall(struct.pack("!BB", 0x8A, len(payload)) + payload + b"".join(frames))
        heard.append(client_frame(connection))
        pongs(connection)

    one = watched(server(accepts_web_sockets(behave)).target())
    end = time.monotonic() + 3
    while not heard:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert heard == [(10, b"p")]
    assert one.told == [("opened", {})]


def test_a_server_that_dies(server: Make, watched: Watch) -> None:
    made = server(accepts_web_sockets(pongs))
    one = watched(made.target())
    one.until("opened")
    made.close()
    told = one.until("opened", "closed", "refused")
    assert told[1] == {"code": 1006, "why": "connection broke off"}
    assert told[2] == {"why": "connection refused"}
    server(accepts_web_sockets(pongs), port=made.port)
    one.until("opened", "closed", "refused", "opened")


def test_silence_is_noticed(server: Make, watched: Watch) -> None:
    one = watched(server(accepts_web_sockets(silent)).target())
    assert one.until("opened", "closed")[1] == {"code": 1006, "why": "silent for 0.4 s"}


def wrong_key(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: no\r\n\r\n")


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (answers(status(200)), "answered 200"),
        (answers(status(404)), "answered 404"),
        (wrong_key, "answered 101 with a wrong accept key"),
        (silent, "no answer within 0.4 s"),
    ],
)
def test_what_opens_none_is_told_once(
    behave: t.Callable[[socket.socket], None], why: str, server: Make, watched: Watch
) -> None:
    made = server(behave)
    one = watched(made.target())
    assert one.until("refused") == [{"why": why}]
    end = time.monotonic() + 3
    while made.connections < 3:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert len(one.told) == 1
