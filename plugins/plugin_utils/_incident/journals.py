# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the hosts' own journals tell of a run, as events of the incident record."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, runs

Vars = t.Mapping[str, t.Any]
Event = events.Event


def journal_events(host: str, entries: t.Sequence[Vars]) -> list[Event]:
    """Return the events that a host's journal tells of. Collected twice, they have the same IDs."""
    found: list[Event] = []
    begun: dict[tuple[t.Any, ...], int] = {}
    for entry in entries:
        key = tuple(entry.get(name) for name in ("run", "action", "step", "fencing", "flag"))
        if entry.get("phase") == "end" and key in begun:
            place = begun.pop(key)
            found[place] = _journal_event(host, found[place]["data"]["entry"], entry)
            continue
        made = _journal_event(host, entry, None)
        if made is None:
            continue
        if entry.get("phase") == "begin":
            begun[key] = len(found)
        found.append(made)
    return [one for one in found if one is not None]


def lacking(found: t.Iterable[Event], known: t.Iterable[Event]) -> list[Event]:
    """Return those of *found* that *known* does not hold yet from their beginning to their end."""
    whole = {one["id"] for one in known if one["kind"] == "journal" and one["end"] is not None}
    return [one for one in found if one["id"] not in whole]


def _journal_event(host: str, entry: Vars, ending: Vars | None) -> t.Any:
    at = runs.utc(entry.get("at"))
    if not isinstance(entry.get("at"), str) or at is None:
        return None
    step, action = str(entry.get("step") or "entry"), str(entry.get("action") or "")
    lasting = entry.get("phase") == "begin"
    last = ending if ending is not None else (None if lasting else entry)
    subject = entry.get("flag") or entry.get("release")
    text = str(entry.get("text") or f"{action}: {step}{f' ({subject})' if subject else ''}".strip(": "))
    if ending is not None and ending.get("why"):
        text = f"{text}: {ending['why']}"
    finish = runs.utc(last.get("at")) if last is not None else None
    seconds = last.get("seconds") if last is not None else None
    return events.event(
        "journal",
        event_id=events.journal_id(host, entry),
        text=runs.sentence(text),
        actor=events.tool(),
        host=host,
        run=str(entry["run"]) if entry.get("run") else None,
        step=step,
        outcome=str(last["outcome"]) if last is not None and last.get("outcome") else None,
        at=at,
        end=finish,
        seconds=seconds if isinstance(seconds, (int, float)) else None,
        clock=host,
        data={"entry": dict(entry), "end_entry": dict(ending) if ending is not None else None},
    )


def takeovers(run: str, host: str, entries: t.Sequence[Vars]) -> list[Event]:
    """Return the leases that the run took over on a host."""
    found = []
    for entry in entries:
        if entry.get("run") == run and entry.get("taken_over"):
            data = {
                "taken_by": entry.get("owner"),
                "held_by": entry.get("held_by"),
                "since": entry.get("held_since"),
            }
            found.append(
                events.event(
                    "lease",
                    event_id="l-" + events.journal_id(host, entry)[2:],
                    text=runs.sentence(entry.get("text") or "The lease was taken over."),
                    actor=events.human(str(entry.get("owner") or "unknown")),
                    host=host,
                    run=run,
                    at=runs.utc(entry.get("at")),
                    clock=host,
                    data=data,
                )
            )
    return found
