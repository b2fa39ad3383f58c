# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Switching the app on this host to a release. The one place that knows which strategy does it."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _images,
    _proxy,
    _slots,
    _states,
    _timers,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._blue_green import BlueGreen
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._recreate import Recreate
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

#: How one release takes over from another.
Strategy = t.Union[BlueGreen, Recreate]


def choose(host: Host, model: t.Optional[_compose.Model]) -> t.Tuple[Strategy, t.Optional[str]]:
    """Return the strategy for a release of that model; and why it is not the better one, where it is not."""
    asked = host.app.strategy
    if asked == Recreate.name:
        return Recreate(), "hotfix_strategy is recreate"
    cannot = "; ".join(_slots.obstacles(model, host.app.services)) if model else ""
    if _proxy.managed(host) is None:
        cannot = "the proxy is not under management (playbooks/proxy.yml)"
    if cannot and asked == BlueGreen.name:
        raise BadInputError(
            f"Strategy blue_green is not possible: {cannot}.",
            next_step="bring the proxy under management (playbooks/proxy.yml), or set hotfix_strategy: auto.",
        )
    return (Recreate(), cannot) if cannot else (BlueGreen(), None)


def _strategy(host: Host, release: Release) -> Strategy:
    return choose(host, _compose.load(host.releases.compose_file(release.id)))[0]


def enter(session: Session, release: Release, state: str, why: str) -> None:
    """Let *release* enter *state*, in memory."""
    release.advance(state, at=stamp(session.host.clock.now()), operator=session.run.owner, why=why)


def leave(session: Session, release: Release, *, why: str, good: bool = False) -> None:
    """Record that *release* is left: as failed when it never was live, superseded if *good*, else voided."""
    if release.state in (_states.PREPARING, _states.PREPARED):
        enter(session, release, _states.FAILED, why)
    elif release.state in (_states.LIVE, _states.CONFIRMED):
        enter(session, release, _states.SUPERSEDED if good else _states.VOIDED, why)
    session.host.releases.save(release)


def start(session: Session, release: Release) -> str:
    """Start a prepared release where users do not see it; return what was done, in words."""
    strategy = _strategy(session.host, release)
    strategy.start(session, release)
    if strategy.name == Recreate.name:
        return "it cannot be started beside the one that runs (strategy recreate)"
    return f"it runs healthy as {release.slot}; users have seen nothing yet"


def forward(session: Session, release: Release, *, why: str) -> str:
    """Switch to a prepared release, and make it current; return what was proven."""
    host = session.host
    current = host.releases.current()
    came_from = current.id if current else None
    strategy = _strategy(host, release)
    # It was started by an earlier task; what a reboot or a crash undid meanwhile is done again.
    strategy.start(session, release)
    containers = host.docker.containers(host.app.project)
    with session.step("switch", release=release.id, came_from=came_from):
        if current is not None:
            found = verdict.verdict(host, release, current)
            _timers.arm(session, release, current, possible=found.compatible)
        proven = strategy.switch(session, release, containers)
        session.require()
        enter(session, release, _states.LIVE, why)
        host.releases.make_current(release, by="deploy", came_from=came_from)
    return proven


def back(
    session: Session,
    target: Release,
    source: t.Optional[Release],
    *,
    by: str,
    why: str,
    source_good: bool = False,
    containers: t.Sequence[Container],
) -> str:
    """Switch back to a release that was live before, and make it current; return what was proven.

    *source* is recorded as left before anything is switched, so that nothing automatic returns to it, whatever
    happens in between. *containers* are those of the app as they were seen last.
    """
    host = session.host
    strategy = _strategy(host, target)
    if not strategy.is_warm(host, target, containers):
        with session.step("images", release=target.id):
            _images.restore(host, target)
            _images.keep(host, target)
        strategy.start(session, target)
        containers = host.docker.containers(host.app.project)
    with session.step("switch", release=target.id, came_from=source.id if source else None):
        # A run that was killed right after the turn left a record that does not know that users came.
        served = source is not None and (source.live_number > 0 or source.slot == host.live_slot())
        if source is not None and source.id != target.id:
            leave(session, source, why=f"{by} to {target.id}", good=source_good)
        proven = strategy.switch(session, target, containers)
        session.require()
        if target.state in (_states.SUPERSEDED, _states.VOIDED):
            enter(session, target, _states.LIVE, why)
        if target.state == _states.LIVE:
            enter(session, target, _states.CONFIRMED, f"verified after the {by}")
        came_from = source.id if source and source.id != target.id else target.came_from
        host.releases.make_current(target, by=by, came_from=came_from)
        _timers.disarm(session)
        _timers.render_switch_back(session, target, host.releases.last_known_good(excluding=[target.id]))
        if source is not None and source.id != target.id:
            retire(session, source, after=host.app.warm_for if source_good else 0.0, served=served)
    return proven


def retire(session: Session, release: Release, *, after: float, served: bool) -> None:
    """Have the slot of a release that was left stopped after *after* seconds; if it *served*, once it has drained."""
    host = session.host
    if release.slot != host.live_slot():
        drained = host.app.drain_timeout if served else 0.0
        _timers.cool(session, release.slot, release.id, max(after, drained))
