# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One module call that may change a host: lease, lock, heartbeat, and a journal line around every step."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Heartbeat
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run


class Session:
    """What the steps of a change need. Made by :func:`opened`."""

    def __init__(self, host: Host, run: Run, action: str, fencing: int) -> None:
        self.host = host
        self.run = run
        self.action = action
        self.fencing = fencing
        self.steps: t.List[t.Dict[str, t.Any]] = []
        self.notes: t.List[str] = []

    @contextlib.contextmanager
    def step(self, name: str, **detail: t.Any) -> t.Iterator[None]:
        """Check the fencing number, journal that the step begins, run it, journal how it ended."""
        host = self.host
        host.lease.require(self.fencing)
        common = {
            "run": self.run.id,
            "owner": self.run.owner,
            "fencing": self.fencing,
            "action": self.action,
            "step": name,
            **detail,
        }
        host.journal.append({**common, "phase": "begin"})
        started = host.clock.steady()
        outcome, why = "done", None
        try:
            yield
        except HotfixError as exc:
            outcome, why = "failed", host.mask().text(exc.what)
            raise
        except BaseException as exc:
            outcome, why = "failed", type(exc).__name__
            raise
        finally:
            seconds = round(host.clock.steady() - started, 3)
            self.steps.append({"step": name, "seconds": seconds, "outcome": outcome})
            ending = {**common, "phase": "end", "outcome": outcome, "seconds": seconds}
            host.journal.append({**ending, "why": why} if why else ending)

    def note(self, text: str, **detail: t.Any) -> None:
        """Record a fact that is no step, and tell the operator."""
        self.notes.append(text)
        self.host.journal.append(
            {"run": self.run.id, "owner": self.run.owner, "action": self.action, "step": "note", "text": text, **detail}
        )

    def release_lease(self) -> None:
        """Give the lease back: the run has no more to do on this host."""
        self.host.lease.release(self.fencing)


@contextlib.contextmanager
def opened(host: Host, run: Run, action: str) -> t.Iterator[Session]:
    """Take the lease and the lock for one module call.

    The lease outlives the call (the run's next task goes on with it) unless the session gives it back.
    """
    app_dir = host.app.app_dir
    if not app_dir.is_dir():
        raise BadInputError(f"There is no folder {app_dir} on this host.", next_step="check hotfix_app_dir.")
    try:
        taken = host.lease.take(owner=run.owner, run=run.id, action=action, takeover=run.takeover)
    except OSError as exc:
        raise HotfixError(
            f"The state of the app cannot be written: {exc.strerror} ({exc.filename or app_dir}).",
            next_step=f"make room on the disk, or let the SSH user write to {app_dir}.",
        ) from exc
    with Heartbeat(host.lease, taken.fencing), host.lock.held():
        host.docker.lock_descriptor = host.lock.descriptor
        try:
            session = Session(host, run, action, taken.fencing)
            if taken.taken_over is not None:
                session.note(
                    f"The lease was taken over from {taken.taken_over.says()}: {taken.reason}.",
                    taken_over=taken.taken_over.run,
                )
            yield session
        finally:
            host.docker.lock_descriptor = -1
