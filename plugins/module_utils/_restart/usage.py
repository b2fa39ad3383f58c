# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""How much CPU and memory the services use, as the engine measures it."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host


class Usage(t.NamedTuple):
    """What one container uses: percent of one CPU, and percent of the memory that it may use."""

    service: str
    container: str
    cpu: float
    memory: float

    def says(self) -> str:
        """Return it in words."""
        return f"{self.container} uses {self.cpu:.1f} % of a CPU and {self.memory:.1f} % of its memory"


def measure(host: Host, containers: t.Sequence[Container]) -> t.List[Usage]:
    """Return what each of *containers* that runs uses now. It takes the engine about two seconds."""
    running = {c.name: c for c in containers if c.running}
    if not running:
        return []
    raw = host.docker.run("stats", "--no-stream", "--format", "{{json .}}", *sorted(running))
    found = []
    for line in raw.splitlines():
        entry = json.loads(line) if line.strip() else {}
        container = running.get(str(entry.get("Name")))
        if container is not None:
            cpu, memory = _percent(entry.get("CPUPerc")), _percent(entry.get("MemPerc"))
            found.append(Usage(container.service, container.name, cpu, memory))
    return sorted(found, key=lambda one: (-one.cpu, -one.memory, one.container))


def _percent(text: t.Any) -> float:
    try:
        return float(str(text).strip().rstrip("%"))
    except ValueError:
        # The engine writes "--" of a container that has just ended.
        return 0.0


def above(found: t.Sequence[Usage], cpu: float, memory: float) -> t.List[Usage]:
    """Return those that use at least so much of one or the other."""
    return [one for one in found if one.cpu >= cpu or one.memory >= memory]
