# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users that tests and benchmarks rely on would notice: each fault here is one that they must count."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from sandbox import load
from sandbox.config import SandboxError


class App:
    """An app with faults that can be switched on."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self._ids = count()
        self.sockets: set[web.WebSocketResponse] = set()
        self.version = "v1"
        self.broken = False
        self.silent = False
        self.hang = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def close_sockets(self, code: int) -> None:
        async def close() -> None:
            for socket in list(self.sockets):
                await socket.close(code=code)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(5)

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._around])
        app.add_routes(
            [
                web.get("/api/health", self._fine),
                web.get("/api/slow", self._fine),
                web.get("/assets/app-v1.js", self._fine),
                web.get("/", self._page),
                web.get("/ws", self._socket),
                web.post("/api/notes/share", self._share),
                web.get("/api/notes/{id}", self._note),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    @web.middleware
    async def _around(self, request: web.Request, handler: Any) -> web.StreamResponse:
        await asyncio.sleep(self.hang)
        answer: web.StreamResponse = web.Response(status=502) if self.broken else await handler(request)
        if not answer.prepared:
            answer.headers["X-App-Version"] = self.version
        return answer

    async def _fine(self, _request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text='<script src="/assets/app-v1.js"></script><link href="/assets/app-v0.css">')

    async def _share(self, request: web.Request) -> web.Response:
        name = str(next(self._ids))
        self.notes[name] = (await request.json())["title"]
        return web.json_response({"shareId": name}, status=201)

    async def _note(self, request: web.Request) -> web.Response:
        title = self.notes.get(request.match_info["id"])
        return web.Response(status=404) if title is None else web.json_response({"title": title})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(timeout=0.5)
        # Two servers, by turns.
        socket.headers["X-Instance"] = f"server-{len(self.sockets) % 2}"
        await socket.prepare(request)
        self.sockets.add(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT and not self.silent:
                await socket.send_str(message.data)
        self.sockets.discard(socket)
        return socket


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = App()
    app.start()
    monkeypatch.setattr(load, "host", lambda _name: SimpleNamespace(address="127.0.0.1"))
    monkeypatch.setattr(load, "HTTP_PORT", app.port)
    monkeypatch.setattr(load, "ASSETS_LATER", 0.1)
    try:
        yield app
    finally:
        if app.running:
            app.stop()


def of_load(users: load.Users) -> load.Report:
    """The report without the asset that the page names and the app has not."""
    return users.report(forgive=lambda s: s.kind == load.ASSET)


def test_an_app_that_is_well(app: App) -> None:
    with load.running("one", rate=100, sockets=4) as users:
        time.sleep(1)
    report = of_load(users)
    assert not report.failed, report.text()
    assert 90 <= report.requests <= 130
    assert {s.kind for s in users.samples} == {load.READ, load.WRITE, load.PAGE, load.ASSET, load.SLOW}
    assert report.notes == len(app.notes)
    assert (report.lost, report.unread, report.dropped) == ((), (), [])
    assert report.longest_gap < 0.5
    assert users.versions() == {"v1"}


def test_a_failed_request_is_counted_with_its_reason_and_as_a_gap(app: App) -> None:
    with load.running("one", rate=100, sockets=0) as users:
        time.sleep(0.4)
        app.broken = True
        time.sleep(0.6)
        app.broken = False
        time.sleep(0.4)
    report = of_load(users)
    assert report.why["read 502"] > 20
    assert report.failed_of(load.READ, load.WRITE) > 30
    assert 0.5 < report.longest_gap < 1.0


def test_an_app_that_hangs_is_a_gap_though_nothing_fails(app: App) -> None:
    with load.running("one", rate=100, sockets=0) as users:
        time.sleep(0.3)
        app.hang = 0.7
        time.sleep(0.3)
        app.hang = 0.0
        time.sleep(1.0)
    report = of_load(users)
    assert not report.failed
    assert report.longest_gap >= 0.25


def test_requests_go_on_while_others_wait(app: App) -> None:
    app.hang = 1.0
    with load.running("one", rate=50, sockets=0) as users:
        time.sleep(0.9)
        assert users.samples == []
    assert len(of_load(users).failed) == 0
    assert 35 <= len([s for s in users.samples if s.kind != load.ASSET]) <= 55


def test_an_app_that_is_gone(app: App) -> None:
    with load.running("one", rate=100, sockets=2, settle=False) as users:
        time.sleep(0.5)
        app.stop()
        time.sleep(0.5)
    report = of_load(users)
    assert {s.status for s in report.failed} == {0}
    assert len(report.dropped) == 2


def test_a_lost_note_is_found(app: App) -> None:
    with load.running("one", rate=100, sockets=0) as users:
        time.sleep(0.5)
        gone = app.notes.pop("0")
    assert [note.title for note in of_load(users).lost] == [gone]


def test_a_dropped_socket_is_counted_with_its_code_and_comes_back(app: App) -> None:
    with load.running("one", rate=10, sockets=4) as users:
        time.sleep(0.3)
        app.close_sockets(1012)
        time.sleep(0.8)
        assert len(app.sockets) == 4
    report = of_load(users)
    assert report.codes == {1012: 4}
    assert 0.1 < report.longest_away < 0.7
    assert "4 WebSockets dropped (4 with 1012)" in report.text()


def test_a_socket_that_no_longer_answers_is_a_dropped_one(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_ECHO", 0.3)
    app.silent = True
    with load.running("one", rate=10, sockets=2) as users:
        time.sleep(0.5)
    assert of_load(users).codes == {0: 2}


def test_a_document_in_two_servers_is_seen(app: App) -> None:
    with load.running("one", rate=10, sockets=4) as users:
        time.sleep(0.5)
    assert users.split() > 0.3


def test_which_version_serves_when(app: App) -> None:
    with load.running("one", rate=100, sockets=0) as users:
        time.sleep(0.4)
        switched = users.now()
        app.version = "v2"
        time.sleep(0.4)
        assert users.first("v3", switched) is None
    first, last = users.first("v2", switched), users.last("v1")
    assert first is not None
    assert last is not None
    assert switched - 0.1 < last < first < switched + 0.2


def test_sockets_that_never_open_end_it_at_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.broken = True
    monkeypatch.setattr(load, "_OPENED_WITHIN", 0.5)
    with pytest.raises(SandboxError, match="2 open WebSockets"), load.running("one", rate=10, sockets=2):
        pass
