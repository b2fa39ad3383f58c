# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login for the time of a build, and what a registry holds, asked of a real HTTP server."""

from __future__ import annotations

import http.server
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.build import Registry
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.engine import Said, configuration
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._registry import Account, Server

SERVER = "registry.example.com"
DIGEST, IMAGE = "sha256:" + "d" * 64, "sha256:" + "c" * 64


def test_the_login_is_for_this_user_and_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "docker"
    (own / "cli-plugins").mkdir(parents=True)
    kept = {"credsStore": "desktop", "auths": {"other.example.com": {"auth": "x"}}, "currentContext": "far"}
    (own / "config.json").write_text(json.dumps(kept))
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    with configuration(SERVER, "ci", "the-password") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        config = folder / "config.json"
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        found = json.loads(config.read_text())
        assert found["auths"][SERVER] == {"auth": "Y2k6dGhlLXBhc3N3b3Jk"}
        assert found["auths"]["other.example.com"] == {"auth": "x"}
        # The keyring has none for it.
        assert found["credHelpers"] == {SERVER: ""}
        assert found["currentContext"] == "far"
        assert (folder / "cli-plugins").resolve() == (own / "cli-plugins").resolve()
    assert not folder.exists()
    assert json.loads((own / "config.json").read_text()) == kept
    assert (own / "cli-plugins").is_dir()


def test_without_a_login_the_operator_s_own_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"registry.example.com": {"auth": "mine"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with configuration(SERVER, None, None) as folder:
        assert json.loads((folder / "config.json").read_text())["auths"][SERVER] == {"auth": "mine"}
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    with configuration(SERVER, None, None) as folder:
        assert json.loads((folder / "config.json").read_text()) == {}


@pytest.mark.parametrize(
    ("said", "refused", "away", "no_room"),
    [
        ("unauthorized: authentication required", True, False, False),
        ("denied: requested access to the resource is denied", True, False, False),
        ("dial tcp 127.0.0.1:1: connect: connection refused", False, True, False),
        ("write /x: no space left on device", False, False, True),
        ("received unexpected HTTP status: 503 Service Unavailable", False, True, False),
    ],
)
def test_what_docker_says_is_understood(said: str, refused: bool, away: bool, no_room: bool) -> None:
    found = Said(1, said)
    assert (found.refused, found.away, found.no_room) == (refused, away, no_room)


def test_an_image_is_pushed_where_this_machine_finds_the_registry() -> None:
    there = Registry("registry.example.com:5000", address="127.0.0.1:5000")
    assert there.pushed_as("registry.example.com:5000/wiki:1") == "127.0.0.1:5000/wiki:1"
    assert there.pushed_as("elsewhere.example.com/wiki:1") == "elsewhere.example.com/wiki:1"
    assert Registry("registry.example.com").pushed_as("registry.example.com/wiki:1") == "registry.example.com/wiki:1"


class _Answers(http.server.BaseHTTPRequestHandler):
    """A registry with one image, in an index of two platforms beside an attestation."""

    manifest = json.dumps({"config": {"digest": IMAGE}}).encode()
    index = json.dumps(
        {
            "manifests": [
                {"digest": "sha256:" + "e" * 64, "platform": {"os": "unknown"}},
                {"digest": "sha256:" + "a" * 64, "platform": {"os": "linux"}},
            ]
        }
    ).encode()
    config = json.dumps({"config": {"Labels": {"a": "b"}}}).encode()

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != "Basic Y2k6c2VjcmV0":
            self._answer(401, b"{}", {"WWW-Authenticate": 'Basic realm="x"'})
            return
        known = {
            "/v2/wiki/manifests/emergency": (self.index, {"Docker-Content-Digest": DIGEST}),
            "/v2/wiki/manifests/sha256:" + "a" * 64: (self.manifest, {"Docker-Content-Digest": "sha256:" + "a" * 64}),
            f"/v2/wiki/blobs/{IMAGE}": (self.config, {}),
            "/v2/odd/manifests/emergency": (b"<html>", {"Docker-Content-Digest": DIGEST}),
        }
        body, headers = known.get(self.path, (b'{"errors": []}', {}))
        self._answer(200 if self.path in known else 404, body, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_registry_tells_what_it_holds(registry: str) -> None:
    found = Server(registry, Account("ci", "secret")).held("wiki", "emergency")
    assert found is not None
    assert (found.digest, found.image_id, found.labels) == (DIGEST, IMAGE, {"a": "b"})
    assert Server(registry, Account("ci", "secret")).held("wiki", "other") is None


def test_a_registry_that_refuses_or_talks_nonsense_is_told(registry: str) -> None:
    with pytest.raises(HotfixError, match="does not let ci read wiki") as caught:
        Server(registry, Account("ci", "wrong-one")).held("wiki", "emergency")
    assert caught.value.code == "refused"
    assert "wrong-one" not in str(caught.value)
    with pytest.raises(HotfixError, match="says nothing usable of odd"):
        Server(registry, Account("ci", "secret")).held("odd", "emergency")
