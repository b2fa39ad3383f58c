# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web page on port 80. Like a bundle, it has only the assets of its own version."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aiohttp import web

from notes.service import LOG, current_version, mark_answers, serve, start_logging
from notes.versions import Version

DRAIN_SECONDS = 5.0
STATIC = Path(__file__).parent / "static"


def application(version: Version) -> web.Application:
    """Three files, with the version's name in their text and in the names of the assets."""

    def load(name: str) -> str:
        text = (STATIC / name).read_text(encoding="utf-8").replace("@VERSION@", version.name)
        # A page without the form of that name: what comes after it in the script is never reached.
        return text.replace("@FORM@", "form" if version.script_throws else "note")

    page, script, style = load("index.html"), load("app.js"), load("app.css")
    forever = {"Cache-Control": "public, max-age=31536000, immutable"}

    async def index(_request: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-cache"})

    async def javascript(_request: web.Request) -> web.Response:
        return web.Response(text=script, content_type="text/javascript", headers=forever)

    async def css(_request: web.Request) -> web.Response:
        return web.Response(text=style, content_type="text/css", headers=forever)

    app = web.Application()
    mark_answers(app, version)
    app.add_routes(
        [
            web.get("/", index),
            web.get("/index.html", index),
            web.get("/share/{id}", index),
            web.get(f"/assets/app-{version.name}.js", javascript),
        ]
    )
    if not version.style_missing:
        app.add_routes([web.get(f"/assets/app-{version.name}.css", css)])
    return app


def main() -> None:
    """Entry of the container."""
    start_logging()
    version = current_version()
    LOG.info("frontend %s starts", version.name)
    asyncio.run(serve(application(version), int(os.environ.get("PORT", "80")), DRAIN_SECONDS))
