# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was ordered, what failed and what the authority refused, and so what it would still take.

A file on the controller has one JSON document a line; the journals of the hosts hold the same, for operators who have
another controller.
"""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp

#: What Let's Encrypt issues: certificates of the very same names in seven days, and attempts that fail in an hour.
SAME_NAMES = (5, timedelta(days=7))
FAILURES = (5, timedelta(hours=1))

FREE, LAST, SPENT, FAILING, TOLD = "free", "last", "spent", "failing", "told"


def when_said(moment: datetime) -> str:
    """Return a moment as messages have it: never too early."""
    whole = moment.astimezone(UTC) + timedelta(seconds=59)
    return f"{whole:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Made:
    """One attempt: when, for which names, whether it failed, and until when the authority wants none after it."""

    at: datetime
    names: tuple[str, ...]
    failed: bool = False
    until: datetime | None = None
    order: str = ""


@dataclass(frozen=True)
class Standing:
    """What the authority would still take for some names. ``kind`` is one of the words above."""

    kind: str
    says: str = ""
    again: datetime | None = None

    @property
    def when(self) -> str:
        """Return from when on, in words."""
        return when_said(self.again) if self.again else "later"


def entry(
    names: t.Sequence[str], *, order: str = "", failed: bool = False, until: datetime | None = None, now: datetime
) -> dict[str, t.Any]:
    """Return an attempt as it is noted."""
    found: dict[str, t.Any] = {"at": stamp(now), "names": sorted(names), "order": order}
    if failed:
        found["failed"] = True
    if until is not None:
        found["until"] = stamp(until)
    return found


def note(path: str | None, one: t.Mapping[str, t.Any]) -> None:
    """Append an attempt to the file, which only its owner can read."""
    if not path:
        return
    file = Path(os.path.expanduser(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(str(file), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps(dict(one), sort_keys=True).encode("utf-8") + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str | None) -> list[Made]:
    """Return what the file holds; a line that is none of ours is left out."""
    file = Path(os.path.expanduser(path)) if path else None
    if file is None or not file.is_file():
        return []
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(_json.loads(line))
        except ValueError:
            continue
    return parsed(found)


def parsed(documents: t.Iterable[t.Any]) -> list[Made]:
    """Return the attempts that *documents* tell of, each once."""
    made: dict[tuple[t.Any, ...], Made] = {}
    for one in documents:
        try:
            at = _moment(one["at"])
            names = tuple(sorted(str(name) for name in one["names"]))
            until = _moment(one["until"]) if one.get("until") else None
        except (ValueError, KeyError, TypeError):
            continue
        failed, order = bool(one.get("failed")), str(one.get("order") or "")
        # File and journals tell of the same one.
        made.setdefault((order or stamp(at), names, failed, until), Made(at, names, failed, until, order))
    return sorted(made.values(), key=lambda one: one.at)


def _moment(text: t.Any) -> datetime:
    at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def standing(made: t.Sequence[Made], names: t.Sequence[str], now: datetime) -> Standing:
    """Say what would still be taken for *names*."""
    listed = ", ".join(names)
    told = max((one.until for one in made if one.until and set(one.names) & set(names)), default=None)
    if told is not None and told > now:
        return Standing(TOLD, f"The authority takes no more for {listed} before {when_said(told)}.", told)
    failed = sorted(
        one.at
        for one in made
        if one.failed and not one.until and set(one.names) & set(names) and now - one.at < FAILURES[1]
    )
    if len(failed) >= FAILURES[0]:
        again = failed[-FAILURES[0]] + FAILURES[1]
        return Standing(FAILING, f"{len(failed)} orders for {listed} failed within an hour.", again)
    issued = sorted(
        one.at
        for one in made
        if not one.failed and not one.until and one.names == tuple(sorted(names)) and now - one.at < SAME_NAMES[1]
    )
    if len(issued) >= SAME_NAMES[0]:
        again = issued[-SAME_NAMES[0]] + SAME_NAMES[1]
        return Standing(SPENT, f"{len(issued)} certificates for {listed} were issued within 7 days.", again)
    if len(issued) == SAME_NAMES[0] - 1:
        return Standing(LAST, f"One more certificate for {listed} is left in these 7 days.")
    return Standing(FREE)
