# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Switching the app on this host to a release. The one place that knows which strategy does it."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _images, _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._recreate import Recreate
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session


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


def forward(session: Session, release: Release, *, why: str) -> str:
    """Switch to a prepared release, and make it current; return what was proven."""
    host = session.host
    current = host.releases.current()
    came_from = current.id if current else None
    with session.step("switch", release=release.id, came_from=came_from):
        proven = Recreate().switch(session, release)
        session.require()
        enter(session, release, _states.LIVE, why)
        host.releases.make_current(release, by="deploy", came_from=came_from)
    return proven


def back(
    session: Session, target: Release, source: t.Optional[Release], *, by: str, why: str, source_good: bool = False
) -> str:
    """Switch back to a release that was live before, and make it current; return what was proven.

    *source* is recorded as left before anything is switched, so that nothing automatic returns to it, whatever
    happens in between.
    """
    host = session.host
    with session.step("images", release=target.id):
        _images.restore(host, target)
        _images.keep(host, target)
    with session.step("switch", release=target.id, came_from=source.id if source else None):
        if source is not None and source.id != target.id:
            leave(session, source, why=f"{by} to {target.id}", good=source_good)
        proven = Recreate().switch(session, target)
        session.require()
        if target.state in (_states.SUPERSEDED, _states.VOIDED):
            enter(session, target, _states.LIVE, why)
        if target.state == _states.LIVE:
            enter(session, target, _states.CONFIRMED, f"verified after the {by}")
        came_from = source.id if source and source.id != target.id else target.came_from
        host.releases.make_current(target, by=by, came_from=came_from)
    return proven
