# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs in the containers: out of memory, in a crash loop, stopped, frozen, unhealthy, near their limits."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from datetime import datetime

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import (
    CRITICAL,
    NOTICE,
    SERIOUS,
    Fleet,
    Sign,
    Vars,
)

Names = tuple[str, ...]

#: So many ends within the time that is looked at, or a restart this short ago, are a crash loop.
_LOOP = 3
_SHORT = 120.0
#: As Docker tells a process that was killed by signal 9.
_KILLED = 137
#: Percent of its own limit, and of one CPU.
_MEMORY, _CPU = 90.0, 90.0
_BACK: Names = ("switch_back", "restart", "rollback")


def signs(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    """Yield what stands out among the containers that users reach."""
    found = fleet.found(host, "containers")
    switched = set(fleet.app(host).get("switched") or [])
    ends = fleet.found(host, "ends")
    now = str((fleet.hosts[host].get("clock") or {}).get("began") or "")
    told = [
        sign
        for one in found.get("containers") or []
        if one["reached"]
        for sign in _of(host, one, one["service"] in switched, ends, now)
    ]
    yield from _in_one_go(told, switched)
    for service in found.get("missing") or []:
        remedies = ("switch_back", "rollback") if service in switched else ("up",)
        title = f"{service} has no container"
        detail = "It is declared, and nothing of it is there, running or not."
        yield Sign("missing", CRITICAL, title, host, detail, remedies, {"service": service})
    yield from _usage(fleet, host)


def _in_one_go(told: list[Sign], switched: t.Collection[str]) -> list[Sign]:
    """Make one of all that does not run where no release brings all of it back, as after a crash of the engine.

    A restart starts it in the order in which one needs the other.
    """
    services = {sign.about["service"] for sign in told if sign.kind == "stopped"}
    if len(services) < 2 or services <= set(switched):
        return told
    title = "What users need does not run"
    return [replace(one, title=title, remedies=("restart",)) if one.kind == "stopped" else one for one in told]


def _of(host: str, one: Vars, is_switched: bool, ends: Vars, now: str) -> t.Iterator[Sign]:
    service, about = one["service"], {"service": one["service"], "container": one["name"]}
    ended = int((ends.get("ended") or {}).get(one["id"], 0))
    oom = bool(one["oom_killed"]) or bool((ends.get("oom") or {}).get(one["id"]))
    young = _age(one["started"], now)
    # By hand a container can be started as often as one likes; only the engine counts that as restarts.
    looping = one["status"] == "restarting" or (ended >= _LOOP and one["restarts"] > 0)
    looping = looping or (one["restarts"] >= _LOOP and young is not None and young < _SHORT)
    if oom:
        limit = f" (its limit is {_bytes(one['memory_limit'])})" if one["memory_limit"] else ""
        detail = f"{one['name']} was killed for lack of memory{limit}; it is {_state(one)}"
        severity = CRITICAL if one["status"] != "running" or looping else SERIOUS
        remedies: Names = _BACK if is_switched else ("restart", "logs")
        yield Sign("out_of_memory", severity, f"{service} runs out of memory", host, f"{detail}.", remedies, about)
    elif looping:
        code = (ends.get("codes") or {}).get(one["id"])
        last = f"; it ended with exit code {code} last" if one["status"] == "running" and code is not None else ""
        detail = f"{one['name']} is {_state(one)}, {max(ended, one['restarts'])} restarts{last}"
        remedies = ("switch_back", "rollback", "hotfix", "logs") if is_switched else ("restart", "logs")
        yield Sign(
            "crash_loop", CRITICAL, f"{service} starts and ends again and again", host, f"{detail}.", remedies, about
        )
    elif one["status"] == "paused":
        yield Sign("frozen", CRITICAL, f"{service} is frozen", host, f"{one['name']} is paused.", ("thaw",), about)
    elif one["status"] not in ("running", "restarting"):
        if _is_job(one):
            return
        remedies = _BACK if is_switched else ("restart", "logs")
        detail = f"{one['name']} is {_state(one)}{_ago(one['finished'], now)}"
        error = f" The engine says: {one['error']}." if one["error"] else ""
        yield Sign("stopped", CRITICAL, f"{service} does not run", host, f"{detail}.{error}", remedies, about)
    elif one["health"] == "unhealthy":
        said = " ".join(str(one["health_log"][-1]["output"]).split()) if one["health_log"] else ""
        detail = f"{one['name']} fails its health check" + (f": {said}" if said else "")
        remedies = _BACK if is_switched else ("restart", "logs")
        yield Sign("unhealthy", CRITICAL, f"{service} is unhealthy", host, f"{detail.rstrip('.')}.", remedies, about)


def _is_job(one: Vars) -> bool:
    """Tell whether a container did its work once and ended well, as a migration does."""
    return one["status"] == "created" or (one["exit_code"] == 0 and one["restart_policy"] in ("", "no", "on-failure"))


def _state(one: Vars) -> str:
    code = f", exit code {one['exit_code']}" if one["status"] != "running" else ""
    by = " (killed)" if one["status"] != "running" and one["exit_code"] == _KILLED else ""
    return f"{one['status']}{code}{by}"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _age(text: str, now: str) -> float | None:
    then, present = _moment(text), _moment(now)
    return (present - then).total_seconds() if then is not None and present is not None else None


def _ago(text: str, now: str) -> str:
    seconds = _age(text, now)
    if seconds is None or seconds < 0 or text.startswith("0001"):
        return ""
    return f", {duration(seconds)} ago"


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _bytes(number: float) -> str:
    return f"{number / 1024 / 1024:.0f} MB"


def _usage(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    for one in fleet.found(host, "usage").get("containers") or []:
        about = {"service": one["service"]}
        if one["limited"] and one["memory_percent"] >= _MEMORY:
            detail = f"{one['name']} uses {one['memory_percent']:.0f} % of the memory that it may use"
            title = f"{one['service']} is near its memory limit"
            yield Sign("near_limit", SERIOUS, title, host, f"{detail} ({_bytes(one['memory_bytes'])}).", _BACK, about)
        if one["cpu_percent"] >= _CPU:
            detail = f"{one['name']} uses {one['cpu_percent']:.0f} % of a CPU."
            yield Sign("busy", NOTICE, f"{one['service']} is busy", host, detail, ("restart",), about)
