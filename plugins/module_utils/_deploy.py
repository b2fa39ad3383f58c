# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""A deploy on one host, phase by phase. The fleet's decision between two phases is made on the controller."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _images, _names, _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._adopt import adopt, write_snapshot
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._recreate import Recreate
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session


def prepare(session: Session, *, version: str, min_free_mb: int) -> t.Tuple[Release, bool]:
    """Have everything on the host that *version* needs. Return the release, and whether it is current already."""
    host = session.host
    _names.version(version)
    model = _compose.read(host.docker, host.app)
    if not host.releases.managed():
        adopt(session)
    _images.require_room(host, min_free_mb)
    with session.step("pull", version=version):
        images, notes = _images.obtain(host, version)
    for text in notes:
        session.note(text)
    pinned = _compose.pinned(model, images)
    content = _compose.content_hash(pinned)
    seen = observe(host)
    if seen.current and seen.current.config_hash == content and not seen.drift and not seen.attempted:
        return seen.current, True
    for text in seen.drift:
        session.note(f"Drift before the deploy: {text}.")
    release = _resumable(session, content)
    if release is None:
        release = _new(session, version, images, content)
        with session.step("prepare", release=release.id):
            _enter(session, release, _states.PREPARING, "deploy")
            host.releases.save(release)
            write_snapshot(host, release, pinned)
            for image in {image.image_id for image in images.values()}:
                host.docker.keep(host.app.project, image)
            _enter(session, release, _states.PREPARED, "images and configuration are on the host")
            host.releases.save(release)
    return release, False


def _new(session: Session, version: str, images: t.Dict[str, Image], content: str) -> Release:
    now = session.host.clock.now()
    return Release(
        id=session.host.releases.new_id(now, version),
        version=version,
        images=images,
        operator=session.run.owner,
        reason=session.run.reason,
        created=stamp(now),
        config_hash=content,
    )


def _resumable(session: Session, content: str) -> t.Optional[Release]:
    """Return a release that an interrupted run prepared with the very same content; void the other unfinished ones."""
    found = None
    current = session.host.releases.current()
    for release in session.host.releases.all():
        if release.state == _states.LIVE and (current is None or current.id != release.id):
            # Killed between its record and the link: it never became current.
            _enter(session, release, _states.VOIDED, "an interrupted run left it")
            session.host.releases.save(release)
        if release.state not in (_states.PREPARING, _states.PREPARED):
            continue
        if found is None and release.state == _states.PREPARED and release.config_hash == content:
            found = release
            session.note(f"Resuming release {release.id}, which an earlier run prepared.")
        else:
            _enter(session, release, _states.FAILED, "an interrupted run left it")
            session.host.releases.save(release)
    return found


def go_live(session: Session, release_id: str) -> t.Tuple[Release, bool]:
    """Make the prepared release the one that users reach. Return it, and whether anything was changed."""
    host = session.host
    release = host.releases.get(release_id)
    current = host.releases.current()
    if current is not None and current.id == release.id and release.state in (_states.LIVE, _states.CONFIRMED):
        return release, False
    if release.state != _states.PREPARED:
        raise HotfixError(
            f"Release {release.id} is {release.state}, not prepared.",
            next_step="deploy the version again.",
            code="bad_input",
        )
    before = current.id if current else None
    with session.step("switch", release=release.id, came_from=before):
        Recreate().switch(session, release)
        _enter(session, release, _states.LIVE, session.run.reason or "deploy")
        host.releases.make_current(release, by="deploy", came_from=before)
    return release, True


def confirm(session: Session, release_id: str, *, keep: int) -> t.Tuple[Release, bool]:
    """Settle a live release: it is known good from now on, the one before it is superseded. Gives the lease back."""
    host = session.host
    release = host.releases.get(release_id)
    changed = release.state == _states.LIVE
    if changed:
        with session.step("confirm", release=release.id):
            _enter(session, release, _states.CONFIRMED, "verified on every host")
            host.releases.save(release)
            before = host.releases.find(release.came_from) if release.came_from else None
            if before is not None and before.state in (_states.LIVE, _states.CONFIRMED):
                _enter(session, before, _states.SUPERSEDED, f"replaced by {release.id}")
                host.releases.save(before)
            _images.retain(host, keep)
    elif release.state != _states.CONFIRMED:
        raise HotfixError(
            f"Release {release.id} is {release.state}: only a live one can be confirmed.", next_step="deploy it first."
        )
    session.release_lease()
    return release, changed


def revert(session: Session, release_id: t.Optional[str]) -> t.Tuple[t.Optional[Release], bool]:
    """Undo this run's deploy on this host, however far it came, and give the lease back.

    Return the release that is current afterwards, and whether the containers had to be changed.
    """
    host = session.host
    seen = observe(host)
    candidate = release_id or seen.attempted
    release = host.releases.find(candidate) if candidate else None
    switched = False
    if release is not None and seen.current is not None:
        if seen.current.id == release.id:
            before = host.releases.find(release.came_from) if release.came_from else None
            if release.state in (_states.LIVE,) and before is not None:
                _switch_back(session, before, release)
                switched = True
        elif seen.attempted == release.id or (seen.unfinished and seen.unfinished.get("release") == release.id):
            _switch_back(session, seen.current, release)
            switched = True
    if release is not None and release.state in (_states.PREPARING, _states.PREPARED):
        _enter(session, release, _states.FAILED, "the deploy was abandoned")
        host.releases.save(release)
    session.release_lease()
    return host.releases.current(), switched


def _switch_back(session: Session, to: Release, failed: Release) -> None:
    host = session.host
    with session.step("switch", release=to.id, came_from=failed.id):
        Recreate().switch(session, to)
        if failed.state == _states.LIVE:
            _enter(session, failed, _states.VOIDED, "the deploy was switched back")
            host.releases.save(failed)
        if to.state in (_states.SUPERSEDED, _states.VOIDED):
            _enter(session, to, _states.LIVE, f"switched back from {failed.id}")
        host.releases.make_current(to, by="revert", came_from=failed.id)


def _enter(session: Session, release: Release, state: str, why: str) -> None:
    release.advance(state, at=stamp(session.host.clock.now()), operator=session.run.owner, why=why)
