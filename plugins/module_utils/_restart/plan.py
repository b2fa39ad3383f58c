# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a restart would do and interrupt, found out by looking only."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _proxy, _slots, _usage
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, Observation, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart import fresh, history, in_place, which


@dataclass
class Plan:
    """What is restarted and how. ``afresh`` says that the switched services are started beside those that run."""

    model: _compose.Model
    seen: Observation
    groups: which.Groups
    afresh: bool
    lines: t.List[str] = field(default_factory=list)
    used: t.List[_usage.Usage] = field(default_factory=list)

    @property
    def in_place(self) -> t.List[str]:
        """Return the services that are restarted in place, in order."""
        switched = () if self.afresh else self.groups.switched
        return [*self.groups.before, *switched, *self.groups.after]


def make(host: Host, names: t.Sequence[str], *, high_cpu: float, high_memory: float, force: bool) -> Plan:
    """Return what restarting *names* would do, or raise where it would be refused."""
    model, told = which.model_of(host)
    seen = observe(host)
    used: t.List[_usage.Usage] = []
    said: t.List[str] = []
    if list(names) == [which.HIGH_USAGE]:
        used = _usage.measure(
            host.docker, [c for s in model["services"] for c in in_place.of_service(host, seen.containers, s)]
        )
        names, said = _high(host, used, high_cpu, high_memory)
    else:
        names = which.checked(model, names)
    groups = which.groups(model, names, host.app.services)
    why = fresh.why_not(host, seen) if groups.switched else None
    plan = Plan(model, seen, groups, bool(groups.switched) and why is None, used=used)
    if plan.afresh:
        fresh.refuse(host, seen)
    in_place.require_containers(host, seen.containers, plan.in_place)
    plan.lines = _lines(host, plan, why, said, force=force) + ([told] if told else [])
    return plan


def _high(host: Host, used: t.Sequence[_usage.Usage], cpu: float, memory: float) -> t.Tuple[t.List[str], t.List[str]]:
    """Return the switched services that use too much, and what is to be told of the choice.

    What users notice is restarted by its name only.
    """
    over = _usage.above(used, cpu, memory)
    chosen = sorted({one.service for one in over if one.service in host.app.services})
    others = sorted({one.service for one in over if one.service not in host.app.services})
    limits = f"{cpu:g} % of a CPU or {memory:g} % of the memory"
    if chosen:
        said = [f"At or above {limits}: {', '.join(chosen)}."]
    elif over:
        said = [f"No switched service is at or above {limits}: nothing would be restarted."]
    else:
        said = [f"No service is at or above {limits}: nothing would be restarted."]
    said += [f"{one.says()}." for one in used]
    if others:
        said.append(
            f"{', '.join(others)} would be interrupted by a restart, and is not chosen for you: "
            f"-e services={','.join(others)}."
        )
    return chosen, said


def _lines(host: Host, plan: Plan, why: t.Optional[str], said: t.List[str], *, force: bool) -> t.List[str]:
    groups = plan.groups
    if not groups.all:
        return said
    lines: t.List[str] = []
    for service in groups.before:
        lines += _of_backing(host, plan, service, force=force)
    if plan.afresh:
        lines += _of_fresh(host, plan)
    else:
        lines += _of_replaced(host, plan, why)
    for service in groups.after:
        lines += _of_backing(host, plan, service, force=force)
    summary = f"Would restart {', '.join(groups.all)}."
    return [summary, *lines, *said, *(f"Drift: {text}." for text in (*plan.seen.drift, *_proxy.problems(host)))]


def _of_fresh(host: Host, plan: Plan) -> t.List[str]:
    current = plan.seen.current
    name = current.id if current else ""
    services = sorted(host.app.services)
    colour = _slots.idle_colour(plan.seen.live)
    lines = [
        f"{', '.join(services)} of {name} would be started afresh as {colour} and the proxy switched to it; "
        "no request is to fail."
    ]
    with_it = [one for one in services if one not in plan.groups.switched]
    if with_it:
        lines.append(f"{', '.join(with_it)} would be restarted with it: they are switched as one set.")
    closing = [one for one in services if host.app.option(one).websockets == "close"]
    if closing:
        lines.append(f"WebSockets of {', '.join(closing)} would be closed, and their clients connect anew.")
    exclusive = [one for one in services if host.app.option(one).exclusive]
    if exclusive:
        lines.append(f"{', '.join(exclusive)} may not run twice, and would be away while its successor boots.")
    warm = fresh.warm_beside(host, plan.seen)
    if warm is not None:
        lines.append(f"{warm.id}, which still runs beside it, would make room: a rollback to it then starts it first.")
    return [*lines, history.last_time(host, services, history.FRESH)]


def _of_replaced(host: Host, plan: Plan, why: t.Optional[str]) -> t.List[str]:
    lines = []
    for service in plan.groups.switched:
        count = len(in_place.of_service(host, plan.seen.containers, service))
        how = "one after the other" if count > 1 else "and is away meanwhile"
        lines.append(
            f"{service} would be restarted in place ({why}): {count} containers, {how}; its connections break. "
            + history.last_time(host, [service], history.IN_PLACE)
        )
    return lines


def _of_backing(host: Host, plan: Plan, service: str, *, force: bool) -> t.List[str]:
    hit = which.dependants(plan.model, [service])
    if service == host.app.proxy_service:
        what = (
            f"requests in flight have {in_place.PROXY_PATIENCE} s to finish, none reaches the app until it is up "
            "again, and every WebSocket breaks"
        )
    elif hit:
        what = f"{', '.join(hit)} cannot use it until it is healthy again"
    else:
        what = "nothing else depends on it"
    killed = force and service != host.app.proxy_service
    kill = f"; killed where it does not stop within {host.app.stop_timeout} s" if killed else ""
    return [
        f"{service} would be restarted in place{kill}: {what}. {history.last_time(host, [service], history.IN_PLACE)}"
    ]
