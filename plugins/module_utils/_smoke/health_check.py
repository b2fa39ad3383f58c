# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``health``: an app says that it is healthy, and so is every part that it names."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import MASK
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import Expect, json_of, show
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.http_check import Step, asked, read_plain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.jsonpath import MISSING
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    FAILED,
    PASSED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Exchange
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil, secret_name

HOST = False
KEYS = ("path", "headers", "healthy", "services", "follow_redirects")
HEALTHY = (
    "healthy",
    "ok",
    "okay",
    "up",
    "pass",
    "passing",
    "passed",
    "green",
    "ready",
    "alive",
    "running",
    "connected",
)
_STATUS = ("status", "state", "healthy", "health")
# Under these names apps and frameworks list their parts.
_PARTS = ("services", "checks", "components", "dependencies", "entries", "results")
# Under these there may be parts, and much else.
_PERHAPS_PARTS = ("details", "info", "error")
_DEEPEST = 8
_MOST = 500
_SHOWN = 5
_SHOWN_NAME = 60

Parts = t.Dict[str, t.Any]


def parts_of(data: t.Any) -> Parts:
    """Return what an answer says of its parts, by name; of the whole under an empty name.

    :class:`ValueError` says that there is more than is looked at: what nobody looked at is not healthy.
    """
    found: Parts = {}
    _collect(data, "", found, 0)
    return found


def _put(name: str, value: t.Any, found: Parts) -> None:
    """Keep what is said of a part, beside something else that is said of one of its name."""
    at, number = name, 1
    while at in found and found[at] != value:
        number += 1
        at = f"{name}[{number}]"
    found[at] = value


def _collect(data: t.Any, name: str, found: Parts, depth: int) -> None:
    if len(found) >= _MOST or depth > _DEEPEST:
        raise ValueError(f"it names more than {_MOST} parts, or parts of parts deeper than {_DEEPEST}")
    if not isinstance(data, dict):
        if not isinstance(data, list):
            _put(name, data, found)
        return
    status = next((data[key] for key in _STATUS if isinstance(data.get(key), (str, bool))), MISSING)
    if status is not MISSING:
        _put(name, status, found)
    for key in (*_PARTS, *_PERHAPS_PARTS):
        for one, value in _listed(data.get(key)):
            if key in _PARTS or (isinstance(value, dict) and any(word in value for word in _STATUS)):
                _collect(value, f"{name}.{one}" if name else one, found, depth + 1)


def _listed(value: t.Any) -> t.List[t.Tuple[str, t.Any]]:
    """Return the parts in a dictionary, or in a list whose entries say their names. One may be there several times."""
    if isinstance(value, dict):
        return [
            (str(name) if len(several) == 1 else f"{name}[{index}]", one)
            for name, given in value.items()
            for several in [given if isinstance(given, list) and given else [given]]
            for index, one in enumerate(several)
        ]
    if isinstance(value, list):
        return [
            (str(one.get("name", one.get("id", index))), one)
            for index, one in enumerate(value)
            if isinstance(one, dict)
        ]
    return []


@dataclass(frozen=True)
class HealthCheck(Check):
    """Looks at the answer's status, and at what it says of each part."""

    asks: Step
    healthy: t.Tuple[str, ...]
    services: t.Tuple[str, ...]

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Ask, and name what is not healthy; an answer of 503 says that, too."""
        found, outcome = asked(self.asks, target, around, self.timeout, dict(around.values()))
        if found is None or outcome.status != PASSED:
            return outcome
        said = f"{self.asks.said} answered {found.status}"
        problem, count = self._problem(found)
        if problem or found.status != 200:
            outcome.status = FAILED
            outcome.message = f"{said}: {problem}" if problem else f"{said}, not 200, though it says that all is well"
        else:
            outcome.message = f"{said} in {found.seconds:.3f} s: healthy{f', and all {count} parts' if count else ''}"
        outcome.message = Veil(around.values().values()).text(outcome.message)
        return outcome

    def _problem(self, found: Exchange) -> t.Tuple[t.Optional[str], int]:
        """Return what is wrong, and how many parts there are."""
        data = json_of(found)
        text = found.text().strip()
        if data is MISSING:
            if text.lower() in self.healthy and not self.services:
                return None, 0
            html = text[:1] == "<" or "html" in (found.header("Content-Type") or "").lower()
            return ("it is an HTML page, and no JSON" if html else "its body is no JSON"), 0
        try:
            parts = parts_of(data)
        except ValueError as exc:
            return str(exc), 0
        # Of a list, or of a dictionary that says nothing about itself, nothing could be wrong.
        if not parts:
            return "it says nothing about its health", 0
        # The whole comes last: which part is not well says more.
        ordered = sorted(parts.items(), key=lambda part: not part[0])
        wrong = [self._said(name, value) for name, value in ordered if not self._good(value)]
        absent = [name for name in self.services if not any(_is(name, part) for part in parts)]
        problems = [*wrong[:_SHOWN], *(f"it says nothing about {name}" for name in absent)]
        if len(wrong) > _SHOWN:
            problems.insert(_SHOWN, f"and {len(wrong) - _SHOWN} more")
        return ", ".join(problems) or None, len([name for name in parts if name])

    def _good(self, value: t.Any) -> bool:
        return value is True or (isinstance(value, str) and value.strip().lower() in self.healthy)

    @staticmethod
    def _said(name: str, value: t.Any) -> str:
        shown = MASK if secret_name(name) and not isinstance(value, bool) else cut(show(value), _SHOWN_NAME)
        return f"{cut(name, _SHOWN_NAME) or 'its status'} is {shown}"


def _is(name: str, part: str) -> bool:
    return part == name or part.endswith(f".{name}") or part.startswith(f"{name}[")


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> HealthCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    healthy = tuple(word.strip().lower() for word in fields.texts(raw, "healthy", said)) or HEALTHY
    if "healthy" in raw and not raw["healthy"]:
        raise BadInputError(
            f"{said}: healthy has no word, so nothing ever were.", next_step="take it out.", place=("healthy",)
        )
    return HealthCheck(
        **common,
        asks=read_plain(raw, said, secrets, Expect(), path="/api/health"),
        healthy=healthy,
        services=fields.texts(raw, "services", said),
    )
