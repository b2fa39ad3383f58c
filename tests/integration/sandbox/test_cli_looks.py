# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command against a host that runs a release: what it shows, in which form, and what it asks before a change."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from sandbox import faults
from tests.integration.driver import ROOT, Host
from tests.integration.hotfix import Terminal, hotfix

VALIDATOR = Draft7Validator(json.loads((ROOT / "schemas/hotfix-result.schema.json").read_text(encoding="utf-8")))
LIMIT = ("-l", "staging")


def test_the_state_is_told_with_the_next_command(managed: Host, tmp_path: Path) -> None:
    ended = hotfix(tmp_path, *LIMIT)
    assert ended.code == 0, ended.text
    current = managed.current()["id"]
    for words in (
        "status on staging: done",
        f"current: v6 ({current}, confirmed",
        "previous: v1 (",
        "lease: free",
        "next: hotfix smoke -l staging",
    ):
        assert words in ended.text, words
    # Progress is on the error stream, the result on the other.
    assert "Look at the releases" in ended.err
    assert "Look at the releases" not in ended.out
    assert "\x1b" not in ended.out + ended.err


@pytest.mark.slow
def test_the_state_as_json_is_valid_and_alone(managed: Host, tmp_path: Path) -> None:
    ended = hotfix(tmp_path, "status", *LIMIT, "--output", "json")
    assert ended.code == 0, ended.text
    VALIDATOR.validate(ended.result)
    (host,) = ended.result["hosts"]
    assert host["state"]["current"]["id"] == managed.current()["id"]
    assert host["state"]["failing"] == []
    assert [one["version"] for one in host["state"]["releases"]] == ["v6", "v1"]


@pytest.mark.slow
def test_what_fails_is_named_and_a_rollback_recommended(managed: Host, tmp_path: Path) -> None:
    faults.freeze_service("staging1", "hocuspocus")
    faults.nested_docker("staging1", "pause", "notes-redis")
    try:
        ended = hotfix(tmp_path, *LIMIT)
    finally:
        faults.nested_docker("staging1", "unpause", "notes-redis")
        faults.thaw_service("staging1", "hocuspocus")
    assert ended.code == 0, ended.text
    assert "failing: redis (notes-redis) is paused" in ended.text
    assert "next: hotfix rollback -l staging" in ended.text


def test_a_change_is_planned_on_a_terminal_and_asked_about_once(managed: Host, tmp_path: Path) -> None:
    before = managed.fingerprint()
    terminal = Terminal(tmp_path, "rollback", *LIMIT, "--reason", "a try", HOTFIX_UNASKED="")
    terminal.read("now? [y/N]")
    terminal.type("n\n")
    assert terminal.end() == 130
    text = terminal.text
    current = managed.current()["id"]
    for words in (
        "Plan: roll back on staging, 1 host",
        f"staging1: From {current} to the last known good release,",
        "backend: notes-backend@",
        "Interruption: The app is away while",
        f"To undo it: hotfix rollback --to {current} -l staging",
        "Not confirmed: nothing was changed.",
    ):
        assert words in text, words
    assert text.count("now? [y/N]") == 1
    # What was drawn while it looked.
    assert "Roll back" in text
    assert any(line.startswith("      staging1: working") for line in terminal.lines)
    assert max(map(len, terminal.lines)) <= 80
    assert managed.fingerprint() == before


def test_without_a_terminal_a_change_needs_a_yes(managed: Host, tmp_path: Path) -> None:
    before = managed.fingerprint()
    ended = hotfix(tmp_path, "rollback", *LIMIT, HOTFIX_UNASKED="none")
    assert ended.code == 2
    assert "there is no terminal to ask on. Nothing was touched." in ended.text
    assert "give --yes" in ended.text
    assert managed.fingerprint() == before


@pytest.mark.slow
def test_a_host_that_cannot_be_reached_is_no_failure_of_the_app(managed: Host, tmp_path: Path) -> None:
    with faults.ssh_cut("staging1"):
        ended = hotfix(tmp_path, "status", *LIMIT, "-o", "json", "-e", "ansible_ssh_timeout=2")
    assert ended.code == 6, ended.text
    VALIDATOR.validate(ended.result)
    assert ended.result["hosts"][0]["outcome"] == "unreachable"


@pytest.mark.slow
def test_checks_reach_ci_as_junit(managed: Host, tmp_path: Path) -> None:
    ended = hotfix(tmp_path, "smoke", *LIMIT, "--output", "junit")
    assert ended.code == 0, ended.text
    suite = ET.fromstring(ended.out).find("testsuite")
    assert suite is not None
    assert int(suite.get("tests", "0")) > 10
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("releases",), ("flag",), ("preflight",), ("unlock", "--check"), ("rollback", "--check", "--diff")]
)
def test_every_look_has_a_valid_document(managed: Host, tmp_path: Path, words: tuple[str, ...]) -> None:
    before = managed.fingerprint()
    ended = hotfix(tmp_path, *words, *LIMIT, "-o", "json")
    assert ended.code in (0, 3), ended.text
    VALIDATOR.validate(ended.result)
    assert managed.fingerprint() == before
