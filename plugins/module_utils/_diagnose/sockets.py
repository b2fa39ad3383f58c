# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Open connections of the services, from the kernel's own tables in the network of each container.

A WebSocket is a connection that stays. What is there at both of two looks half a second apart, and does not come from
within the container, is counted; a connection that a client keeps for its next request is counted as well.
"""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found, SkippedError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container

_ESTABLISHED, _LISTEN = "01", "0A"
#: Seconds between the two looks.
_BETWEEN = 0.5
#: ::1, and how an address of IPv4 begins within IPv6; the kernel turns the bytes of each word round.
_V6_LOOPBACK = "00000000000000000000000001000000"
_V4_IN_V6 = "0000000000000000FFFF0000"

Key = t.Tuple[str, str]


class Table(t.NamedTuple):
    """The ports that are listened at, and the connections to them from elsewhere, by both ends, each with its port."""

    listening: t.FrozenSet[int]
    inbound: t.Mapping[Key, int]


def read(texts: t.Iterable[str]) -> Table:
    """Read what the kernel has in ``/proc/net/tcp`` and ``tcp6``."""
    rows = [line.split() for text in texts for line in text.splitlines()[1:] if line.strip()]
    listening = frozenset(_port(row[1]) for row in rows if row[3] == _LISTEN)
    inbound = {
        (row[1], row[2]): _port(row[1])
        for row in rows
        if row[3] == _ESTABLISHED and _port(row[1]) in listening and not _is_local(row[2])
    }
    return Table(listening, inbound)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _is_local(address: str) -> bool:
    number = address.rpartition(":")[0]
    last = number[-8:]
    return number == _V6_LOOPBACK or (last.endswith("7F") and number in (last, _V4_IN_V6 + last))


def look(containers: t.Sequence[Container], websockets: t.Sequence[str], proc: Path = Path("/proc")) -> Found:
    """Count the connections that stay, of every one of *containers* that runs; *websockets* names their services."""
    running = [one for one in containers if one.running and one.pid]
    if not running:
        raise SkippedError("No container runs.")
    before = [_table(proc, one) for one in running]
    time.sleep(_BETWEEN)
    services: t.Dict[str, t.Dict[str, t.Any]] = {}
    for one, first, last in zip(running, before, [_table(proc, one) for one in running]):
        stay = [port for key, port in last.inbound.items() if key in first.inbound]
        ports = services.setdefault(one.service, {"open": 0, "ports": {}, "websockets": one.service in websockets})
        ports["open"] += len(stay)
        for port in stay:
            ports["ports"][str(port)] = ports["ports"].get(str(port), 0) + 1
    told = sum(one["open"] for one in services.values() if one["websockets"])
    return {"services": services, "websockets": told if any(one["websockets"] for one in services.values()) else None}


def _table(proc: Path, container: Container) -> Table:
    folder = proc / str(container.pid) / "net"
    texts = [(folder / "tcp").read_text(encoding="ascii")]
    if (folder / "tcp6").exists():
        texts.append((folder / "tcp6").read_text(encoding="ascii"))
    return read(texts)
