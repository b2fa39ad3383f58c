# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs in what is released: differences between the hosts, changes by hand, switches that never ended."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import (
    NOTICE,
    SERIOUS,
    Fleet,
    Sign,
    Vars,
)

#: Such drift is a container that does not run, which is told with more of it.
_TOLD = re.compile(r"has \d+ running containers instead of \d+")
_DIGEST = 19


def signs(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    """Yield what stands out in the records of one host."""
    found = fleet.found(host, "release")
    if not found:
        return
    current = found.get("current") or {}
    about = {"version": current.get("version")}
    if not found["managed"]:
        detail = "Nothing is recorded of what runs, so there is nothing to roll back to."
        yield Sign("unmanaged", NOTICE, "No release is recorded", host, detail, ("adopt",))
    drift = [text for text in found["drift"] if not _TOLD.search(text)]
    if drift:
        detail = f"{'; '.join(drift)}."
        remedies = ("switch_back", "rollback", "deploy")
        yield Sign("drift", SERIOUS, "The host was changed by hand", host, detail, remedies, about)
    if found["damaged"]:
        detail = f"The records of {', '.join(found['damaged'])} cannot be read: a rollback cannot go there."
        yield Sign("damaged", SERIOUS, "Records of releases are damaged", host, detail, ("releases",))
    if found["unfinished"] and not found["lease"]:
        begun = found["unfinished"]
        detail = f"A {begun['action']} of {begun['release']} began and never ended, and nobody is at work."
        yield Sign(
            "unfinished", SERIOUS, "A change was left half done", host, detail, ("switch_back", "rollback"), about
        )
    if found["reverts_at"]:
        detail = f"{current.get('id')} reverts at {found['reverts_at']} unless it is confirmed."
        yield Sign("unconfirmed", NOTICE, "A release waits to be confirmed", host, detail, ("confirm",))
    if found["lease"]:
        yield Sign("lease", NOTICE, "Somebody is at work", host, f"It is held by {found['lease']}.", ("releases",))


def of_fleet(fleet: Fleet) -> t.Iterator[Sign]:
    """Yield what stands out when the hosts are held against each other."""
    releases = {host: found for host in fleet.hosts if (found := fleet.found(host, "release"))}
    differing = _differing(releases)
    if not differing:
        return
    newest = max(releases.values(), key=lambda found: str((found.get("current") or {}).get("id") or ""))
    version = (newest.get("current") or {}).get("version")
    for host, found in releases.items():
        current = found.get("current") or {}
        named = f"{current.get('id')} ({current.get('state')})" if current else "no recorded release"
        images = ", ".join(f"{name} {_images(found['runs'].get(name))}" for name in differing)
        detail = f"{named}; {images}."
        # Where the newer one could go back to what the others run, that is a way too.
        older = [other for other in releases.values() if _version(other) != _version(found)]
        back = ((found.get("back") or {}).get("version")) if _version(found) == version else None
        remedies = ["switch_back", "rollback"] if back and any(_version(one) == back for one in older) else []
        title = "The hosts do not run the same version"
        yield Sign("mixed", SERIOUS, title, host, detail, (*remedies, "deploy"), {"version": version})


def _version(found: Vars) -> str | None:
    return (found.get("current") or {}).get("version")


def _differing(releases: Vars) -> list[str]:
    """Return the services of which hosts run different images; one that runs nowhere on a host is told elsewhere."""
    by_service: dict[str, set[tuple[str, ...]]] = {}
    for found in releases.values():
        for service, images in found["runs"].items():
            if images:
                by_service.setdefault(service, set()).add(tuple(images))
    return sorted(service for service, images in by_service.items() if len(images) > 1)


def _images(images: t.Sequence[str] | None) -> str:
    return "+".join(one[:_DIGEST] for one in images or []) or "nothing"
