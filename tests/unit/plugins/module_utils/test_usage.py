# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much containers use: from the engine's socket, and from its CLI where there is none."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _usage
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker

MEBI = 1024 * 1024


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    spent: t.ClassVar[t.List[int]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        # Half a second of CPU from one look to the next.
        Engine.spent.append(1)
        used = 500_000_000 * len(Engine.spent)
        memory = {"usage": 60 * MEBI, "limit": 100 * MEBI, "stats": {"inactive_file": 10 * MEBI}}
        body = json.dumps({"cpu_stats": {"cpu_usage": {"total_usage": used}}, "memory_stats": memory}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    path = os.path.relpath(tmp_path / "s")
    server = Engine(path, Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("engine")
def test_the_engine_is_asked_twice_and_what_it_spent_between_is_told(runner: t.Any) -> None:
    runner.add("backend")
    runner.add("worker", status="exited")
    docker = Docker(runner)
    (found,) = _usage.measure(docker, docker.containers("app"))
    assert (found.service, found.container) == ("backend", "app-backend-1")
    assert 60 < found.cpu < 101
    assert (found.memory, found.bytes) == (50.0, 50 * MEBI)
    assert not any(words[0] == "stats" for words in runner.calls)


def test_without_a_socket_the_cli_tells_it_and_who_uses_most_is_first(
    runner: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    runner.add("backend")
    runner.add("redis")
    told = (("app-backend-1", "2.50%", "10.00%"), ("app-redis-2", "140.10%", "--"), ("app-other-3", "9%", "9%"))
    lines = [{"Name": name, "CPUPerc": cpu, "MemPerc": mem, "MemUsage": "7MiB / 1GiB"} for name, cpu, mem in told]
    runner.answers[("stats",)] = (0, "".join(json.dumps(line) + "\n" for line in lines), "")
    docker = Docker(runner)
    found = _usage.measure(docker, docker.containers("app"))
    assert [(one.service, one.cpu, one.memory) for one in found] == [("redis", 140.1, 0.0), ("backend", 2.5, 10.0)]
    assert found[0].bytes == 7 * MEBI
    assert [one.service for one in _usage.above(found, 100.0, 50.0)] == ["redis"]
    assert "app-redis-2 uses 140.1 % of a CPU" in found[0].says()


def test_where_nothing_runs_nothing_is_asked(runner: t.Any) -> None:
    assert _usage.measure(Docker(runner), []) == []
    assert runner.calls == []
