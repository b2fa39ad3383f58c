# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""How long restarts took on this host, and what users noticed: ``restarts.json`` beside the journal."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

FRESH = "fresh"
IN_PLACE = "in_place"
#: How many restarts are remembered.
_MOST = 50

Entry = t.Dict[str, t.Any]


def _path(host: Host) -> Path:
    return host.app.app_dir / "restarts.json"


def entries(host: Host) -> t.List[Entry]:
    """Return the restarts that are remembered, oldest first. A damaged file has none."""
    found = _files.read_json(_path(host))
    return [one for one in found if isinstance(one, dict) and one.get("services")] if isinstance(found, list) else []


def _write(host: Host, found: t.Sequence[Entry]) -> None:
    _files.write_json(_path(host), list(found)[-_MOST:])


def add(host: Host, run: str, services: t.Collection[str], way: str, away: t.Optional[float]) -> None:
    """Remember a restart of *services*, which were *away* for so many seconds; what users noticed is not known yet."""
    entry = {
        "at": stamp(host.clock.now()),
        "run": run,
        "services": sorted(services),
        "way": way,
        "away": None if away is None else round(away, 3),
        "users": None,
    }
    _write(host, [*entries(host), entry])


def note_users(host: Host, run: str, users: t.Mapping[str, t.Any]) -> bool:
    """Add what users noticed of the restart of a run; tell whether there was one that this can be said of.

    A run that restarted by both ways says nothing of either.
    """
    found = entries(host)
    ours = [one for one in found if one.get("run") == run]
    if len(ours) != 1 or ours[0].get("users") == users:
        return False
    ours[0]["users"] = dict(users)
    _write(host, found)
    return True


def last_time(host: Host, services: t.Collection[str], way: str) -> str:
    """Say what the newest restart of the very same services by the same way took; or that it is unknown."""
    wanted = sorted(services)
    same = [one for one in entries(host) if one.get("services") == wanted and one.get("way") == way]
    if not same:
        return "How long that takes is unknown: it was never measured on this host."
    measured = next((one for one in reversed(same) if isinstance(one.get("users"), dict)), None)
    if measured is not None:
        return f"Last time, {measured.get('at')}, users noticed {_noticed(measured['users'])}."
    newest = same[-1]
    if isinstance(newest.get("away"), (int, float)):
        return f"Last time, {newest.get('at')}, it was away for {newest['away']:.1f} s; what users noticed is unknown."
    return f"Last time was {newest.get('at')}; what users noticed is unknown."


def _noticed(users: t.Mapping[str, t.Any]) -> str:
    lower, upper, failures = users.get("lower"), users.get("upper"), users.get("failures")
    if not lower and upper == 0:
        return "nothing" if not failures else f"no outage, but {failures} of their requests failed"
    if not isinstance(upper, (int, float)):
        return f"an outage of at least {float(lower or 0):.1f} s"
    return f"an outage of {float(lower or 0):.1f} to {upper:.1f} s"
