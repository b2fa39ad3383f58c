# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Incidents are found, opened once, appended to and merged; nothing that a record says leads out of its folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import store as store_module
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError, IncidentError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder, Store, evidence_name

from tests.unit.plugins.plugin_utils.incident.records import note, opened


def state(wanted: str, **more: Any) -> events.Event:
    return events.event("state", text=wanted, actor=events.tool(), data={"state": wanted, "how": "asked"}, **more)


def texts(folder: Folder) -> list[str]:
    return [event["text"] for event in folder.events()]


# ------------------------------------------------------------------ find and open


def test_an_id_sorts_by_time_and_names_the_environment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_clock, "utc_now", lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    folder = store.create("production")
    assert re.fullmatch(r"20260102T030405Z-production-[0-9a-f]{4}", folder.id)
    assert re.fullmatch(r"20260102T030405Z-eu-west-prod-[0-9a-f]{4}", store.create("eu west/prod").id)
    assert re.fullmatch(r"20260102T030405Z-[0-9a-f]{4}", store.create("../..").id)
    assert len(store.create("a" * 300).id) <= 64


def test_only_the_owner_may_read_a_record(store: Store, incident: Folder) -> None:
    incident.add_evidence("a.log", "a", "a log")
    modes = [store.path, incident.path, incident.path / "evidence", incident.log, incident.path / "evidence/a.log"]
    assert [oct(path.stat().st_mode & 0o777) for path in modes] == ["0o700"] * 3 + ["0o600"] * 2


def test_an_operator_may_name_the_id_once(store: Store, incident: Folder) -> None:
    assert store.get("incident-1").path == incident.path
    with pytest.raises(BadInputError, match=r"'incident-1' in .* already"):
        store.create("production", "incident-1")


@pytest.mark.parametrize("name", ["", ".", "..", ".lock", "a/b", "../a", "a\n", "a b", "-a", "a" * 65, "new", "ü"])
def test_an_id_that_cannot_be_one(store: Store, name: str) -> None:
    for ask in (store.get, store.folder, lambda one: store.create("production", one)):
        with pytest.raises(BadInputError, match="cannot be the ID of an incident"):
            ask(name)
    if name not in ("", "new"):
        with pytest.raises(BadInputError):
            store.open_or_join("production", "run-1", name, opened())
    assert store.ids() == []


def test_an_unknown_incident_is_named_with_those_that_there_are(store: Store) -> None:
    with pytest.raises(BadInputError, match=r"no incident 'x' in .*incidents \(there: none\)"):
        store.get("x")
    for number in range(12):
        store.create("production", f"incident-{number:02}")
    with pytest.raises(BadInputError) as caught:
        store.get("x")
    assert "(there: incident-11, incident-10," in caught.value.what
    assert "incident-02 and 2 older)" in caught.value.what
    assert "hotfix_incident_dir" in caught.value.next_step


def test_a_store_that_is_not_there_is_empty_and_stays_so(store: Store) -> None:
    assert store.ids() == []
    assert store.states() == []
    assert store.open_of("production") is None
    assert store.of_run("run-1") is None
    assert not store.path.exists()


def test_what_is_no_incident_is_none(store: Store, incident: Folder, tmp_path: Path) -> None:
    (store.path / "notes").mkdir()
    (store.path / "file").write_text("")
    (store.path / "linked").symlink_to(incident.path)
    (store.path / ".hidden").mkdir()
    assert store.ids() == ["incident-1"]


def test_the_first_event_holds_the_id_and_the_environment(store: Store) -> None:
    folder, created = store.open_or_join("staging", "run-1", None, note)
    (event,) = folder.events()
    assert created
    assert event["text"] == folder.id
    assert event["data"] == {"incident": folder.id, "environment": "staging"}
    assert event["run"] == "run-1"


def test_a_run_stays_with_its_incident(store: Store) -> None:
    first, created = store.open_or_join("production", "run-1", None, opened())
    assert created
    again, created_again = store.open_or_join("production", "run-1", "new", opened())
    assert (again.id, created_again) == (first.id, False)


def test_another_run_joins_the_newest_open_one(store: Store) -> None:
    store.create("production", "older", opened(at="2026-01-01T00:00:00.000Z"))
    store.create("production", "newer", opened(at="2026-01-02T00:00:00.000Z"))
    store.create("staging", "other", opened("staging"))
    assert store.open_or_join("production", "run-1", "", opened())[0].id == "newer"
    store.folder("newer").append(state("mitigated"))
    assert store.open_or_join("production", "run-2", None, opened())[0].id == "newer"
    store.folder("newer").append(state("resolved"))
    assert store.open_or_join("production", "run-3", None, opened())[0].id == "older"
    store.folder("older").append(state("closed"))
    folder, created = store.open_or_join("production", "run-4", None, opened())
    assert created
    assert folder.id not in ("older", "newer", "other")


def test_new_asks_for_one_of_its_own(store: Store, incident: Folder) -> None:
    folder, created = store.open_or_join("production", "run-1", "new", opened())
    assert created
    assert folder.id != incident.id


def test_a_named_one_is_joined_or_opened_under_its_name(store: Store, incident: Folder) -> None:
    incident.append(state("closed"))
    assert store.open_or_join("production", "run-1", "incident-1", opened())[1] is False
    folder, created = store.open_or_join("production", "run-2", "of-another-operator", opened())
    assert (folder.id, created) == ("of-another-operator", True)


def test_an_incident_that_nothing_was_added_to_for_a_day_is_left(
    store: Store, incident: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(_clock, "utc_now", lambda: now + timedelta(hours=23))
    assert store.open_of("production").id == incident.id
    monkeypatch.setattr(_clock, "utc_now", lambda: now + timedelta(hours=25))
    assert store.open_of("production") is None
    assert store.open_of("production", younger_than=26 * 3600).id == incident.id


def test_a_clock_that_was_set_back_loses_no_incident(
    store: Store, incident: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_clock, "utc_now", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    incident.append(note("after the jump", run="run-1"))
    assert store.open_of("production").id == incident.id
    assert store.of_run("run-1").id == incident.id
    assert incident.state().idle() == 0
    assert texts(incident) == ["Opened.", "after the jump"]
    assert incident.events()[1]["recorded"] < incident.events()[0]["recorded"]
    assert incident.events()[1]["mono"] > incident.events()[0]["mono"]


def test_a_state_is_never_taken_back(store: Store, incident: Folder) -> None:
    # As after a merge: an older line comes last.
    incident.append(state("closed"), state("mitigated"), state("nonsense"))
    assert incident.state().state == "closed"
    assert not incident.state().is_open()


def test_an_incident_without_a_word_is_not_joined(store: Store) -> None:
    store.create("production", "empty")
    assert store.ids() == ["empty"]
    assert store.open_of("production") is None


# ------------------------------------------------------------------------- index


def test_the_index_saves_reading_what_did_not_change(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        store.create("production", f"incident-{number}", opened(run=f"run-{number}"))
    assert store.of_run("run-7").id == "incident-7"
    seen: list[tuple[str, int]] = []
    read_on = store_module._read_on

    def watched(log: str, one: Any) -> None:
        seen.append((one.id, one.size))
        read_on(log, one)

    monkeypatch.setattr(store_module, "_read_on", watched)
    assert store.of_run("run-8").id == "incident-8"
    assert seen == []
    size = store.folder("incident-9").log.stat().st_size
    store.folder("incident-9").append(note("a", run="run-new"))
    assert store.of_run("run-new").id == "incident-9"
    assert seen == [("incident-9", size)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 1}',
        '{"version": 1, "incidents": 7}',
        '{"version": 1, "incidents": [7]}',
        '{"version": 1, "incidents": [["incident-1"]]}',
        '{"version": 1, "incidents": [["incident-1", 1, 2, 3, 4, 5, 6, 7, 8, 9]]}',
        '{"version": 1, "incidents": [["incident-1", null, null, -1, null, [], 7, 8, 9, 10]]}',
        '{"version": 1, "incidents": [["incident-1", null, null, -1, null, [], -7, 8, 9, 10]]}',
        '{"version": 2, "incidents": []}',
        "[" * 100_000,
        "\x00\xff",
    ],
)
def test_an_index_that_says_nonsense_is_made_anew(store: Store, incident: Folder, content: str) -> None:
    incident.append(note("a", run="run-1"))
    (store.path / ".index.json").write_text(content)
    assert store.of_run("run-1").id == incident.id
    assert store.open_of("production").id == incident.id


@pytest.mark.parametrize(("rank", "size"), [(99, 0), (-2, 0), (0, -7), (0, 10**30), (10**30, 1)])
def test_an_index_of_the_right_file_with_wrong_numbers_is_made_anew(
    store: Store, incident: Folder, rank: int, size: int
) -> None:
    inode = incident.log.stat().st_ino
    row = ["incident-1", "staging", None, rank, None, ["run-1"], size, inode, 0, 0]
    (store.path / ".index.json").write_text(json.dumps({"version": 1, "incidents": [row]}))
    found = [(one.id, one.state) for one in store.states()]
    assert found == [("incident-1", "opened")]
    incident.append(note("a", run="run-2"))
    assert store.of_run("run-2").id == incident.id


def test_an_index_is_held_against_a_file_that_was_replaced(store: Store, incident: Folder) -> None:
    incident.append(note("a", run="run-1"))
    assert store.of_run("run-1").id == incident.id
    other = incident.log.read_bytes().replace(b'"run-1"', b'"run-2"')
    # As long as before, and longer: a new file, then the same one.
    for content in (other, other + other):
        copy = incident.log.with_name("copy")
        copy.write_bytes(content)
        copy.replace(incident.log)
        assert store.of_run("run-1") is None
        assert store.of_run("run-2").id == incident.id
    incident.log.write_bytes((other + other + other).replace(b'"run-2"', b'"run-3"'))
    assert store.of_run("run-2") is None


def test_an_index_is_held_against_a_file_that_was_cut_and_went_on(store: Store, incident: Folder) -> None:
    incident.append(note("a", run="run-1"))
    assert store.of_run("run-1").id == incident.id
    os.truncate(incident.log, incident.log.stat().st_size - 50)
    incident.append(note("b" * 300, run="run-2"))
    assert store.of_run("run-2").id == incident.id


def test_a_line_that_others_spelled_counts_too(store: Store, incident: Folder) -> None:
    spelled = json.dumps(note("by hand", run="run-1"), indent=None)
    with incident.log.open("a") as handle:
        handle.write(f"{spelled}\n")
    assert store.of_run("run-1").id == incident.id
    assert incident.state().runs == ["run-1"]


# ------------------------------------------------------------------------ events


def test_events_come_back_in_the_order_of_their_first_lines(incident: Folder) -> None:
    begun = events.event("step", text="begun", actor=events.tool())
    incident.append(begun)
    incident.append(note("between"), note("and again"))
    incident.append(events.ended(begun, outcome="done", text="ended"))
    assert texts(incident) == ["Opened.", "ended", "between", "and again"]
    assert incident.damaged == 0
    # The begin once more, as a merge may bring it later.
    incident.append(begun)
    assert texts(incident)[1] == "ended"


def test_appending_nothing_writes_nothing(incident: Folder) -> None:
    before = incident.log.read_bytes()
    incident.append()
    assert incident.log.read_bytes() == before


def test_an_event_that_is_too_large_is_refused_whole(incident: Folder) -> None:
    before = incident.log.read_bytes()
    with pytest.raises(IncidentError, match=r"kind note has \d+ bytes"):
        incident.append(note("small"), note("a" * events.LINE_CAP))
    assert incident.log.read_bytes() == before


def test_the_file_cut_anywhere_loses_the_last_line_at_most(incident: Folder) -> None:
    for number in range(3):
        incident.append(note(f"note {number}"))
    whole = incident.log.read_bytes()
    starts = [match.end() for match in re.finditer(b"\n", whole)]
    for cut in range(starts[1], len(whole), 7):
        incident.log.write_bytes(whole[:cut])
        before = texts(incident)
        assert len(before) >= sum(1 for start in starts if start <= cut)
        incident.append(note("after"))
        assert texts(incident) == [*before, "after"]
        assert incident.damaged <= 1
        assert incident.state().last is not None


def test_what_is_no_event_is_counted_and_passed(incident: Folder) -> None:
    with incident.log.open("ab") as handle:
        handle.write(b"\x00\xff\n\n  \n{}\n[1]\n" + b"x" * (3 * events.LINE_CAP) + b"\n")
    incident.append(note("after"))
    assert texts(incident) == ["Opened.", "after"]
    assert incident.damaged == 4
    assert incident.state().runs == []
    assert len(list(incident.raw())) == 6


def test_the_digest_is_of_all_that_was_written(incident: Folder) -> None:
    before = incident.digest()
    incident.append(note("a"))
    assert incident.digest() != before
    assert Folder(incident.path / "nothing").digest() == Folder(incident.path / "nothing").digest()


def test_a_folder_that_is_gone_is_said(store: Store) -> None:
    with pytest.raises(IncidentError, match="cannot be written: No such file") as caught:
        store.folder("gone").append(note("a"))
    assert caught.value.next_step


# ---------------------------------------------------------------------- evidence


def test_evidence_is_kept_with_its_digest(incident: Folder, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"\x00\xffthree")
    references = [
        incident.add_evidence("a.log", "text ü", "a text"),
        incident.add_evidence("b.bin", b"\x00\xff", "bytes"),
        incident.add_evidence("c", tmp_path / "source", "a file"),
    ]
    sha256 = hashlib.sha256("text ü".encode()).hexdigest()
    assert references[0] == {"path": "evidence/a.log", "sha256": sha256, "bytes": 7, "about": "a text"}
    assert (incident.path / "evidence/c").read_bytes() == b"\x00\xffthree"
    assert all(incident.intact(reference) for reference in references)
    assert sorted(os.listdir(incident.path / "evidence")) == ["a.log", "b.bin", "c"]


def test_evidence_is_never_replaced(incident: Folder) -> None:
    first = incident.add_evidence("a.tar.gz", "one", "")
    assert incident.add_evidence("a.tar.gz", "one", "") == first
    assert incident.add_evidence("a.tar.gz", "two", "")["path"] == "evidence/a-2.tar.gz"
    assert incident.add_evidence("a.tar.gz", "three", "")["path"] == "evidence/a-3.tar.gz"
    assert incident.add_evidence("a.tar.gz", "two", "")["path"] == "evidence/a-2.tar.gz"
    assert (incident.path / first["path"]).read_text() == "one"


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "/etc/passwd", ".a", "a b", "a\x00", "a" * 121, "ü"])
def test_a_name_that_leads_elsewhere_is_refused(incident: Folder, name: str) -> None:
    with pytest.raises(BadInputError, match="cannot be the name of evidence"):
        incident.add_evidence(name, "a", "")
    assert not (incident.path / "evidence").exists()


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("web1", "samples.jsonl"), "web1-samples.jsonl"),
        (("fe80::1%eth0", "a b", "log"), "fe80-1-eth0-a-b-log"),
        (("../../etc", "passwd"), "etc-passwd"),
        (("", ".."), "evidence"),
    ],
)
def test_a_name_out_of_anything(incident: Folder, parts: tuple[str, ...], name: str) -> None:
    assert evidence_name(*parts) == name
    incident.add_evidence(name, "a", "")


@pytest.mark.parametrize("from_file", [False, True])
@pytest.mark.parametrize(
    ("cap", "kept", "cut"),
    [
        (None, "one\ntwo\nthree\n", 0),
        (14, "one\ntwo\nthree\n", 0),
        (13, "two\nthree\n", 4),
        (10, "two\nthree\n", 4),
        (9, "three\n", 8),
        (3, "ee\n", 11),
    ],
)
def test_of_too_much_the_end_is_kept_from_a_whole_line_on(
    incident: Folder, tmp_path: Path, from_file: bool, cap: int | None, kept: str, cut: int
) -> None:
    text = "one\ntwo\nthree\n"
    (tmp_path / "source").write_text(text)
    reference = incident.add_evidence("a.log", tmp_path / "source" if from_file else text, "", cap_bytes=cap)
    assert (incident.path / reference["path"]).read_text() == kept
    assert reference.get("cut", 0) == cut
    assert incident.intact(reference)


def test_evidence_that_was_changed_or_removed_is_not_intact(incident: Folder) -> None:
    reference = incident.add_evidence("a.log", "one", "")
    assert not incident.intact({**reference, "path": "evidence/../events.jsonl"})
    assert not incident.intact({})
    (incident.path / "evidence/a.log").write_text("two")
    assert not incident.intact(reference)
    (incident.path / "evidence/a.log").unlink()
    assert not incident.intact(reference)


def test_a_file_that_is_none_is_no_evidence(incident: Folder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name in ("pipe", "link", "nothing", "."):
        with pytest.raises(IncidentError):
            incident.add_evidence("a.log", tmp_path / name, "")
    assert not (incident.path / "evidence").exists()


def test_a_link_in_the_place_of_the_folder_leads_nowhere(incident: Folder, tmp_path: Path) -> None:
    (incident.path / "evidence").symlink_to(tmp_path)
    with pytest.raises(IncidentError):
        incident.add_evidence("a.log", "a", "")
    assert not (tmp_path / "a.log").exists()


# ------------------------------------------------------------------------- merge


@pytest.fixture
def other(tmp_path: Path) -> Folder:
    """The record of a second operator."""
    return Store(tmp_path / "of-bob").create("production", "incident-1", opened())


def test_two_records_become_one_without_loss_or_duplicates(incident: Folder, other: Folder) -> None:
    shared = incident.add_evidence("a.log", "shared", "")
    incident.append(note("of alice"), note("with evidence", evidence=[shared]))
    begun = events.event("step", text="begun", actor=events.tool())
    other.append(begun, note("of bob", evidence=[other.add_evidence("b.log", "of bob", "")]))
    assert incident.merge(other) == {"events": 3, "evidence": 1, "damaged": 0, "lacking": 0}
    merged = texts(incident)
    assert merged[:3] == ["Opened.", "of alice", "with evidence"]
    assert merged[3:6] == ["Opened.", "begun", "of bob"]
    assert incident.events()[-1]["kind"] == "merged"
    assert incident.events()[-1]["data"] == {"from": str(other.path), "events": 3, "evidence": 1}
    before = incident.log.read_bytes()
    assert incident.merge(other) == {"events": 0, "evidence": 0, "damaged": 0, "lacking": 0}
    assert incident.log.read_bytes() == before
    # Bob goes on, and takes in what Alice has.
    other.append(events.ended(begun, outcome="done", text="ended"))
    assert incident.merge(other)["events"] == 1
    assert "ended" in texts(incident)
    assert "begun" not in texts(incident)
    other.merge(incident)
    incident.merge(other)
    other.merge(incident)
    assert incident.merge(other)["events"] == 0
    assert other.merge(incident)["events"] == 0
    assert {event["id"] for event in incident.events()} == {event["id"] for event in other.events()}
    assert sorted(os.listdir(incident.path / "evidence")) == sorted(os.listdir(other.path / "evidence"))


def test_evidence_of_one_name_and_two_contents_is_kept_twice(incident: Folder, other: Folder) -> None:
    incident.append(note("mine", evidence=[incident.add_evidence("a.log", "mine", "")]))
    other.append(note("theirs", evidence=[other.add_evidence("a.log", "theirs", "")]))
    assert incident.merge(other)["evidence"] == 1
    references = {event["text"]: event["evidence"][0] for event in incident.events() if event["evidence"]}
    assert (references["mine"]["path"], references["theirs"]["path"]) == ("evidence/a.log", "evidence/a-2.log")
    assert all(incident.intact(reference) for reference in references.values())
    assert incident.merge(other) == {"events": 0, "evidence": 0, "damaged": 0, "lacking": 0}
    # Back again: what Bob has under another name is not new to him.
    other.merge(incident)
    assert other.merge(incident)["events"] == 0
    assert [event["text"] for event in other.events()].count("theirs") == 1


def test_a_merge_that_was_interrupted_is_made_whole(incident: Folder, other: Folder) -> None:
    for number in range(5):
        other.append(note(f"note {number}"))
    lines = incident.log.read_bytes().splitlines(keepends=True)
    incident.merge(other)
    whole = texts(incident)[:-1]
    written = incident.log.read_bytes().splitlines(keepends=True)
    incident.log.write_bytes(b"".join(written[: len(lines) + 2]) + written[len(lines) + 2][:40])
    assert incident.merge(other)["events"] == 4
    assert sorted(texts(incident)[:-1]) == sorted(whole)


def test_two_incidents_are_not_merged(incident: Folder, tmp_path: Path) -> None:
    foreign = Store(tmp_path / "of-bob").create("production", "incident-2", opened())
    with pytest.raises(BadInputError, match="incident incident-2, and this is incident-1") as caught:
        incident.merge(foreign)
    assert "-e incident=" in caught.value.next_step
    # Its folder may bear any name.
    copied = foreign.path.rename(tmp_path / "incident-1")
    with pytest.raises(BadInputError):
        incident.merge(Folder(copied))


def test_a_record_whose_folder_was_renamed_is_still_that_record(incident: Folder, other: Folder) -> None:
    other.append(note("of bob"))
    renamed = Folder(other.path.rename(other.path.with_name("from-bob")))
    assert incident.merge(renamed)["events"] == 2
    assert "of bob" in texts(incident)


def listing(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*")}


def test_a_hostile_record_writes_nothing_outside(incident: Folder, other: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    os.mkdir(other.path / "evidence")
    (other.path / "evidence/linked").symlink_to(tmp_path / "secret")
    os.mkfifo(other.path / "evidence/pipe")
    (other.path / "evidence/changed").write_text("not what was said")
    sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    for path in ("evidence/linked", "evidence/pipe", "evidence/changed", "evidence/lacking"):
        other.append(note(path, evidence=[{"path": path, "sha256": sha256, "bytes": 6, "about": ""}]))
    for path in ("../outside", "/etc/outside", "evidence/../../outside", "evidence/a/b"):
        other.append(note(path, evidence=[{"path": path, "sha256": sha256, "bytes": 6, "about": ""}]))
    with other.log.open("ab") as handle:
        handle.write(b'{"id": "' + b"x" * (5 * events.LINE_CAP) + b'"}\n' + b"[" * 300_000 + b"\n\x00\n{}\n")
        handle.write(b'{"id": "h", "kind": "state", "at": "2026-01-01T00:00:00.000Z", "data": 7, "evidence": {}}\n')
    before = listing(tmp_path)
    counts = incident.merge(other)
    assert counts == {"events": 10, "evidence": 0, "damaged": 4, "lacking": 4}
    assert listing(tmp_path) == before
    assert not [event for event in incident.events() if any(incident.intact(one) for one in event["evidence"])]
    assert incident.merge(other)["events"] == 0
    assert incident.damaged == 0


def test_evidence_behind_a_linked_folder_is_lacking(incident: Folder, other: Folder, tmp_path: Path) -> None:
    reference = other.add_evidence("a.log", "a", "")
    other.append(note("a", evidence=[reference]))
    (other.path / "evidence").rename(tmp_path / "elsewhere")
    (other.path / "evidence").symlink_to(tmp_path / "elsewhere")
    assert incident.merge(other)["lacking"] == 1


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_log_that_is_no_file_is_refused(incident: Folder, other: Folder, tmp_path: Path, kind: str) -> None:
    content = other.log.read_bytes()
    other.log.unlink()
    if kind == "link":
        (tmp_path / "real").write_bytes(content)
        other.log.symlink_to(tmp_path / "real")
    elif kind == "pipe":
        os.mkfifo(other.log)
    else:
        other.log.mkdir()
    with pytest.raises(IncidentError, match="cannot be read"):
        incident.merge(other)
    with pytest.raises(IncidentError, match="cannot be written"):
        other.append(note("a"))
