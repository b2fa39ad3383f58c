# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers that are told of incidents: HTTP, HTTPS and SMTP, good ones and bad ones."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import types
import typing as t
from pathlib import Path

import pytest


class Receiver(http.server.ThreadingHTTPServer):
    """Notes what it is sent, and answers as it was told: 200 where it was told nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, dict[str, str], bytes, float]] = []
        self.answers: list[tuple[int, dict[str, str], str]] = []
        self.scheme = "http"
        #: Cleared, it holds every answer back.
        self.free = threading.Event()
        self.free.set()
        self.arrived = threading.Event()
        self.drips = False

    def url(self, path: str = "/hook") -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}{path}"

    def bodies(self) -> list[t.Any]:
        return [json.loads(body) for _path, _headers, body, _at in self.seen]

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        receiver = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        receiver.seen.append((self.path, dict(self.headers), body, time.monotonic()))
        receiver.arrived.set()
        receiver.free.wait(60)
        if receiver.drips:
            with contextlib.suppress(OSError):
                for _number in range(100):
                    self.wfile.write(b"H")
                    time.sleep(0.1)
            return
        status, headers, text = receiver.answers.pop(0) if receiver.answers else (200, {}, "ok")
        with contextlib.suppress(OSError):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def receiver(certificate: Path | None = None) -> t.Iterator[Receiver]:
    """Serve, with TLS where a certificate is given."""
    found = Receiver()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate / "cert.pem"), str(certificate / "key.pem"))
        found.socket = context.wrap_socket(found.socket, server_side=True)
        found.scheme = "https"
    threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield found
    finally:
        found.free.set()
        found.shutdown()
        found.server_close()


def make_certificate(folder: Path, names: str) -> Path:
    """Make a certificate for *names*; it is its own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    command += ["-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


class Mailbox:
    """What an SMTP server does with a mail: it takes it, refuses somebody, or hangs."""

    def __init__(self) -> None:
        self.mails: list[t.Any] = []
        #: By address: what is answered instead of 250, each for once.
        self.refusals: dict[str, list[str]] = {}
        self.answers: list[str] = []
        self.hangs = False
        self.logins: list[tuple[str, str]] = []

    async def recipient(self, _server: t.Any, _session: t.Any, envelope: t.Any, address: str, _options: t.Any) -> str:
        if self.refusals.get(address):
            return self.refusals[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def content(self, _server: t.Any, session: t.Any, envelope: t.Any) -> str:
        while self.hangs:
            await asyncio.sleep(0.05)
        if self.answers:
            return self.answers.pop(0)
        envelope.encrypted = session.ssl is not None
        self.mails.append(envelope)
        return "250 OK"


@contextlib.contextmanager
def mail_server(
    mailbox: Mailbox, certificate: Path | None = None, encryption: str = "none", login: tuple[str, str] | None = None
) -> t.Iterator[int]:
    """Run a real SMTP server; return its port."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    def authenticate(_server: t.Any, _session: t.Any, _envelope: t.Any, _mechanism: str, data: t.Any) -> t.Any:
        given = (data.login.decode(), data.password.decode())
        mailbox.logins.append(given)
        return AuthResult(success=given == login, handled=False)

    options: dict[str, t.Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate / "cert.pem"), str(certificate / "key.pem"))
        if encryption == "tls":
            options["ssl_context"] = context
        else:
            options.update(tls_context=context, require_starttls=True)
    if login is not None:
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=encryption != "tls")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    # By these names the server looks for them.
    handler = types.SimpleNamespace(handle_RCPT=mailbox.recipient, handle_DATA=mailbox.content)
    controller = Controller(handler, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        mailbox.hangs = False
        controller.stop()


@contextlib.contextmanager
def silent() -> t.Iterator[int]:
    """Listen, take connections, and never say a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        yield listener.getsockname()[1]


def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
