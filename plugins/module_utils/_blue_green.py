# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The switch between two colours: a release is started beside the one that runs, and the proxy is turned to it.

Users notice nothing. The release that they leave goes on running, so that a rollback is the same turn backwards.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _health,
    _proxy,
    _slots,
    _start,
    _timers,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, is_warm, of_release, runs, shared
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import SLOTS, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import App
from ansible_collections.pangeafate.hotfix.plugins.module_utils._verify import model_of, verify

#: Seconds that the checks may take where users see nothing yet, and where they wait for the way back.
_SMOKE = 30.0
_SMOKE_BACK = 5.0


class BlueGreen:
    """Strategy ``blue_green``."""

    name = "blue_green"

    def is_warm(self, host: Host, release: Release, containers: t.Sequence[Container]) -> bool:
        """Tell whether *release* runs in its slot, healthy and complete but for what may not run twice."""
        return is_warm(host, release, containers)

    def start(self, session: Session, release: Release, *, recorded: bool = True) -> None:
        """Start *release* in the idle colour and wait until it is healthy there; users have seen nothing.

        Where it is the current one that is started afresh, its record goes on saying where users are (not *recorded*).
        """
        host = session.host
        live = host.live_slot()
        containers = host.docker.containers(host.app.project)
        if release.slot != live and self.is_warm(host, release, containers):
            return
        slot = _slots.idle_colour(live)
        with session.step("start", release=release.id, slot=slot):
            # Whatever was to be stopped later in there makes room now, and so does what a third slot still runs.
            for other in (slot, *(c for c in SLOTS if c not in (slot, live))):
                _timers.cancel_cool(session, other)
            self._make_room(host, release, containers, slot, live)
            release.slot, release.started = slot, True
            if recorded:
                host.releases.save(release)
            env = _compose.current_only_env(host.app, containers)
            services = shared(host.app, release)
            self._up(session, release, services, env)
            started = _start.wait_healthy(host, release, model_of(session, release), session.require, None, services)
        self._smoke(session, release, of_release(release, started))

    def switch(self, session: Session, release: Release, containers: t.Sequence[Container]) -> str:
        """Turn the proxy to *release*, which was started; return what was proven."""
        host = session.host
        live = host.live_slot()
        # A run that was killed after the turn is finished here: pages of what it left still ask for their assets.
        other = live if live != release.slot else _still_runs(host.app, containers, release.slot)
        self._hand_over(session, release, containers)
        _timers.cancel_cool(session, release.slot)
        _proxy.prepare(session, release.slot, other)
        _proxy.point_at(session, release.slot, containers)
        with session.step("verify", release=release.id):
            proven = verify(session, release, model_of(session, release))
        if other is not None:
            self._close_sockets(session, [c for c in containers if c.slot == other])
        return proven

    def _make_room(self, host: Host, release: Release, containers: t.Sequence[Container], slot: str, live: str) -> None:
        switched = [c for c in containers if c.service in host.app.services and c.slot != live]
        # What an earlier try of the same release left is gone on with; Compose would rename what is of another one.
        foreign = [c for c in switched if c.slot == slot and (c.release != release.id or not c.running)]
        if not release.live_number:
            # A run that was killed may have left users' connections there: they are told to go. A way back does not
            # wait for what may hang.
            host.docker.stop([c.id for c in foreign if c.running], timeout=host.app.stop_timeout)
        host.docker.remove([c.id for c in foreign])
        host.docker.stop([c.id for c in switched if c.slot != slot and c.running], timeout=host.app.stop_timeout)

    def _up(self, session: Session, release: Release, services: t.Sequence[str], env: t.Mapping[str, str]) -> None:
        host = session.host
        file = _slots.write(host, release, release.slot)
        names = [_slots.address_name(service, release.slot) for service in services]
        _start.compose_up(session, file, _slots.project(host.app, release.slot), names, env)

    def _smoke(self, session: Session, release: Release, containers: t.Sequence[Container]) -> None:
        """Make the checks that can be made without users, container by container."""
        app = session.host.app
        if not app.checks:
            return
        from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke

        try:
            checks = _smoke.parse(list(app.checks), secrets=app.check_secrets)
        except BadInputError as exc:
            if not release.live_number:
                raise
            # A mistake in the suite must not hold up the way back.
            session.note(f"The release was started without the checks: {exc.what}")
            return
        if release.live_number:
            # They show whether an incident is mended. This release was good before that was known.
            checks = [check for check in checks if not check.verify]
        if not _smoke.private(checks):
            return
        name = _health_name(app)
        timeout = _SMOKE_BACK if release.live_number else _SMOKE
        with session.step("smoke"):
            report = _smoke.run_private(
                session.host.docker, containers, checks, host_name=name, secrets=app.check_secrets, timeout=timeout
            )
            for note in report.notes:
                session.note(note)
            if not report.good and release.live_number:
                # What is broken may be broken in what users have now as well, such as the database behind both.
                session.note(f"Users are sent back to {release.id} all the same, for it was good. {report.summary}")
            elif not report.good:
                raise HotfixError(
                    f"The release is not good, and no user has seen it. {report.summary}",
                    next_step="mend the release; what runs was left as it is.",
                    evidence=session.host.mask().text("\n".join(report.problems)),
                )

    def _hand_over(self, session: Session, release: Release, containers: t.Sequence[Container]) -> None:
        """Stop what may not run twice where it runs, and start it in the slot of *release*."""
        host = session.host
        exclusive = [name for name in sorted(release.images) if host.app.option(name).exclusive]
        if not exclusive or not runs(release, model_of(session, release), containers, exclusive):
            return
        theirs = [c for c in containers if c.service in exclusive and c.slot != release.slot and c.running]
        with session.step("hand_over", release=release.id, services=exclusive):
            host.docker.stop([c.id for c in theirs], timeout=host.app.stop_timeout)
            self._up(session, release, exclusive, _compose.current_only_env(host.app, containers))
            _start.wait_healthy(host, release, model_of(session, release), session.require, None, exclusive)

    def _close_sockets(self, session: Session, left: t.Sequence[Container]) -> None:
        """Restart what must not keep its clients: two colours would serve one document."""
        host = session.host
        closing = [c for c in left if c.running and host.app.option(c.service).websockets == "close"]
        if closing:
            with session.step("close_websockets", containers=[c.name for c in closing]):
                host.docker.restart([c.id for c in closing], timeout=host.app.stop_timeout)


def _still_runs(app: App, containers: t.Sequence[Container], slot: str) -> t.Optional[str]:
    """Return the other slot in which switched services run, if there is one."""
    return next((c.slot for c in containers if c.running and c.service in app.services and c.slot != slot), None)


def _health_name(app: App) -> t.Optional[str]:
    return _health.host_name(app.health) if app.health else None
