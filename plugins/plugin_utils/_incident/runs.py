# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run has to say of itself in the incident record, whichever of its parts writes it.

What notifications need is imported where it is used: a rollback does not wait for it.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, store

Vars = t.Mapping[str, t.Any]
Event = events.Event

DEPLOY, ROLLBACK, ADOPT, CONFIRM, PROXY, FLAG = "deploy", "rollback", "adopt", "confirm", "proxy", "kill switch"
REVERT, LOOK, RESTART, SSL = "revert", "smoke check", "restart", "certificate renewal"
BRANCH, BUILD, MERGE = "hotfix branch", "emergency build", "merge back"
MUTATING = (DEPLOY, ROLLBACK, ADOPT, CONFIRM, PROXY, FLAG, RESTART, SSL, BRANCH, BUILD, MERGE)
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


@dataclass
class Context:
    """What is only found out once users are back: who hides secrets, and what else the variables say."""

    redact: t.Callable[[t.Any], t.Any]
    contacts: t.Any = None
    notifications: t.Any = None
    services: t.Sequence[str] = ()
    zone: str | None = None


def incident_of(run: Vars | None) -> Vars | None:
    """Return what a run is to know of its incident; None where nothing is recorded."""
    about = (run or {}).get("incident")
    return about if isinstance(about, t.Mapping) and about.get("enabled") else None


def run_event(run: Vars, action: str, **more: t.Any) -> Event:
    """Return the event of a run; each process of the run makes it under the same ID."""
    data = {"phase": "begin", "action": action, "hosts": list(run.get("hosts") or []), **more.pop("data", {})}
    return events.event(
        "run",
        **{
            "event_id": f"r-{run['id']}",
            "at": utc(run.get("started")),
            "text": f"The {action} of {run.get('environment')} began.",
            "actor": events.tool(),
            "run": str(run["id"]),
            **more,
        },
        data=data,
    )


def opening_data(run: Vars, about: Vars, action: str) -> dict[str, t.Any]:
    """Return what is known of an incident when it is opened, before there is a word of anybody's in it."""
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


def whole_opening(run: Vars, incident: str | None, opened: Event, context: Context) -> Event:
    """Return the opening with what was said of it, under the same ID: the first line held no free text."""
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
        **({"incident": incident} if incident else {}),
    }
    return again(opened, data=data, actor=events.human(str(run.get("operator") or "unknown")))


def again(event: Event, **changed: t.Any) -> Event:
    """Return an instant event once more, under its ID and at its time; the one that is written last counts."""
    kept = {key: event[key] for key in ("text", "actor", "host", "run", "at", "clock", "evidence", "data")}
    return events.event(event["kind"], event_id=event["id"], **{**kept, **changed})


def is_rescue(action: str, asked: Vars, run: Vars) -> bool:
    """Tell whether a run is the answer to an emergency, and no planned change."""
    about: Vars = run.get("incident") or {}
    if about.get("criterion") or about.get("severity"):
        return True
    return action == ROLLBACK or (action == FLAG and asked.get("state") == "disabled")


def trouble_event(run: Vars, text: str) -> Event:
    """Return the event that says what could not be recorded."""
    return events.event("trouble", text=text, actor=events.tool(), run=str(run["id"]), data={"what": text})


def redacted(event: Event, redact: t.Callable[[t.Any], t.Any]) -> Event:
    """Hide secrets in what people and programs wrote; what the record itself made is left as it is."""
    shown = {name: redact(event[name]) for name in ("text", "data", "actor")}
    return {**event, **shown}


def have_told(folder: store.Folder, about: str, context: Context, event: str, said: str, hosts: t.Any) -> None:
    """Have somebody told, by a process of its own. What goes wrong with it is no trouble of the run."""
    if not context.notifications:
        return
    try:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import notify

        notify.send(folder.path, about, notify.parse(context.notifications), _facts(folder, event, said, hosts))
    except Exception as exc:
        what = f"Nobody could be notified that it was {about}: {why_of(exc)}"
        with contextlib.suppress(Exception):
            made = events.event("trouble", text=what, actor=events.tool(), data={"what": what})
            folder.append(redacted(made, context.redact))


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


def sentence(text: t.Any) -> str:
    """Return the first line of a text, as an event shows it."""
    return str(text).strip().partition("\n")[0][:1000]


def why_of(exc: BaseException) -> str:
    """Return what an error says."""
    return str(exc) if isinstance(exc, HotfixError) else f"{type(exc).__name__}: {exc}"


def stamp(seconds: float) -> str:
    """Return seconds since 1970 as every event has its time."""
    return _clock.stamp(datetime.fromtimestamp(seconds, UTC))


def utc(value: t.Any) -> str | None:
    """Return a time as every event has it; None where it is none."""
    try:
        found = events.moment(str(value))
        return _clock.stamp(found) if found.tzinfo is not None else None
    except ValueError:
        return None
