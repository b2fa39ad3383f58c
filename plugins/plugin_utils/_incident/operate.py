# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator says of an incident: checked as a whole, then written down, all of it or nothing."""

from __future__ import annotations

import difflib
import hashlib
import re
import typing as t
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.fold import CHANGE, CRITERIA, fold
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import (
    NEW,
    Folder,
    State,
    Store,
    checked_id,
    evidence_name,
)

Options = t.Mapping[str, t.Any]

#: What is known of an incident, of which a later word counts.
FIELDS = (
    "title",
    "severity",
    "criterion",
    "summary",
    "services",
    "reason",
    "roles",
    "contacts",
    "started_at",
    "detected_at",
    "root_cause",
    "contributing",
    "customer_message",
)
#: What is still written down once an incident is closed: the review goes on in people's heads.
_AFTER_CLOSING = (
    "root_cause",
    "contributing",
    "customer_message",
    "actions",
    "tick",
    "untick",
    "by",
    "note",
    "at",
    "merge",
)
_ADDS = (*FIELDS, "event", "note", "tick", "untick", "actions", "merge")
#: What the first event has room for.
_OF_OPENING = ("title", "severity", "criterion", "summary", "services", "reason", "roles", "contacts")
_TIMES = ("started_at", "detected_at")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
# Clocks of people's machines differ by seconds.
_FUTURE = timedelta(minutes=1)
_EARLIER = {"resolved": "mitigated", "closed": "resolved"}
_SAID = {
    "mitigated": "users are served again",
    "resolved": "the cause is gone",
    "closed": "the review is over",
}


class Redacts(t.Protocol):
    """What masks secrets in whatever a record holds."""

    def text(self, value: str) -> str:
        """Mask those in a text."""

    def deep(self, value: t.Any) -> t.Any:
        """Mask those in all texts of a value, however deep."""


@dataclass
class Plan:
    """All that a call would write, found to be right before any of it is written."""

    folder: Folder | None
    #: The first event, for an incident that is to be opened.
    opened: E.Event | None = None
    wanted: str | None = None
    events: list[E.Event] = field(default_factory=list)
    #: What the hosts' journals hold and the record does not.
    journals: list[E.Event] = field(default_factory=list)
    #: Files to copy, each with the event that they belong to.
    files: list[tuple[E.Event, Path]] = field(default_factory=list)
    merge: Folder | None = None
    #: What becomes of the incident, for who wants to be told.
    about: str | None = None

    @property
    def writes(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.opened or self.events or self.journals or self.merge)

    @property
    def every(self) -> list[E.Event]:
        """Return the events in their order."""
        return [*([self.opened] if self.opened else []), *self.events, *self.journals]

    @property
    def words(self) -> list[str]:
        """Return in words what is written."""
        words = [one["text"] for one in self.every if one["kind"] != "journal"]
        if self.journals:
            hosts = ", ".join(sorted({str(one["host"]) for one in self.journals}))
            words.append(f"Collected {len(self.journals)} entries of the journals of {hosts}.")
        return [*words, *([f"Took in the record in {self.merge.path}."] if self.merge else [])]


@dataclass
class Desk:
    """Where an operator speaks of the incidents of one environment."""

    store: Store
    environment: str
    operator: str
    redactor: Redacts
    zone: tzinfo
    zone_name: str
    #: The command that shows an incident, for next steps.
    command: str
    now: datetime = field(default_factory=_clock.utc_now)

    # ------------------------------------------------------------------ plan

    def plan(self, options: Options, journals: t.Sequence[E.Event] = ()) -> Plan:
        """Check everything that was said, and return what is to be written; raise before anything is.

        *journals* are what hosts tell of themselves; what is new in them is added.
        """
        options = {**options, "severity": _severity(options.get("severity"))}
        _refuse_other("criterion", options.get("criterion"), list(CRITERIA))
        _refuse_other("state", options.get("state"), [*E.STATES, "recorded", "rendered"])
        adds = [name for name in _ADDS if options.get(name) not in (None, "", [], {})]
        state = options.get("state") or ("recorded" if adds or journals else "rendered")
        if state == "rendered" and adds:
            raise BadInputError(
                f"state is 'rendered', which adds nothing, and {adds[0]} is given.",
                next_step="leave state out to add to the incident.",
            )
        if state == "recorded" and not adds and not journals:
            raise BadInputError(
                "state is 'recorded', and nothing to record is given.",
                next_step=f"say something, as in {self.command} -e \"note='…'\".",
            )
        times = {name: self.moment(name, options.get(name)) for name in (*_TIMES, "at")}
        if times["at"] and state == "opened":
            raise BadInputError(
                "at is given with state 'opened'.", next_step="say when it began with started_at or detected_at."
            )
        plan = Plan(self._find(state, options.get("id")))
        if plan.folder is None and state == "opened":
            plan.wanted = None if options.get("id") in (None, "", NEW) else str(options["id"])
            plan.about = "opened"
        known = plan.folder.events() if plan.folder else []
        self._refuse_closed(plan, state, adds)
        self._say(plan, known, options, times)
        have = {one["id"] for one in known if one["end"] is not None}
        plan.journals = [one for one in self.redactor.deep(list(journals)) if one["id"] not in have]
        self._turn(plan, known, state, times["at"])
        return plan

    def moment(self, name: str, given: t.Any) -> str | None:
        """Read a time that somebody typed."""
        if given in (None, ""):
            return None
        text = str(given).strip()
        local = self.now.astimezone(self.zone)
        clock = _CLOCK.fullmatch(text)
        if clock:
            hour, minute, second = (int(part or 0) for part in clock.groups())
            found = local.replace(hour=hour, minute=minute, second=second, microsecond=0)
            if found > local + _FUTURE:
                found = (found - timedelta(days=1)).replace(hour=hour)
        else:
            try:
                found = datetime.fromisoformat(text)
            except ValueError:
                raise BadInputError(
                    f"{name} is {text!r}, which is no time.",
                    next_step="give it as in '2026-01-02T03:04:05Z', or '03:04' in your zone, in quotes.",
                ) from None
            found = found if found.tzinfo else found.replace(tzinfo=self.zone)
        if found > self.now + _FUTURE:
            raise BadInputError(
                f"{name} is {text!r}, which is in the future.", next_step="give the time at which it was so."
            )
        return _clock.stamp(found)

    # ------------------------------------------------------------------ find

    def unclosed(self) -> list[State]:
        """Return the incidents of the environment that are not closed, the newest first."""
        return [one for one in self.store.states() if one.environment == self.environment and one.state != "closed"]

    def _find(self, state: str, wanted: t.Any) -> Folder | None:
        if wanted and wanted != NEW:
            incident = checked_id(str(wanted))
            if state == "opened" and not self.store.has(incident):
                return None
            return self.store.get(incident)
        if wanted == NEW:
            if state != "opened":
                raise BadInputError(
                    f"{NEW!r} stands for an incident that is yet to be opened, and state is {state!r}.",
                    next_step=f"open it: {self.command} -e state=opened -e incident=new.",
                )
            return None
        if state == "opened":
            return self.store.open_of(self.environment)
        if state == "closed":
            self._refuse_second_close()
        found = self.unclosed()
        if found:
            return self.store.folder(found[0].id)
        if state == "rendered":
            return None
        raise self._none_open(state)

    def _none_open(self, state: str) -> BadInputError:
        newest = next((one for one in self.store.states() if one.environment == self.environment), None)
        last = f"; the newest one, {newest.id}, is closed" if newest else ""
        return BadInputError(
            f"No incident of {self.environment} is open in {self.store.path}{last}, so none can be {state}.",
            next_step=f"{self.command} -e state=opened -e \"title='…'\", or name one with -e incident=ID.",
        )

    def _refuse_second_close(self) -> None:
        """Closing is said of the newest one. If that is closed, an older one is not meant."""
        for one in self.store.states():
            if one.environment != self.environment:
                continue
            folder = self.store.folder(one.id)
            if one.state != "closed":
                return
            if _is_change(folder):
                continue
            older = ", ".join(each.id for each in self.unclosed())
            raise self._closed_twice(one.id, folder.events(), older)

    def _closed_twice(self, incident: str, known: t.Sequence[E.Event], older: str = "") -> BadInputError:
        closed = next(one for one in known if one["kind"] == "state" and one["data"].get("state") == "closed")
        meant = f"name an older one that is not closed ({older}) with -e incident=ID, or " if older else ""
        return BadInputError(
            f"Incident {incident} is closed already, since {self.shown(closed['at'])} by {closed['actor']['name']}.",
            next_step=f"{meant}show it: {self.command} -e incident={incident}.",
        )

    def shown(self, stamp: str) -> str:
        """Return a time as its reader lives it."""
        return f"{E.moment(stamp).astimezone(self.zone):%Y-%m-%d %H:%M:%S} ({self.zone_name})"

    # ------------------------------------------------------------------- say

    def _refuse_closed(self, plan: Plan, state: str, adds: t.Sequence[str]) -> None:
        if plan.folder is None or state in ("closed", "rendered") or plan.folder.state().state != "closed":
            return
        late = [name for name in adds if name not in _AFTER_CLOSING]
        if state == "recorded" and not late:
            return
        what = f"cannot be {state}" if state != "recorded" else f"takes no {late[0]} any more"
        raise BadInputError(
            f"Incident {plan.folder.id} is closed and {what}.",
            next_step=f"write a note ({self.command} -e incident={plan.folder.id} -e \"note='…'\"), or open another "
            f"one ({self.command} -e state=opened -e incident=new).",
        )

    def _say(self, plan: Plan, known: t.Sequence[E.Event], options: Options, times: Options) -> None:
        facts = {name: options[name] for name in FIELDS if options.get(name) not in (None, "", [], {})}
        facts.update({name: times[name] for name in _TIMES if times[name]})
        facts = self.redactor.deep(facts)
        if plan.about == "opened":
            plan.opened = self._opening(facts)
            facts = {name: value for name, value in facts.items() if name not in _OF_OPENING}
        before = fold(known).fields
        changed = {name: value for name, value in facts.items() if before.get(name) != value}
        if changed:
            named = ", ".join(f"{name.replace('_', ' ')}: {_short(value)}" for name, value in changed.items())
            plan.events.append(self._event("fields", f"Noted {named}.", data={"fields": changed}))
        self._note(plan, known, options, times["at"])
        self._happened(plan, known, options.get("event") or {})
        self._act(plan, known, options.get("actions") or [])
        self._tick(plan, known, options, times["at"])
        if options.get("merge"):
            plan.merge = self._other(plan, str(options["merge"]))

    def _opening(self, facts: Options) -> E.Event:
        title = facts.get("title") or facts.get("reason") or f"Incident in {self.environment}"
        return self._event(
            "opened",
            f"Incident opened: {title}",
            data={
                **{name: facts.get(name) for name in _OF_OPENING},
                "title": title,
                "summary": facts.get("summary") or "",
                "reason": facts.get("reason") or "",
                "services": facts.get("services") or [],
                "roles": facts.get("roles") or [],
                "contacts": facts.get("contacts") or {},
                "environment": self.environment,
                "zone": self.zone_name,
                "record": "incident",
            },
        )

    def _event(self, kind: str, text: str, **more: t.Any) -> E.Event:
        return E.event(kind, text=text, actor=more.pop("actor", None) or E.human(self.operator), **more)

    def _note(self, plan: Plan, known: t.Sequence[E.Event], options: Options, at: str | None) -> None:
        text = self.redactor.text(str(options.get("note") or "").strip())
        same = [one for one in known if one["kind"] == "note" and one["text"] == text and at in (None, one["at"])]
        if text and not any(one["actor"]["name"] == self.operator for one in same):
            plan.events.append(self._event("note", text, at=at))

    def _happened(self, plan: Plan, known: t.Sequence[E.Event], said: Options) -> None:
        """Take in something that somebody did or saw."""
        if not said:
            return
        at, end = self.moment("event.at", said.get("at")), self.moment("event.end", said.get("end"))
        if end and not at:
            raise BadInputError("event has an end and no beginning.", next_step="say when it began (event.at).")
        if at and end and end < at:
            raise BadInputError("event ends before it begins.", next_step="look at event.at and event.end.")
        files = [Path(one) for one in said.get("evidence") or []]
        for path in files:
            if not path.is_file():
                raise BadInputError(
                    f"event.evidence names {str(path)!r}, and there is no such file.",
                    next_step="name files of this machine, relative to the folder in which the run was started.",
                )
        text = self.redactor.text(str(said["text"]).strip())
        new = self._event(
            "note",
            text,
            actor=E.human(self.redactor.text(str(said.get("actor") or self.operator))),
            at=at,
            end=end,
            host=said.get("host"),
            step=said.get("step"),
            outcome=said.get("outcome") or "done",
        )
        alike = ("text", "host", "step", "outcome", "actor", *(("at", "end") if at else ()))
        if any(one["kind"] == "note" and all(one[name] == new[name] for name in alike) for one in known):
            return
        plan.events.append(new)
        plan.files += [(new, path) for path in files]

    def _act(self, plan: Plan, known: t.Sequence[E.Event], actions: t.Sequence[Options]) -> None:
        before = _actions(known)
        for said in self.redactor.deep([dict(one) for one in actions]):
            text = str(said["text"]).strip()
            if said.get("due"):
                try:
                    date.fromisoformat(str(said["due"]))
                except ValueError:
                    raise BadInputError(
                        f"The action {text!r} is due on {said['due']!r}, which is no day.",
                        next_step="give it as in '2026-01-31', in quotes.",
                    ) from None
            item = "action-" + hashlib.sha256(text.casefold().encode()).hexdigest()[:4]
            data = {
                "item": item,
                "text": text,
                "owner": said.get("owner") or None,
                "due": said.get("due") or None,
                "type": said.get("type") or "prevent",
                "done": bool(said.get("done")),
            }
            if before.get(item) == data:
                continue
            owner = f" by {data['owner']}" if data["owner"] else ""
            due = f" until {data['due']}" if data["due"] else ""
            plan.events.append(self._event("action", f"To do{owner}{due}: {text}", data=data))

    def _tick(self, plan: Plan, known: t.Sequence[E.Event], options: Options, at: str | None) -> None:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import checklists

        by = self.redactor.text(str(options.get("by") or self.operator))
        actions = _actions(known)
        before = {one["data"].get("item"): one["data"] for one in known if one["kind"] == "checklist"}
        ticks = [(str(key), True) for key in options.get("tick") or []]
        ticks += [(str(key), False) for key in options.get("untick") or []]
        items = checklists.items()
        for key, done in ticks:
            if key in actions:
                if bool(actions[key].get("done")) != done:
                    text = f"{'Done' if done else 'Not done after all'}, says {by}: {actions[key].get('text')}"
                    plan.events.append(self._event("action", text, at=at, data={**actions[key], "done": done}))
            elif key in items:
                if (before.get(key, {}).get("done"), before.get(key, {}).get("by")) != (done, by):
                    text = f"{'Ticked' if done else 'Unticked'} by {by}: {items[key]}"
                    data = {"item": key, "done": done, "by": by}
                    plan.events.append(self._event("checklist", text, at=at, data=data))
            else:
                raise BadInputError(
                    f"{key!r} is no item of the checklists, nor an action of this incident.",
                    next_step=f"take one of: {', '.join([*items, *actions])}.",
                )

    def _other(self, plan: Plan, path: str) -> Folder:
        """Find the record that is to be merged."""
        other = Folder(path)
        if not other.log.is_file():
            raise BadInputError(
                f"merge names {path!r}, and there is no record of an incident in it.",
                next_step="name the folder that has the other operator's events.jsonl.",
            )
        if plan.folder is None or other.path.resolve() == plan.folder.path.resolve():
            why = "is this record itself" if plan.folder else "is given, and there is no incident to merge it with"
            raise BadInputError(
                f"merge {why}.", next_step="name the copy of another operator, and the incident with -e incident=ID."
            )
        if other.said_id() != plan.folder.said_id():
            raise BadInputError(
                f"merge names the record of incident {other.said_id()}, and this is {plan.folder.said_id()}.",
                next_step="merge records of one incident: the second operator joins it by its ID (-e incident=ID).",
            )
        return other

    # ------------------------------------------------------------------ turn

    def _turn(self, plan: Plan, known: t.Sequence[E.Event], state: str, at: str | None) -> None:
        """Take the incident to its next state, if that is what comes next."""
        if state not in E.STATES or plan.folder is None:
            return
        now = plan.folder.state().state
        incident = plan.folder.id
        if state == "closed" and now == "closed":
            raise self._closed_twice(incident, known)
        if state == now:
            return
        if E.STATES.index(state) < E.STATES.index(now):
            raise BadInputError(
                f"Incident {incident} is {now}, and does not go back to {state}.",
                next_step=f"if users are hit again, open another one ({self.command} -e state=opened -e incident=new); "
                f"to add to this one leave state out.",
            )
        missing = _EARLIER.get(state)
        if missing is not None and missing != now:
            raise BadInputError(
                f"Incident {incident} is {now} and cannot be {state} before it was {missing}.",
                next_step=f"{self.command} -e state={missing}, with -e at=03:04 if that was so earlier.",
            )
        began = next((one["at"] for one in known if one["kind"] == "opened"), None)
        reached = [one["at"] for one in known if one["kind"] == "state" and one["data"].get("state") in E.STATES]
        last = max(reached, default=began)
        if at and last and at < last and (state != "mitigated" or reached):
            raise BadInputError(
                f"at is {self.shown(at)}, before the incident was {now} ({self.shown(last)}).",
                next_step=f"give the time at which {_SAID[state]}.",
            )
        plan.about = state
        text = f"Incident {state}: {_SAID[state]}, says {self.operator}."
        plan.events.append(self._event("state", text, at=at, data={"state": state, "how": "asked", "proof": []}))

    # ----------------------------------------------------------------- write

    def write(self, plan: Plan) -> Folder | None:
        """Write all of it down, durably."""
        folder = plan.folder
        if plan.opened is not None:
            opened = plan.opened
            folder = self.store.create(self.environment, plan.wanted, lambda _incident: opened)
        if folder is None:
            return None
        for event, path in plan.files:
            event["evidence"].append(self._copied(folder, path))
        folder.append(*plan.events, *plan.journals)
        if plan.merge is not None:
            folder.merge(plan.merge, actor=E.human(self.operator))
        return folder

    def _copied(self, folder: Folder, path: Path) -> dict[str, t.Any]:
        """Copy a file; what is text with its secrets masked."""
        about = self.redactor.text(f"given by {self.operator}: {path.name}")
        content = path.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return folder.add_evidence(evidence_name(path.name), content, about)
        return folder.add_evidence(evidence_name(path.name), self.redactor.text(text), about)


def _actions(known: t.Iterable[E.Event]) -> dict[str, dict[str, t.Any]]:
    return {str(one["data"].get("item")): one["data"] for one in known if one["kind"] == "action"}


def _severity(value: t.Any) -> int | None:
    """Return the severity as a number; a command line gives text."""
    text = str(value if value is not None else "").strip()
    if text and text not in ("1", "2", "3", "4"):
        raise BadInputError(
            f"severity is {text!r}.", next_step="give a number from 1, the worst, to 4; if unsure the worse one."
        )
    return int(text) if text else None


def _refuse_other(name: str, value: t.Any, known: t.Sequence[str]) -> None:
    if value not in (None, "", *known):
        near = difflib.get_close_matches(str(value), known, n=1)
        meant = f"{near[0]} may be meant; " if near else ""
        raise BadInputError(f"{name} is {str(value)!r}.", next_step=f"{meant}give one of {', '.join(known)}.")


def _is_change(folder: Folder) -> bool:
    """Tell whether it is the record of a planned change that hit nobody."""
    return fold(folder.events()).record == CHANGE


def _short(value: t.Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} of them" if any(isinstance(one, dict) for one in value) else ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{len(of)} {name}" for name, of in value.items())
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"
