# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""A deploy on one host, phase by phase. The fleet's decision between two phases is made on the controller."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _emergency,
    _headroom,
    _images,
    _names,
    _proxy,
    _slots,
    _smoke,
    _states,
    _timers,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._adopt import adopt, write_snapshot
from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import Built, version_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups, guard, verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import (
    BadInputError,
    CommandError,
    HotfixError,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import observe, way_back
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN, Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._switch import (
    back,
    choose,
    enter,
    forward,
    leave,
    retire,
    start,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._verify import model_of, verify


class Reasons(t.NamedTuple):
    """Why a deploy may do without what it otherwise must have."""

    backup_skip: t.Optional[str] = None
    migration: t.Optional[str] = None


def prepare(
    session: Session,
    *,
    version: str,
    min_free_mb: int,
    reasons: Reasons,
    built: t.Optional[t.Mapping[str, Built]] = None,
) -> t.Tuple[Release, t.Optional[str]]:
    """Have everything on the host that *version* needs.

    With *built* the services named there run exactly that, and all others what they run now.

    Return the release; and if it is current already, what was proven of that.
    """
    host = session.host
    version = _names.version(version_of(built) if built else version)
    if host.app.checks:
        _smoke.parse(list(host.app.checks), secrets=host.app.check_secrets)
    model = _compose.read(host.docker, host.app)
    _compose.current_only_env(host.app, host.docker.containers(host.app.project))
    strategy, why = choose(host, model)
    guard.require(host, None, skip_reason=reasons.backup_skip, migration_reason=reasons.migration)
    _images.require_room(host, min_free_mb)
    if strategy.name == "blue_green":
        for text in _headroom.require(host):
            session.note(text)
    with session.step("pull", mutates=False, version=version):
        version, images, notes, _certain = _emergency.obtain(host, version, built or {})
    for text in notes:
        session.note(text)
    guard.require(host, images, skip_reason=reasons.backup_skip, migration_reason=reasons.migration)
    if not host.releases.managed():
        adopt(session)
    _settle(session)
    pinned = _compose.pinned(model, images)
    content = _compose.content_hash(pinned, images)
    proven = _is_current(session, content)
    current = host.releases.current()
    if proven is not None and current is not None:
        return current, proven
    if why:
        session.note(f"The app will be away while the release boots: {why}, so its containers are replaced in place.")
    for text in (*observe(host).drift, *_proxy.problems(host)):
        session.note(f"Drift before the deploy: {text}.")
    with session.step("prepare", version=version):
        release = _resumable(session, content)
        if release is None:
            release = _new(session, version, images, content)
            enter(session, release, _states.PREPARING, "deploy")
            host.releases.save(release)
            write_snapshot(host, release, pinned)
            _images.keep(host, release)
            enter(session, release, _states.PREPARED, "images and configuration are on the host")
            host.releases.save(release)
    return release, None


def _settle(session: Session) -> None:
    """Give the deploy firm ground, where an earlier run was killed or failed in the middle.

    What a failing deploy falls back to is the current release. It must not be one that was being left.
    """
    host = session.host
    repaired = host.releases.repair_current()
    if repaired is not None:
        # A link that was lost by itself is mended by now.
        session.note(
            f"The record of what users have now is lost. Should the deploy fail, it goes back to {repaired.id}, "
            "the last release that is known to have been live."
        )
    seen = observe(host)
    unfinished = seen.unfinished or {}
    target = way_back(host, seen)
    if target is None or seen.current is None:
        return
    with session.step("settle", release=target.id):
        if target.id != seen.current.id:
            if target.state in (_states.SUPERSEDED, _states.VOIDED):
                enter(session, target, _states.LIVE, "an earlier run was on its way back to it")
            host.releases.make_current(target, by=unfinished["action"], came_from=seen.current.id)
            leave(session, seen.current, why=f"an earlier run was on its way back to {target.id}")
    session.note(f"An earlier {unfinished['action']} to {target.id} was never finished; the deploy goes on from there.")


def _is_current(session: Session, content: str) -> t.Optional[str]:
    """Return what was proven if the current release has the very same content and really is what answers."""
    seen = observe(session.host)
    if seen.current is None or seen.current.config_hash != content or seen.drift or seen.unfinished:
        return None
    try:
        return verify(session, seen.current, model_of(session, seen.current))
    except HotfixError as exc:
        session.require()
        session.note(f"{seen.current.id} is the same, but does not serve: {exc.what}")
        return None


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
    """Return what an interrupted run prepared with the very same content, if anything; leave all else it began."""
    found = None
    current = session.host.releases.current()
    for release in session.host.releases.all():
        if release.state == _states.PREPARED and release.config_hash == content and found is None:
            found = release
            session.note(f"Resuming release {release.id}, which an earlier run prepared.")
        elif release.state in (_states.PREPARING, _states.PREPARED):
            leave(session, release, why="an interrupted run left it")
        elif release.state == _states.LIVE and (current is None or current.id != release.id):
            # Killed between its record and the link. One that was good before stays so.
            leave(session, release, why="an interrupted run left it", good=release.was_confirmed)
    return found


def migrate(session: Session, release_id: str, reasons: Reasons) -> t.Tuple[Release, t.List[str]]:
    """Back the database up and migrate it to a prepared release; return that, and what was done."""
    release = _prepared(session, release_id)
    host = session.host
    strategy, _why = choose(host, _compose.load(host.releases.compose_file(release.id)))
    slot = OWN if strategy.name == "recreate" else _slots.idle_colour(host.live_slot())
    done = guard.secure(
        session, release, slot=slot, skip_reason=reasons.backup_skip, migration_reason=reasons.migration
    )
    return release, done


def start_idle(session: Session, release_id: str) -> t.Tuple[Release, str]:
    """Start a prepared release beside the one that runs, where the strategy can; return it, and what was done."""
    release = _prepared(session, release_id)
    return release, start(session, release)


def _prepared(session: Session, release_id: str) -> Release:
    release = session.host.releases.get(release_id)
    if release.state != _states.PREPARED:
        raise HotfixError(
            f"Release {release.id} is {release.state}, not prepared.",
            next_step="deploy the version again.",
            code="bad_input",
        )
    return release


def go_live(session: Session, release_id: str) -> t.Tuple[Release, bool, str]:
    """Make the prepared release the one that users reach. Return it, whether anything changed, and what was proven."""
    host = session.host
    release = host.releases.get(release_id)
    current = host.releases.current()
    if current is not None and current.id == release.id and release.state in (_states.LIVE, _states.CONFIRMED):
        return release, False, verify(session, release, model_of(session, release))
    _prepared(session, release_id)
    return release, True, forward(session, release, why=session.run.reason or "deploy")


def confirm(session: Session, release_id: t.Optional[str], *, keep: int) -> t.Tuple[Release, bool]:
    """Settle a live release, the current one if none is named.

    It is known good from now on, and the one before it is superseded.
    """
    host = session.host
    current = host.releases.current()
    if release_id is None and current is None:
        raise BadInputError("No release is current on this host.", next_step="deploy a version first.")
    release = host.releases.get(release_id or (current.id if current else ""))
    if current is None or current.id != release.id:
        why = _timers.why_left(host, release.id)
        raise HotfixError(
            why or f"Release {release.id} is not the current one ({current.id if current else 'none'} is).",
            next_step="look at the host (playbooks/release_info.yml), then deploy the version again.",
        )
    if release.state == _states.CONFIRMED and release_id is None and release.arrived_by in ("switch_back", "revert"):
        # Who confirms too late must not be told that all is well.
        why = _timers.why_left(host, release.came_from or "")
        raise HotfixError(
            f"There is nothing to confirm: {why or f'{release.id} is current since a {release.arrived_by}.'}",
            code="nothing_to_do",
            next_step="deploy the version again.",
        )
    if release.state == _states.CONFIRMED:
        return release, False
    if release.state != _states.LIVE:
        raise HotfixError(
            f"Release {release.id} is {release.state}: only a live one can be confirmed.", next_step="deploy it first."
        )
    with session.step("confirm", release=release.id):
        enter(session, release, _states.CONFIRMED, "verified on every host")
        host.releases.save(release)
        before = host.releases.find(release.came_from)
        if before is not None and before.state in (_states.LIVE, _states.CONFIRMED):
            leave(session, before, why=f"replaced by {release.id}", good=True)
        _timers.disarm(session)
        if before is not None:
            retire(session, before, after=host.app.warm_for, served=True)
    backups.retain(host)
    try:
        _images.retain(host, keep)
    except CommandError as exc:
        session.note(f"Images of old releases could not be let go: {exc.what}")
    _forget(session, keep)
    return release, True


def _forget(session: Session, keep: int) -> None:
    """Let go of the records of old releases, and of the secrets in them; what they were stays in the journal."""
    releases = session.host.releases
    old = releases.dispensable(keep)
    if not old:
        return
    try:
        with session.step("forget", releases=[release.id for release in old]):
            for release in old:
                told = {"run": session.run.id, "step": "forgotten", "release": release.id, "was": release.summary()}
                session.host.journal.append({**told, "history": release.history})
                releases.forget(release)
    except OSError as exc:
        session.note(f"Records of old releases could not be let go: {exc.strerror}.")


def revert(session: Session, release_id: t.Optional[str]) -> t.Tuple[t.Optional[Release], t.Optional[str]]:
    """Undo the deploy on this host, however far it came.

    Return the release that is current afterwards; and if the containers had to be changed, what was proven.
    """
    host = session.host
    seen = observe(host)
    release = host.releases.find(release_id) or host.releases.find(seen.attempted)
    # One that only ran beside the current release was seen by nobody: there is nothing to go back from.
    # What an earlier run left half-way is made sure of, though.
    current = seen.current
    reached = current is not None and current.slot == seen.live and current.state == _states.CONFIRMED
    unseen = release is not None and seen.unfinished is None and release.slot != seen.live and reached
    begun = (seen.attempted is not None or seen.unfinished is not None) and not unseen
    went_live = release is not None and seen.current is not None and seen.current.id == release.id
    proven = None
    if begun or (went_live and release is not None and release.state == _states.LIVE):
        source = release or host.releases.find(seen.attempted)
        ground = _ground(session, seen.current, source)
        for text in verdict.verdict(host, source, ground).sentences:
            session.note(text)
        proven = back(session, ground, source, by="revert", why="the deploy failed", containers=seen.containers)
    elif release is not None and release.state in (_states.PREPARING, _states.PREPARED):
        with session.step("abandon", release=release.id):
            leave(session, release, why="the deploy was abandoned")
            if release.started:
                retire(session, release, after=0.0, served=False)
    return host.releases.current(), proven


def _ground(session: Session, current: t.Optional[Release], failed: t.Optional[Release]) -> Release:
    """Return what a failed deploy falls back to: what ran before it, unless that was itself rolled back from."""
    releases = session.host.releases
    before = current
    if failed is not None and current is not None and current.id == failed.id:
        before = releases.find(failed.came_from)
    if before is not None and before.state != _states.VOIDED and before.live_number:
        return before
    return releases.require_rollback_target(excluding=[failed.id] if failed else [])
