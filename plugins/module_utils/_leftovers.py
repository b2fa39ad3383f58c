# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a run that was stopped on the controller has left at work on this host: found by its mark, and ended.

Whoever starts a run may put a mark into the environment that its SSH sessions pass on. What they started has it, and so
has all that was started from there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import typing as t
from pathlib import Path

#: Seconds that processes get to end when they are told to.
GRACE = 3.0
MARK = "LC_HOTFIX_RUN"
#: The host's own way back: its timer is no leftover, and a turn that has begun ends by itself.
_SPARED = "/switch-back"


class Process(t.NamedTuple):
    """A process, with the time of its start, which tells it from a later one of the same number."""

    pid: int
    parent: int
    started: str
    name: str


def find(mark: str, proc: Path = Path("/proc")) -> t.List[Process]:
    """Return the processes of this user that bear *mark*, but for this one, those above it, and the host's way back."""
    marked: t.Dict[int, Process] = {}
    parents: t.Dict[int, int] = {}
    spared: t.Set[int] = set()
    wanted = f"{MARK}={mark}".encode()
    for entry in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            found = _read(entry)
            parents[found.pid] = found.parent
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if any(word.endswith(_SPARED.encode()) for word in words):
                spared.add(found.pid)
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                marked[found.pid] = found
    ours = _above(os.getpid(), parents)
    return [one for one in marked.values() if one.pid not in ours and not spared & _above(one.pid, parents)]


def end(mark: str, grace: float = GRACE) -> t.List[str]:
    """End them, told first and then killed; return them in words."""
    known: t.Dict[int, Process] = {}
    for number in (signal.SIGTERM, signal.SIGKILL):
        found = find(mark)
        known.update({one.pid: one for one in found})
        for one in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one.pid, number)
        until = time.monotonic() + grace
        while find(mark) and time.monotonic() < until:
            time.sleep(0.05)
    return [f"{one.name} (process {one.pid})" for one in known.values()]


def _read(entry: Path) -> Process:
    head, _parenthesis, tail = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
    fields = tail.split()
    if fields[0] == "Z":
        raise ValueError("it has ended already")
    return Process(int(entry.name), int(fields[1]), fields[19], head.partition("(")[2])


def _above(pid: int, parents: t.Mapping[int, int]) -> t.Set[int]:
    """Return *pid* and all that it came from."""
    found: t.Set[int] = set()
    while pid > 1 and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found
