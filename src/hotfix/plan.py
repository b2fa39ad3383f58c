# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a change, and the one question before it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hotfix.exits import UsageError
from hotfix.output.text import wrapped
from hotfix.record import Host
from hotfix.state import state_of
from hotfix.task import LOOK, Options, Task
from hotfix.watch import Seen

#: Sentences of a plan that say what users notice.
_INTERRUPTION = re.compile(
    r"[^.]*\b(?:no request is to fail|is away|are away|be away|interrupted|interruption)\b[^.]*\.?"
)


def must_ask(task: Task, options: Options) -> bool:
    """Tell whether the operator is to see a plan first. Environments without a question are named in HOTFIX_UNASKED."""
    if not task.changes or options.check or options.yes:
        return False
    unasked = set(os.environ.get("HOTFIX_UNASKED", "staging").replace(",", " ").split())
    names = re.split(r"[,:]", options.limit or "")
    return not all(name in unasked for name in names)


def require_terminal(options: Options) -> None:
    """Refuse to go on where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"This changes {options.limit}, and there is no terminal to ask on. Nothing was touched. "
            "Next: look at the plan with --check, then give --yes."
        )


def changes_nothing(seen: Seen) -> bool:
    """Tell whether every host's plan is to do nothing."""
    planned = [
        result
        for host in seen.record.hosts.values()
        for _module, result in host.results
        if result.get("outcome") == "planned"
    ]
    every = {host.name for host in seen.record.hosts.values()}
    told = {host.name for host in seen.record.hosts.values() for _m, r in host.results if r.get("outcome") == "planned"}
    return bool(planned) and told == every and not any(result.get("changed") for result in planned)


def text(task: Task, options: Options, seen: Seen) -> str:
    """Return the plan: what changes on which host, from which release to which, the interruption, and the way back."""
    return "\n".join(_lines(task, options, seen)) + "\n"


def _lines(task: Task, options: Options, seen: Seen) -> Iterator[str]:
    record = seen.record
    yield f"Plan: {task.what or task.command} on {record.environment or options.limit}, {_number(len(record.hosts))}"
    for host in record.hosts.values():
        yield from wrapped(f"  {host.name}: {_from_to(task, host)}", "    ")
        for note in host.notes:
            yield from wrapped(f"    {note}", "      ")
    yield from wrapped(f"  Interruption: {_interruption(task, record.hosts.values())}", "    ")
    undo = task.undo.format(limit=options.limit, left=_left(record.hosts.values()))
    yield from wrapped(f"  To undo it: {undo or 'nothing is to be undone.'}", "    ")


def _from_to(task: Task, host: Host) -> str:
    if task.plan == LOOK:
        state = state_of(host.result_of("release_info"))
        current = state["current"]
        now = f"{current['version']} ({current['id']}), {current['state']}" if current else "nothing that was recorded"
        return f"current is {now}" + (f"; lease held by {state['lease']}" if state["lease"] else "; the lease is free")
    before, after = _images(host)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    images = "".join(f"\n  {name}: {_short(before.get(name))} -> {_short(after.get(name))}" for name in changed)
    return (host.summary or "nothing is known of what would change") + images


def _number(hosts: int) -> str:
    return f"{hosts} host" if hosts == 1 else f"{hosts} hosts"


def _left(hosts: Iterable[Host]) -> str:
    """Return the ID of the release that is left, where the plan says so."""
    found = (re.match(r"From (\S+) to ", host.summary) for host in hosts)
    return next((one[1] for one in found if one), "ID")


def _images(host: Host) -> tuple[dict[str, str], dict[str, str]]:
    """Return what each service runs and would run, as the difference of the check says."""
    for _module, result in reversed(host.results):
        diff: Any = result.get("diff")
        if isinstance(diff, Mapping) and {"before", "after"} <= set(diff):
            return _pins(diff["before"]), _pins(diff["after"])
    return {}, {}


def _pins(text: Any) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in str(text).splitlines() if ": " in line)


def _short(pin: str | None) -> str:
    """Leave of an image what tells it from another: the last part of its name, and enough of its digest."""
    return re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]+", r"\1", pin.rpartition("/")[2]) if pin else "nothing"


def _interruption(task: Task, hosts: Iterable[Host]) -> str:
    found: dict[str, None] = {}
    for host in hosts:
        for line in [host.summary, *host.notes]:
            for sentence in _INTERRUPTION.findall(line):
                found[sentence.strip()] = None
    return " ".join(found) or task.interruption or "unknown"
