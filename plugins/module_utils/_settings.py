# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a module call was told about the app and about the run, checked before anything is touched."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._health import Health


@dataclass(frozen=True)
class Registry:
    """Where images are pulled from, and as whom."""

    server: t.Optional[str] = None
    username: t.Optional[str] = None
    password: t.Optional[str] = None


@dataclass(frozen=True)
class App:
    """One Compose project on this host.

    ``services`` maps every switched service to its image repository. Times are in seconds.
    """

    app_dir: Path
    project: str
    compose_file: str
    services: t.Mapping[str, str]
    proxy_service: t.Optional[str]
    proxy_test: t.Sequence[str]
    proxy_reload: t.Sequence[str]
    health: t.Optional[Health]
    current_only: t.Sequence[str]
    start_timeout: float
    stop_timeout: int
    pull_timeout: float
    registry: Registry


@dataclass(frozen=True)
class Run:
    """Who runs what, and why."""

    id: str
    owner: str
    reason: str
    takeover: bool


def app_from(params: t.Mapping[str, t.Any]) -> App:
    """Make the app from module parameters; raise for what cannot be right."""
    app_dir = Path(params["app_dir"])
    if not app_dir.is_absolute():
        raise BadInputError(
            f"app_dir {str(app_dir)!r} is not an absolute path.",
            next_step="set hotfix_app_dir to the folder on the host.",
        )
    services = params["services"] or {}
    if not services:
        raise BadInputError(
            "No switched service is named.",
            next_step="set hotfix_services: {backend: {image: registry.example.com/app}}.",
        )
    repositories = {}
    for name, options in services.items():
        _names.service(name)
        if not isinstance(options, dict) or not isinstance(options.get("image"), str):
            raise BadInputError(
                f"Service {name!r} has no image.",
                next_step=f"set hotfix_services: {{{name}: {{image: registry.example.com/{name}}}}}.",
            )
        unknown = sorted(set(options) - {"image"})
        if unknown:
            raise BadInputError(
                f"Service {name!r} has an unknown option: {', '.join(unknown)}.", next_step="the options are: image."
            )
        repositories[name] = _names.repository(options["image"])
    for name, least in (("start_timeout", 1), ("stop_timeout", 0), ("pull_timeout", 1)):
        if params[name] < least:
            raise BadInputError(
                f"{name} {params[name]!r} is too short.", next_step=f"set hotfix_{name} to {least} second or more."
            )
    health = params["health"]
    return App(
        app_dir=app_dir,
        project=_names.project(params["project"] or app_dir.name.lower()),
        compose_file=params["compose_file"],
        services=repositories,
        proxy_service=_names.service(params["proxy_service"]) if params["proxy_service"] else None,
        proxy_test=tuple(params["proxy_test"]),
        proxy_reload=tuple(params["proxy_reload"]),
        health=Health.from_params(health) if health else None,
        current_only=tuple(_names.env_key(key) for key in params["current_only"] or ()),
        start_timeout=float(params["start_timeout"]),
        stop_timeout=int(params["stop_timeout"]),
        pull_timeout=float(params["pull_timeout"]),
        registry=Registry(params["registry"], params["registry_username"], params["registry_password"]),
    )
