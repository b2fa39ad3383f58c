# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``release``: the containers that answer are those of the expected release, and no others."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.http_check import evidence
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Request, exchange
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil

HOST = False
KEYS = ("path", "header", "requests")
# A container's host name is the beginning of its ID, of this length.
_SHORT_ID = 12
_SHOWN = 60


@dataclass(frozen=True)
class ReleaseCheck(Check):
    """Asks several times, each on a connection of its own: behind a proxy, several containers take turns."""

    path: str
    header: str
    requests: int

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Ask, and compare who answered with who may."""
        if target.instances is None:
            return Outcome(SKIPPED, "which containers may answer is not known here (instances)")
        if not target.instances:
            return Outcome(ERROR, "the host did not say which containers may answer")
        request = Request("GET", self.path)
        veil = Veil(around.values().values())
        answered: t.List[str] = []
        outcome = Outcome(ERROR, "it was not asked")
        for _number in range(self.requests):
            left = around.left()
            if left <= 0:
                return Outcome(ERROR, "the time of the whole run was over")
            found = exchange(target, request, min(self.timeout, left))
            outcome = Outcome(PASSED, "", found.phases, evidence(request, found, veil))
            said = f"GET {self.path}"
            value = (found.header(self.header) or "").strip()
            if found.silent:
                outcome.status, outcome.message = ERROR, f"{said}: {found.silent}"
            elif found.broken:
                outcome.status, outcome.message = FAILED, f"{said} {found.broken}"
            elif not value:
                outcome.status = FAILED
                outcome.message = (
                    f"{said} answered {found.status} without the header {self.header}: "
                    "which container answers cannot be told"
                )
            elif not any(_is(value, known) for known in target.instances):
                outcome.status = FAILED
                outcome.message = (
                    f"{said} was answered by {cut(value, _SHOWN)}, which is none of the expected containers"
                )
            if outcome.status != PASSED:
                return outcome
            answered.append(value)
        names = sorted(set(answered))
        outcome.message = f"all {self.requests} answers came from the expected containers ({', '.join(names)})"
        return outcome


def _is(value: str, known: str) -> bool:
    return value == known or (len(value) >= _SHORT_ID and known.startswith(value))


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], _secrets: t.Collection[str]) -> ReleaseCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    if "header" not in raw:
        raise BadInputError(
            f"{said} expects nothing: it does not say in which header the app names the container that answers.",
            next_step="set header, as in header: X-Instance.",
        )
    return ReleaseCheck(
        **common,
        path=fields.path(raw, said, "/"),
        header=fields.text(raw, "header", said),
        requests=fields.whole(raw, "requests", said, 3, 1, 100),
    )
