# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last lines of services in one order: no more than was asked for, none twice, and no secret."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _last_logs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

from tests.unit.plugins.module_utils.log_engine import Engine, made

NOW = 1767323045.0


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return made(tmp_path, monkeypatch)


def collect(tmp_path: Path, **more: t.Any) -> t.Dict[str, t.Any]:
    options = {"services": [], "lines": 100, "since": None, "timeout": 10.0, **more}
    return _last_logs.collect({"app_dir": str(tmp_path), "project": "app"}, _last_logs.wanted_from(options, NOW))


def test_services_are_merged_by_time_and_the_newest_lines_are_kept(engine: Engine, tmp_path: Path) -> None:
    engine.add("backend", [("03:04:01", "one"), ("03:04:03", "three")])
    engine.add("nginx", [("03:04:02", "two"), ("03:04:04", "four")], status="exited")
    engine.add("redis", [])
    found = collect(tmp_path, services=["backend", "nginx"], lines=3)
    assert [(one["service"], one["text"]) for one in found["lines"]] == [
        ("nginx", "two"),
        ("backend", "three"),
        ("nginx", "four"),
    ]
    assert found["newest"] == "2026-01-02T03:04:04.000000000Z"
    assert found["known"] == ["backend", "nginx", "redis"]
    assert found["cut"] is True
    assert "--tail 3" in engine.asked
    assert "redis" not in engine.asked


def test_what_is_asked_for_again_tells_no_line_twice(engine: Engine, tmp_path: Path) -> None:
    engine.add("backend", [("03:04:01", "one"), ("03:04:03", "three")])
    first = collect(tmp_path)
    assert first["cut"] is False
    # The engine tells what was written at that very moment again.
    again = collect(tmp_path, since="2026-01-02T03:04:01.000000000Z")
    assert [one["text"] for one in again["lines"]] == ["three"]
    assert "--since 2026-01-02T03:04:01.000000000Z" in engine.asked
    last = collect(tmp_path, since=first["newest"])
    assert (last["lines"], last["newest"]) == ([], None)


def test_secrets_of_all_containers_are_masked(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ADMIN_TOKEN=s3cret-of-the-file\n")
    engine.add("backend", [("03:04:01", "s3cret-of-the-file, hunter2-of-the-container, postgres://u:pw-in-url@db/x")])
    said = str(collect(tmp_path)["lines"])
    for secret in ("s3cret-of-the-file", "hunter2-of-the-container", "pw-in-url"):
        assert secret not in said


def test_a_log_that_cannot_be_read_is_told_beside_the_others(engine: Engine, tmp_path: Path) -> None:
    engine.add("backend", [("03:04:01", "one")])
    engine.add("quiet", None)
    found = collect(tmp_path)
    assert [one["text"] for one in found["lines"]] == ["one"]
    assert found["problems"] == ["app-quiet-2: its log could not be read: configured logging driver"]


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("", None),
        ("15m", "2026-01-02T02:49:05.000000"),
        ("2 h", "2026-01-02T01:04:05.000000"),
        ("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05.000000"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789"),
    ],
)
def test_times_that_are_understood(text: str, since: t.Optional[str]) -> None:
    assert _last_logs.wanted_from({"services": [], "lines": 1, "since": text, "timeout": 1.0}, NOW).since == since


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("since", "yesterday", "no time"),
        ("lines", 0, "no number of lines"),
        ("lines", 10001, "from 1 to"),
        ("timeout", 0, "no time"),
    ],
)
def test_what_cannot_be_right_is_refused(name: str, value: t.Any, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        _last_logs.wanted_from({"services": [], "lines": 1, "since": None, "timeout": 1.0, name: value}, NOW)
