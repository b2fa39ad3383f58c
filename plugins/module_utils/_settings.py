# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a module call was told about the app and about the run, checked before anything is touched."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._health import Health

#: ``build`` is for the controller, see the role ``emergency_build``.
_SERVICE_KEYS = {"image", "drain_timeout", "websockets", "exclusive", "build"}
_ASSETS_PATH = re.compile(r"/(?:[A-Za-z0-9._~-]+/)+")
#: A word that a program cannot take for an option of its own.
_REGISTRY = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9.:_/\[\]-]*")
_DATABASE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
#: The least that makes sense, in seconds but for the count of backups.
_LEAST = (
    ("start_timeout", 1),
    ("stop_timeout", 0),
    ("pull_timeout", 1),
    ("warm_for", 0),
    ("confirm_within", 10),
    ("backup_max_age", 0),
    ("backup_keep", 1),
)
#: Bytes.
_LONGEST_PATH, _LONGEST_NAME = 4000, 255
#: They become paths and words of programs.
_WORDS = (
    "app_dir",
    "compose_file",
    "proxy_test",
    "proxy_reload",
    "health",
    "registry",
    "registry_username",
    "proxy_config",
    "migration",
    "database",
)


@dataclass(frozen=True)
class Registry:
    """Where images are pulled from, and as whom."""

    server: t.Optional[str] = None
    username: t.Optional[str] = None
    password: t.Optional[str] = None


@dataclass(frozen=True)
class ServiceOptions:
    """How a switched service is replaced.

    ``drain_timeout`` is in seconds. ``websockets`` is ``keep`` or ``close``. Of an *exclusive* service no two may run
    at once.
    """

    drain_timeout: float = 30.0
    websockets: str = "keep"
    exclusive: bool = False


@dataclass(frozen=True)
class Assets:
    """Files that pages loaded before a switch still ask for: below which path, and who serves them."""

    path: str
    service: str
    port: int = 80


@dataclass(frozen=True)
class Database:
    """A database in a container of the app's own project. ``here`` is false where it runs on another host."""

    service: str
    name: str
    user: str
    type: str = "postgresql"
    here: bool = True


@dataclass(frozen=True)
class Migration:
    """What brings the database to the schema of a release: a command in its image. ``timeout`` is in seconds."""

    service: str
    command: t.Sequence[str]
    timeout: float = 600.0


@dataclass(frozen=True)
class App:
    """One Compose project on this host.

    ``services`` maps every switched service to its image repository. Times are in seconds. ``has_database`` is
    ``None`` where nobody declared whether there is one.
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
    options: t.Mapping[str, ServiceOptions] = field(default_factory=dict)
    strategy: str = "auto"
    proxy_config: t.Optional[str] = None
    assets: t.Optional[Assets] = None
    warm_for: float = 900.0
    confirm_within: float = 300.0
    unconfirmed: str = "revert"
    database: t.Optional[Database] = None
    has_database: t.Optional[bool] = None
    migration: t.Optional[Migration] = None
    backup_max_age: float = 600.0
    backup_keep: int = 5
    checks: t.Sequence[t.Mapping[str, t.Any]] = ()
    check_secrets: t.Mapping[str, str] = field(default_factory=dict)

    def option(self, service: str) -> ServiceOptions:
        """Return how *service* is replaced."""
        return self.options.get(service, ServiceOptions())

    @property
    def drain_timeout(self) -> float:
        """Seconds until the requests in flight of every service are over."""
        return max(self.option(name).drain_timeout for name in self.services)


@dataclass(frozen=True)
class Run:
    """Who runs what, and why."""

    id: str
    owner: str
    reason: str
    takeover: bool


def folder_of(given: str) -> Path:
    """Return the folder of an app; raise where it can be none."""
    _require_no_nul("app_dir", given)
    if not os.path.isabs(given):
        raise BadInputError(
            f"app_dir {given!r} is not an absolute path.", next_step="set hotfix_app_dir to the folder on the host."
        )
    _require_short("app_dir", given)
    return Path(given)


def _require_short(name: str, given: t.Optional[str]) -> None:
    """Raise for a path that is longer than any system takes."""
    path = (given or "").encode("utf-8", "replace")
    if len(path) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in path.split(b"/")):
        raise BadInputError(
            f"{name} {str(given)[:80]!r}… is longer than a path can be.", next_step=f"correct hotfix_{name}."
        )


def place_of(params: t.Mapping[str, t.Any]) -> t.Tuple[t.Optional[Path], str]:
    """Return the folder and the Compose project of an app of which no more is known; the project may be empty."""
    folder = params.get("app_dir")
    app_dir = folder_of(folder) if folder else None
    project = params.get("project") or (app_dir.name.lower() if app_dir is not None else "")
    return app_dir, _names.project(project) if project else ""


def app_from(params: t.Mapping[str, t.Any]) -> App:
    """Make the app from module parameters; raise for what cannot be right."""
    app_dir = folder_of(params["app_dir"])
    services = params["services"] or {}
    if not services:
        raise BadInputError(
            "No switched service is named.",
            next_step="set hotfix_services: {backend: {image: registry.example.com/app}}.",
        )
    repositories, service_options = {}, {}
    for name, given in services.items():
        repositories[_names.service(name)] = _image(name, given)
        service_options[name] = _service_options(name, given)
    for name, least in _LEAST:
        _numbers.within(params[name], name, f"set hotfix_{name} to", least=least)
    for name in _WORDS:
        _require_no_nul(name, params[name])
    for name in ("compose_file", "proxy_config"):
        _require_short(name, params[name])
    if params["registry"] and not _REGISTRY.fullmatch(params["registry"]):
        raise BadInputError(
            f"registry {params['registry']!r} is no address of one.",
            next_step="set hotfix_registry, as in registry.example.com:5000.",
        )
    health = params["health"]
    database = params["database"]
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
        options=service_options,
        strategy=params["strategy"],
        proxy_config=params["proxy_config"],
        assets=_assets(params["assets"], services),
        warm_for=float(params["warm_for"]),
        confirm_within=float(params["confirm_within"]),
        unconfirmed=params["unconfirmed"],
        database=database_from(database, params["host_name"]),
        has_database=None if database is None else any(database.get(key) for key in ("service", "name", "user")),
        migration=_migration(params["migration"], services),
        backup_max_age=float(params["backup_max_age"]),
        backup_keep=int(params["backup_keep"]),
        checks=tuple(params["checks"] or ()),
        check_secrets=dict(params["check_secrets"] or {}),
    )


def _require_no_nul(name: str, value: t.Any) -> None:
    """Raise where *value* holds a character that ends a text for the system."""
    if isinstance(value, str) and "\0" in value:
        raise BadInputError(
            f"{name} {value[:80]!r} holds a NUL, which no path and no program takes.",
            next_step=f"correct hotfix_{name}.",
        )
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _require_no_nul(name, one)


def _image(name: str, given: t.Any) -> str:
    if not isinstance(given, dict) or not isinstance(given.get("image"), str):
        raise BadInputError(
            f"Service {name!r} has no image.",
            next_step=f"set hotfix_services: {{{name}: {{image: registry.example.com/{name}}}}}.",
        )
    unknown = sorted(set(given) - _SERVICE_KEYS)
    if unknown:
        raise BadInputError(
            f"Service {name!r} has an unknown option: {', '.join(unknown)}.",
            next_step=f"the options are: {', '.join(sorted(_SERVICE_KEYS))}.",
        )
    return _names.repository(given["image"])


def _service_options(name: str, given: t.Mapping[str, t.Any]) -> ServiceOptions:
    drain, sockets, exclusive = (given.get(key) for key in ("drain_timeout", "websockets", "exclusive"))
    plain = ServiceOptions()
    if drain is not None and (
        isinstance(drain, bool) or not isinstance(drain, (int, float)) or not 0 <= drain <= _numbers.LONGEST
    ):
        raise BadInputError(
            f"drain_timeout {drain!r} of service {name!r} is no number of seconds.", next_step="give it as 30."
        )
    if sockets not in (None, "keep", "close"):
        raise BadInputError(
            f"websockets {sockets!r} of service {name!r} is neither keep nor close.", next_step="give one of these."
        )
    if exclusive not in (None, True, False):
        raise BadInputError(
            f"exclusive {exclusive!r} of service {name!r} is neither true nor false.", next_step="give one of these."
        )
    return ServiceOptions(
        drain_timeout=plain.drain_timeout if drain is None else float(drain),
        websockets=sockets or plain.websockets,
        exclusive=bool(exclusive),
    )


def _assets(given: t.Optional[t.Mapping[str, t.Any]], services: t.Collection[str]) -> t.Optional[Assets]:
    if not given:
        return None
    if not _ASSETS_PATH.fullmatch(given["path"]):
        raise BadInputError(
            f"assets path {given['path']!r} is no path of a folder.",
            next_step="give it as hotfix_assets.path: /assets/.",
        )
    _require_switched("assets", given["service"], services)
    return Assets(given["path"], given["service"], int(given["port"]))


def _migration(given: t.Optional[t.Mapping[str, t.Any]], services: t.Collection[str]) -> t.Optional[Migration]:
    if not given:
        return None
    _require_switched("migration", given["service"], services)
    if not given["command"]:
        raise BadInputError("The command of the migration is empty.", next_step="set hotfix_migration.command.")
    timeout = _numbers.within(given["timeout"], "The timeout of the migration", "set hotfix_migration.timeout to")
    return Migration(given["service"], tuple(given["command"]), float(timeout))


def _require_switched(what: str, service: str, services: t.Collection[str]) -> None:
    if service not in services:
        raise BadInputError(
            f"Service {service!r} of hotfix_{what} is no switched service ({', '.join(sorted(services))}).",
            next_step=f"correct hotfix_{what}.service.",
        )


def database_from(given: t.Optional[t.Mapping[str, t.Any]], host_name: t.Optional[str]) -> t.Optional[Database]:
    """Read what a user declared about the database; ``None`` where there is none."""
    if not given or not any(given.get(key) for key in ("service", "name", "user")):
        return None
    missing = [key for key in ("service", "name", "user") if not given.get(key)]
    if missing:
        raise BadInputError(
            f"The database has no {', '.join(missing)}.",
            next_step="set hotfix_database: {service: postgres, name: app, user: app}, or {} where there is none.",
        )
    for key in ("name", "user"):
        if not _DATABASE_NAME.fullmatch(given[key]):
            raise BadInputError(
                f"database {key} {given[key]!r} is not usable: letters, digits, '_' and '-', at most 63.",
                next_step=f"correct hotfix_database.{key}.",
            )
    return Database(
        service=_names.service(given["service"]),
        name=given["name"],
        user=given["user"],
        type=given["type"],
        here=given.get("host") in (None, "", host_name),
    )
