# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checklists of the procedure. An item is ticked by evidence or by somebody's name, and by nothing else.

What was found last counts: a check that fails later takes its tick back, and the item says so.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import timedelta

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.fold import Incident, number, text_of

Row = dict[str, t.Any]

IMMEDIATE, TWO_HOURS, DAY, VERIFICATION = "immediate", "within_2_hours", "within_24_hours", "verification"

#: The lists as the procedure has them: title, seconds from the moment that users were back, items.
LISTS: dict[str, tuple[str, float | None, dict[str, str]]] = {
    IMMEDIATE: (
        "Immediate (< 30 minutes)",
        30 * 60.0,
        {
            "fix_verified": "Verify fix resolves the issue completely",
            "smoke_passed": "All smoke tests pass",
            "performance": "Performance is normal (check monitoring)",
            "no_new_errors": "No new errors in logs",
            "customers_told": "Customer-facing communications sent (if applicable)",
        },
    ),
    TWO_HOURS: (
        "Within 2 Hours",
        2 * 3600.0,
        {
            "pull_request": "Create proper PR for the hotfix",
            "merged_back": "Merge hotfix back to main branch",
            "documentation": "Update documentation if needed",
            "post_mortem_scheduled": "Schedule post-mortem meeting",
            "monitoring": "Update monitoring/alerting if gaps identified",
        },
    ),
    DAY: (
        "Within 24 Hours",
        24 * 3600.0,
        {
            "post_mortem": "Conduct post-mortem",
            "root_cause": "Document root cause",
            "prevention": "Implement preventive measures",
            "runbooks": "Update runbooks",
            "monitoring_coverage": "Review monitoring coverage",
        },
    ),
    VERIFICATION: (
        "Recovery Verification",
        None,
        {
            "page": "Homepage loads",
            "health": "API health check returns 200",
            "create": "Can create new document",
            "view": "Can view existing document",
            "edit": "Can edit document (if applicable)",
            "cors": "CORS headers present",
            "console": "No JavaScript errors in console",
            "api_time": "API response time < 500ms",
            "page_time": "Page load time < 3 seconds",
            "memory": "No memory leaks",
            "database": "Database queries completing normally",
        },
    ),
}

# The types of check that tell something about an item.
_TYPES = {
    "page": "page",
    "health": "health",
    "create": "crud",
    "view": "crud",
    "edit": "crud",
    "cors": "cors",
    "console": "browser",
    "api_time": "latency",
    "page_time": "page",
    "memory": "memory",
    "database": "database",
}
_API_TIME, _PAGE_TIME = 0.5, 3.0
#: Performance is normal with at least so many good samples, and not slower than so many times what it was.
_SAMPLES, _TIMES = 20, 1.5


@dataclass(frozen=True)
class Found:
    """What evidence says of an item: True, False, or None where it says nothing."""

    good: bool | None
    note: str = ""
    at: str | None = None
    proof: tuple[str, ...] = ()


def items() -> dict[str, str]:
    """Return the text of every item by its key."""
    return {key: text for _title, _seconds, part in LISTS.values() for key, text in part.items()}


def checklists(incident: Incident, latency: t.Mapping[str, t.Any], probe: str, now: str) -> list[Row]:
    """Return the lists. *latency* is the report's, *probe* the event of the probe, *now* a time of a record."""
    counted_from = _counted_from(incident)
    evidence = _evidence(incident, latency, probe, counted_from)
    ticks = _ticks(incident)
    found = []
    for key, (title, seconds, part) in LISTS.items():
        due = None if seconds is None or counted_from is None else later(counted_from, seconds)
        rows = [_item(name, text, evidence.get(name, Found(None)), ticks.get(name)) for name, text in part.items()]
        late = due is not None and now > due and not all(row["done"] for row in rows)
        found.append(
            {
                "key": key,
                "title": title,
                "counted_from": None if seconds is None else counted_from,
                "due": due,
                "overdue": late,
                "items": rows,
            }
        )
    return found


def later(at: str, seconds: float) -> str:
    """Return the time so many seconds later."""
    return _clock.stamp(E.moment(at) + timedelta(seconds=seconds))


def _counted_from(incident: Incident) -> str | None:
    """Return when users were back; an end that nobody called mitigated counts as well."""
    for state in ("mitigated", "resolved", "closed"):
        at = incident.times[state].at
        if at is not None:
            return at
    return None


def _ticks(incident: Incident) -> dict[str, E.Event]:
    """Return what people said of each item last."""
    return {text_of(event["data"].get("item")): event for event in incident.of("checklist")}


def _item(key: str, text: str, found: Found, said: E.Event | None) -> Row:
    """Put together what evidence and people say; the newer one counts."""
    row: Row = {"key": key, "text": text, "done": False, "by": None, "at": None, "proof": [], "note": found.note}
    newer = said is not None and (found.good is None or found.at is None or said["at"] >= found.at)
    if said is not None and newer:
        done = said["data"].get("done") is not False
        name = text_of(said["data"].get("by")) or said["actor"]["name"]
        row["proof"] = [said["id"]]
        if done:
            against = f"By name; the evidence before says otherwise: {found.note}." if found.good is False else ""
            return {**row, "done": True, "by": E.human(name), "at": said["at"], "note": against}
        return {**row, "note": f"Taken back by {name} at {said['at']}."}
    if found.good is None:
        return row
    row["proof"] = list(found.proof)
    if found.good:
        return {**row, "done": True, "by": E.tool(), "at": found.at}
    if said is not None and said["data"].get("done") is not False:
        row["note"] = (
            f"Ticked by {said['actor']['name']} at {said['at']}; evidence found since says otherwise: {found.note}."
        )
    return row


# -------------------------------------------------------------------- evidence


def _evidence(incident: Incident, latency: t.Mapping[str, t.Any], probe: str, since: str | None) -> dict[str, Found]:
    looks = [
        event for event in incident.of("smoke") if event["data"].get("when") != "before" and event["end"] is not None
    ]
    found = {key: _of_type(looks, key, kind) for key, kind in _TYPES.items()}
    found["post_mortem_scheduled"] = Found(None, "post-mortem.ics is a proposal, and no meeting yet")
    if since is None:
        waiting = Found(None, "counts from the moment that users are back")
        return {**found, **dict.fromkeys(("fix_verified", "smoke_passed", "performance", "no_new_errors"), waiting)}
    # Made for a mitigation, they end before it is called one.
    return {
        **found,
        "smoke_passed": _smoke(looks),
        "fix_verified": _fix(looks),
        "performance": _performance(incident, latency, probe, since),
        "no_new_errors": _errors(incident),
    }


def _results(event: E.Event) -> list[dict[str, t.Any]]:
    given = event["data"].get("results")
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _names(results: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    return ", ".join(dict.fromkeys(text_of(one.get("name")) or "unnamed" for one in results))


def _bad(results: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return [one for one in results if one.get("status") in ("failed", "error")]


def _last_run_of_each_host(looks: t.Sequence[E.Event]) -> list[E.Event]:
    """Return the looks of the newest run at each host: a run may look from outside and on the host itself."""
    runs = {event["host"]: event["run"] for event in looks}
    return [event for event in looks if runs[event["host"]] == event["run"]]


def _smoke(looks: t.Sequence[E.Event]) -> Found:
    last = _last_run_of_each_host(looks)
    if not last:
        return Found(None, "no smoke checks were made")
    # A check that was made twice in a run counts as it came out the second time.
    newest = {
        (event["host"], text_of(one.get("name")), text_of(one.get("target"))): one
        for event in last
        for one in _results(event)
    }
    bad, verdicts = _bad(newest.values()), {event["host"]: str(event["data"].get("verdict")) for event in last}
    proof = tuple(event["id"] for event in last)
    at = max(event["end"] for event in last)
    if bad:
        return Found(False, f"bad: {_names(bad)}", at, proof)
    if set(verdicts.values()) != {"passed"}:
        return Found(False, f"the verdict is {', '.join(sorted(verdicts.values()))}", at, proof)
    made = sum(one.get("status") == "passed" for one in newest.values())
    if not made:
        return Found(None, "not one check was made")
    skipped = _names(one for one in newest.values() if one.get("status") == "skipped")
    return Found(True, f"{made} checks passed{f'; skipped: {skipped}' if skipped else ''}", at, proof)


def _fix(looks: t.Sequence[E.Event]) -> Found:
    """The checks that are marked as those that verify the fix, as they came out last."""
    for event in reversed(looks):
        verify = [one for one in _results(event) if one.get("verify") is True]
        if verify:
            good = all(one.get("status") == "passed" for one in verify)
            said = "passed" if good else "did not all pass"
            return Found(good, f"the checks that verify the fix {said}: {_names(verify)}", event["end"], (event["id"],))
    return Found(None, "no check is marked as one that verifies the fix (verify: true)")


def _performance(incident: Incident, latency: t.Mapping[str, t.Any], probe: str, since: str) -> Found:
    before, after = latency["before"], latency["after"]
    p95 = number(after["p95"])
    if p95 is None or after["samples"] < _SAMPLES:
        return Found(None, f"{after['samples']} samples after the last run; {_SAMPLES} tell something")
    ends = [event["end"] for event in incident.of("probe") if event["end"]]
    at = max([since, *ends])
    said = f"p95 {p95 * 1000:.0f} ms of {after['samples']} samples"
    proof = (probe,) if probe else ()
    if before["p95"] is None or before["samples"] < _SAMPLES:
        return Found(p95 < _API_TIME, f"{said}; before: not measured", at, proof)
    good = p95 < _API_TIME and p95 <= before["p95"] * _TIMES
    return Found(good, f"{said}; before: {before['p95'] * 1000:.0f} ms of {before['samples']}", at, proof)


def _errors(incident: Incident) -> Found:
    last: dict[tuple[str | None, str], E.Event] = {}
    for event in incident.of("logs"):
        last[event["host"], text_of(event["data"].get("service"))] = event
    if not last:
        return Found(None, "no logs were collected")
    unknown, worse = [], []
    for (host, service), event in last.items():
        before, after = number(event["data"].get("errors_before")), number(event["data"].get("errors_after"))
        where = f"{service} on {host}" if host else service
        if after is None or (before is None and after):
            unknown.append(where)
        elif event["data"].get("new"):
            worse.append(where)
    proof = tuple(event["id"] for event in last.values())
    at = max(event["end"] or event["at"] for event in last.values())
    if worse:
        return Found(False, f"new error lines: {', '.join(worse)}", at, proof)
    if unknown:
        return Found(None, f"not known: {', '.join(unknown)}")
    return Found(True, f"logs of {len(last)} services compared", at, proof)


def _of_type(looks: t.Sequence[E.Event], key: str, kind: str) -> Found:
    """What the newest checks of a type say, on every host."""
    made_of = [event for event in looks if any(one.get("type") == kind for one in _results(event))]
    last = _last_run_of_each_host(made_of)
    results = [one for event in last for one in _results(event) if one.get("type") == kind]
    if not results:
        return Found(None, f"no check of type {kind} was made")
    made = [one for one in results if one.get("status") != "skipped"]
    if not made:
        return Found(None, f"skipped: {text_of(results[0].get('message')) or 'no reason was given'}")
    at, proof = max(event["end"] for event in last), tuple(event["id"] for event in last)
    if bad := _bad(made):
        return Found(False, f"bad: {_names(bad)}", at, proof)
    if key != "page_time":
        return Found(True, f"passed: {_names(made)}", at, proof)
    seconds = [number(one.get("seconds")) for one in made]
    known = [one for one in seconds if one is not None]
    if len(known) < len(seconds):
        return Found(None, "how long it took is not in the record")
    return Found(max(known) < _PAGE_TIME, f"{max(known):.2f} s at the slowest", at, proof)
