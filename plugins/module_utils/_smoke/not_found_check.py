# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``not_found``: what does not exist is said not to exist, and no page of the app stands in for it."""

from __future__ import annotations

import secrets as random
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import Expect
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.http_check import Step, asked, read_plain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    FAILED,
    PASSED,
    Check,
    Outcome,
    Surroundings,
    Target,
)

HOST = False
KEYS = ("path", "headers", "status", "follow_redirects")
#: Stands for something new in each attempt, so that no cache knows it.
RANDOM = "random"


@dataclass(frozen=True)
class NotFoundCheck(Check):
    """Asks for something that is not there."""

    asks: Step
    statuses: t.Tuple[int, ...]

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Ask, and look at the status."""
        values: t.Dict[str, t.Any] = {**around.values(), RANDOM: random.token_hex(8)}
        found, outcome = asked(self.asks, target, around, self.timeout, values)
        if found is None or outcome.status != PASSED or found.status in self.statuses:
            return outcome
        outcome.status = FAILED
        wanted = " or ".join(str(one) for one in self.statuses)
        said = f"{self.asks.said} answered {found.status}, not {wanted}"
        html = "html" in (found.header("Content-Type") or "").lower() or found.text().lstrip()[:1] == "<"
        page = html and found.status is not None and found.status < 300
        outcome.message = f"{said}: an HTML page stands in for what does not exist" if page else said
        return outcome


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> NotFoundCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    return NotFoundCheck(
        **common,
        asks=read_plain(raw, said, {*secrets, RANDOM}, Expect()),
        statuses=fields.statuses(raw, "status", said, (404,)),
    )
