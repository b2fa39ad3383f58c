# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Does several things at once, and waits for none of them longer than it said."""

from __future__ import annotations

import threading
import time
import typing as t
from dataclasses import dataclass

T = t.TypeVar("T")


@dataclass(frozen=True)
class Ended(t.Generic[T]):
    """What came of one of them: what it returned, or what it raised, and the seconds that it took."""

    seconds: float
    value: t.Optional[T] = None
    error: t.Optional[Exception] = None


def at_once(works: t.Sequence[t.Callable[[], T]], timeout: float) -> t.List[t.Optional[Ended[T]]]:
    """Call all *works* at once and return how each ended, in order; ``None`` for one that takes longer than *timeout*.

    Nothing that goes wrong in one of them reaches the others or the caller.
    """
    done: t.Dict[int, Ended[T]] = {}

    def take(number: int, work: t.Callable[[], T]) -> None:
        started = time.monotonic()
        try:
            value = work()
        except Exception as exc:
            done[number] = Ended(time.monotonic() - started, error=exc)
        else:
            done[number] = Ended(time.monotonic() - started, value=value)

    # A pool of concurrent.futures would hold up the end of the process for what nobody waits for any more.
    threads = [threading.Thread(target=take, args=each, daemon=True) for each in enumerate(works)]
    end = time.monotonic() + timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [done.get(number) for number in range(len(works))]


class Once(t.Generic[T]):
    """A value that several need, and that is made once: whoever comes first makes it, the others wait for it."""

    def __init__(self, make: t.Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._ended: t.Optional[Ended[T]] = None

    def __call__(self) -> T:
        """Return it, or raise what making it raised."""
        with self._lock:
            if self._ended is None:
                started = time.monotonic()
                try:
                    self._ended = Ended(0.0, value=self._make())
                except Exception as exc:
                    self._ended = Ended(time.monotonic() - started, error=exc)
        if self._ended.error is not None:
            raise self._ended.error
        return t.cast(T, self._ended.value)
