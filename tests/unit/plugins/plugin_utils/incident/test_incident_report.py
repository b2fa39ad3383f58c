# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: valid, whole, made of nothing but what the record holds, and of a hundred thousand events too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, report
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder

from tests.unit.plugins.plugin_utils.incident.reports import at, event, made, opening, problems, reached, row, samples

ROOT = Path(__file__).resolve().parents[5]
MEGABYTES = 300


def built(path: Path, *given: events.Event, probes: Any = (), now: str = at(1000)) -> dict[str, Any]:
    found = report.build(made(path, *given, probes=probes), generated=now)
    assert problems(found) == []
    json.dumps(found, allow_nan=False)
    return found


def story() -> list[events.Event]:
    """Return a rollback of two hosts, of which one could not be reached."""
    release = {
        "action": "rollback",
        "before": {"id": "r2", "version": "v2", "images": {"backend": "sha256:22"}},
        "after": {"id": "r1", "version": "v1", "images": {"backend": "sha256:11"}},
    }
    outcome = {"p1": {"outcome": "done", "summary": "v1"}, "p2": {"outcome": "unreachable", "summary": "no route"}}
    run = event(
        "run",
        1.0,
        20.0,
        run="r1",
        outcome="failed",
        data={"action": "rollback", "hosts": ["p1", "p2"], "hosts_outcome": outcome},
    )
    return [
        opening(
            criterion="outage",
            severity=1,
            services=["backend"],
            reason="saving fails",
            roles=[{"role": "scribe", "name": "Bob"}],
        ),
        event("clock", 1.5, data={"host": "p1", "lower": -0.1, "upper": 0.1}),
        event("release", 10.0, host="p1", data=release, event_id="release"),
        run,
        event("lease", 2.0, data={"taken_by": "ann", "held_by": "bob"}),
        event(
            "notification",
            5.0,
            0.1,
            data={
                "channel": "mail",
                "type": "email",
                "about": "opened",
                "ok": False,
                "error": "refused",
                "attempts": 3,
            },
        ),
        event(
            "action",
            30.0,
            data={"item": "action-1", "text": "Alert on 502", "due": "2026-01-01", "type": "detect", "done": False},
        ),
        reached("mitigated", 25.0),
    ]


def test_an_empty_record_has_a_report(tmp_path: Path) -> None:
    folder = made(tmp_path)
    found = report.build(folder, generated=at(0))
    assert problems(found) == []
    assert (
        found["headline"]
        == "How long users were hit is unknown: nothing sampled the app. It is not known to be mitigated."
    )
    assert found["timeline"] == []


def test_what_was_not_measured_is_nowhere_zero(tmp_path: Path) -> None:
    impact = built(tmp_path, opening())["impact"]
    assert impact["outage"]["lower"] is None and impact["outage"]["upper"] is None
    assert impact["failed_requests"]["value"] is None
    assert impact["time_to_mitigate"]["seconds"] is None
    assert {one["took"] for one in impact["budgets"]} == {None}
    assert {one["p95"] for one in impact["latency"].values()} == {None}


def test_every_number_has_its_source(tmp_path: Path) -> None:
    impact = built(tmp_path, *story(), probes=[samples(row("ggffgg"))])["impact"]
    sources = [
        impact[name]["source"]
        for name in ("outage", "failed_requests", "degraded", "time_to_mitigate", "time_to_resolve")
    ]
    assert all([*sources, *(one["source"] for one in impact["budgets"])])


def test_a_story(tmp_path: Path) -> None:
    found = built(tmp_path, *story(), probes=[samples(row("ggffgg"))])
    assert found["title"] == "Saving fails"
    assert found["criterion"]["text"] == "Complete service outage affecting all users"
    assert found["headline"] == (
        "Users were not served for 0.2 to 0.6 s. "
        "It was mitigated 25.0 s after it was detected, and is not resolved yet."
    )
    rows = {(one["what"], one["host"]): (one["before"], one["after"]) for one in found["before_after"]}
    assert rows["release", "p1"] == ("v2 / r2", "v1 / r1")
    assert rows["image of backend", "p1"] == ("sha256:22", "sha256:11")
    assert [(one["name"], one["outcome"]) for one in found["hosts"]] == [("p1", "done"), ("p2", "unreachable")]
    assert found["notifications"][0]["detail"] == "email, 3 attempts: refused"
    assert found["actions"][0]["type"] == "detect"


def test_what_remains_is_named(tmp_path: Path) -> None:
    left = "\n".join(built(tmp_path, *story(), now=at(86400 * 3))["remains"])
    for text in (
        "How long users were hit is unknown",
        "p2 ended as unreachable in the last run: no route.",
        "Overdue since 2026-01-02T03:34:30.000Z: Verify fix resolves",
        "Overdue (nobody owns it, due 2026-01-01): Alert on 502",
        "The notification 'opened' to mail failed (email, 3 attempts: refused). Next:",
        "It is not resolved. Next:",
        "The root cause is not written down.",
    ):
        assert text in left
    assert "criterion" not in left


def test_a_criterion_that_nobody_said_is_asked_for(tmp_path: Path) -> None:
    assert built(tmp_path, opening())["remains"][0].startswith(
        "Which criterion of the procedure applies was not said. Next: playbooks/incident.yml -e criterion=security|"
    )


def test_a_planned_change_asks_for_nothing(tmp_path: Path) -> None:
    change = opening(record="change")
    found = built(tmp_path, change, reached("resolved", 5.0), reached("closed", 5.0), probes=[samples(row("ggg"))])
    assert found["record"] == "change"
    assert (
        found["headline"]
        == "No outage was seen (0 of 3 samples by the probe failed). It was a planned change, and it is closed."
    )
    assert not [one for one in found["remains"] if "Overdue" in one or "Next" in one]


def test_the_message_for_customers_is_a_draft_that_names_nothing_of_the_inside(tmp_path: Path) -> None:
    given = [*story(), reached("resolved", 300.0)]
    message = built(tmp_path, *given, probes=[samples(row("ggffgg"), row("gggggg", "p2"), targets=("p1", "p2"))])[
        "customer_message"
    ]
    assert message["draft"] is True
    assert message["text"] == (
        "On 02 January 2026 at 03:04 UTC the service did not answer some or all requests for 0.2 to 0.6 s. "
        "It has worked again since 03:04 UTC. The cause is gone."
    )
    for inside in ("p1", "p2", "sha256", "r1", "backend", "production"):
        assert inside not in message["text"]


def test_a_message_that_was_written_is_no_draft(tmp_path: Path) -> None:
    said = event("fields", 50.0, data={"fields": {"customer_message": "It works again."}})
    assert built(tmp_path, opening(), said)["customer_message"] == {"text": "It works again.", "draft": False}


def test_two_changes_of_a_host_show_the_first_before_and_the_last_after(tmp_path: Path) -> None:
    def release(seconds: float, before: str, after: str) -> events.Event:
        data = {"before": {"id": before}, "after": {"id": after}}
        return event("release", seconds, host="p1", data=data, event_id=f"{before}-{after}")

    found = built(tmp_path, opening(), release(1.0, "r1", "r2"), release(2.0, "r2", "r3"))["before_after"]
    assert found == [{"what": "release", "host": "p1", "before": "r1", "after": "r3", "source": "event r1-r2, r2-r3"}]


def test_hosts_that_deviate_are_named(tmp_path: Path) -> None:
    given = [
        event("release", 1.0, host=host, data={"before": None, "after": {"id": "r", "images": {"backend": digest}}})
        for host, digest in (("p1", "sha256:11"), ("p2", "sha256:22"))
    ]
    assert any("2 different images" in one for one in built(tmp_path, opening(), *given)["remains"])


def test_lines_that_were_torn_are_counted_and_named(tmp_path: Path) -> None:
    folder = made(tmp_path, opening())
    with folder.log.open("ab") as handle:
        handle.write(b'{"id": "torn", "kind": "no')
    found = report.build(folder)
    assert problems(found) == []
    assert (found["record_health"]["events"], found["record_health"]["damaged"]) == (1, 1)
    assert "1 line of events.jsonl cannot be read: what they held is unknown." in found["remains"]
    assert found["record_health"]["sha256"] == folder.digest()


STRANGE: list[Any] = [None, 5, -1.5, True, "text", [], [1, "x", None, {}], {}, {"a": {"b": [None]}}]


@pytest.mark.parametrize("value", STRANGE)
def test_what_others_wrote_never_stops_it(tmp_path: Path, value: Any) -> None:
    """A record may come from another version, or from another hand: each key of each kind holds something strange."""
    keys = [
        "fields",
        "title",
        "severity",
        "criterion",
        "services",
        "roles",
        "contacts",
        "zone",
        "state",
        "proof",
        "how",
        "host",
        "lower",
        "upper",
        "action",
        "before",
        "after",
        "name",
        "wanted",
        "seconds_to_effect",
        "when",
        "verdict",
        "results",
        "availability",
        "unmeasured",
        "service",
        "errors_before",
        "errors_after",
        "new",
        "lines",
        "item",
        "done",
        "by",
        "owner",
        "due",
        "type",
        "channel",
        "ok",
        "status",
        "attempts",
        "error",
        "from",
        "events",
        "what",
        "hosts",
        "hosts_outcome",
        "entry",
        "record",
    ]
    given = [
        event(kind, number, 1.0, data=dict.fromkeys(keys, value))
        for number, kind in enumerate((*events.KINDS, "unheard"))
    ]
    built(tmp_path, *given, probes=[samples(row("gfg"))])


def test_it_says_who_made_it(tmp_path: Path) -> None:
    version = next(one for one in (ROOT / "galaxy.yml").read_text().splitlines() if one.startswith("version:"))
    assert built(tmp_path, opening())["generator"] == f"pangeafate.hotfix {version.split()[1]}"


def test_the_example_is_valid() -> None:
    example = json.loads((Path(__file__).parent / "example_report.json").read_text(encoding="utf-8"))
    assert problems(example) == []


def large(path: Path, count: int) -> Folder:
    """Write a record of so many events, as a long day with many hosts leaves it."""
    folder = made(path, opening())
    piece: list[events.Event] = []
    for number in range(count):
        host = f"p{number % 20}"
        entry = {
            "action": "deploy",
            "step": "pull",
            "phase": "begin",
            "run": f"run-{number // 500}",
            "owner": "ann@laptop",
        }
        piece.append(
            event(
                "journal",
                number * 0.5,
                0.4,
                text=f"deploy: pull {number}",
                host=host,
                clock=host,
                run=entry["run"],
                step="pull",
                outcome="done",
                data={"entry": entry, "end_entry": {**entry, "phase": "end"}},
            )
        )
        if len(piece) == 5000 or number == count - 1:
            folder.append(*piece)
            piece = []
    return folder


MEASURED = """
import json, re, sys
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import report, store
found = report.build(store.Folder(sys.argv[1]))
# Not getrusage: its peak counts that of the process which started this one.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) // 1024
print(json.dumps({"rows": len(found["timeline"]), "events": found["record_health"]["events"], "megabytes": peak}))
"""


def test_a_hundred_thousand_events_fit(tmp_path: Path) -> None:
    folder = large(tmp_path, 100_000)
    command = [sys.executable, "-c", MEASURED, str(folder.path)]
    environment = {"PYTHONPATH": str(ROOT / ".ansible" / "collections"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["rows"], found["events"]) == (100_001, 100_001)
    assert found["megabytes"] < MEGABYTES


def test_what_was_written_when_it_began_and_when_it_ended_is_one_row(tmp_path: Path) -> None:
    begun = event("step", 1.0, run="r1", host="p1", step="deploy", text="Deploy began on p1.")
    whole = {
        **begun,
        "end": at(9.0),
        "seconds": 8.0,
        "outcome": "done",
        "text": "v2 serves.",
        "mono": begun["mono"] + 8.0,
        "recorded": at(9.0),
    }
    entry = {"action": "deploy", "step": "pull", "phase": "begin"}
    journal = event("journal", 9.0, 1.0, host="p1", text="", data={"entry": entry})
    for lines in ([begun, whole], [whole, begun]):
        found = built(tmp_path / str(lines[0] is begun), opening(), *lines, journal)
        rows = [(one["text"], one["seconds"]) for one in found["timeline"][1:]]
        assert rows == [("v2 serves.", 8.0), ("deploy: pull", 1.0)]
        assert found["record_health"]["events"] == 3
