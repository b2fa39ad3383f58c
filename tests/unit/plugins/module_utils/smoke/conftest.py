# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An app on a loopback address that says what a test wants, and a server that means no good."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke

Answer = t.Tuple[int, t.Dict[str, str], str]


class App(http.server.ThreadingHTTPServer):
    """Keeps notes, and answers what a test puts into ``answers`` instead."""

    request_queue_size = 100
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.notes: t.Dict[str, t.Any] = {}
        self.made = 0
        self.seen: t.List[t.Tuple[str, str, t.Dict[str, str], bytes]] = []
        #: Seconds that every answer takes.
        self.pause = 0.0
        #: (method, beginning of the path) -> what is answered, the last one for good.
        self.answers: t.Dict[t.Tuple[str, str], t.List[Answer]] = {}
        #: Answers everything, from method, path and headers.
        self.behave: t.Optional[t.Callable[[str, str, t.Mapping[str, str]], Answer]] = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def target(self, **more: t.Any) -> _smoke.Target:
        return _smoke.Target(**{"name": "app1", "url": self.url, **more})

    def paths(self) -> t.List[str]:
        return [f"{method} {path}" for method, path, _headers, _body in self.seen]

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: App

    def _answer(self, status: int, headers: t.Mapping[str, str], body: str) -> None:
        raw = body.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _handle(self) -> None:
        app = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(app.pause)
        app.seen.append((self.command, self.path, dict(self.headers.items()), body))
        if app.behave is not None:
            self._answer(*app.behave(self.command, self.path, dict(self.headers.items())))
            return
        for (method, path), answers in app.answers.items():
            if self.command == method and self.path.startswith(path):
                self._answer(*(answers.pop(0) if len(answers) > 1 else answers[0]))
                return
        self._answer(*self._note(body))

    def _note(self, body: bytes) -> Answer:
        app = self.server
        kind = {"Content-Type": "application/json"}
        if self.command == "POST":
            app.made += 1
            name = f"note {app.made}"
            app.notes[name] = json.loads(body)
            return 201, kind, json.dumps({"success": True, "shareId": name})
        name = self.path.rpartition("/")[2].replace("%20", " ")
        if name not in app.notes:
            return 404, kind, json.dumps({"error": "not found"})
        if self.command == "DELETE":
            del app.notes[name]
            return 200, kind, json.dumps({"success": True})
        if self.command == "PUT":
            app.notes[name].update(json.loads(body))
        return 200, kind, json.dumps(app.notes[name])

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_OPTIONS(self) -> None:
        self._handle()

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@pytest.fixture
def app() -> t.Iterator[App]:
    one = App()
    threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


class Hostile:
    """Accepts connections, and does with each what a test says."""

    def __init__(self, behave: t.Callable[[socket.socket], None], certificate: t.Optional[Path] = None) -> None:
        self._behave = behave
        self._context: t.Optional[ssl.SSLContext] = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(str(certificate / "cert.pem"), str(certificate / "key.pem"))
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self._behave(connection)
        except OSError:
            pass

    def close(self) -> None:
        # Closed alone, it would leave its thread waiting on a number that the next socket gets.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def hostile() -> t.Iterator[t.Callable[..., Hostile]]:
    made: t.List[Hostile] = []

    def make(behave: t.Callable[[socket.socket], None], certificate: t.Optional[Path] = None) -> Hostile:
        made.append(Hostile(behave, certificate))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for the name app.example.com; it is its own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=app.example.com"]
    command += ["-addext", "subjectAltName=DNS:app.example.com"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def check() -> t.Callable[..., t.List[_smoke.Check]]:
    """Read one check of type http that is not made again, with what a test adds."""

    def make(secrets: t.Optional[t.Dict[str, str]] = None, **more: t.Any) -> t.List[_smoke.Check]:
        plain = {"name": "a", "type": "http", "path": "/x", "expect": {"status": 200}, "retries": 0}
        return _smoke.parse([{**plain, **more}], secrets)

    return make


@pytest.fixture
def note() -> t.Dict[str, t.Any]:
    """Return a check that saves a note, reads it and deletes it."""
    return {
        "name": "a note can be saved",
        "type": "http",
        "method": "POST",
        "path": "/api/notes/share",
        "body": {"title": "smoke", "content": "c"},
        "expect": {"status": 201, "json": {"$.success": True}},
        "capture": {"id": "$.shareId"},
        "then": [{"path": "/api/notes/{id}", "expect": {"json": {"title": "smoke"}}}],
        "cleanup": [{"path": "/api/notes/{id}"}],
        "retries": 0,
    }
