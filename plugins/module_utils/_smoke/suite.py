# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Makes all checks of all targets at once, within one time for all of them."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.attempts import attempts
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    Check,
    Here,
    Report,
    Result,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil

Pair = t.Tuple[Check, Target]

# Seconds beyond the end: for threads to notice it, and for what is put back.
_NOTICE = 0.5
_CLEANING = 15.0


class _Around:
    """What a check may use of the run."""

    def __init__(
        self,
        end: float,
        secrets: t.Mapping[str, str],
        here: t.Optional[Here],
        evidence_dir: t.Optional[str],
        browser_path: t.Optional[str],
    ) -> None:
        self.end = end
        self._secrets = secrets
        self.here = here
        self.evidence_dir = evidence_dir
        self.browser_path = browser_path
        self._cleaning = 0
        self._lock = threading.Lock()

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.end - time.monotonic()

    def values(self) -> t.Dict[str, str]:
        """Return the secrets."""
        return dict(self._secrets)

    @contextlib.contextmanager
    def cleaning(self) -> t.Iterator[None]:
        """Count those who put things back."""
        with self._lock:
            self._cleaning += 1
        try:
            yield
        finally:
            with self._lock:
                self._cleaning -= 1

    @property
    def anybody_cleaning(self) -> bool:
        """Tell whether somebody still puts things back."""
        with self._lock:
            return self._cleaning > 0


def public(checks: t.Sequence[Check]) -> t.List[Check]:
    """Return the checks that are made from outside."""
    return [check for check in checks if check.scope in ("public", "both")]


def on_host(checks: t.Sequence[Check]) -> t.List[Check]:
    """Return the checks that look at the app from its own host."""
    return [check for check in checks if check.scope == "host"]


def run(
    checks: t.Sequence[Check],
    targets: t.Sequence[Target],
    *,
    timeout: float = 30.0,
    secrets: t.Optional[t.Mapping[str, str]] = None,
    evidence_dir: t.Optional[str] = None,
    browser_path: t.Optional[str] = None,
    concurrency: int = 0,
) -> Report:
    """Make every public check at every target. *timeout* is the seconds for all of it, but for putting things back."""
    chosen = public(checks)
    if not chosen:
        raise BadInputError(
            "All checks are private: none is made from outside.", next_step="add one with scope: public or both."
        )
    if not targets:
        raise BadInputError("No target is named.", next_step="set targets: [{url: https://app.example.com}].")
    pairs = [(check, target) for check in chosen for target in targets]
    return run_pairs(
        pairs,
        timeout=timeout,
        secrets=secrets,
        evidence_dir=evidence_dir,
        browser_path=browser_path,
        concurrency=concurrency,
    )


def run_on_host(
    checks: t.Sequence[Check],
    here: Here,
    *,
    timeout: float = 30.0,
    secrets: t.Optional[t.Mapping[str, str]] = None,
    evidence_dir: t.Optional[str] = None,
    concurrency: int = 0,
) -> Report:
    """Make every check that looks at the app from its own host, on this one."""
    chosen = on_host(checks)
    if not chosen:
        raise BadInputError(
            "No check is made on the host itself.", next_step="add one of a type that is, such as command."
        )
    pairs = [(check, Target(name=here.name, url="")) for check in chosen]
    return run_pairs(
        pairs, timeout=timeout, secrets=secrets, here=here, evidence_dir=evidence_dir, concurrency=concurrency
    )


def run_pairs(
    pairs: t.Sequence[Pair],
    *,
    timeout: float,
    secrets: t.Optional[t.Mapping[str, str]] = None,
    here: t.Optional[Here] = None,
    evidence_dir: t.Optional[str] = None,
    browser_path: t.Optional[str] = None,
    concurrency: int = 0,
) -> Report:
    """Make each check at its target, all at once; those that would disturb the others one by one after them.

    With *concurrency* so many at once, in their order. What watches for a time of its own, such as how memory grows,
    may do so beyond *timeout*.
    """
    known = secrets or {}
    started = time.monotonic()
    results: t.List[t.Optional[Result]] = [None] * len(pairs)
    veil = Veil(known.values())
    together = [index for index, pair in enumerate(pairs) if not pair[0].alone]
    apart = [[index] for index, pair in enumerate(pairs) if pair[0].alone]
    for some in [together, *apart]:
        taken = max((pairs[index][0].takes for index in some), default=0.0)
        around = _Around(time.monotonic() + timeout + taken, known, here, evidence_dir, browser_path)
        _together(pairs, some, results, around, concurrency)
    found = [_veiled(one or _late(pair, timeout), veil) for one, pair in zip(list(results), pairs)]
    return Report(found, time.monotonic() - started)


def _together(
    pairs: t.Sequence[Pair],
    chosen: t.Sequence[int],
    results: t.List[t.Optional[Result]],
    around: _Around,
    concurrency: int,
) -> None:
    waiting = iter(chosen)
    lock = threading.Lock()

    def work() -> None:
        while around.left() > 0:
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            results[index] = attempts(*pairs[index], around)

    threads = [
        threading.Thread(target=work, daemon=True) for _one in range(min(concurrency or len(chosen), len(chosen)))
    ]
    for thread in threads:
        thread.start()
    _join(threads, around.end + _NOTICE, lambda: around.anybody_cleaning)


def _join(threads: t.Sequence[threading.Thread], end: float, cleaning: t.Callable[[], bool]) -> None:
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    last = end + _CLEANING
    while cleaning() and time.monotonic() < last:
        time.sleep(0.05)
    # Those that were putting things back have a result now.
    for thread in threads:
        thread.join(0.05 if time.monotonic() < last + _NOTICE else 0.0)


def _late(pair: Pair, timeout: float) -> Result:
    check, target = pair
    message = f"it was not over after {timeout:g} s"
    return Result(check.name, check.type, target.name, ERROR, message, timeout, verify=check.verify)


def _veiled(result: Result, veil: Veil) -> Result:
    return Result(**veil.anything(result.as_dict()))
