# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes down how a run ended, settles what that proves of the incident, and makes the report. It never raises.

What reports need is imported where it is used.
"""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import asked, events, journals, runs, store

Vars = t.Mapping[str, t.Any]
Event = events.Event

_TOUCHED_NOTHING = ("unchanged", "bad_input", "refused", "nothing_to_do")
_ON_HOST = ("command", "database", "logs", "memory")
#: What an operator may say of an incident with any run.
_SAID = ("title", "severity", "criterion", "summary", "roles")


@dataclass
class Ending:
    """How a run ended, as the fleet decided it."""

    action: str
    outcome: str
    msg: str
    lines: t.Sequence[str]
    #: By host: outcome, summary and notes.
    hosts: t.Mapping[str, Vars]
    #: By host, the results of its tasks in their order.
    results: t.Mapping[str, t.Sequence[Vars]] = field(default_factory=dict)
    #: By host, what the checks found before anything was touched, as a result.
    before: t.Mapping[str, Vars] = field(default_factory=dict)
    #: What the probe returned when it was stopped.
    probe: Vars | None = None

    @property
    def good(self) -> bool:
        """Whether it went well on every host."""
        return self.outcome in ("done", "unchanged", "planned", "seen")


def record(run: Vars, ending: Ending, context: t.Callable[[], runs.Context]) -> list[str]:
    """Write down how the run ended, make the report, and return the lines that the outcome shows of it."""
    about = runs.incident_of(run)
    if about is None:
        return []
    try:
        return _Outcome(run, about, ending, context()).lines()
    except Exception as exc:
        return [
            f"incident: could not be recorded: {runs.why_of(exc).rstrip('.')}; the hosts' journals hold every step. "
            "Next: mend that, and collect them with playbooks/release_info.yml once an incident is open."
            if ending.action in runs.MUTATING
            else f"incident: could not be recorded: {runs.why_of(exc)}"
        ]


class _Outcome:
    def __init__(self, run: Vars, about: Vars, ending: Ending, context: runs.Context) -> None:
        self._run, self._about, self._ending, self._context = run, about, ending, context
        self._id = str(run["id"])

    def lines(self) -> list[str]:
        folder = self._folder()
        if folder is None:
            return []
        known = folder.events()
        proof = self._write(folder, known)
        change = self._settle(folder, known, proof)
        criterion = self._about.get("criterion") or _criterion_of(known)
        return self._told(folder, change, bool(criterion))

    def _folder(self) -> store.Folder | None:
        """Return the run's incident. One that only looked joins an open one, and never opens any."""
        records = store.Store(str(self._about["dir"]))
        found = records.of_run(self._id)
        if found is not None:
            return found
        wanted = str(self._about.get("id") or "")
        if self._ending.action not in runs.MUTATING:
            if wanted and wanted != store.NEW:
                return records.get(wanted)
            return None if wanted else records.open_of(str(self._run.get("environment")))
        # Nothing was written while it went on: either no task was begun, or the folder could not be written to.
        if not any(one.get("record") for results in self._ending.results.values() for one in results):
            return None
        opening = events.event(
            "opened",
            text=f"Opened by the {self._ending.action} of {self._run.get('environment')}.",
            actor=events.tool(),
            run=self._id,
            data=runs.opening_data(self._run, self._about, self._ending.action),
        )
        whole = runs.redacted(runs.whole_opening(self._run, None, opening, self._context), self._context.redact)
        return records.open_or_join(str(self._run.get("environment")), self._id, wanted or None, lambda _id: whole)[0]

    # ------------------------------------------------------------ writing

    def _write(self, folder: store.Folder, known: t.Sequence[Event]) -> list[str]:
        """Append what the run came to, and return the IDs of what proves it."""
        redact = self._context.redact
        made: list[Event] = []
        for host, looked in self._ending.before.items():
            made += self._smoke(folder, host, looked, "before")
        when = "asked" if self._ending.action == runs.LOOK else "after"
        for host, results in self._ending.results.items():
            for result in results:
                if "verdict" in result and isinstance(result.get("results"), list):
                    made += self._smoke(folder, host, result, when)
        looks = [one["id"] for one in made if one["data"].get("when") == "after"]
        made += self._probe(folder)
        if self._ending.action not in runs.MUTATING:
            made += self._journals(known)
        troubles = {
            f"{host}: {(result.get('record') or {}).get('trouble')}"
            for host, results in self._ending.results.items()
            for result in results
            if isinstance(result.get("record"), t.Mapping) and result["record"].get("trouble")
        }
        made += [
            runs.trouble_event(self._run, f"Not all was recorded while it happened. {text}")
            for text in sorted(troubles)
        ]
        end = self._run_end()
        made += [*self._said(known), end]
        folder.append(*[runs.redacted(one, redact) for one in made])
        steps = [one["id"] for one in known if one["kind"] == "step" and one["run"] == self._id and one["end"]]
        return [end["id"], *steps[-len(self._ending.hosts) :], *looks]

    def _opening(self, known: t.Sequence[Event]) -> Event | None:
        """Return the event by which this run opened the incident, if it did."""
        return next((one for one in known if one["kind"] == "opened" and one["run"] == self._id), None)

    def _said(self, known: t.Sequence[Event]) -> list[Event]:
        """Return what was said of the incident with this run, which joined it."""
        said = {name: self._about.get(name) for name in _SAID if self._about.get(name)}
        if self._opening(known) or not said or self._ending.action not in runs.MUTATING:
            return []
        who = str(self._run.get("operator") or "unknown")
        text = f"{', '.join(said).capitalize()} of the incident given."
        return [events.event("fields", text=text, actor=events.human(who), run=self._id, data={"fields": said})]

    def _journals(self, known: t.Sequence[Event]) -> list[Event]:
        """Return what the hosts' journals tell and the record lacks, as after a run that could not write to it."""
        found = []
        for host, results in self._ending.results.items():
            for result in results:
                entries = [one for one in result.get("journal") or [] if isinstance(one, t.Mapping)]
                found += journals.journal_events(host, entries)
        return journals.lacking(found, known)

    def _run_end(self) -> Event:
        run, ending = self._run, self._ending
        started, now = runs.utc(run.get("started")), events.now()
        hosts = {
            host: {"outcome": one.get("outcome"), "summary": one.get("summary"), "notes": list(one.get("notes") or [])}
            for host, one in ending.hosts.items()
        }
        data = {
            "phase": "end",
            "operator": run.get("operator"),
            "reason": run.get("reason"),
            "started": started,
            "hosts_outcome": hosts,
            "lines": list(ending.lines),
            "msg": ending.msg,
        }
        return runs.run_event(
            run,
            ending.action,
            end=now,
            outcome=ending.outcome,
            text=runs.sentence(ending.msg),
            actor=events.human(str(run.get("operator") or "unknown")),
            data=data,
        )

    def _smoke(self, folder: store.Folder, host: str, look: Vars, when: str) -> list[Event]:
        results = [one for one in look.get("results") or [] if isinstance(one, t.Mapping)]
        if not results:
            return []
        keys = ("name", "type", "target", "status", "message", "seconds", "before", "known", "verify")
        verdict = str(look.get("verdict") or _verdict(results))
        data = {
            "when": when,
            "verdict": verdict,
            "counts": look.get("counts") or _counts(results),
            "results": [{key: one.get(key) for key in keys} for one in results],
        }
        here = all(one.get("type") in _ON_HOST for one in results)
        clock: Vars = look.get("clock") or {}
        content = json.dumps(self._context.redact(dict(look)), indent=2, default=str, ensure_ascii=False)
        where = "host" if here else "outside"
        name = store.evidence_name("smoke", self._id, host, when, f"{where}.json")
        return [
            events.event(
                "smoke",
                text=f"Checks of {host} from {'the host itself' if here else 'outside'}: {verdict}.",
                actor=events.tool(),
                host=host,
                run=self._id,
                outcome=verdict,
                at=runs.utc(clock.get("began")),
                end=runs.utc(clock.get("ended")) or events.now(),
                seconds=look.get("seconds") if isinstance(look.get("seconds"), (int, float)) else None,
                clock=host if here and clock.get("began") else events.CONTROLLER,
                evidence=[folder.add_evidence(name, content, f"the results of the checks of {host}")],
                data=data,
            )
        ]

    def _probe(self, folder: store.Folder) -> list[Event]:
        found = self._ending.probe
        if not isinstance(found, t.Mapping) or not isinstance(found.get("availability"), t.Mapping):
            return []
        numbers = {key: value for key, value in found["availability"].items() if key != "folder"}
        kept, missing = [], []
        for name, about in (("samples.jsonl", "every sample of the probe"), ("summary.json", "the probe's numbers")):
            try:
                path = Path(str(found.get("folder"))) / name
                kept.append(folder.add_evidence(store.evidence_name("probe", self._id, name), path, about))
            except (HotfixError, OSError) as exc:
                missing.append(
                    runs.trouble_event(self._run, f"The file {name} of the probe could not be kept: {runs.why_of(exc)}")
                )
        began = runs.utc(numbers.get("began"))
        data = {"folder": found.get("folder"), "availability": numbers, "unmeasured": found.get("unmeasured") or {}}
        event = events.event(
            "probe",
            text=" ".join(str(line) for line in found.get("lines") or []) or "What users noticed was measured.",
            actor=events.probe(),
            run=self._id,
            at=began or runs.utc(self._run.get("started")),
            end=events.now(),
            seconds=numbers.get("seconds") if isinstance(numbers.get("seconds"), (int, float)) else None,
            evidence=kept,
            data=data,
        )
        return [event, *missing]

    # ----------------------------------------------------------- settling

    def _settle(self, folder: store.Folder, known: t.Sequence[Event], proof: list[str]) -> bool:
        """Say what the run proves of the incident's state; return whether it was a change and is closed now."""
        ending, state = self._ending, folder.state()
        if ending.action not in runs.MUTATING or not state.is_open():
            return state.rank >= events.STATES.index("closed")
        opening = self._opening(known)
        if opening is not None and self._is_change():
            self._close(folder, opening, proof)
            return True
        if self._brought_back() and self._is_news(state.rank):
            made = self._state(folder, "mitigated", runs.sentence(f"Users are back: {ending.msg}"), proof)
            self._tell(folder, "mitigated", made)
        elif opening is not None and not runs.is_rescue(ending.action, self._asked(), self._run):
            # That of a rescue was told as soon as its first host was back.
            self._tell(folder, "opened", opening["id"])
        if not ending.good:
            self._tell(folder, "failed", proof[0])
        return False

    def _is_news(self, rank: int) -> bool:
        """Tell whether users are back by this run: for the first time, or because the time before it did not last."""
        if rank < events.STATES.index("mitigated"):
            return True
        lasted = self._ending.action not in (runs.ROLLBACK, runs.FLAG) and not self._hit()
        return rank < events.STATES.index("resolved") and not lasted

    def _tell(self, folder: store.Folder, about: str, event: str) -> None:
        said = self._context.redact(self._ending.msg)
        runs.have_told(folder, about, self._context, event, said, self._ending.hosts)

    def _is_change(self) -> bool:
        ending = self._ending
        if runs.is_rescue(ending.action, self._asked(), self._run) or self._hit():
            return False
        nothing = all(one.get("outcome") in _TOUCHED_NOTHING for one in ending.hosts.values())
        return ending.good or nothing

    def _asked(self) -> dict[str, t.Any]:
        flags = [one for results in self._ending.results.values() for one in results if one.get("flag")]
        return {"state": str(flags[-1].get("state"))} if flags else {}

    def _hit(self) -> bool:
        targets = ((self._ending.probe or {}).get("availability") or {}).get("targets") or {}
        outages = any((one or {}).get("outages") for one in targets.values())
        looks = [one.get("verdict") for results in self._ending.results.values() for one in results]
        return outages or "failed" in looks

    def _brought_back(self) -> bool:
        action, said = self._ending.action, self._ending.outcome
        if action == runs.FLAG:
            return said == "done" and self._asked().get("state") == "disabled"
        if action == runs.DEPLOY and said == "done":
            # That it runs is not that it helps: somebody must have looked. A bad look would have made the run fail.
            return any("verdict" in one for results in self._ending.results.values() for one in results)
        return said == ("reverted" if action == runs.DEPLOY else "done") and action in (runs.ROLLBACK, runs.DEPLOY)

    def _state(self, folder: store.Folder, state: str, text: str, proof: list[str]) -> str:
        data = {"state": state, "how": "proven", "proof": proof}
        event = events.event("state", text=text, actor=events.tool(), run=self._id, data=data)
        folder.append(runs.redacted(event, self._context.redact))
        return str(event["id"])

    def _close(self, folder: store.Folder, opening: Event, proof: list[str]) -> None:
        changed = runs.again(opening, data={**opening["data"], "record": "change"})
        folder.append(changed)
        text = "It was a planned change, and no outage was seen." if self._ending.good else "Nothing was touched."
        for state in ("resolved", "closed"):
            self._state(folder, state, text, proof)

    # -------------------------------------------------------------- telling

    def _told(self, folder: store.Folder, change: bool, criterion: bool) -> list[str]:
        state = folder.state()
        report, trouble = _render(folder, self._context.zone)
        where = shown(report or folder.path)
        words = "change, closed" if change else f"open, {state.state}" if state.is_open() else state.state
        lines = [f"incident: {folder.id} ({words.replace('open, opened', 'open')}): {where}"]
        if trouble:
            lines.append(f"incident: its report could not be made: {trouble}")
        if not change and not criterion and self._ending.action in runs.MUTATING and state.is_open():
            lines.append(
                "incident: say which criterion of an emergency applies: "
                f"-e incident={folder.id} -e criterion={'|'.join(asked.CRITERIA)} with playbooks/incident.yml."
            )
        return lines


def _verdict(results: t.Sequence[Vars]) -> str:
    said = {one.get("status") for one in results if not one.get("known")}
    return "failed" if "failed" in said else "error" if "error" in said else "passed"


def _counts(results: t.Sequence[Vars]) -> dict[str, int]:
    said = [str(one.get("status")) for one in results]
    return {one: said.count(one) for one in dict.fromkeys(said)}


def _criterion_of(known: t.Sequence[Event]) -> bool:
    for one in known:
        if one["kind"] == "opened" and one["data"].get("criterion"):
            return True
        fields = one["data"].get("fields")
        if one["kind"] == "fields" and isinstance(fields, dict) and fields.get("criterion"):
            return True
    return False


def shown(path: t.Any) -> str:
    """Return a path as it is shortest to type from here."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        return str(path)
    return str(path) if relative.startswith("..") else relative


def _render(folder: store.Folder, zone: str | None) -> tuple[Path | None, str]:
    """Make the report; a report that cannot be made can be made again at any time."""
    try:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import render

        render.render(folder, zone)
    except Exception as exc:
        return None, runs.why_of(exc)
    report = folder.path / "report.html"
    return (report if report.exists() else folder.path), ""
