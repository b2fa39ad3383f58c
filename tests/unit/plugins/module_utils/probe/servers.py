# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers on loopback addresses that do with each connection what a test says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import web_socket
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target

Behaviour = t.Callable[[socket.socket], None]


def hang_up(connection: socket.socket) -> None:
    """Say nothing more. What the client says still is to be heard out: :func:`hear_out`."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(0.01)


def hear_out(connection: socket.socket) -> None:
    """Read what the client sends still, or the kernel would take our answer back."""
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


class Server:
    """Accepts connections until it is closed; ``closed`` ones are refused by the system then."""

    def __init__(self, behave: Behaviour, port: int = 0, certificate: t.Optional[Path] = None) -> None:
        self.behave = behave
        #: How many connections were made.
        self.connections = 0
        self._context: t.Optional[ssl.SSLContext] = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(str(certificate / "cert.pem"), str(certificate / "key.pem"))
        self._open: t.Set[socket.socket] = set()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=50)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self._open.add(connection)
                self.behave(connection)
        except OSError:
            pass
        finally:
            self._open.discard(connection)
            connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                # Not SSLSocket's own method: it pulls the TLS state from under the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def target(self, **more: t.Any) -> Target:
        plain = {"name": "app1", "tls": self._context is not None, "server": "app.example.com", "path": "/"}
        where = {"server_name": "app.example.com", "host": "127.0.0.1", "port": self.port}
        return Target(**{**plain, **where, **more})


def read_head(connection: socket.socket) -> bytes:
    """Read one request; empty at the end of the connection."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = connection.recv(65536)
        if not piece:
            return b""
        found += piece
    return found


def silent(_connection: socket.socket) -> None:
    """Keep the connection, and say nothing."""
    time.sleep(3)


def answers(*texts: bytes) -> Behaviour:
    """Answer each request of a connection with the next text, the last one for good."""

    def behave(connection: socket.socket) -> None:
        left = list(texts)
        while read_head(connection):
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return behave


def status(code: int, *headers: str, body: bytes = b"ok") -> bytes:
    """Return an answer of this status."""
    lines = [f"HTTP/1.1 {code} Said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def accepts_web_sockets(after: Behaviour) -> Behaviour:
    """Shake hands, and leave the rest to *after*."""

    def behave(connection: socket.socket) -> None:
        head = read_head(connection)
        if head:
            key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + web_socket.accept_of(key).encode() + b"\r\n\r\n"
            )
            after(connection)

    return behave


def pongs(connection: socket.socket) -> None:
    """Answer every ping, as a good server does."""
    while True:
        opcode, payload = client_frame(connection)
        if opcode == 9:
            connection.sendall(struct.pack("!BB", 0x8A, len(payload)) + payload)
        elif opcode == 8:
            return


def client_frame(connection: socket.socket) -> t.Tuple[int, bytes]:
    """Read one short frame of a client, which must be masked."""
    first, second = exactly(connection, 2)
    assert second & 0x80, "a client's frames are masked"
    mask = exactly(connection, 4)
    hidden = exactly(connection, second & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(hidden))


def exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = connection.recv(size - len(found))
        if not piece:
            raise OSError("closed")
        found += piece
    return found
