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
import signal
import threading
import typing as t
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock, parse, stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

#: Seconds that a lease is held after the last heartbeat of a running task. Between the tasks of a run no process of
#: ours is on the host, so a task that others follow leaves it held for longer, see :meth:`Lease.park`.
LEASE_TTL = 60.0
HEARTBEAT_INTERVAL = 10.0
#: Seconds that a fenced-out process gets to stop by itself, and after it was told to.
LOCK_PATIENCE = 10.0
LOCK_TIMEOUT = 60.0


@dataclass(frozen=True)
class Holder:
    """Who holds, or last held, the lease."""

    owner: str
    run: str
    action: str
    since: str
    heartbeat: str
    expires: str
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

    def last(self) -> t.Optional[Holder]:
        """Return who holds the lease, or held it last, however old its heartbeat is."""
        return self._read()

    def take(self, *, owner: str, run: str, action: str, takeover: bool) -> Taken:
        """Take the lease at the begin of a change, or raise an error that names the holder.

        The same owner takes it again at once: that is how a killed run is resumed. One that ran out is free.
        """
        with self._exclusive():
            last = self._read()
            reason = None
            if last is not None and last.held and last.run != run:
                if self._expired(last):
                    reason = "it had run out"
                elif last.action == "switch_back" and not self._is_locked():
                    # The script on the host holds the lock for as long as it works: this one was killed.
                    reason = "it was left behind"
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
            fencing = self._next_number(last)
            self._write(self._made(owner, run, action, fencing))
            return Taken(fencing, last if reason else None, reason)

    def resume(self, *, owner: str, run: str, action: str) -> Taken:
        """Go on with the lease that an earlier task of the same run took, or raise: it may be somebody else's by now.

        The number grows all the same: a task whose connection was lost may still be at work.
        """
        with self._exclusive():
            last = self._read()
            if last is None or not last.held or last.run != run:
                raise self._lost(last)
            fencing = self._next_number(last)
            self._write(replace(self._made(owner, run, action, fencing), since=last.since))
            return Taken(fencing, None, None)

    def _made(self, owner: str, run: str, action: str, fencing: int) -> Holder:
        now = stamp(self._clock.now())
        return Holder(owner, run, action, now, now, self._in(LEASE_TTL), fencing, True)

    def _next_number(self, last: t.Optional[Holder]) -> int:
        if last is not None:
            return last.fencing + 1
        # No record, or one that cannot be read: seconds are more than any number that was counted up to.
        return int(self._clock.now().timestamp()) if self._path.exists() else 1

    def _in(self, seconds: float) -> str:
        return stamp(self._clock.now() + timedelta(seconds=seconds))

    def park(self, fencing: int, seconds: float) -> None:
        """Leave the lease held for *seconds* although the task ends: others of the same run follow."""
        with self._exclusive():
            last = self._read()
            if last is not None and last.held and last.fencing == fencing:
                self._write(replace(last, heartbeat=stamp(self._clock.now()), expires=self._in(seconds)))

    def beat(self, fencing: int) -> bool:
        """Renew the heartbeat; false when somebody else has taken the lease."""
        with self._exclusive():
            last = self._read()
            if last is None or not last.held or last.fencing != fencing:
                return False
            self._write(replace(last, heartbeat=stamp(self._clock.now()), expires=self._in(LEASE_TTL)))
            return True

    def require(self, fencing: int) -> None:
        """Raise unless the lease is still the one with this fencing number."""
        last = self._read()
        if last is None or not last.held or last.fencing != fencing:
            raise self._lost(last)

    def _is_locked(self) -> bool:
        descriptor = os.open(str(self._path.with_name("lock")), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _lost(self, last: t.Optional[Holder]) -> HotfixError:
        return HotfixError(
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
                self._write(replace(last, held=False, heartbeat=stamp(self._clock.now())))

    def _expired(self, holder: Holder) -> bool:
        now = self._clock.now()
        # A sign of life from the future is a clock that was set back: it does not hold the lease for ever.
        return now > parse(holder.expires) or now < parse(holder.heartbeat) - timedelta(seconds=LEASE_TTL)

    def _read(self) -> t.Optional[Holder]:
        data = _files.read_json(self._path)
        try:
            holder = Holder(**{name: data[name] for name in Holder.__dataclass_fields__})
            parse(holder.heartbeat)
            parse(holder.expires)
        except (TypeError, ValueError, KeyError):
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
        self._depth = 0
        self.descriptor = -1

    @contextlib.contextmanager
    def held(
        self, timeout: float = LOCK_TIMEOUT, on_end: t.Optional[t.Callable[[str], None]] = None
    ) -> t.Iterator[None]:
        """Hold the lock; may be nested.

        Whoever has it longer than a moment lost the lease to us, or we would not be here: it checks its number
        several times a second, so only a command that it left behind can still be at work. That is ended, and
        *on_end* is told; raise when it is there all the same after *timeout* seconds.
        """
        if self._depth == 0:
            self.descriptor = os.open(str(self._path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._depth += 1
        try:
            if self._depth == 1:
                self._acquire(timeout, on_end)
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                os.close(self.descriptor)
                self.descriptor = -1

    def _acquire(self, timeout: float, on_end: t.Optional[t.Callable[[str], None]]) -> None:
        began = self._clock.steady()
        told = False
        while not self._try():
            waited = self._clock.steady() - began
            if waited >= timeout:
                raise HotfixError(
                    f"A process of an earlier run still changes this app after {timeout:.0f} s.",
                    code="refused",
                    next_step=f"see who has {self._path} open (fuser -v {self._path}), end it, and run this again.",
                )
            if waited >= LOCK_PATIENCE and not told:
                told = True
                for process, name in self._others():
                    os.kill(process, signal.SIGTERM)
                    if on_end is not None:
                        on_end(f"Ended {name} (process {process}), which an earlier run had left behind.")
            self._clock.sleep(0.1)

    def _others(self) -> t.List[t.Tuple[int, str]]:
        """Return the processes of this user that have the lock open, but for our own."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if int(entry.name) != os.getpid() and any(
                    os.readlink(str(item)) == str(self._path) for item in (entry / "fd").iterdir()
                ):
                    found.append((int(entry.name), (entry / "comm").read_text(encoding="utf-8").strip()))
            except OSError:
                continue
        return found

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
