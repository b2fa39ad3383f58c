# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show what services write, and go on showing it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hotfix.aftermath import look_after
from hotfix.conduct import conduct, job_of
from hotfix.document import document
from hotfix.exits import Exit, UsageError
from hotfix.output.show import show
from hotfix.record import Record
from hotfix.runner import Job
from hotfix.stopping import Stop, signals
from hotfix.task import Options, Task
from hotfix.verdict import verdict
from hotfix.watch import Display, display_for, watch

#: Seconds between two looks, and lines that one of them may bring.
_PAUSE = 1.0
_MORE = 5000

Line = Mapping[str, Any]


class Silent:
    """Shows nothing: the lines themselves are the progress."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        return

    def take(self, *_arguments: object) -> None:
        """Show nothing of an event."""


class Cursor:
    """Knows which lines were shown, and from when on to ask for the next ones. Hosts have clocks of their own."""

    def __init__(self) -> None:
        self._newest: dict[str, str] = {}
        self._shown: dict[str, set[tuple[str, str, str]]] = {}

    @property
    def since(self) -> str | None:
        """The time from which on something may be new on any host."""
        return min(self._newest.values(), default=None)

    def fresh(self, record: Record) -> Iterator[tuple[str, Line]]:
        """Yield what was not shown yet, with its host, in the order of time."""
        found = []
        for host in record.hosts.values():
            shown, newest = self._shown.get(host.name, set()), self._newest.get(host.name, "")
            for line in host.result_of("logs").get("lines") or []:
                key = (str(line["at"]), str(line["container"]), str(line["text"]))
                if key not in shown and key[0] >= newest:
                    found.append((host.name, line))
                    newest = max(newest, key[0])
                    shown.add(key)
            if newest:
                self._newest[host.name] = newest
                # What is older than the newest of all hosts' cursors cannot come again.
                oldest = min(self._newest.values())
                self._shown[host.name] = {key for key in shown if key[0] >= oldest}
        return iter(sorted(found, key=lambda item: (str(item[1]["at"]), item[0])))


def show_logs(services: Sequence[str], lines: int, since: str | None, follow: bool, options: Options) -> int:
    """Show the last lines; with *follow* until Ctrl-C."""
    variables = {"services": ",".join(services), "lines": str(lines), **({"since": since} if since else {})}
    task = Task("logs", "logs", variables, looks=True)
    if not follow:
        return conduct(task, options)
    if options.output == "junit":
        raise UsageError("--output junit makes nothing of what goes on. Next: leave it or --follow out.")
    return _follow(task, options)


def _follow(task: Task, options: Options) -> Exit:
    """Ask again and again. Ctrl-C is how it ends, so that is a success."""
    job, cursor, stop = job_of(task, options), Cursor(), Stop(options.timeout)
    with signals(stop):
        while True:
            seen = watch(job, stop, Silent())
            if stop.reason is not None:
                break
            found = verdict(seen.record, seen.status, None, looks=True)
            if found.code is not Exit.DONE:
                show(document(task.command, seen, found), options.output)
                return found.code
            if not _print(cursor.fresh(seen.record), options):
                return Exit.DONE
            if _waited(stop):
                return _ended(options)
            job = _next(job, cursor)
    if seen.record.begun:
        look_after(task, seen, lambda title: _display(title, options))
    return _ended(options)


def _waited(stop: Stop) -> bool:
    """Wait for the next look, and return whether there is to be none."""
    until = time.monotonic() + _PAUSE
    while stop.reason is None and time.monotonic() < until:
        time.sleep(0.05)
    return stop.reason is not None


def _display(title: str, options: Options) -> Display:
    return display_for(title, verbosity=options.verbosity)


def _next(job: Job, cursor: Cursor) -> Job:
    variables = {**job.variables, "lines": str(_MORE)}
    if cursor.since:
        variables["since"] = cursor.since
    return replace(job, variables=variables)


def _print(lines: Iterator[tuple[str, Line]], options: Options) -> bool:
    """Print lines as they come; with JSON one object a line. Return whether anybody still reads."""
    try:
        for host, line in lines:
            if options.output == "json":
                told = {"host": host, **{key: line.get(key) for key in ("at", "service", "container", "text")}}
                print(json.dumps(told, ensure_ascii=False))
            else:
                print(f"{str(line['at'])[:23].replace('T', ' ')} {host} {line['container']} | {line['text']}")
        sys.stdout.flush()
    except BrokenPipeError:
        return False
    return True


def _ended(options: Options) -> Exit:
    if options.output == "text":
        print(file=sys.stderr)
    return Exit.DONE
