# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""A restart that users do not notice: the current release is started afresh in the idle colour and switched to.

A restart is not a release: the same ID stays current, only the slot in its record changes. Its way there is that of a
deploy. Until it is verified the host keeps a deadline after which it goes back to the containers of before, where these
are healthy.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _headroom,
    _images,
    _slots,
    _states,
    _timers,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._blue_green import BlueGreen
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import parse
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, Observation, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Entry
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._switch import choose, retire

ACTION = "restart"
_POLL = 0.5


def why_not(host: Host, seen: Observation) -> t.Optional[str]:
    """Say why the switched services cannot be started afresh beside those that run; ``None`` where they can."""
    model = _compose.load(host.releases.compose_file(seen.current.id)) if seen.current is not None else None
    strategy, why = choose(host, model)
    if strategy.name != BlueGreen.name:
        return why
    if seen.current is None:
        lost = "the record of the current release cannot be read (roll back, or deploy its version again)"
        return lost if seen.managed else "no release is recorded on this host (playbooks/adopt.yml)"
    if model is None:
        return f"the Compose file of {seen.current.id} is missing or damaged"
    return None


def refuse(host: Host, seen: Observation) -> None:
    """Raise where a release waits to be settled: its way back leads over the slot that a restart would take."""
    due = _timers.deadline(host)
    if due is not None and due.release != due.back_to:
        raise HotfixError(
            f"Release {due.release} {due.says()}: a restart would take the place of what the host goes back to.",
            code="refused",
            next_step="confirm it (playbooks/confirm.yml) or roll back (playbooks/rollback.yml), then restart.",
        )
    unfinished = seen.unfinished or {}
    if seen.attempted or unfinished.get("action") in ("rollback", "revert", "switch_back"):
        what = unfinished.get("action") or "deploy"
        raise HotfixError(
            f"An earlier {what} of {seen.attempted or unfinished.get('release')} was never finished.",
            code="refused",
            next_step=f"run the {what} again, or roll back (playbooks/rollback.yml), then restart; what no release "
            "replaces, such as the database, can be restarted before that.",
        )


def warm_beside(host: Host, seen: Observation) -> t.Optional[Release]:
    """Return the last known good release where it still runs beside the current one: it makes room for a restart."""
    current = seen.current
    good = host.releases.last_known_good(excluding=[current.id] if current else [])
    if good is None or good.slot == seen.live:
        return None
    runs = [c for c in seen.containers if c.slot == good.slot and c.service in host.app.services and c.running]
    ours = [c for c in runs if c.release == good.id or (c.release is None and not good.started)]
    return good if ours else None


def unfinished(host: Host, seen: Observation) -> t.Optional[Entry]:
    """Return the journal's line of a restart that was cut off after its containers were started, if there is one."""
    current = seen.current
    if current is None:
        return None
    for entry in reversed(host.journal.entries()):
        step, phase = entry.get("step"), entry.get("phase")
        if step == "switch" and phase == "end" and entry.get("outcome") == "done":
            return None
        if step == "settle" and entry.get("action") == ACTION:
            return None
        if step in ("start", "switch") and phase == "begin":
            ours = entry.get("action") == ACTION and entry.get("release") == current.id
            there = any(c.slot == entry.get("slot") and c.release == current.id and c.running for c in seen.containers)
            return entry if ours and there else None
    return None


def restart(session: Session) -> t.Tuple[Release, str]:
    """Start the current release afresh and switch to it; return it, and what was proven.

    What an earlier run began and did not finish is gone on with.
    """
    host = session.host
    seen = observe(host)
    refuse(host, seen)
    old = _settled(session, seen)
    begun = unfinished(host, seen)
    for text in seen.drift if begun is None else ():
        session.note(f"Drift before the restart: {text}.")
    if begun is not None and begun.get("slot") == seen.live:
        return _finish(session, old, begun)
    if begun is None:
        _require_room(session)
        _let_drain(session, old)
    else:
        session.note(f"Going on with what {begun.get('owner')} started at {begun.get('at')}.")
    beside = warm_beside(host, seen)
    with session.step("images", release=old.id):
        _images.restore(host, old)
    fresh = replace(old)
    _start(session, fresh)
    if beside is not None:
        session.note(f"{beside.id} no longer runs beside the current release: a rollback to it starts it first.")
    return fresh, _switch(session, old, fresh)


def _settled(session: Session, seen: Observation) -> Release:
    """Return the current release with the slot that users are in, as its record is to say as well."""
    host, current = session.host, seen.current
    if current is None:
        raise HotfixError("No release is current on this host.", next_step="record what runs (playbooks/adopt.yml).")
    if current.slot != seen.live and any(c.slot == seen.live and c.release == current.id for c in seen.containers):
        current.slot = seen.live
        host.releases.save(current)
    return current


def _start(session: Session, fresh: Release) -> None:
    host = session.host
    try:
        BlueGreen().start(session, fresh, recorded=False)
    except HotfixError as exc:
        session.require()
        with session.step("settle", release=fresh.id):
            made = [c for c in host.docker.containers(host.app.project) if c.slot == fresh.slot != host.live_slot()]
            host.docker.remove([c.id for c in made if c.release == fresh.id])
        exc.left = f"Users have the containers of before, in slot {host.live_slot()}; what was started was removed."
        raise


def _require_room(session: Session) -> None:
    try:
        for text in _headroom.require(session.host):
            session.note(text)
    except HotfixError as exc:
        in_place = "or restart in place with -e hotfix_strategy=recreate (users notice that)."
        exc.next_step = exc.next_step.replace(_headroom.ADVICE, in_place)
        raise


def _let_drain(session: Session, current: Release) -> None:
    """Empty the idle slots: what runs there still answers the last requests, or was left by a restart before this."""
    host = session.host
    live = host.live_slot()
    cooling = _timers.cooling(host).get(_slots.idle_colour(live))
    if cooling is not None and cooling.release == current.id:
        end = min(parse(cooling.at).timestamp(), host.clock.now().timestamp() + host.app.drain_timeout)
        while host.clock.now().timestamp() < end:
            session.require()
            host.clock.sleep(_POLL)
    idle = _beside(host, live, host.docker.containers(host.app.project))
    if not idle:
        return
    with session.step("make_room", containers=[c.name for c in idle]):
        host.docker.stop([c.id for c in idle], timeout=host.app.stop_timeout)


def _beside(host: Host, live: str, containers: t.Sequence[Container]) -> t.List[Container]:
    return [c for c in containers if c.service in host.app.services and c.slot != live and c.running]


def _switch(session: Session, old: Release, fresh: Release) -> str:
    """Send users to *fresh*, and back to *old* where that does not answer."""
    host = session.host
    strategy = BlueGreen()
    containers = host.docker.containers(host.app.project)
    way_back = strategy.is_warm(host, old, containers)
    try:
        with session.step("switch", release=fresh.id, came_from=fresh.id, slot=fresh.slot):
            if way_back:
                _timers.arm(session, fresh, old)
            else:
                session.note("What ran before is not healthy: nothing goes back to it by itself.")
                _timers.render_switch_back(session, fresh, None)
            host.releases.save(fresh)
            proven = strategy.switch(session, fresh, containers)
            session.require()
            _settle(session, old, fresh)
    except HotfixError as exc:
        session.require()
        with session.step("settle", release=old.id):
            _go_back(session, old, fresh, exc, way_back=way_back)
        raise
    return proven


def _go_back(session: Session, old: Release, fresh: Release, error: HotfixError, *, way_back: bool) -> None:
    """Send users back where they were, if they can be; say in *error* where they are now."""
    host = session.host
    said = "What ran before was not healthy."
    if way_back and host.live_slot() != old.slot:
        try:
            BlueGreen().switch(session, old, host.docker.containers(host.app.project))
            said = "The proxy was turned back to the containers of before."
        except HotfixError as exc:
            session.require()
            said = f"Going back failed as well: {exc.what}"
    elif way_back:
        said = "They were never sent elsewhere."
    here, left = (fresh, old) if host.live_slot() == fresh.slot else (old, fresh)
    _settle(session, left, here)
    error.left = f"Users have the containers of {here.id} in slot {here.slot}. {said}"


def _settle(session: Session, left: Release, here: Release) -> None:
    """Record that users are with *here*: no deadline, the way back of before, and what was left is stopped later."""
    host = session.host
    host.releases.save(here)
    _timers.disarm(session)
    good = host.releases.last_known_good(excluding=[here.id])
    plain = (
        good is not None
        and here.arrived_by == "deploy"
        and here.state == _states.CONFIRMED
        and verdict.verdict(host, here, good).compatible
    )
    _timers.render_switch_back(session, here, good, plain=plain)
    with contextlib.suppress(HotfixError):
        retire(session, left, after=0.0, served=True)


def _finish(session: Session, current: Release, begun: Entry) -> t.Tuple[Release, str]:
    """Finish a restart that was cut off once users were in the fresh slot."""
    session.note(f"Finishing the restart that {begun.get('owner')} began at {begun.get('at')}.")
    host = session.host
    left = replace(current, slot=_slot_left(host, current))
    with session.step("switch", release=current.id, came_from=current.id, slot=current.slot):
        containers = host.docker.containers(host.app.project)
        proven = BlueGreen().switch(session, current, containers)
        session.require()
        _settle(session, left, current)
    return current, proven


def _slot_left(host: Host, current: Release) -> str:
    containers = host.docker.containers(host.app.project)
    return next((c.slot for c in _beside(host, current.slot, containers)), _slots.idle_colour(current.slot))
