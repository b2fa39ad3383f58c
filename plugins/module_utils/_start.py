# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Waits until the containers of a release run and are healthy, and gives up early when they never will be."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, of_release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

_POLL = 0.2
#: Restarts after which a container counts as crash-looping.
_CRASHES = 2
#: Seconds that a container without a health check must run without a restart.
_SETTLE = 3.0


def wait_healthy(
    host: Host,
    release: Release,
    model: _compose.Model,
    still_ours: t.Callable[[], None],
    earlier_restarts: t.Optional[t.Mapping[str, int]] = None,
    services: t.Optional[t.Collection[str]] = None,
) -> t.List[Container]:
    """Return the containers when every switched service runs *release* in full and healthy, or raise with the logs.

    *still_ours* is called at every look and raises when somebody else has taken over. *earlier_restarts* has the
    restarts, by container ID, of containers that an earlier try left: only what they do from now on counts. Only
    *services* are waited for where they are given.
    """
    clock = host.clock
    wanted_services = release.images if services is None else services
    end = clock.steady() + host.app.start_timeout
    steady_since: t.Optional[float] = None
    restarts = 0
    while True:
        still_ours()
        everything = host.docker.containers(host.app.project)
        containers = [c for c in of_release(release, everything) if c.service in wanted_services]
        for container in containers:
            _give_up_on(host, container, (earlier_restarts or {}).get(container.id, 0))
        waiting = [_waiting_for(c) for c in containers if _waiting_for(c)]
        for service in sorted(wanted_services):
            image = release.images[service]
            up = [c for c in containers if c.service == service and c.running and c.image_id == image.image_id]
            wanted = _compose.replicas(model, service)
            if len(up) != wanted:
                waiting.append(f"{service}: {len(up)} of {wanted} containers run the release")
        now = clock.steady()
        if not waiting:
            # One that restarted between two looks has to run for the whole time again.
            before, restarts = restarts, sum(c.restarts for c in containers)
            steady_since = steady_since if steady_since is not None and restarts == before else now
            if all(c.health for c in containers) or now - steady_since >= _SETTLE:
                return everything
        else:
            steady_since = None
        if now >= end:
            raise HotfixError(
                f"Release {release.id} was not healthy within {host.app.start_timeout:.0f} s: {'; '.join(waiting)}.",
                next_step="read the log lines below; raise hotfix_start_timeout if the app only needs longer.",
                evidence=_evidence(host, [c for c in containers if _waiting_for(c)][:1]),
            )
        clock.sleep(_POLL)


def compose_up(session: Session, file: Path, project: str, services: t.Sequence[str], env: t.Mapping[str, str]) -> None:
    """Let Compose start *services* of a release's file as containers of *project*, and return without waiting."""
    app = session.host.app
    session.host.docker.run(
        "compose",
        "--project-name",
        project,
        "--project-directory",
        str(app.app_dir),
        "--file",
        str(file),
        # The file is whole; whatever became of the app's .env meanwhile does not matter.
        "--env-file",
        os.devnull,
        "up",
        "--detach",
        "--no-deps",
        "--no-build",
        "--pull",
        "never",
        "--timeout",
        str(app.stop_timeout),
        *services,
        env=env,
        timeout=app.start_timeout + app.stop_timeout + 30,
        mutates=True,
    )


def settle(
    host: Host, services: t.Collection[str], timeout: float, still_ours: t.Callable[[], None]
) -> t.List[Container]:
    """Wait until no container of *services* is still starting, or *timeout* is over; return them as they are then."""
    end = host.clock.steady() + timeout
    while True:
        still_ours()
        containers = [c for c in host.docker.containers(host.app.project) if c.slot == OWN and c.service in services]
        if host.clock.steady() >= end or not any(c.running and c.health == "starting" for c in containers):
            return containers
        host.clock.sleep(_POLL)


def _waiting_for(container: Container) -> str:
    if not container.running:
        return f"{container.name} is {container.status}"
    if container.health not in (None, "healthy"):
        return f"{container.name} is {container.health}"
    return ""


def _give_up_on(host: Host, container: Container, restarts_before: int) -> None:
    memory = ", killed for lack of memory" if container.oom_killed else ""
    restarts = container.restarts - restarts_before
    if container.running and container.health == "healthy":
        return
    if restarts >= _CRASHES or (container.status in ("exited", "dead") and restarts):
        how = f"exit code {container.exit_code}, {restarts} restarts{memory}"
        what = f"{container.name} crashes again and again ({how})."
    elif container.status in ("exited", "dead"):
        what = f"{container.name} ended with exit code {container.exit_code}{memory}."
    elif container.running and container.health == "unhealthy":
        what = f"{container.name} is unhealthy."
    else:
        return
    raise HotfixError(what, next_step="read the log lines below.", evidence=_evidence(host, [container]))


def _evidence(host: Host, containers: t.Sequence[Container]) -> str:
    text = ""
    for container in containers:
        if container.health_log:
            text += f"The health check of {container.name} said: {container.health_log}\n"
        logs = host.docker.logs(container)
        text += f"Last lines of {container.name}:\n{logs or '(it wrote nothing)'}\n"
    return host.mask().text(text.rstrip())
