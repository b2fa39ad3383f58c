# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event: one thing that somebody did or saw, on one line of JSON, with the times at which it began and ended."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import re
import sys
import time
import typing as t
from datetime import UTC, datetime

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock

#: What :func:`event` makes and :func:`read` returns: every key is there, and of the type that the writer gave it.
Event = dict[str, t.Any]
Actor = dict[str, str]

CONTROLLER = "controller"
#: Things that take time: they have no end until one is written.
LASTING = ("run", "step", "journal", "smoke", "probe", "flag", "logs", "notification")
#: Things that are over when they are written.
INSTANT = ("opened", "fields", "state", "clock", "release", "lease", "note", "checklist", "action", "merged", "trouble")
KINDS = LASTING + INSTANT
#: What a run of events goes through. It only goes forward.
STATES = ("opened", "mitigated", "resolved", "closed")
#: A line longer than this is no line of ours: what is large is evidence, and lies in a file of its own.
LINE_CAP = 1024 * 1024
#: More seconds, bytes or lines than that were never measured.
_MOST = 1e15

_EVIDENCE = re.compile(r"evidence/[A-Za-z0-9_][A-Za-z0-9._-]{0,150}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STAMP_LENGTH = len("2026-01-02T03:04:05.678Z")
_DEEPEST = 100
_NAMES = ("host", "run", "step", "outcome", "boot")


def new_id() -> str:
    """Return an ID that no other event has."""
    return os.urandom(6).hex()


def now() -> str:
    """Return the time now, as every record has it."""
    return _clock.stamp(_clock.utc_now())


def moment(stamp: str) -> datetime:
    """Read a time of an event."""
    return datetime.fromisoformat(stamp)


@functools.cache
def boot_id() -> str | None:
    """Return what names this boot of the controller: within one, ``mono`` tells the order whatever the clock does."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            return handle.read().strip() or None
    except (OSError, ValueError):
        return None


def tool() -> Actor:
    """Return the actor of what the collection does by itself."""
    return {"kind": "tool", "name": "pangeafate.hotfix"}


def human(name: str) -> Actor:
    """Return the actor of what somebody did or said."""
    return {"kind": "human", "name": name}


def probe() -> Actor:
    """Return the actor of what the availability probe saw."""
    return {"kind": "probe", "name": "availability probe"}


def _written() -> Event:
    return {"recorded": now(), "mono": time.monotonic(), "boot": boot_id()}


def _difference(at: str, end: str | None) -> float | None:
    """Return the seconds between; ``None`` where a clock that was set back makes them negative."""
    if end is None:
        return None
    try:
        seconds = (moment(end) - moment(at)).total_seconds()
    except (TypeError, ValueError):
        return None
    return round(seconds, 3) if seconds >= 0 else None


def event(
    kind: str,
    *,
    text: str,
    actor: Actor,
    host: str | None = None,
    run: str | None = None,
    step: str | None = None,
    outcome: str | None = None,
    at: str | None = None,
    end: str | None = None,
    seconds: float | None = None,
    clock: str = CONTROLLER,
    evidence: t.Sequence[t.Mapping[str, t.Any]] = (),
    data: t.Mapping[str, t.Any] | None = None,
    event_id: str | None = None,
) -> Event:
    """Make an event. *at* is now where it is not given.

    Without *end*, what takes time (:data:`LASTING`) has begun and is not known to have ended; give the same *event_id*
    again with an end, or use :func:`ended`. What takes none ends as it begins.
    """
    written = _written()
    at = at or written["recorded"]
    if end is None and kind in INSTANT:
        end = at
    return {
        "id": event_id or new_id(),
        "kind": kind,
        "at": at,
        "end": end,
        "seconds": _difference(at, end) if seconds is None else seconds,
        "clock": clock,
        "actor": dict(actor),
        "host": host,
        "run": run,
        "step": step,
        "outcome": outcome,
        "text": text,
        "evidence": [dict(one) for one in evidence],
        "data": dict(data or {}),
        **written,
    }


def ended(
    begun: Event,
    *,
    outcome: str | None = None,
    text: str | None = None,
    end: str | None = None,
    seconds: float | None = None,
    evidence: t.Sequence[t.Mapping[str, t.Any]] = (),
    data: t.Mapping[str, t.Any] | None = None,
) -> Event:
    """Return *begun* whole, under its ID. The steady clock tells how long it took, where this boot saw it begin."""
    written = _written()
    if seconds is None and end is None and begun["boot"] is not None and begun["boot"] == written["boot"]:
        seconds = round(written["mono"] - begun["mono"], 3)
    end = end or written["recorded"]
    return {
        **begun,
        "end": end,
        "seconds": _difference(begun["at"], end) if seconds is None else seconds,
        "outcome": outcome or begun["outcome"],
        "text": text or begun["text"],
        "evidence": [*begun["evidence"], *(dict(one) for one in evidence)],
        "data": {**begun["data"], **(data or {})},
        **written,
    }


def _plain(value: t.Any, depth: int = 0) -> t.Any:
    """Return *value* as JSON can hold it: no number that is none, keys of text, an end to it."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, t.Mapping):
        return {str(key): _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, bool, int)) else str(value)


def canonical(event: t.Any) -> bytes:
    """Return the one spelling in which equal content is equal bytes: sorted, compact, ASCII, one line."""
    options: dict[str, t.Any] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    try:
        text = json.dumps(event, **options)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(_plain(event), **options)
    return text.encode("ascii")


def journal_id(host: str, entry: t.Mapping[str, t.Any]) -> str:
    """Return the ID of what a host's journal says: collected twice, it is one event."""
    return "j-" + hashlib.sha256(host.encode("utf-8", "replace") + b"\n" + canonical(entry)).hexdigest()[:16]


def identity(event: Event) -> bytes:
    """Return what two records have in common of an event. A copy of its evidence may bear another name there."""
    shown = {**event, "evidence": sorted(one["sha256"] for one in event["evidence"])}
    return hashlib.sha256(canonical(shown)).digest()


def supersedes(new: Event, old: Event) -> bool:
    """Tell which of two events of one ID counts: the whole one, then the one that was written last."""
    if (new["end"] is None) != (old["end"] is None):
        return new["end"] is not None
    if new["boot"] is not None and new["boot"] == old["boot"] and None not in (new["mono"], old["mono"]):
        return bool(new["mono"] >= old["mono"])
    return bool(new["recorded"] >= old["recorded"])


def is_evidence_path(path: t.Any) -> bool:
    """Tell whether *path* is a file directly in the folder of evidence, whatever a record says."""
    return isinstance(path, str) and _EVIDENCE.fullmatch(path) is not None


def _refuse(name: str) -> t.NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def read(line: bytes) -> Event | None:
    """Return the event on a line; ``None`` where there is no whole one. Records of others come here too."""
    if len(line) > LINE_CAP:
        return None
    try:
        found = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return _sound(found) if isinstance(found, dict) else None


def _stamp(value: t.Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            return None
        return value if len(value) == _STAMP_LENGTH and value[-1] == "Z" else _clock.stamp(at.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def number(value: t.Any) -> float | None:
    """Return *value* where it is a number, and neither infinite nor larger than anything that is ever measured."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and -_MOST < value < _MOST else None


#: What an actor may be.
_ACTORS = ("human", "tool", "probe")


@functools.lru_cache(maxsize=1024)
def _actor(kind: str, name: str) -> Actor:
    # Shared by all events of one actor, as their names are: a hundred thousand fit into little memory.
    return {"kind": kind, "name": name}


def _actor_of(value: t.Any) -> Actor:
    kind, name = (value.get("kind"), value.get("name")) if isinstance(value, dict) else (None, None)
    return _actor(kind if kind in _ACTORS else "unknown", name if isinstance(name, str) else "unknown")


def _reference(value: t.Any) -> t.Any:
    """Return a reference to evidence; ``None`` where it is none, or leads out of the folder."""
    if not isinstance(value, dict) or not is_evidence_path(value.get("path")):
        return None
    sha256, size, about = value.get("sha256"), value.get("bytes"), value.get("about")
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None or not isinstance(size, int):
        return None
    return {**value, "about": about if isinstance(about, str) else ""}


def _sound(found: dict[str, t.Any]) -> Event | None:
    """Return the event with all its keys, or ``None`` where it lacks what makes one."""
    identifier, kind, at, text = found.get("id"), found.get("kind"), _stamp(found.get("at")), found.get("text")
    if not isinstance(identifier, str) or not isinstance(kind, str) or not identifier or not kind or at is None:
        return None
    end = _stamp(found.get("end"))
    recorded = _stamp(found.get("recorded")) or at
    clock, evidence, data = found.get("clock"), found.get("evidence"), found.get("data")
    event: Event = {
        "id": identifier,
        "kind": sys.intern(kind),
        "at": at,
        "end": at if end == at else end,
        "seconds": number(found.get("seconds")),
        "clock": sys.intern(clock) if isinstance(clock, str) else CONTROLLER,
        "actor": _actor_of(found.get("actor")),
        "host": None,
        "run": None,
        "step": None,
        "outcome": None,
        "text": text if isinstance(text, str) else "",
        "evidence": [one for one in map(_reference, evidence) if one] if isinstance(evidence, list) else [],
        "data": data if isinstance(data, dict) else {},
        "recorded": at if recorded == at else recorded,
        "mono": number(found.get("mono")),
        "boot": None,
    }
    for name in _NAMES:
        value = found.get(name)
        if isinstance(value, str):
            event[name] = sys.intern(value)
    for name in found.keys() - event.keys():
        # A later version's key is kept.
        event[name] = found[name]
    return event
