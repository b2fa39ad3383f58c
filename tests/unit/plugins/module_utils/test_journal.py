# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Journal


@pytest.fixture
def journal(tmp_path: Path, clock) -> Journal:
    return Journal(tmp_path / "journal.jsonl", clock)


def switch(phase: str, **more: str):
    return {"step": "switch", "phase": phase, "action": "deploy", "release": "b", "came_from": "a", **more}


def test_entries_come_back_in_order_with_their_time(journal, clock) -> None:
    journal.append({"step": "one"})
    clock.advance(1.5)
    journal.append({"step": "two"})
    assert [e["step"] for e in journal.entries()] == ["one", "two"]
    assert [e["at"] for e in journal.entries()] == ["2026-01-02T03:04:05.000Z", "2026-01-02T03:04:06.500Z"]


def test_only_the_owner_reads_it(journal, tmp_path) -> None:
    journal.append({"step": "one"})
    assert stat.S_IMODE((tmp_path / "journal.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_torn_last_line_costs_itself_and_nothing_else(journal, tmp_path, cut) -> None:
    journal.append({"step": "one"})
    journal.append({"step": "two"})
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    journal.append({"step": "three"})
    steps = [e["step"] for e in journal.entries()]
    # Without its newline alone the line is still whole.
    assert steps == (["one", "two", "three"] if cut == 1 else ["one", "three"])
    assert journal.damaged == (0 if cut == 1 else 1)


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00", b"[1]", b"null", b'"text"', b"{", b"}{"])
def test_garbage_in_the_middle_is_counted_and_passed_over(journal, tmp_path, garbage) -> None:
    journal.append({"step": "one"})
    with (tmp_path / "journal.jsonl").open("ab") as handle:
        handle.write(garbage + b"\n")
    journal.append({"step": "two"})
    assert [e["step"] for e in journal.entries()] == ["one", "two"]
    assert journal.damaged == 1


def test_no_journal_has_no_entries(journal) -> None:
    assert journal.entries() == []
    assert journal.unfinished_switch() is None


def test_a_switch_without_an_end_is_unfinished(journal) -> None:
    journal.append(switch("begin"))
    journal.append({"step": "start", "phase": "begin"})
    found = journal.unfinished_switch()
    assert (found["action"], found["release"], found["came_from"]) == ("deploy", "b", "a")


def test_a_failed_switch_stays_unfinished_until_one_succeeds(journal) -> None:
    journal.append(switch("begin"))
    journal.append(switch("end", outcome="failed"))
    assert journal.unfinished_switch()["action"] == "deploy"
    journal.append(switch("begin", action="revert", release="a", came_from="b"))
    assert journal.unfinished_switch()["action"] == "revert"
    journal.append(switch("end", action="revert", release="a", came_from="b", outcome="done"))
    assert journal.unfinished_switch() is None


def test_lines_are_json_objects(journal, tmp_path) -> None:
    journal.append({"step": "ein Schritt – mit Umlaut ü", "detail": {"a": [1, None]}})
    (line,) = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert json.loads(line)["detail"] == {"a": [1, None]}
