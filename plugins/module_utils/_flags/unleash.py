# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Provider ``unleash``: the admin API of an Unleash server."""

from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.provider import Provider
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import Flags
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Endpoint, TroubleError, again, ask


class Unleash(Provider):
    """The flags of one project, in one of Unleash's environments."""

    def __init__(self, endpoint: Endpoint, project: str, environment: str, retries: int) -> None:
        self._endpoint = endpoint
        self._project = project
        self._environment = environment
        self._retries = retries
        self.store = f"{endpoint.said}, project {project!r}, environment {environment!r}"

    def read(self, _name: str) -> Flags:
        """Return all flags of the project that are not archived."""
        data = again(self._retries, lambda: ask(self._endpoint, self._path("features"))).data()
        features = data.get("features") if isinstance(data, dict) else None
        if not isinstance(features, list):
            raise TroubleError(
                "other_shape",
                f"{self._endpoint.said} does not answer as Unleash does.",
                next_step="check url: it is the server's, without /api.",
            )
        found: Flags = {}
        environments: t.Set[str] = set()
        for feature in _json.tables(features):
            states = {
                one["name"]: one.get("enabled")
                for one in _json.tables(feature.get("environments"))
                if isinstance(one.get("name"), str)
            }
            environments.update(states)
            value = states.get(self._environment)
            if isinstance(feature.get("name"), str):
                found[feature["name"]] = value if isinstance(value, bool) else None
        if features and self._environment not in environments:
            known = ", ".join(sorted(environments)) or "none"
            raise TroubleError(
                "no_environment",
                f"{self._endpoint.said} has no environment {self._environment!r} in {self._project!r}, but: {known}.",
                next_step="correct unleash.environment.",
            )
        return found

    def write(self, name: str, on: bool) -> None:
        """Turn the flag on or off in the environment."""
        path = self._path("features", name, "environments", self._environment, "on" if on else "off")

        def post() -> None:
            ask(self._endpoint, path, method="POST", body=b"{}").require_good()

        again(self._retries, post)

    def _path(self, *parts: str) -> str:
        return "/api/admin/projects/" + "/".join(urllib.parse.quote(one, safe="") for one in (self._project, *parts))
