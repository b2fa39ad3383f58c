# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Restarts in place: a container is stopped and started, and has to come back healthy.

The container stays the same one. What was copied into it, as the proxy's folder, stays as well.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _health, _proxy
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart import which
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

_POLL = 0.2
#: Restarts after which a container counts as crash-looping.
_CRASHES = 2
#: Seconds that a container without a health check must run without a restart.
_SETTLE = 3.0
_LOG_LINES = 30
#: Seconds that a proxy may take to finish requests: it takes no new ones meanwhile, and a WebSocket never ends.
PROXY_PATIENCE = 2


class Restarted(t.NamedTuple):
    """A service that was restarted, and the seconds until its last container was healthy again."""

    service: str
    containers: t.Tuple[str, ...]
    seconds: float


def of_service(host: Host, containers: t.Sequence[Container], service: str) -> t.List[Container]:
    """Return the containers of *service* that users reach: those of the live slot, where it is a switched one."""
    slot = host.live_slot() if service in host.app.services else "own"
    return [c for c in containers if c.service == service and c.slot == slot]


def require_containers(host: Host, containers: t.Sequence[Container], services: t.Collection[str]) -> None:
    """Raise where one of *services* has no container that could be restarted."""
    missing = [service for service in services if not of_service(host, containers, service)]
    if missing:
        raise HotfixError(
            f"{', '.join(missing)} has no container on this host that could be restarted.",
            code="bad_input",
            next_step=f"make it: docker compose --project-directory {host.app.app_dir} up --detach --no-deps "
            f"{' '.join(missing)}",
        )


def restart(session: Session, model: _compose.Model, service: str, *, force: bool) -> Restarted:
    """Restart the containers of *service* one by one, each healthy again before the next is stopped."""
    host = session.host
    containers = of_service(host, host.docker.containers(host.app.project), service)
    is_proxy = service == host.app.proxy_service
    if is_proxy and not force:
        _require_good_configuration(host, containers)
    began = host.clock.steady()
    for container in containers:
        with session.step("restart", service=service, container=container.name):
            _stop(host, model, container, force=force)
            if is_proxy and _proxy.managed(host) is not None:
                _proxy.copy_into(host, [container])
            _start(host, container)
            wait(session, [container.id], patient=False)
        if service in host.app.services:
            # It has another address now.
            _reload_proxy(session)
    if is_proxy and _proxy.managed(host) is not None:
        # It must have come back with the slot that users are in.
        _reload_proxy(session)
    return Restarted(service, tuple(c.name for c in containers), round(host.clock.steady() - began, 3))


def _reload_proxy(session: Session) -> None:
    host = session.host
    if not host.app.proxy_service:
        return
    with session.step("reload_proxy"):
        if _proxy.managed(host) is None:
            _proxy.reload_proxy(session)
        else:
            _proxy.tell(session, host.live_slot())


def _require_good_configuration(host: Host, proxies: t.Sequence[Container]) -> None:
    """Raise where the proxy would not come up again; it goes on with what it loaded once, as long as it runs."""
    for proxy in proxies:
        if not (proxy.running and host.app.proxy_test):
            continue
        try:
            host.docker.run("exec", proxy.id, *host.app.proxy_test, timeout=20.0)
        except CommandError as exc:
            raise HotfixError(
                f"The proxy {proxy.name} would not come up again: '{' '.join(host.app.proxy_test)}' said "
                f"{exc.output or exc.what}",
                code="refused",
                next_step="mend its configuration; it still runs with the last good one. Or give -e force=true.",
            ) from exc


def _stop(host: Host, model: _compose.Model, container: Container, *, force: bool) -> None:
    """Stop a container. Without *force* only the proxy, which has no data, is killed where that takes long."""
    if container.status in ("exited", "created", "dead"):
        return
    if container.service == host.app.proxy_service:
        host.docker.stop([container.id], timeout=min(PROXY_PATIENCE, host.app.stop_timeout))
        return
    if force:
        host.docker.stop([container.id], timeout=host.app.stop_timeout)
        return
    patience = max(float(host.app.stop_timeout), which.grace(model, container.service), 1.0)
    try:
        # It is not the engine that loses its patience: that would kill it.
        host.docker.run("stop", "--time", "-1", container.id, timeout=patience, mutates=True)
    except CommandError as exc:
        if exc.output:
            raise
        raise HotfixError(
            f"{container.name} did not stop within {patience:.0f} s, and was not killed.",
            left="It was told to stop: it may still end, and then stays stopped.",
            next_step="give -e force=true to have it killed where it does not stop.",
            evidence=evidence(host, container),
        ) from exc


def _start(host: Host, container: Container) -> None:
    try:
        host.docker.start(container.id)
    except CommandError as exc:
        raise HotfixError(
            f"{container.name} could not be started again: {exc.output or exc.what}",
            next_step="mend what it says, then run this again.",
            evidence=evidence(host, container),
        ) from exc


def wait(session: Session, ids: t.Collection[str], *, patient: bool) -> t.List[Container]:
    """Return the containers once all run and are healthy, or raise with what they wrote.

    Who is *patient* waits for one that is unhealthy as well: what it needs was away a moment ago.
    """
    host = session.host
    end = host.clock.steady() + host.app.start_timeout
    least: t.Dict[str, int] = {}
    steady_since: t.Optional[float] = None
    restarts = 0
    while True:
        session.require()
        found = [c for c in host.docker.containers(host.app.project) if c.id in ids]
        for one in found:
            least[one.id] = min(one.restarts, least.get(one.id, one.restarts))
            _give_up_on(host, one, one.restarts - least[one.id], patient=patient)
        waiting = [c for c in found if not (c.running and c.health in (None, "healthy"))]
        now = host.clock.steady()
        if len(found) < len(ids):
            raise HotfixError(
                "A container was removed while it was waited for.", next_step="see who does that, and run this again."
            )
        if waiting:
            steady_since = None
        else:
            before, restarts = restarts, sum(c.restarts for c in found)
            steady_since = steady_since if steady_since is not None and restarts == before else now
            if all(c.health for c in found) or now - steady_since >= _SETTLE:
                return found
        if now >= end:
            raise HotfixError(
                f"{waiting[0].name if waiting else 'A container'} did not come back healthy within "
                f"{host.app.start_timeout:.0f} s.",
                next_step="read the lines below; raise hotfix_start_timeout if it only needs longer.",
                evidence="\n".join(evidence(host, c) for c in waiting),
            )
        host.clock.sleep(_POLL)


def _give_up_on(host: Host, container: Container, restarts: int, *, patient: bool) -> None:
    if container.running and container.health == "unhealthy" and not patient:
        how = "it is unhealthy"
    elif restarts >= _CRASHES:
        how = "it crashes again and again"
    elif container.status in ("exited", "dead") and not patient:
        how = "it ended"
    else:
        return
    raise HotfixError(
        f"{container.name} did not come back: {how}.",
        next_step="mend what the lines below say, then run this again.",
        evidence=evidence(host, container),
    )


def evidence(host: Host, container: Container) -> str:
    """Return how a container fares and the last that it wrote, without secrets."""
    memory = "yes" if container.oom_killed else "no"
    text = (
        f"{container.name} is {container.status}{f' and {container.health}' if container.health else ''}, "
        f"exit code {container.exit_code}, {container.restarts} restarts, killed for lack of memory: {memory}\n"
        f"Its health check said: {container.health_log or '(nothing)'}\n"
        f"Its last lines:\n{host.docker.logs(container, _LOG_LINES) or '(it wrote nothing)'}"
    )
    return host.mask().text(text)


def check_dependants(session: Session, services: t.Sequence[str], ran: t.Collection[str]) -> t.Optional[str]:
    """Wait until what depends on a restarted service is well, and the app answers; return what was proven.

    *ran* are the containers that ran before: what did not run then is not blamed on the restart.
    """
    host = session.host
    containers = host.docker.containers(host.app.project)
    ids = [c.id for service in services for c in of_service(host, containers, service) if c.id in ran]
    with session.step("check_dependants", mutates=False, services=list(services)):
        if ids:
            wait(session, ids, patient=True)
        return require_answer(session)


def require_answer(session: Session) -> t.Optional[str]:
    """Return what was proven of the app's health, through the proxy, or raise."""
    health = session.host.app.health
    if health is None:
        return None
    answer = _health.wait(health, session.host.clock, session.require)
    if answer.problem is not None:
        looked = "The app is not healthy through the proxy" if answer.answered else "Nothing answered through the proxy"
        raise HotfixError(f"{looked}: {answer.problem}.", next_step="look at the proxy's and the app's logs.")
    return "the app answers healthy"
