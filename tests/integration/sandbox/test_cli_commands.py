# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that mend and look, as an operator types them, against a host that runs a release."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from tests.integration.driver import ROOT, Host
from tests.integration.hotfix import LONGEST, Ended, Terminal, hotfix, start

pytestmark = pytest.mark.slow
VALIDATOR = Draft7Validator(json.loads((ROOT / "schemas/hotfix-result.schema.json").read_text(encoding="utf-8")))
LIMIT = ("-l", "staging")


def good(ended: Ended) -> Ended:
    assert ended.code == 0, ended.text
    return ended


def started_at(host: Host, container: str) -> str:
    return host.docker("inspect", "--format", "{{.State.StartedAt}}", container).strip()


def test_a_service_is_restarted_and_others_are_not(managed: Host, tmp_path: Path) -> None:
    before = {name: started_at(managed, f"notes-{name}") for name in ("redis", "postgres", "nginx")}
    ended = good(hotfix(tmp_path, "restart", "redis", *LIMIT, "--reason", "it hangs", "-o", "json"))
    VALIDATOR.validate(ended.result)
    assert [host["outcome"] for host in ended.result["hosts"]] == ["done"]
    after = {name: started_at(managed, f"notes-{name}") for name in before}
    assert after["redis"] != before["redis"]
    assert (after["postgres"], after["nginx"]) == (before["postgres"], before["nginx"])
    assert managed.served() == ("v6", True)
    refused = hotfix(tmp_path, "restart", "mailer", *LIMIT)
    assert refused.code not in (0, 3)
    assert "mailer" in refused.text
    assert "Next:" in refused.text
    assert "Traceback" not in refused.text


def test_a_diagnosis_names_what_is_down_and_what_mends_it(managed: Host, tmp_path: Path) -> None:
    managed.docker("stop", "-t", "1", "notes-redis")
    try:
        ended = hotfix(tmp_path, "diagnose", *LIMIT)
        assert "redis" in ended.text
        assert "restart" in ended.text
        asked = hotfix(tmp_path, "diagnose", *LIMIT, "--output", "json")
        VALIDATOR.validate(asked.result)
        assert asked.code == ended.code
    finally:
        managed.docker("start", "notes-redis")
    assert "Traceback" not in ended.text + asked.text


def test_a_preflight_tells_of_every_part(managed: Host, tmp_path: Path) -> None:
    ended = hotfix(tmp_path, "preflight", *LIMIT, "--part", "hosts", "--part", "rollback", "-o", "json")
    VALIDATOR.validate(ended.result)
    assert ended.result["command"] == "preflight"
    assert "Traceback" not in ended.text


def test_logs_are_shown_and_followed_until_ctrl_c(managed: Host, tmp_path: Path) -> None:
    shown = good(hotfix(tmp_path, "logs", "backend", "-n", "5", *LIMIT))
    assert "backend" in shown.out
    terminal = Terminal(tmp_path, "logs", "backend", "-n", "1", "--follow", *LIMIT)
    terminal.read("backend")
    mark = f"/api/health?{time.time_ns()}"
    request = ["curl", "-s", "-m", "5", "-H", "Host: app.example.com"]
    managed.run(*request, f"http://127.0.0.1{mark}")
    managed.run(*request, f"http://127.0.0.1/api/notes/nothing-{time.time_ns()}")
    time.sleep(4)
    terminal.type("\x03")
    assert terminal.end() == 0, terminal.text
    assert "Traceback" not in terminal.text


def test_a_followed_log_that_is_terminated_ends_well(managed: Host, tmp_path: Path) -> None:
    process = start(tmp_path, "logs", "--follow", *LIMIT)
    time.sleep(6)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, err
    assert out
    assert "Traceback" not in out + err


def test_an_incident_is_kept_by_its_commands(managed: Host, tmp_path: Path) -> None:
    kept = {"SANDBOX_INCIDENTS": str(tmp_path / "incidents")}
    good(hotfix(tmp_path, "incident", "open", "Notes are lost", *LIMIT, **kept))
    good(hotfix(tmp_path, "incident", "note", "Redis was full", *LIMIT, **kept))
    good(hotfix(tmp_path, "smoke", *LIMIT, **kept))
    early = hotfix(tmp_path, "incident", "resolve", *LIMIT, **kept)
    assert early.code == 2, early.text
    assert "cannot be resolved before it was mitigated" in early.text
    assert "Next: hotfix incident report -l staging -e state=mitigated" in early.text
    good(hotfix(tmp_path, "incident", "report", *LIMIT, "-e", "state=mitigated", **kept))
    good(hotfix(tmp_path, "incident", "resolve", *LIMIT, "--root-cause", "It had no limit", **kept))
    told = good(hotfix(tmp_path, "incident", "report", *LIMIT, "-o", "json", **kept))
    VALIDATOR.validate(told.result)
    (report,) = (tmp_path / "incidents").glob("*/report.md")
    text = report.read_text(encoding="utf-8")
    for words in ("Notes are lost", "Redis was full", "It had no limit", "Checks of staging1"):
        assert words in text, words
