# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What was so before: it is told apart from what is new, and is not blamed on a change that was made since."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    STATUSES,
    Report,
    Result,
)

#: The status that a check had at a target, by the names of both.
Before = t.Mapping[t.Tuple[str, str], str]

_MOST = 20_000_000
# How bad it is: one that answered wrongly before and does not answer at all now has become worse.
_RANK = {FAILED: 1, ERROR: 2}


def read(raw: t.Any) -> t.Optional[Before]:
    """Return what an earlier run found, as it was returned or saved; ``None`` when none is given."""
    if raw is None or raw == "":
        return None
    said = "baseline"
    if isinstance(raw, str):
        said = f"baseline {raw!r}"
        raw = _loaded(raw)
    listed = raw.get("results") if isinstance(raw, t.Mapping) else None
    if not isinstance(listed, list):
        raise BadInputError(
            f"{said} is no result of an earlier run: it has no results.",
            next_step="give the file that it saved, or what it returned.",
        )
    found: t.Dict[t.Tuple[str, str], str] = {}
    for one in listed:
        status = one.get("status") if isinstance(one, t.Mapping) else None
        if status not in STATUSES or "name" not in one or "target" not in one:
            raise BadInputError(
                f"{said} has a result without name, target and status.", next_step="give it as it was returned."
            )
        found[str(one["name"]), str(one["target"])] = str(status)
    return found


def _loaded(path: str) -> t.Any:
    try:
        with open(path, encoding="utf-8") as stream:
            return json.loads(stream.read(_MOST))
    except (OSError, ValueError, RecursionError) as exc:
        raise BadInputError(
            f"baseline {path!r} cannot be read: {exc}.", next_step="correct it: a file that an earlier run saved."
        ) from exc


def judge(report: Report, before: t.Optional[Before]) -> None:
    """Mark in *report* what was so before, and what a check of an incident may do before its fix.

    Without a baseline this is a look before the fix: whatever a check of the incident does is not held against the app.
    With one, it must pass.
    """
    report.compared = before is not None
    for one in report.results:
        one.before = None if before is None else before.get((one.name, one.target))
        one.known = one.status in _RANK and (before is None if one.verify else _not_worse(one))


def _not_worse(one: Result) -> bool:
    return one.before in _RANK and _RANK[one.status] <= _RANK[str(one.before)]
