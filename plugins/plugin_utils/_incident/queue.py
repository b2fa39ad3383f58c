# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A queue for each channel of an incident: what was sent first is told first, and nothing is told twice at once.

A ticket is a file that is locked as long as its owner lives; its name has the time at which it was taken. The lock goes
with the descriptor from the process that takes the ticket to the one that uses it, and no death leaves it behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
import typing as t

_FOLDER = ".notify"
_WIDTH = 20


class Ticket(t.NamedTuple):
    """A place in the queue."""

    name: str
    descriptor: int


def take(folder: str, channel: str) -> Ticket | None:
    """Take a place in the queue of *channel*; none where the folder cannot be written."""
    where = os.path.join(folder, _FOLDER)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(where, 0o700)
        # Not the time of day: that can go back.
        name = f"{_of(channel)}-{time.monotonic_ns():0{_WIDTH}d}-{os.urandom(3).hex()}"
        unborn = os.path.join(where, f".{name}")
        descriptor = os.open(unborn, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Others see it once it is locked: one without a lock is taken for that of a process that died.
        os.rename(unborn, os.path.join(where, name))
    except OSError:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(unborn)
        return None
    return Ticket(name, descriptor)


def wait(folder: str, name: str, seconds: float) -> bool:
    """Wait until nobody is before us; tell whether that came about."""
    where = os.path.join(folder, _FOLDER)
    until = time.monotonic() + seconds
    while True:
        if not _before(where, name):
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)


def leave(folder: str, name: str) -> None:
    """Give the place up."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(folder, _FOLDER, name))


def _before(where: str, name: str) -> bool:
    queue = name.partition("-")[0]
    try:
        before = [one for one in os.listdir(where) if one.partition("-")[0] == queue and one < name]
    except OSError:
        return False
    return any(_alive(os.path.join(where, one)) for one in before)


def _alive(path: str) -> bool:
    """Tell whether a ticket has an owner; where it has none, it is removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        os.unlink(path)
    return False


def _of(channel: str) -> str:
    return hashlib.sha256(channel.encode()).hexdigest()[:16]
