# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The types of checks there are, and how a suite is read. A new type is a module of its own and two lines here."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Check


class Type(t.Protocol):
    """What the module of a type has. ``HOST`` tells that it looks at the app from its own host."""

    KEYS: t.Sequence[str]
    HOST: bool

    @staticmethod
    def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str], /) -> Check:
        """Read a check of this type."""


def _module(kind: str) -> Type:
    """Return the module of a type. Each is loaded when it is used: on a host every import is compiled anew."""
    found: t.Any = None
    if kind == "http":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import http_check as found
    elif kind == "release":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import release_check as found
    elif kind == "browser":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import browser_check as found
    else:
        found = _of_http(kind) or _beside_http(kind)
    return t.cast(Type, found)


def _of_http(kind: str) -> t.Any:
    """Return the module of a type that makes HTTP requests of its own."""
    found: t.Any = None
    if kind == "page":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import page_check as found
    elif kind == "health":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import health_check as found
    elif kind == "crud":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import crud_check as found
    elif kind == "cors":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import cors_check as found
    elif kind == "not_found":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import not_found_check as found
    elif kind == "rate_limit":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import rate_limit_check as found
    elif kind == "latency":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import latency_check as found
    return found


def _beside_http(kind: str) -> t.Any:
    """Return the module of a type that looks at sockets, or at the app from its own host."""
    found: t.Any = None
    if kind == "websocket":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import websocket_check as found
    elif kind == "tls":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import tls_check as found
    elif kind == "tcp":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import tcp_check as found
    elif kind == "command":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import command_check as found
    elif kind == "database":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import database_check as found
    elif kind == "logs":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import logs_check as found
    elif kind == "memory":
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import memory_check as found
    return found


TYPES: t.Sequence[str] = (
    "http",
    "page",
    "health",
    "crud",
    "cors",
    "not_found",
    "rate_limit",
    "latency",
    "release",
    "browser",
    "websocket",
    "tls",
    "tcp",
    "command",
    "database",
    "logs",
    "memory",
)


def parse(raw: t.Any, secrets: t.Optional[t.Mapping[str, t.Any]] = None) -> t.List[Check]:
    """Read a suite, or raise :class:`BadInputError` that names check and key.

    *secrets* are values that checks name as ``{name}``; they are looked at here, and never shown.
    """
    names = _secret_names(secrets or {})
    if not isinstance(raw, list) or not raw:
        raise BadInputError(
            "There is no check: a suite without one would always pass.",
            next_step="set hotfix_checks: [{name: health, type: http, path: /api/health, expect: {status: 200}}].",
        )
    found: t.List[Check] = []
    for index, one in enumerate(raw):
        with fields.within(index):
            check = _one(one, index + 1, names)
            if any(other.name == check.name for other in found):
                raise BadInputError(
                    f"Two checks are named {check.name!r}.", next_step="give each a name of its own.", place=("name",)
                )
        found.append(check)
    return found


def _one(raw: t.Any, index: int, secrets: t.Collection[str]) -> Check:
    said = f"Check number {index}"
    given = fields.mapping(raw, said)
    name = fields.text(given, "name", said)
    said = f"Check {name!r}"
    kind = fields.one_of(given, "type", said, TYPES, "")
    module = _module(kind)
    given = fields.mapping(raw, said, (*fields.COMMON, *module.KEYS))
    return module.parse(given, fields.common(given, said, host=module.HOST), secrets)


def _secret_names(secrets: t.Mapping[str, t.Any]) -> t.List[str]:
    for name, value in fields.mapping(secrets, "The secrets of the checks").items():
        if fields.placeholders(f"{{{name}}}") != {name}:
            raise BadInputError(f"The secret {name!r} has no usable name.", next_step="use letters, digits and '_'.")
        if not isinstance(value, str) or not value:
            # Where a variable of the environment is not set, a lookup gives nothing.
            raise BadInputError(
                f"The secret {name!r} is empty.", next_step="see where it comes from (hotfix_check_secrets)."
            )
    return list(secrets)
