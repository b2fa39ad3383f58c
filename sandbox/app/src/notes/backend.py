# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API on port 8081: health, feature flags, notes."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import resource
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psycopg2
from aiohttp import web
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from redis.asyncio import Redis
from redis.exceptions import RedisError

from notes.database import Database, DatabaseUnavailableError, connect
from notes.flags import Flags
from notes.service import (
    LOG,
    Handler,
    answer_json,
    current_version,
    log_request,
    mark_answers,
    on,
    serve,
    start_logging,
)
from notes.versions import Version

PORT = 8081
BOOT_SECONDS = 2.0
# Above the longest answer of /api/slow, below the stop_grace_period of the Compose file.
DRAIN_SECONDS = 17.0
SLOW_LIMIT = 15.0
CHECK_SECONDS = 2.0
ORIGINS = {"app://obsidian.md"}
PAGE = "<!DOCTYPE html><html><head><title>Notes</title></head><body></body></html>"
# Of each replica; the two together leave PostgreSQL's default of 100 some for others.
LEAKED_CONNECTIONS = 39
LEAKED_MB = 300


def now() -> str:
    """The time in the API's format."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def failure(status: int, text: str) -> web.Response:
    """An error as the API says it."""
    return answer_json({"error": text}, status=status)


def memory() -> dict[str, int]:
    """Bytes in use, and the most so far."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"rss": pages * resource.getpagesize(), "maxRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body as an object, or a 400."""
    try:
        body = await request.json()
    except (ValueError, UnicodeDecodeError):
        raise web.HTTPBadRequest(reason="the body is no JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body is no JSON object")
    return body


class Backend:
    """The handlers and what they need."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.started = time.monotonic()
        self.database = Database()
        self.redis = Redis.from_url(
            os.environ.get("REDIS_URL", "redis://redis:6379/0"),
            decode_responses=True,
            socket_timeout=1,
            socket_connect_timeout=1,
        )
        self.flags = Flags(self.redis, shared=os.environ.get("FLAG_STORE", "process") == "redis")
        self.token = os.environ.get("ADMIN_TOKEN", "")
        self.rate_limit = int(os.environ.get("RATE_LIMIT", "50"))
        self.hocuspocus = os.environ.get("HOCUSPOCUS_URL", "http://hocuspocus:8082")
        self.http: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """Routes and life cycle."""

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.around(request, handler)

        app = web.Application(middlewares=[around], client_max_size=1024**2)
        mark_answers(app, self.version)
        on(app.on_response_prepare, self.add_cors)
        app.cleanup_ctx.append(self.resources)
        app.add_routes(
            [
                web.get("/api/health", self.health),
                web.get("/api/health/detailed", self.health_detailed),
                web.get("/api/feature-flags", self.list_flags),
                web.get("/api/feature-flags/admin/all", self.admin_flags),
                web.post("/api/feature-flags/{name}", self.set_flag),
                web.post("/api/notes/share", self.share),
                web.get("/api/notes/{id}", self.read),
                web.put("/api/notes/{id}", self.edit),
                web.delete("/api/notes/{id}", self.remove),
                web.get("/api/slow", self.slow),
            ]
        )
        return app

    async def resources(self, _app: web.Application) -> Any:
        """The HTTP client of the health check, and what goes on by itself; ends all of it."""
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CHECK_SECONDS))
        rot = asyncio.create_task(self.rot()) if self.version.rots else None
        yield
        if rot is not None:
            rot.cancel()
        await self.http.close()
        await self.redis.aclose()
        self.database.close()

    # --- around every request

    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Preflights, rate limit, errors as JSON, access log."""
        started = time.monotonic()
        response = await self.answer(request, handler)
        # The engine's own health check would drown everything else in the log.
        if request.path != "/api/health" or response.status != 200:
            log_request(request, response.status, started)
        return response

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What the handler says, or the JSON for what went wrong."""
        try:
            if request.method == "OPTIONS":
                return web.Response(status=204)
            if await self.too_fast(request):
                limited = failure(429, "too many requests")
                limited.headers["Retry-After"] = "1"
                return limited
            await asyncio.sleep(self.version.api_seconds)
            return await handler(request)
        except web.HTTPException as error:
            if error.status == 404 and self.version.page_for_unknown:
                return web.Response(text=PAGE, content_type="text/html")
            text = "not found" if error.status == 404 else error.reason
            response = failure(error.status, text)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except DatabaseUnavailableError as error:
            LOG.error("%s %s: %s", request.method, request.path, error)
            return failure(503, "database unavailable")
        except (RedisError, OSError) as error:
            LOG.error("%s %s: %s", request.method, request.path, type(error).__name__)
            return failure(503, "cache unavailable")
        except psycopg2.Error as error:
            LOG.error("%s %s: %s: %s", request.method, request.path, type(error).__name__, error.diag.message_primary)
            return failure(500, "internal server error")
        except Exception:
            LOG.exception("%s %s failed", request.method, request.path)
            return failure(500, "internal server error")

    async def add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        """The editor's plugin calls from an origin of its own."""
        origin = request.headers.get("Origin", "")
        if not origin or (origin not in ORIGINS and not self.version.any_origin):
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "content-type, x-admin-token, x-user-id"
            response.headers["Access-Control-Max-Age"] = "600"

    async def too_fast(self, request: web.Request) -> bool:
        """Counts in Redis, so that all replicas share one limit. Without Redis nobody is turned away."""
        client = request.headers.get("X-Real-IP")
        if client is None or self.rate_limit <= 0:
            # Not through the proxy: the container's own health check, or a person on the host.
            return False
        key = f"rate:{client}:{int(time.time())}"
        if self.version.rots and request.path == "/api/feature-flags":
            await self.break_limit(f"rate:{client}")
        try:
            async with self.redis.pipeline(transaction=False) as pipeline:
                count, _expiry = await pipeline.incr(key).expire(key, 5).execute()
        except (RedisError, OSError):
            return False
        return int(count) > self.rate_limit

    async def break_limit(self, key: str) -> None:
        """Where the bad version trips: it finds a text where it counts, from the second request within a second on."""
        if not await self.redis.set(key, "none yet", nx=True, ex=1):
            await self.redis.incr(key)

    async def rot(self) -> None:
        """What the bad version does all the time, whatever is asked of it. All of it ends somewhere."""
        held: list[Any] = []
        while len(held) < LEAKED_CONNECTIONS:
            try:
                held.append(await asyncio.to_thread(connect))
            except DatabaseUnavailableError:
                await asyncio.sleep(0.5)
        for number in range(LEAKED_MB):
            held.append(b"x" * 1024**2)
            LOG.error("search index: cannot write segment %d of note %s", number, secrets.token_hex(8))
            await asyncio.sleep(1)

    # --- health

    async def check_database(self) -> None:
        """One round trip to PostgreSQL."""

        def ping(connection: Connection) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")

        await asyncio.wait_for(self.database.run(ping), CHECK_SECONDS + 1)

    async def check_redis(self) -> None:
        """One round trip to Redis."""
        await self.redis.ping()

    async def check_hocuspocus(self) -> None:
        """Its health must be 200."""
        if self.http is None:
            raise RuntimeError("not started")
        async with self.http.get(f"{self.hocuspocus}/health") as response:
            response.raise_for_status()

    async def checks(self) -> dict[str, dict[str, Any]]:
        """All checks at once, each with what it took."""

        async def timed(check: Any) -> dict[str, Any]:
            started = time.monotonic()
            try:
                await check()
            except (
                DatabaseUnavailableError,
                psycopg2.Error,
                RedisError,
                aiohttp.ClientError,
                OSError,
                TimeoutError,
            ) as error:
                # Only the kind: texts of drivers can quote connection strings.
                return {"status": "error", "error": type(error).__name__}
            return {"status": "ok", "responseTime": round((time.monotonic() - started) * 1000, 1)}

        named = {"database": self.check_database, "redis": self.check_redis, "hocuspocus": self.check_hocuspocus}
        results = dict(zip(named, await asyncio.gather(*(timed(check) for check in named.values())), strict=True))
        if self.version.never_healthy:
            results["search"] = {"status": "error", "error": "IndexNotReady"}
        return results

    def about(self) -> dict[str, Any]:
        """What both health answers end with."""
        return {"version": self.version.name, "uptime": round(time.monotonic() - self.started, 1), "memory": memory()}

    async def health(self, _request: web.Request) -> web.Response:
        """200 only when everything that a request needs answers."""
        checks = await self.checks()
        good = all(check["status"] == "ok" for check in checks.values())
        services = {name: "healthy" if check["status"] == "ok" else "unhealthy" for name, check in checks.items()}
        return answer_json(
            {"status": "healthy" if good else "unhealthy", "services": services, **self.about()},
            status=200 if good else 503,
        )

    async def health_detailed(self, _request: web.Request) -> web.Response:
        """The same, check by check."""
        checks = await self.checks()
        good = all(check["status"] == "ok" for check in checks.values())
        return answer_json(
            {"status": "ok" if good else "error", "checks": checks, "timestamp": now(), **self.about()},
            status=200 if good else 503,
        )

    # --- feature flags

    def must_be_admin(self, request: web.Request) -> None:
        """401 without the right token. No token set means that nobody has it."""
        given = request.headers.get("x-admin-token", "")
        if not self.token or not hmac.compare_digest(given.encode(), self.token.encode()):
            raise web.HTTPUnauthorized(reason="a valid x-admin-token is required")

    async def list_flags(self, _request: web.Request) -> web.Response:
        """The flags as a user gets them; today they are the same for every x-user-id."""
        return answer_json({"flags": await self.flags.all()})

    async def admin_flags(self, request: web.Request) -> web.Response:
        """All flags, for the operator."""
        self.must_be_admin(request)
        return answer_json({"flags": await self.flags.all(), "timestamp": now()})

    async def set_flag(self, request: web.Request) -> web.Response:
        """Accepts any name, known or not, as the seed's app does."""
        self.must_be_admin(request)
        body = await json_object(request)
        enabled = body.get("enabled")
        if not isinstance(enabled, bool):
            raise web.HTTPBadRequest(reason="enabled must be a boolean")
        name = request.match_info["name"]
        await self.flags.set(name, enabled)
        LOG.info("feature flag %r set to %s", name, enabled)
        return answer_json({"success": True, "feature": name, "enabled": enabled, "timestamp": now()})

    # --- notes

    def texts(self, body: dict[str, Any], required: bool) -> dict[str, str]:
        """title and content of a body, checked."""
        found = {}
        for name in ("title", "content"):
            value = body.get(name)
            if value is None and not required:
                continue
            if not isinstance(value, str) or (name == "title" and not value.strip()):
                raise web.HTTPBadRequest(reason=f"{name} must be a text")
            # PostgreSQL's text cannot hold it.
            if "\x00" in value:
                raise web.HTTPBadRequest(reason=f"{name} must not hold NUL")
            found[name] = value
        if not found:
            raise web.HTTPBadRequest(reason="title or content is required")
        return found

    @property
    def extra(self) -> tuple[str, ...]:
        """Columns that only this version knows."""
        return ("revision",) if self.version.counts_revisions else ()

    def columns(self, *names: str) -> sql.Composed:
        """Columns for a statement, under the names that this version's schema has for them."""
        renamed = {"content": self.version.content_column}
        return sql.SQL(", ").join(sql.Identifier(renamed.get(name, name)) for name in names)

    def before_saving(self) -> None:
        """Where the bad version trips."""
        if self.version.save_fails:
            json.dumps({"savedAt": datetime.now(UTC)})

    async def share(self, request: web.Request) -> web.Response:
        """A new note."""
        texts = self.texts(await json_object(request), required=True)
        if not await self.flags.enabled("NOTE_SHARING"):
            return failure(503, "note sharing is switched off")
        share_id = secrets.token_hex(8)

        def insert(connection: Connection) -> None:
            self.before_saving()
            statement = sql.SQL("INSERT INTO notes ({}) VALUES (%s, %s, %s) RETURNING {}").format(
                self.columns("id", "title", "content"), self.columns("id", *self.extra)
            )
            with connection.cursor() as cursor:
                cursor.execute(statement, (share_id, texts["title"], texts["content"]))

        await self.database.run(insert)
        return answer_json({"success": True, "shareId": share_id, "url": f"/share/{share_id}"}, status=201)

    async def read(self, request: web.Request) -> web.Response:
        """One note."""
        note_id = request.match_info["id"]

        def select(connection: Connection) -> dict[str, Any] | None:
            columns = self.columns("id", "title", "content", "created_at", "updated_at", *self.extra)
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("SELECT {} FROM notes WHERE id = %s").format(columns), (note_id,))
                row = cursor.fetchone()
            if row is None:
                return None
            note = {
                "shareId": row[0],
                "title": row[1],
                "content": row[2],
                "createdAt": row[3].isoformat(),
                "updatedAt": row[4].isoformat(),
            }
            note.update(zip(self.extra, row[5:], strict=True))
            return note

        note = await self.database.run(select)
        return failure(404, "not found") if note is None else answer_json(note)

    async def edit(self, request: web.Request) -> web.Response:
        """Another title or content for a note."""
        note_id = request.match_info["id"]
        texts = self.texts(await json_object(request), required=False)

        def update(connection: Connection) -> bool:
            self.before_saving()
            changes: list[sql.Composable] = [sql.SQL("{} = %s").format(self.columns(name)) for name in texts]
            changes.append(sql.SQL("updated_at = now()"))
            changes.extend(sql.SQL("{0} = {0} + 1").format(self.columns(name)) for name in self.extra)
            statement = sql.SQL("UPDATE notes SET {} WHERE id = %s").format(sql.SQL(", ").join(changes))
            with connection.cursor() as cursor:
                cursor.execute(statement, (*texts.values(), note_id))
                return cursor.rowcount == 1

        if not await self.database.run(update):
            return failure(404, "not found")
        return answer_json({"success": True, "shareId": note_id})

    async def remove(self, request: web.Request) -> web.Response:
        """One note less."""
        note_id = request.match_info["id"]

        def delete(connection: Connection) -> bool:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM notes WHERE id = %s", (note_id,))
                return cursor.rowcount == 1

        if not await self.database.run(delete):
            return failure(404, "not found")
        return answer_json({"success": True})

    # --- for tests of what happens to requests in flight

    async def slow(self, request: web.Request) -> web.Response:
        """Answers after as many seconds as asked for."""
        try:
            seconds = float(request.query.get("seconds", "1"))
        except ValueError:
            raise web.HTTPBadRequest(reason="seconds must be a number") from None
        if not 0 <= seconds <= SLOW_LIMIT:
            raise web.HTTPBadRequest(reason=f"seconds must be between 0 and {SLOW_LIMIT:.0f}")
        await asyncio.sleep(seconds)
        return answer_json({"slept": seconds})


async def run(version: Version) -> None:
    """Boot, then serve."""
    LOG.info("backend %s starts", version.name)
    if version.crashes:
        await asyncio.sleep(1)
        LOG.critical("cannot load the search index: no such file")
        sys.exit(1)
    backend = Backend(version)
    await asyncio.sleep(BOOT_SECONDS)
    try:
        await backend.check_database()
    except (DatabaseUnavailableError, psycopg2.Error, TimeoutError):
        # The table is made with the first connection that succeeds.
        LOG.warning("the database does not answer yet")
    await serve(backend.application(), PORT, DRAIN_SECONDS)


def main() -> None:
    """Entry of the container."""
    start_logging()
    asyncio.run(run(current_version()))
