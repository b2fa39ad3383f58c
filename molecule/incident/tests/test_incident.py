# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every number of the report, worked out once more from the raw evidence and without the product's code."""

from __future__ import annotations

import hashlib
import json
import math
import time
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from testinfra.host import Host

if TYPE_CHECKING:
    from conftest import App

INCIDENTS = Path(__file__).resolve().parents[3] / ".cache/molecule-incidents"
PLANTED = ("canary",)
#: What a time in milliseconds may be off by, once it was rounded.
ROUNDED = 0.002


def at(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def rank(values: list[float], share: float) -> float | None:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


class Record:
    """The files of the one incident that the story made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def events(self) -> dict[str, dict[str, Any]]:
        """Of every event the line that counts: one with an end, and the last of those."""
        found: dict[str, dict[str, Any]] = {}
        for line in (self.folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
            if line:
                event = json.loads(line)
                if event["end"] is not None or (found.get(event["id"]) or {"end": None})["end"] is None:
                    found[event["id"]] = event
        return found

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.events.values() if one["kind"] == kind]

    @cached_property
    def probes(self) -> list[list[dict[str, Any]]]:
        """The lines of every probe's samples, with times in seconds since 1970."""
        found = []
        for event in self.of("probe"):
            (path,) = [one["path"] for one in event["evidence"] if one["path"].endswith("samples.jsonl")]
            lines = [json.loads(line) for line in (self.folder / path).read_text(encoding="utf-8").splitlines()]
            (begin,) = [one for one in lines if one["kind"] == "begin"]
            found.append([{**one, "at": begin["wall"] + one["at"]} for one in lines if "at" in one])
        return found

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        every = [one for lines in self.probes for one in lines if one["kind"] == "sample"]
        return sorted((one for one in every if one["verdict"] in ("good", "failed")), key=lambda one: one["at"])

    @cached_property
    def gaps(self) -> list[tuple[float, float]]:
        """When the sampler could not look."""
        every = [one for lines in self.probes for one in lines if one["kind"] == "gap"]
        return [(one["at"], one["at"] + one["seconds"]) for one in every]

    def outages(self) -> list[tuple[float, float]]:
        """At least and at most, of every two failures in a row or more."""
        found, row, before = [], [], None
        for one in self.samples:
            blurred = any(one["at"] < end and begin < one["at"] + one["seconds"] for begin, end in self.gaps)
            if one["verdict"] == "failed":
                row += [] if blurred else [one["at"]]
                continue
            if len(row) > 1:
                assert before is not None
                unseen = sum(max(0.0, min(end, row[-1]) - max(begin, row[0])) for begin, end in self.gaps)
                found.append((row[-1] - row[0] - unseen, one["at"] - before))
            row, before = [], one["at"]
        assert not row
        return found


@pytest.fixture(scope="module")
def record() -> Record:
    (folder,) = [one.parent for one in INCIDENTS.glob("*/events.jsonl")]
    # Notifications are tried again and again beside the runs, and the report is made once more with what came of them:
    # of the opening, and of both times at which users were back.
    end = time.monotonic() + 120
    while time.monotonic() < end:
        sent = json.loads((folder / "report.json").read_text(encoding="utf-8"))["notifications"]
        if len(sent) >= 3 and not list((folder / ".notify").iterdir()):
            break
        time.sleep(0.5)
    return Record(folder)


def test_the_report_is_there_in_every_form(record: Record) -> None:
    for name in ("report.md", "report.html", "report.json", "post-mortem.ics"):
        assert (record.folder / name).stat().st_size > 0, name
        assert (record.folder / name).stat().st_mode & 0o077 == 0, name
    assert "BEGIN:VEVENT" in (record.folder / "post-mortem.ics").read_text(encoding="utf-8")


def test_it_tells_the_story(record: Record) -> None:
    report = record.report
    assert (report["state"], report["environment"], report["severity"]) == ("resolved", "staging", 2)
    assert report["criterion"]["key"] == "broken_function"
    runs = {one["data"]["action"]: one["outcome"] for one in record.of("run")}
    assert runs["kill switch"] == "done"
    assert runs["deploy"] == "reverted"
    assert runs["smoke check"] == "seen"
    (flag,) = record.of("flag")
    assert (flag["data"]["name"], flag["data"]["wanted"]) == ("COLLABORATIVE_EDITING", "disabled")
    assert report["root_cause"].startswith("The route for unknown paths")
    assert [(one["owner"], one["due"]) for one in report["actions"]] == [("bob", "2030-01-31")]


def test_failed_requests_are_those_of_the_samples(record: Record) -> None:
    failed = [one for one in record.samples if one["verdict"] == "failed"]
    assert failed, "the deploy replaced containers in place: the app was away"
    found = record.report["impact"]["failed_requests"]
    assert (found["value"], found["of"]) == (len(failed), len(record.samples))
    assert sum(found["why"].values()) == len(failed)


def test_the_outage_is_that_of_the_samples(record: Record) -> None:
    outages = record.outages()
    assert outages
    found = record.report["impact"]["outage"]
    (target,) = found["targets"]
    assert (found["known"], target["name"]) == (True, "staging1")
    assert len(target["spans"]) == len(outages)
    for span, (lower, upper) in zip(target["spans"], outages, strict=True):
        assert span["lower"] == pytest.approx(lower, abs=ROUNDED)
        assert span["upper"] == pytest.approx(upper, abs=ROUNDED)
    assert found["lower"] == pytest.approx(sum(lower for lower, _upper in outages), abs=ROUNDED * len(outages))
    assert found["upper"] == pytest.approx(sum(upper for _lower, upper in outages), abs=ROUNDED * len(outages))


def test_latencies_are_those_of_the_good_samples(record: Record) -> None:
    (lines,) = record.probes
    marks = sorted((one["at"], one["phase"]) for one in lines if one["kind"] == "mark")
    phases: dict[str, list[float]] = {"before": [], "during": [], "after": []}
    for one in record.samples:
        if one["verdict"] == "good":
            passed = [phase for moment, phase in marks if moment <= one["at"]]
            phases[passed[-1] if passed else "before"].append(one["seconds"])
    for name, found in record.report["impact"]["latency"].items():
        assert found["samples"] == len(phases[name]), name
        for share, key in ((0.5, "p50"), (0.95, "p95")):
            assert found[key] == (pytest.approx(rank(phases[name], share)) if phases[name] else None), name


def test_the_bins_of_the_charts_hold_every_sample(record: Record) -> None:
    seen = record.report["availability"]
    (target,) = seen["targets"]
    for one in target["bins"]:
        begin = at(one["at"])
        inside = [s for s in record.samples if begin <= round(s["at"], 3) < begin + seen["bin_seconds"]]
        # A sample at the very edge may be rounded to either side.
        assert abs(one["good"] - sum(s["verdict"] == "good" for s in inside)) <= 1
        assert abs(one["failed"] - sum(s["verdict"] == "failed" for s in inside)) <= 1
    assert sum(one["good"] + one["failed"] for one in target["bins"]) == len(record.samples)


def test_times_are_those_of_the_events(record: Record) -> None:
    times = record.report["times"]
    states = {one["data"]["state"]: one for one in sorted(record.of("state"), key=lambda one: one["at"])}
    (opened,) = record.of("opened")
    assert times["opened"]["at"] == opened["at"]
    for name in ("mitigated", "resolved"):
        assert times[name]["at"] == states[name]["at"]
        assert states[name]["id"] in times[name]["source"]
    assert states["mitigated"]["data"]["how"] == "proven"
    for name, end in (("time_to_mitigate", "mitigated"), ("time_to_resolve", "resolved")):
        found = record.report["impact"][name]
        assert found["to"] == states[end]["at"]
        assert found["from"] in {one["at"] for one in times.values()}
        assert found["seconds"] == pytest.approx(at(found["to"]) - at(found["from"]), abs=ROUNDED)


def test_budgets_are_held_against_what_was_measured(record: Record) -> None:
    runs = {one["data"]["action"]: one for one in record.of("run")}
    (flag,) = record.of("flag")
    found = {one["what"]: one for one in record.report["impact"]["budgets"]}
    assert found["flag"]["took"] == pytest.approx(at(flag["end"]) - at(runs["kill switch"]["at"]), abs=ROUNDED)
    assert found["quick_fix"]["took"] == record.report["impact"]["time_to_mitigate"]["seconds"]
    assert found["rollback"]["took"] is None
    assert {name: one["budget"] for name, one in found.items()} == {
        "flag": 30,
        "rollback": 180,
        "quick_fix": 300,
        "code_deploy": 900,
    }
    for one in found.values():
        assert one["kept"] is (None if one["took"] is None else one["took"] <= one["budget"])


def test_the_journal_of_the_host_is_in_the_record_with_its_own_times(record: Record, app: App) -> None:
    runs = {one["run"] for one in record.of("run")}
    told = [one for one in app.journal() if one.get("run") in runs]
    assert told
    # By what holds no free text: in that, secrets are masked.
    keys = ("at", "run", "action", "step", "phase")
    recorded = {tuple(one["data"]["entry"].get(key) for key in keys): one for one in record.of("journal")}
    rows = {one["event"] for one in record.report["timeline"]}
    for entry in (one for one in told if one.get("phase") != "end"):
        event = recorded[tuple(entry.get(key) for key in keys)]
        assert (event["at"], event["clock"], event["host"]) == (entry["at"], "staging1", "staging1")
        assert event["id"] in rows
    (host,) = [one for one in record.report["hosts"] if one["name"] == "staging1"]
    assert host["journal_entries"] == len(record.of("journal"))


def test_the_clock_of_the_host_is_within_its_bounds(record: Record, host: Host) -> None:
    (found,) = [one for one in record.report["hosts"] if one["name"] == "staging1"]
    assert found["skew"]["lower"] <= found["skew"]["upper"]
    before = datetime.now().astimezone().timestamp()
    theirs = float(host.check_output("date +%s.%N"))
    after = datetime.now().astimezone().timestamp()
    # Two machines that share a clock: what is measured now and what was measured then have to meet.
    assert theirs - after <= found["skew"]["upper"] + 0.5
    assert theirs - before >= found["skew"]["lower"] - 0.5


def test_releases_and_images_are_those_of_the_host(record: Record, app: App) -> None:
    assert app.current()["version"] == "v1"
    changed = [one["data"] for one in record.of("release")]
    assert any((one["after"] or {}).get("version") == "v9" for one in changed)
    for one in changed:
        for side in (one["before"], one["after"]):
            if side:
                assert side["images"], side
    assert changed[-1]["after"]["id"] == app.current()["id"]


def test_the_checks_are_those_that_were_made(record: Record) -> None:
    made = [check for one in record.of("smoke") for check in one["data"]["results"]]
    assert len(record.report["checks"]) == len(made)
    failed = {one["name"] for one in record.report["checks"] if one["status"] == "failed"}
    assert failed == {"what does not exist is not found"}
    last = max(record.of("smoke"), key=lambda one: at(one["at"]))
    assert last["data"]["verdict"] == "passed"


def test_the_checklists_count_from_when_users_were_back(record: Record) -> None:
    back = record.report["times"]["mitigated"]["at"]
    due = {one["key"]: one["due"] for one in record.report["checklists"] if one["due"]}
    hours = dict(zip(due, (0.5, 2, 24), strict=True))
    for key, stamp in due.items():
        assert datetime.fromisoformat(stamp) == datetime.fromisoformat(back) + timedelta(hours=hours[key])
    items = {item["key"]: item for one in record.report["checklists"] for item in one["items"]}
    assert items["customers_told"]["by"] == {"kind": "human", "name": "carol"}
    for item in items.values():
        assert not item["done"] or item["proof"]
        assert set(item["proof"]) <= set(record.events)
    assert items["smoke_passed"]["done"]
    assert items["smoke_passed"]["by"]["kind"] == "tool"


def test_all_evidence_is_what_its_event_says(record: Record) -> None:
    references = {one["path"]: one for event in record.events.values() for one in event["evidence"]}
    assert {one["path"] for one in record.report["evidence"]} == set(references)
    for path, one in references.items():
        content = (record.folder / path).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (one["sha256"], one["bytes"]), path
    assert all(one["intact"] for one in record.report["evidence"])
    health = record.report["record_health"]
    assert (health["events"], health["damaged"]) == (len(record.events), 0)


def test_a_notification_that_nobody_took_is_told_as_such(record: Record) -> None:
    sent = record.report["notifications"]
    assert {one["about"] for one in sent} >= {"opened", "mitigated"}
    assert not any(one["ok"] for one in sent)


def test_the_timeline_is_in_order_and_begins_before_the_first_action(record: Record) -> None:
    rows = record.report["timeline"]
    assert all(at(one["at"]) <= at(two["at"]) + ROUNDED for one, two in pairwise(rows))
    first = min(at(one["at"]) for one in record.of("run"))
    assert at(rows[0]["at"]) <= first


def test_no_secret_is_in_any_file(record: Record, host: Host) -> None:
    secrets = [word.encode() for word in PLANTED]
    for key in ("ADMIN_TOKEN", "POSTGRES_PASSWORD", "MAIL_PASSWORD"):
        value = host.check_output(f"sed -n 's/^{key}=//p' /srv/notes/.env")
        assert value, key
        secrets.append(value.encode())
    project = INCIDENTS.parents[1] / ".sandbox"
    secrets += [(project / name).read_bytes().strip() for name in ("registry-password", "admin-token")]
    files = [one for one in INCIDENTS.rglob("*") if one.is_file()]
    assert len(files) > 8
    for one in files:
        content = one.read_bytes()
        for secret in secrets:
            assert secret.lower() not in content.lower(), (
                one.name,
                content[max(0, content.lower().find(secret.lower()) - 60) :][:90],
            )
