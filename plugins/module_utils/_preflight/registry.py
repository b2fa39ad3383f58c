# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Whether the host may pull: the registry is asked for images by name, and none of them is fetched."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import FAILED, PASSED, Found, Look

PART = "registry"
#: A tag that nobody has. That the registry does not know it is an answer, and only who may pull gets that.
_NO_TAG = "hotfix-preflight-no-such-tag"
_UNKNOWN = ("manifest unknown", "no such manifest", "not found")


def looks(host: Host, docker: Docker) -> t.List[Look]:
    """Return the looks of this part."""
    return [
        Look(
            "registry pull",
            PART,
            "A version that is not on this host yet cannot be deployed. A rollback needs no registry.",
            lambda: _pull(host, docker),
        )
    ]


def _pull(host: Host, docker: Docker) -> Found:
    app = host.app
    current = host.releases.current()
    wanted = {}
    for service, repository in sorted(app.services.items()):
        image = current.images.get(service) if current is not None else None
        digest = image.digest if image is not None else None
        wanted[service] = digest if digest and digest.startswith(f"{repository}@") else f"{repository}:{_NO_TAG}"
    # Outside the app's folder: a disk that is full there is another matter.
    with docker.logged_in(
        Path(tempfile.gettempdir()), app.registry.server, app.registry.username, app.registry.password
    ):
        said = docker.each(lambda service: _trouble(docker, wanted[service]), sorted(wanted))
    bad = [f"{service}: {trouble}" for service, trouble in zip(sorted(wanted), said) if trouble]
    if bad:
        return Found(
            FAILED,
            f"Images cannot be had from the registry. {'; '.join(bad)}.",
            "see that the registry answers from this host, and check hotfix_registry, hotfix_registry_username and "
            "hotfix_registry_password.",
        )
    who = app.registry.username or "the SSH user's own login"
    return Found(PASSED, f"{app.registry.server or 'The registry'} lets {who} pull all {len(wanted)} images.")


def _trouble(docker: Docker, reference: str) -> str:
    """Return why *reference* cannot be had, or nothing."""
    try:
        docker.run("manifest", "inspect", reference)
    except CommandError as exc:
        text = (exc.output or exc.what).lower()
        unknown = any(sign in text for sign in _UNKNOWN)
        if unknown and reference.endswith(f":{_NO_TAG}"):
            return ""
        return " ".join((exc.output or exc.what).split()).rstrip(".")
    return ""
