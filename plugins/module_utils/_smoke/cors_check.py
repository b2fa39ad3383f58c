# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``cors``: pages of the right origins may call the app, and pages of others may not."""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import Expect, show
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.http_check import Step, asked, read_plain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    FAILED,
    PASSED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Exchange

HOST = False
KEYS = (
    "path",
    "method",
    "headers",
    "origin",
    "origins",
    "request_headers",
    "credentials",
    "foreign_origin",
    "allow_any",
)
_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_ALLOW_METHODS = "Access-Control-Allow-Methods"
_ALLOW_HEADERS = "Access-Control-Allow-Headers"
_ALLOW_CREDENTIALS = "Access-Control-Allow-Credentials"
# Browsers ask for these without being told that they may.
_SIMPLE_METHODS = ("GET", "HEAD", "POST")
_SAFE_METHODS = ("GET", "HEAD")
_FOREIGN = "https://foreign.example"
# What a rule finds fitting that looks only at how an origin begins.
_LOOKALIKE = ".foreign.example"
_ANY = "*"


@dataclass(frozen=True)
class CorsCheck(Check):
    """Asks as a browser would, for each origin that may and for some that may not.

    ``actual`` is the request whose answer a page would read. It changes nothing, whatever ``method`` the page uses.
    """

    actual: Step
    method: str
    origins: t.Tuple[str, ...]
    request_headers: t.Tuple[str, ...]
    credentials: bool
    foreign_origin: str
    allow_any: bool

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Ask, up to the first answer that is not right."""
        outcome = Outcome(PASSED, "")
        for origin in self.origins:
            outcome, allowed = self._ask(self._preflight(origin), target, around)
            problem = None if allowed is None else self._preflight_problem(allowed, origin)
            if problem or outcome.status != PASSED:
                return _failed(outcome, f"the preflight for {origin} ({self._preflight(origin).said})", problem)
            outcome, answered = self._ask(self._actual(origin), target, around)
            problem = None if answered is None else self._answer_problem(answered, origin)
            if problem or outcome.status != PASSED:
                return _failed(outcome, f"{self.actual.said} from {origin}", problem)
            refused = self._foreign(origin, answered, target, around)
            if refused.status != PASSED:
                return refused
        refusal = "any origin may" if self.allow_any else f"{self.foreign_origin} and look-alikes may not"
        outcome.message = f"{' and '.join(self.origins)} may {self.method} {self.actual.path}, {refusal}"
        return outcome

    def _foreign(self, origin: str, allowed: t.Optional[Exchange], target: Target, around: Surroundings) -> Outcome:
        """Look whether others are refused, and whether a cache would be told that the answers differ."""
        outcome = Outcome(PASSED, "")
        for other in (self.foreign_origin, f"{origin}{_LOOKALIKE}"):
            for step in (self._preflight(other), self._actual(other)):
                outcome, found = self._ask(step, target, around)
                if found is None or outcome.status != PASSED:
                    return outcome
                problem = self._refusal_problem(found, other)
                if problem:
                    return _failed(outcome, f"{step.said} from {other}", problem)
        # The last answer is one to an actual request.
        if allowed is not None and found is not None and not _varies(allowed) and _given(found) != _given(allowed):
            return _failed(
                outcome,
                f"{self.actual.said} from {origin}",
                f"has no Vary: Origin, though its {_ALLOW_ORIGIN} follows the origin: a cache would mix answers up",
            )
        return outcome

    def _ask(self, step: Step, target: Target, around: Surroundings) -> t.Tuple[Outcome, t.Optional[Exchange]]:
        found, outcome = asked(step, target, around, self.timeout, dict(around.values()))
        if found is not None and outcome.status == PASSED and found.status is not None and found.status >= 500:
            outcome.status, outcome.message = FAILED, f"{step.said} answered {found.status}"
        return outcome, found if outcome.status == PASSED else None

    def _preflight(self, origin: str) -> Step:
        # A browser sends it without the headers of the request that it is for.
        headers = {"Origin": origin, "Access-Control-Request-Method": self.method}
        if self.request_headers:
            headers["Access-Control-Request-Headers"] = ",".join(self.request_headers)
        return Step("OPTIONS", self.actual.path, headers, None, Expect())

    def _actual(self, origin: str) -> Step:
        return Step(self.actual.method, self.actual.path, {**self.actual.headers, "Origin": origin}, None, Expect())

    def _preflight_problem(self, found: Exchange, origin: str) -> t.Optional[str]:
        if found.status is None or not 200 <= found.status < 300:
            return f"answered {found.status}, and browsers want 2xx"
        wrong = self._answer_problem(found, origin)
        if wrong:
            return wrong
        methods = _words(found, _ALLOW_METHODS)
        any_goes = _ANY in methods and not self.credentials
        if self.method not in (*methods, *_SIMPLE_METHODS) and not any_goes:
            return f"does not allow {self.method} ({_ALLOW_METHODS} is {_shown(found, _ALLOW_METHODS)})"
        allowed = [name.lower() for name in _words(found, _ALLOW_HEADERS)]
        for name in self.request_headers:
            # A star does not stand for this one.
            star = _ANY in allowed and not self.credentials and name.lower() != "authorization"
            if name.lower() not in allowed and not star:
                return f"does not allow the header {name} ({_ALLOW_HEADERS} is {_shown(found, _ALLOW_HEADERS)})"
        return None

    def _answer_problem(self, found: Exchange, origin: str) -> t.Optional[str]:
        """Say why a page of *origin* could not read this."""
        given = [value for name, value in found.headers if name.lower() == _ALLOW_ORIGIN.lower()]
        if not given:
            return f"answered {found.status} without {_ALLOW_ORIGIN}"
        if len(given) > 1:
            return f"has {_ALLOW_ORIGIN} {len(given)} times, which browsers refuse"
        if given[0].strip() == _ANY and self.credentials:
            return f"has {_ALLOW_ORIGIN}: *, which browsers refuse for requests with credentials"
        if given[0].strip() == _ANY and not self.allow_any:
            return f"has {_ALLOW_ORIGIN}: *, so any page may read it (allow_any, if that is meant)"
        if given[0].strip() not in (origin, _ANY):
            return f"has {_ALLOW_ORIGIN} {_shown(found, _ALLOW_ORIGIN)}, not {origin}"
        if self.credentials and (found.header(_ALLOW_CREDENTIALS) or "").strip() != "true":
            return f"does not allow credentials ({_ALLOW_CREDENTIALS} is {_shown(found, _ALLOW_CREDENTIALS)})"
        return None

    def _refusal_problem(self, found: Exchange, other: str) -> t.Optional[str]:
        given = (_given(found) or "").strip()
        may = (found.header(_ALLOW_CREDENTIALS) or "").strip() == "true"
        if self.allow_any and not (may and given == other):
            return None
        if given in (other, _ANY, "null"):
            return f"has {_ALLOW_ORIGIN}: {given}{' and allows credentials' if may else ''}: a foreign page may read it"
        return None


def _failed(outcome: Outcome, said: str, problem: t.Optional[str]) -> Outcome:
    """Return what is wrong; an outcome that says it already stays as it is."""
    if outcome.status == PASSED and problem:
        outcome.status, outcome.message = FAILED, f"{said} {problem}"
    return outcome


def _given(found: Exchange) -> t.Optional[str]:
    return found.header(_ALLOW_ORIGIN)


def _shown(found: Exchange, name: str) -> str:
    value = found.header(name)
    return "missing" if value is None else show(value)


def _words(found: Exchange, name: str) -> t.List[str]:
    return [one.strip() for one in (found.header(name) or "").split(",")]


def _varies(found: Exchange) -> bool:
    words = [one.lower() for one in _words(found, "Vary")]
    # What may be read by everybody is the same for everybody.
    return "origin" in words or _ANY in words or (_given(found) or "").strip() == _ANY


def _origin(value: str, key: str, said: str) -> str:
    try:
        parts = urllib.parse.urlsplit(value)
        bare = bool(parts.scheme and parts.netloc) and value == f"{parts.scheme}://{parts.netloc}" and "@" not in value
    except ValueError:
        bare = False
    if not bare or re.search(r"[^!-~]", value):
        raise BadInputError(
            f"{said}: {key} {value!r} is no origin.",
            next_step="write it as https://app.example.com, without a path or a slash at its end.",
            place=(key,),
        )
    return value


def _origins(raw: t.Mapping[str, t.Any], said: str) -> t.Tuple[str, ...]:
    if ("origin" in raw) == ("origins" in raw):
        raise BadInputError(
            f"{said} needs the origin whose pages may call the app: origin, or origins for several.",
            next_step="set origin: https://app.example.com.",
        )
    key = "origin" if "origin" in raw else "origins"
    found = fields.texts(raw, key, said)
    if not found:
        raise BadInputError(f"{said}: {key} is empty.", next_step=f"set {key}.", place=(key,))
    return tuple(_origin(one, key, said) for one in found)


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> CorsCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    method = fields.one_of(raw, "method", said, fields.METHODS, "POST")
    plain = read_plain(raw, said, secrets, Expect())
    # To make anything is not what is looked at here.
    actual = Step(method if method in _SAFE_METHODS else "GET", plain.path, plain.headers, None, Expect())
    origins = _origins(raw, said)
    foreign = _origin(fields.text(raw, "foreign_origin", said, _FOREIGN), "foreign_origin", said)
    if foreign in origins:
        raise BadInputError(
            f"{said}: foreign_origin {foreign!r} is one of the origins that may.",
            next_step="take one that may not.",
            place=("foreign_origin",),
        )
    asked_for = fields.texts(raw, "request_headers", said) if "request_headers" in raw else ("content-type",)
    return CorsCheck(
        **common,
        actual=actual,
        method=method,
        origins=origins,
        # In the order and the case in which browsers send them.
        request_headers=tuple(sorted({name.strip().lower() for name in asked_for})),
        credentials=fields.flag(raw, "credentials", said),
        foreign_origin=foreign,
        allow_any=fields.flag(raw, "allow_any", said),
    )
