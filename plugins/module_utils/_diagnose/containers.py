# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The containers of the app: what state they are in, how often they ended, and what they use."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _usage
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found, SkippedError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN

#: The last health checks that are told.
_CHECKS = 3


def reached(host: Host, container: Container) -> bool:
    """Tell whether users reach a container: it is in their slot, or of what a release never replaces."""
    return container.slot == host.live_slot() or (container.slot == OWN and container.service not in host.app.services)


def states(host: Host, declared: t.Sequence[str]) -> Found:
    """Return the state of every container, and which of the *declared* services have none that users reach."""
    containers = host.docker.containers(host.app.project)
    there = {one.service for one in containers if reached(host, one)}
    return {
        "containers": [
            _state(one, reached(host, one)) for one in sorted(containers, key=lambda one: (one.service, one.name))
        ],
        "missing": sorted(set(declared) - there),
    }


def _state(one: Container, is_reached: bool) -> Found:
    return {
        "id": one.id[:12],
        "name": one.name,
        "service": one.service,
        "slot": one.slot,
        "reached": is_reached,
        "image": one.image_reference,
        "image_id": one.image_id,
        "release": one.release,
        "status": one.status,
        "health": one.health,
        "health_log": [{"exit_code": code, "output": said} for code, said in one.health_results[-_CHECKS:]],
        "exit_code": one.exit_code,
        "oom_killed": one.oom_killed,
        "error": one.error,
        "restarts": one.restarts,
        "restart_policy": one.restart_policy,
        "started": one.started,
        "finished": one.finished,
        "memory_limit": one.memory_limit,
    }


def ends(host: Host, seconds: float) -> Found:
    """Return how often each container ended in the last *seconds*, with which code, and whether for lack of memory.

    The engine remembers some hundreds of events, health checks among them: it is at least as often.
    """
    now = time.time()
    printed = host.docker.run(
        "events", "--since", f"{now - seconds:.0f}", "--until", f"{now:.0f}", "--filter", "type=container",
        "--filter", "event=die", "--filter", "event=oom", "--format", "{{json .}}", timeout=20.0,
    )  # fmt: skip
    ended: t.Dict[str, int] = {}
    oom: t.Dict[str, int] = {}
    codes: t.Dict[str, int] = {}
    for line in printed.splitlines():
        event = json.loads(line) if line.strip() else {}
        actor = event.get("Actor") or {}
        name = str(actor.get("ID") or event.get("id") or "")[:12]
        counted = oom if (event.get("Action") or event.get("status")) == "oom" else ended
        counted[name] = counted.get(name, 0) + 1
        code = str((actor.get("Attributes") or {}).get("exitCode") or "")
        if code.isdigit():
            codes[name] = int(code)
    return {"seconds": seconds, "ended": ended, "oom": oom, "codes": codes}


def usage(host: Host) -> Found:
    """Return what every container that runs uses."""
    containers = host.docker.containers(host.app.project)
    found = _usage.measure(host.docker, containers)
    if not found:
        raise SkippedError("No container runs.")
    limits = {one.name: one.memory_limit for one in containers}
    return {
        "containers": [
            {
                "service": one.service,
                "name": one.container,
                "cpu_percent": one.cpu,
                "memory_percent": one.memory,
                "memory_bytes": one.bytes,
                "limited": bool(limits.get(one.container)),
            }
            for one in found
        ]
    }
