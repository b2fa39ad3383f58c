# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of every command: plan and question, the run, what is to be done after a stop, and the result."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from hotfix import collection, plan
from hotfix.advice import advice
from hotfix.aftermath import Left, look_after
from hotfix.document import Document, document, empty
from hotfix.exits import Exit
from hotfix.output.show import show
from hotfix.runner import Job
from hotfix.state import next_commands, state_of
from hotfix.stopping import Stop, signals
from hotfix.task import LOOK, Options, Task
from hotfix.verdict import Verdict, verdict
from hotfix.watch import Display, Seen, display_for, watch

#: The playbook that says what hosts are like.
STATE = "release_info"


def conduct(task: Task, options: Options) -> Exit:
    """Do it, print the result, and return the exit code."""
    job = job_of(task, options)
    display = _displays(options)
    if plan.must_ask(task, options):
        plan.require_terminal(options)
        ended = _ask(task, options, job, display)
        if ended is not None:
            return _finish(ended, options)
    return _finish(perform(task, options, job, display), options)


def perform(task: Task, options: Options, job: Job, display: Callable[[str], Display]) -> Document:
    """Run the playbook, and return the result."""
    stop = Stop(options.timeout)
    left: Left | None = None
    with signals(stop):
        seen = watch(job, stop, display(f"hotfix {task.command} -l {options.limit}"))
        reason = stop.reason if seen.status in ("canceled", "timeout") else None
        if reason is not None:
            left = look_after(task, seen, display)
    found = verdict(seen.record, seen.status, reason, looks=task.looks)
    states = left.states if left else {}
    if task.playbook == STATE and not states:
        states = {host: state_of(looked) for host, looked in seen.record.looks().items()}
    result = document(task.command, seen, found, states)
    result["left"] = left.text if left else None
    result["next"] = advice(task, options, result)
    if task.view is not None and found.code is Exit.DONE:
        task.view(result, seen)
    return result


def job_of(task: Task, options: Options) -> Job:
    """Return what is to be run for *task*."""
    return Job(
        playbook=task.playbook if task.own else collection.playbook(task.playbook),
        limit=options.limit,
        inventory=options.inventory,
        # What a command says goes before what was typed beside it only where it is the point of the command.
        variables={**options.variables, **task.variables},
        files=options.files,
        check=options.check,
        diff=options.diff,
        verbosity=max(0, options.verbosity - 1),
    )


def _ask(task: Task, options: Options, job: Job, display: Callable[[str], Display]) -> Document | None:
    """Show the plan and ask; return the result where it ends here."""
    looked = replace(job, check=task.plan != LOOK, diff=task.plan != LOOK)
    if task.plan == LOOK:
        looked = replace(looked, playbook=collection.playbook("release_info"))
    stop = Stop(options.timeout)
    with signals(stop):
        seen = watch(looked, stop, display(f"Looking what {task.command} would change"))
        reason = stop.reason if seen.status in ("canceled", "timeout") else None
    found = verdict(seen.record, seen.status, reason, looks=True)
    if found.code is not Exit.DONE:
        result = document(task.command, seen, found)
        # A plan with hosts that cannot be reached is still one, where the change goes on without them.
        if not (
            found.code in (Exit.PARTIAL, Exit.COULD_NOT_LOOK) and task.command == "rollback" and _some_planned(seen)
        ):
            if reason is not None:
                result["left"] = "Only the plan was looked at: nothing was changed."
            result["next"] = advice(task, options, result)
            return result
    elif task.plan != LOOK and plan.changes_nothing(seen):
        result = document(task.command, seen, Verdict(Exit.NOTHING_TO_DO, found.message))
        result["next"] = advice(task, options, result)
        return result
    print(plan.text(task, options, seen), end="", file=sys.stderr, flush=True)
    if _answer(f"{task.what or task.command} on {seen.record.environment or options.limit}, now? [y/N] "):
        return None
    return empty(task.command, Verdict(Exit.CANCELLED, "Not confirmed: nothing was changed."))


def _some_planned(seen: Seen) -> bool:
    return any(host.outcome == "planned" for host in seen.record.hosts.values())


def _answer(question: str) -> bool:
    print(question[0].upper() + question[1:], end="", file=sys.stderr, flush=True)
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return False


def _displays(options: Options) -> Callable[[str], Display]:
    return lambda title: display_for(title, verbosity=options.verbosity)


def _finish(result: Document, options: Options) -> Exit:
    show(result, options.output)
    return Exit(result["exit"]["code"])


def recommend(result: Document) -> None:
    """Put the next commands for the state of the hosts into a result that has it."""
    states = {host["name"]: host["state"] for host in result["hosts"] if host["state"]}
    result["next"] = next_commands(states, result["limit"] or "production")
