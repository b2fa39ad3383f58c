# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What an answer must be, and the sentence for what it is instead. Nothing expected is an error, never a pass."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import MASK
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.jsonpath import MISSING, JsonPath
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Exchange
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import secret_name

EXPECTATIONS = ("status", "headers", "contains", "not_contains", "json", "duration")
_SHOWN = 120
#: What Python says of a regular expression that is none, is nested too deeply, or repeats too often.
NO_REGEX = (re.error, RecursionError, OverflowError)


def same(found: t.Any, wanted: t.Any) -> bool:
    """Compare as JSON does: true is not 1, and "1" is not 1; 1.0 is 1."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[key], wanted[key]) for key in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(same(one, other) for one, other in zip(found, wanted))
    return (type(found) is type(wanted) and bool(found == wanted)) or (
        _numbers(found, wanted) and bool(found == wanted)
    )


def _number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _numbers(*values: t.Any) -> bool:
    return all(_number(value) for value in values)


def _contains(found: t.Any, wanted: t.Any) -> bool:
    if isinstance(found, str):
        return isinstance(wanted, str) and wanted in found
    if isinstance(found, list):
        return any(same(one, wanted) for one in found)
    return isinstance(found, dict) and isinstance(wanted, str) and wanted in found


def _exists(found: t.Any, wanted: t.Any) -> bool:
    return (found is not MISSING) is wanted


def _is_empty(found: t.Any, wanted: t.Any) -> bool:
    return (found is None or (isinstance(found, (str, list, dict)) and not found)) is wanted


_OPERATORS: t.Mapping[str, t.Tuple[str, t.Callable[[t.Any, t.Any], bool]]] = {
    "equals": ("", same),
    "not_equals": ("other than ", lambda found, wanted: not same(found, wanted)),
    "less_than": ("less than ", lambda found, wanted: _numbers(found, wanted) and bool(found < wanted)),
    "at_most": ("at most ", lambda found, wanted: _numbers(found, wanted) and bool(found <= wanted)),
    "greater_than": ("greater than ", lambda found, wanted: _numbers(found, wanted) and bool(found > wanted)),
    "at_least": ("at least ", lambda found, wanted: _numbers(found, wanted) and bool(found >= wanted)),
    "contains": ("something with ", _contains),
    "starts_with": (
        "something beginning with ",
        lambda found, wanted: isinstance(found, str) and found.startswith(wanted),
    ),
    "ends_with": ("something ending with ", lambda found, wanted: isinstance(found, str) and found.endswith(wanted)),
    "matches": (
        "something matching ",
        lambda found, wanted: isinstance(found, str) and re.search(wanted, found) is not None,
    ),
    "exists": ("existing: ", _exists),
    "is_empty": ("empty: ", _is_empty),
}
_NEEDS_TEXT = ("starts_with", "ends_with", "matches")
_NEEDS_NUMBER = ("less_than", "at_most", "greater_than", "at_least")
_NEEDS_BOOL = ("exists", "is_empty")


def show(value: t.Any) -> str:
    """Return a value as JSON, for the eye."""
    if value is MISSING:
        return "nothing"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return cut(text, _SHOWN)


@dataclass(frozen=True)
class Predicate:
    """What one value must be: an operator of Hurl's, and its operand."""

    operator: str
    wanted: t.Any

    def says(self, found: t.Any) -> t.Optional[str]:
        """Return what is wrong with *found*; ``None`` when it is right."""
        words, holds = _OPERATORS[self.operator]
        if found is MISSING and self.operator != "exists":
            return f"is not there (wanted {words}{show(self.wanted)})"
        return None if holds(found, self.wanted) else f"is {show(found)}, not {words}{show(self.wanted)}"


def predicates(raw: t.Any, said: str, *, of_text: bool = False) -> t.Tuple[Predicate, ...]:
    """Read a plain value (equality), or a dictionary of operators that must all hold.

    With *of_text* what is looked at is a text, as a header is: a number is compared by its digits.
    """
    if not isinstance(raw, dict):
        return (Predicate("equals", str(raw) if of_text and _number(raw) else _text_only(raw, said, of_text)),)
    if not raw:
        raise BadInputError(f"{said} expects nothing.", next_step=f"use one of {', '.join(_OPERATORS)}.")
    found = []
    for operator, wanted in raw.items():
        if operator not in _OPERATORS:
            raise BadInputError(
                f"{said}: unknown operator {operator!r}.",
                next_step=f"the operators are {', '.join(_OPERATORS)}; compare with a dictionary by equals.",
            )
        if of_text and operator in _NEEDS_NUMBER:
            raise BadInputError(f"{said} is a text, which {operator} cannot compare.", next_step="use matches.")
        if of_text and operator in ("equals", "not_equals", "contains"):
            wanted = str(wanted) if _number(wanted) else _text_only(wanted, said, of_text)
        _check_operand(operator, wanted, said)
        found.append(Predicate(operator, wanted))
    return tuple(found)


def _text_only(wanted: t.Any, said: str, of_text: bool) -> t.Any:
    if of_text and not isinstance(wanted, str):
        raise BadInputError(f"{said} is a text and never {show(wanted)}.", next_step="put it in quotes.")
    return wanted


def _check_operand(operator: str, wanted: t.Any, said: str) -> None:
    right = (
        isinstance(wanted, str) and bool(wanted)
        if operator in _NEEDS_TEXT
        else _number(wanted)
        if operator in _NEEDS_NUMBER
        else isinstance(wanted, bool)
        if operator in _NEEDS_BOOL
        else wanted not in ("", [], {}) or operator != "contains"
    )
    kind = "a text" if operator in _NEEDS_TEXT else "a number" if operator in _NEEDS_NUMBER else "true or false"
    if not right:
        what = "something to look for" if operator == "contains" else kind
        raise BadInputError(f"{said}: {operator} needs {what}, not {wanted!r}.", next_step="correct it.")
    if operator == "matches":
        regex(wanted, said)


def regex(text: str, said: str) -> None:
    """Raise when *text* is no regular expression."""
    try:
        re.compile(text)
    except NO_REGEX as exc:
        raise BadInputError(
            f"{said}: {text[:200]!r} is no regular expression ({exc}).", next_step="correct it."
        ) from exc


@dataclass(frozen=True)
class Expect:
    """All that one answer must be."""

    status: t.Tuple[int, ...] = ()
    headers: t.Tuple[t.Tuple[str, t.Tuple[Predicate, ...]], ...] = ()
    contains: t.Tuple[str, ...] = ()
    not_contains: t.Tuple[str, ...] = ()
    json: t.Tuple[t.Tuple[JsonPath, t.Tuple[Predicate, ...]], ...] = ()
    duration: t.Optional[float] = None

    def problem(self, found: Exchange) -> t.Optional[str]:
        """Return the first thing that is wrong with a whole answer; ``None`` when it is right."""
        if self.status and found.status not in self.status:
            return f"answered {found.status}, not {' or '.join(str(one) for one in self.status)}"
        for one in (self._headers, self._texts, self._json):
            wrong = one(found)
            if wrong:
                return f"answered {found.status}, but {wrong}"
        if self.duration is not None and found.seconds > self.duration:
            return f"answered {found.status}, but took {found.seconds:.3f} s, not at most {self.duration:g} s"
        return None

    def _headers(self, found: Exchange) -> t.Optional[str]:
        for name, wanted in self.headers:
            value = found.header(name)
            for predicate in wanted:
                wrong = predicate.says(MISSING if value is None else value)
                if wrong:
                    return f"its header {name} {_veiled(name, value is None, wrong)}"
        return None

    def _texts(self, found: Exchange) -> t.Optional[str]:
        text = found.text() if self.contains or self.not_contains else ""
        for wanted in self.contains:
            if wanted not in text:
                return f"its body does not contain {show(wanted)}"
        for unwanted in self.not_contains:
            if unwanted in text:
                return f"its body contains {show(unwanted)}"
        return None

    def _json(self, found: Exchange) -> t.Optional[str]:
        if not self.json:
            return None
        data = json_of(found)
        if data is MISSING:
            return "its body is no JSON"
        for path, wanted in self.json:
            value = path.find(data)
            for predicate in wanted:
                wrong = predicate.says(value)
                if wrong:
                    return f"{path.text} {_veiled(path.last, value is MISSING, wrong)}"
        return None


def _veiled(name: str, missing: bool, wrong: str) -> str:
    return f"is {MASK}, which is not as expected" if secret_name(name) and not missing else wrong


def json_of(found: Exchange) -> t.Any:
    """Return the JSON of an answer, or :data:`MISSING`."""
    try:
        return json.loads(found.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return MISSING
