# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is like, from what the playbook release_info found there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

State = dict[str, Any]
_STOPPED = ("exited", "dead")
_RELEASE = ("id", "version", "state", "slot", "created", "operator", "reason")


def state_of(found: Mapping[str, Any]) -> State:
    """Reduce the result of the look at one host to what operators and scripts ask for."""
    current = _release(found.get("current"))
    return {
        "summary": str(found.get("summary") or ""),
        "managed": bool(found.get("managed")),
        "current": current,
        "previous": _release(found.get("last_known_good")),
        "reverts_at": found.get("reverts_at"),
        "lease": found.get("lease"),
        "drift": [str(one) for one in found.get("drift") or []],
        "unfinished": _unfinished(found.get("unfinished")),
        "failing": failing(found),
        "stopped": sorted({str(one["service"]) for one in _wanted(found) if one.get("status") in _STOPPED}),
        "switched": [str(one) for one in found.get("switched") or []],
        "releases": [_release(one) for one in found.get("releases") or [] if isinstance(one, Mapping)],
    }


def _release(found: Any) -> dict[str, Any] | None:
    if not isinstance(found, Mapping):
        return None
    return {name: found.get(name) for name in _RELEASE}


def _unfinished(found: Any) -> str | None:
    """Say which change began and never ended."""
    if not isinstance(found, Mapping) or not found:
        return None
    by = f" by {found['owner']}" if found.get("owner") else ""
    to = f" of {found['release']}" if found.get("release") else ""
    return f"{found.get('action') or 'a change'}: {found.get('step') or 'a step'}{to} began{by} and never ended"


def failing(found: Mapping[str, Any]) -> list[str]:
    """Name the containers that ought to serve users and do not."""
    bad = []
    for one in _wanted(found):
        status, health = str(one.get("status") or ""), str(one.get("health") or "")
        if status != "running" or health in ("unhealthy", "starting"):
            said = f"{status}, {health}" if health and health != "none" else status
            bad.append(f"{one.get('service')} ({one.get('name')}) is {said}")
    return bad


def _wanted(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the containers that ought to run: none of a slot kept for the way back, none that keeps an image."""
    switched = found.get("switched") or []
    for one in found.get("containers") or []:
        kept = (one.get("release") or one.get("service") in switched) and one.get("slot") != found.get("live_slot")
        if not kept and one.get("status") != "created":
            yield one


def next_commands(states: Mapping[str, State], limit: str) -> list[str]:
    """Recommend what to type next, and say why."""
    every = list(states.values())
    if not every:
        return []
    stopped = sorted({service for one in every for service in one["stopped"]})
    others = sorted({service for one in every for service in set(one["stopped"]) - set(one["switched"])})
    if others and any(one["unfinished"] or one["reverts_at"] for one in every):
        return [
            f"hotfix restart {' '.join(others)} -l {limit}    no release brings these back, and the change needs them",
            "then the same command as before again, to finish it",
        ]
    started = f"hotfix restart {' '.join(stopped)} -l {limit}"
    if others:
        return [f"{started}    what does not run is started, what others need first; no release brings all of it back"]
    if any(one["unfinished"] for one in every):
        return [
            f"hotfix rollback -l {limit}    a change began and never ended: this goes back to what is known good",
            "or the same command as before again, to finish it",
        ]
    if any(one["managed"] and one["current"] is None for one in every):
        return [
            f"hotfix rollback -l {limit}    the record of what runs cannot be read: this goes to what is known good",
            "or deploy the version that runs again, which makes a new record",
        ]
    if any(one["reverts_at"] for one in every):
        return [f"hotfix confirm -l {limit}    the release is not confirmed; or: hotfix rollback -l {limit}"]
    if any(one["failing"] for one in every):
        if any(one["previous"] for one in every):
            return [f"hotfix rollback -l {limit}    something that ought to run does not"]
        if stopped:
            return [f"{started}    it does not run, and there is no release to go back to"]
        return [
            f"hotfix logs -l {limit}    something that ought to run does not, and there is no release to go back to"
        ]
    if any(one["drift"] for one in every):
        return [f"hotfix diagnose -l {limit}    it was changed by hand since"]
    if not all(one["managed"] for one in every):
        return [f"hotfix run pangeafate.hotfix.adopt -l {limit}    records what runs, so that there is a way back"]
    return [f"hotfix smoke -l {limit}    nothing is wrong as far as the hosts know; this asks as users do"]
