# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a run, from its events alone.

The runner's own word is not enough to go by: it calls a run successful that matched no host or passed over unreachable
ones, and it has nothing to say of one that was killed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hotfix.events import Event, is_failure

_REPORTS = ("preflight_report", "smoke_report", "incident_report", "diagnose_report", "logs_report")
#: What connects to no host.
_HERE = (
    "fleet",
    "assert",
    "debug",
    "set_fact",
    "include_role",
    "import_role",
    "include_tasks",
    "validate_argument_spec",
)
_OUTCOME = re.compile(r"^(?P<outcome>[a-z ]+?)(?: \((?P<seconds>[0-9.]+) s\))?: (?P<summary>.*)$", re.DOTALL)
_INCIDENT = re.compile(r"^incident: (?P<id>\S+) \((?P<state>[^)]*)\): (?P<path>.+)$")


@dataclass
class Step:
    """A task, and how long it took."""

    name: str
    began: datetime
    ended: datetime | None = None
    hosts: int = 0
    quiet: bool = False


@dataclass
class Host:
    """What a host said."""

    name: str
    reached: bool = False
    unreachable: str = ""
    failed: str = ""
    outcome: str = ""
    summary: str = ""
    seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    results: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def result_of(self, *modules: str) -> Mapping[str, Any]:
        """Return the newest result of one of these modules."""
        return next((result for module, result in reversed(self.results) if module in modules), {})


@dataclass
class Record:
    """A run as it was seen."""

    hosts: dict[str, Host] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    #: Every outcome of the collection's fleet, in order: a playbook may be made of several changes.
    outcomes: list[Mapping[str, Any]] = field(default_factory=list)
    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    availability: Mapping[str, Any] | None = None
    probe_folder: str = ""
    incident: Mapping[str, str] | None = None
    others: list[str] = field(default_factory=list)
    stats: Mapping[str, Any] | None = None
    started: bool = False
    selected: bool = False
    #: Whether anything was asked of a host.
    begun: bool = False
    printed: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Note one event."""
        if event.kind == "text" and event.printed.strip():
            # Kept for a run that never came to its first play.
            self.printed = [*self.printed[-40:], event.printed]
        elif event.kind == "start":
            self.started = True
        elif event.kind == "task":
            self._end_step(event.at)
            self.steps.append(Step(event.task, event.at, quiet=event.quiet))
        elif event.kind == "stats":
            self._end_step(event.at)
            self.stats = event.result
            for name in event.result.get("dark") or {}:
                self._host(str(name)).unreachable = self._host(str(name)).unreachable or "It could not be reached."
        elif event.kind == "host_start":
            if event.module not in _HERE:
                self.begun = True
                # Where the run is stopped now, something may be left at work on it, though it never answered.
                self._host(event.host)
        elif event.of_host:
            self._take_result(event)

    def _host(self, name: str) -> Host:
        return self.hosts.setdefault(name, Host(name))

    def _end_step(self, at: datetime) -> None:
        if self.steps and self.steps[-1].ended is None:
            self.steps[-1].ended = at

    def _take_result(self, event: Event) -> None:
        host = self._host(event.host)
        if self.steps:
            self.steps[-1].hosts += 1
        if event.kind == "unreachable":
            host.unreachable = str(event.result.get("msg") or "It could not be reached.")
            return
        host.reached = True
        if event.kind == "skipped":
            return
        if event.kind == "failed" and not event.ignored:
            message = str(event.result.get("msg") or event.result.get("module_stderr") or "It ended silently.")
            host.failed = message
            self.failures.append((event.host, event.task, message))
        self._take_module(event, host)

    def _take_module(self, event: Event, host: Host) -> None:
        result = event.result
        if event.module == "fleet":
            self._take_fleet(result)
        elif event.module == "probe":
            self._take_probe(result)
        elif event.module == "debug":
            if "msg" in result and event.kind == "ok":
                self.messages.append(_text(result["msg"]))
        elif event.module in _REPORTS:
            self.reports[event.module] = result
        else:
            # What began a probe beside its own work says so.
            self._take_probe(result.get("probe"))
            host.results.append((event.module, result))

    def _take_probe(self, found: Any) -> None:
        if isinstance(found, Mapping):
            self.probe_folder = str(found.get("folder") or self.probe_folder)
            if "lines" in found:
                self.users = [str(line) for line in found["lines"] or []]
                said = found.get("availability")
                self.availability = said if isinstance(said, Mapping) else None

    def _take_fleet(self, result: Mapping[str, Any]) -> None:
        if isinstance(result.get("run"), Mapping):
            self.selected = True
            self.run = result["run"]
            # Where it is by default; what began a probe says so only when it is done.
            self.probe_folder = f"artifacts/probe-{self.run.get('id')}"
            for name in self.run.get("hosts") or []:
                self._host(str(name))
        elif "outcome" in result and "hosts" in result:
            self.outcomes.append(result)
            self.others = []
            for line in result["hosts"] or []:
                self._take_line(str(line))

    def _take_line(self, line: str) -> None:
        """Read what an outcome says of a host, of the users, or of the incident."""
        incident = _INCIDENT.match(line)
        if incident:
            self.incident = incident.groupdict()
        name, colon, said = line.partition(": ")
        if colon and name in self.hosts:
            host = self.hosts[name]
            found = _OUTCOME.match(said)
            if said.startswith("note: "):
                host.notes.append(said.removeprefix("note: "))
            elif said.startswith("undone: ") or found is None:
                host.notes.append(said)
            else:
                host.outcome = found["outcome"].replace(" ", "_")
                host.summary = found["summary"]
                host.seconds = float(found["seconds"]) if found["seconds"] else None
        elif name == "users" and said not in self.users:
            self.users.append(said)
        elif name != "users" and not incident:
            self.others.append(line)

    # ------------------------------------------------------------ questions

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """The newest outcome over all hosts, if the run came that far."""
        return self.outcomes[-1] if self.outcomes else None

    @property
    def environment(self) -> str:
        """The environment that the run was on; empty where it was not found out."""
        return str(self.run.get("environment") or "")

    def unreachable(self) -> list[str]:
        """Names of the hosts that could not be reached."""
        return [host.name for host in self.hosts.values() if host.unreachable]

    def changed(self) -> bool:
        """Whether anything said that it had changed something and nothing has taken it back."""
        if self.stats is not None and not self.outcomes:
            return bool(self.stats.get("changed"))
        return any(_left_changed(host) for host in self.hosts.values())

    def looks(self) -> dict[str, Mapping[str, Any]]:
        """Return what release_info found on every host that it came to."""
        found = {host.name: host.result_of("release_info") for host in self.hosts.values()}
        return {name: result for name, result in found.items() if result}


#: How the engine's errors begin where nothing that users see was changed.
_UNTOUCHED = ("Nothing was changed", "Nothing was touched", "No container was changed", "This run stopped before")


def _left_changed(host: Host) -> bool:
    left = False
    for _module, result in host.results:
        outcome = result.get("outcome")
        if is_failure(result):
            said = str(result.get("left") or result.get("msg") or "")
            left = left or not said.startswith(_UNTOUCHED)
        elif outcome in ("done", "unchanged") and result.get("changed") is not None:
            # An undo ends where users had been before: it says so by being the last that changed anything.
            left = left or bool(result.get("changed"))
    return left


def _text(message: Any) -> str:
    if isinstance(message, str):
        return message
    if isinstance(message, Iterable):
        return "\n".join(str(line) for line in message)
    return str(message)
