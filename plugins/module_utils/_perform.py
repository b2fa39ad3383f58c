# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One state asked for, one result returned: what the ``release`` and ``release_info`` modules do."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _names,
    _proxy,
    _rollback,
    _timers,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import guard, verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session, mend_link, opened
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run
from ansible_collections.pangeafate.hotfix.plugins.module_utils._switch import choose
from ansible_collections.pangeafate.hotfix.plugins.module_utils._verify import model_of, verify

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import Built
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._deploy import Reasons

# Every file that a module imports is compiled on the host, each time. A rollback is not to wait for what it does not
# need, so that is imported where it is used.

Result = t.Dict[str, t.Any]

ADOPTED = "adopted"
PREPARED = "prepared"
MIGRATED = "migrated"
STARTED = "started"
LIVE = "live"
UNCONFIRMED = "unconfirmed"
CONFIRMED = "confirmed"
REVERTED = "reverted"
ROLLED_BACK = "rolled_back"
STATES = (ADOPTED, PREPARED, MIGRATED, STARTED, LIVE, UNCONFIRMED, CONFIRMED, REVERTED, ROLLED_BACK)
#: Those that go on with the lease that an earlier task of the run took, and those after which further ones follow.
_RESUME = (MIGRATED, STARTED, LIVE, UNCONFIRMED, REVERTED)
_GO_ON = (PREPARED, MIGRATED, STARTED, LIVE)

#: The journal's word for the action that a state belongs to.
_ACTIONS = {
    ADOPTED: "adopt",
    PREPARED: "deploy",
    MIGRATED: "deploy",
    STARTED: "deploy",
    LIVE: "deploy",
    UNCONFIRMED: "deploy",
    CONFIRMED: "deploy",
    REVERTED: "revert",
    ROLLED_BACK: "rollback",
}


_AFTER_OS_ERROR = (
    "make room on the disk or mend its permissions, then run the same command again: "
    "it goes on from where this stopped."
)


class Wanted(t.NamedTuple):
    """What the operator asked for.

    ``backup_skip_reason``, ``migration_reason`` and ``schema_ignored_reason`` say why a guard is passed. ``restore`` is
    the time, as the rollback's refusal names it, since when everything in the database may be lost. ``images`` are
    those of an emergency build, by service.
    """

    state: str
    version: t.Optional[str] = None
    release: t.Optional[str] = None
    min_free_mb: int = 1024
    keep: int = 5
    backup_skip_reason: t.Optional[str] = None
    migration_reason: t.Optional[str] = None
    restore: t.Optional[str] = None
    schema_ignored_reason: t.Optional[str] = None
    images: t.Optional[t.Mapping[str, t.Any]] = None

    @property
    def built(self) -> t.Dict[str, Built]:
        """The images that a build made, checked."""
        if not self.images:
            return {}
        from ansible_collections.pangeafate.hotfix.plugins.module_utils import _built

        return _built.parse(self.images)

    @property
    def reasons(self) -> Reasons:
        """Why a deploy may do without what it otherwise must have."""
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._deploy import Reasons

        return Reasons(self.backup_skip_reason, self.migration_reason)


@contextlib.contextmanager
def readable_errors(host: Host) -> t.Iterator[None]:
    """Let only errors out that an operator can read, without a secret in them."""
    try:
        yield
    except CommandError as exc:
        raise _masked(host, _clearer(host, exc)) from exc
    except HotfixError as exc:
        raise _masked(host, exc) from exc
    except OSError as exc:
        what = f"The host could not write or read {exc.filename or 'a file'}: {exc.strerror or exc}."
        error = HotfixError(what, left="What was done until then is in the journal.", next_step=_AFTER_OS_ERROR)
        raise _masked(host, error) from exc


def _clearer(host: Host, error: CommandError) -> HotfixError:
    """Return why the engine cannot be used at all, where that is so and nobody has looked before."""
    try:
        host.docker.require()
    except HotfixError as exc:
        exc.steps, exc.left = error.steps, error.left
        return exc
    return error


def _masked(host: Host, error: HotfixError) -> HotfixError:
    try:
        mask = host.mask()
    except OSError:
        return error
    error.what, error.left = mask.text(error.what), mask.text(error.left)
    error.evidence = mask.text(error.evidence)
    return error


def check(host: Host, wanted: Wanted) -> Result:
    """Return the plan; nothing is changed."""
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _plan

    with readable_errors(host):
        _require(wanted)
        if wanted.state == ADOPTED:
            plan = _plan.of_adopt(host)
        elif wanted.state == ROLLED_BACK:
            plan = _plan.of_rollback(host, wanted.release)
        elif wanted.state == PREPARED:
            plan = _plan.of_deploy(host, wanted.version or "", wanted.reasons, wanted.built)
        else:
            raise BadInputError(
                f"state={wanted.state} cannot be planned: it goes on from a release that was really prepared.",
                next_step="plan with state=prepared, or state=rolled_back.",
            )
        holder = host.lease.holder()
    if holder is not None:
        plan.lines.append(f"The lease is held by {holder.says()}.")
    return {
        "changed": plan.change,
        "outcome": "planned",
        "summary": plan.lines[0],
        "plan": plan.lines,
        "diff": plan.diff(),
        "release": plan.release.summary() if plan.release else None,
    }


def perform(host: Host, run: Run, wanted: Wanted) -> Result:
    """Bring the host to the state asked for, and return what was done."""
    with readable_errors(host):
        _require(wanted)
        with opened(host, run, _ACTIONS[wanted.state], resumes=_resumes(host, run, wanted)) as session:
            try:
                if wanted.state != ADOPTED:
                    mend_link(session)
                _timers.catch_up(session)
                for text in guard.settle(session):
                    session.note(text)
                result = _DOERS[wanted.state](session, wanted)
            except (HotfixError, OSError) as exc:
                if isinstance(exc, HotfixError):
                    exc.steps = session.steps
                    exc.left = _what_is_left(session, exc.left)
                _settle_lease(session, goes_on=wanted.state in _GO_ON[1:])
                raise
            _settle_lease(session, goes_on=wanted.state in _GO_ON)
            result.update({"steps": session.steps, "notes": [host.mask().text(note) for note in session.notes]})
            return result


def _resumes(host: Host, run: Run, wanted: Wanted) -> bool:
    """Tell whether the task goes on with the lease of its run. A release can also be confirmed by a run of its own."""
    if wanted.state == CONFIRMED:
        holder = host.lease.holder()
        return bool(wanted.release) or (holder is not None and holder.run == run.id)
    return wanted.state in _RESUME


def _require(wanted: Wanted) -> None:
    if wanted.state == PREPARED and not wanted.version and not wanted.images:
        raise BadInputError("No version is given.", next_step="name it: -e version=…")
    if wanted.images:
        _require_one_version(wanted)
    if wanted.state in (MIGRATED, STARTED, LIVE, UNCONFIRMED) and not wanted.release:
        raise BadInputError(
            f"state={wanted.state} needs a release.", next_step="give the ID that state=prepared returned."
        )
    if wanted.version:
        _names.version(wanted.version)
    if wanted.release:
        _names.release_id(wanted.release)


def _require_one_version(wanted: Wanted) -> None:
    """Raise unless the version, where one is given beside images, is theirs."""
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _built

    version = _built.version_of(wanted.built)
    if wanted.state != PREPARED:
        raise BadInputError(
            f"state={wanted.state} takes no images.", next_step="give them with state=prepared, and nowhere else."
        )
    if wanted.version not in (None, "", version, _built.EMERGENCY):
        raise BadInputError(
            f"The images are of version {version}, not of {wanted.version}.", next_step="leave the version out."
        )


def _what_is_left(session: Session, said: str) -> str:
    """Say what a failed change left behind. It must not get in the way of the error itself."""
    begun = {step["step"] for step in session.steps}
    if begun & {"start", "reload_proxy", "point_proxy", "verify", "switch", "restore_stage", "restore_swap"}:
        with contextlib.suppress(HotfixError, OSError):
            return observe(session.host).describe(session.host.app.services)
        return "What it left behind could not be looked at."
    if begun & {"adopt", "prepare", "settle", "confirm", "abandon"}:
        return "No container was changed; the host's records tell how far it came."
    return said


def _settle_lease(session: Session, *, goes_on: bool) -> None:
    """Keep the lease where the run's next task goes on from here, else give it back."""
    app = session.host.app
    with contextlib.suppress(OSError):
        if goes_on:
            # Other hosts may still be pulling or starting.
            session.park_lease(app.pull_timeout + app.start_timeout + app.stop_timeout)
        else:
            session.release_lease()


def _summary(release: t.Optional[Release]) -> t.Optional[t.Dict[str, t.Any]]:
    return release.summary() if release else None


def _done(release: t.Optional[Release], changed: bool, summary: str) -> Result:
    return {
        "changed": changed,
        "outcome": "done" if changed else "unchanged",
        "summary": summary,
        "release": release.summary() if release else None,
    }


def _adopted(session: Session, _wanted: Wanted) -> Result:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._adopt import adopt

    host = session.host
    if host.releases.managed():
        repaired = host.releases.repair_current()
        if repaired is not None:
            return _done(repaired, True, f"The link to the current release was lost; it leads to {repaired.id} again.")
        current = host.releases.current()
        name = current.id if current else "its current release, whose record is lost"
        return _done(current, False, f"Under management already: {name}.")
    release = adopt(session)
    return _done(release, True, f"Recorded what runs as release zero, {release.id}, as {release.state}.")


def _prepared(session: Session, wanted: Wanted) -> Result:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _deploy

    leaving = observe(session.host).current
    release, proven = _deploy.prepare(
        session,
        version=wanted.version or "",
        min_free_mb=wanted.min_free_mb,
        reasons=wanted.reasons,
        built=wanted.built,
    )
    if proven is not None:
        named = release.version if wanted.images or wanted.version == "emergency" else wanted.version
        return _done(release, False, f"Version {named} is current already ({release.id}): {proven}.")
    result = _done(release, True, f"Release {release.id} is prepared; users have seen nothing yet.")
    # What users have until the switch.
    result["leaving"] = {**leaving.summary(), "built": leaving.own_images} if leaving else None
    return result


def _migrated(session: Session, wanted: Wanted) -> Result:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _deploy

    release, done = _deploy.migrate(session, wanted.release or "", wanted.reasons)
    for text in done:
        session.note(text)
    return _done(release, True, f"The database is ready for {release.id}.")


def _started(session: Session, wanted: Wanted) -> Result:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _deploy

    release, done = _deploy.start_idle(session, wanted.release or "")
    return _done(release, True, f"Release {release.id}: {done}.")


def _live(session: Session, wanted: Wanted) -> Result:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _deploy

    release, changed, proven = _deploy.go_live(session, wanted.release or "")
    due = _timers.deadline(session.host)
    reverts = f"; {due.says()}" if due is not None and due.release == release.id else ""
    result = _done(release, changed, f"Release {release.id} is live: {proven}{reverts}.")
    if changed:
        result["previous"] = _summary(session.host.releases.find(release.came_from))
    return result


def _unconfirmed(session: Session, wanted: Wanted) -> Result:
    """Leave a live release to be confirmed by whoever looks at it; the lease is given back."""
    release = session.host.releases.get(wanted.release or "")
    due = _timers.deadline(session.host)
    waits = due.says() if due is not None and due.release == release.id else "nothing waits for it to be confirmed"
    return _done(release, False, f"Release {release.id} is {release.state}; it {waits}.")


def _confirmed(session: Session, wanted: Wanted) -> Result:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _deploy

    release, changed = _deploy.confirm(session, wanted.release, keep=wanted.keep)
    return _done(release, changed, f"Release {release.id} is confirmed.")


def _reverted(session: Session, wanted: Wanted) -> Result:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _deploy

    release, proven = _deploy.revert(session, wanted.release)
    name = release.id if release else "no release"
    if proven is None:
        return _done(release, False, f"Nothing that users see was changed; current is {name}.")
    result = _done(release, True, f"Switched back to {name}: {proven}.")
    result["previous"] = _summary(session.host.releases.find(wanted.release))
    return result


def _rolled_back(session: Session, wanted: Wanted) -> Result:
    host = session.host
    if session.turned is not None:
        return _turned(session, session.turned)
    seen = observe(host)
    decision = _rollback.decide(host.releases, seen, wanted.release)
    leaving = decision.source
    found = verdict.verdict(host, leaving, decision.target)
    for text in found.sentences:
        session.note(text)
    restored = decision.change and verdict.permit(
        found, restore=wanted.restore, schema_ignored=wanted.schema_ignored_reason
    )
    if wanted.restore and decision.change and not restored:
        session.note("No restore was needed: the database was left alone.")
    elif decision.change and found.needs_restore and not restored:
        session.note(f"The schema is left as it is: {wanted.schema_ignored_reason}.")
    if decision.change:
        for text in seen.drift:
            session.note(f"Drift before the rollback: {text}.")
    if restored:
        seen = _rollback.restored(session, found, seen)
    proven = _rollback.roll_back(session, decision, seen)
    result = _done(decision.target, decision.change, f"{decision.why[:-1]}: {proven}.")
    result["previous"] = leaving.summary() if leaving else None
    return result


def _turned(session: Session, entry: t.Mapping[str, t.Any]) -> Result:
    """Verify the turn of the proxy that the host's own script made for this run, and render the next way back."""
    releases = session.host.releases
    target, left = releases.get(str(entry.get("release"))), releases.find(entry.get("came_from"))
    with session.step("verify", release=target.id):
        proven = verify(session, target, model_of(session, target))
    with session.step("render_way_back", release=target.id):
        _timers.render_switch_back(session, target, releases.last_known_good(excluding=[target.id]))
    came_from = left.id if left else "an unknown release"
    result = _done(target, True, f"From {came_from} to the last known good release, {target.id}: {proven}.")
    result["previous"] = left.summary() if left else None
    return result


_DOERS: t.Dict[str, t.Callable[[Session, Wanted], Result]] = {
    ADOPTED: _adopted,
    PREPARED: _prepared,
    MIGRATED: _migrated,
    STARTED: _started,
    LIVE: _live,
    UNCONFIRMED: _unconfirmed,
    CONFIRMED: _confirmed,
    REVERTED: _reverted,
    ROLLED_BACK: _rolled_back,
}


def _unregistered(release: Release) -> str:
    names = ", ".join(release.transferred)
    return f"; the images of {names} came without a registry and are pinned by their IDs" if names else ""


def info(host: Host) -> Result:
    """Return what is recorded and what runs; nothing is changed."""
    with readable_errors(host):
        seen = observe(host)
        drift = [*seen.drift, *_proxy.problems(host)]
        holder = host.lease.holder()
        good = host.releases.last_known_good(excluding=[seen.current.id] if seen.current else [])
        strategy, _why = choose(host, None)
        due = _timers.deadline(host)
    return {
        "outcome": "seen",
        "notes": _timers.told(host)
        + [f"Drift: {text}." for text in drift]
        + [f"{r.id} ({r.version}) is {r.state}, made by {r.operator}{_unregistered(r)}." for r in host.releases.all()]
        + ([f"The lease is held by {holder.says()}."] if holder else []),
        "managed": seen.managed,
        "live_slot": seen.live,
        "switched": sorted(host.app.services),
        "strategy": strategy.name,
        "reverts_at": due.at if due else None,
        "current": seen.current.summary() if seen.current else None,
        "last_known_good": good.summary() if good else None,
        "releases": [r.summary() for r in host.releases.all()],
        "damaged": list(seen.damaged),
        "drift": drift,
        "unfinished": seen.unfinished,
        "containers": [
            {
                "id": c.id,
                "name": c.name,
                "service": c.service,
                "image": c.image_reference,
                "image_id": c.image_id,
                "status": c.status,
                "health": c.health,
                "restarts": c.restarts,
                "release": c.release,
                "slot": c.slot,
            }
            for c in sorted(seen.containers, key=lambda c: c.name)
        ],
        "lease": holder.says() if holder else None,
        "summary": seen.describe(host.app.services),
    }
