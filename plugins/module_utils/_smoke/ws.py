# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The client's side of a WebSocket (RFC 6455), strict with what the server sends. No socket is used here."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import struct
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_CONTINUATION = 0
_KNOWN = (_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Bytes of one message, all its frames together, and of the head of the answer.
MESSAGE_LIMIT = 1024 * 1024
HEAD_LIMIT = 64 * 1024
_CONTROL_LIMIT = 125
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
_CODES = {
    1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1005: "no code",
    1007: "invalid data", 1008: "policy violation", 1009: "message too big", 1010: "extension missing",
    1011: "internal error", 1012: "service restart", 1013: "try again later", 1014: "bad gateway",
}  # fmt: skip
#: In a close frame no code at all stands as this one.
NO_CODE = 1005


class ProtocolError(Exception):
    """What the server sent is no WebSocket; the message says how, as in "sent a masked frame"."""


@dataclass(frozen=True)
class Message:
    """A whole message or a control frame. ``code`` is that of a close."""

    kind: int
    payload: bytes
    code: int = 0

    def text(self) -> str:
        """Return the payload for the eye."""
        return self.payload.decode("utf-8", errors="replace")


def new_key() -> str:
    """Return a key for a handshake."""
    return base64.b64encode(os.urandom(16)).decode()


def accept(key: str) -> str:
    """Return what a server must answer to a key; one that knows it speaks the protocol and is no cache."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def handshake(path: str, host: str, key: str, headers: t.Mapping[str, str], subprotocol: t.Optional[str]) -> bytes:
    """Return the request for an upgrade."""
    lines = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **({"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}),
        "User-Agent": "pangeafate.hotfix smoke_check",
        **headers,
    }
    head = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode("latin-1", errors="replace") + b"\r\n"


@dataclass(frozen=True)
class Answer:
    """The head of the answer to a handshake."""

    status: int
    headers: t.List[t.Tuple[str, str]]

    def header(self, name: str) -> t.Optional[str]:
        """Return a header, several of one name as one."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def problem(self, key: str, subprotocol: t.Optional[str]) -> t.Optional[str]:
        """Return why this opens no WebSocket; ``None`` when it does."""
        if self.status != 101:
            return f"answered {self.status}, not 101: it opens no WebSocket"
        if (self.header("Upgrade") or "").strip().lower() != "websocket":
            return "answered 101, but does not upgrade to a WebSocket (header Upgrade)"
        if "upgrade" not in [one.strip().lower() for one in (self.header("Connection") or "").split(",")]:
            return "answered 101, but does not upgrade the connection (header Connection)"
        given = (self.header("Sec-WebSocket-Accept") or "").strip()
        if not given:
            return "answered 101 without Sec-WebSocket-Accept: what answers does not speak WebSocket"
        if given != accept(key):
            return (
                "answered 101 with a wrong Sec-WebSocket-Accept: what answers does not speak WebSocket, or is a cache"
            )
        if self.header("Sec-WebSocket-Extensions"):
            return "answered 101 with an extension that nobody asked for"
        chosen = (self.header("Sec-WebSocket-Protocol") or "").strip()
        if chosen != (subprotocol or ""):
            said = f"the subprotocol {cut(chosen, 60)!r}" if chosen else "no subprotocol"
            return f"answered 101 with {said}, not {f'{subprotocol!r}' if subprotocol else 'none'}"
        return None


def read_answer(data: bytes) -> t.Optional[t.Tuple[Answer, bytes]]:
    """Return the head of an answer and what came after it; ``None`` while it is not whole."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        if len(data) > HEAD_LIMIT:
            raise ProtocolError(f"sent more than {HEAD_LIMIT // 1024} KB of headers")
        if not b"HTTP/1.1 ".startswith(data[:9]) and not data.startswith(b"HTTP/1."):
            raise ProtocolError("does not speak HTTP as it should")
        return None
    first, *lines = head.split(b"\r\n")
    match = _STATUS.fullmatch(first)
    if match is None or len(head) > HEAD_LIMIT:
        raise ProtocolError("does not speak HTTP as it should")
    headers = []
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise ProtocolError("does not speak HTTP as it should")
        headers.append((name.strip(), value.strip()))
    return Answer(int(match.group(1)), headers), rest


def frame(kind: int, payload: bytes) -> bytes:
    """Return a whole message in one frame, masked as a client's must be."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
    mask = os.urandom(4)
    return head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """Mask a payload, or take the mask off."""
    size = len(payload)
    stream = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def close_frame(code: int) -> bytes:
    """Return a close frame."""
    return frame(CLOSE, struct.pack("!H", code))


def said_code(code: int) -> str:
    """Return a close code in words."""
    return f"{code} ({_CODES[code]})" if code in _CODES else str(code)


class Reader:
    """Makes messages of the bytes that a server sends."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._kind = 0
        self._pieces: t.List[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> t.List[Message]:
        """Return the messages that are whole now; raise :class:`ProtocolError` for what no server may send."""
        self._buffer += data
        found: t.List[Message] = []
        while True:
            one = self._frame()
            if one is None:
                return found
            message = self._message(*one)
            if message is not None:
                found.append(message)

    def _frame(self) -> t.Optional[t.Tuple[bool, int, bytes]]:
        if len(self._buffer) < 2:
            return None
        first, second = self._buffer[0], self._buffer[1]
        _check_head(first, second)
        size, start = second & 0x7F, 2
        if size > _CONTROL_LIMIT:
            width = 2 if size == 126 else 8
            start += width
            if len(self._buffer) < start:
                return None
            size = int.from_bytes(self._buffer[2:start], "big")
        # Before its payload is waited for: what is announced may be more than any memory.
        if size + self._size > MESSAGE_LIMIT:
            raise ProtocolError(f"sent a message of more than {MESSAGE_LIMIT // 1024 // 1024} MB")
        if len(self._buffer) < start + size:
            return None
        payload = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return bool(first & 0x80), first & 0x0F, payload

    def _message(self, final: bool, kind: int, payload: bytes) -> t.Optional[Message]:
        if kind == CLOSE:
            return _close(payload)
        if kind > CLOSE:
            return Message(kind, payload)
        if (kind == _CONTINUATION) != bool(self._kind):
            raise ProtocolError(
                "sent a frame that continues nothing" if kind == _CONTINUATION else "began a message within another"
            )
        self._kind = self._kind or kind
        self._pieces.append(payload)
        self._size += len(payload)
        if not final:
            # Empty frames without end cost a little each.
            if len(self._pieces) > MESSAGE_LIMIT // 64:
                raise ProtocolError("sent a message in too many pieces")
            return None
        message = Message(self._kind, b"".join(self._pieces))
        self._kind, self._pieces, self._size = 0, [], 0
        if message.kind == TEXT:
            _check_text(message.payload)
        return message


def _check_head(first: int, second: int) -> None:
    kind = first & 0x0F
    if first & 0x70 or kind not in _KNOWN:
        raise ProtocolError("sent a frame of no known kind")
    if second & 0x80:
        raise ProtocolError("sent a masked frame, which only clients may")
    if kind >= CLOSE and (second > _CONTROL_LIMIT or not first & 0x80):
        raise ProtocolError("sent a control frame that is too long or in pieces")


def _check_text(payload: bytes) -> None:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ProtocolError("sent a text that is no UTF-8") from exc


def _close(payload: bytes) -> Message:
    if not payload:
        return Message(CLOSE, b"", NO_CODE)
    if len(payload) < 2:
        raise ProtocolError("sent a close frame with half a code")
    code = int.from_bytes(payload[:2], "big")
    if not 1000 <= code < 5000 or code in (1004, NO_CODE, 1006, 1015):
        raise ProtocolError(f"closed with the code {code}, which there is not")
    _check_text(payload[2:])
    return Message(CLOSE, payload[2:], code)
