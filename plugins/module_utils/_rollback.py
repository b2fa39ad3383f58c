# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Where a rollback goes, decided without touching anything, and the rollback itself."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Observation, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release, Releases
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._switch import back
from ansible_collections.pangeafate.hotfix.plugins.module_utils._verify import model_of, verify

#: How a release became current that must not be rolled back from by repeating the command.
_ARRIVED_BACK = {
    "rollback": "rolled back",
    "revert": "switched back automatically",
    "switch_back": "switched back on the host",
}


@dataclass(frozen=True)
class Decision:
    """What a rollback is to do.

    ``target`` is where it goes; ``source`` what it leaves, if that is known. ``change`` is false when the host is
    there already; ``why`` says it in words. ``requested`` says that the target was asked for by its ID.
    """

    target: Release
    source: t.Optional[Release]
    change: bool
    why: str
    requested: bool = False


def decide(releases: Releases, seen: Observation, requested: t.Optional[str]) -> Decision:
    """Decide where to go back to, or raise when there is nowhere."""
    if not seen.managed:
        raise HotfixError(
            "There is nothing to roll back to: this host is not under management, no release was ever recorded here.",
            code="nothing_to_do",
            next_step="record what runs (playbooks/adopt.yml), or deploy a version (playbooks/deploy.yml "
            "-e version=…).",
        )
    current = seen.current
    if requested:
        return _to_requested(releases, seen, requested)
    unfinished = seen.unfinished
    if unfinished is not None and unfinished.get("action") in ("rollback", "revert", "switch_back"):
        target = releases.find(unfinished.get("release"))
        if target is not None:
            source = releases.find(unfinished.get("came_from"))
            return Decision(target, source, True, f"Finishing the switch to {target.id} that an earlier run began.")
    if seen.attempted:
        target = _before_attempt(releases, seen)
        source = releases.find(seen.attempted)
        return Decision(
            target, source, True, f"The deploy of {seen.attempted} was never finished; back to {target.id}."
        )
    if current is not None and current.arrived_by in _ARRIVED_BACK:
        done = _ARRIVED_BACK[current.arrived_by]
        if not seen.drift:
            why = f"Already {done} from {current.came_from} to {current.id}; going further back needs -e release=ID."
            return Decision(current, None, False, why)
        return Decision(current, None, True, f"Already {done} to {current.id}, which no longer runs as it should.")
    target = releases.require_rollback_target(excluding=[current.id] if current else [])
    if current is None:
        return Decision(
            target, None, True, f"The record of the current release is lost; to the last good one, {target.id}."
        )
    return Decision(target, current, True, f"From {current.id} to the last known good release, {target.id}.")


def _to_requested(releases: Releases, seen: Observation, requested: str) -> Decision:
    target = releases.get(requested)
    if not target.live_number:
        raise BadInputError(
            f"Release {target.id} was never live here (it is {target.state}); a rollback only goes where the host was.",
            next_step="name a release that was live, or deploy the version.",
        )
    current = seen.current
    if current is not None and current.id == target.id and not seen.attempted:
        if seen.drift:
            return Decision(target, None, True, f"{target.id} is current but does not run as it should.")
        return Decision(target, None, False, f"Release {target.id} is already current.")
    source = releases.find(seen.attempted) if seen.attempted else current
    why = f"From {source.id if source else 'an unknown release'} to {target.id}, as asked."
    return Decision(target, source, True, why, requested=True)


def _before_attempt(releases: Releases, seen: Observation) -> Release:
    """Return where an unfinished deploy began: the current release, known good or not, unless it was left before."""
    current = seen.current
    if current is not None and current.id != seen.attempted and current.state in (_states.LIVE, _states.CONFIRMED):
        return current
    return releases.require_rollback_target(excluding=[seen.attempted] if seen.attempted else [])


def roll_back(session: Session, decision: Decision, seen: Observation) -> str:
    """Carry out a decision; return what was proven. Where nothing is to be changed, that is all that is done."""
    target, source = decision.target, decision.source
    if not decision.change:
        return verify(session, target, model_of(session, target))
    # Going forward again, by the ID of a newer release, does not make the older one a bad one.
    forward_again = decision.requested and source is not None and target.id > source.id
    why = session.run.reason or "rollback"
    return back(session, target, source, by="rollback", why=why, source_good=forward_again, containers=seen.containers)


def restored(session: Session, found: verdict.Verdict, seen: Observation) -> Observation:
    """Restore the database to what the target release knew, and return what is there afterwards.

    What writes to it is stopped just before the swap: the app is away until the target is switched to.
    """
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import restore

    host = session.host
    writers = [c.id for c in seen.containers if c.service in host.app.services and c.running]

    def before_swap() -> None:
        host.docker.stop(writers, timeout=host.app.stop_timeout)

    for text in restore.restore_for(session, found, before_swap=before_swap):
        session.note(text)
    return observe(host)
