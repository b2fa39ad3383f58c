# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Provider ``http``: a flag API of the app's own, such as ``POST /api/feature-flags/NAME``."""

from __future__ import annotations

import json
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.instances import Instance, Reader, read_flags
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.provider import Provider
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import (
    Flags,
    ResultPath,
    Words,
    fill,
    fill_path,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import (
    Endpoint,
    Reply,
    TroubleError,
    again,
    ask,
)


@dataclass(frozen=True)
class Api:
    """Paths, bodies and values of a flag API."""

    path: str
    result: ResultPath
    write_path: str
    write_method: str
    write_body: t.Any
    form: bool
    write_result: t.Optional[ResultPath]
    words: Words


class HttpApi(Provider):
    """Writes at *shared* where there is one, and at every instance that does not follow."""

    def __init__(
        self, api: Api, reader: Reader, shared: t.Optional[Endpoint], at_instances: bool, retries: int
    ) -> None:
        self._api = api
        self._reader = reader
        self._shared = shared
        self._retries = retries
        self.store = shared.said if shared else ""
        self.writes_at_instances = at_instances or shared is None

    def read(self, name: str) -> Flags:
        """Return what the shared address says."""
        shared = self._shared
        if shared is None:
            return {}
        reply = again(self._retries, lambda: ask(shared, fill_path(self._api.path, name, "")))
        return read_flags(reply.data(), self._api.result, self._api.words, name, shared.said)

    def write(self, name: str, on: bool) -> None:
        """Set the flag at the shared address."""
        shared = self._shared
        if shared is not None:
            again(self._retries, lambda: self._set(shared, name, on))

    def write_at(self, instance: Instance, name: str, on: bool) -> None:
        """Set the flag at one instance."""
        self._set(self._reader.endpoint(instance), name, on)

    def _set(self, endpoint: Endpoint, name: str, on: bool) -> None:
        api = self._api
        value = api.words.write(on)
        body = None
        kind = "application/json"
        if api.write_body not in (None, "", {}):
            filled = fill(api.write_body, name, value)
            if api.form:
                fields = {key: str(one).lower() if isinstance(one, bool) else one for key, one in filled.items()}
                body, kind = urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"
            else:
                body = json.dumps(filled).encode()
        reply = ask(
            endpoint, fill_path(api.write_path, name, value), method=api.write_method, body=body, content_type=kind
        )
        self._accepted(endpoint, reply, name, on)

    def _accepted(self, endpoint: Endpoint, reply: Reply, name: str, on: bool) -> None:
        reply.require_good()
        result = self._api.write_result
        if result is None:
            if reply.body.strip():
                reply.data()
            return
        said = read_flags(reply.data(), result, self._api.words, name, endpoint.said).get(name)
        if said is not on:
            raise TroubleError(
                "not_taken",
                f"{endpoint.said} answered {reply.status}, but its answer does not confirm the new value.",
                next_step="look at what it answers, and correct http.write_result or http.write_body.",
            )
