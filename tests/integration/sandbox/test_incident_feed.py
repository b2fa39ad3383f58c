# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs write the incident record by themselves: what it says is what the hosts, the probe and the checks said."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.driver import UNCHECKED, Host, Played, play, start

STAGING = ("-l", "staging")


class Record:
    """The incidents that the runs of a test wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.option = ("-e", json.dumps({"hotfix_incident_dir": str(folder)}))

    def play(self, playbook: str, *arguments: str) -> Played:
        return play(playbook, *STAGING, *self.option, *arguments)

    def ids(self) -> list[str]:
        found = (path for path in self.folder.iterdir() if (path / "events.jsonl").exists())
        return [path.name for path in sorted(found, key=lambda path: (path / "events.jsonl").stat().st_ctime_ns)]

    def events(self, kind: str, incident: str | None = None) -> list[dict[str, Any]]:
        """Return the events of a kind; of one ID, that which was written last."""
        lines = (self.folder / (incident or self.ids()[-1]) / "events.jsonl").read_text(encoding="utf-8").splitlines()
        found: dict[str, dict[str, Any]] = {}
        for event in map(json.loads, lines):
            if event["kind"] == kind and (event["end"] or event["id"] not in found):
                found[event["id"]] = event
        return list(found.values())

    def states(self, incident: str | None = None) -> list[str]:
        return [event["data"]["state"] for event in self.events("state", incident)]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "incidents")


def test_a_rescue_is_recorded_whole_and_a_planned_change_is_closed_at_once(staging: Host, record: Record) -> None:
    # With the proxy under management a deploy hits nobody.
    for playbook in ("adopt", "proxy"):
        assert record.play(playbook).code == 0
    done = record.play("deploy", "-e", "version=v2", *UNCHECKED)
    assert done.code == 0, done.raw
    change = record.ids()[-1]
    assert f"incident: {change} (change, closed)" in done.text
    (opened,) = record.events("opened", change)
    assert opened["data"]["record"] == "change"
    assert record.states(change) == ["resolved", "closed"]
    assert not record.events("logs", change)

    done = record.play("rollback", "-e", "reason='saving documents fails'", "-e", "criterion=broken_function")
    assert done.code == 0, done.raw
    rescue = record.ids()[-1]
    assert rescue != change
    assert f"incident: {rescue} (open, mitigated)" in done.text
    (opened,) = record.events("opened", rescue)
    assert (opened["data"]["title"], opened["data"]["criterion"]) == ("saving documents fails", "broken_function")
    assert record.states(rescue) == ["mitigated"]

    # Every entry of the host's journal is in it, those of the deploy before it too, and those of the host's own script.
    journal = staging.journal()
    told = [event["data"] for event in record.events("journal", rescue)]
    entries = [one["entry"] for one in told] + [one["end_entry"] for one in told if one["end_entry"]]
    assert sorted(json.dumps(one, sort_keys=True) for one in entries) == sorted(
        json.dumps(one, sort_keys=True) for one in journal
    )

    (clock,) = record.events("clock", rescue)
    # Host and controller are one machine here.
    assert clock["data"]["lower"] <= 0 <= clock["data"]["upper"]
    (release,) = record.events("release", rescue)
    assert (release["data"]["before"]["version"], release["data"]["after"]["version"]) == ("v2", "v1")
    images = {name: image["image_id"] for name, image in staging.current()["images"].items()}
    assert set(release["data"]["after"]["images"]) == set(images)

    # The evidence is what the events say it is.
    (probe,) = record.events("probe", rescue)
    (smoke,) = [event for event in record.events("smoke", rescue) if event["clock"] == "controller"]
    assert (smoke["data"]["when"], smoke["data"]["verdict"]) == ("after", "passed")
    logs = record.events("logs", rescue)
    assert {event["data"]["service"] for event in logs} >= {"backend", "frontend", "nginx"}
    backend = next(event for event in logs if event["data"]["service"] == "backend")
    assert any(one["status"] != "running" or one["slot"] for one in backend["data"]["containers"])
    turned = [one["at"] for one in journal if one["step"] == "switch" and one["phase"] == "end"][-1]
    assert backend["data"]["at"] == turned.replace("Z", "000Z")
    kept = [one for event in (probe, smoke, *logs) for one in event["evidence"]]
    assert len(probe["evidence"]) == 2
    for one in kept:
        raw = (record.folder / rescue / one["path"]).read_bytes()
        assert (hashlib.sha256(raw).hexdigest(), len(raw)) == (one["sha256"], one["bytes"])
    samples = (record.folder / rescue / probe["evidence"][0]["path"]).read_text(encoding="utf-8").splitlines()
    assert len(samples) > probe["data"]["availability"]["samples"] > 0

    # One that only looks joins it, and the logs are collected once.
    looked = record.play("smoke_check")
    assert looked.code == 0, looked.raw
    assert f"incident: {rescue} (open, mitigated)" in looked.text
    assert [event["data"]["when"] for event in record.events("smoke", rescue)].count("asked") >= 1
    assert record.ids()[-2:] == [change, rescue]
    again = record.play("rollback")
    assert again.code == 0, again.raw
    assert len(record.events("logs", rescue)) == len(logs)


def test_a_record_that_cannot_be_written_delays_and_fails_nothing(staging: Host, record: Record) -> None:
    assert record.play("deploy", "-e", "version=v2", *UNCHECKED).code == 0
    blocked = record.folder.parent / "blocked"
    blocked.write_text("no folder")
    done = play("rollback", *STAGING, "-e", json.dumps({"hotfix_incident_dir": str(blocked)}))
    assert done.code == 0, done.raw
    assert staging.served() == ("v1", True)
    assert "incident: could not be recorded" in done.text
    assert "the hosts' journals hold every step" in done.text


@pytest.mark.slow
def test_a_controller_that_is_killed_leaves_a_record_that_the_next_run_goes_on_with(
    staging: Host, record: Record
) -> None:
    assert record.play("adopt").code == 0
    first = record.ids()
    deploy = start("deploy", *STAGING, *record.option, "-e", "version=v3", "-e", "severity=2")
    end = time.monotonic() + 60
    while "start" not in staging.steps_begun():
        assert time.monotonic() < end, "the deploy never came to its start"
        time.sleep(0.1)
    os.killpg(deploy.pid, signal.SIGKILL)
    deploy.communicate()
    (incident,) = [one for one in record.ids() if one not in first]
    assert any(event["end"] is None for event in record.events("run", incident))
    done = record.play("rollback")
    assert f"incident: {incident}" in done.text
    assert {event["data"]["action"] for event in record.events("run", incident)} == {"deploy", "rollback"}
    steps = {event["step"] for event in record.events("journal", incident)}
    assert "start" in steps
