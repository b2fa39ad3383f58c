# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress: drawn on a terminal of 80 columns, and as plain lines elsewhere."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hotfix.availability import Samples
from hotfix.events import parse
from hotfix.live import Live
from hotfix.plain import Plain
from hotfix.record import Record
from tests.unit.cli.events_of import asked, outcome, result, selected, stats, task

HOSTS = [f"application-server-{number}.production.example.com" for number in range(12)]
LONG = "A step whose name is longer than any terminal that an operator has at three in the morning on the road"


def samples(folder: Path, good: int, failed: int) -> None:
    folder.mkdir(exist_ok=True)
    lines = [
        {"kind": "begin"},
        *[{"kind": "sample", "verdict": "good"}] * good,
        *[{"kind": "sample", "verdict": "failed"}] * failed,
    ]
    with (folder / "samples.jsonl").open("a", encoding="utf-8") as handle:
        handle.write("".join(json.dumps(line) + "\n" for line in lines) + '{"kind": "sam')


def feed(display: Any, *raw: Mapping[str, Any]) -> None:
    record = Record()
    for one in raw:
        event = parse(one)
        record.take(event)
        display.take(event, record)


def events(folder: Path) -> list[Mapping[str, Any]]:
    return [
        task("Validating arguments", "validate_argument_spec"),
        selected(*HOSTS),
        task("look | Begin to measure"),
        asked(HOSTS[0], "probe"),
        result(HOSTS[0], "probe", measured=True, folder=str(folder)),
        task(LONG),
        *(asked(host) for host in HOSTS),
        result(HOSTS[0], "release", outcome="done", changed=True, summary="Release B is live."),
        result(HOSTS[1], "release", "unreachable", msg="no route to host"),
        result(HOSTS[2], "release", outcome="refused", failed=False, msg="Somebody else is changing this app."),
    ]


@pytest.mark.parametrize("width", [80, 40])
def test_a_terminal_shows_steps_hosts_times_and_what_users_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    samples(tmp_path / "probe", good=90, failed=3)
    live = Live("hotfix rollback -l production", io.StringIO())
    feed(live, *events(tmp_path / "probe"))
    lines = live.draw().plain.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("hotfix rollback -l production")
    assert lines[1].startswith("  + Begin to measure")
    assert "A step whose name" in lines[2]
    assert lines[2].rstrip().endswith(" s")
    assert sum("application-server" in line for line in lines) == 8
    assert "      and 4 more" in lines
    assert "  users: 3 of 93 samples failed" in lines
    assert lines[-1].startswith("  Ctrl-C ends it")
    assert "validat" not in "".join(lines).lower()


def test_a_step_that_went_wrong_on_a_host_says_so(tmp_path: Path) -> None:
    live = Live("x", io.StringIO())
    feed(live, *events(tmp_path), task("The next one"))
    (line,) = [line for line in live.draw().plain.splitlines() if "A step whose name" in line]
    assert line.startswith("  ! ")


def test_lines_say_when_what_and_how_it_went_on_which_host(tmp_path: Path) -> None:
    stream = io.StringIO()
    feed(Plain(stream), *events(tmp_path), outcome(HOSTS[0], "done", []), stats())
    lines = [line[8:] for line in stream.getvalue().splitlines()]
    # What is decided over all hosts is told at the end, and not here.
    assert lines == [
        "Begin to measure",
        LONG,
        f"  {HOSTS[0]}: done: Release B is live.",
        f"  {HOSTS[1]}: unreachable: no route to host",
        f"  {HOSTS[2]}: refused: Somebody else is changing this app.",
    ]
    assert "\x1b" not in stream.getvalue()


def test_silence_is_broken_by_what_is_waited_for(tmp_path: Path) -> None:
    samples(tmp_path / "probe", good=10, failed=0)
    stream = io.StringIO()
    with Plain(stream, silence=0.1) as plain:
        feed(plain, *events(tmp_path / "probe"))
        until = time.monotonic() + 10
        while "still at" not in stream.getvalue() and time.monotonic() < until:
            time.sleep(0.02)
    (line,) = [line for line in stream.getvalue().splitlines() if "still at" in line][:1]
    assert f"waiting for {HOSTS[3]}" in line
    assert HOSTS[0] not in line
    assert line.endswith("users: 0 of 10 samples failed")


def test_samples_are_counted_as_they_are_written(tmp_path: Path) -> None:
    found = Samples()
    assert found.look("") == ""
    assert found.look(str(tmp_path / "nowhere")) == ""
    samples(tmp_path, good=1, failed=0)
    assert found.look(str(tmp_path)) == "users: 0 of 1 samples failed"
    # The line that was torn is read once it is whole.
    with (tmp_path / "samples.jsonl").open("a", encoding="utf-8") as handle:
        handle.write('ple", "verdict": "failed"}\n')
    assert found.look(str(tmp_path)) == "users: 1 of 2 samples failed"


def test_samples_are_found_before_the_step_that_began_them_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifacts").mkdir()
    samples(tmp_path / "artifacts/probe-20260102T030405Z-1a2b", good=4, failed=1)
    live = Live("x", io.StringIO())
    feed(live, selected("prod1"), task("Roll back"), asked("prod1"))
    assert "  users: 1 of 5 samples failed" in live.draw().plain.splitlines()
