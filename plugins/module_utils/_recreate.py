# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The switch by recreation: Compose replaces the containers of the switched services, in place.

Users notice it for as long as the app takes to boot. Backing services (database, cache, proxy) are left alone,
but for the proxy's graceful reload: it may have resolved the old containers' addresses once and for all.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _start
from ansible_collections.pangeafate.hotfix.plugins.module_utils._proxy import reload_proxy
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._verify import model_of, verify

#: What Compose names a container while it replaces it; one is left over when it was killed in between.
_LEFTOVER = re.compile(r"[0-9a-f]{12}_.+")


class Recreate:
    """Strategy ``recreate``."""

    def switch(self, session: Session, release: Release) -> str:
        """Make the switched services run *release*; return what was proven."""
        host = session.host
        model = model_of(session, release)
        before = host.docker.containers(host.app.project)
        env = _compose.current_only_env(host.app, before)
        self._clear_leftovers(session, release)
        with session.step("start", release=release.id):
            self._up(session, release, env)
            _start.wait_healthy(host, release, model, session.require, {c.id: c.restarts for c in before})
        with session.step("reload_proxy", release=release.id):
            reload_proxy(session)
        with session.step("verify", release=release.id):
            return verify(session, release, model)

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
            str(host.app.stop_timeout),
            *sorted(release.images),
            env=env,
            timeout=host.app.start_timeout + host.app.stop_timeout + 30,
            mutates=True,
        )
