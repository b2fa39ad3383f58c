# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What action plugins share that look from the controller while their module looks on the host."""

from __future__ import annotations

import threading
import typing as t

T = t.TypeVar("T")


class Meanwhile(t.Generic[T]):
    """Work that is done beside something else; it must have an end of its own, and must not raise."""

    def __init__(self, work: t.Callable[[], T]) -> None:
        self._done: list[T] = []
        self._thread = threading.Thread(target=lambda: self._done.append(work()), daemon=True)
        self._thread.start()

    def result(self) -> T:
        """Wait for it, and return what it returned."""
        self._thread.join()
        return self._done[0]


def short(text: str) -> str:
    """Return the end of what a program said, on one line; of a traceback its last one."""
    lines = text.strip().splitlines()
    line = " ".join((lines[-1] if "Traceback" in text else text).split())
    return line if len(line) <= 300 else f"…{line[-299:]}"
