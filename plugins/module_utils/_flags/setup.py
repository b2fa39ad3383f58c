# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The options of ``feature_flag`` and ``feature_flag_info``, and how they become what a switch works with."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._command import ModuleRunner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.http_api import Api, HttpApi
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.instances import Containers, Reader
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.provider import Provider
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.redis_hash import RedisHash, Server
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.switch import Request, World
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.unleash import Unleash
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import ResultPath, Words, flag_name
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.visible import Expected, VisibleCheck, path_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import (
    Endpoint,
    Tls,
    hide,
    usable_address,
    usable_token,
    usable_url,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Journal
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import folder_of

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Params = t.Mapping[str, t.Any]

_EXPECTED = {"status": {"type": "int"}, "contains": {"type": "str"}}


def flag_options() -> t.Dict[str, t.Any]:
    """Return the argument spec of the doc fragment ``_flags``."""
    return {
        "app_dir": {"type": "path", "required": True},
        "project": {"type": "str"},
        "provider": {"type": "str", "choices": sorted(PROVIDERS), "default": "http"},
        "url": {"type": "str"},
        "address": {"type": "str"},
        "token": {"type": "str", "no_log": True},
        "token_header": {"type": "str", "no_log": False},
        "token_prefix": {"type": "str", "default": "", "no_log": False},
        "timeout": {"type": "float", "default": 5.0},
        "retries": {"type": "int", "default": 2},
        "validate_certs": {"type": "bool", "default": True},
        "ca_file": {"type": "path"},
        "http": {
            "type": "dict",
            "options": {
                "path": {"type": "str", "default": "/api/feature-flags/admin/all"},
                "result": {"type": "str", "default": "flags.{name}"},
                "write_path": {"type": "str", "default": "/api/feature-flags/{name}"},
                "write_method": {
                    "type": "str",
                    "default": "POST",
                    "choices": ["POST", "PUT", "PATCH", "DELETE", "GET"],
                },
                "write_body": {"type": "raw", "default": {"enabled": "{value}"}},
                "write_format": {"type": "str", "default": "json", "choices": ["json", "form"]},
                "write_result": {"type": "str"},
                "write_at_instances": {"type": "bool", "default": True},
                "value_on": {"type": "raw", "default": True},
                "value_off": {"type": "raw", "default": False},
            },
        },
        "redis": {
            "type": "dict",
            "options": {
                "key": {"type": "str", "default": "feature-flags", "no_log": False},
                "service": {"type": "str", "default": "redis"},
                "port": {"type": "int", "default": 6379},
                "database": {"type": "int", "default": 0},
                "username": {"type": "str"},
                "value_on": {"type": "str", "default": "true"},
                "value_off": {"type": "str", "default": "false"},
            },
        },
        "unleash": {
            "type": "dict",
            "options": {
                "project": {"type": "str", "default": "default"},
                "environment": {"type": "str", "default": "production"},
            },
        },
        "instances": {
            "type": "dict",
            "required": True,
            "options": {
                "services": {"type": "list", "elements": "str", "required": True},
                "port": {"type": "int", "required": True},
                "scheme": {"type": "str", "default": "http", "choices": ["http", "https"]},
                "host_name": {"type": "str"},
                "network": {"type": "str"},
                "path": {"type": "str"},
                "result": {"type": "str"},
                "value_on": {"type": "raw"},
                "value_off": {"type": "raw"},
                "token": {"type": "str", "no_log": True},
                "token_header": {"type": "str", "no_log": False},
                "token_prefix": {"type": "str", "no_log": False},
            },
        },
    }


def switch_options() -> t.Dict[str, t.Any]:
    """Return the options that only a change has."""
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "required": True, "choices": ["enabled", "disabled"]},
        "reads": {"type": "int", "default": 3},
        "wait": {"type": "float", "default": 20.0},
        "restart_stale": {"type": "bool", "default": False},
        "persistent": {"type": "bool"},
        "visible_check": {
            "type": "dict",
            "options": {
                "url": {"type": "str", "required": True},
                "address": {"type": "str"},
                "method": {"type": "str", "default": "GET"},
                "body": {"type": "raw"},
                "headers": {"type": "dict", "default": {}},
                "enabled": {"type": "dict", "default": {}, "options": _EXPECTED},
                "disabled": {"type": "dict", "default": {}, "options": _EXPECTED},
            },
        },
        "run": {"type": "str", "required": True},
        "operator": {"type": "str", "required": True},
        "reason": {"type": "str", "default": ""},
    }


def sub_options(params: Params, name: str, spec: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return a dictionary option with its defaults, also where it was not given at all."""
    given = params.get(name) or {}
    defaults = {key: option.get("default") for key, option in spec[name]["options"].items()}
    return {**defaults, **{key: value for key, value in given.items() if value is not None}}


def world_from(params: Params, docker: Docker, clock: Clock) -> World:
    """Make what a switch works with from module parameters; raise for what cannot be right."""
    app_dir = folder_of(params["app_dir"])
    if not app_dir.is_dir():
        raise BadInputError(f"There is no folder {app_dir} on this host.", next_step="check hotfix_app_dir.")
    _at_least("timeout", params["timeout"], 0.1)
    _at_least("retries", params["retries"], 0)
    spec = flag_options()
    instances = sub_options(params, "instances", spec)
    token = usable_token(params.get("token"))
    secrets = tuple(s for s in (token, usable_token(instances["token"], "instances.token")) if s)
    services = [_names.service(name) for name in instances["services"]]
    if not services:
        raise BadInputError("No service is named.", next_step="set instances.services: [backend].")
    _port("instances.port", instances["port"])
    containers = Containers(docker, params.get("project") or app_dir.name.lower(), instances["network"])
    tls = Tls(params["validate_certs"], params.get("ca_file"))
    if params.get("ca_file") and not os.path.isfile(params["ca_file"]):
        raise BadInputError(f"ca_file {params['ca_file']!r} is no file on this host.", next_step="correct ca_file.")
    reader = _reader(params, instances, tls, secrets)
    return World(
        containers=containers,
        services=services,
        port=instances["port"],
        reader=reader,
        provider=PROVIDERS[params["provider"]](Setup(params, spec, tls, secrets, containers, reader)),
        provider_name=params["provider"],
        journal=Journal(app_dir / "journal.jsonl", clock),
        clock=clock,
        hide=lambda text: hide(text, secrets),
        visible=_visible(params.get("visible_check"), params, tls, secrets),
    )


class Setup(t.NamedTuple):
    """What a provider is made of."""

    params: Params
    spec: t.Mapping[str, t.Any]
    tls: Tls
    secrets: t.Tuple[str, ...]
    containers: Containers
    reader: Reader

    def endpoint(self, said: str) -> Endpoint:
        """Return where the provider's own URL leads."""
        params = self.params
        usable_url(params["url"], ("http", "https"))
        return Endpoint(
            url=params["url"].rstrip("/"),
            said=f"{said} {params['url'].rstrip('/')}",
            address=usable_address(params.get("address")),
            token=usable_token(params.get("token")),
            token_header=_token_header(params),
            token_prefix=params["token_prefix"],
            timeout=params["timeout"],
            tls=self.tls,
            secrets=self.secrets,
        )

    def options(self) -> t.Dict[str, t.Any]:
        """Return the options of this provider alone."""
        return sub_options(self.params, self.params["provider"], self.spec)


def _reader(params: Params, instances: Params, tls: Tls, secrets: t.Tuple[str, ...]) -> Reader:
    own = params["provider"] == "http"
    api = sub_options(params, "http", flag_options())
    path = instances["path"] or (api["path"] if own else None)
    result = instances["result"] or (api["result"] if own else None)
    if path is None or result is None:
        raise BadInputError(
            f"It is not said how an instance is asked, and {params['provider']} cannot know what it evaluates.",
            next_step="set instances.path and instances.result, as in /api/feature-flags and flags.{name}.",
        )
    on = instances["value_on"] if instances["value_on"] is not None else (api["value_on"] if own else True)
    off = instances["value_off"] if instances["value_off"] is not None else (api["value_off"] if own else False)
    token = instances["token"] or (params.get("token") if own else None)
    return Reader(
        path=path,
        result=ResultPath(result, "instances.result"),
        words=Words(on, off),
        scheme=instances["scheme"],
        host_name=instances["host_name"] or "",
        token=usable_token(token, "instances.token"),
        token_header=instances["token_header"] or _token_header(params),
        token_prefix=instances["token_prefix"] if instances["token_prefix"] is not None else params["token_prefix"],
        timeout=params["timeout"],
        tls=tls,
        secrets=secrets,
    )


def _http(setup: Setup) -> Provider:
    options = setup.options()
    body = options["write_body"]
    if options["write_format"] == "form" and body and not isinstance(body, dict):
        raise BadInputError(
            "http.write_body is no dictionary.", next_step="give fields and values: {enabled: '{value}'}."
        )
    api = Api(
        path=options["path"],
        result=ResultPath(options["result"], "http.result"),
        write_path=options["write_path"],
        write_method=options["write_method"],
        write_body=body,
        form=options["write_format"] == "form",
        write_result=ResultPath(options["write_result"], "http.write_result") if options["write_result"] else None,
        words=Words(options["value_on"], options["value_off"]),
    )
    shared = setup.endpoint("The flag API at") if setup.params.get("url") else None
    return HttpApi(api, setup.reader, shared, options["write_at_instances"], setup.params["retries"])


def _redis(setup: Setup) -> Provider:
    params, options = setup.params, setup.options()
    tls: t.Optional[Tls] = None
    name = ""
    database = options["database"]
    if params.get("url"):
        parts = usable_url(params["url"], ("redis", "rediss"))
        name = str(parts.hostname)
        where = usable_address(params.get("address")) or (name, parts.port or 6379)
        tls = setup.tls if parts.scheme == "rediss" else None
        if parts.path.strip("/"):
            if not parts.path.strip("/").isdigit():
                raise BadInputError(
                    f"The url names no database: {parts.path!r}.", next_step="give it as redis://host:6379/0."
                )
            database = int(parts.path.strip("/"))
    else:
        _port("redis.port", options["port"])
        found = setup.containers.first([_names.service(options["service"])], options["port"])
        if len(found) != 1 or not found[0].ip:
            raise HotfixError(
                f"{len(found)} containers of {options['service']} run on this host, and it takes one to be the Redis.",
                code="bad_input",
                next_step="correct redis.service, or give url: redis://host:6379/0.",
            )
        where = (found[0].ip, found[0].port)
    server = Server(
        where=where,
        database=database,
        username=options["username"],
        password=usable_token(params.get("token")),
        timeout=params["timeout"],
        tls=tls,
        name=name,
    )
    return RedisHash(server, options["key"], Words(options["value_on"], options["value_off"]), params["retries"])


def _unleash(setup: Setup) -> Provider:
    if not setup.params.get("url"):
        raise BadInputError("Unleash has no url.", next_step="set url: https://unleash.example.com")
    options = setup.options()
    return Unleash(setup.endpoint("Unleash at"), options["project"], options["environment"], setup.params["retries"])


#: By name. A new provider is its file, its entry here and its options above.
PROVIDERS: t.Mapping[str, t.Callable[[Setup], Provider]] = {"http": _http, "redis": _redis, "unleash": _unleash}


def _visible(
    given: t.Optional[Params], params: Params, tls: Tls, secrets: t.Tuple[str, ...]
) -> t.Optional[VisibleCheck]:
    if not given:
        return None
    parts = usable_url(given["url"], ("http", "https"), "visible_check.url")
    enabled, disabled = (Expected(**(given.get(key) or {})) for key in ("enabled", "disabled"))
    if enabled == disabled or not (enabled.says or disabled.says):
        raise BadInputError(
            "visible_check does not say how the answers differ.",
            next_step="give visible_check.enabled and visible_check.disabled, each with status or contains.",
        )
    endpoint = Endpoint(
        url=f"{parts.scheme}://{parts.netloc}",
        said=given["url"],
        address=usable_address(given.get("address"), "visible_check.address"),
        timeout=params["timeout"],
        tls=tls,
        secrets=secrets,
        headers={str(key): str(value) for key, value in (given.get("headers") or {}).items()},
    )
    return VisibleCheck(endpoint, path_of(parts), given.get("method") or "GET", given.get("body"), enabled, disabled)


def _token_header(params: Params) -> str:
    return params.get("token_header") or ("x-admin-token" if params["provider"] == "http" else "Authorization")


def _at_least(name: str, value: float, least: float) -> None:
    _numbers.within(value, name, f"set {name} to", least=least)


def _port(name: str, value: int) -> None:
    if not 0 < value < 65536:
        raise BadInputError(f"{name} {value!r} is no port.", next_step=f"correct {name}.")


def world_of(module: AnsibleModule) -> World:
    """Make what a module works with."""
    return world_from(module.params, Docker(ModuleRunner(module)), Clock())


def request_from(params: Params) -> Request:
    """Make the request from module parameters."""
    _at_least("reads", params["reads"], 1)
    _at_least("wait", params["wait"], 0.0)
    return Request(
        flag=flag_name(params["name"]),
        on=params["state"] == "enabled",
        reads=params["reads"],
        wait=params["wait"],
        retries=params["retries"],
        restart_stale=params["restart_stale"],
        persistent=params["persistent"],
    )
