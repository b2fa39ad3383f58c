# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The images of a release: had, pinned, and kept on the host."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import replace

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import (
    MIGRATION_LABEL,
    REVISION_LABEL,
    LocalImage,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release

_MEGABYTE = 1024 * 1024


def record(local: LocalImage, reference: str, repository: str) -> Image:
    """Pin a local image: by the digest that *repository* has for it, else by its ID."""
    # The engine leaves out what stands for Docker Hub.
    short = re.sub(r"\A(?:docker\.io/)?(?:library/)?", "", repository)
    digests = sorted(d for d in local.digests if d.partition("@")[0] in (repository, short))
    return Image(
        reference=reference,
        image_id=local.id,
        digest=digests[0] if digests else None,
        migration=local.labels.get(MIGRATION_LABEL),
        revision=local.labels.get(REVISION_LABEL),
    )


def obtain(host: Host, version: str) -> t.Tuple[t.Dict[str, Image], t.List[str]]:
    """Pull *version* of every switched service, all at once; return the pinned images and what was odd.

    Where the registry cannot be asked, an image that is on the host already does.
    """
    app = host.app
    services = sorted(app.services)
    references = {service: f"{app.services[service]}:{version}" for service in services}
    notes: t.List[str] = []
    with host.docker.logged_in(app.app_dir, app.registry.server, app.registry.username, app.registry.password):
        refusals = host.docker.each(lambda s: host.docker.pull(references[s], timeout=app.pull_timeout), services)
    images = {}
    for service, refusal in zip(services, refusals):
        local = host.docker.image(references[service])
        if local is None:
            raise HotfixError(
                f"The image {references[service]} could not be pulled: {refusal or 'it is not on the host'}.",
                next_step="mend the access to the registry (hotfix_registry, hotfix_registry_username), "
                "then run this again.",
            )
        if refusal:
            notes.append(
                f"The registry could not be asked for {references[service]}; the image on this host was taken."
            )
        images[service] = record(local, references[service], app.services[service])
    return images, notes


def restore(host: Host, release: Release) -> None:
    """Make sure that the images of *release* are on the host; what is missing is pulled by digest."""
    _repin(host, release)
    missing = {name: image for name, image in release.images.items() if host.docker.image(image.pin) is None}
    if not missing:
        return
    app = host.app
    with host.docker.logged_in(app.app_dir, app.registry.server, app.registry.username, app.registry.password):
        for name, image in sorted(missing.items()):
            why = "no registry ever had it" if image.digest is None else None
            if image.digest is not None:
                why = host.docker.pull(image.digest, timeout=app.pull_timeout)
            if why:
                others = ", ".join(_others(host, release)) or "none"
                raise HotfixError(
                    f"The image of {name} in release {release.id} is gone from this host and cannot be pulled: {why}.",
                    next_step="bring the registry back, or go to a release whose images are here (-e "
                    f"release=ID; here: {others}).",
                )


def _repin(host: Host, release: Release) -> None:
    """Where only the name of an image is gone and its content is still here, let the release name the content."""
    path = host.releases.compose_file(release.id)
    renamed = {
        name: image
        for name, image in release.images.items()
        if image.digest and host.docker.image(image.digest) is None and host.docker.image(image.image_id) is not None
    }
    model = _compose.load(path) if renamed else None
    if model is None:
        return
    for name, image in renamed.items():
        release.images[name] = replace(image, digest=None)
    host.releases.save(release)
    pinned = _compose.pinned(model, {name: release.images[name] for name in renamed})
    _compose.write(path, pinned, release_id=release.id, services=release.images)


def absent(host: Host, release: Release) -> t.List[str]:
    """Return the services whose image of *release* is not on this host, under any name."""
    return [
        name
        for name, image in sorted(release.images.items())
        if host.docker.image(image.pin) is None and host.docker.image(image.image_id) is None
    ]


def _others(host: Host, release: Release) -> t.List[str]:
    return [r.id for r in host.releases.all() if r.id != release.id and r.was_confirmed and not absent(host, r)]


def require_room(host: Host, megabytes: int) -> None:
    """Raise when the disk has no room for a release and a rollback after it."""
    root = host.docker.run("info", "--format", "{{.DockerRootDir}}").strip()
    for folder in (str(host.app.app_dir), root):
        try:
            stat = os.statvfs(folder)
        except OSError:
            # The engine's folder may be out of sight for this user, or on another machine.
            continue
        free = stat.f_bavail * stat.f_frsize // _MEGABYTE
        if free < megabytes:
            raise HotfixError(
                f"Only {free} MB are free on the disk of {folder}, {megabytes} MB are wanted.",
                next_step="make room (docker image prune), or lower deploy_min_free_mb.",
            )


def retain(host: Host, good: int) -> None:
    """Let go of the images of all but the current and the last *good* releases before it; files and records stay."""
    current = host.releases.current()
    earlier = [r for r in host.releases.all() if r.is_good and (current is None or r.id != current.id)]
    wanted = earlier[:good] + ([current] if current else [])
    host.docker.drop_keepers(host.app.project, {i.image_id for release in wanted for i in release.images.values()})


def keep(host: Host, release: Release) -> None:
    """Keep the images of *release* from being pruned."""
    for image in sorted({image.image_id for image in release.images.values()}):
        host.docker.keep(host.app.project, image)
