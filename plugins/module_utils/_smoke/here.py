# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The app on the host on which a check is made: its containers, and what hides its secrets."""

from __future__ import annotations

import abc
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _host, _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container, Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import live_slot
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._programs import BoundedRunner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import database_from, place_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    Check,
    Here,
    Outcome,
    Surroundings,
    Target,
)


@dataclass(frozen=True)
class HostCheck(Check):
    """A check that is made on the app's own host."""

    @property
    def needs_app(self) -> bool:
        """Tell whether it has to know which app of the host is meant."""
        return True

    def perform(self, _target: Target, around: Surroundings) -> Outcome:
        """Make one attempt; an engine that does not answer is no verdict over the app."""
        here = around.here
        if here is None:
            return Outcome(ERROR, "it is made on the app's own host, which this is not")
        try:
            return self.look(here, around)
        except HotfixError as exc:
            return Outcome(ERROR, mask_of(here).text(exc.what.rstrip(".")))

    @abc.abstractmethod
    def look(self, here: Here, around: Surroundings) -> Outcome:
        """Make one attempt; a :class:`HotfixError` means that it could not look."""


def here_from(app: t.Mapping[str, t.Any], checks: t.Sequence[Check]) -> Here:
    """Read which app of this host is meant."""
    app_dir, project = place_of(app)
    needy = next((one for one in checks if isinstance(one, HostCheck) and one.needs_app), None)
    if needy is not None and not project:
        raise BadInputError(
            f"Check {needy.name!r} looks at an app, and nobody said which app of the host.",
            next_step="set hotfix_app_dir (app: {app_dir: /srv/app}), or hotfix_project.",
        )
    return Here(
        docker=Docker(BoundedRunner()),
        name=app.get("host_name") or "this host",
        project=project,
        services=tuple(_names.service(one) for one in app.get("services") or ()),
        database=database_from(app.get("database"), app.get("host_name")),
        app_dir=app_dir,
    )


def services_of(here: Here, wanted: t.Sequence[str], containers: t.Sequence[Container]) -> t.List[str]:
    """Return the services that are looked at: those that are wanted, the switched ones, or all there are."""
    return list(wanted or here.services or sorted({one.service for one in containers}))


def live(here: Here) -> str:
    """Return the slot that users reach."""
    return live_slot(here.app_dir) if here.app_dir is not None else OWN


def reached(here: Here, container: Container) -> bool:
    """Tell whether users reach a container: it is in their slot, or of what a release never replaces."""
    return container.slot == live(here) or (container.slot == OWN and container.service not in here.services)


def mask_of(here: Here, containers: t.Sequence[Container] = ()) -> Mask:
    """Return what hides the app's secrets: those of its files, and those that its containers were started with."""
    return _host.mask_of(here.app_dir, containers)
