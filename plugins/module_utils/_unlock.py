# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Takes a lease away: from a run that died, or from one that is to stop now. It is said why, and written down."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _leftovers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Journal
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Holder, Lease, Lock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

ACTION = "unlock"
Result = t.Dict[str, t.Any]


def unlock(
    app_dir: t.Optional[Path], run: Run, *, of_run: t.Optional[str], mark: t.Optional[str], check: bool = False
) -> Result:
    """End what the run with *mark* left at work, and take the lease of the app in *app_dir* away.

    With *of_run* only that run's lease is taken, and no reason is needed: it is its own operator who stopped it. A live
    lease of anybody else is taken with a reason only.
    """
    ended = _leftovers.end(mark) if mark and not check else []
    notes = [f"Ended {one}, which the stopped run had left at work." for one in ended]
    if app_dir is None:
        return _result(bool(ended), "Nothing of the stopped run is at work here any more.", notes, check)
    if not app_dir.is_dir():
        raise BadInputError(f"There is no folder {app_dir} on this host.", next_step="check hotfix_app_dir.")
    clock = Clock()
    lease = Lease(app_dir, clock)
    last = lease.last()
    if last is None or not last.held:
        return _result(bool(ended), "Nobody holds the lease.", notes, check)
    if of_run and last.run != of_run:
        notes.append(f"The lease is held by another run, and was left alone: {last.says()}.")
        return _result(bool(ended), "The stopped run does not hold the lease.", notes, check)
    lives = lease.holder() is not None
    if lives and not of_run and not run.reason:
        raise HotfixError(
            f"The lease is live: {last.says()}.",
            code="refused",
            next_step="talk to them and wait, or take it away with a reason, which is recorded.",
        )
    why = run.reason or ("its run was stopped" if of_run else "it had run out")
    if check:
        return _result(True, f"Would take the lease away from {last.says()}: {why}.", notes, check)
    _take_away(app_dir, clock, run, last, why, notes)
    return _result(True, f"The lease was taken away from {last.says()}: {why}.", notes, check)


def _take_away(app_dir: Path, clock: Clock, run: Run, last: Holder, why: str, notes: t.List[str]) -> None:
    lease, journal = Lease(app_dir, clock), Journal(app_dir / "journal.jsonl", clock)
    # From here on whoever had it changes nothing any more.
    taken = lease.take(owner=run.owner, run=run.id, action=ACTION, takeover=True)
    try:
        journal.append(
            {
                "run": run.id,
                "owner": run.owner,
                "fencing": taken.fencing,
                "action": ACTION,
                "step": "note",
                "text": f"The lease was taken away from {last.says()}: {why}.",
                "taken_over": last.run,
                "held_by": last.owner,
                "held_since": last.since,
            }
        )
        # A command of theirs may still be at work: it is waited for, and ended.
        with Lock(app_dir, clock).held(on_end=notes.append):
            pass
    finally:
        lease.release(taken.fencing)


def _result(changed: bool, summary: str, notes: t.List[str], check: bool) -> Result:
    outcome = "planned" if check else "done" if changed else "unchanged"
    return {"changed": changed, "outcome": outcome, "summary": summary, "notes": notes}
