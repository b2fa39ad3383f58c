# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs in the database and in Redis."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import (
    CRITICAL,
    NOTICE,
    SERIOUS,
    Fleet,
    Sign,
    Vars,
)

_BACK = ("switch_back", "restart", "rollback")
_NEARLY = 90.0
_FULL = 98.0


def signs(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    """Yield what stands out in the stores that run on the host."""
    database = fleet.found(host, "database")
    if database.get("answers"):
        yield from _connections(fleet, host, database)
        yield from _sessions(fleet, host, database)
    elif database and not _is_told(fleet, host, database):
        yield from _unavailable(fleet, host, database)
    redis = fleet.found(host, "redis")
    if redis and not _is_told(fleet, host, redis):
        yield from _redis(host, redis)


def _is_told(fleet: Fleet, host: str, found: Vars) -> bool:
    """Tell whether it is among the containers that do not run, of which more is known."""
    return not found["runs"] and fleet.part(host, "containers") is not None


def _unavailable(fleet: Fleet, host: str, found: Vars) -> t.Iterator[Sign]:
    said = str(found["says"]).rstrip(".")
    if found["full"]:
        title, about = "The database has no connection left", {"services": fleet.app(host).get("switched") or []}
        yield Sign("connections", CRITICAL, title, host, f"It lets nobody in: {said}.", _BACK, about)
        return
    service = (fleet.app(host).get("database") or {}).get("service")
    title = "The database does not answer"
    yield Sign("database", CRITICAL, title, host, f"{said}.", ("restart", "logs"), {"service": service})


def _connections(fleet: Fleet, host: str, found: Vars) -> t.Iterator[Sign]:
    usable = max(1, int(found["max_connections"]) - int(found["reserved"]))
    percent = 100.0 * int(found["connections"]) / usable
    if percent < fleet.limits.connection_percent:
        return
    holders = ", ".join(f"{name} {count}" for name, count in list(found["clients"].items())[:3])
    detail = f"{found['connections']} of {usable} are taken, by {holders}."
    full = percent >= _FULL
    title = "The database has no connection left" if full else "The database is short of connections"
    # Who holds most of them lets go of them when it is started anew.
    switched = set(fleet.app(host).get("switched") or [])
    most = next((name for name in found["clients"] if name in switched), None)
    remedies = _BACK if most else ("logs",)
    about = {"service": most or (fleet.app(host).get("database") or {}).get("service")}
    yield Sign("connections", CRITICAL if full else SERIOUS, title, host, detail, remedies, about)


def _sessions(fleet: Fleet, host: str, found: Vars) -> t.Iterator[Sign]:
    sessions = {one["pid"]: one for one in found["sessions"]}
    blocked = [one for one in sessions.values() if one["blocked_by"]]
    container = found["container"]
    blockers = {pid for one in blocked for pid in one["blocked_by"] if not (sessions.get(pid) or {}).get("blocked_by")}
    for pid in sorted(blockers):
        waiting = sum(pid in one["blocked_by"] for one in blocked)
        holder = sessions.get(pid) or {}
        idle = str(holder.get("state") or "").startswith("idle")
        seconds = float(holder.get("transaction_seconds") or 0)
        who = f"process {pid} of {holder.get('client', 'nobody knows whom')}"
        what = "does nothing in an open transaction" if idle else "holds its locks"
        longest = max(one["seconds"] for one in blocked if pid in one["blocked_by"])
        detail = (
            f"{waiting} queries wait for up to {longest:.0f} s; {who} {what} since {seconds:.0f} s: "
            f"{holder.get('query', '')}"
        )
        severity = CRITICAL if longest >= fleet.limits.long_query else SERIOUS
        remedy = "end_session" if idle else "cancel"
        yield Sign("locks", severity, "Queries wait for a lock", host, detail, (remedy,), _about(pid, container))
    for one in sessions.values():
        if one["pid"] in blockers or one["blocked_by"]:
            continue
        if one["state"] == "active" and one["seconds"] >= fleet.limits.long_query:
            detail = f"Process {one['pid']} of {one['client']} since {one['seconds']:.0f} s: {one['query']}"
            about = _about(one["pid"], container)
            yield Sign("long_query", SERIOUS, "A query runs for long", host, detail, ("cancel",), about)
        elif one["state"].startswith("idle in") and one["transaction_seconds"] >= fleet.limits.long_query:
            detail = f"Process {one['pid']} of {one['client']} since {one['transaction_seconds']:.0f} s: {one['query']}"
            about = _about(one["pid"], container)
            yield Sign("idle_transaction", NOTICE, "A transaction is left open", host, detail, ("end_session",), about)


def _about(pid: int, container: str) -> Vars:
    return {"pid": pid, "container": container}


def _redis(host: str, found: Vars) -> t.Iterator[Sign]:
    service, about = found["service"], {"service": found["service"]}
    if not found["answers"]:
        said = str(found["says"]).rstrip(".")
        title = f"{service} does not answer"
        yield Sign("redis", CRITICAL, title, host, f"{said}.", ("restart", "logs"), about)
        return
    most, used = int(found.get("maxmemory") or 0), int(found.get("used_memory") or 0)
    percent = 100.0 * used / most if most else 0.0
    policy = str(found.get("maxmemory_policy") or "unknown")
    if percent >= _NEARLY and policy == "noeviction":
        detail = (
            f"{used} of {most} bytes are taken, and nothing is let go of (noeviction): writes are refused when full."
        )
        severity = CRITICAL if percent >= _FULL else SERIOUS
        yield Sign("redis_memory", severity, f"{service} is full", host, detail, ("switch_back", "logs"), about)
    clients, allowed = int(found.get("connected_clients") or 0), int(found.get("maxclients") or 0)
    if allowed and 100.0 * clients / allowed >= _NEARLY:
        detail = f"{clients} of {allowed} clients are connected."
        yield Sign("redis_clients", SERIOUS, f"{service} is short of connections", host, detail, _BACK, about)
    for key, what in (("rdb_last_bgsave_status", "save its data"), ("aof_last_write_status", "write its log")):
        if str(found.get(key) or "ok") != "ok":
            detail = f"It could not {what} ({key}: {found[key]}), and may refuse writes until it can."
            yield Sign("redis_disk", SERIOUS, f"{service} cannot write to its disk", host, detail, ("logs",), about)
    if int(found.get("loading") or 0):
        detail = "It reads its data from the disk and answers nothing else meanwhile."
        yield Sign("redis_loading", SERIOUS, f"{service} is still loading", host, detail, ("logs",), about)
