# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a run was stopped: end what it left at work on its hosts, and find out what each of them is like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hotfix import collection
from hotfix.record import Record
from hotfix.runner import Job
from hotfix.state import State, state_of
from hotfix.stopping import Stop, signals
from hotfix.task import Task
from hotfix.watch import Display, Seen, watch

#: Seconds that it may take.
LONGEST = 120.0


@dataclass(frozen=True)
class Left:
    """What is known of the hosts. `text` says what was stopped where, or that it is not known."""

    text: str
    states: dict[str, State]


def look_after(task: Task, seen: Seen, display: Callable[[str], Display], watch: Callable[..., Seen] = watch) -> Left:
    """Stop the remote work of *seen*. Who asks again to be let go is, and told that nothing is known."""
    if not seen.record.begun:
        return Left("Nothing had begun on any host.", {})
    stop = Stop(LONGEST)
    with signals(stop):
        ended = watch(_stopping(task, seen), stop, display("Stopping what runs on the hosts"))
        text = _told(seen.record, ended.record, stop)
        states: dict[str, State] = {}
        if task.changes and seen.record.run.get("id") and stop.reason is None:
            looked = watch(_quiet(seen.job, "release_info"), stop, display("Looking at the hosts"))
            states = {host: state_of(found) for host, found in looked.record.looks().items()}
            missing = [name for name in seen.record.hosts if name not in states]
            if missing:
                text += f"\n{', '.join(missing)}: what it is like is not known. Next: hotfix status -l {seen.job.limit}"
    return Left(text, states)


def _stopping(task: Task, seen: Seen) -> Job:
    # Why the change was made is not why it was stopped.
    variables = {**seen.job.variables, "stopped_mark": seen.job.mark, "reason": "its run was stopped"}
    if task.changes and seen.record.run.get("id"):
        variables["stopped_run"] = str(seen.record.run["id"])
        return replace(_quiet(seen.job, "unlock"), variables=variables)
    return replace(_quiet(seen.job, "stop"), variables=variables)


def _quiet(job: Job, playbook: str) -> Job:
    """Return a run on the same hosts that is really made, and does not bear the mark of what is ended."""
    return replace(job, playbook=collection.playbook(playbook), check=False, diff=False, verbosity=0, mark="after")


def _told(record: Record, ended: Record, stop: Stop) -> str:
    if stop.reason is not None or ended.outcome is None:
        names = ", ".join(record.hosts) or "the hosts"
        return f"Whether anything is still at work on {names} is not known. Next: hotfix status, in a minute."
    lines = []
    for name in record.hosts:
        host = ended.hosts.get(name)
        if host is None or not host.result_of("unlock") or host.unreachable:
            lines.append(f"{name}: could not be reached to stop it; whatever runs there ends at its next step.")
        else:
            found = host.result_of("unlock")
            said = [
                *(str(note) for note in found.get("notes") or []),
                str(found.get("summary") or found.get("msg") or ""),
            ]
            lines.append(f"{name}: stopped. {' '.join(said)}")
    return "\n".join(lines)
