# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``rate_limit``: quick requests are answered or refused politely, and what counts them works."""

from __future__ import annotations

import threading
import time
import typing as t
from collections import Counter
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import Expect
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.http_check import (
    Step,
    evidence,
    read_plain,
    veil_of,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.together import together
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Exchange, Pool, Request

HOST = False
KEYS = ("path", "headers", "requests", "statuses", "limited_after", "window")
REFUSED = 429
_AT_ONCE = 8
# Beyond what two windows let through: a limit is mostly counted by the clock, and one may end while we ask.
_BEYOND = 10


@dataclass(frozen=True)
class RateLimitCheck(Check):
    """Asks several times as quickly as it can.

    With ``limited_after`` it goes on until it is refused, which must come after so many requests within ``window``
    seconds, and is made when the other checks are over: they would be refused too.
    """

    asks: Step
    requests: int
    statuses: t.Tuple[int, ...]
    limited_after: t.Optional[int]
    window: float

    @property
    def alone(self) -> bool:
        """Tell whether it would disturb others."""
        return self.limited_after is not None

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Ask, and look at all of the answers."""
        values: t.Dict[str, t.Any] = dict(around.values())
        try:
            request = self.asks.request(values)
        except ValueError as exc:
            return Outcome(FAILED, f"{self.asks.said} cannot be made: {exc}")
        if self.limited_after is not None:
            # What was asked before us may still count.
            time.sleep(max(0.0, min(self.window, around.left())))
        started = time.monotonic()
        found = self._ask(request, target, around)
        took = time.monotonic() - started
        refusal = next((one for one in found if one.status == REFUSED), None)
        if self.limited_after is not None and refusal is not None:
            # Who comes next shall not be refused because of us.
            time.sleep(max(0.0, min(self.window, around.left())))
        outcome = self._judge(found, took)
        counts = Counter(str(one.status) for one in found if one.status is not None)
        told = next((one for one in found if self._wrong(one)), refusal or (found[-1] if found else None))
        if told is not None:
            outcome.phases = told.phases
            outcome.evidence = evidence(request, told, veil_of(around, values))
        outcome.evidence["statuses"] = dict(counts)
        if refusal is not None and refusal.header("Retry-After") is not None:
            outcome.evidence["retry_after"] = refusal.header("Retry-After")
        return outcome

    def _ask(self, request: Request, target: Target, around: Surroundings) -> t.List[Exchange]:
        enough = threading.Event()
        total = self.requests if self.limited_after is None else 2 * self.limited_after + _BEYOND
        with Pool(target, keep=True) as pool:

            def ask(_number: int) -> t.Optional[Exchange]:
                left = around.left()
                if enough.is_set() or left <= 0:
                    return None
                found = pool.exchange(request, min(self.timeout, left))
                if (found.silent or found.broken) and around.left() <= 0:
                    # It was we who cut it off.
                    return None
                if found.silent or (self.limited_after is not None and found.status == REFUSED):
                    enough.set()
                return found

            return [one for one in together(ask, total, _AT_ONCE) if one is not None]

    def _wrong(self, found: Exchange) -> bool:
        return found.silent is None and (found.broken is not None or found.status not in self.statuses)

    def _judge(self, found: t.Sequence[Exchange], took: float) -> Outcome:
        said = self.asks.said
        wrong = [one for one in found if self._wrong(one)]
        if wrong:
            what = wrong[0].broken or f"answered {wrong[0].status}, not {self._wanted}"
            return Outcome(FAILED, f"{said} {what} ({len(wrong)} of {len(found)} quick requests)")
        silent = next((one.silent for one in found if one.silent), None)
        if silent:
            return Outcome(ERROR, f"{said}: {silent}")
        if self.limited_after is not None:
            return self._limit(found, took)
        if len(found) < self.requests:
            message = f"the time of the whole run was over after {len(found)} of {self.requests} requests"
            return Outcome(ERROR, message)
        counts = Counter(one.status for one in found)
        told = ", ".join(f"{count} × {status}" for status, count in sorted(counts.items(), key=str))
        return Outcome(PASSED, f"{said}: {len(found)} quick requests were answered in {took:.3f} s ({told})")

    def _limit(self, found: t.Sequence[Exchange], took: float) -> Outcome:
        limit = int(self.limited_after or 0)
        served = sum(1 for one in found if one.status != REFUSED)
        said = f"{self.asks.said}: {served} requests in {took:.3f} s"
        if served < len(found):
            if not served:
                return Outcome(FAILED, f"{self.asks.said} was refused ({REFUSED}) from the first request on")
            return Outcome(PASSED, f"{said}, then it was refused ({REFUSED})")
        # As much as a limit lets through that begins to count anew by the clock.
        if served > limit * (int(took / self.window) + 2):
            return Outcome(FAILED, f"{said} were all answered, none was refused after {limit} in {self.window:g} s")
        return Outcome(ERROR, f"{said} were too slow to come upon a limit of {limit} in {self.window:g} s")

    @property
    def _wanted(self) -> str:
        return " or ".join(str(one) for one in self.statuses)


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> RateLimitCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    statuses = fields.statuses(raw, "statuses", said, (200, REFUSED))
    limited = fields.whole(raw, "limited_after", said, 0, 1, 1000) if "limited_after" in raw else None
    if limited is None and "window" in raw:
        raise BadInputError(
            f"{said}: window says nothing without limited_after.", next_step="set both, or none.", place=("window",)
        )
    if limited is not None and REFUSED not in statuses:
        raise BadInputError(
            f"{said}: a limit is seen by the status {REFUSED}, which is not among the statuses.",
            next_step=f"add {REFUSED} to statuses.",
            place=("statuses",),
        )
    if limited is not None and "requests" in raw:
        raise BadInputError(
            f"{said}: requests and limited_after cannot both say how often it is asked.",
            next_step="take one of them out.",
            place=("requests",),
        )
    return RateLimitCheck(
        **common,
        asks=read_plain(raw, said, secrets, Expect()),
        requests=fields.whole(raw, "requests", said, 5, 2, 100),
        statuses=statuses,
        limited_after=limited,
        window=fields.number(raw, "window", said, 1.0, 0.1, 60.0),
    )
