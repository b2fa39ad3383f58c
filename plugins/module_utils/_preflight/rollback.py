# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Whether a rollback would find what it needs: where to go, its images, and room on the disk."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._images import require_room
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    PASSED,
    SKIPPED,
    WARNING,
    Found,
    Look,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release

PART = "rollback"
#: Files that a rollback may have to make, records and the layers of its containers among them.
_INODES = 2000


def looks(host: Host, params: t.Mapping[str, t.Any]) -> t.List[Look]:
    """Return the looks of this part."""
    return [
        Look("rollback target", PART, "A rollback has nowhere to go.", lambda: _target(host)),
        Look(
            "rollback images",
            PART,
            "Once its containers are gone the release cannot be started again from what is on this host.",
            lambda: _images(host),
        ),
        Look(
            "disk",
            PART,
            "A rollback that has to start containers may not be able to, and a deploy is refused.",
            lambda: _disk(host, int(params["rollback_free_mb"]), int(params["min_free_mb"])),
        ),
    ]


def _goal(host: Host) -> Release:
    """Return where a rollback would go if the current release were the broken one."""
    if not host.releases.managed():
        raise HotfixError(
            "No release was ever recorded on this host.",
            next_step="record what runs (playbooks/adopt.yml), then deploy a version (playbooks/deploy.yml).",
        )
    current = host.releases.current()
    return host.releases.require_rollback_target(excluding=[current.id] if current else [])


def _target(host: Host) -> Found:
    goal = _goal(host)
    if _compose.load(host.releases.compose_file(goal.id)) is None:
        return Found(
            FAILED,
            f"The Compose file of {goal.id} is missing or damaged.",
            f"bring {host.releases.compose_file(goal.id)} back from a copy, or deploy that version again.",
        )
    if not os.access(str(host.releases.env_file(goal.id)), os.R_OK):
        return Found(
            FAILED,
            f"The configuration of {goal.id} cannot be read.",
            f"bring {host.releases.env_file(goal.id)} back from a copy, or deploy that version again.",
        )
    return Found(PASSED, f"It would go to {goal.id}.")


def _images(host: Host) -> Found:
    try:
        goal = _goal(host)
    except HotfixError:
        return Found(SKIPPED, "There is no release to go back to.")
    services = sorted(goal.images)
    found = host.docker.each(lambda name: host.docker.image(goal.images[name].image_id), services)
    gone = [name for name, image in zip(services, found) if image is None]
    if not gone:
        return Found(PASSED, f"All {len(services)} images of {goal.id} are on this host, by their IDs.")
    pulls = [f"docker pull {image.digest}" for image in (goal.images[name] for name in gone) if image.digest]
    listed = ", ".join(f"{name} ({goal.images[name].image_id[:19]})" for name in gone)
    return Found(
        FAILED,
        f"{len(gone)} of {len(services)} images of {goal.id} are gone from this host: {listed}.",
        f"bring them back ({'; '.join(pulls)})." if len(pulls) == len(gone) else "deploy that version once more.",
    )


def _disk(host: Host, least: int, wanted: int) -> Found:
    require_room(host, least)
    stat = os.statvfs(str(host.app.app_dir))
    # A file system without a fixed number of files says that it has none at all.
    if stat.f_files and stat.f_favail < _INODES:
        return Found(
            FAILED,
            f"The disk of {host.app.app_dir} has room for {stat.f_favail} more files only (inodes).",
            "remove what makes so many small files; 'df -i' shows the disk.",
        )
    try:
        require_room(host, wanted)
    except HotfixError as exc:
        return Found(WARNING, f"{exc.what} That is enough for a rollback, not for a deploy.", exc.next_step)
    free = stat.f_bavail * stat.f_frsize // (1024 * 1024)
    return Found(PASSED, f"{free} MB are free on the disk of {host.app.app_dir}.")
