# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""How much CPU and memory containers use, as the engine measures it."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _engine_socket
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container, Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._headroom import memory_of

#: Seconds between the two looks that tell how much CPU is used.
_BETWEEN = 0.5
_PERCENT = 100.0


class Usage(t.NamedTuple):
    """What one container uses: percent of one CPU, percent of the memory that it may use, and bytes of memory."""

    service: str
    container: str
    cpu: float
    memory: float
    bytes: int = 0

    def says(self) -> str:
        """Return it in words."""
        return f"{self.container} uses {self.cpu:.1f} % of a CPU and {self.memory:.1f} % of its memory"


def measure(docker: Docker, containers: t.Sequence[Container]) -> t.List[Usage]:
    """Return what each of *containers* that runs uses now, who uses most first.

    It takes half a second at the engine's socket, and two by ``docker stats``, where there is no such socket.
    """
    running = [c for c in containers if c.running]
    if not running:
        return []
    path = _engine_socket.path()
    try:
        found = _by_stats(docker, running) if path is None else _by_socket(docker, path, running)
    except _engine_socket.ERRORS:
        found = _by_stats(docker, running)
    return sorted(found, key=lambda one: (-one.cpu, -one.memory, one.container))


def above(found: t.Sequence[Usage], cpu: float, memory: float) -> t.List[Usage]:
    """Return those that use at least so much of one or the other."""
    return [one for one in found if one.cpu >= cpu or one.memory >= memory]


def _by_socket(docker: Docker, path: str, running: t.Sequence[Container]) -> t.List[Usage]:
    def look(container: str) -> t.Tuple[float, int, int, int]:
        stats = _engine_socket.stats(path, container)
        spent = int(stats["cpu_stats"]["cpu_usage"]["total_usage"])
        limit = int(stats["memory_stats"].get("limit") or 0)
        return time.monotonic(), spent, _engine_socket.memory_of(stats), limit

    ids = [c.id for c in running]
    before = docker.each(look, ids)
    time.sleep(_BETWEEN)
    found = []
    for container, first, last in zip(running, before, docker.each(look, ids)):
        seconds = last[0] - first[0]
        cpu = max(0.0, (last[1] - first[1]) / 1e9 / seconds * _PERCENT)
        share = last[2] / last[3] * _PERCENT if last[3] else 0.0
        found.append(Usage(container.service, container.name, round(cpu, 2), round(share, 2), last[2]))
    return found


def _by_stats(docker: Docker, containers: t.Sequence[Container]) -> t.List[Usage]:
    running = {c.name: c for c in containers}
    found = []
    for line in docker.run("stats", "--no-stream", "--format", "{{json .}}", *sorted(running)).splitlines():
        entry = json.loads(line) if line.strip() else {}
        container = running.get(str(entry.get("Name")))
        if container is not None:
            cpu, memory = _percent(entry.get("CPUPerc")), _percent(entry.get("MemPerc"))
            found.append(Usage(container.service, container.name, cpu, memory, memory_of(entry)))
    return found


def _percent(text: t.Any) -> float:
    try:
        return float(str(text).strip().rstrip("%"))
    except ValueError:
        # The engine writes "--" of a container that has just ended.
        return 0.0
