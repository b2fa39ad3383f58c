# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances of an app on loopback addresses, as real HTTP servers, and the Docker CLI that lists them."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import ssl
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags import switch as flow
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.look import info
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.setup import (
    flag_options,
    request_from,
    switch_options,
    world_from,
)

TOKEN = "s3cret-token-of-tests"
DEFAULTS = {"COLLABORATIVE_EDITING": True, "NOTE_SHARING": True, "NEW_EDITOR": False}


class App(http.server.ThreadingHTTPServer):
    """One instance that speaks the flag API."""

    request_queue_size = 50

    def __init__(self, address: str, port: int, flags: t.Dict[str, t.Any]) -> None:
        super().__init__((address, port), Handler)
        self.flags = flags
        self.seen: t.List[t.Tuple[str, str]] = []
        self.deaf = False
        self.hangs = 0.0
        #: Path beginning -> (status, headers, body), instead of the API's own answer.
        self.answers: t.Dict[t.Tuple[str, str], t.Tuple[int, t.Dict[str, str], str]] = {}
        self.reverts_after = -1
        self.status = "running"
        self.started = "2026-01-01T00:00:00.000000001Z"

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""

    def writes(self) -> int:
        return sum(1 for method, _path in self.seen if method != "GET")


class Handler(http.server.BaseHTTPRequestHandler):
    server: App

    def _answer(self, status: int, body: str, headers: t.Optional[t.Dict[str, str]] = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(key, value)
        raw = body.encode()
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _handle(self) -> None:
        app = self.server
        app.seen.append((self.command, self.path))
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}") if length else {}
        if app.hangs:
            time.sleep(app.hangs)
        for (method, path), (status, headers, text) in app.answers.items():
            if self.command == method and self.path.startswith(path):
                self._answer(status, text, headers)
                return
        if self.path == "/share":
            self._answer(201 if app.flags.get("NOTE_SHARING") else 503, "{}")
            return
        if self.headers.get("x-admin-token") != TOKEN:
            self._answer(401, json.dumps({"error": "a valid x-admin-token is required"}))
        elif self.command == "GET":
            self._answer(200, json.dumps({"flags": app.flags}))
            if app.reverts_after >= 0:
                app.reverts_after -= 1
                if app.reverts_after < 0:
                    app.flags.update(COLLABORATIVE_EDITING=True)
        else:
            if not app.deaf:
                app.flags[self.path.rpartition("/")[2]] = body["enabled"]
            self._answer(200, json.dumps({"success": True, "enabled": body["enabled"]}))

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


class Fleet:
    """The instances of one host."""

    def __init__(self, folder: Path, runner: t.Any) -> None:
        self.folder = folder
        self.runner = runner
        self.apps: t.Dict[str, App] = {}
        self.port = 0
        self.restarts: t.List[str] = []
        self.on_restart: t.Callable[[App], None] = lambda app: app.flags.update(DEFAULTS)
        runner.answers[("restart",)] = self._restart

    def add(self, flags: t.Optional[t.Dict[str, t.Any]] = None, service: str = "backend") -> App:
        """Start one more instance; *flags* may be shared with others."""
        number = len(self.apps) + 1
        app = App(f"127.0.0.{number + 1}", self.port, dict(DEFAULTS) if flags is None else flags)
        self.port = app.server_address[1]
        threading.Thread(target=app.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        entry = self.runner.add(service)
        entry["NetworkSettings"] = {"Networks": {"app_default": {"IPAddress": app.server_address[0]}}}
        self.apps[entry["Id"]] = app
        self._tell(entry["Id"])
        return app

    def _tell(self, name: str) -> None:
        entry = next(c for c in self.runner.containers if c["Id"] == name)
        entry["State"].update(Status=self.apps[name].status, StartedAt=self.apps[name].started)

    def _restart(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        app = self.apps[words[-1]]
        self.restarts.append(str(app.server_address[0]))
        app.started = "2036-01-01T00:00:00.5Z"
        self.on_restart(app)
        self._tell(words[-1])
        return 0, "", ""

    def params(self, **changed: t.Any) -> t.Dict[str, t.Any]:
        """Return what the module has after its argument spec was applied."""
        spec = {**flag_options(), **switch_options()}
        given = {
            "app_dir": str(self.folder),
            "project": "app",
            "token": TOKEN,
            "name": "COLLABORATIVE_EDITING",
            "state": "disabled",
            "instances": {"services": ["backend"], "port": self.port},
            "run": "r1",
            "operator": "ann@laptop",
            "reason": "documents are lost",
            "timeout": 2.0,
            "wait": 1.0,
        }
        return {**{key: option.get("default") for key, option in spec.items()}, **given, **changed}

    def world(self, **changed: t.Any) -> flow.World:
        for name in self.apps:
            self._tell(name)
        return world_from(self.params(**changed), Docker(self.runner), Clock())

    def switch(self, **changed: t.Any) -> t.Dict[str, t.Any]:
        request = request_from(self.params(**changed))
        return flow.switch(self.world(**changed), request, flow.Who("r1", "ann@laptop", "documents are lost"))

    def plan(self, **changed: t.Any) -> t.Dict[str, t.Any]:
        return flow.plan(self.world(**changed), request_from(self.params(**changed)))

    def info(self, name: t.Optional[str] = None, **changed: t.Any) -> t.Dict[str, t.Any]:
        return info(self.world(**changed), name)

    def journal(self) -> t.List[t.Dict[str, t.Any]]:
        path = self.folder / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        for app in self.apps.values():
            app.shutdown()
            app.server_close()


@pytest.fixture
def fleet(tmp_path: Path, runner: t.Any) -> t.Iterator[Fleet]:
    made = Fleet(tmp_path, runner)
    yield made
    made.close()


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


@contextlib.contextmanager
def served(certificate: t.Optional[Path] = None) -> t.Iterator[App]:
    """Serve one more API, with TLS where a certificate is given."""
    app = App("127.0.0.1", 0, dict(DEFAULTS))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate / "cert.pem"), str(certificate / "key.pem"))
        app.socket = context.wrap_socket(app.socket, server_side=True)
    threading.Thread(target=app.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield app
    finally:
        app.shutdown()
        app.server_close()


@pytest.fixture
def serve() -> t.Callable[..., t.Any]:
    return served
