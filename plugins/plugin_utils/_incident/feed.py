# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Feeds the incident record with what one task does to a host. It is called in a rescue, so nothing in it ever raises.

Before users are back a rescue writes one line without a word of anybody's in it; everything else comes afterwards.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import asked, events, journals, runs, store

Vars = t.Mapping[str, t.Any]
Event = events.Event
FOLDER = asked.FOLDER

_CONTROLLER_JUMP = 1.0
#: The run's action by the state that its task asks the module release for, and the states with which a run begins.
_ACTION_OF_STATE = {"adopted": runs.ADOPT, "confirmed": runs.CONFIRM, "rolled_back": runs.ROLLBACK}
_ACTION_OF_MODULE = {
    "feature_flag": runs.FLAG,
    "restart": runs.RESTART,
    "ssl_renewal": runs.SSL,
    "image_transfer": runs.DEPLOY,
    "hotfix_branch": runs.BRANCH,
    "emergency_build": runs.BUILD,
    "merge_back": runs.MERGE,
}
_FIRST_STATES = ("adopted", "prepared", "rolled_back")
_SWITCHING_STATES = ("adopted", "live", "reverted", "rolled_back")
_OF_MERGE = ("branch", "commit", "base", "url", "number", "merged", "base_moved", "conflicts", "commands")
_OF_BUILD = ("build", "revision", "images", "registry", "notes")
_OF_BRANCH = ("branch", "commit", "base", "base_commit", "remote", "files", "lines", "guards")
_ASKED = ("state", "release", "version", "name", "strategy", "restart_stale", "takeover", "restore", "names", "force")


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


def begin(run: Vars | None, host: str, module: str, arguments: Vars, at: float | None = None) -> Token | None:
    """Note that a task which changes *host* begins, in the run's incident; None where nothing is recorded.

    *at* is when it began, in seconds since 1970, where that is not now.
    """
    try:
        about = runs.incident_of(run)
        if run is None or about is None:
            return None
        token = _token(run, host, module, arguments)
        if at is not None:
            token.mono -= max(0.0, time.time() - at)
    except Exception:
        return None
    try:
        _begin(token, about, None if at is None else runs.stamp(at))
    except Exception as exc:  # whatever goes wrong here, the rescue goes on
        token.trouble = runs.why_of(exc)
    return token


def _token(run: Vars, host: str, module: str, arguments: Vars) -> Token:
    state = str(arguments.get("state") or "")
    if module == "release":
        # The tasks of a deploy confirm their own release; a run that only confirms names none.
        confirms = state == "confirmed" and not arguments.get("release")
        action = runs.DEPLOY if state == "confirmed" and not confirms else _ACTION_OF_STATE.get(state, runs.DEPLOY)
        first = confirms or state in _FIRST_STATES
    else:
        action = _ACTION_OF_MODULE.get(module, runs.PROXY)
        first = action != runs.SSL or state in _FIRST_STATES
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
            data=runs.opening_data(token.run, about, token.action),
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
        lines.insert(0, runs.run_event(run, token.action))
    token.folder.append(*lines)


def _step_name(token: Token) -> str:
    state = str(token.asked.get("state") or token.action)
    return {runs.FLAG: "switch_flag", runs.PROXY: "proxy"}.get(token.action, state)


def end(token: Token | None, result: Vars, context: t.Callable[[], runs.Context]) -> dict[str, t.Any] | None:
    """Write down how the task went. Return what its result says of the record."""
    if token is None:
        return None
    if token.folder is not None:
        try:
            found = context()
            _end(token, token.folder, result, found)
        except Exception as exc:
            token.trouble = token.trouble or runs.why_of(exc)
    told: dict[str, t.Any] = {"incident": token.folder.id if token.folder else None}
    if token.trouble:
        told["trouble"] = token.trouble
    return told


def _end(token: Token, folder: store.Folder, result: Vars, context: runs.Context) -> None:
    lines: list[Event] = []
    if token.opened is not None:
        lines.append(runs.whole_opening(token.run, folder.id, token.opened, context))
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
    collected = journals.journal_events(token.host, entries)
    if any(one["run"] != token.run["id"] for one in collected):
        # Of what was before this run, the runs before it have told most.
        collected = journals.lacking(collected, folder.events())
    lines += collected
    lines += journals.takeovers(str(token.run["id"]), token.host, entries)
    lines += [runs.trouble_event(token.run, text) for text in troubles]
    folder.append(*[runs.redacted(line, context.redact) for line in lines])
    if token.opened is not None and runs.is_rescue(token.action, token.asked, token.run):
        said = context.redact(str(result.get("summary") or token.opened["text"]))
        runs.have_told(folder, "opened", context, token.opened["id"], said, token.run.get("hosts") or [token.host])


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
    if token.action == runs.MERGE and result.get("branch"):
        data["merge"] = {name: result.get(name) for name in _OF_MERGE}
    if token.action == runs.BUILD and result.get("build"):
        data["build"] = {name: result.get(name) for name in _OF_BUILD}
    if token.action == runs.BRANCH and result.get("branch"):
        data["hotfix"] = {name: result.get(name) for name in _OF_BRANCH}
    seconds = round(time.monotonic() - token.mono, 3)
    return events.ended(begun, outcome=outcome, text=runs.sentence(said), seconds=seconds, data=data)


def _outcome(result: Vars) -> str:
    if result.get("unreachable"):
        return "unreachable"
    said = result.get("outcome")
    return str(said) if said else "failed" if result.get("failed") or "rc" in result else "unknown"


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
    if token.action == runs.FLAG and result.get("flag"):
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
