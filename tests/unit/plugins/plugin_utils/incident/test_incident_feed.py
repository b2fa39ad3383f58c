# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs write to the incident record, and that nothing of it ever gets in the way of a run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import (
    asked,
    events,
    feed,
    host_logs,
    journals,
    run_end,
    runs,
    store,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor

from tests.unit.plugins.plugin_utils.incident.conftest import Disk

SECRET = "canary-s3cret-value"
ROLLBACK = {"state": "rolled_back", "app_dir": "/srv/app"}
DONE = {
    "changed": True,
    "outcome": "done",
    "summary": "From b to the last known good release, a.",
    "release": {"id": "a", "version": "v1", "images": {"backend": "x@sha256:1"}},
    "previous": {"id": "b", "version": "v2", "images": {"backend": "x@sha256:2"}},
    "steps": [{"step": "switch", "seconds": 0.2, "outcome": "done"}],
}


def context(**more: Any) -> runs.Context:
    return runs.Context(redact=Redactor([SECRET]).deep, services=["backend"], **more)


class Run:
    """A run of an operator, as the select phase returns it."""

    number = 0

    def __init__(self, folder: Path, hosts: tuple[str, ...] = ("p1",), reason: str = "", **given: Any) -> None:
        Run.number += 1
        self.folder = folder
        self.hosts = list(hosts)
        named = {f"hotfix_incident_{name}": value for name, value in given.items() if name != "incident"}
        about = asked.settings(
            {"hotfix_incident_dir": str(folder), "hotfix_incident": given.get("incident", ""), **named}
        )
        self.run = {
            "id": f"20260102T0304{Run.number:04d}Z-4f2a",
            "operator": "ann@laptop",
            "environment": "production",
            "hosts": self.hosts,
            "started": events.now(),
            "reason": reason,
            "incident": about,
        }

    def task(
        self, host: str = "p1", result: dict[str, Any] | None = None, module: str = "release", **arguments: Any
    ) -> feed.Token:
        token = feed.begin(self.run, host, module, arguments or ROLLBACK)
        assert token is not None
        token.starts()
        clock = {"began": events.now(), "ended": events.now()}
        token.returns()
        feed.end(token, {"clock": clock, **(result or DONE)}, context)
        return token

    def outcome(self, action: str = "rollback", said: str = "done", **more: Any) -> list[str]:
        hosts = {host: {"outcome": said, "summary": "It is so."} for host in self.hosts}
        ending = run_end.Ending(action, more.pop("joint", said), f"{action}: {said}.", ["p1: done"], hosts, **more)
        return run_end.record(self.run, ending, context)

    @property
    def incident(self) -> store.Folder:
        found = store.Store(self.folder).of_run(str(self.run["id"]))
        assert found is not None
        return found

    def of_kind(self, kind: str) -> list[events.Event]:
        return [one for one in self.incident.events() if one["kind"] == kind]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "incidents"


# ------------------------------------------------------------------------------------------------ what is typed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hotfix_incident": "../x"}, "cannot be the ID"),
        ({"hotfix_incident": "20260102T030405Z-production-ffff"}, "There is no incident"),
        ({"hotfix_incident_severity": "0"}, "Severity '0' is none"),
        ({"hotfix_incident_severity": 5}, "Severity '5' is none"),
        ({"hotfix_incident_severity": "high"}, "Severity 'high' is none"),
        ({"hotfix_incident_criterion": "slow"}, "is no criterion of an emergency"),
        ({"hotfix_incident_roles": "Ann"}, "is no list of roles"),
    ],
)
def test_what_cannot_be_right_is_refused(folder: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        asked.settings({"hotfix_incident_dir": str(folder), **given})
    assert not folder.exists()


def test_what_is_typed_is_taken(folder: Path) -> None:
    found = asked.settings(
        {"hotfix_incident_dir": str(folder), "hotfix_incident_severity": 2, "hotfix_incident": "new"}
    )
    assert (found["severity"], found["id"], found["enabled"], found["dir"]) == (2, "new", True, str(folder))
    assert asked.settings({"hotfix_incident_enabled": "false"})["enabled"] is False


def test_a_folder_that_is_none_is_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("x")
    assert asked.settings({"hotfix_incident_dir": str(tmp_path / "a file")})["enabled"] is True


# ---------------------------------------------------------------------------------------- opening and joining


def test_a_rollback_opens_an_incident_and_what_follows_joins_it(folder: Path) -> None:
    first, second = Run(folder), Run(folder)
    first.task()
    first.outcome()
    second.task()
    assert first.incident.id == second.incident.id
    assert len(first.of_kind("opened")) == 1
    assert [one["run"] for one in first.of_kind("run")] == [first.run["id"], second.run["id"]]


def test_a_new_one_is_opened_where_that_is_asked_for(folder: Path) -> None:
    first, second = Run(folder), Run(folder, incident="new")
    first.task()
    second.task()
    second.task(module="release", state="reverted")
    assert first.incident.id != second.incident.id
    assert len(store.Store(folder).ids()) == 2


def test_a_named_one_is_joined_though_a_newer_one_is_open(folder: Path) -> None:
    first = Run(folder)
    first.task()
    Run(folder, incident="new").task()
    third = Run(folder, incident=first.incident.id)
    third.task()
    assert third.incident.id == first.incident.id


def test_the_hosts_of_a_run_share_one_though_they_begin_at_once(folder: Path) -> None:
    hosts = tuple(f"p{number}" for number in range(8))
    run = Run(folder, hosts)
    forked = multiprocessing.get_context("fork")
    workers = [forked.Process(target=run.task, args=(host,)) for host in hosts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * len(hosts)
    assert len(store.Store(folder).ids()) == 1
    assert sorted(one["host"] for one in run.of_kind("step")) == sorted(hosts)
    assert run.incident.damaged == 0


def test_one_that_only_looks_joins_and_never_opens(folder: Path) -> None:
    look = Run(folder)
    assert look.outcome("smoke check", "seen") == []
    assert not folder.exists() or not store.Store(folder).ids()
    rescue = Run(folder)
    rescue.task()
    rescue.outcome()
    lines = look.outcome("smoke check", "seen")
    assert rescue.incident.id in lines[0]


def test_nothing_is_recorded_where_it_is_switched_off(folder: Path) -> None:
    run = Run(folder, enabled=False)
    assert feed.begin(run.run, "p1", "release", ROLLBACK) is None
    assert run.outcome() == []
    assert not folder.exists()


def test_a_module_without_a_record_is_not_affected() -> None:
    assert feed.begin(None, "p1", "release", ROLLBACK) is None
    assert feed.end(None, DONE, context) is None


def test_a_renewal_is_one_run_of_several_tasks(folder: Path) -> None:
    run = Run(folder)
    first, later = (feed.begin(run.run, "p1", "ssl_renewal", {"state": one}) for one in ("prepared", "installed"))
    assert first is not None and later is not None
    assert [(one.action, one.first) for one in (first, later)] == [
        ("certificate renewal", True),
        ("certificate renewal", False),
    ]


# ------------------------------------------------------------------------------------------------ what is written


def test_before_users_are_back_nothing_that_anybody_typed_is_written(folder: Path) -> None:
    run = Run(folder, reason=f"reason {SECRET}", title=f"title {SECRET}", summary=f"summary {SECRET}")
    feed.begin(run.run, "p1", "release", {**ROLLBACK, "reason": SECRET})
    assert SECRET not in run.incident.log.read_text()
    assert "reason" not in run.of_kind("opened")[0]["text"]


def test_secrets_are_masked_wherever_they_came_from(folder: Path) -> None:
    run = Run(folder, reason=f"reason {SECRET}", summary=f"summary {SECRET}", roles=[{"role": "lead", "name": SECRET}])
    entry = {"at": events.now(), "run": run.run["id"], "step": "note", "text": f"note {SECRET}", "reason": SECRET}
    run.task(result={"failed": True, "outcome": "failed", "msg": SECRET, "left": SECRET, "journal": [entry]})
    looked = {"verdict": "failed", "results": [{"name": "a", "status": "failed", "message": f"said {SECRET}"}]}
    run.outcome(said="failed", results={"p1": [looked]})
    for path in run.incident.path.rglob("*"):
        if path.is_file():
            assert SECRET not in path.read_text(errors="replace"), path
    assert "********" in run.incident.log.read_text()
    assert run.of_kind("opened")[0]["data"]["title"] == "reason ********"


def test_a_step_has_its_times_and_what_it_came_to(folder: Path) -> None:
    run = Run(folder)
    before = events.now()
    run.task()
    (step,) = run.of_kind("step")
    assert before <= step["at"] <= step["end"] <= events.now()
    assert step["outcome"] == "done"
    assert step["data"]["steps"] == DONE["steps"]
    (release,) = run.of_kind("release")
    assert (release["data"]["before"]["version"], release["data"]["after"]["version"]) == ("v2", "v1")
    assert release["data"]["after"]["images"] == {"backend": "x@sha256:1"}


def test_a_flag_has_what_every_instance_evaluated(folder: Path) -> None:
    instances = [{"name": "a", "before": "enabled", "after": "disabled"}]
    result = {
        "outcome": "done",
        "flag": "EDITING",
        "state": "disabled",
        "instances": instances,
        "store": None,
        "seconds_to_effect": 0.4,
    }
    run = Run(folder)
    run.task(result=result, module="feature_flag", state="disabled", name="EDITING")
    run.outcome("kill switch", results={"p1": [result]})
    (flag,) = run.of_kind("flag")
    assert {key: flag["data"][key] for key in ("name", "before", "after", "seconds_to_effect")} == {
        "name": "EDITING",
        "before": "enabled",
        "after": "disabled",
        "seconds_to_effect": 0.4,
    }
    assert [one["data"]["state"] for one in run.of_kind("state")] == ["mitigated"]


def test_a_journal_that_is_collected_twice_adds_nothing(folder: Path) -> None:
    run = Run(folder)
    common = {"run": run.run["id"], "action": "rollback", "step": "switch", "fencing": 3}
    begin = {**common, "at": "2026-01-02T03:04:05.678Z", "phase": "begin"}
    end = {**common, "at": "2026-01-02T03:04:06.178Z", "phase": "end", "outcome": "done", "seconds": 0.5}
    (unfinished,) = journals.journal_events("p1", [begin])
    assert unfinished["end"] is None
    run.task(result={**DONE, "journal": [begin]})
    run.task(result={**DONE, "journal": [begin, end]})
    (found,) = run.of_kind("journal")
    assert (found["id"], found["seconds"], found["outcome"], found["clock"]) == (unfinished["id"], 0.5, "done", "p1")
    assert found["data"] == {"entry": begin, "end_entry": end}


def test_the_same_step_of_two_runs_is_two(folder: Path) -> None:
    entries = [
        {"at": f"2026-01-02T03:04:0{number}.000Z", "run": f"r{number}", "step": "switch", "phase": "begin"}
        for number in (1, 2)
    ]
    assert len({one["id"] for one in journals.journal_events("p1", entries)}) == 2


def test_a_lease_that_was_taken_over_is_told_with_both(folder: Path) -> None:
    run = Run(folder)
    entry = {
        "at": "2026-01-02T03:04:05.678Z",
        "run": run.run["id"],
        "owner": "bob@desk",
        "step": "note",
        "text": "The lease was taken over.",
        "taken_over": "other",
        "held_by": "ann@laptop",
        "held_since": "2026-01-02T03:00:00.000Z",
    }
    run.task(result={**DONE, "journal": [entry]})
    (lease,) = run.of_kind("lease")
    assert lease["data"] == {"taken_by": "bob@desk", "held_by": "ann@laptop", "since": "2026-01-02T03:00:00.000Z"}


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 0.25, 5.0])
def test_the_difference_of_the_clocks_is_within_its_bounds(folder: Path, ahead: float) -> None:
    run = Run(folder)
    token = feed.begin(run.run, "p1", "release", ROLLBACK)
    assert token is not None

    def host_now() -> str:
        at = time.time() + ahead
        return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(at)) + f"{int(at * 1000) % 1000:03d}Z"

    token.starts()
    began = host_now()
    time.sleep(0.03)
    ended = host_now()
    token.returns()
    feed.end(token, {**DONE, "clock": {"began": began, "ended": ended}}, context)
    (clock,) = run.of_kind("clock")
    assert clock["data"]["lower"] <= ahead <= clock["data"]["upper"]
    assert clock["data"]["upper"] - clock["data"]["lower"] < 1


def test_a_controller_whose_clock_is_set_meanwhile_says_so_and_measures_nothing(folder: Path) -> None:
    run = Run(folder)
    token = feed.begin(run.run, "p1", "release", ROLLBACK)
    assert token is not None
    token.before, token.after = (1000.0, 10.0), (400.0, 12.0)
    feed.end(token, {**DONE, "clock": {"began": events.now(), "ended": events.now()}}, context)
    assert not run.of_kind("clock")
    assert "set back by 602.0 s" in run.of_kind("trouble")[0]["data"]["what"]


# ------------------------------------------------------------------------------------------------------- outcomes


def test_a_planned_change_that_went_well_is_closed_and_collects_nothing_more(folder: Path) -> None:
    run, later = Run(folder), Run(folder)
    run.task(module="release", state="prepared", version="v2")
    lines = run.outcome("deploy")
    assert f"incident: {run.incident.id} (change, closed)" in lines[0]
    assert run.of_kind("opened")[0]["data"]["record"] == "change"
    assert [one["data"]["state"] for one in run.of_kind("state")] == ["resolved", "closed"]
    later.task()
    assert later.incident.id != run.incident.id


OUTAGE = {"availability": {"targets": {"p1": {"outages": [{"lower": 1.0, "upper": 2.0}]}}}, "folder": "/nowhere"}
FAILED_LOOK = {"verdict": "failed", "results": [{"name": "a", "type": "http", "status": "failed"}]}


@pytest.mark.parametrize(
    ("given", "ending"),
    [
        ({}, {"probe": OUTAGE}),
        ({"criterion": "outage"}, {}),
        ({"severity": 2}, {}),
        ({}, {"results": {"p1": [FAILED_LOOK]}}),
        ({}, {"said": "failed"}),
    ],
)
def test_a_deploy_that_hit_somebody_or_answers_an_emergency_stays_open(
    folder: Path, given: dict[str, Any], ending: dict[str, Any]
) -> None:
    run = Run(folder, **given)
    run.task(module="release", state="prepared", version="v2")
    lines = run.outcome("deploy", **ending)
    assert "(open" in lines[0]
    assert run.of_kind("opened")[0]["data"]["record"] == "incident"
    assert run.incident.state().is_open()


@pytest.mark.parametrize(
    ("action", "arguments", "result", "said", "states"),
    [
        ("rollback", ROLLBACK, DONE, "done", ["mitigated"]),
        ("rollback", ROLLBACK, DONE, "partial", []),
        ("rollback", ROLLBACK, DONE, "unchanged", []),
        ("deploy", {"state": "prepared"}, DONE, "reverted", ["mitigated"]),
        ("deploy", {"state": "prepared"}, DONE, "failed", []),
    ],
)
def test_what_proves_that_users_are_back(
    folder: Path, action: str, arguments: dict[str, Any], result: dict[str, Any], said: str, states: list[str]
) -> None:
    run = Run(folder)
    run.task(result=result, module="release", **arguments)
    run.outcome(action, "failed" if said not in ("done", "unchanged") else said, joint=said)
    found = run.of_kind("state")
    assert [one["data"]["state"] for one in found] == states
    known = {one["id"] for one in run.incident.events()}
    assert all(set(one["data"]["proof"]) <= known and one["data"]["proof"] for one in found)


LOOK = {"verdict": "passed", "counts": {"passed": 1}, "results": [{"name": "home", "status": "passed"}]}


@pytest.mark.parametrize(("looked", "said"), [([LOOK], "(open, mitigated)"), ([], "(open)")])
def test_a_deploy_in_an_open_incident_is_a_hotfix_once_somebody_looked(
    folder: Path, looked: list[dict[str, Any]], said: str
) -> None:
    Run(folder).task(result={"failed": True, "outcome": "failed", "msg": "no"})
    fix = Run(folder)
    fix.task(module="release", state="prepared", version="v3")
    lines = fix.outcome("deploy", results={"p1": [DONE, *looked]})
    assert said in lines[0]


def test_a_second_rollback_moves_the_time_at_which_users_were_back(folder: Path) -> None:
    for _time in "12":
        run = Run(folder)
        run.task()
        run.outcome()
    assert [one["data"]["state"] for one in run.of_kind("state")] == ["mitigated", "mitigated"]
    fix = Run(folder)
    fix.task(module="release", state="prepared", version="v3")
    fix.outcome("deploy", results={"p1": [DONE, LOOK]})
    # The proper fix, hours later, hit nobody: users were back before.
    assert len(run.of_kind("state")) == 2


def test_what_is_said_with_a_run_that_joins_is_kept(folder: Path) -> None:
    first = Run(folder)
    first.task()
    first.outcome()
    second = Run(folder, title=f"Saving is lost, {SECRET}", severity=1, criterion="data_loss")
    second.task()
    second.outcome()
    (said,) = second.of_kind("fields")
    assert said["data"]["fields"]["severity"] == 1
    assert said["data"]["fields"]["criterion"] == "data_loss"
    assert SECRET not in (second.incident.path / "events.jsonl").read_text()


def test_a_mistyped_change_leaves_no_open_incident(folder: Path) -> None:
    run = Run(folder)
    run.task(result={"failed": True, "outcome": "bad_input", "msg": "no"}, module="release", state="prepared")
    run.outcome("deploy", "bad_input")
    assert not run.incident.state().is_open()


def test_an_emergency_without_a_criterion_is_told_how_to_add_it(folder: Path) -> None:
    without, given = Run(folder), Run(folder, incident="new", criterion="outage")
    for run in (without, given):
        run.task()
    assert any("criterion" in line for line in without.outcome())
    assert not any("criterion" in line for line in given.outcome())


def test_the_evidence_of_the_probe_is_a_copy(folder: Path, tmp_path: Path) -> None:
    probe = tmp_path / "probe-1"
    probe.mkdir()
    (probe / "samples.jsonl").write_text('{"kind":"sample"}\n')
    (probe / "summary.json").write_text("{}")
    run = Run(folder)
    run.task()
    numbers = {"began": "2026-01-02T03:04:05.678Z", "seconds": 4.5, "targets": {}, "samples": 1}
    run.outcome(probe={"availability": numbers, "folder": str(probe), "lines": ["none failed."]})
    (event,) = run.of_kind("probe")
    assert (event["at"], event["seconds"]) == ("2026-01-02T03:04:05.678Z", 4.5)
    assert all(run.incident.intact(one) for one in event["evidence"])
    assert len(event["evidence"]) == 2


def test_what_the_checks_found_is_kept_with_when(folder: Path) -> None:
    run = Run(folder)
    run.task()
    clock = {"began": "2026-01-02T03:04:05.678Z", "ended": "2026-01-02T03:04:06.678Z"}
    outside = {"verdict": "passed", "results": [{"name": "a", "type": "http", "status": "passed"}], "clock": clock}
    inside = {"verdict": "passed", "results": [{"name": "b", "type": "logs", "status": "passed"}], "clock": clock}
    run.outcome(results={"p1": [outside, inside]}, before={"p1": {"results": outside["results"]}})
    found = {(one["data"]["when"], one["clock"]): one for one in run.of_kind("smoke")}
    assert set(found) == {("before", "controller"), ("after", "controller"), ("after", "p1")}
    assert all(run.incident.intact(reference) for one in found.values() for reference in one["evidence"])


# -------------------------------------------------------------------------------------------------------- troubles


def test_a_folder_that_cannot_be_written_is_one_line_of_the_outcome(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    run = Run(blocked)
    token = feed.begin(run.run, "p1", "release", ROLLBACK)
    told = feed.end(token, DONE, context)
    assert told is not None
    assert told["trouble"]
    (line,) = run.outcome(results={"p1": [{**DONE, "record": told}]})
    assert line.startswith("incident: could not be recorded: ")
    assert "the hosts' journals hold every step" in line
    assert "Next: " in line


def test_a_disk_that_fills_up_meanwhile_costs_the_record_alone(disk: Disk) -> None:
    run = Run(disk.path / "incidents")
    token = feed.begin(run.run, "p1", "release", ROLLBACK)
    disk.fill()
    told = feed.end(token, {**DONE, "left": "x" * 20000}, context)
    assert told is not None
    assert "space" in told["trouble"]
    disk.free()
    run.outcome(results={"p1": [{**DONE, "record": told}]})
    assert any("Not all was recorded" in one["data"]["what"] for one in run.of_kind("trouble"))


@pytest.mark.parametrize("result", [{}, {"journal": "x", "clock": 3}, {"release": 3, "changed": True}, {"steps": None}])
def test_a_result_of_any_shape_raises_nothing(folder: Path, result: dict[str, Any]) -> None:
    run = Run(folder)
    token = feed.begin(run.run, "p1", "release", ROLLBACK)
    assert token is not None
    token.starts()
    token.returns()
    assert feed.end(token, result, context) is not None
    assert run.outcome(results={"p1": [result]})


def test_a_context_that_cannot_be_made_raises_nothing(folder: Path) -> None:
    def broken() -> runs.Context:
        raise RuntimeError("no variables")

    run = Run(folder)
    told = feed.end(feed.begin(run.run, "p1", "release", ROLLBACK), DONE, broken)
    assert told is not None
    assert "no variables" in told["trouble"]


def test_what_was_written_before_a_kill_is_there_and_the_next_run_goes_on(folder: Path) -> None:
    run = Run(folder)
    forked = multiprocessing.get_context("fork")

    def killed() -> None:
        feed.begin(run.run, "p1", "release", ROLLBACK)
        os.kill(os.getpid(), signal.SIGKILL)

    worker = forked.Process(target=killed)
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    (step,) = run.of_kind("step")
    assert step["end"] is None
    later = Run(folder)
    later.task()
    assert later.incident.id == run.incident.id


def test_notifications_that_cannot_be_sent_are_on_record_and_hold_up_nothing(folder: Path) -> None:
    run = Run(folder)
    token = feed.begin(run.run, "p1", "release", ROLLBACK)
    feed.end(token, DONE, lambda: context(notifications=[{"type": "pigeon", "secret": SECRET}]))
    (trouble,) = run.of_kind("trouble")
    assert "pigeon" in trouble["data"]["what"]


# ------------------------------------------------------------------------------------------------------------ logs


def test_logs_are_wanted_once_for_an_incident_and_host_and_only_while_it_is_open(folder: Path) -> None:
    run = Run(folder)
    assert host_logs.wanted(run.run, "p1") is None
    end = {"at": "2026-01-02T03:04:06.178Z", "phase": "end", "outcome": "done"}
    common = {"run": run.run["id"], "action": "switch_back", "step": "switch"}
    journal = [{**common, "at": "2026-01-02T03:04:05.678Z", "phase": "begin"}, {**common, **end}]
    run.task(result={**DONE, "journal": journal})
    wanted = host_logs.wanted(run.run, "p1")
    assert wanted is not None
    assert wanted[1] == "2026-01-02T03:04:06.178Z"
    service = {"service": "backend", "text": f"an error {SECRET}\n", "errors_before": 1, "errors_after": 0, "new": []}
    told = host_logs.keep(wanted[0], run.run, "p1", {"services": [service]}, context().redact)
    assert told["services"] == 1
    (event,) = run.of_kind("logs")
    assert (run.incident.path / event["evidence"][0]["path"]).read_text() == "an error ********\n"
    assert host_logs.wanted(run.run, "p1") is None
    assert host_logs.wanted(run.run, "p2") is not None


def test_logs_that_could_not_be_read_are_told_with_the_run(folder: Path) -> None:
    run = Run(folder)
    run.task()
    logs = {"outcome": "failed", "msg": f"The engine does not answer ({SECRET}).\nMore of it."}
    told = host_logs.keep(run.incident, run.run, "p1", logs, context().redact)
    run.outcome(results={"p1": [{**DONE, "record": told}]})
    (trouble,) = run.of_kind("trouble")
    assert "p1: What the services wrote could not be kept: The engine does not answer (********)." in trouble["text"]
    assert host_logs.lacking(run.incident, "p1")


# ------------------------------------------------------------------------------------------------------------ cost


def test_nothing_heavy_is_imported_before_users_are_back() -> None:
    code = (
        "import sys; from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import feed, run_end; "
        "print([one for one in ('jinja2', 'requests', 'yaml', 'urllib.request', 'http.client') if one in sys.modules])"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout.replace("'", '"')) == []
