# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as data, by schemas/incident-report.schema.json. Markdown and HTML show it, and add nothing to it."""

from __future__ import annotations

import functools
import json
import re
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import checklists, timeline
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import impact as I
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.fold import (
    CHANGE,
    CRITERIA,
    Incident,
    Moment,
    fold,
    number,
    stamp_of,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder

Row = dict[str, t.Any]

SCHEMA = "pangeafate.hotfix/incident-report/1"
_ROOT = Path(__file__).resolve().parents[3]
# Of these the report shows no more than their text; they are most of a large record.
_SHOWN_BY_TEXT = frozenset(("journal", "step"))
_NOTHING: Row = {}
_NONE: list[Row] = []
_STATUSES = ("passed", "failed", "error", "skipped")
_WHEN = ("before", "after", "asked")
_TYPES = ("mitigate", "prevent", "process", "detect")
_HIT = ("failed", "refused", "unreachable", "unknown")


def build(folder: Folder, *, zone: str | None = None, generated: str | None = None) -> Row:
    """Return the report of the incident in *folder*, made from its events and evidence alone."""
    now = generated or E.now()
    incident = fold(_events(folder))
    count = len(incident.events)
    evidence = _evidence(incident, folder)
    whole = {one["path"] for one in evidence if one["intact"]}
    samples = I.read(incident, folder.path, lambda reference: reference["path"] in whole)
    times = {"first_sign": I.first_sign(incident, samples), **incident.times}
    shown_in = timeline.Zone(zone, incident.fields.get("zone"))
    impact = I.impact(incident, samples, times)
    lists = checklists.checklists(incident, impact["latency"], samples.event, now)
    report: Row = {
        "schema": SCHEMA,
        "id": folder.id,
        **_about(incident, folder),
        "headline": "",
        "zone": shown_in.row(times["opened"].at),
        "generated": now,
        "generator": f"pangeafate.hotfix {_version()}",
        "times": {name: {"at": one.at, "source": one.source} for name, one in times.items()},
        "impact": impact,
        "timeline": [],
        "availability": I.availability(samples),
        "before_after": _before_after(incident, impact["latency"], samples),
        "checks": _checks(incident),
        "logs": _logs(incident),
        "checklists": lists,
        "root_cause": _text(incident.fields.get("root_cause")),
        "contributing": _texts(incident.fields.get("contributing")),
        "actions": _actions(incident),
        "customer_message": _customer_message(incident, impact, times),
        "contacts": _contacts(incident.fields.get("contacts")),
        "notifications": _notifications(incident),
        "hosts": _hosts(incident),
        "remains": [],
        "evidence": evidence,
        "record_health": {
            "events": count,
            "damaged": folder.damaged,
            "sha256": folder.digest() if count else None,
            "troubles": [
                *map(str, incident.jumps),
                *(one["text"] for one in incident.of("trouble")),
                *samples.troubles,
            ],
            "merged": [_merged(one) for one in incident.of("merged")],
        },
    }
    report["headline"] = _headline(report)
    report["remains"] = _remains(report, incident, samples, shown_in)
    # Last: it takes the events away, each as its row is made.
    report["timeline"] = timeline.rows(incident, samples, shown_in)
    if report["availability"]:
        seen = report["availability"]
        seen["marks"] = timeline.marks(report["timeline"], seen["began"], seen["ended"])
    return report


def _events(folder: Folder) -> list[E.Event]:
    """Return the events as :meth:`Folder.events` does, without what no report shows: a large record must fit."""
    found: list[E.Event] = []
    places: dict[str, int] = {}
    for event in folder.each():
        if event["kind"] in _SHOWN_BY_TEXT:
            event["text"] = timeline.said(event)
            event["data"] = _NOTHING
        if not event["evidence"]:
            event["evidence"] = _NONE
        place = places.setdefault(event["id"], len(found))
        if place == len(found):
            found.append(event)
        elif E.supersedes(event, found[place]):
            found[place] = event
    return found


@functools.cache
def _version() -> str:
    """Return the version of this collection: as it was built, or as it lies in a checkout."""
    try:
        manifest = json.loads((_ROOT / "MANIFEST.json").read_text(encoding="utf-8"))
        return str(manifest["collection_info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        found = re.search(r"^version: *['\"]?([^'\"\s]+)", (_ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.M)
    except OSError:
        found = None
    return found[1] if found else "unknown"


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _texts(value: t.Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [_text(one) for one in value] if isinstance(value, list) else []


def _dicts(value: t.Any) -> list[Row]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _count(value: t.Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def _about(incident: Incident, folder: Folder) -> Row:
    said = incident.fields
    severity, criterion = _count(said.get("severity")), said.get("criterion")
    return {
        "title": _text(said.get("title")) or folder.id,
        "record": incident.record,
        "state": incident.state,
        "severity": severity if severity in (1, 2, 3, 4) else None,
        "criterion": {"key": criterion, "text": CRITERIA[criterion]}
        if isinstance(criterion, str) and criterion in CRITERIA
        else None,
        "environment": _text(said.get("environment")) or "unknown",
        "services": _texts(said.get("services")),
        "summary": _text(said.get("summary")),
        "reason": _text(said.get("reason")),
        "roles": [
            {"role": _text(one.get("role")), "name": _text(one.get("name"))} for one in _dicts(said.get("roles"))
        ],
    }


# ---------------------------------------------------------------------- tables


def _evidence(incident: Incident, folder: Folder) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for event in incident.events:
        for one in event["evidence"]:
            key = (one["path"], one["sha256"])
            if key not in found:
                found[key] = {
                    "path": one["path"],
                    "sha256": one["sha256"],
                    "bytes": _count(one.get("bytes")),
                    "about": one["about"],
                    "event": event["id"],
                    "intact": folder.intact(one),
                }
    return list(found.values())


def _checks(incident: Incident) -> list[Row]:
    found = []
    for event in incident.of("smoke"):
        when = event["data"].get("when")
        for one in _dicts(event["data"].get("results")):
            status = one.get("status")
            found.append(
                {
                    "name": _text(one.get("name")) or "unnamed",
                    "type": _text(one.get("type")) or "unknown",
                    "target": _text(one.get("target")) or event["host"],
                    "status": status if status in _STATUSES else "error",
                    "before": _text(one.get("before")) or None,
                    "message": _text(one.get("message")),
                    "seconds": number(one.get("seconds")),
                    "when": when if when in _WHEN else "asked",
                    "at": event["at"],
                    "event": event["id"],
                }
            )
    return found


def _logs(incident: Incident) -> list[Row]:
    return [
        {
            "host": event["host"],
            "service": _text(event["data"].get("service")) or "unknown",
            "errors_before": _count(event["data"].get("errors_before")),
            "errors_after": _count(event["data"].get("errors_after")),
            "new": _texts(event["data"].get("new")),
            "lines": _count(event["data"].get("lines")),
            "evidence": [one["path"] for one in event["evidence"]],
        }
        for event in incident.of("logs")
    ]


def _shown(value: t.Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _before_after(incident: Incident, latency: Row, samples: I.Samples) -> list[Row]:
    """Compare what was there before the first change with what is there after the last one."""
    rows = _releases(incident)
    flags: dict[tuple[str, str | None], Row] = {}
    for event in incident.of("flag"):
        name = _text(event["data"].get("name")) or "unknown"
        row = _row(f"flag {name}", event["host"], event["data"].get("before"), event["data"].get("after"), event)
        _widen(flags, (name, event["host"]), row)
    rows += flags.values()
    rows += [
        _row(
            f"error lines of {_text(event['data'].get('service'))}",
            event["host"],
            _count(event["data"].get("errors_before")),
            _count(event["data"].get("errors_after")),
            event,
        )
        for event in incident.of("logs")
    ]
    if samples.known:
        before, after = (
            None
            if latency[phase]["p95"] is None
            else f"{latency[phase]['p95'] * 1000:.0f} ms ({latency[phase]['samples']} samples)"
            for phase in ("before", "after")
        )
        if before or after:
            source = samples.source
            rows.append({"what": "latency p95", "host": None, "before": before, "after": after, "source": source})
    return rows


def _row(what: str, host: str | None, before: t.Any, after: t.Any, event: E.Event) -> Row:
    source = f"event {event['id']}"
    return {"what": what, "host": host, "before": _shown(before), "after": _shown(after), "source": source}


def _widen(rows: dict[t.Any, Row], key: t.Any, row: Row) -> None:
    """Keep the first before and the last after."""
    old = rows.get(key)
    if old is not None:
        row = {**row, "before": old["before"], "source": f"{old['source']}, {row['source'].removeprefix('event ')}"}
    rows[key] = row


def _releases(incident: Incident) -> list[Row]:
    found: dict[tuple[str | None, str], Row] = {}
    for event in sorted(incident.of("release"), key=lambda one: one["at"]):
        sides = [event["data"].get(name) for name in ("before", "after")]
        before, after = (one if isinstance(one, dict) else {} for one in sides)
        host = event["host"]
        name = _row("release", host, _named(before), _named(after), event)
        _widen(found, (host, "release"), name)
        images: list[Row] = [given if isinstance(given := one.get("images"), dict) else {} for one in (before, after)]
        for service in sorted({*images[0], *images[1]}):
            row = _row(f"image of {service}", host, images[0].get(service), images[1].get(service), event)
            _widen(found, (host, f"image of {service}"), row)
    return [found[key] for key in sorted(found, key=lambda one: (one[0] or "", one[1] != "release", one[1]))]


def _named(release: t.Mapping[str, t.Any]) -> str | None:
    names = [_text(release.get(name)) for name in ("version", "id") if release.get(name)]
    return " / ".join(dict.fromkeys(names)) or None


def _actions(incident: Incident) -> list[Row]:
    found: dict[str, Row] = {}
    for event in incident.of("action"):
        data = event["data"]
        key = _text(data.get("item")) or event["id"]
        old = found.get(key, {})
        kind = data.get("type", old.get("type"))
        found[key] = {
            "id": key,
            "text": _text(data.get("text")) or old.get("text") or event["text"],
            "owner": _text(data.get("owner", old.get("owner"))) or None,
            "due": _text(data.get("due", old.get("due"))) or None,
            "type": kind if kind in _TYPES else "prevent",
            "done": bool(data.get("done", old.get("done", False))),
        }
    return list(found.values())


def _contacts(given: t.Any) -> Row:
    given = given if isinstance(given, dict) else {}
    return {
        side: [
            {name: _text(one.get(name)) for name in ("role", "name", "phone", "email")}
            for one in _dicts(given.get(side))
        ]
        for side in ("technical", "business")
    }


def _notifications(incident: Incident) -> list[Row]:
    found = []
    for event in incident.of("notification"):
        data = event["data"]
        ok = data.get("ok")
        status, attempts, error = data.get("status"), _count(data.get("attempts")), _text(data.get("error"))
        many = "" if attempts is None else f"{attempts} attempt{'s' if attempts != 1 else ''}"
        parts = [_text(data.get("type")), "" if status is None else f"status {status}", many]
        said = ", ".join(part for part in parts if part)
        found.append(
            {
                "at": event["at"],
                "channel": _text(data.get("channel")) or "unknown",
                "about": _text(data.get("about")) or "unknown",
                "ok": ok if isinstance(ok, bool) else None,
                "detail": f"{said}: {error}" if error else said,
            }
        )
    return found


def _hosts(incident: Incident) -> list[Row]:
    outcomes: dict[str, Row] = {}
    entries: dict[str, int] = {}
    for event in incident.of("run"):
        given = event["data"].get("hosts_outcome")
        for name, one in given.items() if isinstance(given, dict) else ():
            outcomes[name] = one if isinstance(one, dict) else {}
        for name in _texts(event["data"].get("hosts")):
            outcomes.setdefault(name, {})
    for event in incident.of("journal"):
        if event["host"]:
            entries[event["host"]] = entries.get(event["host"], 0) + 1
    found = []
    for name in sorted({*outcomes, *entries, *incident.clocks}):
        skew = incident.skew(name)
        found.append(
            {
                "name": name,
                "skew": None if skew is None else {"lower": skew[0], "upper": skew[1]},
                "outcome": _text(outcomes.get(name, {}).get("outcome")) or None,
                "summary": _text(outcomes.get(name, {}).get("summary")),
                "journal_entries": entries.get(name, 0),
            }
        )
    return found


def _merged(event: E.Event) -> str:
    source, count = _text(event["data"].get("from")), _count(event["data"].get("events"))
    return event["text"] or f"{source or 'unknown'}: {'unknown' if count is None else count} events"


# ----------------------------------------------------------------------- words


def _lasted(lower: float | None, upper: float | None) -> str:
    if lower is None:
        return "for an unknown time"
    return f"for at least {lower:.1f} s" if upper is None else f"for {lower:.1f} to {upper:.1f} s"


def _headline(report: Row) -> str:
    """Say in two sentences what happened to users and what became of it."""
    return f"{_hit_said(report['impact'])} {_state_said(report)}"


def _hit_said(impact: Row) -> str:
    outage = impact["outage"]
    if not outage["known"]:
        return "How long users were hit is unknown: nothing sampled the app."
    down = [one for one in outage["targets"] if one["spans"]]
    gap = any(one["unseen"] for one in outage["targets"])
    if not down:
        failed, of = impact["failed_requests"]["value"], impact["failed_requests"]["of"]
        said = f"No outage was seen ({failed} of {of} samples by the probe failed)"
        return f"{said}, with times in which nobody looked." if gap else f"{said}."
    if len(outage["targets"]) == 1:
        return f"Users were not served {_lasted(outage['lower'], outage['upper'])}."
    together = outage["all_down"]
    if together["upper"] == 0:
        return f"At least one host was down {_lasted(outage['lower'], outage['upper'])}; never all at once."
    said = f"All hosts were down at once {_lasted(together['lower'], together['upper'])}"
    return f"{said}; at least one of them {_lasted(outage['lower'], outage['upper'])}."


def _state_said(report: Row) -> str:
    state, mitigate, resolve = (
        report["state"],
        report["impact"]["time_to_mitigate"],
        report["impact"]["time_to_resolve"],
    )
    if report["record"] == CHANGE:
        return "It was a planned change, and it is closed." if state == "closed" else "It was a planned change."
    if state == "opened":
        return "It is not known to be mitigated."
    took = (
        "after an unknown time"
        if mitigate["seconds"] is None
        else f"{_span(mitigate['seconds'])} after it was detected"
    )
    said = f"It was mitigated {took}"
    if state == "mitigated":
        return f"{said}, and is not resolved yet."
    if mitigate["to"] is None:
        said = "When it was mitigated is unknown"
    took = "at an unknown time" if resolve["seconds"] is None else f"after {_span(resolve['seconds'])}"
    return f"{said}; it was resolved {took}{' and is closed' if state == 'closed' else ''}."


def _span(seconds: float) -> str:
    """Say a time as people do, and as exactly as it is worth."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _customer_message(incident: Incident, impact: Row, times: t.Mapping[str, Moment]) -> Row:
    """Return what was written for customers, or a draft that names nothing of the inside."""
    said = _text(incident.fields.get("customer_message"))
    if said:
        return {"text": said, "draft": False}
    first = times["first_sign"].at or times["detected"].at
    when = f"On {E.moment(first):%d %B %Y} at {E.moment(first):%H:%M} UTC" if first else "At a time that is unknown"
    outage = impact["outage"]
    if not outage["known"]:
        hit = "the service did not work as it should; how many requests were hit is unknown"
    elif not any(one["spans"] for one in outage["targets"]):
        hit = "we worked on the service; we saw no outage"
    else:
        hit = f"the service did not answer {_some_or_all(outage)}"
    mitigated = times["mitigated"].at
    now = f"It has worked again since {E.moment(mitigated):%H:%M} UTC." if mitigated else "We are working on it."
    resolved = " The cause is gone." if times["resolved"].at else ""
    return {"text": f"{when} {hit}. {now}{resolved}", "draft": True}


def _some_or_all(outage: Row) -> str:
    if len(outage["targets"]) == 1:
        return f"{_lasted(outage['lower'], outage['upper'])}"
    return f"some or all requests {_lasted(outage['lower'], outage['upper'])}"


# --------------------------------------------------------------------- remains


def _remains(report: Row, incident: Incident, samples: I.Samples, zone: timeline.Zone) -> list[str]:
    said = [
        *_asked(report),
        *_unknown(report, samples, zone),
        *_hosts_left(report, incident),
        *_not_done(report),
        *_record_left(report),
    ]
    return list(dict.fromkeys(said))


def _asked(report: Row) -> t.Iterator[str]:
    if report["record"] == CHANGE:
        return
    if report["criterion"] is None:
        yield (
            "Which criterion of the procedure applies was not said. Next: playbooks/incident.yml "
            f"-e criterion={'|'.join(CRITERIA)}."
        )
    if report["severity"] is None:
        yield "The severity was not said. Next: playbooks/incident.yml -e severity=1 (to 4)."
    steps = {"opened": "mitigated", "mitigated": "resolved", "resolved": "closed"}
    if report["state"] in steps:
        state = steps[report["state"]]
        yield f"It is not {state}. Next: playbooks/incident.yml -e state={state}, once it is."
    if not report["root_cause"] and report["state"] != "opened":
        yield "The root cause is not written down. Next: playbooks/incident.yml -e root_cause=…."


def _unknown(report: Row, samples: I.Samples, zone: timeline.Zone) -> t.Iterator[str]:
    if not report["impact"]["outage"]["known"]:
        yield f"How long users were hit is unknown: {report['impact']['outage']['source']}."
    for name, why in samples.unmeasured.items():
        yield f"{name} was not sampled: {why.rstrip('.')}."
    for one in report["impact"]["outage"]["targets"]:
        if one["spans"] and one["upper"] is None:
            yield f"How long {one['name']} was down at most is unknown: the probe did not see all of it."
        if one["unseen"]:
            yield f"Nobody looked at {one['name']} for {one['unseen']:.1f} s between its first sample and its last."
    if report["times"]["detected"]["at"] == report["times"]["opened"]["at"] and report["record"] != CHANGE:
        yield "When it was noticed was not said: times count from the first event. Next: -e detected_at=…."
    if zone.trouble:
        yield zone.trouble


def _hosts_left(report: Row, incident: Incident) -> t.Iterator[str]:
    clocks = {event["clock"] for event in incident.events}
    for host in report["hosts"]:
        name = host["name"]
        if host["outcome"] in _HIT:
            about = f": {host['summary'].rstrip('.')}" if host["summary"] else ""
            yield f"{name} ended as {host['outcome']} in the last run{about}."
        if host["skew"] is None and name in clocks:
            yield f"The clock of {name} was not compared with the controller's: its times may be off."
    after: dict[str, set[str]] = {}
    for row in report["before_after"]:
        if row["what"].startswith("image of ") and row["after"]:
            after.setdefault(row["what"], set()).add(row["after"])
    for what, images in after.items():
        if len(images) > 1:
            yield f"The hosts deviate from one another: {len(images)} different images are the {what}."


def _not_done(report: Row) -> t.Iterator[str]:
    if report["record"] != CHANGE:
        for one in report["checklists"]:
            undone = [item["text"] for item in one["items"] if not item["done"]]
            if one["overdue"]:
                yield f"Overdue since {one['due']}: {'; '.join(undone)}."
            elif undone and one["due"]:
                yield f"Due until {one['due']}: {'; '.join(undone)}."
    for action in report["actions"]:
        if not action["done"]:
            due = _due(action["due"])
            late = due is not None and due < report["generated"]
            owner = action["owner"] or "nobody owns it"
            yield f"{'Overdue' if late else 'To do'} ({owner}, due {action['due'] or 'unknown'}): {action['text']}"
    for one in report["notifications"]:
        if one["ok"] is not True:
            how = "failed" if one["ok"] is False else "is not known to have arrived"
            what = f"The notification {one['about']!r} to {one['channel']}"
            yield f"{what} {how} ({one['detail']}). Next: tell them by hand."


def _due(due: str | None) -> str | None:
    """Return when an action is late: a day that was named is over when it ends."""
    if due is None:
        return None
    return f"{due}T23:59:59.999Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", due) else stamp_of(due)


def _record_left(report: Row) -> t.Iterator[str]:
    for one in report["evidence"]:
        if not one["intact"]:
            yield f"Evidence is missing or was changed since: {one['path']}."
    if damaged := report["record_health"]["damaged"]:
        yield f"{damaged} line{'s' if damaged > 1 else ''} of events.jsonl cannot be read: what they held is unknown."
    yield from report["record_health"]["troubles"]
