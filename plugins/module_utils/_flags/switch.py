# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Switches a flag and proves it: every instance, by its own address, several times in a row."""

from __future__ import annotations

import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags import history
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.instances import Containers, Instance, Reader
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.provider import Provider
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import Flags, closest, short, word
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.visible import VisibleCheck
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import TroubleError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import HISTORY_BYTES, Journal

Result = t.Dict[str, t.Any]

#: One that hangs must not keep the others from being switched.
_GRACE = 1.0
#: How long an instance waits for the first one's write, to see whether it follows without one of its own.
_FOLLOW = 0.25
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_ROUNDS = 4
_POOL = 32


@dataclass(frozen=True)
class Request:
    """What the operator asked for."""

    flag: str
    on: bool
    reads: int = 3
    wait: float = 20.0
    retries: int = 2
    restart_stale: bool = False
    persistent: t.Optional[bool] = None

    @property
    def state(self) -> str:
        """The state as results show it."""
        return word(self.on)


@dataclass(frozen=True)
class World:
    """What a request is carried out in."""

    containers: Containers
    services: t.Sequence[str]
    port: int
    reader: Reader
    provider: Provider
    provider_name: str
    journal: Journal
    clock: Clock
    hide: t.Callable[[str], str]
    visible: t.Optional[VisibleCheck] = None

    def instances(self) -> t.List[Instance]:
        """Return all instances; none at all is an error, for then nothing would be proven."""
        found = self.containers.of(self.services, self.port)
        if not found:
            raise HotfixError(
                f"No container of {', '.join(self.services)} runs on this host: nothing evaluates the flag.",
                code="bad_input",
                next_step="check instances.services and project, or start the app (docker compose up).",
            )
        return found


@dataclass(frozen=True)
class Who:
    """Who switches, for the journal."""

    run: str
    operator: str
    reason: str


class UnprovenError(HotfixError):
    """The switch was made, or begun, and is not proven on every instance. ``report`` tells of each."""

    def __init__(self, what: str, *, next_step: str, left: str, report: Result) -> None:
        super().__init__(what, next_step=next_step, left=left)
        self.report = report

    def as_result(self) -> Result:
        """Return what a module that fails with it returns: what is known of each instance as well."""
        return {**self.report, **super().as_result()}


class View:
    """What is known of one instance."""

    def __init__(self, instance: Instance, tries: int) -> None:
        self.instance = instance
        self.flags: t.Optional[Flags] = None
        self.before: t.Optional[bool] = None
        self.now: t.Optional[bool] = None
        self.problem: t.Optional[TroubleError] = None
        self.looked = False
        self.streak = 0
        self.reads = 0
        self.attempts = 0
        self.tries_left = tries
        self.restarted = False
        self.effect: t.Optional[float] = None
        self.proven = False

    def look(self, reader: Reader, flag: str) -> t.Optional[bool]:
        """Read once."""
        self.reads += 1
        try:
            self.flags = reader.read(self.instance, flag)
        except TroubleError as exc:
            self.now, self.problem = None, exc
        else:
            self.now, self.problem = self.flags.get(flag), None
            if self.now is None:
                self.problem = self._no_value(flag)
        self.looked = True
        return self.now

    def _no_value(self, flag: str) -> TroubleError:
        where = f"{self.instance.name} ({self.instance.where})"
        if flag in (self.flags or {}):
            return TroubleError(
                "no_value",
                f"{where} has a value for {flag} that is neither on nor off.",
                next_step="correct instances.value_on and instances.value_off, or the result path.",
            )
        return TroubleError(
            "not_listed", f"{where} does not know {flag}.", next_step="see which version of the app runs there."
        )

    def forget(self) -> None:
        """Begin the proof anew."""
        self.streak, self.proven, self.effect = 0, False, None

    def result(self) -> Result:
        """Return it as results show it."""
        one = self.instance
        return {
            "name": one.name,
            "service": one.service,
            "id": one.id[:12],
            "address": one.where if one.ip else "",
            "before": word(self.before),
            "after": word(self.now),
            "proven": self.proven,
            "reads": self.reads,
            "writes": self.attempts,
            "restarted": self.restarted,
            "seconds": self.effect if self.attempts or self.before is not self.now else None,
            "problem": self.problem.what if self.problem else None,
        }


class Switching:
    """One switch on one host."""

    def __init__(self, world: World, request: Request) -> None:
        self.world = world
        self.request = request
        self.views: t.List[View] = []
        self.store_before: t.Optional[bool] = None
        self.store_now: t.Optional[bool] = None
        self.store_flags: Flags = {}
        self.store_writes = 0
        self.visible_before: t.Optional[t.Tuple[bool, str]] = None
        self.visible_after: t.Optional[t.Tuple[bool, str]] = None
        self.notes: t.List[str] = []
        self.started = 0.0
        self.last: t.Optional[history.Switched] = None
        self.seen: t.Optional[history.Survival] = None
        self._pool = ThreadPoolExecutor(max_workers=_POOL)
        self._first_write = threading.Event()
        self._refusals: t.Dict[str, TroubleError] = {}

    # -- looking ------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read store and instances, all at once; one that hangs is waited for only as long as it may matter."""
        world, request = self.world, self.request
        self.started = world.clock.steady()
        self.last = self._journalled()
        self.views = [View(one, request.retries + 1) for one in world.instances()]
        store = self._pool.submit(world.provider.read, request.flag)
        visible = self._pool.submit(world.visible.fits, request.on) if world.visible else None
        reads = {self._pool.submit(view.look, world.reader, request.flag): view for view in self.views}
        self.store_flags = store.result()
        self.store_before = self.store_now = self.store_flags.get(request.flag)
        wait(reads, timeout=_GRACE)
        quick = [view for future, view in reads.items() if future.done()]
        agreed = all(view.now is request.on for view in quick)
        if agreed or not any(view.flags is not None for view in quick):
            wait(reads)
        if visible is not None:
            self.visible_before = visible.result()
        # The thread of one that hangs ends by itself; what it finds comes too late to count.
        late = {view.instance.id for future, view in reads.items() if not future.done()}
        self.views = [View(v.instance, v.tries_left) if v.instance.id in late else v for v in self.views]
        for view in self.views:
            view.before = view.now
        self._known()
        self.seen = history.observed(self.last, [(view.instance, view.before) for view in self.views])

    def _journalled(self) -> t.Optional[history.Switched]:
        try:
            return history.switches(self.world.journal.newest(HISTORY_BYTES)).get(self.request.flag)
        except OSError as exc:
            self.notes.append(f"The journal could not be read ({exc.strerror}).")
            return None

    def _known(self) -> None:
        """Raise for a name that neither the store nor any instance knows: most providers would create it."""
        flag = self.request.flag
        known: t.Set[str] = set(self.store_flags)
        for view in self.views:
            known.update(view.flags or () if self.world.reader.tells_names or view.now is not None else ())
        if flag in known:
            return
        troubles = [view.problem for view in self.views if view.problem is not None]
        if troubles and not known:
            self._nobody_told(troubles)
        near = closest(flag, known - {flag})
        listed = f"the closest known: {', '.join(near)}" if near else "it knows no flag at all"
        where = self.world.provider.store or "the app"
        raise HotfixError(
            f"There is no flag {flag!r} ({where}): {listed}.",
            code="bad_input",
            next_step=f"give the right name, as in -e flag={near[0]}." if near else "check where the flags are kept.",
        )

    def _nobody_told(self, troubles: t.Sequence[TroubleError]) -> None:
        first = troubles[0]
        others = f" (and {len(troubles) - 1} more instances likewise)" if len(troubles) > 1 else ""
        if first.kind == "not_found" and not self.world.reader.tells_names:
            # An API that is asked flag by flag says so of a name that it does not know.
            raise HotfixError(
                f"There is no flag {self.request.flag!r}: {first.what}",
                code="bad_input",
                next_step="check the name, and the paths.",
            )
        raise TroubleError(first.kind, f"{first.what}{others}", next_step=first.next_step, code=first.code)

    @property
    def has_store(self) -> bool:
        return bool(self.world.provider.store)

    def already(self) -> bool:
        """Whether there is nothing to write: store and instances have the value."""
        on = self.request.on
        return (not self.has_store or self.store_now is on) and all(view.now is on for view in self.views)

    # -- changing -----------------------------------------------------------------------------------------

    def prove(self, *, write: bool, wait_for: float) -> bool:
        """Read every instance until it was right N times in a row; write where the provider can and *write* says so."""
        for _round in range(_ROUNDS):
            end = self.world.clock.steady() + wait_for
            leader = next((view for view in self.views if view.now is (not self.request.on)), None)
            jobs = [self._pool.submit(self._settle, view, end, write, view is leader) for view in self.views]
            for job in jobs:
                job.result()
            if not self._others_came():
                break
        return all(view.proven for view in self.views)

    def _others_came(self) -> bool:
        """Look whether other containers run by now, for a deploy does not wait for us; prove those too."""
        by_id = {view.instance.id: view for view in self.views}
        now = self.world.instances()
        fresh = []
        for one in now:
            view = by_id.get(one.id)
            if view is None or _changed_since(view.instance, one):
                fresh.append(one)
        gone = set(by_id) - {one.id for one in now}
        if not fresh and not gone:
            return False
        for one in fresh:
            known = by_id.get(one.id)
            if known is None:
                view = View(one, self.request.retries + 1)
                self.notes.append(f"{one.name} was started meanwhile.")
                self.views.append(view)
            else:
                self.notes.append(f"{one.name} was restarted meanwhile.")
                known.instance = one
                known.forget()
                known.tries_left = self.request.retries + 1
        for view in [view for view in self.views if view.instance.id in gone]:
            self.notes.append(f"{view.instance.name} is gone.")
            self.views.remove(view)
        return bool(fresh)

    def _settle(self, view: View, end: float, write: bool, leads: bool) -> None:
        world, request, clock = self.world, self.request, self.world.clock
        if view.proven or not self._worth_waiting(view):
            return
        may_write = write and world.provider.writes_at_instances
        if may_write and not self.has_store:
            if leads:
                self._write_at(view)
                self._first_write.set()
            elif view.now is (not request.on):
                # Where the instances share their values one write is enough, and that is worth knowing.
                self._first_write.wait(_FOLLOW)
        pause = _PAUSE
        while True:
            if view.look(world.reader, request.flag) is request.on:
                view.streak += 1
                if view.effect is None:
                    view.effect = round(clock.steady() - self.started, 3)
                if view.streak >= request.reads:
                    view.proven = True
                    return
                continue
            view.streak, view.effect = 0, None
            given_up = view.instance.id in self._refusals and not self.has_store
            if given_up or clock.steady() >= end:
                return
            # A name that an instance does not list would be created by a write.
            if may_write and view.now is not None and view.tries_left:
                self._write_at(view)
                continue
            clock.sleep(min(pause, max(0.0, end - clock.steady())))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _worth_waiting(self, view: View) -> bool:
        """Look once at a container that does not run: only the engine's next answer can change that."""
        if view.instance.status == "running":
            return True
        view.look(self.world.reader, self.request.flag)
        if view.instance.status == "restarting":
            self.world.clock.sleep(_LONGEST_PAUSE)
        return False

    def _write_at(self, view: View) -> None:
        view.attempts += 1
        view.tries_left -= 1
        try:
            self.world.provider.write_at(view.instance, self.request.flag, self.request.on)
        except TroubleError as exc:
            view.problem = exc
            if not exc.retry:
                # It would be refused again.
                view.tries_left = 0
                self._refusals[view.instance.id] = exc

    def write(self) -> None:
        """Write to the store, then make and prove the change at every instance."""
        self.started = self.world.clock.steady()
        if self.has_store and self.store_now is not self.request.on:
            self.store_writes += 1
            self.world.provider.write(self.request.flag, self.request.on)
        self.prove(write=True, wait_for=self.request.wait)
        if self.request.restart_stale:
            self._restart_stale()
        if self.has_store:
            self.store_now = self.world.provider.read(self.request.flag).get(self.request.flag)

    def _restart_stale(self) -> None:
        """Restart those that do not follow, one after the other, and prove each before the next."""
        for view in [view for view in self.views if not view.proven]:
            before = view.instance
            self.world.containers.restart(before, self.request.wait)
            view.restarted = True
            view.forget()
            view.tries_left = self.request.retries + 1
            view.now = None
            for one in self.world.instances():
                if one.id == before.id:
                    view.instance = one
            if view.instance.ip != before.ip:
                self.notes.append(
                    f"{before.name} has another address since its restart: reload the proxy if users miss it."
                )
            self._settle(view, self.world.clock.steady() + self.request.wait, True, False)
        self._others_came()

    def check_visible(self) -> None:
        """Ask as a user does, until the answer is that of the new state."""
        visible, clock = self.world.visible, self.world.clock
        if visible is None:
            return
        end = clock.steady() + min(self.request.wait, 5.0)
        while True:
            self.visible_after = visible.fits(self.request.on)
            if self.visible_after[0] or clock.steady() >= end:
                return
            clock.sleep(0.1)

    # -- telling ------------------------------------------------------------------------------------------

    def survival(self) -> history.Survival:
        """Judge whether the app keeps the value."""
        followed = ""
        if self.store_writes and self.world.provider_name != "http":
            moved = [view for view in self.views if view.before is (not self.request.on)]
            if moved and not any(view.attempts or view.restarted for view in self.views):
                followed = self.world.provider.store
        return history.judged(self.seen, followed, self.request.persistent)

    def failures(self) -> t.List[str]:
        """Say of each thing that is not as it must be, what it is."""
        on, found = self.request.on, []
        for view in self.views:
            if view.proven:
                continue
            where = f"{view.instance.name} ({view.instance.where})" if view.instance.ip else view.instance.name
            refused = self._refusals.get(view.instance.id)
            if view.now is (not on):
                tries = f" after {view.attempts} writes of its own" if view.attempts > 1 else ""
                restarted = ", although it was restarted" if view.restarted else ""
                found.append(f"{where} still evaluates {self.request.flag} {short(not on)}{tries}{restarted}")
            elif view.now is on:
                found.append(f"{where} was not {short(on)} {self.request.reads} times in a row")
            else:
                found.append(view.problem.what.rstrip(".") if view.problem else f"{where} could not be asked")
            if refused is not None:
                found.append(refused.what.rstrip("."))
        if self.has_store and self.store_now is not on:
            found.append(f"{self.world.provider.store} does not have the new value")
        if self.visible_after is not None and not self.visible_after[0] and self.world.visible is not None:
            found.append(
                f"users do not see it: {self.visible_after[1].rstrip('.')}, wanted {self.world.visible.wants(on)}"
            )
        elif self._shows_nothing():
            found.append("the visible check proves nothing: its answer was the wanted one before the switch already")
        return found

    def _shows_nothing(self) -> bool:
        before = self.visible_before
        return before is not None and before[0] and all(view.before is (not self.request.on) for view in self.views)

    def advice(self) -> str:
        """Say what to do about a switch that is not proven."""
        stale = [view for view in self.views if not view.proven]
        if self._refusals:
            return next(iter(self._refusals.values())).next_step
        if any(view.now is None and view.problem is not None for view in stale):
            return next(view.problem.next_step for view in stale if view.now is None and view.problem is not None)
        if stale and not any(view.restarted for view in stale):
            return "run it again with -e restart_stale=true, which restarts those, one after the other."
        if stale and self.world.provider_name != "http":
            return f"the app does not take its flags from {self.world.provider.store}: use the provider that sets them."
        if stale:
            return "stop those containers, or roll back to a release without the feature."
        return "look at what the visible check asks for, and at the proxy's cache."

    def result(self) -> Result:
        """Return what is told of every instance."""
        effects = [view.effect for view in self.views if view.effect is not None]
        attempts = self.store_writes + sum(view.attempts for view in self.views)
        proven = bool(self.views) and all(view.proven for view in self.views)
        return {
            "flag": self.request.flag,
            "state": self.request.state,
            "provider": self.world.provider_name,
            "instances": [view.result() for view in self.views],
            "store": {
                "name": self.world.provider.store,
                "before": word(self.store_before),
                "after": word(self.store_now),
                "writes": self.store_writes,
            }
            if self.has_store
            else None,
            "attempts": attempts,
            "seconds_to_effect": max(effects) if proven and effects and attempts else None,
            "visible": None
            if self.world.visible is None
            else {
                "before": self.visible_before[1] if self.visible_before else None,
                "after": self.visible_after[1] if self.visible_after else None,
                "as_wanted": bool(self.visible_after and self.visible_after[0]),
            },
            "notes": self.notes,
        }

    def diff(self) -> Result:
        """Return values by instance, before and after."""
        store = [(self.world.provider.store, self.store_before)] if self.has_store else []
        rows = store + [(view.instance.name, view.before) for view in self.views]
        flag = self.request.flag
        return {
            "before": "".join(f"{flag} {name}: {word(value)}\n" for name, value in rows),
            "after": "".join(f"{flag} {name}: {self.request.state}\n" for name, _value in rows),
            "before_header": flag,
            "after_header": flag,
        }

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False)


def _changed_since(one: Instance, other: Instance) -> bool:
    return (one.started, one.ip, one.status) != (other.started, other.ip, other.status)


def plan(world: World, request: Request) -> Result:
    """Say what a switch would change; nothing is written."""
    job = Switching(world, request)
    try:
        job.look()
        found = job.result()
        if job.already():
            lines = [f"{request.flag} is {short(request.on)} already on {_names_of(job.views)}."]
        else:
            lines = [f"Would switch {request.flag} {short(request.on)} on {_names_of(job.views)}."]
        lines += [f"{view.instance.name} evaluates it {_short(view.now)} now." for view in job.views]
        lines += [view.problem.what for view in job.views if view.problem is not None]
        return {
            **found,
            "changed": not job.already(),
            "outcome": "planned",
            "summary": lines[0],
            "plan": lines,
            "diff": job.diff(),
            "persistence": job.survival().as_dict(),
            "steps": [],
        }
    finally:
        job.close()


def switch(world: World, request: Request, who: Who) -> Result:
    """Bring the flag to the state on every instance, and prove it."""
    job = Switching(world, request)
    try:
        began = world.clock.steady()
        job.look()
        # What was seen once is read as often as a change would be; where it does not hold there is something to change.
        if job.already() and job.prove(write=False, wait_for=0.0):
            return _unchanged(job, request)
        return _changed(job, world, request, who, began)
    finally:
        job.close()


def _unchanged(job: Switching, request: Request) -> Result:
    """Nothing was to be written, and that is proven."""
    job.visible_before = None
    job.check_visible()
    failures = job.failures()
    found = job.result()
    if failures:
        raise UnprovenError(
            f"{request.flag} is {short(request.on)} already, but {'; '.join(failures)}.",
            next_step=job.advice(),
            left="Nothing was written.",
            report=found,
        )
    survival = job.survival()
    note = history.advice(survival, request.on) if survival.survives != history.UNKNOWN else None
    return {
        **found,
        "changed": False,
        "outcome": "unchanged",
        "summary": f"{request.flag} is {short(request.on)} already on {_names_of(job.views)}, "
        f"seen {request.reads} times in a row.",
        "persistence": survival.as_dict(),
        "notes": [*job.notes, *([note] if note else [])],
        "steps": [],
        "diff": {},
    }


def _changed(job: Switching, world: World, request: Request, who: Who, began: float) -> Result:
    diff = job.diff()
    common = {
        "run": who.run,
        "owner": who.operator,
        "reason": who.reason,
        "action": history.ACTION,
        "step": "switch_flag",
        "flag": request.flag,
        "state": request.state,
        "provider": world.provider_name,
    }
    _record(job, {**common, "phase": "begin", "before": _values(job, "before")})

    def end(outcome: str, why: t.Optional[str] = None) -> float:
        seconds = round(world.clock.steady() - began, 3)
        entry = {**common, "phase": "end", "outcome": outcome, "seconds": seconds, "after": _values(job, "now")}
        _record(job, {**entry, "why": world.hide(why)} if why else entry)
        return seconds

    try:
        job.write()
        job.check_visible()
    except HotfixError as exc:
        exc.left = _left(job)
        end("failed", exc.what)
        raise
    except BaseException as exc:
        end("failed", type(exc).__name__)
        raise
    failures = job.failures()
    if failures:
        what = f"{request.flag} is not proven {short(request.on)}: {'; '.join(failures)}."
        end("failed", what)
        raise UnprovenError(what, next_step=job.advice(), left=_left(job), report=job.result())
    seconds = end("done")
    survival = job.survival()
    note = history.advice(survival, request.on)
    found = job.result()
    changed = bool(found["attempts"]) or any(view.restarted for view in job.views)
    took = f", {found['seconds_to_effect']:.2f} s after the first write" if found["attempts"] else ""
    return {
        **found,
        "changed": changed,
        "outcome": "done" if changed else "unchanged",
        "summary": f"{request.flag} is {short(request.on)} on {_names_of(job.views)}, "
        f"seen {request.reads} times in a row{took}.",
        "persistence": survival.as_dict(),
        "notes": [*job.notes, *([note] if note else [])],
        "steps": [{"step": "switch", "seconds": seconds, "outcome": "done"}],
        "diff": diff,
    }


def _record(job: Switching, entry: t.Dict[str, t.Any]) -> None:
    """Write a line to the journal. A disk that is full is no reason to leave a feature on."""
    try:
        job.world.journal.append(entry)
    except OSError as exc:
        note = f"The journal could not be written ({exc.strerror}): nobody will find this switch in it."
        if note not in job.notes:
            job.notes.append(note)


def _values(job: Switching, which: str) -> t.Dict[str, str]:
    return {view.instance.name: word(getattr(view, which)) for view in job.views}


def _left(job: Switching) -> str:
    """Say in which state every instance was left."""
    parts = [f"{view.instance.name} evaluates it {_short(view.now)}" for view in job.views]
    return f"As last seen, {', '.join(parts)}."


def _short(value: t.Optional[bool]) -> str:
    return "in an unknown way" if value is None else short(value)


def _names_of(views: t.Sequence[View]) -> str:
    names = [view.instance.name for view in views]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
