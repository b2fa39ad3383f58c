# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The switch by recreation: Compose replaces the containers of the switched services, in place.

Users notice it for as long as the app takes to boot. Backing services (database, cache, proxy) are left alone,
but for the proxy's graceful reload: it may have resolved the old containers' addresses once and for all.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _health, _start
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import runs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

#: What Compose names a container while it replaces it; one is left over when it was killed in between.
_LEFTOVER = re.compile(r"[0-9a-f]{12}_.+")


class Recreate:
    """Strategy ``recreate``."""

    def switch(self, session: Session, release: Release) -> None:
        """Make the switched services run *release*, and prove it."""
        host = session.host
        path = host.releases.compose_file(release.id)
        model = _compose.load(path)
        if model is None:
            raise HotfixError(
                f"The Compose file of release {release.id} is missing or damaged ({path}).",
                next_step="go to another release by its ID (-e release=…), or deploy a version again.",
            )
        env = _compose.current_only_env(host.app)
        self._clear_leftovers(session, release)
        with session.step("start", release=release.id):
            self._up(session, release, env)
            _start.wait_healthy(host, release, model)
        with session.step("reload_proxy", release=release.id):
            reload_proxy(session)
        with session.step("verify", release=release.id):
            verify(session, release, model)

    def _clear_leftovers(self, session: Session, release: Release) -> None:
        host = session.host
        stale = [
            c
            for c in host.docker.containers(host.app.project)
            if c.service in release.images and (_LEFTOVER.fullmatch(c.name) or c.status in ("dead", "created"))
        ]
        if stale:
            with session.step("clear_leftovers", containers=[c.name for c in stale]):
                host.docker.remove([c.id for c in stale])

    def _up(self, session: Session, release: Release, env: t.Mapping[str, str]) -> None:
        host = session.host
        host.docker.run(
            "compose",
            "--project-name",
            host.app.project,
            "--project-directory",
            str(host.app.app_dir),
            "--file",
            str(host.releases.compose_file(release.id)),
            "up",
            "--detach",
            "--no-deps",
            "--no-build",
            "--pull",
            "never",
            "--timeout",
            str(host.app.stop_timeout),
            *sorted(release.images),
            env=env,
            timeout=host.app.start_timeout + host.app.stop_timeout + 30,
            mutates=True,
        )


def reload_proxy(session: Session) -> None:
    """Let the proxy test its configuration and reload it gracefully, so that it finds the new containers."""
    host = session.host
    app = host.app
    if not app.proxy_service:
        return
    proxies = [c for c in host.docker.containers(app.project) if c.service == app.proxy_service]
    up: t.List[Container] = [c for c in proxies if c.running]
    if not up:
        raise HotfixError(
            f"The proxy ({app.proxy_service}) does not run: "
            f"{', '.join(f'{c.name} is {c.status}' for c in proxies) or 'no container'}.",
            next_step=f"start it: docker compose --project-directory {app.app_dir} up --detach --no-deps "
            f"{app.proxy_service}",
        )
    for container in up:
        for command in (app.proxy_test, app.proxy_reload):
            if not command:
                continue
            try:
                host.docker.run("exec", container.id, *command, mutates=True)
            except CommandError as exc:
                raise HotfixError(
                    f"The proxy {container.name} refused '{' '.join(command)}': {host.mask().text(exc.output)}.",
                    next_step="mend its configuration; it still runs with the last good one.",
                ) from exc


def verify(session: Session, release: Release, model: _compose.Model) -> None:
    """Prove that *release* is what answers: every container of the services is of it, and the app answers healthy.

    Where the app names the answering container in a header, that container must be one of them.
    """
    host = session.host
    containers = host.docker.containers(host.app.project)
    wrong = runs(release, model, containers)
    if wrong:
        raise HotfixError(
            f"Release {release.id} does not run as it should: {'; '.join(wrong)}.", next_step="run this again."
        )
    health = host.app.health
    if health is None:
        session.note("No health URL is set (hotfix_health): that the app answers was not looked at.")
        return
    answer = _health.wait(health, host.clock)
    if answer.problem is not None:
        looked = "The app is not healthy through the proxy" if answer.answered else "Nothing answered through the proxy"
        raise HotfixError(f"{looked}: {answer.problem}.", next_step="look at the proxy's and the app's logs.")
    if not health.instance_header:
        return
    if not answer.instance:
        raise HotfixError(
            f"The answer of {health.url} has no header {health.instance_header}: which container answers "
            "cannot be told.",
            next_step="correct hotfix_health.instance_header, or leave it out.",
        )
    ours = [c for c in containers if c.service in release.images]
    if not any(c.id.startswith(answer.instance) or c.name == answer.instance for c in ours):
        raise HotfixError(
            f"Another container answers than those of release {release.id}: {answer.instance}.",
            next_step="check where the proxy sends its traffic.",
        )
