# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The flags of a host: who sets them, what every instance evaluates, and what we switched off that is still off."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags import history
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.instances import Instance
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.switch import UnprovenError, World
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import Flags, closest, short, word
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import TroubleError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import HISTORY_BYTES

Result = t.Dict[str, t.Any]


def info(world: World, name: t.Optional[str]) -> Result:
    """Look at all flags, or at one, on every instance."""
    instances = world.instances()
    switched = history.switches(world.journal.newest(HISTORY_BYTES))
    names = [name] if name else sorted(switched) or [""]
    if not name and not world.reader.tells_names and not switched:
        raise HotfixError(
            "The instances are asked flag by flag, so all flags cannot be listed.",
            code="bad_input",
            next_step="name a flag, or give instances.path and instances.result that tell all flags.",
        )
    with ThreadPoolExecutor(max_workers=min(32, len(instances) + 1)) as pool:
        store_job = pool.submit(world.provider.read, names[0])
        jobs = [(one, pool.submit(_read, world, one, names)) for one in instances]
        seen = [(one, *job.result()) for one, job in jobs]
        store = store_job.result()
    listed = _flags(seen, store, bool(world.provider.store))
    if name:
        listed = _only(name, listed, [problem for _one, _flags_, problem in seen if problem])
    ours = [_ours(one, seen) for one in switched.values() if not one.on and (not name or one.flag == name)]
    problems = [problem.what for _one, _flags_, problem in seen if problem is not None]
    still = [one for one in ours if one["still_off"]]
    words = [f"{one['flag']} is off since {one['since']}, switched by {one['operator']}" for one in still]
    report = {
        "provider": world.provider_name,
        "flags": listed,
        "switched_off": ours,
        "instances": [
            {"name": one.name, "service": one.service, "id": one.id[:12], "address": one.where if one.ip else ""}
            for one in instances
        ],
        "notes": [_told(one) for one in ours]
        + [f"{flag} differs: {_by_instance(entry)}" for flag, entry in _split(listed)],
    }
    if problems:
        raise UnprovenError(
            f"Not every instance could be looked at: {'; '.join(p.rstrip('.') for p in problems)}.",
            next_step=next(problem.next_step for _one, _flags_, problem in seen if problem is not None),
            left="Nothing was changed.",
            report=report,
        )
    summary = f"{len(listed)} flags on {len(instances)} instances; " + ("; ".join(words) or "none is off by us") + "."
    return {**report, "outcome": "seen", "summary": summary}


Seen = t.Tuple[Instance, Flags, t.Optional[TroubleError]]


def _read(world: World, instance: Instance, names: t.Sequence[str]) -> t.Tuple[Flags, t.Optional[TroubleError]]:
    found: Flags = {}
    try:
        for name in names if not world.reader.tells_names else names[:1]:
            found.update(world.reader.read(instance, name))
    except TroubleError as exc:
        return found, exc
    return found, None


def _flags(seen: t.Sequence[Seen], store: Flags, has_store: bool) -> t.Dict[str, Result]:
    names = sorted({name for _one, flags, _problem in seen for name in flags} | set(store))
    return {
        name: {
            "store": word(store.get(name)) if has_store else None,
            "instances": {one.name: word(flags.get(name)) for one, flags, _problem in seen},
        }
        for name in names
    }


def _only(name: str, listed: t.Dict[str, Result], problems: t.Sequence[TroubleError]) -> t.Dict[str, Result]:
    if name in listed:
        return {name: listed[name]}
    if problems and not listed:
        raise problems[0]
    near = closest(name, listed)
    raise HotfixError(
        f"There is no flag {name!r}: {'the closest known: ' + ', '.join(near) if near else 'no flag at all is known'}.",
        code="bad_input",
        next_step=f"give the right name, as in -e flag={near[0]}." if near else "check where the flags are kept.",
    )


def _ours(switched: history.Switched, seen: t.Sequence[Seen]) -> Result:
    values = [(one, flags.get(switched.flag)) for one, flags, _problem in seen]
    on = sorted(one.name for one, value in values if value is True)
    unknown = sorted(one.name for one, value in values if value is None)
    survival = history.observed(switched, values)
    return {
        "flag": switched.flag,
        "since": switched.at,
        "operator": switched.operator,
        "reason": switched.reason,
        "provider": switched.provider,
        "proven": switched.proven,
        "still_off": not on and not unknown,
        "on_again_at": on,
        "unknown_at": unknown,
        "persistence": survival.as_dict() if survival else None,
    }


def _told(ours: Result) -> str:
    because = f" ({ours['reason']})" if ours["reason"] else ""
    said = f"{ours['flag']} was switched off at {ours['since']} by {ours['operator']}{because}"
    if ours["on_again_at"]:
        lost = " The app lost it there." if (ours["persistence"] or {}).get("survives") == history.LOST else ""
        return f"{said} and is on again at {', '.join(ours['on_again_at'])}.{lost}"
    if ours["unknown_at"]:
        return f"{said}; unknown at {', '.join(ours['unknown_at'])}."
    return f"{said} and is still off."


def _split(listed: t.Mapping[str, Result]) -> t.Iterator[t.Tuple[str, Result]]:
    for flag, entry in listed.items():
        if len(set(entry["instances"].values())) > 1:
            yield flag, entry


def _by_instance(entry: Result) -> str:
    return ", ".join(
        f"{name} {short(value == 'enabled')}" if value != "unknown" else f"{name} unknown"
        for name, value in entry["instances"].items()
    )
