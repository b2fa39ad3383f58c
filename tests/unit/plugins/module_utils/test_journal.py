# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _journal
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import HISTORY_ENTRIES, Account, Journal


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


def test_an_account_has_the_entries_of_its_run_and_of_as_many_hours_before_as_are_wanted(tmp_path, clock) -> None:
    journal = Journal(tmp_path / "journal.jsonl", clock)
    for run in ("long ago", "before"):
        journal.append({"run": run, "step": "switch"})
        clock.advance(3600)
    # The host's own script writes for the run before its module begins.
    journal.append({"run": "ours", "action": "switch_back", "step": "switch"})
    clock.advance(1)
    accounts = {hours: Account(tmp_path, "ours", hours, clock) for hours in (0, 1.5, 24)}
    journal.append({"run": "ours", "step": "verify"})
    journal.append({"run": "somebody", "step": "settle"})
    runs = {hours: [e["run"] for e in account.result()["journal"]] for hours, account in accounts.items()}
    assert runs[0] == ["ours", "ours", "somebody"]
    assert runs[1.5] == ["before", *runs[0]]
    assert runs[24] == ["long ago", "before", *runs[0]]


def test_an_account_has_the_hosts_clock_and_no_secret(tmp_path, clock) -> None:
    (tmp_path / ".env").write_text("DB_PASSWORD=canary-of-the-env\n", encoding="utf-8")
    account = Account(tmp_path, "ours", None, clock)
    clock.advance(2.5)
    texts = ["canary-of-the-env", "canary-of-the-options"]
    Journal(tmp_path / "journal.jsonl", clock).append({"run": "ours", "reason": texts, "more": {"why": texts[1]}})
    found = account.result(None, "canary-of-the-options")
    assert "canary" not in json.dumps(found)
    assert found["clock"] == {"began": "2026-01-02T03:04:05.000Z", "ended": "2026-01-02T03:04:07.500Z"}


def test_an_account_of_others_is_bounded_and_one_without_a_journal_empty(tmp_path, clock) -> None:
    assert Account(tmp_path, "ours", 24, clock).result()["journal"] == []
    journal = Journal(tmp_path / "journal.jsonl", clock)
    for number in range(HISTORY_ENTRIES + 5):
        journal.append({"run": "before", "step": str(number)})
    clock.advance(1)
    found = Account(tmp_path, "ours", 24, clock).result()["journal"]
    assert [found[0]["step"], len(found)] == ["5", HISTORY_ENTRIES]


def test_the_newest_entries_begin_with_a_whole_one(journal) -> None:
    for number in range(50):
        journal.append({"step": str(number), "filler": "x" * 100})
    found = journal.newest(1000)
    assert found == journal.entries()[-len(found) :]
    assert 1 < len(found) < 10
    assert journal.damaged == 0


class TestShort:
    """A journal stays short, and nothing that was in it is lost."""

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_journal, "LONGEST", 4096)
        monkeypatch.setattr(_journal, "_STAYS", 1024)

    @staticmethod
    def filled(journal, begin: int = 0, number: int = 60) -> None:
        for one in range(begin, begin + number):
            journal.append({"step": "note", "number": one, "text": "x" * 40})

    @staticmethod
    def numbers(entries):
        return [e["number"] for e in entries if "number" in e]

    def test_it_is_left_alone_while_it_is_short(self, journal, tmp_path) -> None:
        assert not journal.shorten()
        self.filled(journal, number=5)
        assert not journal.shorten()
        assert os.listdir(str(tmp_path)) == ["journal.jsonl"]

    def test_what_is_old_is_in_a_file_of_its_own(self, journal, tmp_path) -> None:
        self.filled(journal)
        assert journal.shorten()
        assert sorted(os.listdir(str(tmp_path))) == ["journal.1.jsonl", "journal.jsonl"]
        assert (tmp_path / "journal.jsonl").stat().st_size <= 1024
        assert stat.S_IMODE((tmp_path / "journal.1.jsonl").stat().st_mode) == 0o600
        assert self.numbers(journal.newest(10**6)) == list(range(60))
        assert self.numbers(journal.entries())[-1] == 59
        self.filled(journal, 60)
        assert journal.shorten()
        assert self.numbers(journal.newest(10**6)) == list(range(120))
        # No more is read than is asked for.
        assert self.numbers(journal.newest(2000))[-1] == 119
        assert len(journal.newest(2000)) < 30

    def test_only_so_many_files_are_kept_and_the_newest(self, journal, tmp_path) -> None:
        for turn in range(_journal.OLDER_FILES + 3):
            self.filled(journal, turn * 60)
            assert journal.shorten()
        names = sorted(os.listdir(str(tmp_path)))
        assert len(names) == _journal.OLDER_FILES + 1
        assert "journal.11.jsonl" in names
        assert "journal.3.jsonl" not in names

    def test_a_switch_that_never_ended_stays_however_old(self, journal) -> None:
        journal.append(switch("begin", release="a0"))
        journal.append(switch("end", outcome="done", release="a0"))
        journal.append(switch("begin"))
        self.filled(journal)
        assert journal.shorten()
        assert journal.unfinished_switch()["release"] == "b"
        journal.append(switch("end", outcome="done"))
        self.filled(journal)
        assert journal.shorten()
        assert journal.unfinished_switch() is None
        assert [e["phase"] for e in journal.newest(10**6) if e["step"] == "switch"] == ["begin", "end"] * 2

    def test_garbage_is_moved_with_the_rest(self, journal, tmp_path) -> None:
        with (tmp_path / "journal.jsonl").open("ab") as handle:
            handle.write(b"\xff\x00{\n[1]\n")
        self.filled(journal)
        assert journal.shorten()
        assert self.numbers(journal.newest(10**6)) == list(range(60))
        assert journal.damaged == 2

    def test_a_crash_between_the_files_loses_nothing(self, journal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.filled(journal)
        real = _files.write_text

        def dies_at_the_second(path: Path, text: str) -> None:
            if path.name == "journal.jsonl":
                raise OSError(28, "No space left on device")
            real(path, text)

        monkeypatch.setattr(_files, "write_text", dies_at_the_second)
        with pytest.raises(OSError, match="No space"):
            journal.shorten()
        monkeypatch.undo()
        assert self.numbers(journal.entries()) == list(range(60))

    def test_a_line_that_another_process_writes_meanwhile_is_in_one_of_the_files(
        self, journal, tmp_path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = (
            "import sys, time; from pathlib import Path\n"
            "from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock\n"
            "from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Journal\n"
            "journal = Journal(Path(sys.argv[1]), Clock())\n"
            "for n in range(400):\n"
            "    journal.append({'step': 'note', 'number': n, 'text': 'x' * 40})\n"
            "    time.sleep(0.001)\n"
        )
        monkeypatch.setattr(_journal, "OLDER_FILES", 1000)
        words = [sys.executable, "-c", program, str(tmp_path / "journal.jsonl")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(words, env=environment) as writer:
            cuts = 0
            while writer.poll() is None:
                cuts += journal.shorten()
        assert writer.returncode == 0
        assert cuts > 3
        assert sorted(self.numbers(journal.newest(10**7))) == list(range(400))

    def test_a_file_that_somebody_keeps_locked_is_written_all_the_same(
        self, journal, tmp_path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        journal.append({"step": "one"})
        monkeypatch.setattr(_journal, "_PATIENCE", 0.005)
        with (tmp_path / "journal.jsonl").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            journal.append({"step": "two"})
            self.filled(journal)
            assert not journal.shorten()
        assert [e["step"] for e in journal.entries()][:2] == ["one", "two"]
        assert journal.shorten()
