# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs in the host itself: disks, memory, load, certificate, clock, and what could not be looked at."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import UNSEEN
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import (
    CRITICAL,
    NOTICE,
    SERIOUS,
    UNKNOWN,
    Fleet,
    Sign,
    Vars,
)

_MB = 1024 * 1024
#: A file system with fewer free is as good as full: a release alone makes hundreds.
_INODES = 2000
#: Percent of the memory that can still be had, and load for each CPU.
_LITTLE, _LEAST = 10.0, 3.0
_BUSY, _OVERRUN = 2.0, 4.0
#: A container that uses so much of the memory, or of one CPU, is to blame.
_MUCH = 0.5
_MINUTE = 60.0
#: What each part is called, where it could not be looked at.
PARTS = {
    "engine": "the Docker engine",
    "system": "disks and memory",
    "containers": "containers",
    "ends": "ends of containers",
    "usage": "their use of CPU and memory",
    "release": "the release",
    "health": "the app's answer",
    "logs": "logs",
    "requests": "requests",
    "database": "the database",
    "redis": "Redis",
    "connections": "open connections",
    "certificate": "the certificate",
    "clock": "the clock",
}


def signs(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    """Yield what stands out on the host, and what nobody knows of it."""
    result = fleet.hosts[host]
    if not fleet.seen(host):
        why = str(result.get("unreachable_why") or result.get("what") or result.get("msg") or "It was not looked at.")
        unreachable = result.get("outcome") == "unreachable"
        title = "The host could not be reached" if unreachable else "The host could not be looked at"
        following = "log in by hand as this run does (ssh), and look at the host's console where that fails too."
        about = {"next": result.get("next_step") or following}
        yield Sign("not_looked_at", UNKNOWN, title, host, f"{' '.join(why.split()).rstrip('.')}.", ("mend",), about)
    else:
        yield from _unseen(fleet, host)
    yield from _disks(fleet, host)
    yield from _memory(fleet, host)
    yield from _certificate(fleet, host)
    yield from _clock(fleet, host)


def _unseen(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    by_cause: dict[str, list[str]] = {}
    following: dict[str, str] = {}
    parts = fleet.hosts[host].get("parts") or {}
    hangs = (parts.get("engine") or {}).get("status") == UNSEEN
    for name, part in parts.items():
        if part["status"] == UNSEEN:
            # Whatever needs the engine waited for it: that is one cause and not ten.
            cause = "engine" if hangs and name not in ("system", "health", "certificate", "clock") else part["why"]
            by_cause.setdefault(cause, []).append(name)
            following.setdefault(cause, part["next"])
    for cause, names in by_cause.items():
        listed = ", ".join(PARTS.get(name, name) for name in names)
        if cause == "engine":
            title, why = "The Docker engine does not answer", parts["engine"]["why"]
            detail = f"{why} So nothing is known of {listed}."
            about = {"next": following[cause]}
            yield Sign("engine", UNKNOWN, title, host, detail, ("mend", "engine"), about)
        else:
            about = {"next": following[cause]}
            yield Sign("unseen", UNKNOWN, f"Could not look at {listed}", host, cause, ("mend",), about)


def every_disk(fleet: Fleet, host: str) -> list[Vars]:
    """Return the disks of the host, and that of the engine where it keeps its things in another place than usual."""
    found = list(fleet.found(host, "system").get("disks") or [])
    told = {folder for disk in found for folder in disk["folders"]}
    return found + [disk for disk in fleet.found(host, "engine").get("disks") or [] if disk["folders"][0] not in told]


def _disks(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    root = fleet.found(host, "engine").get("root") or "/var/lib/docker"
    for disk in every_disk(fleet, host):
        folders, free = ", ".join(disk["folders"]), disk["free"] / _MB
        about = {"folder": disk["folders"][0]}
        room = ("prune", "space") if root in disk["folders"] else ("space",)
        if disk["read_only"]:
            detail = f"{folders} is mounted read-only: nothing can be written there."
            yield Sign("disk", CRITICAL, "A disk is read-only", host, detail, (), about)
        if free < fleet.limits.min_free_mb:
            severity = CRITICAL if free < fleet.limits.min_free_mb / 4 else SERIOUS
            detail = f"{free:.0f} MB of {disk['size'] / _MB:.0f} MB are free on the disk of {folders}."
            title = "A disk is full" if severity == CRITICAL else "A disk is nearly full"
            yield Sign("disk", severity, title, host, detail, room, about)
        if disk["inodes_free"] is not None and disk["inodes_free"] < _INODES:
            detail = f"There is room for {disk['inodes_free']} more files on the disk of {folders} (inodes)."
            yield Sign("inodes", CRITICAL, "A disk has no room for more files", host, detail, ("inodes",), about)


def _memory(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    found = fleet.found(host, "system")
    total, available = found.get("memory"), found.get("memory_available")
    usage = fleet.found(host, "usage").get("containers") or []
    if total and available is not None and 100.0 * available / total < _LITTLE:
        severity = CRITICAL if 100.0 * available / total < _LEAST else SERIOUS
        most = next((one for one in usage if one["memory_bytes"] >= total * _MUCH), None)
        named = f"; {most['name']} uses {most['memory_bytes'] / _MB:.0f} MB" if most else ""
        detail = f"{available / _MB:.0f} of {total / _MB:.0f} MB of memory can still be had{named}."
        about = {"service": most["service"] if most else None}
        remedies = ("restart",) if most else ("top",)
        yield Sign("memory", severity, "The host is short of memory", host, detail, remedies, about)
    load, cpus = found.get("load"), found.get("cpus")
    if load and cpus and load[0] >= _BUSY * cpus and load[1] >= _BUSY * cpus:
        most = next((one for one in usage if one["cpu_percent"] >= _MUCH * 100), None)
        named = f"; {most['name']} uses {most['cpu_percent']:.0f} % of one" if most else ""
        detail = f"The load is {load[0]:g}, {load[1]:g} and {load[2]:g} on {cpus} CPUs{named}."
        severity = SERIOUS if load[1] >= _OVERRUN * cpus else NOTICE
        about = {"service": most["service"] if most else None}
        remedies = ("restart",) if most else ("top",)
        yield Sign("load", severity, "The host has more to do than it can", host, detail, remedies, about)


def _certificate(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    found = fleet.found(host, "certificate")
    if not found:
        return
    said = str(found["says"]).rstrip(".")
    said = f"{said[:1].upper()}{said[1:]}."
    days = found.get("days")
    if not found["good"]:
        # What a browser refuses, and what it takes though it should not.
        refused = "it still takes" not in str(found["says"])
        title = "Browsers refuse the certificate" if refused else "The proxy takes TLS that is too old"
        yield Sign("certificate", CRITICAL if refused else NOTICE, title, host, said, ("ssl_renew",) if refused else ())
    elif days is not None and days < fleet.limits.certificate_days:
        detail = f"It expires in {days:.1f} days ({found.get('not_after')})."
        yield Sign("certificate", SERIOUS, "The certificate expires soon", host, detail, ("ssl_renew",))


def _clock(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    seconds = float(fleet.found(host, "clock").get("surely") or 0.0)
    if abs(seconds) > fleet.limits.clock_skew:
        how = "ahead of" if seconds > 0 else "behind"
        detail = f"It is at least {abs(seconds):.1f} s {how} the controller's."
        severity = SERIOUS if abs(seconds) >= _MINUTE else NOTICE
        yield Sign("clock", severity, "The clock is wrong, or the controller's is", host, detail, ("clock",))
