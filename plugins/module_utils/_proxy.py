# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The app's reverse proxy: it is never replaced, only told to look again where its upstreams are."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

#: Seconds that a proxy that does not run may take to come up again.
_COMES_UP = 20.0


def reload_proxy(session: Session) -> None:
    """Let the proxy test its configuration and reload it gracefully, so that it finds the new containers."""
    host = session.host
    if not host.app.proxy_service:
        return
    for container in _running(session, host.app.proxy_service):
        for command in (host.app.proxy_test, host.app.proxy_reload):
            if not command:
                continue
            try:
                host.docker.run("exec", container.id, *command, mutates=True)
            except CommandError as exc:
                raise HotfixError(
                    f"The proxy {container.name} refused '{' '.join(command)}': {exc.output}.",
                    next_step="mend its configuration; it still runs with the last good one.",
                ) from exc


def _running(session: Session, service: str) -> t.List[Container]:
    """Return the proxy's containers once all of them run.

    A proxy whose upstreams crash can crash with them (nginx does not start without their names): it is started
    again, now that they are back, or has its next try awaited.
    """
    host = session.host
    end = host.clock.steady() + _COMES_UP
    while True:
        session.require()
        proxies = [c for c in host.docker.containers(host.app.project) if c.service == service]
        if proxies and all(c.running for c in proxies):
            return proxies
        if not proxies or host.clock.steady() >= end:
            state = ", ".join(f"{c.name} is {c.status}" for c in proxies) or "it has no container"
            raise HotfixError(
                f"The proxy ({service}) does not run: {state}.",
                next_step=f"start it: docker compose --project-directory {host.app.app_dir} up --detach --no-deps "
                f"{service}",
            )
        for container in proxies:
            if container.status in ("exited", "created"):
                host.docker.start(container.id)
        host.clock.sleep(0.5)
