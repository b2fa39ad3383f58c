# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps what the services of a host wrote around an incident. It is called in a rescue, so it never raises."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, runs, store

Vars = t.Mapping[str, t.Any]
Event = events.Event


def wanted(run: Vars | None, host: str) -> tuple[store.Folder, str | None] | None:
    """Return the incident that lacks the logs of *host*, and the moment of the change by the host's clock."""
    try:
        about = runs.incident_of(run)
        if run is None or about is None:
            return None
        folder = store.Store(str(about["dir"])).of_run(str(run["id"]))
        if folder is None or not lacking(folder, host):
            return None
        return folder, _around(folder.events(), str(run["id"]), host)
    except Exception:
        return None


def lacking(folder: store.Folder, host: str) -> bool:
    """Tell whether an incident is open and has no logs of *host*."""
    try:
        return folder.state().is_open() and not any(_is_logs_of(host, line) for line in folder.raw())
    except Exception:
        return False


def _is_logs_of(host: str, line: bytes) -> bool:
    # A rollback may wait for this, so that only what may be meant is parsed.
    found = events.read(line) if b'"logs"' in line else None
    return found is not None and found["kind"] == "logs" and found["host"] == host


def _around(known: t.Sequence[Event], run: str, host: str) -> str | None:
    ours = [one for one in known if one["run"] == run and one["host"] == host]
    steps = [one for one in ours if one["kind"] == "journal"]
    deploys = any(one["kind"] == "step" and one["data"].get("action") == runs.DEPLOY for one in ours)
    if deploys:
        # What a release wrote since it was started is held against what was written before.
        first = [one["at"] for one in steps if one["step"] in ("start", "switch")]
        return min(first) if first else None
    ends = [one["end"] for one in steps if one["step"] in ("switch", "switch_flag", "restart") and one["end"]]
    return max(ends) if ends else None


def keep(
    folder: store.Folder, run: Vars, host: str, result: Vars, redact: t.Callable[[t.Any], t.Any]
) -> dict[str, t.Any]:
    """Keep the logs of a host as evidence; return what the task's result says of it."""
    if "services" not in result:
        why = str(result.get("msg") or "nobody said why").partition("\n")[0]
        return {"incident": folder.id, "trouble": f"What the services wrote could not be kept: {why}"}
    try:
        kept = 0
        for one in result.get("services") or []:
            folder.append(_event(folder, run, host, result, one, redact))
            kept += 1
    except Exception as exc:
        return {"incident": folder.id, "trouble": runs.why_of(exc)}
    return {"incident": folder.id, "services": kept}


def _event(
    folder: store.Folder, run: Vars, host: str, result: Vars, one: Vars, redact: t.Callable[[t.Any], t.Any]
) -> Event:
    service = str(one.get("service"))
    text = str(redact(one.get("text") or ""))
    evidence = []
    if text:
        name = store.evidence_name("logs", host, f"{service}.txt")
        evidence = [folder.add_evidence(name, text, f"the last lines of {service} on {host}")]
    data = {
        **{key: one.get(key) for key in ("service", "lines", "bytes", "cut", "errors_before", "errors_after", "new")},
        **{key: result.get(key) for key in ("since", "until")},
        "at": result.get("around"),
        "containers": one.get("containers"),
        "problems": one.get("problems"),
    }
    clock: Vars = result.get("clock") or {}
    event = events.event(
        "logs",
        text=f"{service} on {host}: {one.get('errors_before')} errors before, {one.get('errors_after')} after.",
        actor=events.tool(),
        host=host,
        run=str(run["id"]),
        at=runs.utc(clock.get("began")),
        end=runs.utc(clock.get("ended")) or events.now(),
        clock=host if clock.get("began") else events.CONTROLLER,
        evidence=evidence,
        data=data,
    )
    return runs.redacted(event, redact)
