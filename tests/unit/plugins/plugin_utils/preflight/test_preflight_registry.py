# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The right to push, found out at a server that speaks the registry's protocol: nothing is ever pushed."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight.registry import may_push
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._registry import Account, place_of

PASSWORD = "s3cret-password-of-tests"
TOKEN = "token-of-the-service"
BASIC = "Basic " + base64.b64encode(f"ci:{PASSWORD}".encode()).decode()


class Registry(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bearer = False
        self.denied: set[str] = set()
        self.down = False
        self.elsewhere = ""
        self.seen: list[str] = []
        self.open: set[str] = set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that speaks TLS to it is part of the tests."""

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def _answer(self, status: int, data: Any = None, **headers: str) -> None:
        body = json.dumps(data).encode() if data is not None else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization")
        if given == (f"Bearer {TOKEN}" if self.server.bearer else BASIC):
            return True
        realm = f'Bearer realm="http://{self.server.name}/token",service="registry"'
        self._answer(401, WWW_Authenticate=realm if self.server.bearer else 'Basic realm="test"')
        return False

    def do_GET(self) -> None:
        server, parts = self.server, urllib.parse.urlsplit(self.path)
        server.seen.append(f"GET {parts.path} {urllib.parse.parse_qs(parts.query).get('scope', [''])[0]}")
        good = self.headers.get("Authorization") == BASIC
        self._answer(*((200, {"token": TOKEN}) if good else (401, {"errors": [{"message": "bad login"}]})))

    def do_POST(self) -> None:
        server = self.server
        if not self._allowed():
            return
        server.seen.append(f"POST {self.path}")
        if server.down:
            self._answer(503)
        elif any(name in self.path for name in server.denied):
            self._answer(403, {"errors": [{"code": "DENIED", "message": f"no package for {PASSWORD}"}]})
        else:
            where = f"{self.path}id{len(server.seen)}?state=x"
            server.open.add(where)
            self._answer(202, Location=server.elsewhere or where)

    def do_DELETE(self) -> None:
        if self._allowed():
            self.server.seen.append(f"DELETE {self.path}")
            self.server.open.discard(self.path)
            self._answer(204)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    one = Registry()
    yield one
    one.shutdown()
    one.server_close()


def push(registry: Registry, *names: str, password: str = PASSWORD) -> Any:
    return may_push([f"{registry.name}/{name}" for name in names], Account("ci", password, timeout=5.0))


@pytest.mark.parametrize("bearer", [False, True])
def test_an_upload_is_begun_and_cancelled_and_no_byte_is_pushed(registry: Registry, bearer: bool) -> None:
    registry.bearer = bearer
    found = push(registry, "team/notes")
    assert found.status == "passed"
    kinds = [line.split()[0] for line in registry.seen]
    assert kinds == (["GET"] if bearer else []) + ["POST", "DELETE"]
    assert registry.open == set()
    if bearer:
        assert registry.seen[0] == "GET /token repository:team/notes:pull,push"


def test_every_repository_is_tried_and_the_one_that_is_refused_is_named(registry: Registry) -> None:
    registry.denied = {"team/web"}
    found = push(registry, "team/notes", "team/web", "team/notes")
    assert found.status == "failed"
    assert "does not let ci push to team/web (403: no package for" in found.says
    assert "team/notes" not in found.says
    assert PASSWORD not in str(found)
    assert registry.open == set()


@pytest.mark.parametrize("bearer", [False, True])
def test_a_wrong_password_is_told_and_never_shown(registry: Registry, bearer: bool) -> None:
    registry.bearer = bearer
    found = push(registry, "team/notes", password="another-s3cret")
    assert found.status == "failed"
    assert "the login of ci" in found.says
    assert "another-s3cret" not in str(found)


def test_a_registry_that_fails_or_is_away_is_no_pass(registry: Registry) -> None:
    registry.down = True
    assert "began no upload to team/notes (503)" in push(registry, "team/notes").says
    away = may_push(["127.0.0.1:1/team/notes"], Account("ci", PASSWORD, timeout=2.0))
    assert (away.status, away.says) == ("failed", "127.0.0.1:1 refuses connections.")


def test_the_password_goes_to_no_other_place(registry: Registry) -> None:
    other = Registry()
    registry.elsewhere = f"http://{other.name}/v2/team/notes/blobs/uploads/1"
    assert push(registry, "team/notes").status == "passed"
    other.shutdown()
    other.server_close()
    assert other.seen == []


@pytest.mark.parametrize(
    ("image", "place"),
    [
        ("ghcr.io/team/notes", ("ghcr.io", "team/notes")),
        ("registry.example.com:5000/notes", ("registry.example.com:5000", "notes")),
        ("localhost/notes", ("localhost", "notes")),
        ("team/notes", ("registry-1.docker.io", "team/notes")),
        ("docker.io/team/notes", ("registry-1.docker.io", "team/notes")),
        ("nginx", ("registry-1.docker.io", "library/nginx")),
    ],
)
def test_names_are_read_as_docker_reads_them(image: str, place: tuple[str, str]) -> None:
    assert place_of(image) == place
