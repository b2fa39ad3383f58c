# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One module call that may change a host: lease, lock, heartbeat, and a journal line around every step."""

from __future__ import annotations

import contextlib
import errno
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, lost_link
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Entry
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Heartbeat, Taken
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

_RESERVE = "reserve"
#: Enough for a rollback's journal lines, records and lease on a disk that is full.
_RESERVE_BYTES = 256 * 1024


class Session:
    """What the steps of a change need. Made by :func:`opened`."""

    def __init__(self, host: Host, run: Run, action: str, fencing: int) -> None:
        self.host = host
        self.run = run
        self.action = action
        self.fencing = fencing
        self.steps: t.List[t.Dict[str, t.Any]] = []
        self.notes: t.List[str] = []
        #: The journal's line of the turn that the host's own script made for this run, if it did.
        self.turned: t.Optional[Entry] = None

    def require(self) -> None:
        """Raise unless the lease is still ours. Long waits call this, and whatever is about to change something."""
        self.host.lease.require(self.fencing)

    @contextlib.contextmanager
    def step(self, name: str, *, mutates: bool = True, **detail: t.Any) -> t.Iterator[None]:
        """Check the fencing number, journal that the step begins, run it, journal how it ended.

        A step that *mutates* holds the lock. One that does not, such as a pull, keeps nobody waiting.
        """
        if not mutates:
            with self._recorded(name, detail):
                yield
            return
        docker, lock = self.host.docker, self.host.lock
        try:
            with lock.held(on_end=self.note):
                docker.lock_descriptor = lock.descriptor
                with self._recorded(name, detail):
                    yield
                # Only now: nobody is to wait for it.
                with contextlib.suppress(OSError):
                    self.host.journal.shorten()
        finally:
            docker.lock_descriptor = lock.descriptor

    @contextlib.contextmanager
    def _recorded(self, name: str, detail: t.Mapping[str, t.Any]) -> t.Iterator[None]:
        host = self.host
        self.require()
        common = {
            "run": self.run.id,
            "owner": self.run.owner,
            "fencing": self.fencing,
            "action": self.action,
            "step": name,
            **({"reason": self.run.reason} if self.run.reason else {}),
            **detail,
        }
        host.journal.append({**common, "phase": "begin"})
        started = host.clock.steady()

        def ending(outcome: str) -> t.Dict[str, t.Any]:
            seconds = round(host.clock.steady() - started, 3)
            self.steps.append({"step": name, "seconds": seconds, "outcome": outcome})
            return {**common, "phase": "end", "outcome": outcome, "seconds": seconds}

        try:
            yield
        except BaseException as exc:
            why = host.mask().text(exc.what) if isinstance(exc, HotfixError) else type(exc).__name__
            # The reason that it failed is worth more than a line about it, should the disk be full.
            with contextlib.suppress(OSError):
                host.journal.append({**ending("failed"), "why": why})
            raise
        host.journal.append(ending("done"))

    def note(self, text: str, **detail: t.Any) -> None:
        """Record a fact that is no step, and tell the operator."""
        self.notes.append(text)
        self.host.journal.append(
            {"run": self.run.id, "owner": self.run.owner, "action": self.action, "step": "note", "text": text, **detail}
        )

    def release_lease(self) -> None:
        """Give the lease back: the run has no more to do on this host."""
        self.host.lease.release(self.fencing)

    def park_lease(self, seconds: float) -> None:
        """Keep the lease for the run's next task, which comes within *seconds*."""
        self.host.lease.park(self.fencing, seconds)


@contextlib.contextmanager
def opened(host: Host, run: Run, action: str, *, resumes: bool) -> t.Iterator[Session]:
    """Take the lease for one module call, or go on with the one that this run has (*resumes*).

    The lease outlives the call unless the session gives it back.
    """
    if not host.app.app_dir.is_dir():
        raise BadInputError(f"There is no folder {host.app.app_dir} on this host.", next_step="check hotfix_app_dir.")
    freed = False
    try:
        taken = _take(host, run, action, resumes)
    except OSError as exc:
        if exc.errno != errno.ENOSPC or not _free_reserve(host):
            raise
        freed = True
        taken = _take(host, run, action, resumes)
    host.docker.sweep_logins(host.app.app_dir)
    with Heartbeat(host.lease, taken.fencing):
        session = Session(host, run, action, taken.fencing)
        if freed:
            session.note("The disk is full: the room that was kept for this was used.")
        else:
            _keep_reserve(host)
        if taken.taken_over is not None:
            session.note(
                f"The lease was taken over from {taken.taken_over.says()}: {taken.reason}.",
                taken_over=taken.taken_over.run,
                held_by=taken.taken_over.owner,
                held_since=taken.taken_over.since,
            )
        yield session


def _take(host: Host, run: Run, action: str, resumes: bool) -> Taken:
    if resumes:
        return host.lease.resume(owner=run.owner, run=run.id, action=action)
    return host.lease.take(owner=run.owner, run=run.id, action=action, takeover=run.takeover)


def _keep_reserve(host: Host) -> None:
    path = host.app.app_dir / _RESERVE
    if not path.exists():
        with contextlib.suppress(OSError):
            _files.write_text(path, "\n" * _RESERVE_BYTES)


def _free_reserve(host: Host) -> bool:
    try:
        (host.app.app_dir / _RESERVE).unlink()
    except OSError:
        return False
    return True


def mend_link(session: Session) -> None:
    """Have the link to the current release lead there again where it was lost."""
    lost = lost_link(session.host)
    if lost is None:
        return
    with session.step("mend_link", release=lost.id):
        session.host.releases.repair_current()
    session.note(f"The link to the current release was lost; it leads to {lost.id} again.")
