# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One restart asked for, one result returned: what the ``restart`` module does."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names, _numbers, _timers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import guard
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._perform import readable_errors
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart import fresh, history, in_place, plan, which
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session, mend_link, opened
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

Result = t.Dict[str, t.Any]

PLANNED, RESTARTED, MEASURED = "planned", "restarted", "measured"
STATES = (PLANNED, RESTARTED, MEASURED)


class Wanted(t.NamedTuple):
    """What the operator asked for: *names* of services, or ``high_usage`` and from how many percent on that is."""

    names: t.Sequence[str]
    force: bool = False
    high_cpu: float = 80.0
    high_memory: float = 80.0


def _checked(wanted: Wanted) -> Wanted:
    for name in wanted.names:
        _names.service(name)
    for value, option in ((wanted.high_cpu, "restart_high_cpu"), (wanted.high_memory, "restart_high_memory")):
        # NaN is above nothing, so that nothing would ever be high.
        if not 0 < value <= _numbers.LONGEST:
            raise BadInputError(
                f"{option} {str(value)[:40]} is no percentage.", next_step=f"set {option} to more than 0."
            )
    return wanted


def _plan(host: Host, wanted: Wanted) -> plan.Plan:
    return plan.make(host, wanted.names, high_cpu=wanted.high_cpu, high_memory=wanted.high_memory, force=wanted.force)


def check(host: Host, wanted: Wanted, run: t.Optional[Run] = None) -> Result:
    """Return what would be restarted and interrupted; nothing is changed.

    Where a *run* is to follow, it is refused now if somebody else holds the lease.
    """
    with readable_errors(host):
        found = _plan(host, _checked(wanted))
        holder = host.lease.holder()
        if holder is not None and run is not None and not run.takeover and holder.owner != run.owner:
            raise HotfixError(
                f"Somebody else is changing this app: {holder.says()}.",
                code="refused",
                next_step="talk to them and wait, or take over with -e takeover=true (it is recorded).",
            )
        lines = [*found.lines, *([f"The lease is held by {holder.says()}."] if holder is not None else [])]
        return {
            "changed": bool(found.groups.all),
            "outcome": "planned" if found.groups.all else "unchanged",
            "summary": lines[0],
            "plan": lines,
            "names": list(found.groups.all),
            "usage": [one._asdict() for one in found.used],
        }


def perform(host: Host, run: Run, wanted: Wanted) -> Result:
    """Restart what is asked for, and return what was done."""
    with readable_errors(host):
        _checked(wanted)
        with opened(host, run, fresh.ACTION, resumes=False) as session:
            try:
                mend_link(session)
                _timers.catch_up(session)
                for text in guard.settle(session):
                    session.note(text)
                result = _restarted(session, wanted)
            except (HotfixError, OSError) as exc:
                if isinstance(exc, HotfixError):
                    exc.steps = session.steps
                    exc.left = _left(session, exc.left)
                raise
            finally:
                with contextlib.suppress(OSError):
                    session.release_lease()
            result.update({"steps": session.steps, "notes": [host.mask().text(note) for note in session.notes]})
            return result


def _restarted(session: Session, wanted: Wanted) -> Result:
    host = session.host
    found = _plan(host, wanted)
    groups = found.groups
    if not groups.all:
        return {"changed": False, "outcome": "unchanged", "summary": found.lines[0], "names": [], "restarted": []}
    ran = {c.id for c in found.seen.containers if c.running}
    if found.seen.unfinished is not None and not found.afresh:
        session.note("An earlier run was cut off while it switched; see playbooks/release_info.yml.")
    done: t.List[in_place.Restarted] = []
    proven: t.List[str] = []

    def in_turn(services: t.Sequence[str]) -> None:
        for service in services:
            done.append(in_place.restart(session, found.model, service, force=wanted.force))
            history.add(host, session.run.id, [service], history.IN_PLACE, done[-1].seconds)

    in_turn(groups.before)
    release = None
    if found.afresh:
        release, said = fresh.restart(session)
        history.add(host, session.run.id, host.app.services, history.FRESH, None)
        proven.append(f"{', '.join(sorted(host.app.services))} of {release.id} run afresh as {release.slot}: {said}")
    else:
        in_turn(groups.switched)
    in_turn(groups.after)
    if done:
        others = which.dependants(found.model, [one.service for one in done])
        answers = in_place.check_dependants(session, others, ran)
        times = ", ".join(f"{one.service} ({one.seconds:.1f} s)" for one in done)
        well = f", and so is what depends on it ({', '.join(others)})" if others else ""
        looked = answers or "whether the app answers was not looked at (hotfix_health is not set)"
        proven.append(f"{times} is back in place and healthy{well}; {looked}")
    return {
        "changed": True,
        "outcome": "done",
        "summary": f"Restarted {', '.join(groups.all)}: {'; '.join(proven)}.",
        "names": list(groups.all),
        "slot": release.slot if release is not None else None,
        "restarted": [one._asdict() for one in done],
    }


def _left(session: Session, said: str) -> str:
    """Say what a failed restart left behind. It must not get in the way of the error itself."""
    if not {step["step"] for step in session.steps} & {"restart", "start", "switch", "make_room", "settle"}:
        return said
    host = session.host
    with contextlib.suppress(HotfixError, OSError):
        seen = observe(host)
        down = [c for c in seen.containers if c.slot == "own" and c.service not in host.app.services and not c.running]
        others = "".join(f" {c.name} is {c.status}." for c in down)
        kept = "" if said == "Nothing was changed." else f"{said} "
        return f"{kept}{seen.describe(host.app.services)}{others}"
    return "What it left behind could not be looked at."


def measured(host: Host, run: Run, users: t.Mapping[str, t.Any]) -> Result:
    """Keep what users noticed of the restart that *run* made, so that the next one can say it beforehand."""
    with readable_errors(host), host.lock.held():
        kept = history.note_users(host, run.id, users)
    said = "What users noticed was kept on the host." if kept else "There is nothing that it could be said of."
    return {"changed": kept, "outcome": "done" if kept else "unchanged", "summary": said}
