# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a run is to end before its end: Ctrl-C, SIGTERM, or its time is up."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CANCELLED = "cancelled"
TIMED_OUT = "timed_out"


class Stop:
    """Asked again and again by the run, from its own thread."""

    def __init__(self, timeout: float | None = None) -> None:
        self._until = None if timeout is None else time.monotonic() + timeout
        self._reason: str | None = None
        #: How often somebody asked; who asks again does not want to wait for what is done afterwards.
        self.asked = 0

    @property
    def reason(self) -> str | None:
        """`cancelled`, `timed_out`, or None while the run may go on."""
        if self._reason is None and self._until is not None and time.monotonic() >= self._until:
            self._reason = TIMED_OUT
        return self._reason

    def shorten(self, timeout: float) -> None:
        """Let it have *timeout* seconds from now, and no more."""
        self._until = time.monotonic() + timeout

    def cancel(self) -> None:
        """Note that somebody wants it to end."""
        self.asked += 1
        self._reason = self._reason or CANCELLED


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Have SIGINT and SIGTERM end the run in order, and nothing else; what was set before is put back.

    A terminal that is closed does not end a rescue: the run goes on, and nobody watches.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.cancel()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
