# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""All that is looked at on a host, in one pass."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _health, _names, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._at_once import Once
from ansible_collections.pangeafate.hotfix.plugins.module_utils._bounded import Bounded
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose import (
    cache,
    containers,
    database,
    parts,
    release,
    sockets,
    system,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.logs import Logs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container, Docker, Runner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, mask_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import App, app_from

Params = t.Mapping[str, t.Any]

#: The least and the most that makes sense.
_BOUNDS = (("timeout", 2.0, 3600.0), ("minutes", 0.1, _numbers.LONGEST / 60), ("lines", 0, 100000))
#: Seconds that the app may take to answer its own host.
_ANSWER = 5.0


class _Shared(Docker):
    """An engine whose containers are asked for once: every part sees the same, and the engine is spared."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._seen: t.Dict[str, Once[t.List[Container]]] = {}

    def containers(self, project: str) -> t.List[Container]:
        """Return the containers as they were when the first part asked."""
        return self._seen.setdefault(project, Once(lambda: super(_Shared, self).containers(project)))()


def look(params: Params, runner: Runner) -> t.Dict[str, t.Any]:
    """Look at the host; raise for settings that cannot be right."""
    for name, least, most in _BOUNDS:
        _numbers.within(params[name], name, f"set diagnose_{name} to", least=least, most=most)
    app = app_from(params)
    store = cache.Cache.of(params.get("redis"), params.get("redis_password"))
    services = [_names.service(one) for one in params["log_services"]]
    timeout = float(params["timeout"])
    # A program that is stopped in time says more than a part that nobody waits for.
    host = Host(app, _Shared(Bounded(runner, timeout - 1.0)), Clock())
    declared = _declared(app, store)
    websockets = [_names.service(one) for one in params["websocket_services"]]
    logs = Logs(host, services, float(params["minutes"]) * 60, timeout - 1.0)
    mask = Once(lambda: _mask(host, params))
    found = parts.take(
        {
            "engine": lambda: system.engine(host),
            "system": lambda: system.resources(host),
            "containers": lambda: containers.states(host, declared),
            "ends": lambda: containers.ends(host, float(params["minutes"]) * 60),
            "usage": lambda: containers.usage(host),
            "release": lambda: release.look(host),
            "health": lambda: _answers(app),
            "logs": lambda: logs.errors(int(params["lines"]), mask),
            "requests": logs.requests,
            "database": lambda: database.look(host),
            "redis": lambda: cache.look(host, store),
            "connections": lambda: sockets.look(_reached(host, websockets), websockets),
        },
        timeout,
    )
    return {
        "app": {
            "project": app.project,
            "folder": str(app.app_dir),
            "switched": sorted(app.services),
            "proxy": app.proxy_service,
            "database": _database(app),
        },
        "parts": parts.hidden(found, mask().text),
    }


def _declared(app: App, store: cache.Cache) -> t.List[str]:
    here = app.database.service if app.database is not None and app.database.here else None
    return [*app.services, *(one for one in (app.proxy_service, here, store.service) if one)]


def _database(app: App) -> t.Optional[t.Dict[str, str]]:
    if app.database is None or not app.database.here:
        return None
    return {"service": app.database.service, "name": app.database.name, "user": app.database.user}


def _reached(host: Host, services: t.Sequence[str]) -> t.List[Container]:
    """Return the containers that users reach: of *services*, or of all where none is named."""
    ours = [one for one in host.docker.containers(host.app.project) if containers.reached(host, one)]
    return [one for one in ours if not services or one.service in services]


def _answers(app: App) -> parts.Found:
    if app.health is None:
        raise parts.SkippedError("hotfix_health is not set.")
    answer = _health.ask(app.health, min(_ANSWER, app.health.timeout))
    return {"url": app.health.url, "problem": answer.problem, "status": answer.status, "answered": answer.answered}


def _mask(host: Host, params: Params) -> Mask:
    """Return what hides the app's secrets; where the engine does not answer, nothing of its containers is shown."""
    try:
        known: t.Sequence[Container] = host.docker.containers(host.app.project)
    except HotfixError:
        known = ()
    return mask_of(host.app.app_dir, known, host.app.registry.password, params.get("redis_password"))
