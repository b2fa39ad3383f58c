# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Feeds the incident record while a run goes on. It is called in the middle of a rescue, so nothing in it ever raises.

Before users are back a rescue writes one line without a word of anybody's in it; everything else comes afterwards.
What reports and notifications need is imported where it is used: a rollback does not wait for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import asked, events, store

Vars = t.Mapping[str, t.Any]
Event = events.Event
FOLDER = asked.FOLDER

_CONTROLLER_JUMP = 1.0

DEPLOY, ROLLBACK, ADOPT, CONFIRM, PROXY, FLAG = "deploy", "rollback", "adopt", "confirm", "proxy", "kill switch"
REVERT, LOOK, RESTART, SSL = "revert", "smoke check", "restart", "certificate renewal"
BRANCH, BUILD, MERGE = "hotfix branch", "emergency build", "merge back"
_MUTATING = (DEPLOY, ROLLBACK, ADOPT, CONFIRM, PROXY, FLAG, RESTART, SSL, BRANCH, BUILD, MERGE)
#: The run's action by the state that its task asks the module release for, and the states with which a run begins.
_ACTION_OF_STATE = {"adopted": ADOPT, "confirmed": CONFIRM, "rolled_back": ROLLBACK}
_ACTION_OF_MODULE = {
    "feature_flag": FLAG,
    "restart": RESTART,
    "ssl_renewal": SSL,
    "image_transfer": DEPLOY,
    "hotfix_branch": BRANCH,
    "emergency_build": BUILD,
    "merge_back": MERGE,
}
_FIRST_STATES = ("adopted", "prepared", "rolled_back")
_SWITCHING_STATES = ("adopted", "live", "reverted", "rolled_back")
_TOUCHED_NOTHING = ("unchanged", "bad_input", "refused", "nothing_to_do")
_TITLES = {
    DEPLOY: "Deploy",
    ROLLBACK: "Rollback",
    ADOPT: "First contact",
    CONFIRM: "Confirmation",
    PROXY: "Proxy set-up",
    FLAG: "Feature flag",
    RESTART: "Restart",
    SSL: "Certificate renewal",
    BRANCH: "Hotfix branch",
    BUILD: "Emergency build",
    MERGE: "Merge back",
}
_OF_MERGE = ("branch", "commit", "base", "url", "number", "merged", "base_moved", "conflicts", "commands")
_OF_BUILD = ("build", "revision", "images", "registry", "notes")
_OF_BRANCH = ("branch", "commit", "base", "base_commit", "remote", "files", "lines", "guards")
_ON_HOST = ("command", "database", "logs", "memory")
_ASKED = ("state", "release", "version", "name", "strategy", "restart_stale", "takeover", "restore", "names", "force")


# -------------------------------------------------------------------------------------------------------- one task


@dataclass
class Token:
    """What :func:`begin` hands to :func:`end`."""

    run: Vars
    host: str
    action: str
    asked: dict[str, t.Any]
    first: bool
    folder: store.Folder | None = None
    begun: Event | None = None
    opened: Event | None = None
    trouble: str = ""
    #: When it began, by the steady clock.
    mono: float = field(default_factory=time.monotonic)
    #: The controller's clocks around the module, for the difference to the host's.
    before: tuple[float, float] | None = None
    after: tuple[float, float] | None = None
    #: Our time before, the host's, and ours after it was asked for that alone.
    asked_time: tuple[float, float, float] | None = None

    def starts(self) -> None:
        """Note that the module is about to run."""
        self.before = time.time(), time.monotonic()

    def returns(self) -> None:
        """Note that the module has ended."""
        self.after = time.time(), time.monotonic()


@dataclass
class Context:
    """What is only found out once users are back: who hides secrets, and what else the variables say."""

    redact: t.Callable[[t.Any], t.Any]
    contacts: t.Any = None
    notifications: t.Any = None
    services: t.Sequence[str] = ()
    zone: str | None = None


def begin(run: Vars | None, host: str, module: str, arguments: Vars, at: float | None = None) -> Token | None:
    """Note that a task which changes *host* begins, in the run's incident; None where nothing is recorded.

    *at* is when it began, in seconds since 1970, where that is not now.
    """
    try:
        about = (run or {}).get("incident")
        if not run or not isinstance(about, t.Mapping) or not about.get("enabled"):
            return None
        token = _token(run, host, module, arguments)
        if at is not None:
            token.mono -= max(0.0, time.time() - at)
    except Exception:
        return None
    try:
        _begin(token, about, None if at is None else _stamp(at))
    except Exception as exc:  # whatever goes wrong here, the rescue goes on
        token.trouble = _why(exc)
    return token


def _token(run: Vars, host: str, module: str, arguments: Vars) -> Token:
    state = str(arguments.get("state") or "")
    if module == "release":
        # The tasks of a deploy confirm their own release; a run that only confirms names none.
        confirms = state == "confirmed" and not arguments.get("release")
        action = DEPLOY if state == "confirmed" and not confirms else _ACTION_OF_STATE.get(state, DEPLOY)
        first = confirms or state in _FIRST_STATES
    else:
        action = _ACTION_OF_MODULE.get(module, PROXY)
        first = action != SSL or state in _FIRST_STATES
    asked = {name: arguments[name] for name in _ASKED if arguments.get(name) not in (None, "")}
    return Token(run, host, action, asked, first)


def _begin(token: Token, about: Vars, at: str | None) -> None:
    run, environment = token.run, str(token.run.get("environment") or "")

    def opened(_incident: str) -> Event:
        token.opened = events.event(
            "opened",
            text=f"Opened by the {token.action} of {environment}.",
            actor=events.tool(),
            run=str(run["id"]),
            at=at,
            data=_opened(token.run, about, token.action),
        )
        return token.opened

    token.folder, new = store.Store(str(about["dir"])).open_or_join(
        environment, str(run["id"]), str(about.get("id") or "") or None, opened
    )
    if not new:
        token.opened = None
    token.begun = events.event(
        "step",
        text=f"{token.action.capitalize()} began on {token.host}.",
        actor=events.tool(),
        host=token.host,
        run=str(run["id"]),
        step=_step_name(token),
        at=at,
        data={"action": token.action, **({"state": token.asked["state"]} if "state" in token.asked else {})},
    )
    lines = [token.begun]
    if token.first:
        lines.insert(0, _run_event(run, token.action))
    token.folder.append(*lines)


def _step_name(token: Token) -> str:
    state = str(token.asked.get("state") or token.action)
    return {FLAG: "switch_flag", PROXY: "proxy"}.get(token.action, state)


def _opened(run: Vars, about: Vars, action: str) -> dict[str, t.Any]:
    return {
        "title": f"{_TITLES.get(action, action.capitalize())} on {run.get('environment')}",
        "severity": about.get("severity"),
        "criterion": about.get("criterion"),
        "summary": "",
        "environment": str(run.get("environment") or ""),
        "services": [],
        "reason": "",
        "roles": [],
        "contacts": {},
        "zone": None,
        "record": "incident",
    }


def _run_event(run: Vars, action: str, **more: t.Any) -> Event:
    """Return the event of a run; each process of the run makes it under the same ID."""
    data = {"phase": "begin", "action": action, "hosts": list(run.get("hosts") or []), **more.pop("data", {})}
    return events.event(
        "run",
        **{
            "event_id": f"r-{run['id']}",
            "at": _utc(run.get("started")),
            "text": f"The {action} of {run.get('environment')} began.",
            "actor": events.tool(),
            "run": str(run["id"]),
            **more,
        },
        data=data,
    )


def end(token: Token | None, result: Vars, context: t.Callable[[], Context]) -> dict[str, t.Any] | None:
    """Write down how the task went. Return what its result says of the record."""
    if token is None:
        return None
    if token.folder is not None:
        try:
            found = context()
            _end(token, token.folder, result, found)
        except Exception as exc:
            token.trouble = token.trouble or _why(exc)
    told: dict[str, t.Any] = {"incident": token.folder.id if token.folder else None}
    if token.trouble:
        told["trouble"] = token.trouble
    return told


def _end(token: Token, folder: store.Folder, result: Vars, context: Context) -> None:
    lines: list[Event] = []
    if token.opened is not None:
        lines.append(_whole_opening(token, token.opened, context))
    if token.begun is not None:
        lines.append(_step_end(token, token.begun, result))
        lines += _release_and_flag(token, token.begun, result)
    clock, troubles = _skew(token, result)
    lines += clock
    entries = [one for one in result.get("journal") or [] if isinstance(one, t.Mapping)]
    began = str((result.get("clock") or {}).get("began") or "")
    if not token.first and began:
        # The tasks before this one have told theirs.
        entries = [one for one in entries if str(one.get("at")) >= began]
    lines += journal_events(token.host, entries)
    lines += _takeovers(token, entries)
    lines += [_trouble(token.run, text) for text in troubles]
    folder.append(*[_redacted(line, context.redact) for line in lines])
    if token.opened is not None and _is_rescue(token.action, token.asked, token.run):
        said = context.redact(str(result.get("summary") or token.opened["text"]))
        _notify(folder, "opened", context, token.opened["id"], said, token.run.get("hosts") or [token.host])


def _whole_opening(token: Token, opened: Event, context: Context) -> Event:
    """Return the opening with what was said of it, under the same ID: the first line held no free text."""
    run = token.run
    about: Vars = run.get("incident") or {}
    reason = str(run.get("reason") or "")
    data = {
        **opened["data"],
        "title": about.get("title") or reason or opened["data"]["title"],
        "summary": about.get("summary") or "",
        "reason": reason,
        "roles": list(about.get("roles") or []),
        "services": list(context.services),
        "contacts": context.contacts if isinstance(context.contacts, t.Mapping) else {},
        "zone": context.zone,
        **({"incident": token.folder.id} if token.folder else {}),
    }
    return _again(opened, data=data, actor=events.human(str(run.get("operator") or "unknown")))


def _again(event: Event, **changed: t.Any) -> Event:
    """Return an instant event once more, under its ID and at its time; the one that is written last counts."""
    kept = {key: event[key] for key in ("text", "actor", "host", "run", "at", "clock", "evidence", "data")}
    return events.event(event["kind"], event_id=event["id"], **{**kept, **changed})


def _step_end(token: Token, begun: Event, result: Vars) -> Event:
    outcome = _outcome(result)
    said = result.get("summary") or result.get("what") or result.get("msg") or f"It ended as {outcome}."
    data = {
        "action": token.action,
        **token.asked,
        "summary": said,
        "next_step": result.get("next_step"),
        "left": result.get("left"),
        "steps": list(result.get("steps") or []),
    }
    if token.action == MERGE and result.get("branch"):
        data["merge"] = {name: result.get(name) for name in _OF_MERGE}
    if token.action == BUILD and result.get("build"):
        data["build"] = {name: result.get(name) for name in _OF_BUILD}
    if token.action == BRANCH and result.get("branch"):
        data["hotfix"] = {name: result.get(name) for name in _OF_BRANCH}
    seconds = round(time.monotonic() - token.mono, 3)
    return events.ended(begun, outcome=outcome, text=_sentence(said), seconds=seconds, data=data)


def _outcome(result: Vars) -> str:
    if result.get("unreachable"):
        return "unreachable"
    said = result.get("outcome")
    return str(said) if said else "failed" if result.get("failed") or "rc" in result else "unknown"


def _sentence(text: t.Any) -> str:
    return str(text).strip().partition("\n")[0][:1000]


def _release_and_flag(token: Token, begun: Event, result: Vars) -> list[Event]:
    common = {"actor": events.tool(), "host": token.host, "run": begun["run"]}
    after = result.get("release")
    if token.asked.get("state") in _SWITCHING_STATES and result.get("changed") and isinstance(after, t.Mapping):
        data: dict[str, t.Any] = {
            "action": token.action,
            "before": _release(result.get("previous")),
            "after": _release(after),
        }
        was = (data["before"] or {}).get("version") or "what ran before"
        text = f"{token.host} went from {was} to {data['after']['version']}."
        if token.asked["state"] == "adopted":
            text = f"{token.host} was recorded with {data['after']['version']}."
        return [events.event("release", text=text, data=data, **common)]
    if token.action == FLAG and result.get("flag"):
        instances = list(result.get("instances") or [])
        data = {
            "name": result["flag"],
            "wanted": result.get("state"),
            "before": _value(result, "before"),
            "after": _value(result, "after"),
            "seconds_to_effect": result.get("seconds_to_effect"),
            "instances": instances,
            "store": result.get("store"),
        }
        text = f"{data['name']}: {data['before']} before, {data['after']} after, on {token.host}."
        return [
            events.event(
                "flag",
                text=text,
                at=begun["at"],
                end=events.now(),
                seconds=round(time.monotonic() - token.mono, 3),
                outcome=_outcome(result),
                data=data,
                **common,
            )
        ]
    return []


def _release(found: t.Any) -> dict[str, t.Any] | None:
    if not isinstance(found, t.Mapping):
        return None
    return {"id": found.get("id"), "version": found.get("version"), "images": dict(found.get("images") or {})}


def _value(result: Vars, which: str) -> str:
    values = {str(one.get(which)) for one in result.get("instances") or [] if isinstance(one, t.Mapping)}
    if len(values) == 1:
        return values.pop()
    kept = (result.get("store") or {}).get(which)
    return "mixed" if values else str(kept or "unknown")


def _skew(token: Token, result: Vars) -> tuple[list[Event], list[str]]:
    """Return within which bounds the host's clock differs from ours, from what both showed around the module."""
    clock = result.get("clock")
    if token.before is None or token.after is None:
        return [], []
    jump = (token.after[0] - token.before[0]) - (token.after[1] - token.before[1])
    if abs(jump) > _CONTROLLER_JUMP:
        way = "back" if jump < 0 else "forward"
        return [], [f"The controller's clock was set {way} by {abs(jump):.1f} s while {token.host} was at work."]
    if not isinstance(clock, t.Mapping) or not clock.get("began") or not clock.get("ended"):
        return [], []
    began, ended = (events.moment(str(clock[key])).timestamp() for key in ("began", "ended"))
    # A stamp is cut to milliseconds, so the host's clock was up to one further.
    lower, upper = round(ended - token.after[0], 3), round(began - token.before[0] + 0.001, 3)
    if token.asked_time is not None:
        ours, theirs, later = token.asked_time
        lower, upper = max(lower, round(theirs - later, 3)), min(upper, round(theirs - ours + 0.001, 3))
    if lower > upper:
        return [], [f"The clock of {token.host} was set while it was at work: its times are uncertain."]
    text = f"The clock of {token.host} differs from the controller's by {lower:+.3f} to {upper:+.3f} s."
    data = {"host": token.host, "lower": lower, "upper": upper}
    made = events.event("clock", text=text, actor=events.tool(), host=token.host, run=str(token.run["id"]), data=data)
    return [made], []


def journal_events(host: str, entries: t.Sequence[Vars]) -> list[Event]:
    """Return the events that a host's journal tells of. Collected twice, they have the same IDs."""
    found: list[Event] = []
    begun: dict[tuple[t.Any, ...], int] = {}
    for entry in entries:
        key = tuple(entry.get(name) for name in ("run", "action", "step", "fencing", "flag"))
        if entry.get("phase") == "end" and key in begun:
            place = begun.pop(key)
            found[place] = _journal_event(host, found[place]["data"]["entry"], entry)
            continue
        made = _journal_event(host, entry, None)
        if made is None:
            continue
        if entry.get("phase") == "begin":
            begun[key] = len(found)
        found.append(made)
    return [one for one in found if one is not None]


def _journal_event(host: str, entry: Vars, ending: Vars | None) -> t.Any:
    at = _utc(entry.get("at"))
    if not isinstance(entry.get("at"), str) or at is None:
        return None
    step, action = str(entry.get("step") or "entry"), str(entry.get("action") or "")
    lasting = entry.get("phase") == "begin"
    last = ending if ending is not None else (None if lasting else entry)
    subject = entry.get("flag") or entry.get("release")
    text = str(entry.get("text") or f"{action}: {step}{f' ({subject})' if subject else ''}".strip(": "))
    if ending is not None and ending.get("why"):
        text = f"{text}: {ending['why']}"
    finish = _utc(last.get("at")) if last is not None else None
    seconds = last.get("seconds") if last is not None else None
    return events.event(
        "journal",
        event_id=events.journal_id(host, entry),
        text=_sentence(text),
        actor=events.tool(),
        host=host,
        run=str(entry["run"]) if entry.get("run") else None,
        step=step,
        outcome=str(last["outcome"]) if last is not None and last.get("outcome") else None,
        at=at,
        end=finish,
        seconds=seconds if isinstance(seconds, (int, float)) else None,
        clock=host,
        data={"entry": dict(entry), "end_entry": dict(ending) if ending is not None else None},
    )


def _takeovers(token: Token, entries: t.Sequence[Vars]) -> list[Event]:
    found = []
    for entry in entries:
        if entry.get("run") == token.run["id"] and entry.get("taken_over"):
            data = {
                "taken_by": entry.get("owner"),
                "held_by": entry.get("held_by"),
                "since": entry.get("held_since"),
            }
            found.append(
                events.event(
                    "lease",
                    event_id="l-" + events.journal_id(token.host, entry)[2:],
                    text=_sentence(entry.get("text") or "The lease was taken over."),
                    actor=events.human(str(entry.get("owner") or "unknown")),
                    host=token.host,
                    run=str(token.run["id"]),
                    at=_utc(entry.get("at")),
                    clock=token.host,
                    data=data,
                )
            )
    return found


def _trouble(run: Vars, text: str) -> Event:
    return events.event("trouble", text=text, actor=events.tool(), run=str(run["id"]), data={"what": text})


def _redacted(event: Event, redact: t.Callable[[t.Any], t.Any]) -> Event:
    """Hide secrets in what people and programs wrote; what the record itself made is left as it is."""
    shown = {name: redact(event[name]) for name in ("text", "data", "actor")}
    return {**event, **shown}


# ------------------------------------------------------------------------------------------------------------- logs


def wants_logs(run: Vars | None, host: str) -> tuple[store.Folder, str | None] | None:
    """Return the incident that lacks the logs of *host*, and the moment of the change by the host's clock."""
    try:
        about = (run or {}).get("incident")
        if not run or not isinstance(about, t.Mapping) or not about.get("enabled"):
            return None
        folder = store.Store(str(about["dir"])).of_run(str(run["id"]))
        if folder is None or not folder.state().is_open():
            return None
        known = folder.events()
        if any(one["kind"] == "logs" and one["host"] == host for one in known):
            return None
        return folder, _around(known, str(run["id"]), host)
    except Exception:
        return None


def _around(known: t.Sequence[Event], run: str, host: str) -> str | None:
    ours = [one for one in known if one["run"] == run and one["host"] == host]
    steps = [one for one in ours if one["kind"] == "journal"]
    deploys = any(one["kind"] == "step" and one["data"].get("action") == DEPLOY for one in ours)
    if deploys:
        # What a release wrote since it was started is held against what was written before.
        first = [one["at"] for one in steps if one["step"] in ("start", "switch")]
        return min(first) if first else None
    ends = [one["end"] for one in steps if one["step"] in ("switch", "switch_flag", "restart") and one["end"]]
    return max(ends) if ends else None


def logs(
    folder: store.Folder, run: Vars, host: str, result: Vars, redact: t.Callable[[t.Any], t.Any]
) -> dict[str, t.Any]:
    """Keep the logs of a host as evidence; return what the task's result says of it."""
    try:
        kept = 0
        for one in result.get("services") or []:
            folder.append(_logs_event(folder, run, host, result, one, redact))
            kept += 1
    except Exception as exc:
        return {"incident": folder.id, "trouble": _why(exc)}
    return {"incident": folder.id, "services": kept}


def _logs_event(
    folder: store.Folder, run: Vars, host: str, result: Vars, one: Vars, redact: t.Callable[[t.Any], t.Any]
) -> Event:
    service = str(one.get("service"))
    text = str(redact(one.get("text") or ""))
    evidence = []
    if text:
        name = store.evidence_name("logs", host, f"{service}.txt")
        evidence = [folder.add_evidence(name, text, f"the last lines of {service} on {host}")]
    data = {
        **{key: one.get(key) for key in ("service", "lines", "bytes", "cut", "errors_before", "errors_after", "new")},
        **{key: result.get(key) for key in ("since", "until")},
        "at": result.get("around"),
        "containers": one.get("containers"),
        "problems": one.get("problems"),
    }
    clock: Vars = result.get("clock") or {}
    event = events.event(
        "logs",
        text=f"{service} on {host}: {one.get('errors_before')} errors before, {one.get('errors_after')} after.",
        actor=events.tool(),
        host=host,
        run=str(run["id"]),
        at=_utc(clock.get("began")),
        end=_utc(clock.get("ended")) or events.now(),
        clock=host if clock.get("began") else events.CONTROLLER,
        evidence=evidence,
        data=data,
    )
    return _redacted(event, redact)


# ---------------------------------------------------------------------------------------------------------- outcome


@dataclass
class Ending:
    """How a run ended, as the fleet decided it."""

    action: str
    outcome: str
    msg: str
    lines: t.Sequence[str]
    #: By host: outcome, summary and notes.
    hosts: t.Mapping[str, Vars]
    #: By host, the results of its tasks in their order.
    results: t.Mapping[str, t.Sequence[Vars]] = field(default_factory=dict)
    #: By host, what the checks found before anything was touched, as a result.
    before: t.Mapping[str, Vars] = field(default_factory=dict)
    #: What the probe returned when it was stopped.
    probe: Vars | None = None

    @property
    def good(self) -> bool:
        """Whether it went well on every host."""
        return self.outcome in ("done", "unchanged", "planned", "seen")


def outcome(run: Vars, ending: Ending, context: t.Callable[[], Context]) -> list[str]:
    """Write down how the run ended, make the report, and return the lines that the outcome shows of it."""
    about = run.get("incident")
    if not isinstance(about, t.Mapping) or not about.get("enabled"):
        return []
    try:
        return _Outcome(run, about, ending, context()).lines()
    except Exception as exc:
        return [
            f"incident: could not be recorded: {_why(exc).rstrip('.')}; the hosts' journals hold every step. "
            "Next: mend that, and collect them with playbooks/release_info.yml once an incident is open."
            if ending.action in _MUTATING
            else f"incident: could not be recorded: {_why(exc)}"
        ]


#: What an operator may say of an incident with any run.
_SAID = ("title", "severity", "criterion", "summary", "roles")


class _Outcome:
    def __init__(self, run: Vars, about: Vars, ending: Ending, context: Context) -> None:
        self._run, self._about, self._ending, self._context = run, about, ending, context
        self._id = str(run["id"])

    def lines(self) -> list[str]:
        folder = self._folder()
        if folder is None:
            return []
        known = folder.events()
        proof = self._write(folder, known)
        change = self._settle(folder, known, proof)
        return self._told(folder, change)

    def _folder(self) -> store.Folder | None:
        """Return the run's incident. One that only looked joins an open one, and never opens any."""
        records = store.Store(str(self._about["dir"]))
        found = records.of_run(self._id)
        if found is not None:
            return found
        wanted = str(self._about.get("id") or "")
        if self._ending.action not in _MUTATING:
            if wanted and wanted != store.NEW:
                return records.get(wanted)
            return None if wanted else records.open_of(str(self._run.get("environment")))
        # Nothing was written while it went on: either no task was begun, or the folder could not be written to.
        if not any(one.get("record") for results in self._ending.results.values() for one in results):
            return None
        token = Token(self._run, "", self._ending.action, {}, True)
        opening = events.event(
            "opened",
            text=f"Opened by the {token.action} of {self._run.get('environment')}.",
            actor=events.tool(),
            run=self._id,
            data=_opened(self._run, self._about, token.action),
        )
        whole = _redacted(_whole_opening(token, opening, self._context), self._context.redact)
        return records.open_or_join(str(self._run.get("environment")), self._id, wanted or None, lambda _id: whole)[0]

    # ------------------------------------------------------------ writing

    def _write(self, folder: store.Folder, known: t.Sequence[Event]) -> list[str]:
        """Append what the run came to, and return the IDs of what proves it."""
        redact = self._context.redact
        made: list[Event] = []
        for host, looked in self._ending.before.items():
            made += self._smoke(folder, host, looked, "before")
        when = "asked" if self._ending.action == LOOK else "after"
        for host, results in self._ending.results.items():
            for result in results:
                if "verdict" in result and isinstance(result.get("results"), list):
                    made += self._smoke(folder, host, result, when)
        looks = [one["id"] for one in made if one["data"].get("when") == "after"]
        made += self._probe(folder)
        if self._ending.action not in _MUTATING:
            made += self._journals(known)
        troubles = {
            f"{host}: {(result.get('record') or {}).get('trouble')}"
            for host, results in self._ending.results.items()
            for result in results
            if isinstance(result.get("record"), t.Mapping) and result["record"].get("trouble")
        }
        made += [_trouble(self._run, f"Not all was recorded while it happened. {text}") for text in sorted(troubles)]
        end = self._run_end()
        made += [*self._said(known), end]
        folder.append(*[_redacted(one, redact) for one in made])
        steps = [one["id"] for one in known if one["kind"] == "step" and one["run"] == self._id and one["end"]]
        return [end["id"], *steps[-len(self._ending.hosts) :], *looks]

    def _opening(self, known: t.Sequence[Event]) -> Event | None:
        """Return the event by which this run opened the incident, if it did."""
        return next((one for one in known if one["kind"] == "opened" and one["run"] == self._id), None)

    def _said(self, known: t.Sequence[Event]) -> list[Event]:
        """Return what was said of the incident with this run, which joined it."""
        said = {name: self._about.get(name) for name in _SAID if self._about.get(name)}
        if self._opening(known) or not said or self._ending.action not in _MUTATING:
            return []
        who = str(self._run.get("operator") or "unknown")
        text = f"{', '.join(said).capitalize()} of the incident given."
        return [events.event("fields", text=text, actor=events.human(who), run=self._id, data={"fields": said})]

    def _journals(self, known: t.Sequence[Event]) -> list[Event]:
        """Return what the hosts' journals tell and the record lacks, as after a run that could not write to it."""
        whole = {one["id"] for one in known if one["kind"] == "journal" and one["end"] is not None}
        found = []
        for host, results in self._ending.results.items():
            for result in results:
                entries = [one for one in result.get("journal") or [] if isinstance(one, t.Mapping)]
                found += [one for one in journal_events(host, entries) if one["id"] not in whole]
        return found

    def _run_end(self) -> Event:
        run, ending = self._run, self._ending
        started, now = _utc(run.get("started")), events.now()
        hosts = {
            host: {"outcome": one.get("outcome"), "summary": one.get("summary"), "notes": list(one.get("notes") or [])}
            for host, one in ending.hosts.items()
        }
        data = {
            "phase": "end",
            "operator": run.get("operator"),
            "reason": run.get("reason"),
            "started": started,
            "hosts_outcome": hosts,
            "lines": list(ending.lines),
            "msg": ending.msg,
        }
        return _run_event(
            run,
            ending.action,
            end=now,
            outcome=ending.outcome,
            text=_sentence(ending.msg),
            actor=events.human(str(run.get("operator") or "unknown")),
            data=data,
        )

    def _smoke(self, folder: store.Folder, host: str, look: Vars, when: str) -> list[Event]:
        results = [one for one in look.get("results") or [] if isinstance(one, t.Mapping)]
        if not results:
            return []
        keys = ("name", "type", "target", "status", "message", "seconds", "before", "known", "verify")
        verdict = str(look.get("verdict") or _verdict(results))
        data = {
            "when": when,
            "verdict": verdict,
            "counts": look.get("counts") or _counts(results),
            "results": [{key: one.get(key) for key in keys} for one in results],
        }
        here = all(one.get("type") in _ON_HOST for one in results)
        clock: Vars = look.get("clock") or {}
        content = json.dumps(self._context.redact(dict(look)), indent=2, default=str, ensure_ascii=False)
        where = "host" if here else "outside"
        name = store.evidence_name("smoke", self._id, host, when, f"{where}.json")
        return [
            events.event(
                "smoke",
                text=f"Checks of {host} from {'the host itself' if here else 'outside'}: {verdict}.",
                actor=events.tool(),
                host=host,
                run=self._id,
                outcome=verdict,
                at=_utc(clock.get("began")),
                end=_utc(clock.get("ended")) or events.now(),
                seconds=look.get("seconds") if isinstance(look.get("seconds"), (int, float)) else None,
                clock=host if here and clock.get("began") else events.CONTROLLER,
                evidence=[folder.add_evidence(name, content, f"the results of the checks of {host}")],
                data=data,
            )
        ]

    def _probe(self, folder: store.Folder) -> list[Event]:
        found = self._ending.probe
        if not isinstance(found, t.Mapping) or not isinstance(found.get("availability"), t.Mapping):
            return []
        numbers = {key: value for key, value in found["availability"].items() if key != "folder"}
        kept, missing = [], []
        for name, about in (("samples.jsonl", "every sample of the probe"), ("summary.json", "the probe's numbers")):
            try:
                path = Path(str(found.get("folder"))) / name
                kept.append(folder.add_evidence(store.evidence_name("probe", self._id, name), path, about))
            except (HotfixError, OSError) as exc:
                missing.append(_trouble(self._run, f"The file {name} of the probe could not be kept: {_why(exc)}"))
        began = _utc(numbers.get("began"))
        data = {"folder": found.get("folder"), "availability": numbers, "unmeasured": found.get("unmeasured") or {}}
        event = events.event(
            "probe",
            text=" ".join(str(line) for line in found.get("lines") or []) or "What users noticed was measured.",
            actor=events.probe(),
            run=self._id,
            at=began or _utc(self._run.get("started")),
            end=events.now(),
            seconds=numbers.get("seconds") if isinstance(numbers.get("seconds"), (int, float)) else None,
            evidence=kept,
            data=data,
        )
        return [event, *missing]

    # ----------------------------------------------------------- settling

    def _settle(self, folder: store.Folder, known: t.Sequence[Event], proof: list[str]) -> bool:
        """Say what the run proves of the incident's state; return whether it was a change and is closed now."""
        ending, state = self._ending, folder.state()
        if ending.action not in _MUTATING or not state.is_open():
            return state.rank >= events.STATES.index("closed")
        opening = self._opening(known)
        if opening is not None and self._is_change():
            self._close(folder, opening, proof)
            return True
        if self._brought_back() and self._is_news(state.rank):
            made = self._state(folder, "mitigated", _sentence(f"Users are back: {ending.msg}"), proof)
            self._tell(folder, "mitigated", made)
        elif opening is not None and not _is_rescue(ending.action, self._asked(), self._run):
            # That of a rescue was told as soon as its first host was back.
            self._tell(folder, "opened", opening["id"])
        if not ending.good:
            self._tell(folder, "failed", proof[0])
        return False

    def _is_news(self, rank: int) -> bool:
        """Tell whether users are back by this run: for the first time, or because the time before it did not last."""
        if rank < events.STATES.index("mitigated"):
            return True
        lasted = self._ending.action not in (ROLLBACK, FLAG) and not self._hit()
        return rank < events.STATES.index("resolved") and not lasted

    def _tell(self, folder: store.Folder, about: str, event: str) -> None:
        said = self._context.redact(self._ending.msg)
        _notify(folder, about, self._context, event, said, self._ending.hosts)

    def _is_change(self) -> bool:
        ending = self._ending
        if _is_rescue(ending.action, self._asked(), self._run) or self._hit():
            return False
        nothing = all(one.get("outcome") in _TOUCHED_NOTHING for one in ending.hosts.values())
        return ending.good or nothing

    def _asked(self) -> dict[str, t.Any]:
        flags = [one for results in self._ending.results.values() for one in results if one.get("flag")]
        return {"state": str(flags[-1].get("state"))} if flags else {}

    def _hit(self) -> bool:
        targets = ((self._ending.probe or {}).get("availability") or {}).get("targets") or {}
        outages = any((one or {}).get("outages") for one in targets.values())
        looks = [one.get("verdict") for results in self._ending.results.values() for one in results]
        return outages or "failed" in looks

    def _brought_back(self) -> bool:
        action, said = self._ending.action, self._ending.outcome
        if action == FLAG:
            return said == "done" and self._asked().get("state") == "disabled"
        if action == DEPLOY and said == "done":
            # That it runs is not that it helps: somebody must have looked. A bad look would have made the run fail.
            return any("verdict" in one for results in self._ending.results.values() for one in results)
        return said == ("reverted" if action == DEPLOY else "done") and action in (ROLLBACK, DEPLOY)

    def _state(self, folder: store.Folder, state: str, text: str, proof: list[str]) -> str:
        data = {"state": state, "how": "proven", "proof": proof}
        event = events.event("state", text=text, actor=events.tool(), run=self._id, data=data)
        folder.append(_redacted(event, self._context.redact))
        return str(event["id"])

    def _close(self, folder: store.Folder, opening: Event, proof: list[str]) -> None:
        changed = _again(opening, data={**opening["data"], "record": "change"})
        folder.append(changed)
        text = "It was a planned change, and no outage was seen." if self._ending.good else "Nothing was touched."
        for state in ("resolved", "closed"):
            self._state(folder, state, text, proof)

    # -------------------------------------------------------------- telling

    def _told(self, folder: store.Folder, change: bool) -> list[str]:
        state = folder.state()
        report, trouble = _render(folder, self._context.zone)
        where = shown(report or folder.path)
        words = "change, closed" if change else f"open, {state.state}" if state.is_open() else state.state
        lines = [f"incident: {folder.id} ({words.replace('open, opened', 'open')}): {where}"]
        if trouble:
            lines.append(f"incident: its report could not be made: {trouble}")
        if not change and self._ending.action in _MUTATING and state.is_open() and not _criterion_of(folder):
            lines.append(
                "incident: say which criterion of an emergency applies: "
                f"-e incident={folder.id} -e criterion={'|'.join(asked.CRITERIA)} with playbooks/incident.yml."
            )
        return lines


def _verdict(results: t.Sequence[Vars]) -> str:
    said = {one.get("status") for one in results if not one.get("known")}
    return "failed" if "failed" in said else "error" if "error" in said else "passed"


def _counts(results: t.Sequence[Vars]) -> dict[str, int]:
    said = [str(one.get("status")) for one in results]
    return {one: said.count(one) for one in dict.fromkeys(said)}


def _is_rescue(action: str, asked: Vars, run: Vars) -> bool:
    """Tell whether a run is the answer to an emergency, and no planned change."""
    about: Vars = run.get("incident") or {}
    if about.get("criterion") or about.get("severity"):
        return True
    return action == ROLLBACK or (action == FLAG and asked.get("state") == "disabled")


def _criterion_of(folder: store.Folder) -> bool:
    for one in folder.each():
        if one["kind"] == "opened" and one["data"].get("criterion"):
            return True
        fields = one["data"].get("fields")
        if one["kind"] == "fields" and isinstance(fields, dict) and fields.get("criterion"):
            return True
    return False


def shown(path: t.Any) -> str:
    """Return a path as it is shortest to type from here."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        return str(path)
    return str(path) if relative.startswith("..") else relative


def _render(folder: store.Folder, zone: str | None) -> tuple[Path | None, str]:
    """Make the report; a report that cannot be made can be made again at any time."""
    try:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import render

        render.render(folder, zone)
    except Exception as exc:
        return None, _why(exc)
    report = folder.path / "report.html"
    return (report if report.exists() else folder.path), ""


def _notify(folder: store.Folder, about: str, context: Context, event: str, said: str, hosts: t.Any) -> None:
    """Have somebody told, by a process of its own. What goes wrong with it is no trouble of the run."""
    if not context.notifications:
        return
    try:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import notify

        notify.send(folder.path, about, notify.parse(context.notifications), _facts(folder, event, said, hosts))
    except Exception as exc:
        what = f"Nobody could be notified that it was {about}: {_why(exc)}"
        with contextlib.suppress(Exception):
            made = events.event("trouble", text=what, actor=events.tool(), data={"what": what})
            folder.append(_redacted(made, context.redact))


def _facts(folder: store.Folder, event: str, said: str, hosts: t.Any) -> dict[str, t.Any]:
    """Return what a notification says, from what is in the record: that is redacted already."""
    found: dict[str, t.Any] = {}
    for one in folder.events():
        if one["kind"] == "opened":
            found.update({**one["data"], "operator": one["actor"].get("name"), "times": {"opened": one["at"]}})
        elif one["kind"] == "fields":
            fields = one["data"].get("fields")
            found.update(fields if isinstance(fields, dict) else {})
    kept = ("title", "severity", "environment", "services", "operator", "times")
    facts = {key: found.get(key) for key in kept}
    return {**facts, "incident": folder.id, "event": event, "at": events.now(), "headline": said, "hosts": list(hosts)}


def _why(exc: BaseException) -> str:
    return str(exc) if isinstance(exc, HotfixError) else f"{type(exc).__name__}: {exc}"


def _stamp(seconds: float) -> str:
    return _clock.stamp(datetime.fromtimestamp(seconds, UTC))


def _utc(value: t.Any) -> str | None:
    """Return a time as every event has it; None where it is none."""
    try:
        found = events.moment(str(value))
        return _clock.stamp(found) if found.tzinfo is not None else None
    except ValueError:
        return None
