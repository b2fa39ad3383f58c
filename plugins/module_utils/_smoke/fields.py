# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Reads what a user declared, key by key; what is misspelt, missing or of the wrong kind is refused by its name."""

from __future__ import annotations

import contextlib
import difflib
import re
import typing as t
import urllib.parse

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import (
    EXPECTATIONS,
    Expect,
    Predicate,
    predicates,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.jsonpath import JsonPath
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import secret_name

SCOPES = ("public", "private", "both")
#: What looks at the app from its own host is made there and nowhere else.
HOST_SCOPE = "host"
#: Keys that every check may have, whatever its type.
COMMON = (
    "name",
    "type",
    "service",
    "port",
    "scope",
    "timeout",
    "retries",
    "retry_interval",
    "failure_threshold",
    "success_threshold",
    "skip",
    "verify",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# They say where a request ends and to whom it goes, which is not for a check to say.
_OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "host")
_LONGEST = 3600.0

Raw = t.Mapping[str, t.Any]


@contextlib.contextmanager
def within(*place: t.Union[str, int]) -> t.Iterator[None]:
    """Say of bad input that it was found at *place*, a key or the index of a list."""
    try:
        yield
    except BadInputError as exc:
        exc.place = (*place, *exc.place)
        raise


def mapping(raw: t.Any, said: str, keys: t.Optional[t.Sequence[str]] = None) -> t.Dict[str, t.Any]:
    """Return a dictionary whose keys are all known."""
    if not isinstance(raw, dict):
        raise BadInputError(f"{said} is not a dictionary but {raw!r}.", next_step="correct it.")
    for key in raw:
        if keys is not None and key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1)
            meant = f"{near[0]!r} may be meant; " if near else ""
            raise BadInputError(
                f"{said}: unknown key {key!r}.",
                next_step=f"{meant}the keys are {', '.join(keys)}.",
                place=(str(key),),
            )
    return {str(key): value for key, value in raw.items()}


def text(raw: Raw, key: str, said: str, default: t.Optional[str] = None) -> str:
    """Return a text that is not empty."""
    value = raw.get(key, default)
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"{said}: {key} must be a text, not {value!r}.", next_step=f"set {key}.", place=(key,))
    return value


def one_of(raw: Raw, key: str, said: str, choices: t.Sequence[str], default: str) -> str:
    """Return one of some words."""
    value = raw.get(key, default)
    if value not in choices:
        raise BadInputError(
            f"{said}: {key} cannot be {value!r}.", next_step=f"use one of {', '.join(choices)}.", place=(key,)
        )
    return str(value)


def number(raw: Raw, key: str, said: str, default: float, least: float, most: float = _LONGEST) -> float:
    """Return a number within bounds; a template renders one as text."""
    value = raw.get(key, default)
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = least - 1
    if isinstance(value, bool) or not least <= found <= most:
        raise BadInputError(
            f"{said}: {key} cannot be {value!r}.", next_step=f"set a number from {least:g} to {most:g}.", place=(key,)
        )
    return found


def whole(raw: Raw, key: str, said: str, default: int, least: int, most: int) -> int:
    """Return a whole number within bounds."""
    found = number(raw, key, said, default, least, most)
    if found != int(found):
        raise BadInputError(
            f"{said}: {key} must be a whole number, not {raw.get(key)!r}.", next_step="correct it.", place=(key,)
        )
    return int(found)


def flag(raw: Raw, key: str, said: str, default: bool = False) -> bool:
    """Return yes or no."""
    value = raw.get(key, default)
    if not isinstance(value, bool):
        raise BadInputError(f"{said}: {key} cannot be {value!r}.", next_step="set true or false.", place=(key,))
    return value


def common(raw: Raw, said: str, *, host: bool = False) -> t.Dict[str, t.Any]:
    """Read what all types have, as arguments of their class. *host* tells that it is made on the app's own host."""
    if host and ("service" in raw or "port" in raw):
        raise BadInputError(
            f"{said} is made on the app's own host, and by no container's address.",
            next_step="take service and port out.",
            place=("service" if "service" in raw else "port",),
        )
    service = text(raw, "service", said) if "service" in raw else None
    if (service is None) != ("port" not in raw):
        raise BadInputError(
            f"{said}: service and port go together.",
            next_step="set both, as in service: backend and port: 8080.",
            place=("service" if "service" in raw else "port",),
        )
    scope = (
        one_of(raw, "scope", said, (HOST_SCOPE,), HOST_SCOPE)
        if host
        else one_of(raw, "scope", said, SCOPES, "both" if service else "public")
    )
    if scope in ("private", "both") and service is None:
        raise BadInputError(
            f"{said}: scope {scope} needs the service whose containers are asked, and its port.",
            next_step="set service and port, or scope: public.",
            place=("scope",),
        )
    skip = raw.get("skip", "")
    if not isinstance(skip, str):
        raise BadInputError(
            f"{said}: skip must say why, not {skip!r}.",
            next_step="set skip to the reason, or leave it out.",
            place=("skip",),
        )
    retries = whole(raw, "retries", said, 2, 0, 100)
    return {
        "name": str(raw["name"]),
        "type": str(raw["type"]),
        "scope": scope,
        "service": service,
        "port": whole(raw, "port", said, 0, 1, 65535) if service else None,
        "timeout": number(raw, "timeout", said, 5.0, 0.1, 600.0),
        "retries": retries,
        "retry_interval": number(raw, "retry_interval", said, 0.5, 0.0, 600.0),
        # More failures in a row than attempts to fail could never come.
        "failure_threshold": whole(raw, "failure_threshold", said, retries + 1, 1, retries + 1),
        "success_threshold": whole(raw, "success_threshold", said, 1, 1, 100),
        "skip": skip.strip(),
        "verify": flag(raw, "verify", said),
    }


def placeholders(value: t.Any) -> t.Set[str]:
    """Return the names that stand as {name} in a text, or in any text of a body."""
    if isinstance(value, str):
        return set(_PLACEHOLDER.findall(value))
    if isinstance(value, dict):
        return {name for one in value.values() for name in placeholders(one)}
    if isinstance(value, (list, tuple)):
        return {name for one in value for name in placeholders(one)}
    return set()


def fill(value: t.Any, values: t.Mapping[str, t.Any], *, quoted: bool = False) -> t.Any:
    """Put values in the place of their names. A text that is nothing but one name becomes the value, with its type."""
    if isinstance(value, str):
        alone = _PLACEHOLDER.fullmatch(value)
        if alone and not quoted:
            return values[alone.group(1)]

        def put(match: t.Match[str]) -> str:
            found = as_text(values[match.group(1)])
            return urllib.parse.quote(found, safe="") if quoted else found

        return _PLACEHOLDER.sub(put, value)
    if isinstance(value, dict):
        return {key: fill(one, values) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(one, values) for one in value]
    return value


def as_text(value: t.Any) -> str:
    """Return a value as it stands in a path or a header."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def path(raw: Raw, said: str, default: t.Optional[str] = None) -> str:
    """Return a path that begins with a slash."""
    found = text(raw, "path", said, default)
    if not found.startswith("/") or re.search(r"[\s\x00-\x1f\x7f]", found):
        raise BadInputError(
            f"{said}: path {found!r} does not begin with '/', or holds a blank.",
            next_step="give the path only, as in /api/health; the name and port are the target's.",
            place=("path",),
        )
    return found


def headers(raw: Raw, said: str) -> t.Dict[str, str]:
    """Return request headers. What looks like a credential must come from the secrets: checks stand in logs."""
    found: t.Dict[str, str] = {}
    for name, value in mapping(raw.get("headers", {}), f"{said}: headers").items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise BadInputError(
                f"{said}: a request header {name!r} cannot be set.",
                next_step="take it out; the Host is the target's.",
                place=("headers", name),
            )
        if not header_value(as_text(value)) or isinstance(value, (dict, list)) or value is None:
            raise BadInputError(
                f"{said}: header {name} is no line of text.", next_step="correct it.", place=("headers", name)
            )
        if secret_name(name) and not placeholders(as_text(value)):
            raise BadInputError(
                f"{said}: header {name} looks like a credential, and checks are shown and logged.",
                next_step=f"put the value into the secrets (hotfix_check_secrets: {{token: …}}) and write {name}: "
                "'{token}'.",
                place=("headers", name),
            )
        found[name] = as_text(value)
    return found


def header_value(value: str) -> bool:
    """Tell whether a header can hold this."""
    return all(" " <= one <= "~" or one == "\t" for one in value)


@within("capture")
def captures(raw: Raw, said: str) -> t.Tuple[t.Tuple[str, t.Union[JsonPath, str]], ...]:
    """Return what is kept of an answer: by name, a place in its JSON, or the name of a header."""
    found: t.List[t.Tuple[str, t.Union[JsonPath, str]]] = []
    for name, source in mapping(raw.get("capture", {}), f"{said}: capture").items():
        if not _PLACEHOLDER.fullmatch(f"{{{name}}}"):
            raise BadInputError(
                f"{said}: capture {name!r} is no name.",
                next_step="use letters, digits and '_'.",
                place=(name,),
            )
        if isinstance(source, dict):
            with within(name):
                one = mapping(source, f"{said}: capture {name}", ("header",))
                found.append((name, text(one, "header", f"{said}: capture {name}")))
        elif isinstance(source, str) and source:
            with within(name):
                found.append((name, JsonPath(source, f"{said}: capture {name}")))
        else:
            raise BadInputError(
                f"{said}: capture {name} is no path.",
                next_step=f"write it as {name}: $.id or {name}: {{header: X-Id}}.",
                place=(name,),
            )
    return tuple(found)


@within("expect")
def expect(raw: Raw, said: str, *, required: bool = True) -> Expect:
    """Read what an answer must be; a check that expects nothing is an error."""
    said = f"{said}: expect"
    given = mapping(raw.get("expect", {}), said, EXPECTATIONS)
    for key, value in given.items():
        if value is None or (isinstance(value, (str, list, dict)) and not value):
            raise BadInputError(
                f"{said}: {key} expects nothing.",
                next_step=f"say what {key} must be, or take it out.",
                place=(key,),
            )
    if required and not given:
        raise BadInputError(
            f"{said} says nothing: whatever were answered, it would pass.",
            next_step="set expect: {status: 200}, or what else must be.",
        )
    return Expect(
        status=statuses(given, "status", said),
        headers=_header_predicates(given, said),
        contains=texts(given, "contains", said),
        not_contains=texts(given, "not_contains", said),
        json=json_predicates(given, "json", said),
        duration=number(given, "duration", said, 0.0, 0.001, 600.0) if "duration" in given else None,
    )


def _listed(value: t.Any) -> t.List[t.Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


@within("headers")
def _header_predicates(given: Raw, said: str) -> t.Tuple[t.Tuple[str, t.Tuple[Predicate, ...]], ...]:
    found = []
    for name, one in mapping(given.get("headers", {}), f"{said}: headers").items():
        with within(name):
            found.append((name, predicates(one, f"{said}: header {name}", of_text=True)))
    return tuple(found)


def json_predicates(given: Raw, key: str, said: str) -> t.Tuple[t.Tuple[JsonPath, t.Tuple[Predicate, ...]], ...]:
    """Return what JSON must be, by the path of a place."""
    found = []
    for where, one in mapping(given.get(key, {}), f"{said}: {key}").items():
        with within(key, where):
            found.append((JsonPath(where, f"{said}: {key}"), predicates(one, f"{said}: {key} {where}")))
    return tuple(found)


def statuses(given: Raw, key: str, said: str, default: t.Tuple[int, ...] = ()) -> t.Tuple[int, ...]:
    """Return statuses of answers, of a list of them or of one alone."""
    if key not in given:
        return default
    found = tuple(whole({key: one}, key, said, 0, 100, 599) for one in _listed(given[key]))
    if not found:
        raise BadInputError(f"{said}: {key} has no status.", next_step=f"set {key}, as in {key}: 200.", place=(key,))
    return found


def texts(given: Raw, key: str, said: str) -> t.Tuple[str, ...]:
    """Return texts that are not empty, of a list of them or of one alone."""
    found = tuple(_listed(given[key])) if key in given else ()
    for one in found:
        if not isinstance(one, str) or not one:
            raise BadInputError(
                f"{said}: {key} looks for {one!r}.", next_step="give a text, or a list of texts.", place=(key,)
            )
    return found
