# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of services: the newest lines, errors before and after a moment, and no secret."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _service_logs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

from tests.unit.plugins.module_utils.log_engine import Engine, made

NOW = 1767323045.0
AROUND = "2026-01-02T03:04:05Z"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return made(tmp_path, monkeypatch)


def collect(tmp_path: Path, **more: t.Any) -> dict[str, t.Any]:
    options = {"tail": 400, "max_bytes": 65536, "max_total": 524288, "timeout": 10.0, "around": AROUND, **more}
    app = {"app_dir": str(tmp_path), "project": "app", "services": options.pop("services", [])}
    found = _service_logs.collect(app, _service_logs.wanted_from(options, NOW + 60))
    return {one["service"]: one for one in found["services"]}


def test_errors_are_counted_before_and_after_and_only_new_kinds_are_shown(engine: Engine, tmp_path: Path) -> None:
    engine.add(
        "backend",
        [
            ("03:04:01", "ERROR could not save 17"),
            ("03:04:02", "all is well"),
            ("03:04:06", "ERROR could not save 18"),
            ("03:04:07", "Exception: out of memory at 0x12345678"),
            ("03:04:08", "Exception: out of memory at 0x87654321"),
        ],
    )
    found = collect(tmp_path)["backend"]
    assert (found["errors_before"], found["errors_after"], found["lines"]) == (1, 3, 5)
    assert found["new"] == ["Exception: out of memory at 0x12345678"]
    assert found["text"].splitlines()[0] == "2026-01-02T03:04:01.000000000Z app-backend-1 | ERROR could not save 17"
    assert not found["cut"]


def test_containers_that_run_no_more_are_read_and_all_lines_are_in_one_order(engine: Engine, tmp_path: Path) -> None:
    engine.add("backend", [("03:04:01", "old one"), ("03:04:04", "old again")], status="exited")
    engine.add("backend", [("03:04:03", "new one")])
    found = collect(tmp_path)["backend"]
    assert [line.partition("| ")[2] for line in found["text"].splitlines()] == ["old one", "new one", "old again"]
    assert [one["status"] for one in found["containers"]] == ["exited", "running"]


def test_secrets_of_the_app_and_of_its_containers_are_masked(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("API_TOKEN=canary-of-the-env\n")
    engine.add("backend", [("03:04:06", "ERROR canary-of-the-env and hunter2-of-the-container")])
    found = collect(tmp_path)["backend"]
    assert "canary-of-the-env" not in json.dumps(found)
    assert "hunter2-of-the-container" not in json.dumps(found)
    assert found["new"] == ["ERROR ******** and ********"]


def test_a_secret_at_the_end_of_a_long_line_is_not_cut_into_one_that_nobody_knows(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("API_TOKEN=canary-of-the-env\n")
    engine.add("backend", [("03:04:06", "x" * 3990 + "canary-of-the-env")])
    assert "canary" not in collect(tmp_path)["backend"]["text"]


def test_what_is_returned_is_bounded_and_the_newest_is_kept(engine: Engine, tmp_path: Path) -> None:
    lines = [(f"03:03:{number:02d}", f"line {number} " + "x" * 100) for number in range(60)]
    engine.add("backend", lines)
    engine.add("frontend", lines)
    found = collect(tmp_path, max_bytes=1000, max_total=1500, tail=20)
    assert found["backend"]["cut"]
    assert found["backend"]["bytes"] == len(found["backend"]["text"].encode()) <= 1000
    assert "line 59 " in found["backend"]["text"].splitlines()[-1]
    assert found["backend"]["bytes"] + found["frontend"]["bytes"] <= 1500
    few = collect(tmp_path, tail=3)
    assert (few["backend"]["lines"], few["backend"]["cut"]) == (3, True)


def test_a_log_that_cannot_be_read_costs_that_one(engine: Engine, tmp_path: Path) -> None:
    engine.add("backend", None)
    engine.add("frontend", [("03:04:06", "here")])
    found = collect(tmp_path, services=["backend", "frontend", "worker"])
    assert found["backend"]["problems"] == ["app-backend-1: its log could not be read: configured logging driver"]
    assert found["frontend"]["lines"] == 1
    assert found["worker"]["problems"] == ["it has no container"]


def test_the_engine_is_asked_for_the_window_alone(engine: Engine, tmp_path: Path) -> None:
    engine.add("backend", [("03:04:06", "here")])
    collect(tmp_path)
    assert f"--since {NOW - 900:.6f} --until {NOW + 60:.6f}" in engine.asked
    assert "--tail " in engine.asked


def test_a_change_is_what_the_journal_says_of_the_run(engine: Engine, tmp_path: Path) -> None:
    engine.add("backend", [("03:04:04", "ERROR of the release that failed"), ("03:04:06", "ERROR of now")])
    steps = [
        {"run": "r1", "step": "switch", "phase": "begin", "at": "2026-01-02T03:04:00.000Z"},
        {"run": "r1", "step": "switch", "phase": "end", "at": "2026-01-02T03:04:05.500Z"},
        {"run": "r1", "step": "supersede", "phase": "end", "at": "2026-01-02T03:04:07.000Z"},
        {"run": "r2", "step": "switch", "phase": "end", "at": "2026-01-02T03:04:09.000Z"},
    ]
    found = _service_logs.around_change({"app_dir": str(tmp_path), "project": "app"}, "r1", steps)
    (backend,) = found["services"]
    assert (found["around"], backend["errors_before"], backend["errors_after"]) == ("2026-01-02T03:04:05.500000Z", 1, 1)
    assert found["clock"]["began"] <= found["clock"]["ended"]


def test_where_nothing_was_changed_or_a_clock_was_set_back_all_was_written_before(
    engine: Engine, tmp_path: Path
) -> None:
    engine.add("backend", [("03:04:04", "ERROR")])
    app = {"app_dir": str(tmp_path), "project": "app"}
    later = {"run": "r1", "step": "switch_flag", "phase": "end", "at": "2999-01-02T03:04:05.000Z"}
    for steps in ([], [later]):
        found = _service_logs.around_change(app, "r1", steps)
        assert found["services"][0]["errors_before"] == 1, found
        assert found["around"] == found["until"]


@pytest.mark.parametrize("app", [{}, {"app_dir": "/nowhere", "project": "no name"}, {"app_dir": "\0"}])
def test_of_a_change_that_is_made_nothing_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: dict[str, t.Any]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = _service_logs.around_change(app, "r1", [{"run": "r1", "step": "switch", "phase": "end", "at": 3}])
    assert found["outcome"] in ("bad_input", "failed")
    assert found["msg"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"around": "yesterday"}, "around 'yesterday' is no time"),
        ({"since": "2026-01-02T03:04:06Z"}, "not in order"),
        ({"until": "2026-01-02T03:04:04Z"}, "not in order"),
        ({"tail": 0}, "tail is 0"),
        ({"max_bytes": -1}, "max_bytes is -1"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path: Path, given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        collect(tmp_path, **given)


def test_a_time_without_an_offset_is_utc() -> None:
    sizes = {"tail": 1, "max_bytes": 1, "max_total": 1, "timeout": 1.0}
    for text in ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00"):
        assert _service_logs.wanted_from({"around": text, **sizes}, NOW + 1).around == NOW
