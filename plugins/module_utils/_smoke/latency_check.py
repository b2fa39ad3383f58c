# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``latency``: how long the app takes to answer, by percentiles over several requests."""

from __future__ import annotations

import threading
import time
import typing as t
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
KEYS = ("path", "headers", "status", "requests", "workers", "keep_alive", "pause", "expect")
_REFUSED = 429
# One that is refused is asked again; a limit that lets nobody through is not waited for.
_ASKED_AGAIN = 3
_REFUSED_PAUSE = 1.0
_LONGEST_PAUSE = 5.0
PERCENTILES: t.Mapping[str, int] = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
_EXPECTED = (*PERCENTILES, "max", "avg")


def percentile(seconds: t.Sequence[float], percent: int) -> float:
    """Return the least of *seconds* that *percent* of them do not exceed (nearest rank)."""
    # In whole numbers: 0.07 * 100 is more than 7.
    rank = -(-percent * len(seconds) // 100)
    return sorted(seconds)[max(rank, 1) - 1]


def needed(name: str) -> int:
    """Return how many values it takes for a percentile to be another than the greatest of them."""
    return -(-100 // (100 - PERCENTILES[name])) if name in PERCENTILES else 1


def figures(seconds: t.Sequence[float]) -> t.Dict[str, float]:
    """Return what there is to tell of so many values; a percentile only where there are enough for it."""
    found = {name: percentile(seconds, PERCENTILES[name]) for name in PERCENTILES if len(seconds) >= needed(name)}
    found.update(min=min(seconds), avg=sum(seconds) / len(seconds), max=max(seconds))
    return {name: round(value, 4) for name, value in found.items()}


@dataclass(frozen=True)
class LatencyCheck(Check):
    """Asks ``requests`` times, by some ``workers`` at once.

    On connections that are kept, a request is timed from its first byte to the last one of its answer; otherwise with
    all that it takes to connect.
    """

    asks: Step
    requests: int
    workers: int
    keep_alive: bool
    pause: float
    limits: t.Tuple[t.Tuple[str, float], ...]

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Ask, and compare; an answer that is none counts for no time at all."""
        values: t.Dict[str, t.Any] = dict(around.values())
        try:
            request = self.asks.request(values)
        except ValueError as exc:
            return Outcome(FAILED, f"{self.asks.said} cannot be made: {exc}")
        with Pool(target, keep=self.keep_alive) as pool:
            series = _Series(self, pool, request, around)
            together(series.ask, self.requests, self.workers)
            outcome = series.outcome()
            told = series.told
            if told is not None:
                outcome.phases = told.phases
                outcome.evidence = {**evidence(request, told, veil_of(around, values)), **outcome.evidence}
            outcome.evidence["connections"] = pool.connections
        return outcome

    def seconds(self, found: Exchange) -> float:
        """Return how long an answer took."""
        if not self.keep_alive:
            return found.seconds
        return found.phases.get("processing", 0.0) + found.phases.get("transfer", 0.0)


class _Series:
    """The answers to one attempt's requests. What goes wrong ends it."""

    def __init__(self, check: LatencyCheck, pool: Pool, request: Request, around: Surroundings) -> None:
        self._check = check
        self._pool = pool
        self._request = request
        self._around = around
        self._lock = threading.Lock()
        self._good: t.List[Exchange] = []
        self._limited = 0
        self._stopped: t.Optional[Outcome] = None
        self._last: t.Optional[Exchange] = None

    def ask(self, number: int) -> None:
        """Make one of the requests."""
        if number >= self._check.workers:
            time.sleep(max(0.0, min(self._check.pause, self._around.left())))
        for _again in range(_ASKED_AGAIN):
            left = self._around.left()
            if left <= 0:
                self._stop(Outcome(ERROR, ""), None)
            if self._stopped is not None:
                return
            found = self._pool.exchange(self._request, min(self._check.timeout, left))
            if (found.silent or found.broken) and self._around.left() <= 0:
                # It was we who cut it off.
                self._stop(Outcome(ERROR, ""), found)
                return
            if not self._refused(found):
                self._take(found)
                return
            with self._lock:
                self._limited += 1
            time.sleep(max(0.0, min(_wanted_pause(found), self._around.left())))

    def _refused(self, found: Exchange) -> bool:
        wanted = self._check.asks.expect.status
        return found.status == _REFUSED and _REFUSED not in wanted and not found.broken and not found.silent

    def _take(self, found: Exchange) -> None:
        said = self._check.asks.said
        problem = found.broken or (None if found.silent else self._check.asks.expect.problem(found))
        if found.silent:
            self._stop(Outcome(ERROR, f"{said}: {found.silent}"), found)
        elif problem:
            self._stop(Outcome(FAILED, f"{said} {problem}"), found)
        else:
            with self._lock:
                self._good.append(found)

    def _stop(self, outcome: Outcome, found: t.Optional[Exchange]) -> None:
        with self._lock:
            # What is known to be broken weighs more than what is not known.
            if self._stopped is None or (self._stopped.status == ERROR and outcome.status == FAILED):
                self._stopped, self._last = outcome, found

    @property
    def told(self) -> t.Optional[Exchange]:
        """Return the answer that decided: the wrong one, or the slowest."""
        if self._last is not None or not self._good:
            return self._last
        return max(self._good, key=self._check.seconds)

    def outcome(self) -> Outcome:
        """Return what came of all of them."""
        seconds = [self._check.seconds(one) for one in self._good]
        count = f"{len(seconds)} of {self._check.requests} requests"
        outcome = self._stopped or self._compared(seconds)
        if self._stopped is not None:
            over = f"the time of the whole run was over after {count}"
            outcome.message = f"{outcome.message} (after {count})" if outcome.message else over
        outcome.evidence = {
            "requests": len(seconds),
            "limited": self._limited,
            "latency": figures(seconds) if seconds else {},
        }
        return outcome

    def _compared(self, seconds: t.Sequence[float]) -> Outcome:
        """Compare what was measured with what must be."""
        limits = self._check.limits
        short = next((name for name, _limit in limits if len(seconds) < needed(name)), None)
        if short is not None:
            return Outcome(
                ERROR,
                f"{self._check.asks.said} was refused ({_REFUSED}) {self._limited} times: "
                f"{len(seconds)} answers are too few for {short}, which takes {needed(short)}",
            )
        found = figures(seconds)
        over = [
            f"{name} was {found[name]:.3f} s, not at most {limit:g} s" for name, limit in limits if found[name] > limit
        ]
        within = [f"{name} was {found[name]:.3f} s (at most {limit:g} s)" for name, limit in limits]
        limited = f", {self._limited} more were refused ({_REFUSED})" if self._limited else ""
        return Outcome(
            FAILED if over else PASSED,
            f"{self._check.asks.said}: {', '.join(over or within)}, over {len(seconds)} requests{limited}",
        )


def _wanted_pause(found: Exchange) -> float:
    """Return how long to wait after an answer that says to come back later."""
    said = (found.header("Retry-After") or "").strip()
    return min(float(said), _LONGEST_PAUSE) if said.isdecimal() and len(said) < 6 else _REFUSED_PAUSE


def _limits(raw: t.Mapping[str, t.Any], said: str, requests: int) -> t.Tuple[t.Tuple[str, float], ...]:
    with fields.within("expect"):
        said = f"{said}: expect"
        given = fields.mapping(raw.get("expect", {}), said, _EXPECTED)
        if not given:
            raise BadInputError(
                f"{said} says nothing: however slow it were, it would pass.", next_step="set expect: {p95: 0.5}."
            )
        for name in given:
            if requests < needed(name):
                raise BadInputError(
                    f"{said}: {name} takes {needed(name)} requests, and there are {requests}.",
                    next_step=f"set requests: {needed(name)}, or expect another percentile.",
                    place=(name,),
                )
        return tuple((name, fields.number(given, name, said, 0.0, 0.0001, 600.0)) for name in given)


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> LatencyCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    requests = fields.whole(raw, "requests", said, 20, 1, 1000)
    expect = Expect(status=fields.statuses(raw, "status", said, (200,)))
    return LatencyCheck(
        **common,
        asks=read_plain(raw, said, secrets, expect),
        requests=requests,
        workers=fields.whole(raw, "workers", said, 4, 1, 50),
        keep_alive=fields.flag(raw, "keep_alive", said, True),
        pause=fields.number(raw, "pause", said, 0.0, 0.0, 10.0),
        limits=_limits(raw, said, requests),
    )
