# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One check at one target, attempt by attempt, until it is decided."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    Check,
    Outcome,
    Result,
    Surroundings,
    Target,
)


@dataclass
class Tally:
    """Decides after every attempt whether there is to be another one."""

    retries: int
    failure_threshold: int
    success_threshold: int
    good_in_row: int = 0
    bad_in_row: int = 0
    bad: int = 0

    def add(self, good: bool) -> bool:
        """Count an attempt; return whether it is decided."""
        if good:
            self.good_in_row, self.bad_in_row = self.good_in_row + 1, 0
            return self.good_in_row >= self.success_threshold
        self.good_in_row, self.bad_in_row, self.bad = 0, self.bad_in_row + 1, self.bad + 1
        return self.bad_in_row >= self.failure_threshold or self.bad > self.retries


def attempts(check: Check, target: Target, around: Surroundings) -> Result:
    """Make a check until it passed or failed often enough, its retries are used up, or the time is over."""
    result = Result(check.name, check.type, target.name, SKIPPED, check.skip, verify=check.verify)
    if check.skip:
        return result
    started = time.monotonic()
    tally = Tally(check.retries, check.failure_threshold, check.success_threshold)
    while True:
        began = time.monotonic()
        outcome = _perform(check, target, around)
        _take(result, outcome, round(time.monotonic() - began, 4), late=around.left() <= 0)
        if outcome.status == SKIPPED or tally.add(outcome.status == PASSED):
            break
        if around.left() <= check.retry_interval:
            if outcome.status == PASSED:
                result.status = ERROR
                result.message = (
                    f"the time was over when it had passed {tally.good_in_row} of {check.success_threshold} times in a "
                    f"row: {outcome.message}"
                )
            break
        time.sleep(check.retry_interval)
    result.seconds = round(time.monotonic() - started, 4)
    return result


def _take(result: Result, outcome: Outcome, seconds: float, *, late: bool) -> None:
    result.attempts.append({"status": outcome.status, "message": outcome.message, "seconds": seconds})
    # What an attempt did not see for want of time does not undo what an earlier one saw.
    if not (outcome.status == ERROR and result.status == FAILED and late):
        result.status, result.message = outcome.status, outcome.message
        result.phases, result.evidence = outcome.phases, outcome.evidence
    result.leftovers += [text for text in outcome.leftovers if text not in result.leftovers]


def _perform(check: Check, target: Target, around: Surroundings) -> Outcome:
    try:
        return check.perform(target, around)
    except Exception as exc:
        # In a thread nobody would see it, and a check that ended silently must not be lost.
        return Outcome(ERROR, f"a fault of the check itself: {type(exc).__name__}: {exc}")
