# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""A host as the engine sees it: what is recorded, what really runs, and where the two differ."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _mask, _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container, Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Entry, Journal
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Lease, Lock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN, SLOTS, Release, Releases
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import App


class Host:
    """The parts of a host that hold an app's state."""

    def __init__(self, app: App, docker: Docker, clock: Clock) -> None:
        self.app = app
        self.docker = docker
        self.clock = clock
        self.releases = Releases(app.app_dir)
        self.journal = Journal(app.app_dir / "journal.jsonl", clock)
        self.lease = Lease(app.app_dir, clock)
        self.lock = Lock(app.app_dir, clock)

    def live_slot(self) -> str:
        """Return the slot that the proxy sends users to: the app's own project where no other was ever switched to."""
        return live_slot(self.app.app_dir)

    def mask(self) -> _mask.Mask:
        """Return what hides this app's secrets in a text."""
        return _mask.Mask.of_env(env_of(self.app.app_dir), self.app.registry.password)


def live_slot(app_dir: Path) -> str:
    """Return the slot that the proxy of the app in *app_dir* sends users to."""
    try:
        slot = os.path.basename(os.readlink(str(app_dir / "proxy" / "live")))
    except OSError:
        return OWN
    return slot if slot in SLOTS else OWN


def mask_of(app_dir: t.Optional[Path], containers: t.Sequence[Container] = (), *more: t.Optional[str]) -> _mask.Mask:
    """Return what hides an app's secrets: of its files, of what its containers were started with, and *more*."""
    values: t.Dict[str, str] = {}
    for number, container in enumerate(containers):
        for pair in container.env:
            key, _equals, value = pair.partition("=")
            # One name may have another value in each container.
            values[f"{number}_{key}"] = value
    return _mask.Mask.of_env({**values, **(env_of(app_dir) if app_dir is not None else {})}, *more)


def env_of(app_dir: Path) -> t.Dict[str, str]:
    """Return the environment of the app in *app_dir*, as it is now and as its current release had it."""
    releases = Releases(app_dir)
    current = releases.current()
    snapshot = _mask.read_env(releases.env_file(current.id)) if current is not None else {}
    return {**snapshot, **_mask.read_env(app_dir / ".env")}


@dataclass(frozen=True)
class Observation:
    """One look at a host.

    ``attempted`` is a release that a run began to switch to and never finished with; ``unfinished`` is the
    journal's line of that switch. ``live`` is the slot that users reach.
    """

    current: t.Optional[Release]
    managed: bool
    containers: t.Tuple[Container, ...]
    drift: t.Tuple[str, ...]
    unfinished: t.Optional[Entry]
    attempted: t.Optional[str]
    damaged: t.Tuple[str, ...]
    live: str = OWN

    def of(self, service: str) -> t.List[Container]:
        """Return the containers of one service that users reach."""
        return [c for c in self.containers if c.service == service and c.slot == self.live]

    def describe(self, services: t.Iterable[str]) -> str:
        """Say in words what runs now."""
        parts = []
        for name in sorted(services):
            up = [c for c in self.of(name) if c.running]
            bad = len(self.of(name)) - len(up)
            images = ", ".join(sorted({_short(c.image_reference) for c in up})) or "nothing"
            parts.append(f"{name} runs {images}" + (f" ({bad} not running)" if bad else ""))
        where = f"current is {self.current.id} ({self.current.state})" if self.current else "no release is current"
        return f"On this host {where}; {'; '.join(parts)}."


def observe(host: Host) -> Observation:
    """Look at a host without changing anything."""
    current = host.releases.current()
    lost = lost_link(host) if current is None else None
    current = current or lost
    containers = tuple(host.docker.containers(host.app.project))
    unfinished = host.journal.unfinished_switch()
    drift = _drift(host, current, containers) if current else []
    if lost is not None:
        drift.append(f"the link to the current release is lost; it led to {lost.id}")
    return Observation(
        current=current,
        managed=host.releases.managed(),
        containers=containers,
        drift=tuple(drift),
        unfinished=unfinished,
        attempted=_attempted(host, current, containers, unfinished),
        damaged=tuple(host.releases.damaged()),
        live=host.live_slot(),
    )


def lost_link(host: Host) -> t.Optional[Release]:
    """Return what is current where the link to it is lost: what was live last, if its slot is what users reach.

    Where it is the record that is lost, what was live before it is another release: then there is none.
    """
    if host.releases.current() is not None or host.releases.is_linked():
        return None
    newest = host.releases.newest_live()
    return newest if newest is not None and newest.slot == host.live_slot() else None


def way_back(host: Host, seen: Observation) -> t.Optional[Release]:
    """Return the release that a rollback was on its way to when its run was killed."""
    unfinished = seen.unfinished or {}
    if unfinished.get("action") not in ("rollback", "revert", "switch_back") or seen.current is None:
        return None
    return host.releases.find(unfinished.get("release"))


def of_release(release: Release, containers: t.Sequence[Container]) -> t.List[Container]:
    """Return the containers of the switched services in the slot of *release*."""
    return [c for c in containers if c.slot == release.slot and c.service in release.images]


def runs(
    release: Release,
    model: t.Optional[_compose.Model],
    containers: t.Sequence[Container],
    services: t.Optional[t.Collection[str]] = None,
) -> t.List[str]:
    """Return in how many ways the containers are not what *release* says; nothing when they are.

    Only *services* are looked at where they are given.
    """
    found: t.List[str] = []
    ours = of_release(release, containers)
    for service, image in sorted(release.images.items()):
        if services is not None and service not in services:
            continue
        present = [c for c in ours if c.service == service]
        up = [c for c in present if c.running]
        foreign = sorted({_short(c.image_reference) for c in present if c.image_id != image.image_id})
        if foreign:
            found.append(f"{service} has a container of {', '.join(foreign)} instead of {_short(image.reference)}")
        others = sorted({c.release for c in present if c.release and c.release != release.id})
        if others and not foreign:
            found.append(f"{service} runs with the configuration of release {', '.join(others)}")
        wanted = _compose.replicas(model, service) if model else 1
        if len(up) != wanted:
            found.append(f"{service} has {len(up)} running containers instead of {wanted}")
    return found


def shared(app: App, release: Release) -> t.List[str]:
    """Return the services of *release* of which two may run at once."""
    return [name for name in sorted(release.images) if not app.option(name).exclusive]


def is_warm(host: Host, release: Release, containers: t.Sequence[Container]) -> bool:
    """Tell whether *release* runs in its slot, healthy and complete but for what may not run twice."""
    model = _compose.load(host.releases.compose_file(release.id))
    names = shared(host.app, release)
    ours = [c for c in of_release(release, containers) if c.service in names]
    return (
        model is not None
        and not runs(release, model, containers, names)
        and all(c.running and c.health in (None, "healthy") for c in ours)
    )


def _drift(host: Host, current: Release, containers: t.Sequence[Container]) -> t.List[str]:
    model = _compose.load(host.releases.compose_file(current.id))
    found = runs(current, model, containers)
    live = host.live_slot()
    if live != current.slot:
        found.append(f"the proxy sends users to slot {live}, not to {current.slot}, where {current.id} runs")
    if current.started:
        # A container that lacks our label was started by hand, from whatever the app's own file says today.
        unlabelled = sorted({c.service for c in of_release(current, containers) if c.release is None})
        if unlabelled and not found:
            found.append(f"{', '.join(unlabelled)} was started by hand, not by a release")
    if model is None:
        found.append(f"the Compose file of release {current.id} is missing or damaged")
    return found + _beside(host, current, containers)


def _beside(host: Host, current: Release, containers: t.Sequence[Container]) -> t.List[str]:
    """Return which switched services run in the app's own project though no release of this host put them there."""
    before = host.releases.find(current.came_from)
    if OWN in (current.slot, before.slot if before else None):
        return []
    extra = sorted({c.service for c in containers if c.slot == OWN and c.service in current.images and c.running})
    return [f"{', '.join(extra)} was started by hand in the app's own project; users do not reach it"] if extra else []


def _attempted(
    host: Host, current: t.Optional[Release], containers: t.Sequence[Container], unfinished: t.Optional[Entry]
) -> t.Optional[str]:
    if unfinished is not None and unfinished.get("action") == "deploy":
        return str(unfinished.get("release"))
    # Where the journal was lost, the labels still tell of a deploy that went half way.
    for name in sorted({c.release for c in containers if c.release}, reverse=True):
        release = host.releases.find(name)
        if release is not None and release.state == _states.PREPARED and (current is None or current.id != name):
            return name
    return None


def _short(reference: str) -> str:
    """Shorten a digest for the eye."""
    name, at, digest = reference.partition("@sha256:")
    if at:
        return f"{name}@{digest[:12]}"
    return reference[:19] if reference.startswith("sha256:") else reference
