# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What the journal knows of flags: who switched what, and whether the app kept it since."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import parse
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.instances import Instance
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import short
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Entry

ACTION = "feature_flag"
KEPT, LOST, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True)
class Switched:
    """The newest switch of one flag that the journal tells of. ``proven`` is false where it did not end well."""

    flag: str
    on: bool
    since: t.Optional[datetime]
    at: str
    operator: str
    reason: str
    provider: str
    proven: bool


def switches(entries: t.Iterable[Entry]) -> t.Dict[str, Switched]:
    """Return the newest switch of every flag, by name."""
    found: t.Dict[str, Switched] = {}
    for entry in entries:
        flag, state = entry.get("flag"), entry.get("state")
        if entry.get("action") != ACTION or not isinstance(flag, str) or state not in ("enabled", "disabled"):
            continue
        try:
            since = parse(str(entry.get("at")))
        except ValueError:
            since = None
        found[flag] = Switched(
            flag=flag,
            on=state == "enabled",
            since=since,
            at=str(entry.get("at")),
            operator=str(entry.get("owner") or "unknown"),
            reason=str(entry.get("reason") or ""),
            provider=str(entry.get("provider") or ""),
            proven=entry.get("phase") == "end" and entry.get("outcome") == "done",
        )
    return found


@dataclass(frozen=True)
class Survival:
    """Whether the flag outlives a restart and a release switch, and how that is known."""

    survives: str
    how: str
    why: str

    def as_dict(self) -> t.Dict[str, str]:
        """Return it as a result shows it."""
        return {"survives": self.survives, "how": self.how, "why": self.why}


def observed(
    last: t.Optional[Switched], values: t.Sequence[t.Tuple[Instance, t.Optional[bool]]]
) -> t.Optional[Survival]:
    """Judge by instances that were started after the flag was last switched, before anything is written again."""
    if last is None or last.since is None or not last.proven:
        return None
    younger = [(one, value) for one, value in values if one.started is not None and one.started > last.since]
    older = [(one, value) for one, value in values if one.started is not None and one.started <= last.since]
    if any(value is (not last.on) for _one, value in older):
        # Somebody switched it back: that tells nothing about restarts.
        return None
    turned = [one.name for one, value in younger if value is (not last.on)]
    kept = [one.name for one, value in younger if value is last.on]
    if turned:
        return Survival(
            LOST,
            "observed",
            f"{', '.join(turned)} was started after the flag was switched {short(last.on)} at {last.at}, "
            f"and evaluates it {short(not last.on)} again.",
        )
    if kept:
        return Survival(
            KEPT,
            "observed",
            f"{', '.join(kept)} was started after the flag was switched {short(last.on)} at {last.at}, "
            f"and still evaluates it {short(last.on)}.",
        )
    return None


def judged(seen: t.Optional[Survival], followed: str, declared: t.Optional[bool]) -> Survival:
    """Decide: what was observed counts before what was declared, and nothing is guessed."""
    if seen is not None:
        return seen
    if declared is not None:
        return Survival(
            KEPT if declared else LOST,
            "declared",
            "It is declared to outlive a restart (persistent)."
            if declared
            else "It is declared that the app loses it (persistent).",
        )
    if followed:
        return Survival(
            KEPT, "observed", f"Every instance took the value from {followed}, which a restart does not touch."
        )
    return Survival(UNKNOWN, "not observed", "No instance has been started since the flag was switched.")


def advice(survival: Survival, on: bool) -> t.Optional[str]:
    """Say what the operator has to know about restarts; nothing where the flag is kept."""
    if survival.survives == KEPT:
        return None
    if survival.survives == LOST:
        return (
            f"The app loses the flag at a restart or release switch: {survival.why} "
            f"Run this again after each, so that it is {short(on)} again."
        )
    return (
        f"Whether the flag stays {short(on)} over a restart or release switch is unknown: {survival.why} "
        "Look with feature_flag_info after the next one."
    )
