# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory of containers, from a socket that answers as the engine does, and the way round where it does not."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight import memory

MEBI = 1024 * 1024


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    status = 200


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        stats = {"memory_stats": {"usage": 30 * MEBI, "stats": {"inactive_file": 10 * MEBI}}}
        body = json.dumps(stats).encode()
        wanted = "?stream=false&one-shot=true" in self.path
        self.send_response(t.cast(Engine, self.server).status if wanted else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Engine]:
    # The path of a socket must be short.
    path = os.path.relpath(tmp_path / "s")
    server = Engine(path, Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield server
    server.shutdown()
    server.server_close()


def of(runner: t.Any) -> Host:
    """Return a host of which no more than its engine is used."""
    return t.cast(Host, types.SimpleNamespace(docker=Docker(runner)))


@pytest.fixture
def slow(runner: t.Any) -> t.Any:
    runner.answers[("stats",)] = (0, json.dumps({"MemUsage": "7MiB / 1GiB"}) + "\n", "")
    return runner


@pytest.mark.usefixtures("engine")
def test_the_engine_is_asked_and_what_the_kernel_would_let_go_of_does_not_count(slow: t.Any) -> None:
    assert memory.used(of(slow), ["a", "b"]) == 40 * MEBI
    assert not any(words[0] == "stats" for words in slow.calls)


def test_an_engine_that_knows_no_such_container_is_not_the_right_one(engine: Engine, slow: t.Any) -> None:
    engine.status = 404
    assert memory.used(of(slow), ["a"]) == 7 * MEBI


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:1", "unix:///away"])
def test_without_a_socket_the_cli_tells_it(slow: t.Any, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", where)
    assert memory.used(of(slow), ["a"]) == 7 * MEBI
