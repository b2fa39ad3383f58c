# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Whether a second colour fits beside the one that runs: memory, and connections to the database."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.headroom import headroom
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

_MEBI = 1024 * 1024
#: A release just started may need some more than the one that runs now.
_MARGIN = 1.2
_UNITS = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3, "TIB": 1024**4}
_AMOUNT = re.compile(r"([0-9.]+)\s*([A-Za-z]+)")
#: The way out that an error names at its end, where there is not enough for two.
ADVICE = "or deploy with -e hotfix_strategy=recreate, which runs one at a time (the app is away while it boots)."


#: Tells how many bytes of memory some containers use together.
Used = t.Callable[[Host, t.Sequence[str]], int]


def used_by_stats(host: Host, ids: t.Sequence[str]) -> int:
    """Return what ``docker stats`` tells, which takes it two seconds."""
    return sum(memory_of(line) for line in _stats(host, ids))


def require(host: Host, used: Used = used_by_stats) -> t.List[str]:
    """Raise where a second colour does not fit; return what could not be looked at."""
    return [*_require_memory(host, used), *_require_connections(host)]


def _require_memory(host: Host, used: Used) -> t.List[str]:
    live = host.live_slot()
    ids = [
        c.id
        for c in host.docker.containers(host.app.project)
        if c.slot == live and c.service in host.app.services and c.running
    ]
    free = _available()
    if free is None or not ids:
        return ["Whether the memory is enough for two releases could not be looked at."]
    needed = int(_MARGIN * used(host, ids))
    if free < needed:
        raise HotfixError(
            f"{free // _MEBI} MB of memory are free, and a second release may need {needed // _MEBI} MB "
            "(what the one that runs uses now, and a fifth more).",
            next_step=f"make room on the host, {ADVICE}",
        )
    return []


def _stats(host: Host, ids: t.Sequence[str]) -> t.List[t.Dict[str, t.Any]]:
    raw = host.docker.run("stats", "--no-stream", "--format", "{{json .}}", *ids)
    return [json.loads(line) for line in raw.splitlines() if line.strip()]


def memory_of(stats: t.Mapping[str, t.Any]) -> int:
    """Return the bytes of memory that a line of ``docker stats`` tells, as ``12.5MiB / 1GiB``."""
    match = _AMOUNT.match(str(stats.get("MemUsage") or ""))
    return int(float(match.group(1)) * _UNITS.get(match.group(2).upper(), 1)) if match else 0


def _available() -> t.Optional[int]:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None


def _require_connections(host: Host) -> t.List[str]:
    if host.app.database is None:
        return []
    found = headroom(host)
    if found is None:
        return ["How many connections the database has left could not be looked at."]
    if found.used + found.of_app > found.maximum:
        raise HotfixError(
            f"The database has {found.used} of {found.maximum} connections in use, {found.of_app} of them by this app, "
            "and a second release may need as many again.",
            next_step=f"raise max_connections, {ADVICE}",
        )
    return []
