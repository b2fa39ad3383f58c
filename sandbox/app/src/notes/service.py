# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the three services share: settings, headers, logs, and a stop that does not dawdle."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from notes.versions import VERSIONS, Version

LOG = logging.getLogger("notes")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
INSTANCE = socket.gethostname()


def current_version() -> Version:
    """The version that the image was built as."""
    name = os.environ.get("APP_VERSION", "v1")
    try:
        return VERSIONS[name]
    except KeyError:
        sys.exit(f"APP_VERSION is {name!r}, known are {', '.join(VERSIONS)}")


def start_logging() -> None:
    """One line per event on stdout, times in UTC."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )
    # Tracebacks of drivers can hold connection strings. What is worth a line is logged by the services.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def answer_json(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON without spaces, as the seed's app writes it: people grep in it."""
    return web.Response(
        text=json.dumps(data, separators=(",", ":")), status=status, headers=headers, content_type="application/json"
    )


def on(event: Any, callback: Callable[..., Awaitable[None]]) -> None:
    """Hang a callback on an event of aiohttp, whose own types for this differ between its releases."""
    event.append(callback)


def mark_answers(app: web.Application, version: Version) -> None:
    """Every answer, errors and upgrades included, says which container and version gave it."""

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Instance"] = INSTANCE
        response.headers["X-App-Version"] = version.name

    on(app.on_response_prepare, add_headers)


def log_request(request: web.Request, status: int, started: float) -> None:
    """The access log. Query strings stay out of it."""
    LOG.info("%s %s %d %.0fms", request.method, request.path, status, (time.monotonic() - started) * 1000)


async def serve(app: web.Application, port: int, drain: float) -> None:
    """Listen until SIGTERM.

    Then accept no more, close idle connections, and let requests in flight finish, for `drain` seconds at most.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=drain, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, os.environ.get("LISTEN", "0.0.0.0"), port, backlog=512).start()
    LOG.info("listening on %d", port)
    await stop.wait()
    LOG.info("stopping")
    await runner.cleanup()
    LOG.info("stopped")
