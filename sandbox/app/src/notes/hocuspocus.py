# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collaboration server on port 8082: WebSockets, with documents that live in memory only."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from aiohttp import WSCloseCode, WSMsgType, web

from notes.service import LOG, answer_json, current_version, log_request, mark_answers, on, serve, start_logging
from notes.versions import Version

PORT = 8082
DRAIN_SECONDS = 1.0


class Hocuspocus:
    """Echoes text. With ?document=NAME all clients of that document get it, and latecomers the last of it."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.started = time.monotonic()
        self.documents: dict[str, str] = {}
        self.sockets: dict[str, set[web.WebSocketResponse]] = defaultdict(set)

    def application(self) -> web.Application:
        """Routes and life cycle."""
        app = web.Application()
        mark_answers(app, self.version)
        on(app.on_shutdown, self.close_sockets)
        app.add_routes([web.get("/health", self.health), web.get("/ws", self.socket), web.get("/", self.socket)])
        return app

    async def health(self, _request: web.Request) -> web.Response:
        """It has nothing that could fail beside itself."""
        return answer_json(
            {
                "status": "healthy",
                "version": self.version.name,
                "uptime": round(time.monotonic() - self.started, 1),
                "connections": sum(len(group) for group in self.sockets.values()),
                "documents": len(self.documents),
            }
        )

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """One client, until it leaves or the server stops."""
        # The short timeout is how long a close waits for the client's own close frame.
        socket = web.WebSocketResponse(timeout=0.5, heartbeat=30, max_msg_size=1024**2)
        if not socket.can_prepare(request).ok:
            return answer_json(
                {"error": "a WebSocket upgrade is expected"}, status=426, headers={"Upgrade": "websocket"}
            )
        started = time.monotonic()
        name = request.query.get("document", "")
        await socket.prepare(request)
        group = self.sockets[name]
        group.add(socket)
        try:
            if name in self.documents:
                await socket.send_str(self.documents[name])
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self.receive(socket, name, message.data)
                elif message.type is WSMsgType.BINARY:
                    await socket.send_bytes(message.data)
        except ConnectionError:
            LOG.info("a client went away")
        finally:
            group.discard(socket)
            if not group:
                self.sockets.pop(name, None)
            log_request(request, 101, started)
        return socket

    async def receive(self, sender: web.WebSocketResponse, name: str, text: str) -> None:
        """Keep it and tell everybody; without a document's name it is an echo and nothing more."""
        if not self.version.echoes:
            return
        if not name:
            await sender.send_str(text)
            return
        self.documents[name] = text
        await asyncio.gather(*(socket.send_str(text) for socket in list(self.sockets[name])), return_exceptions=True)

    async def close_sockets(self, _app: web.Application) -> None:
        """1012 tells clients to connect again: their document must not live in two servers for long."""
        sockets = [socket for group in self.sockets.values() for socket in group]
        LOG.info("closing %d sockets", len(sockets))
        await asyncio.gather(
            *(socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"service restart") for socket in sockets),
            return_exceptions=True,
        )


def main() -> None:
    """Entry of the container."""
    start_logging()
    version = current_version()
    LOG.info("hocuspocus %s starts", version.name)
    asyncio.run(serve(Hocuspocus(version).application(), PORT, DRAIN_SECONDS))
