# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One WebSocket that stays open as a user's does: it is pinged, and made again as soon as it is gone."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.wire import (
    BrokenError,
    Connection,
    Contexts,
    trouble,
)

#: What RFC 6455 has both sides add to the key.
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FRAME_LIMIT = 1024 * 1024
_ABNORMAL = 1006
_PROTOCOL_ERROR = 1002
_PING_EVERY = 1.0
_BEFORE_RECONNECT = 0.2

Tell = t.Callable[..., None]


class ClosedError(Exception):
    """It was closed, by this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def accept_of(key: bytes) -> str:
    """Return what a server must answer to *key*."""
    return base64.b64encode(hashlib.sha1(key + _ACCEPT, usedforsecurity=False).digest()).decode()


def frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """Return a short frame as a client must send it."""
    hidden = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return struct.pack("!BB", 0x80 | opcode, 0x80 | len(payload)) + mask + hidden


class WebSocket:
    """One open WebSocket."""

    def __init__(self, target: Target, contexts: Contexts) -> None:
        self._patience = target.timeout
        end = time.monotonic() + target.timeout
        self._connection = Connection(target, contexts, end)
        try:
            self._shake_hands(target, end)
        except BaseException:
            self._connection.close()
            raise

    def _shake_hands(self, target: Target, end: float) -> None:
        key = base64.b64encode(os.urandom(16))
        scheme = "https" if target.tls else "http"
        head = (
            f"GET {target.websocket} HTTP/1.1\r\nHost: {target.server}\r\nUser-Agent: pangeafate.hotfix probe\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: {scheme}://{target.server}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n"
        )
        self._connection.send(head.encode("latin-1"), end)
        answer = self._connection.head(end)
        if answer.status != 101:
            raise BrokenError(f"answered {answer.status}")
        if answer.headers.get("sec-websocket-accept") != accept_of(key):
            raise BrokenError("answered 101 with a wrong accept key")

    def stay(self, over: t.Callable[[], bool]) -> None:
        """Ping again and again until it is closed, which raises, or *over* says so."""
        while not over():
            sent = os.urandom(4)
            self._send(_PING, sent)
            self._until_pong(sent)
            until = time.monotonic() + _PING_EVERY
            while time.monotonic() < until and not over():
                self._listen(min(until, time.monotonic() + 0.1))

    def close(self) -> None:
        """Take leave and hang up."""
        try:
            self._send(_CLOSE, struct.pack("!H", 1000))
        except OSError:
            pass
        finally:
            self._connection.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        self._connection.send(frame(opcode, payload, os.urandom(4)), time.monotonic() + self._patience)

    def _until_pong(self, sent: bytes) -> None:
        end = time.monotonic() + self._patience
        while True:
            opcode, payload = self._frame(end)
            if opcode == _PONG and payload == sent:
                return

    def _listen(self, until: float) -> None:
        """Take what comes by itself; silence is no trouble, unless a frame was begun."""
        try:
            if not self._connection.waiting:
                self._connection.more(until)
        except (socket.timeout, TimeoutError):
            return
        self._frame(time.monotonic() + self._patience)

    def _frame(self, end: float) -> t.Tuple[int, bytes]:
        """Read one frame, and answer it where that is our part."""
        first, second = self._exactly(2, end)
        opcode, size = first & 0x0F, second & 0x7F
        if second & 0x80 or first & 0x70 or opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise ClosedError(_PROTOCOL_ERROR)
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2, end))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8, end))
        if size > (125 if opcode >= _CLOSE else _FRAME_LIMIT):
            raise ClosedError(_PROTOCOL_ERROR)
        payload = self._exactly(size, end)
        if opcode == _CLOSE:
            raise ClosedError(struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005)
        if opcode == _PING:
            self._send(_PONG, payload)
        return opcode, payload

    def _exactly(self, size: int, end: float) -> bytes:
        while len(self._connection.waiting) < size:
            self._connection.more(end)
        return self._connection.take(size)


def watch(target: Target, contexts: Contexts, over: t.Callable[[], bool], tell: Tell) -> None:
    """Keep a WebSocket open until *over*, and tell when it was opened, closed, and could not be opened."""
    refused = ""
    while not over():
        try:
            socket_ = WebSocket(target, contexts)
        except Exception as exc:  # a thread that dies unseen would look as if nothing had happened
            why = trouble(exc, target.timeout)[1]
            # The same again and again is told once.
            if why != refused and not over():
                tell("refused", why=why)
            refused = why
        else:
            refused = ""
            tell("opened")
            _stay(socket_, target, over, tell)
        until = time.monotonic() + _BEFORE_RECONNECT
        while time.monotonic() < until and not over():
            time.sleep(0.05)


def _stay(socket_: WebSocket, target: Target, over: t.Callable[[], bool], tell: Tell) -> None:
    try:
        socket_.stay(over)
    except ClosedError as exc:
        tell("closed", code=exc.code)
    except (socket.timeout, TimeoutError):
        tell("closed", code=_ABNORMAL, why=f"silent for {target.timeout:g} s")
    except Exception as exc:
        tell("closed", code=_ABNORMAL, why=trouble(exc, target.timeout)[1])
    finally:
        socket_.close()
