# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress as plain lines, for where nobody looks at a terminal: one for each step and for what hosts say."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from hotfix.availability import Samples
from hotfix.events import Event, is_failure
from hotfix.progress import WORKING, Progress, said
from hotfix.record import Record

#: Seconds of silence after which it says what it waits for.
SILENCE = 10.0


class Plain:
    """Writes lines, each with the seconds since the run began. With *whole*, Ansible's own output instead."""

    def __init__(self, stream: TextIO, *, whole: bool = False, silence: float = SILENCE) -> None:
        self._stream = stream
        self._whole = whole
        self._silence = silence
        self._progress = Progress()
        self._samples = Samples()
        self._written = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._folder = ""
        self._step = ""
        self._thread = threading.Thread(target=self._wait, name="progress", daemon=True)

    def __enter__(self) -> Plain:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join(5)

    def take(self, event: Event, record: Record) -> None:
        """Show one event."""
        with self._lock:
            self._progress.take(event)
            self._folder = record.probe_folder
            if self._whole:
                if event.printed.strip():
                    self._write(event.printed.replace("\r", "").strip("\n"))
            elif event.quiet:
                pass
            elif event.kind == "task":
                self._step = event.task
            elif event.of_host and event.kind != "skipped":
                if self._step:
                    # A step that every host skips is none.
                    self._line(self._step)
                    self._step = ""
                self._result(event)

    def _result(self, event: Event) -> None:
        # What is decided over all hosts is told at the end.
        if event.module in ("fleet", "probe", "debug", "set_fact", "assert") and event.kind != "failed":
            return
        summary = str(event.result.get("summary") or "")
        if event.kind in ("failed", "unreachable") or is_failure(event.result):
            summary = str(event.result.get("msg") or summary)
        first = summary.strip().partition("\n")[0]
        self._line(f"  {event.host}: {said(event)}{f': {first}' if first else ''}")

    def _line(self, text: str) -> None:
        self._write(f"{time.monotonic() - self._progress.began:6.1f}s {text}")

    def _write(self, text: str) -> None:
        self._written = time.monotonic()
        print(text, file=self._stream, flush=True)

    def _wait(self) -> None:
        while not self._over.wait(min(1.0, self._silence / 4)):
            # Whoever closed the stream does not end the run.
            try:
                with self._lock:
                    self._still()
            except (OSError, ValueError):
                return

    def _still(self) -> None:
        now = time.monotonic()
        step = self._progress.step
        if step is None or self._whole or now - self._written < self._silence:
            return
        waits = ", ".join(name for name, (word, _began, _ended) in step.hosts.items() if word == WORKING)
        users = self._samples.look(self._folder)
        self._line(
            f"  still at '{step.name}' ({step.seconds(now):.0f} s)"
            f"{f', waiting for {waits}' if waits else ''}{f'; {users}' if users else ''}"
        )
