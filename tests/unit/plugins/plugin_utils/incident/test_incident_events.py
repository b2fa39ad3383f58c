# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event is one line, is read whatever was written, and says no more than what is known."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events
from hypothesis import given
from hypothesis import strategies as st

AT = "2026-01-02T03:04:05.678Z"
LATER = "2026-01-02T03:04:06.178Z"
MINIMAL = {"id": "a", "kind": "note", "at": AT}

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def event(kind: str = "note", **more: Any) -> events.Event:
    return events.event(kind, text="It was seen.", actor=events.tool(), **more)


def read(written: dict[str, Any]) -> events.Event:
    found = events.read(json.dumps(written).encode())
    assert found is not None
    return found


def test_every_key_is_there() -> None:
    made = event()
    assert set(made) == {
        *("id", "kind", "at", "end", "seconds", "clock", "actor", "host", "run", "step", "outcome", "text"),
        *("evidence", "data", "recorded", "mono", "boot"),
    }
    assert made["at"] == made["end"] == made["recorded"]
    assert made["seconds"] == 0
    assert made["clock"] == "controller"


@pytest.mark.parametrize("kind", events.LASTING)
def test_what_takes_time_has_no_end_that_nobody_saw(kind: str) -> None:
    made = event(kind)
    assert made["end"] is None
    assert made["seconds"] is None


def test_seconds_are_the_difference_where_nobody_measured_them() -> None:
    assert event("step", at=AT, end=LATER)["seconds"] == 0.5
    assert event("step", at=AT, end=LATER, seconds=0.25)["seconds"] == 0.25


def test_a_clock_that_was_set_back_tells_no_duration() -> None:
    assert event("step", at=LATER, end=AT)["seconds"] is None


def test_ended_measures_by_the_steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = event("step", data={"action": "rollback"})
    monkeypatch.setattr(_clock, "utc_now", lambda: datetime(2000, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(time, "monotonic", lambda: begun["mono"] + 12.3456)
    whole = events.ended(begun, outcome="done", text="Done.", data={"left": "nothing"})
    assert whole["id"] == begun["id"]
    assert whole["seconds"] == 12.346
    assert whole["end"] == "2000-01-01T00:00:00.000Z"
    assert whole["data"] == {"action": "rollback", "left": "nothing"}
    assert (whole["outcome"], whole["text"]) == ("done", "Done.")
    assert begun["end"] is None


def test_ended_after_another_boot_takes_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = {**event("step"), "boot": "another"}
    later = events.moment(begun["at"]) + timedelta(seconds=2)
    monkeypatch.setattr(_clock, "utc_now", lambda: later)
    assert events.ended(begun)["seconds"] == 2
    assert events.ended(begun, end=begun["at"])["seconds"] == 0


def test_ids_are_not_the_same() -> None:
    assert len({events.new_id() for _number in range(1000)}) == 1000


@given(value=st.dictionaries(texts, values, max_size=5))
def test_canonical_is_one_line_that_any_reader_of_json_reads(value: dict[str, Any]) -> None:
    line = events.canonical(value)
    assert line.isascii()
    assert not set(line) & set(b"\r\n")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(line, parse_constant=refuse)
    assert events.canonical(found) == line
    assert found.keys() == value.keys()


def test_canonical_takes_what_ansible_may_give_it() -> None:
    deep: list[Any] = []
    deep.append(deep)
    found = json.loads(
        events.canonical({"path": Path("/a"), 1: "a", "b": {1}, "nan": math.nan, "deep": deep, "t": (1, 2)})
    )
    assert found.pop("deep")
    assert found == {"path": "/a", "1": "a", "b": [1], "nan": None, "t": [1, 2]}


def test_the_id_of_a_journal_entry_is_of_its_host_and_content() -> None:
    entry = {"at": AT, "step": "switch", "phase": "begin"}
    same = dict(reversed(entry.items()))
    assert events.journal_id("web1", entry) == events.journal_id("web1", same)
    assert events.journal_id("web1", entry).startswith("j-")
    others = {events.journal_id("web2", entry), events.journal_id("web1", {**entry, "phase": "end"})}
    assert events.journal_id("web1", entry) not in others
    assert len(others) == 2


def test_what_was_written_is_read() -> None:
    reference = {"path": "evidence/a.log", "sha256": "0" * 64, "bytes": 3, "about": "a log", "cut": 7}
    made = event("step", host="web1", run="r", step="s", outcome="done", evidence=[reference], data={"ü": ["\ud800"]})
    assert events.read(events.canonical(made)) == made


def test_a_key_of_a_later_version_is_kept() -> None:
    assert read({**event(), "weather": "rain"})["weather"] == "rain"


def test_an_unknown_kind_is_kept() -> None:
    assert read({**event(), "kind": "weather"})["kind"] == "weather"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"id": 9' + b"9" * 5000 + b"}",
        json.dumps({**MINIMAL, "id": ""}).encode(),
        json.dumps({**MINIMAL, "id": 7}).encode(),
        json.dumps({**MINIMAL, "kind": None}).encode(),
        json.dumps({**MINIMAL, "at": "yesterday"}).encode(),
        json.dumps({**MINIMAL, "at": "2026-13-02T03:04:05.678Z"}).encode(),
        json.dumps({**MINIMAL, "at": "2026-01-02T03:04:05.678"}).encode(),
        json.dumps({**MINIMAL, "at": "0001-01-01T00:00:00+23:00"}).encode(),
        json.dumps({**MINIMAL, "seconds": math.nan}).encode(),
        json.dumps({**MINIMAL, "text": "a" * events.LINE_CAP}).encode(),
    ],
)
def test_what_is_no_event_is_none(line: bytes) -> None:
    assert events.read(line) is None


def test_a_stamp_of_another_spelling_is_ours_after_reading() -> None:
    assert read({**MINIMAL, "at": "2026-01-02T04:04:05+01:00"})["at"] == "2026-01-02T03:04:05.000Z"


@given(more=st.dictionaries(st.sampled_from(sorted(event())), values))
def test_every_value_has_its_type_whatever_was_written(more: dict[str, Any]) -> None:
    found = events.read(events.canonical({**more, **MINIMAL}))
    assert found is not None
    for name in ("id", "kind", "at", "clock", "text", "recorded"):
        assert isinstance(found[name], str)
    for name in ("end", "host", "run", "step", "outcome", "boot"):
        assert found[name] is None or isinstance(found[name], str)
    for name in ("seconds", "mono"):
        assert found[name] is None or isinstance(found[name], (int, float))
    assert set(found["actor"]) == {"kind", "name"}
    assert isinstance(found["evidence"], list)
    assert isinstance(found["data"], dict)
    assert events.moment(found["recorded"]).tzinfo is not None
    assert events.identity(found)


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "../a", "evidence/../a", "evidence/a/b", "evidence/", "evidence/.a", "evidence/..", "a"),
        *("evidence/a\n", "evidence/a b", "evidence\\a", "evidence/" + "a" * 200, "", None, 7, ["evidence/a"]),
    ],
)
def test_a_reference_that_leads_elsewhere_is_none(path: Any) -> None:
    reference = {"path": path, "sha256": "0" * 64, "bytes": 1, "about": "a"}
    assert read({**MINIMAL, "evidence": [reference]})["evidence"] == []
    assert not events.is_evidence_path(path)


def test_identity_is_of_the_content_of_evidence_and_not_of_its_name() -> None:
    def with_evidence(path: str, sha256: str) -> bytes:
        reference = {"path": path, "sha256": sha256 * 64, "bytes": 1, "about": ""}
        return events.identity({**made, "evidence": [reference]})

    made = event()
    assert with_evidence("evidence/a.log", "a") == with_evidence("evidence/a-2.log", "a")
    assert with_evidence("evidence/a.log", "a") != with_evidence("evidence/a.log", "b")
    assert events.identity(made) != events.identity({**made, "text": "Another."})


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ({"end": None}, {"end": AT}, True),
        ({"end": AT}, {"end": None, "mono": 9.0}, False),
        ({"mono": 1.0, "recorded": LATER}, {"mono": 2.0, "recorded": AT}, True),
        ({"mono": 2.0, "recorded": AT}, {"mono": 1.0, "recorded": LATER}, False),
        ({"mono": 2.0, "recorded": AT, "boot": "x"}, {"mono": 1.0, "recorded": LATER, "boot": "y"}, True),
        ({"mono": None, "recorded": LATER}, {"mono": None, "recorded": AT}, False),
    ],
)
def test_the_whole_one_counts_then_the_last(old: dict[str, Any], new: dict[str, Any], counts: bool) -> None:
    base = {"end": AT, "boot": "one", "mono": 1.0, "recorded": AT}
    assert events.supersedes({**base, **new}, {**base, **old}) is counts
