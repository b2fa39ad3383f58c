# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""HTTP as far as a probe needs it: one request on one connection, with an end to it whatever the other side does.

Only sockets and ssl are used. The sampler begins while a rollback is under way, and every import costs that some time.
"""

from __future__ import annotations

import errno
import socket
import ssl
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target

_HEAD_LIMIT = 65536
_BODY_LIMIT = 1024 * 1024
_CHUNK = 65536
_DIGITS = 8
#: These say that this machine cannot look, and nothing about the app.
_OURS = (
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EADDRNOTAVAIL,
)


class BrokenError(Exception):
    """The other side answered, and not as HTTP wants it."""


class SilentError(Exception):
    """The connection ended before the first byte of an answer."""


class Answer(t.NamedTuple):
    """The head of an answer, by lower-case names; ``keeps`` tells whether the connection can be used again."""

    status: int
    headers: t.Mapping[str, str]
    keeps: bool


def trouble(exc: BaseException, timeout: float) -> t.Tuple[bool, str]:
    """Say why a request was not answered, and whether that is about the app: where it is not, nothing is known."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return True, f"certificate not accepted ({exc.verify_message.rstrip('.')})"
    if isinstance(exc, socket.gaierror):
        return False, "the name could not be resolved"
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return True, f"no answer within {timeout:g} s"
    if isinstance(exc, BrokenError):
        return True, str(exc)
    if isinstance(exc, ConnectionRefusedError):
        return True, "connection refused"
    if isinstance(exc, (SilentError, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return True, "connection broke off"
    if isinstance(exc, ssl.SSLError):
        return True, "no TLS could be agreed on"
    if isinstance(exc, OSError):
        return exc.errno not in _OURS, exc.strerror or type(exc).__name__
    return False, type(exc).__name__


class Contexts:
    """Makes one TLS context per way of checking certificates: reading all authorities takes long."""

    def __init__(self) -> None:
        self._made: t.Dict[t.Tuple[t.Optional[str], bool], ssl.SSLContext] = {}

    def get(self, target: Target) -> ssl.SSLContext:
        """Return the context for *target*."""
        key = (target.ca_file, target.validate_certs)
        if key not in self._made:
            context = ssl.create_default_context(cafile=target.ca_file)
            if not target.validate_certs:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._made[key] = context
        return self._made[key]


class Connection:
    """A connection to a target. Whatever waits, waits no longer than *end* (of ``time.monotonic``)."""

    def __init__(self, target: Target, contexts: Contexts, end: float) -> None:
        self._buffer = bytearray()
        self._socket = _connect(target.host, target.port, end)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if target.tls:
                self._socket.settimeout(_left(end))
                self._socket = contexts.get(target).wrap_socket(self._socket, server_hostname=target.server_name)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Close it; what is not read is lost."""
        self._socket.close()

    def is_stale(self) -> bool:
        """Tell whether an idle connection was closed by the other side, as far as that is known already."""
        self._socket.setblocking(False)
        try:
            self._buffer += self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        # An end, or bytes that nobody asked for.
        return True

    def send(self, data: bytes, end: float) -> None:
        """Send all of it."""
        self._socket.settimeout(_left(end))
        self._socket.sendall(data)

    def more(self, end: float) -> bytes:
        """Return the buffer when more came; a ConnectionError where the other side has closed."""
        self._socket.settimeout(_left(end))
        piece = self._socket.recv(_CHUNK)
        if not piece:
            raise ConnectionResetError
        self._buffer += piece
        return piece

    def take(self, size: int) -> bytes:
        """Take bytes that have come."""
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    @property
    def waiting(self) -> bytearray:
        """Return what has come and was not taken."""
        return self._buffer

    def get(self, target: Target, end: float, *, keep: bool) -> Answer:
        """Ask for the target's path, and read the whole answer."""
        head = (
            f"GET {target.path} HTTP/1.1\r\nHost: {target.server}\r\nUser-Agent: pangeafate.hotfix probe\r\n"
            f"Accept: */*\r\nAccept-Encoding: identity\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        try:
            self.send(head.encode("latin-1"), end)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
            raise SilentError from exc
        answer = self.head(end)
        whole = self._body(answer, end)
        return answer._replace(keeps=keep and answer.keeps and whole)

    def head(self, end: float) -> Answer:
        """Read the head of an answer, passing over those that only announce one."""
        while True:
            answer = self._one_head(end)
            if answer.status == 101 or not 100 <= answer.status < 200:
                return answer

    def _one_head(self, end: float) -> Answer:
        while (size := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise BrokenError(f"answered with a head of more than {_HEAD_LIMIT // 1024} KB")
            try:
                self.more(end)
            except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
                if self._buffer:
                    raise
                raise SilentError from exc
        first, *lines = self.take(size + 4)[:-4].split(b"\r\n")
        words = first.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not (words[1].isdigit() and len(words[1]) == 3):
            raise BrokenError("does not speak HTTP")
        headers: t.Dict[str, str] = {}
        for line in lines:
            name, _colon, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        words_of_connection = headers.get("connection", "").lower()
        keeps = "close" not in words_of_connection and (words[0] != b"HTTP/1.0" or "keep-alive" in words_of_connection)
        return Answer(int(words[1]), headers, keeps)

    def _body(self, answer: Answer, end: float) -> bool:
        """Read the body; return whether it ended so that the connection can be used again."""
        if answer.status in (204, 304):
            return True
        if "chunked" in answer.headers.get("transfer-encoding", "").lower():
            return self._chunks(end)
        length = answer.headers.get("content-length")
        if length is None:
            return self._until_closed(end)
        if not length.isdigit() or len(length) > 2 * _DIGITS:
            raise BrokenError("answered with a length that is none")
        self._skip(min(int(length), _BODY_LIMIT), end)
        return int(length) <= _BODY_LIMIT

    def _skip(self, size: int, end: float) -> None:
        while len(self._buffer) < size:
            size -= len(self.take(len(self._buffer)))
            self.more(end)
        self.take(size)

    def _until_closed(self, end: float) -> bool:
        size = 0
        while size <= _BODY_LIMIT:
            size += len(self.take(len(self._buffer)))
            try:
                self.more(end)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                break
            except ConnectionResetError as exc:
                if exc.errno is None:
                    break
                raise
        return False

    def _chunks(self, end: float) -> bool:
        total = 0
        while True:
            line = self._line(end).partition(b";")[0].strip()
            try:
                size = int(line, 16) if len(line) <= _DIGITS else -1
            except ValueError:
                size = -1
            if size < 0:
                raise BrokenError("answered with a chunk that is none")
            total += size
            if total > _BODY_LIMIT:
                return False
            if size == 0:
                while self._line(end):
                    pass
                return True
            self._skip(size, end)
            if self._line(end):
                raise BrokenError("answered with a chunk that does not end")

    def _line(self, end: float) -> bytes:
        while (size := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise BrokenError("answered with a line that does not end")
            self.more(end)
        return self.take(size + 2)[:-2]


def _connect(host: str, port: int, end: float) -> socket.socket:
    last: OSError = OSError("the name has no address")
    for family, kind, protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(_left(end))
            made.connect(address)
            return made
        except OSError as exc:
            made.close()
            last = exc
    raise last


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise socket.timeout
    return left
