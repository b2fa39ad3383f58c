# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What is released on the host, where a rollback would go, and where the host was changed by hand."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _proxy, _timers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, Observation, is_warm, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release


def look(host: Host) -> Found:
    """Look; the containers are compared with what is recorded."""
    seen = observe(host)
    holder = host.lease.holder()
    back = host.releases.last_known_good(excluding=[seen.current.id] if seen.current else [])
    due = _timers.deadline(host)
    return {
        "managed": seen.managed,
        "current": _told(seen.current),
        "since": _since(seen.current),
        "live_slot": seen.live,
        "back": _told(back),
        "back_is_warm": back is not None and _switches(host) and is_warm(host, back, seen.containers),
        "drift": [*seen.drift, *_proxy.problems(host)] if seen.managed else [],
        "damaged": list(seen.damaged),
        "unfinished": _unfinished(seen),
        "reverts_at": due.at if due else None,
        "timers": _timers.told(host),
        "lease": holder.says() if holder else None,
        "runs": _runs(host, seen),
    }


def _switches(host: Host) -> bool:
    """Tell whether a rollback turns the proxy, and does not replace containers in place."""
    return host.app.strategy != "recreate" and _proxy.managed(host) is not None


def _told(release: t.Optional[Release]) -> t.Optional[Found]:
    if release is None:
        return None
    return {key: value for key, value in release.summary().items() if key not in ("images", "revisions")}


def _since(release: t.Optional[Release]) -> t.Optional[str]:
    """Return when it became live last."""
    moments = [str(one.get("at")) for one in release.history if one.get("state") == "live"] if release else []
    return moments[-1] if moments else None


def _unfinished(seen: Observation) -> t.Optional[Found]:
    entry = seen.unfinished
    return None if entry is None else {key: entry.get(key) for key in ("action", "release", "at", "owner", "step")}


def _runs(host: Host, seen: Observation) -> t.Dict[str, t.List[str]]:
    """Return the images that users reach, by service: what hosts are compared by."""
    return {name: sorted({one.image_id for one in seen.of(name) if one.running}) for name in sorted(host.app.services)}
