# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One change at a time: who may change the app on this host.

Two things guard it. The *lease* (``lease.json``) says who is in charge across the tasks of a run; it has a
heartbeat and a fencing number that grows with every taking and is checked before every mutation. The *lock*
(``flock``) is held by a process only while it really changes something, and dies with it; the programs it
starts inherit it, so a killed module's last command ends before the next run's first one begins.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import typing as t
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock, parse, stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

#: Seconds without a heartbeat after which a lease no longer counts as held. It bridges the gaps between the
#: tasks of one run, in which no process of ours is on the host.
LEASE_TTL = 120.0
HEARTBEAT_INTERVAL = 10.0
#: Seconds to wait for a fenced-out process to finish the one command it is in.
LOCK_TIMEOUT = 90.0


@dataclass(frozen=True)
class Holder:
    """Who holds, or last held, the lease."""

    owner: str
    run: str
    action: str
    since: str
    heartbeat: str
    fencing: int
    held: bool

    def says(self) -> str:
        """Return the holder in words."""
        return f"{self.owner} ({self.action}, run {self.run}, since {self.since}, last sign of life {self.heartbeat})"


@dataclass(frozen=True)
class Taken:
    """A lease that was taken, and from whom it was taken over (``None`` when it was free)."""

    fencing: int
    taken_over: t.Optional[Holder]
    reason: t.Optional[str]


class Lease:
    """``lease.json`` of an app."""

    def __init__(self, app_dir: Path, clock: Clock) -> None:
        self._path = app_dir / "lease.json"
        self._mutex = app_dir / "lease.lock"
        self._clock = clock

    def holder(self) -> t.Optional[Holder]:
        """Return who holds the lease now; ``None`` when it is free or its heartbeat is too old."""
        last = self._read()
        return last if last is not None and last.held and not self._expired(last) else None

    def take(self, *, owner: str, run: str, action: str, takeover: bool) -> Taken:
        """Take the lease, or raise an error that names the holder.

        The same owner takes it again at once: that is how a killed run is resumed. An expired one is free.
        """
        with self._exclusive():
            last = self._read()
            reason = None
            if last is not None and last.held and last.run != run:
                if self._expired(last):
                    reason = "no sign of life"
                elif last.owner == owner:
                    reason = "same owner"
                elif takeover:
                    reason = "taken over by the operator"
                else:
                    raise HotfixError(
                        f"Somebody else is changing this app: {last.says()}.",
                        code="refused",
                        next_step="talk to them and wait, or take over with -e takeover=true (it is recorded).",
                    )
            now = stamp(self._clock.now())
            same_run = last is not None and last.held and last.run == run
            # A task of the same run keeps its number; everybody else gets the next one, which fences out the last.
            fencing = (last.fencing if last else 0) + (0 if same_run else 1)
            since = last.since if last is not None and same_run else now
            self._write(Holder(owner, run, action, since, now, fencing, True))
            return Taken(fencing, last if reason else None, reason)

    def beat(self, fencing: int) -> bool:
        """Renew the heartbeat; false when somebody else has taken the lease."""
        with self._exclusive():
            last = self._read()
            if last is None or not last.held or last.fencing != fencing:
                return False
            self._write(Holder(**{**asdict(last), "heartbeat": stamp(self._clock.now())}))
            return True

    def require(self, fencing: int) -> None:
        """Raise unless the lease is still the one with this fencing number."""
        last = self._read()
        if last is None or not last.held or last.fencing != fencing:
            raise HotfixError(
                f"This run lost the lease: {last.says() if last else 'its record is gone'}.",
                code="refused",
                next_step="leave the host to the run that took over; see playbooks/release_info.yml.",
                left="This run stopped before its next change.",
            )

    def release(self, fencing: int) -> None:
        """Give the lease back; somebody else's is left alone. The number is kept, so that it only ever grows."""
        with self._exclusive():
            last = self._read()
            if last is not None and last.held and last.fencing == fencing:
                self._write(Holder(**{**asdict(last), "held": False, "heartbeat": stamp(self._clock.now())}))

    def _expired(self, holder: Holder) -> bool:
        age = (self._clock.now() - _moment(holder.heartbeat)).total_seconds()
        # A heartbeat from the future is a clock that was set back: not proof of life for ever.
        return age > LEASE_TTL or age < -LEASE_TTL

    def _read(self) -> t.Optional[Holder]:
        data = _files.read_json(self._path)
        try:
            holder = Holder(**data)
            _moment(holder.heartbeat)
        except (TypeError, ValueError):
            return None
        return holder

    def _write(self, holder: Holder) -> None:
        _files.write_json(self._path, asdict(holder))

    @contextlib.contextmanager
    def _exclusive(self) -> t.Iterator[None]:
        descriptor = os.open(str(self._mutex), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _moment(text: str) -> datetime:
    return parse(text)


class Heartbeat:
    """A thread that renews a lease while a long step runs, and notices when it is lost."""

    def __init__(self, lease: Lease, fencing: int, interval: float = HEARTBEAT_INTERVAL) -> None:
        self._lease = lease
        self._fencing = fencing
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                if not self._lease.beat(self._fencing):
                    return
            except OSError:
                # A full disk must not end the rescue; the fencing check before each mutation still decides.
                continue


class Lock:
    """The mutation lock of an app. :attr:`descriptor` is passed on to the programs that mutate."""

    def __init__(self, app_dir: Path, clock: Clock) -> None:
        self._path = app_dir / "lock"
        self._clock = clock
        self.descriptor = -1

    @contextlib.contextmanager
    def held(self, timeout: float = LOCK_TIMEOUT) -> t.Iterator[None]:
        """Hold the lock; raise when a process of an earlier run keeps it longer than *timeout* seconds."""
        self.descriptor = os.open(str(self._path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = self._clock.steady() + timeout
            while not self._try():
                if self._clock.steady() >= end:
                    raise HotfixError(
                        f"A process of an earlier run still changes this app after {timeout:.0f} s.",
                        code="refused",
                        next_step=f"see who has {self._path} open (fuser -v {self._path}), end it, and run this again.",
                    )
                self._clock.sleep(0.1)
            yield
        finally:
            os.close(self.descriptor)
            self.descriptor = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
