# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found, as a person reads it: findings worst first, then what was seen of each host; 80 columns wide."""

from __future__ import annotations

import re
import textwrap
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import SEEN
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import (
    CRITICAL,
    SEVERITIES,
    Finding,
    Fleet,
    Vars,
)

WIDTH = 80
_LABEL = 10
_INDENT = " " * _LABEL
_FACT = 14
_MB = 1024 * 1024
_MOST = 4
#: Looks like a blank, and no line is broken there.
_TIE = "\u00a0"


def lines(fleet: Fleet, findings: t.Sequence[Finding], log_lines: int) -> list[str]:
    """Return the whole of it; *log_lines* last lines are shown of each service."""
    shown = textwrap.wrap(summary(fleet, findings), WIDTH)
    for finding in findings:
        shown += ["", *_finding(finding)]
    if not findings:
        shown += ["", "Nothing stands out in what was looked at."]
    for host in fleet.hosts:
        shown += ["", *_host(fleet, host, log_lines)]
    return [line.rstrip() for line in shown]


def summary(fleet: Fleet, findings: t.Sequence[Finding]) -> str:
    """Return how many findings there are of each severity."""
    counted = {severity: sum(one.severity == severity for one in findings) for severity in SEVERITIES}
    told = ", ".join(f"{number} {severity}" for severity, number in counted.items() if number) or "nothing stands out"
    seen = sum(fleet.seen(host) for host in fleet.hosts)
    hosts = f"{seen} of {len(fleet.hosts)} hosts looked at"
    return f"Diagnosis of {fleet.environment}: {told}; {hosts}."


def _finding(finding: Finding) -> list[str]:
    label = finding.severity.upper() if finding.severity == CRITICAL else finding.severity.capitalize()
    shown = _wrapped(finding.title + ".", f"{label:<{_LABEL}}")
    for host, detail in finding.details.items():
        shown += _wrapped(f"{host}: {detail}", _INDENT)
    if finding.follows:
        shown += _wrapped(f"It may follow from this: {finding.follows}.", _INDENT)
    for number, remedy in enumerate(finding.remedies):
        shown += _command("Next: " if not number else "or: ", remedy.command)
        shown += _wrapped(remedy.changes, f"{_INDENT}      ")
    return shown


def _command(label: str, command: str) -> list[str]:
    """Break a command where a shell takes it together again."""
    first = f"{_INDENT}{label:<6}"
    # An option and its value stay together.
    tied = re.sub(r"(?<= )(-[el]) (?=\S)", f"\\1{_TIE}", command)
    found = [line.replace(_TIE, " ") for line in _wrapped(tied, first, " " * len(first) + "  ", WIDTH - 2)]
    if not command.startswith(("ansible-playbook", "on ")):
        return found
    return [f"{line} \\" for line in found[:-1]] + found[-1:]


def _wrapped(text: str, first: str, later: str | None = None, width: int = WIDTH) -> list[str]:
    found = textwrap.wrap(
        re.sub(r"[ \t\r\n]+", " ", text.strip()),
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first) if later is None else later,
        break_on_hyphens=False,
        # A command that is cut in the middle of a word is none.
        break_long_words=later is None,
    )
    return found or [first]


def _host(fleet: Fleet, host: str, log_lines: int) -> list[str]:
    shown = [host if len(host) <= WIDTH else f"{host[: WIDTH - 1]}…"]
    parts = fleet.hosts[host].get("parts") or {}
    for name, tell in _FACTS.items():
        part = parts.get(name)
        if part is None:
            continue
        label = f"  {_LABELS.get(name, name):<{_FACT}}"
        if part["status"] == SEEN:
            for number, text in enumerate(tell(part["found"])):
                shown += _wrapped(text, label if not number else " " * len(label))
        else:
            said = "not configured" if part["status"] == "skipped" else "NOT SEEN"
            shown += _wrapped(f"{said}: {part['why']}", label)
    if log_lines:
        for one in fleet.found(host, "logs").get("services") or []:
            if one["lines"]:
                shown.append(f"  last lines of {one['service']}"[:WIDTH])
                shown += [_cut(f"    {_line(text)}") for text in one["lines"][-log_lines:]]
    return shown


def _line(text: str) -> str:
    """Return a line with the time of day only: what matters of it is behind."""
    stamp, _blank, rest = text.partition(" ")
    container, _bar, said = rest.partition(" | ")
    return f"{stamp[11:19]} {' '.join(said.split())}" if said else f"{stamp[11:19]} {container}"


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _release(found: Vars) -> t.Iterator[str]:
    current = found.get("current")
    if current:
        yield f"{current['id']} ({current['state']}), live in slot {found['live_slot']}"
    else:
        yield "none is recorded"
    back = found.get("back")
    if back:
        yield f"a rollback goes to {back['id']}, which {'still runs' if found['back_is_warm'] else 'has to be started'}"
    yield from found.get("timers") or []
    yield f"{len(found['drift'])} differences by hand" if found["drift"] else "nothing was changed by hand"


def _containers(found: Vars) -> t.Iterator[str]:
    reached = [one for one in found["containers"] if one["reached"]]
    good = [one for one in reached if one["status"] == "running" and one["health"] in (None, "healthy")]
    beside = len(found["containers"]) - len(reached)
    yield f"{len(good)} of {len(reached)} run well" + (f"; {beside} of other slots" if beside else "")
    for one in reached:
        if one not in good or one["restarts"] or one["oom_killed"]:
            health = f", {one['health']}" if one["health"] else ""
            oom = ", was out of memory" if one["oom_killed"] else ""
            ended = f"{one['restarts']} restarts, exit code {one['exit_code']}{oom}"
            yield f"{one['name']}: {one['status']}{health}, {ended}"


def _usage(found: Vars) -> t.Iterator[str]:
    most = found["containers"][:_MOST]
    yield "; ".join(
        f"{one['name']} {one['cpu_percent']:.0f} % CPU, {one['memory_bytes'] / _MB:.0f} MB" for one in most
    ) + ("; …" if len(found["containers"]) > _MOST else "")


def _system(found: Vars) -> t.Iterator[str]:
    for disk in found["disks"]:
        inodes = ""
        if disk["inodes"] and disk["inodes_free"] is not None:
            inodes = f", {100 * disk['inodes_free'] // disk['inodes']} % of inodes"
        yield f"{disk['free'] / _MB:.0f} of {disk['size'] / _MB:.0f} MB free{inodes}: {', '.join(disk['folders'])}"
    if found.get("memory"):
        available, total = (found["memory_available"] or 0) / _MB, found["memory"] / _MB
        load = " ".join(f"{one:g}" for one in found["load"])
        yield f"{available:.0f} of {total:.0f} MB of memory can be had; load {load} on {found['cpus']} CPUs"


def _health(found: Vars) -> t.Iterator[str]:
    yield found["problem"] or f"the app answers its own host ({found['status']})"


def _requests(found: Vars) -> t.Iterator[str]:
    minutes = float(found["window"]) / 60
    if not found["requests"]:
        yield f"none in the access log of {found['service']} in {minutes:.1f} min (or it is not in its log)"
        return
    statuses = ", ".join(f"{status}: {count}" for status, count in found["statuses"].items())
    yield f"{found['requests']} in {minutes:.1f} min; {statuses}"
    seconds = found["seconds"]
    if seconds is None:
        yield "how long they took is unknown: the log format does not tell it"
    else:
        yield ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items())


def _logs(found: Vars) -> t.Iterator[str]:
    minutes = f"{float(found['seconds']) / 60:.0f} min"
    counted = [f"{one['service']} {one['errors_after']}" for one in found["services"]]
    yield f"error lines in {minutes}: {', '.join(counted) or 'there is no log'}"
    for one in found["services"]:
        yield from (f"{one['service']}: {text}" for text in one["problems"])


def _database(found: Vars) -> t.Iterator[str]:
    if not found["answers"]:
        yield f"does not answer: {found['says']}"
        return
    states = ", ".join(f"{count} {state}" for state, count in sorted(found["states"].items()))
    yield f"PostgreSQL {found['version']}: {found['connections']} of {found['max_connections']} connections ({states})"
    running = [one["seconds"] for one in found["sessions"] if one["state"] == "active"]
    waiting = sum(bool(one["blocked_by"]) for one in found["sessions"])
    longest = f"the longest query runs for {max(running):.1f} s" if running else "no query runs"
    hidden = f"; {found['hidden']} sessions are hidden from this user" if found["hidden"] else ""
    yield f"{longest}, {waiting} wait for a lock{hidden}"


def _redis(found: Vars) -> t.Iterator[str]:
    if not found["answers"]:
        yield f"does not answer: {found['says']}"
        return
    most = int(found.get("maxmemory") or 0)
    limit = f" of {most / _MB:.0f} MB" if most else ", without a limit"
    yield (
        f"{found.get('version')}: {found['used_memory'] / _MB:.1f} MB{limit}; "
        f"{found.get('connected_clients', 'unknown')} clients, {found.get('evicted_keys', 0)} keys let go"
    )


def _connections(found: Vars) -> t.Iterator[str]:
    if found["websockets"] is not None:
        yield f"at most {found['websockets']} WebSockets"
    told = [f"{name} {one['open']}" for name, one in found["services"].items() if one["open"]]
    yield f"that stay: {', '.join(told) or 'none'}"


def _certificate(found: Vars) -> t.Iterator[str]:
    yield f"{found['days']:.0f} days left" if found["good"] and found["days"] is not None else str(found["says"])


def _clock(found: Vars) -> t.Iterator[str]:
    yield f"differs by {found['perhaps']:.1f} s from the controller's at most"


_LABELS = {"system": "host", "health": "answer", "connections": "connections"}
_FACTS: dict[str, t.Callable[[Vars], t.Iterator[str]]] = {
    "release": _release,
    "containers": _containers,
    "usage": _usage,
    "health": _health,
    "requests": _requests,
    "logs": _logs,
    "database": _database,
    "redis": _redis,
    "connections": _connections,
    "system": _system,
    "certificate": _certificate,
    "clock": _clock,
}
