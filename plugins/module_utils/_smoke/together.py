# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Makes several requests of one check at once."""

from __future__ import annotations

import threading
import typing as t

T = t.TypeVar("T")


def together(work: t.Callable[[int], T], count: int, workers: int) -> t.List[T]:
    """Return what *work* returns for each of *count* numbers, made by threads; what it raises is raised here."""
    found: t.Dict[int, T] = {}
    raised: t.List[BaseException] = []
    numbers = iter(range(count))
    lock = threading.Lock()

    def run() -> None:
        while not raised:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                found[number] = work(number)
            except Exception as exc:
                raised.append(exc)

    # A pool of concurrent.futures would hold up the end of the process for a request that nobody waits for any more.
    threads = [threading.Thread(target=run, daemon=True) for _number in range(min(workers, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]
    return [found[number] for number in range(count)]
