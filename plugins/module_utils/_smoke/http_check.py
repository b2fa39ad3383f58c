# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``http``: a request, what its answer must be, what follows from it, and what is put back."""

from __future__ import annotations

import json
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import Expect, json_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.jsonpath import MISSING, JsonPath
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.links import MOST_REDIRECTS, chain, follow
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Exchange, Request, exchange
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil, secret_name

_STEP_KEYS = ("method", "path", "headers", "body", "follow_redirects", "expect", "capture")
_CLEANUP_KEYS = ("method", "path", "headers", "body", "expect")
HOST = False
KEYS = (*_STEP_KEYS, "then", "cleanup")
#: A cleanup is fine when what it deletes is gone, whoever did it.
GONE = Expect(status=(*range(200, 300), 404, 410))
_CLEANUP_TIMEOUT = 5.0
_CLEANUP_PAUSES = (0.2, 1.0)
_CLEANUP_RETRIED = 8.0
_LONGEST_CAPTURE = 2000

Values = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Step:
    """One request of a check. ``gone`` says that an answer as it must be shows that nothing is left to put back."""

    method: str
    path: str
    headers: t.Mapping[str, str]
    body: t.Any
    expect: Expect
    capture: t.Tuple[t.Tuple[str, t.Union[JsonPath, str]], ...] = ()
    follow_redirects: int = 0
    gone: bool = False

    @property
    def needs(self) -> t.Set[str]:
        """Return the names of the values that it is made with."""
        return fields.placeholders([self.path, list(self.headers.values()), self.body])

    @property
    def said(self) -> str:
        """Return it in words, without any value."""
        return f"{self.method} {self.path}"

    def request(self, values: Values) -> Request:
        """Return the request with its values."""
        headers = {name: fields.as_text(fields.fill(value, values)) for name, value in self.headers.items()}
        body = fields.fill(self.body, values)
        raw: t.Optional[bytes] = None
        if isinstance(self.body, str):
            raw = fields.as_text(body).encode("utf-8", errors="replace")
        elif body is not None:
            raw = json.dumps(body).encode()
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = "application/json"
        for name, value in headers.items():
            if not fields.header_value(value):
                raise ValueError(f"the value for its header {name} is none that a header can hold")
        return Request(self.method, fields.fill(self.path, values, quoted=True), headers, raw)

    def keep(self, found: Exchange, values: Values) -> t.Optional[str]:
        """Keep what is wanted of an answer in *values*; return what is missing."""
        data = json_of(found)
        missing: t.Optional[str] = None
        for name, source in self.capture:
            if isinstance(source, JsonPath):
                value, where = (MISSING if data is MISSING else source.find(data)), source.text
            else:
                header = found.header(source)
                value, where = (MISSING if header is None else header), f"header {source}"
            usable = isinstance(value, (str, int, float)) and value != "" and len(str(value)) <= _LONGEST_CAPTURE
            if usable:
                values[name] = value
            else:
                missing = missing or f"its {where} has nothing to go on with ({name})"
        return missing


@dataclass(frozen=True)
class HttpCheck(Check):
    """A first request, those that follow, and those that put things back whatever happened."""

    first: Step
    then: t.Tuple[Step, ...]
    cleanup: t.Tuple[Step, ...]

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Make the requests in their order up to the first that is not as it must be; then put things back."""
        return _Attempt(self, target, around).made()


class _Attempt:
    """One attempt: the values it captured, and what it may have left behind."""

    def __init__(self, check: HttpCheck, target: Target, around: Surroundings) -> None:
        self._check = check
        self._target = target
        self._around = around
        self._values: Values = dict(around.values())
        #: Whether the first request may have made something that is to be put back.
        self._made = False

    def made(self) -> Outcome:
        """Return what the attempt found."""
        try:
            outcome = self._steps()
        finally:
            # Should a bug of ours break in, what was made is put back all the same.
            left, silent = self._clean()
        outcome.leftovers = left
        if left and outcome.status == PASSED:
            outcome.status = ERROR if silent else FAILED
            outcome.message = f"all was well, but it could not be cleaned up: {left[0]}"
        return outcome

    def _steps(self) -> Outcome:
        outcome = Outcome(PASSED, "")
        for number, step in enumerate((self._check.first, *self._check.then)):
            found, one = asked(step, self._target, self._around, self._check.timeout, self._values)
            if number == 0 and found is not None:
                # A server that refused has made nothing; one that fell silent, or led us on, may have.
                self._made = found.sent and (found.status is None or found.status < 300 or bool(found.hops))
            if number == 0 or one.status != PASSED:
                outcome = one
            if one.status != PASSED:
                return outcome
            self._made = self._made and not step.gone
            if number and found is not None:
                outcome.message += f"; {step.said} {found.status}"
        return outcome

    def _clean(self) -> t.Tuple[t.List[str], bool]:
        """Return what was left behind, and whether nothing answered."""
        left: t.List[str] = []
        silent = False
        if not self._made or not self._check.cleanup:
            return left, silent
        with self._around.cleaning():
            end = time.monotonic() + _CLEANUP_RETRIED
            for step in self._check.cleanup:
                if step.gone and left:
                    # To look whether it is gone tells nothing more.
                    continue
                missing = sorted(step.needs - set(self._values))
                if missing:
                    left.append(f"{step.said} could not be made, no answer gave {', '.join(missing)}")
                    continue
                try:
                    request = step.request(self._values)
                except ValueError as exc:
                    left.append(f"{step.said} could not be made: {exc}")
                    continue
                problem, unheard = self._put_back(step, request, end)
                silent = silent or unheard
                if problem:
                    what = fields.fill(step.path, self._values, quoted=True)
                    left.append(veil_of(self._around, self._values).text(f"{step.method} {what} {problem}"))
        return left, silent

    def _put_back(self, step: Step, request: Request, end: float) -> t.Tuple[t.Optional[str], bool]:
        """Make a cleanup's request, and again for a while: what stands in its way may be a limit, or a restart."""
        for pause in (*_CLEANUP_PAUSES, 0.0):
            found = exchange(self._target, request, _CLEANUP_TIMEOUT)
            if step.gone:
                # Whether reading works is another matter; it was deleted, unless it can still be read.
                there = found.status is not None and found.status < 300
                problem = f"answered {found.status}, it is still there" if there else None
            else:
                problem = found.silent or found.broken or step.expect.problem(found)
            if not problem or not pause or time.monotonic() + pause >= end:
                break
            time.sleep(pause)
        return problem, found.silent is not None


def asked(
    step: Step, target: Target, around: Surroundings, timeout: float, values: Values
) -> t.Tuple[t.Optional[Exchange], Outcome]:
    """Make one request; return its answer, if it could be made, and what to say of it. What it captures is kept."""
    left = around.left()
    if left <= 0:
        return None, Outcome(ERROR, f"the time of the whole run was over before {step.said}")
    missing = sorted(step.needs - set(values))
    if missing:
        return None, Outcome(FAILED, f"{step.said} cannot be made: no answer gave {', '.join(missing)}")
    try:
        request = step.request(values)
    except ValueError as exc:
        return None, Outcome(FAILED, f"{step.said} cannot be made: {exc}")
    found = follow(target, request, min(timeout, left), step.follow_redirects)
    lacks = step.keep(found, values) if found.status is not None and found.status < 300 else None
    veil = veil_of(around, values)
    said = step.said if not found.hops or found.broken else veil.text(f"{step.said} ({chain(found)})")
    problem = None if found.silent or found.broken else step.expect.problem(found)
    if found.silent:
        status, message = ERROR, f"{said}: {found.silent}"
    elif found.broken and around.left() <= 0:
        # It was we who cut it off.
        status, message = ERROR, f"the time of the whole run was over before {said} was answered"
    elif found.broken or problem:
        status, message = FAILED, f"{said} {found.broken or problem}"
    elif lacks:
        status, message = FAILED, f"{said} answered {found.status}, but {lacks}"
    else:
        status, message = PASSED, f"{said} answered {found.status} in {found.seconds:.3f} s"
    return found, Outcome(status, message, found.phases, evidence(request, found, veil))


def veil_of(around: Surroundings, values: Values) -> Veil:
    """Return what hides the secrets of the run, and what was captured under a name of one."""
    kept = [str(value) for name, value in values.items() if secret_name(name)]
    return Veil([*around.values().values(), *kept])


def evidence(request: Request, found: Exchange, veil: Veil) -> t.Dict[str, t.Any]:
    """Return what shows it: the request, and the beginning of its answer."""
    shown: t.Dict[str, t.Any] = {"request": veil.text(f"{request.method} {request.path}")}
    if found.status is not None:
        shown["status"] = found.status
        shown["headers"] = veil.headers(found.headers)
        shown["body"] = veil.body(found.text())
    if found.hops:
        shown["redirects"] = [veil.text(one) for one in found.hops]
    return shown


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> HttpCheck:
    """Read a check of this type; *secrets* are the names of the values that there are from the beginning."""
    said = f"Check {common['name']!r}"
    known = set(secrets)
    first = read_step({key: raw[key] for key in _STEP_KEYS if key in raw}, said, known)
    then = []
    for index, one in enumerate(_list(raw, "then", said)):
        where = f"{said}: then, number {index + 1}"
        with fields.within("then", index):
            then.append(read_step(fields.mapping(one, where, _STEP_KEYS), where, known))
    cleanup = []
    for index, one in enumerate(_list(raw, "cleanup", said)):
        where = f"{said}: cleanup, number {index + 1}"
        with fields.within("cleanup", index):
            cleanup.append(read_step(fields.mapping(one, where, _CLEANUP_KEYS), where, known, cleans=True))
    return HttpCheck(**common, first=first, then=tuple(then), cleanup=tuple(cleanup))


def read_plain(
    raw: t.Mapping[str, t.Any],
    said: str,
    known: t.Collection[str],
    expect: Expect,
    *,
    path: t.Optional[str] = None,
    follow_redirects: int = 0,
) -> Step:
    """Read a request of which path and headers are all that a check says."""
    step = Step(
        method="GET",
        path=fields.path(raw, said, path),
        headers=fields.headers(raw, said),
        body=None,
        expect=expect,
        follow_redirects=fields.whole(raw, "follow_redirects", said, follow_redirects, 0, MOST_REDIRECTS),
    )
    must_be_known(step, said, known)
    return step


def must_be_known(step: Step, said: str, known: t.Collection[str]) -> None:
    """Raise where a request holds the name of a value that nothing gives."""
    unknown = sorted(step.needs - set(known))
    if unknown:
        raise BadInputError(
            f"{said}: nothing gives a value to {{{unknown[0]}}}.",
            next_step=f"capture it from an earlier answer (capture: {{{unknown[0]}: $.id}}), "
            f"or put it into the secrets; there are {', '.join(sorted(known)) or 'none'}.",
        )


def _list(raw: t.Mapping[str, t.Any], key: str, said: str) -> t.List[t.Any]:
    found = raw.get(key, [])
    if not isinstance(found, list):
        raise BadInputError(f"{said}: {key} is no list.", next_step=f"write it as {key}: [{{path: …}}].", place=(key,))
    return found


def read_step(raw: t.Mapping[str, t.Any], said: str, known: t.Set[str], *, cleans: bool = False) -> Step:
    """Read one request; the names that it captures are added to *known*."""
    expected = fields.expect(raw, said, required=not cleans)
    step = Step(
        method=fields.one_of(raw, "method", said, fields.METHODS, "DELETE" if cleans else "GET"),
        path=fields.path(raw, said),
        headers=fields.headers(raw, said),
        body=raw.get("body"),
        expect=expected if "expect" in raw else GONE if cleans else expected,
        capture=fields.captures(raw, said),
        follow_redirects=fields.whole(raw, "follow_redirects", said, 0, 0, MOST_REDIRECTS),
    )
    must_be_known(step, said, known)
    if step.method == "HEAD" and (expected.contains or expected.json):
        raise BadInputError(
            f"{said}: the answer to HEAD has no body.", next_step="use GET, or expect status and headers."
        )
    known.update(name for name, _source in step.capture)
    return step
