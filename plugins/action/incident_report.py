# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps the record of an incident, on the controller: what people say of it, and the report that is made of it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import typing as t
from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo

from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import (
    asked,
    events,
    journals,
    notify,
    operate,
    redact,
    run_end,
    screen,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder, Store

Vars = t.Mapping[str, t.Any]

_PERSON: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "role": {"type": "str", "required": True},
        "name": {"type": "str"},
        "phone": {"type": "str"},
        "email": {"type": "str"},
    },
}
_OUTCOMES = ["done", "unchanged", "planned", "seen", "failed", "refused", "nothing_to_do", "unreachable", "unknown"]
_OPTIONS: dict[str, dict[str, t.Any]] = {
    # What these may be is said by an error of ours, with a next step.
    "state": {"type": "str"},
    "id": {"type": "str"},
    "environment": {"type": "str"},
    "dir": {"type": "path", "default": asked.FOLDER},
    "title": {"type": "str"},
    "severity": {"type": "str"},
    "criterion": {"type": "str"},
    "summary": {"type": "str"},
    "services": {"type": "list", "elements": "str"},
    "reason": {"type": "str"},
    "roles": {
        "type": "list",
        "elements": "dict",
        "options": {"role": {"type": "str", "required": True}, "name": {"type": "str", "required": True}},
    },
    "contacts": {"type": "dict", "options": {"technical": _PERSON, "business": _PERSON}},
    "started_at": {"type": "str"},
    "detected_at": {"type": "str"},
    "at": {"type": "str"},
    "event": {
        "type": "dict",
        "options": {
            "at": {"type": "str"},
            "end": {"type": "str"},
            "actor": {"type": "str"},
            "host": {"type": "str"},
            "step": {"type": "str"},
            "outcome": {"type": "str", "choices": _OUTCOMES, "default": "done"},
            "text": {"type": "str", "required": True},
            "evidence": {"type": "list", "elements": "path", "default": []},
        },
    },
    "note": {"type": "str"},
    "tick": {"type": "list", "elements": "str"},
    "untick": {"type": "list", "elements": "str"},
    "by": {"type": "str"},
    "root_cause": {"type": "str"},
    "contributing": {"type": "list", "elements": "str"},
    "actions": {
        "type": "list",
        "elements": "dict",
        "options": {
            "text": {"type": "str", "required": True},
            "owner": {"type": "str"},
            "due": {"type": "str"},
            "type": {"type": "str", "choices": ["mitigate", "prevent", "process", "detect"], "default": "prevent"},
            "done": {"type": "bool", "default": False},
        },
    },
    "customer_message": {"type": "str"},
    "merge": {"type": "path"},
    "journals": {"type": "str"},
    "zone": {"type": "str"},
    "notifications": {"type": "list", "elements": "dict"},
    "listed": {"type": "bool", "default": False},
    "command": {"type": "str", "default": "ansible-playbook playbooks/incident.yml"},
    "operator": {"type": "str"},
}
#: What somebody may leave empty on a command line, and means nothing by it.
_EMPTY: tuple[t.Any, ...] = (None, "", [], {})


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.incident_report)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables: Vars = task_vars or {}
        # What a playbook passes on from a command line is empty where nobody typed it.
        self._task.args = {name: one for name, one in self._task.args.items() if one not in _EMPTY}
        _validated, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        redactor = redact.Redactor(redact.known_values(variables, render=self._templar.template))
        try:
            said = Report(options, variables, redactor).result(
                check=bool(self._task.check_mode), diff=bool(self._task.diff)
            )
        except HotfixError as exc:
            said = {"failed": True, "changed": False, **redactor.deep(exc.as_result())}
        return {**result, **said}


class Report:
    """One call of the module."""

    def __init__(self, options: Vars, variables: Vars, redactor: redact.Redactor) -> None:
        run: Vars = (variables.get("_common_selection") or {}).get("run") or {}
        self._options = options
        self._variables = variables
        self._redactor = redactor
        self._environment = str(options.get("environment") or run.get("environment") or _environment(variables))
        operator = options.get("operator") or run.get("operator") or variables.get("hotfix_operator")
        self._operator = redactor.text(str(operator or f"{getpass.getuser()}@{socket.gethostname()}"))
        self._zone_name, self._zone = _zone(options.get("zone"))
        self._channels = notify.parse(options.get("notifications"))
        limit = str(variables.get("ansible_limit") or self._environment)
        command = f"{options['command']} -l {limit}"
        self._desk = operate.Desk(
            store=Store(os.path.abspath(os.path.expanduser(str(options["dir"])))),
            environment=self._environment,
            operator=self._operator,
            redactor=redactor,
            zone=self._zone,
            zone_name=self._zone_name,
            command=command,
        )
        named = f"{command} -e incident={options['id']}" if options.get("id") not in (None, "new") else command
        self._screen = screen.Screen(self._zone, self._zone_name, self._desk.now, named)

    def result(self, *, check: bool, diff: bool) -> dict[str, t.Any]:
        """Do what the options say, and return what the module returns."""
        if self._options["listed"]:
            return self._listed()
        plan = self._desk.plan(self._options, self._journals())
        if plan.folder is None and plan.opened is None:
            return self._none_open()
        folder = plan.folder if check or not plan.writes else self._desk.write(plan)
        found: dict[str, t.Any] = {
            "changed": plan.writes,
            "outcome": "unchanged" if not plan.writes else "planned" if check else "done",
            "added": plan.words,
        }
        if diff and plan.writes:
            found["diff"] = _diff(plan, folder)
        if folder is None:
            return {**found, "msg": "\n".join(["An incident would be opened.", *(f"  {one}" for one in plan.words)])}
        found.update(self._told(folder, plan, check=check))
        if plan.about in notify.MOMENTS and not check:
            self._notify(folder, plan, found.pop("_report"))
        found.pop("_report", None)
        return found

    # ----------------------------------------------------------------- parts

    def _told(self, folder: Folder, plan: operate.Plan, *, check: bool) -> dict[str, t.Any]:
        """Write the report, and say where the incident stands."""
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import render, report

        paths: dict[str, str] = {}
        notes = []
        document: Vars | None = None
        if not check:
            try:
                paths = {name: str(path) for name, path in render.render(folder, self._options.get("zone")).items()}
                with open(paths["json"], encoding="utf-8") as handle:
                    document = json.load(handle)
            except (HotfixError, OSError) as exc:
                # The record is whole; what is made of it can be made at any time.
                notes.append(f"The report could not be written: {exc}")
        document = document or report.build(folder, zone=self._options.get("zone"))
        reports = {"report": run_end.shown(paths["html"])} if "html" in paths else {}
        added = [f"would be: {one}" for one in plan.words] if check else plan.words
        lines = [*self._screen.lines(document, reports, added), *notes]
        return {
            "id": folder.id,
            "folder": str(folder.path),
            "state": document["state"],
            "report": paths,
            "due": _due(document),
            "notes": notes,
            "msg": "\n".join(self._redactor.text(line) for line in lines),
            "_report": document,
        }

    def _none_open(self) -> dict[str, t.Any]:
        rows = self._rows()[:3]
        said = f"No incident of {self._environment} is open in {run_end.shown(str(self._desk.store.path))}."
        lines = [said, *(["The newest ones:", *self._screen.listed(rows)] if rows else [])]
        lines.append(f"Next: {self._desk.command} -e state=opened -e \"title='…'\", or -e list=true for all of them.")
        return {"changed": False, "outcome": "nothing_to_do", "due": [], "added": [], "msg": "\n".join(lines)}

    def _listed(self) -> dict[str, t.Any]:
        rows = self._rows()
        lines = self._screen.listed(rows) or [f"There is no incident in {run_end.shown(str(self._desk.store.path))}."]
        return {"changed": False, "outcome": "seen", "msg": "\n".join(lines)}

    def _rows(self) -> list[tuple[str, str, str | None, str]]:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import fold

        rows = []
        for one in self._desk.store.states():
            if one.environment == self._environment:
                found = fold.fold(self._desk.store.folder(one.id).events())
                state = "change" if found.record == fold.CHANGE else one.state
                rows.append((one.id, state, one.opened, str(found.fields.get("title") or "")))
        return rows

    def _journals(self) -> list[events.Event]:
        """Return what the hosts tell of themselves, where they were asked."""
        name = self._options.get("journals")
        found = []
        for host in self._variables.get("ansible_play_hosts_all") or [] if name else []:
            looked = self._variables["hostvars"][host].get(name)
            if isinstance(looked, t.Mapping):
                found += journals.journal_events(
                    host, [one for one in looked.get("journal") or [] if isinstance(one, dict)]
                )
        return found

    def _notify(self, folder: Folder, plan: operate.Plan, document: Vars) -> None:
        told = plan.opened or next(one for one in plan.events if one["kind"] == "state")
        facts = {
            "incident": folder.id,
            "event": told["id"],
            "at": told["at"],
            "operator": self._operator,
            "hosts": [one["name"] for one in document["hosts"]],
            **{name: document[name] for name in ("title", "severity", "environment", "headline", "services", "times")},
        }
        notify.send(folder.path, str(plan.about), self._channels, self._redactor.deep(facts))


def _environment(variables: Vars) -> str:
    """Return the one environment that the hosts of the play are in."""
    names = variables.get("hotfix_environments") or ["production", "staging"]
    groups: Vars = variables.get("groups") or {}
    hosts = variables.get("ansible_play_hosts_all") or [variables.get("inventory_hostname")]
    found = [name for name in names if any(host in (groups.get(name) or []) for host in hosts)]
    if len(found) == 1:
        return str(found[0])
    raise BadInputError(
        f"It cannot be told which environment is meant: the selected hosts are in {', '.join(found) or 'none'} of "
        f"{', '.join(map(str, names))}.",
        next_step="say environment, or select the hosts of one with -l.",
    )


def _zone(name: t.Any) -> tuple[str, tzinfo]:
    """Return the time zone of the operator."""
    if name:
        try:
            return str(name), ZoneInfo(str(name))
        except (OSError, ValueError):
            raise BadInputError(
                f"zone is {str(name)!r}, which is no time zone of this machine.",
                next_step="give one as in Europe/Berlin, or UTC.",
            ) from None
    path = os.path.realpath("/etc/localtime")
    for candidate in (os.environ.get("TZ", "").lstrip(":"), path.partition("/zoneinfo/")[2]):
        try:
            if candidate:
                return candidate, ZoneInfo(candidate)
        except (OSError, ValueError):
            continue
    local = _clock.utc_now().astimezone().tzinfo
    return (local.tzname(None) or "local", local) if local else ("UTC", timezone.utc)


def _due(document: Vars) -> list[dict[str, t.Any]]:
    return [
        {
            "key": item["key"],
            "text": item["text"],
            "list": one["key"],
            "due": one["due"],
            "overdue": bool(one["overdue"]),
        }
        for one in document["checklists"]
        if one["due"] is not None
        for item in one["items"]
        if not item["done"]
    ]


def _diff(plan: operate.Plan, folder: Folder | None) -> dict[str, str]:
    name = str(folder.log) if folder else "events.jsonl"
    lines = "".join(events.canonical(one).decode("ascii") + "\n" for one in plan.every)
    return {"before": "", "after": lines, "before_header": name, "after_header": f"{name}, lines that are added"}
