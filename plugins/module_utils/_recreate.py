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

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _proxy, _start
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, of_release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._verify import model_of, verify

#: What Compose names a container while it replaces it; one is left over when it was killed in between.
_LEFTOVER = re.compile(r"[0-9a-f]{12}_.+")


class Recreate:
    """Strategy ``recreate``."""

    name = "recreate"

    def is_warm(self, _host: Host, _release: Release, _containers: t.Sequence[Container]) -> bool:
        """Return false: there is one place for a release, and another one is in it."""
        return False

    def start(self, _session: Session, release: Release) -> None:
        """Do nothing but say where it will run: it cannot be started beside the one that runs."""
        release.slot = OWN

    def switch(self, session: Session, release: Release, containers: t.Sequence[Container]) -> str:
        """Make the switched services run *release*; return what was proven. *containers* are those of before."""
        host = session.host
        model = model_of(session, release)
        env = _compose.current_only_env(host.app, containers)
        release.slot, release.started = OWN, True
        self._clear_leftovers(session, release, containers)
        with session.step("start", release=release.id):
            file = host.releases.compose_file(release.id)
            _start.compose_up(session, file, host.app.project, sorted(release.images), env)
            _start.wait_healthy(host, release, model, session.require, {c.id: c.restarts for c in containers})
        with session.step("reload_proxy", release=release.id):
            if _proxy.managed(host) is None:
                _proxy.reload_proxy(session)
            else:
                # What ran in a colour before is left by this.
                live = host.live_slot()
                _proxy.prepare(session, OWN, live if live != OWN else None)
                _proxy.point_at(session, OWN, host.docker.containers(host.app.project))
        with session.step("verify", release=release.id):
            return verify(session, release, model)

    def _clear_leftovers(self, session: Session, release: Release, containers: t.Sequence[Container]) -> None:
        stale = [
            c for c in of_release(release, containers) if _LEFTOVER.fullmatch(c.name) or c.status in ("dead", "created")
        ]
        if stale:
            with session.step("clear_leftovers", containers=[c.name for c in stale]):
                session.host.docker.remove([c.id for c in stale])
