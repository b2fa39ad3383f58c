# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a host does by itself: it goes back from a release that nobody confirmed, and stops a slot that nobody needs.

Each is a file that says what is to be done when, and a process of the script ``switch-back`` that waits for it. The
file is what counts: without it the process ends, and where the process is gone (a reboot) the file is honoured at the
next contact.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _files,
    _proxy,
    _slots,
    _states,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import parse, stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import HISTORY_BYTES, Entry
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import BLUE, GREEN, OWN, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _switch_back

_DEADLINE = "deadline.json"
#: The script on the host, and its word in the journal.
_SCRIPT = "switch-back"
_ACTION = "switch_back"
#: Seconds that handing a timer over may take, and going back in the foreground beside starting containers.
_HANDING_OVER = 15.0
_GOING_BACK = 150.0


@dataclass(frozen=True)
class Deadline:
    """Until when a release is to be confirmed. ``armed`` says that the host goes back by itself after it."""

    id: str
    release: str
    back_to: str
    at: str
    run: str
    fencing: int
    armed: bool
    boot: str

    def says(self) -> str:
        """Return what an operator is told."""
        if self.armed:
            return f"reverts at {_time_of_day(self.at)} unless it is confirmed"
        return f"is to be confirmed by {_time_of_day(self.at)}; nothing reverts by itself"


@dataclass(frozen=True)
class Cooling:
    """A slot that is stopped at a time unless the proxy sends users to it by then."""

    id: str
    slot: str
    release: str
    at: str
    boot: str


def _time_of_day(at: str) -> str:
    return parse(at).strftime("%H:%M:%S UTC")


# -- looking ------------------------------------------------------------------------------------------------------


def deadline(host: Host) -> t.Optional[Deadline]:
    """Return the deadline that is set, if any."""
    return _read(host.app.app_dir / _DEADLINE, Deadline)


def cooling(host: Host) -> t.Dict[str, Cooling]:
    """Return the slots that are to be stopped, by name."""
    found = {slot: _read(_idle_file(host, slot), Cooling) for slot in (OWN, BLUE, GREEN)}
    return {slot: one for slot, one in found.items() if one is not None}


_Record = t.TypeVar("_Record", Deadline, Cooling)


def _read(path: Path, kind: t.Type[_Record]) -> t.Optional[_Record]:
    data = _files.read_json(path)
    try:
        record = kind(**{name: data[name] for name in kind.__dataclass_fields__})
        parse(record.at)
    except (TypeError, ValueError, KeyError):
        return None
    return record


def pending(host: Host) -> t.Optional[Entry]:
    """Return the journal's line of a switch back that the records of the releases do not know of yet."""
    found: t.Optional[Entry] = None
    for entry in host.journal.entries():
        step, phase = entry.get("step"), entry.get("phase")
        if step == "switch" and phase == "begin":
            found = None
        elif phase != "end" or entry.get("outcome") != "done":
            continue
        elif step == "switch" and entry.get("action") == _ACTION:
            found = entry
        elif step == "settle" and found is not None and entry.get("settles") == found.get("run"):
            found = None
    return found


def why_left(host: Host, release_id: str) -> t.Optional[str]:
    """Say when and by whom the host was switched back from a release, if it was."""
    for entry in reversed(host.journal.newest(HISTORY_BYTES)):
        if (
            entry.get("action") == _ACTION
            and entry.get("step") == "switch"
            and entry.get("outcome") == "done"
            and entry.get("came_from") == release_id
        ):
            return _says(entry)
    return None


def told(host: Host) -> t.List[str]:
    """Return what an observer is to know of deadlines and timers, one sentence each."""
    lines = []
    entry = pending(host)
    if entry is not None:
        lines.append(_says(entry))
    due = deadline(host)
    if due is not None:
        late = parse(due.at) <= host.clock.now()
        lines.append(f"Release {due.release} {due.says()}" + ("; that time has passed." if late else "."))
        if due.armed and not _runs(host, due.id):
            lines.append("The timer of this deadline does not run: the next change on this host honours it.")
    lines += [
        f"Slot {one.slot} ({one.release}) is stopped at {_time_of_day(one.at)} if it is idle then."
        for one in cooling(host).values()
    ]
    return lines


def _says(entry: Entry) -> str:
    who = {
        "timer": "it was not confirmed in time, so the host switched back by itself",
        "rollback": f"a rollback of {entry.get('owner')} turned the proxy and was cut off then",
    }.get(str(entry.get("by")), f"{entry.get('owner')} switched back by hand")
    if entry.get("came_from") == entry.get("release"):
        return f"The restart of {entry.get('release')} was undone at {entry.get('at')}: {who}."
    return f"Release {entry.get('came_from')} was left at {entry.get('at')} for {entry.get('release')}: {who}."


def _boot() -> str:
    """Return what tells this run of the machine from the one before: no process is left of that."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _runs(host: Host, identity: str) -> bool:
    """Tell whether the process that waits for a record is alive."""
    script = os.path.join(os.path.realpath(str(host.app.app_dir)), _SCRIPT).encode("utf-8")
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if identity.encode("utf-8") in words and script in words:
            return True
    return False


# -- the script ---------------------------------------------------------------------------------------------------


def render_switch_back(session: Session, leaves: Release, back_to: t.Optional[Release], *, plain: bool = False) -> bool:
    """Write ``switch-back`` for the way from *leaves* to *back_to*; tell whether there is such a way.

    A *plain* way is where a rollback goes, with a database that the older code can live with.
    """
    # Its text is long, and users may be waiting for what comes before this.
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _switch_back

    host = session.host
    way = replace(_way(host, leaves, back_to), plain=plain)
    _files.write_text(_script(host), _switch_back.render(way), mode=0o700)
    return way.method != _switch_back.NOWHERE


def _script(host: Host) -> Path:
    return host.app.app_dir / _SCRIPT


def _way(host: Host, leaves: Release, back_to: t.Optional[Release]) -> _switch_back.Way:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _switch_back

    app = host.app
    nowhere = _switch_back.Way(
        app_dir=os.path.realpath(str(app.app_dir)),
        project=app.project,
        leaves=leaves.id,
        leaves_slot=leaves.slot,
        services=sorted(set(app.services) | set(leaves.images)),
        stop_timeout=app.stop_timeout,
        rendered=stamp(host.clock.now()),
    )
    model = _compose.load(host.releases.compose_file(back_to.id)) if back_to is not None else None
    if back_to is None or model is None:
        return nowhere
    slot = _slot_back(leaves, back_to)
    compose_file = _slots.compose_file(host, back_to, slot)
    if not compose_file.exists():
        compose_file = _slots.write(host, back_to, slot)
    proxy = _proxy.managed(host)
    if proxy is not None and not (_proxy.folder(host) / slot).is_dir():
        _proxy.write_slot(host, proxy, slot, leaves.slot)
    wanted = {name: _compose.replicas(model, name) for name in back_to.images}
    # What the proxy does not send users to can wait until they are served.
    late = {n: c for n, c in wanted.items() if app.option(n).exclusive and not _behind_proxy(host, slot, n)}
    return _switch_back.Way(
        app_dir=nowhere.app_dir,
        project=app.project,
        leaves=leaves.id,
        leaves_slot=leaves.slot,
        services=sorted(set(nowhere.services) | set(back_to.images)),
        method=_switch_back.RECREATE if slot == leaves.slot else _switch_back.FLIP,
        back=back_to.id,
        back_slot=slot,
        back_project=_slots.project(app, slot),
        compose_file=os.path.join(nowhere.app_dir, str(compose_file.relative_to(app.app_dir))),
        compose_services=sorted(_slots.address_name(name, slot) for name in back_to.images),
        early={name: count for name, count in wanted.items() if name not in late},
        late=late,
        images={name: image.image_id for name, image in back_to.images.items()},
        adopted=_adopted(host) if slot == OWN else {},
        exclusive=sorted(name for name in app.services if app.option(name).exclusive),
        closing=sorted(name for name in app.services if app.option(name).websockets == "close"),
        current_only=app.current_only,
        proxy_service=app.proxy_service,
        proxy_test=app.proxy_test,
        proxy_reload=app.proxy_reload,
        start_timeout=app.start_timeout,
        stop_timeout=app.stop_timeout,
        drain_timeout=app.drain_timeout,
        rendered=nowhere.rendered,
    )


def _adopted(host: Host) -> t.Dict[str, str]:
    """Return the images of what runs in the app's own project without a release's label, by the containers' IDs.

    An ID says the same for ever, so the script need not ask for what is known here.
    """
    with contextlib.suppress(HotfixError):
        found = host.docker.containers(host.app.project)
        return {c.id: c.image_id for c in found if c.slot == OWN and c.release is None}
    return {}


def _slot_back(leaves: Release, back_to: Release) -> str:
    if back_to.slot != leaves.slot or leaves.slot == OWN:
        return back_to.slot
    # It ran where the one that is left runs now.
    return _slots.idle_colour(leaves.slot)


def _behind_proxy(host: Host, slot: str, service: str) -> bool:
    try:
        text = (_proxy.folder(host) / slot / "upstreams.conf").read_text(encoding="utf-8")
    except OSError:
        return True
    return f"server {_slots.address_name(service, slot)}:" in text


def _hand_over(host: Host, *words: str) -> None:
    """Have the script wait on its own: this process, its SSH session and the lock may end meanwhile."""
    code, stdout, stderr = host.docker.program("sh", str(_script(host)), "--detach", *words, timeout=_HANDING_OVER)
    if code != 0:
        raise HotfixError(
            f"The timer could not be started: {(stderr or stdout).strip() or f'exit code {code}'}.",
            next_step="see that flock and setsid (util-linux) are installed on the host.",
        )


def _seconds_until(host: Host, at: str) -> int:
    """Return whole seconds, no fewer than there are and never less than zero."""
    return max(0, -int((host.clock.now() - parse(at)).total_seconds() // 1))


# -- commit confirmed ---------------------------------------------------------------------------------------------


def arm(session: Session, release: Release, back_to: Release, *, possible: bool = True) -> Deadline:
    """Set the deadline until which *release* is to be confirmed, and start the timer that goes back after it.

    Called with the lock held and before anything is switched, so that there is no moment without a way back. Where
    the older code cannot live with the database any more (not *possible*) nothing goes back by itself.
    """
    host = session.host
    good = host.releases.last_known_good(excluding=[release.id])
    plain = possible and good is not None and good.id == back_to.id
    way = render_switch_back(session, release, back_to, plain=plain)
    due = Deadline(
        id=f"{session.run.id}-{session.fencing}-{release.id}",
        release=release.id,
        back_to=back_to.id,
        at=_in(host.clock.now(), host.app.confirm_within),
        run=session.run.id,
        fencing=session.fencing,
        armed=way and possible and host.app.unconfirmed == "revert",
        boot=_boot(),
    )
    _files.write_json(host.app.app_dir / _DEADLINE, asdict(due))
    if due.armed:
        _hand_over(host, "--at-deadline", due.id, str(_seconds_until(host, due.at)))
    elif not possible:
        session.note(f"{back_to.id} cannot live with the database as it is now: nothing goes back to it by itself.")
    elif host.app.unconfirmed == "revert":
        session.note(f"The host has no way back to {back_to.id} (its Compose file is damaged): no deadline is armed.")
    return due


def _in(now: datetime, seconds: float) -> str:
    return stamp(now + timedelta(seconds=seconds))


def disarm(session: Session) -> None:
    """Take the deadline back: the release is settled. The timer sees it within two seconds and ends."""
    _remove(session.host.app.app_dir / _DEADLINE)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def overdue(session: Session) -> t.Optional[str]:
    """Honour a deadline that passed while nobody was there to: go back. Return what is to be told of it."""
    host = session.host
    due = deadline(host)
    if due is None or not due.armed or parse(due.at) > host.clock.now():
        return None
    current = host.releases.current()
    if current is not None and current.id not in (due.release, due.back_to):
        disarm(session)
        return f"The deadline of {due.release} passed at {due.at}, but {current.id} is current: it was dropped."
    code, stdout, stderr = host.docker.program(
        "sh",
        str(_script(host)),
        "--overdue",
        due.id,
        session.run.id,
        str(session.fencing),
        timeout=_GOING_BACK + host.app.start_timeout,
    )
    if code != 0:
        said = " ".join((stdout + stderr).split())
        return f"The deadline of {due.release} passed at {due.at}, but the host could not go back: {said}"
    after = settle(session)
    return (
        f"The deadline of {due.release} passed at {due.at} with no timer to see it. {after or 'Nothing had to change.'}"
    )


def settle(session: Session) -> t.Optional[str]:
    """Bring the records in line with a switch back that the host made by itself, or a human with the script.

    Return what is to be told of it; ``None`` when there was none, or when it was the beginning of this very rollback.
    """
    host = session.host
    entry = pending(host)
    if entry is None:
        return None
    target = host.releases.find(entry.get("release"))
    left = host.releases.find(entry.get("came_from"))
    by = "the host's timer" if entry.get("by") == "timer" else str(entry.get("owner"))
    with session.step("settle", release=entry.get("release"), settles=entry.get("run")):
        if left is not None and (target is None or left.id != target.id):
            _leave(host, left, by, f"switched back to {entry.get('release')}")
        current = host.releases.current()
        if target is not None and current is not None and current.id == target.id:
            if target.state in (_states.SUPERSEDED, _states.VOIDED):
                _advance(host, target, _states.LIVE, by, "switched back")
            if target.state == _states.LIVE:
                _advance(host, target, _states.CONFIRMED, by, "found healthy by the switch back")
            target.slot = entry.get("slot") or target.slot
            if left is not None and left.id == target.id:
                # It was started afresh, and that was undone: how it became current is still true.
                host.releases.save(target)
                return _says(entry)
            by_what = "rollback" if entry.get("by") == "rollback" else _ACTION
            host.releases.make_current(target, by=by_what, came_from=left.id if left else target.came_from)
    if entry.get("by") == "rollback" and entry.get("run") == session.run.id:
        session.turned = entry
        return None
    return _says(entry)


def _leave(host: Host, release: Release, by: str, why: str) -> None:
    if release.state in (_states.PREPARING, _states.PREPARED):
        _advance(host, release, _states.FAILED, by, why)
    elif release.state in (_states.LIVE, _states.CONFIRMED):
        _advance(host, release, _states.VOIDED, by, why)
    host.releases.save(release)


def _advance(host: Host, release: Release, state: str, by: str, why: str) -> None:
    release.advance(state, at=stamp(host.clock.now()), operator=by, why=why)


# -- idle slots ---------------------------------------------------------------------------------------------------


def _idle_file(host: Host, slot: str) -> Path:
    return host.app.app_dir / f"idle-{slot}.json"


def cool(session: Session, slot: str, release_id: str, after_seconds: float) -> Cooling:
    """Have the containers of *slot* stopped after a time, unless users are sent to it by then."""
    host = session.host
    one = Cooling(
        id=f"{session.run.id}-{session.fencing}-{slot}",
        slot=slot,
        release=release_id,
        at=_in(host.clock.now(), after_seconds),
        boot=_boot(),
    )
    if not _script(host).exists():
        current = host.releases.current()
        if current is not None:
            render_switch_back(session, current, None)
    _files.write_json(_idle_file(host, slot), asdict(one))
    _hand_over(host, "--stop-idle", slot, release_id, one.id, str(_seconds_until(host, one.at)))
    return one


def cancel_cool(session: Session, slot: str) -> None:
    """Keep a slot from being stopped. With the lock held nothing is stopping it."""
    _remove(_idle_file(session.host, slot))


# -- every contact ------------------------------------------------------------------------------------------------


def catch_up(session: Session) -> None:
    """Begin a change on firm ground: learn of a switch back, honour a passed deadline, start lost timers again."""
    host = session.host
    for said in (settle(session), overdue(session)):
        if said is not None:
            session.note(said)
    due, boot = deadline(host), _boot()
    if due is not None and due.armed and due.boot != boot and parse(due.at) > host.clock.now():
        _files.write_json(host.app.app_dir / _DEADLINE, asdict(replace(due, boot=boot)))
        _hand_over(host, "--at-deadline", due.id, str(_seconds_until(host, due.at)))
        session.note(f"The host was restarted before {due.release} was confirmed: it still {due.says()}.")
    for one in cooling(host).values():
        # A minute late is more than a timer that runs ever is, unless somebody is at work.
        lost = parse(one.at) + timedelta(minutes=1) < host.clock.now() and not _runs(host, one.id)
        if lost or one.boot != boot:
            _files.write_json(_idle_file(host, one.slot), asdict(replace(one, boot=boot)))
            _hand_over(host, "--stop-idle", one.slot, one.release, one.id, str(_seconds_until(host, one.at)))
