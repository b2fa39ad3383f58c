# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one job, show it as it goes, and return what was seen of it."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from hotfix.events import Event, parse
from hotfix.record import Record
from hotfix.runner import Job, play
from hotfix.stopping import Stop


class Display(Protocol):
    """Something that shows a run."""

    def __enter__(self) -> Any:
        """Begin to show."""

    def __exit__(self, *exc_info: object) -> None:
        """Leave the screen as it is to stay."""

    def take(self, event: Event, record: Record) -> None:
        """Show one event, after the record has noted it."""


@dataclass(frozen=True)
class Seen:
    """A run that is over. `status` is the runner's word for how."""

    job: Job
    record: Record
    status: str
    began: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


def watch(job: Job, stop: Stop, display: Display, play: Callable[..., str] = play) -> Seen:
    """Run *job*. The run only queues its events: neither a slow terminal nor a mistake in showing them gets near it."""
    record = Record()
    waiting: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def consume() -> None:
        while (raw := waiting.get()) is not None:
            with contextlib.suppress(Exception):
                event = parse(raw)
                # What is shown may fail, what is remembered may not.
                record.take(event)
                display.take(event, record)

    began = datetime.now(UTC)
    consumer = threading.Thread(target=consume, name="events", daemon=True)
    begun = threading.Event()

    def start() -> None:
        begun.set()
        # A terminal that is gone is no reason to end the run.
        with contextlib.suppress(Exception):
            display.__enter__()
        consumer.start()

    try:
        status = play(job, stop, waiting.put, start)
    finally:
        waiting.put(None)
        if begun.is_set():
            consumer.join(30)
            with contextlib.suppress(Exception):
                display.__exit__(None, None, None)
        else:
            consume()
    return Seen(job, record, status, began, datetime.now(UTC))


def display_for(title: str, *, verbosity: int) -> Display:
    """Choose what fits: lines where nobody looks at a terminal, or where Ansible's own output is wanted."""
    from hotfix.plain import Plain

    if sys.stderr.isatty() and not verbosity:
        from hotfix.live import Live

        return Live(title, sys.stderr)
    return Plain(sys.stderr, whole=bool(verbosity))
