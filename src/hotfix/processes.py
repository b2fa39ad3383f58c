# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes below this one: ansible-playbook, its workers, and the programs that they started.

The runner kills one process group. Ansible's workers are in groups of their own, so they and their SSH clients would
live on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

#: Seconds that they get to end by themselves.
GRACE = 1.0


def below(root: int) -> dict[int, str]:
    """Return all descendants of *root* with the time each was started, which tells a process from a later one."""
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            # The name, in parentheses, may hold anything.
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append((int(entry.name), fields[19]))
    found: dict[int, str] = {}
    waiting = [root]
    while waiting:
        for pid, started in children.get(waiting.pop(), []):
            found[pid] = started
            waiting.append(pid)
    return found


def end(root: int, grace: float = GRACE) -> None:
    """End everything below *root*: asked first, then killed. What has detached itself is left alone."""
    known = below(root)
    _signal(known, signal.SIGTERM)
    until = time.monotonic() + grace
    while (living := _living(known)) and time.monotonic() < until:
        time.sleep(0.02)
    _signal({**living, **below(root)}, signal.SIGKILL)


def _living(known: dict[int, str]) -> dict[int, str]:
    found = {}
    for pid, started in known.items():
        with contextlib.suppress(OSError, IndexError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            fields = text.rpartition(")")[2].split()
            if fields[0] != "Z" and fields[19] == started:
                found[pid] = started
    return found


def _signal(processes: dict[int, str], number: signal.Signals) -> None:
    for pid in _living(processes):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
