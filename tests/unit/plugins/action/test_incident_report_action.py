# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people say of an incident: checked before anything is written, written once, and shown by a real playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import journals, redact
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.fold import fold
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.operate import Desk
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder, Store

ROOT = Path(__file__).resolve().parents[4]
SECRET = "correct-horse-battery-staple"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(
        store=Store(tmp_path / "incidents"),
        environment="production",
        operator="alice@laptop",
        redactor=redact.Redactor([SECRET]),
        zone=ZoneInfo("Europe/Berlin"),
        zone_name="Europe/Berlin",
        command="ansible-playbook playbooks/incident.yml -l production",
    )


def said(desk: Desk, **options: Any) -> tuple[Folder | None, list[str]]:
    """Say something; return the incident and what was added."""
    plan = desk.plan(options)
    return desk.write(plan) if plan.writes else plan.folder, plan.words


def opened(desk: Desk, **options: Any) -> Folder:
    folder, _added = said(desk, state="opened", **{"title": "Notes are not saved", **options})
    assert folder is not None
    return folder


def refused(desk: Desk, **options: Any) -> str:
    """Say something that cannot be right: there is a next step, and nothing is written."""

    def files() -> dict[str, bytes]:
        return {str(one): one.read_bytes() for one in desk.store.path.rglob("[!.]*") if one.is_file()}

    before = files()
    with pytest.raises(BadInputError) as found:
        desk.plan(options)
    assert files() == before
    assert found.value.next_step
    return str(found.value)


# ------------------------------------------------------------------------------------------------------- opening


def test_an_incident_is_opened_with_all_that_was_said(desk: Desk) -> None:
    folder = opened(
        desk, severity="2", criterion="broken_function", services=["backend"], started_at="04:01", reason="r"
    )
    found = fold(folder.events())
    assert found.fields["title"] == "Notes are not saved"
    assert (found.fields["severity"], found.fields["criterion"]) == (2, "broken_function")
    assert (found.fields["services"], found.fields["environment"]) == (["backend"], "production")
    assert found.fields["zone"] == "Europe/Berlin"
    assert E.moment(found.fields["started_at"]).astimezone(desk.zone).strftime("%H:%M") == "04:01"
    assert found.record == "incident"


def test_opening_again_joins_the_open_one_and_changes_nothing(desk: Desk) -> None:
    first = opened(desk, severity=2)
    again, added = said(desk, state="opened", title="Notes are not saved", severity=2)
    assert again is not None
    assert (again.id, added) == (first.id, [])
    _same, more = said(desk, state="opened", title="Notes are lost")
    assert more == ["Noted title: Notes are lost."]
    assert fold(first.events()).fields["title"] == "Notes are lost"


def test_new_opens_another_one_and_an_id_of_ones_own_is_taken(desk: Desk) -> None:
    first = opened(desk)
    assert opened(desk, id="new").id != first.id
    assert opened(desk, id="INC-7").id == "INC-7"


def test_an_incident_of_another_environment_is_not_joined(desk: Desk) -> None:
    opened(desk)
    desk.environment = "staging"
    assert "No incident of staging is open" in refused(desk, note="x")


# -------------------------------------------------------------------------------------------------------- states


def test_the_states_come_in_their_order(desk: Desk) -> None:
    folder = opened(desk)
    for state in ("mitigated", "resolved", "closed"):
        said(desk, state=state)
        assert folder.state().state == state
        events = fold(folder.events())
        assert events.reached[state]["data"]["how"] == "asked"
        assert events.reached[state]["actor"] == {"kind": "human", "name": "alice@laptop"}


def test_the_same_state_again_changes_nothing(desk: Desk) -> None:
    opened(desk)
    said(desk, state="mitigated")
    _folder, added = said(desk, state="mitigated")
    assert added == []


@pytest.mark.parametrize(
    ("reached", "asked", "text"), [("opened", "resolved", "mitigated"), ("mitigated", "closed", "resolved")]
)
def test_no_state_is_left_out(desk: Desk, reached: str, asked: str, text: str) -> None:
    opened(desk)
    said(desk, state=reached)
    assert f"cannot be {asked} before it was {text}" in refused(desk, state=asked)


def test_there_is_no_way_back(desk: Desk) -> None:
    folder = opened(desk)
    said(desk, state="mitigated")
    said(desk, state="resolved")
    text = refused(desk, state="mitigated")
    assert f"Incident {folder.id} is resolved, and does not go back to mitigated" in text
    assert "-e incident=new" in text


def test_closing_twice_is_refused_and_never_closes_an_older_one(desk: Desk) -> None:
    older = opened(desk, id="older")
    said(desk, id="older", state="mitigated")
    said(desk, id="older", state="resolved")
    opened(desk, id="newer")
    for state in ("mitigated", "resolved", "closed"):
        said(desk, id="newer", state=state)
    for options in ({}, {"id": "newer"}):
        text = refused(desk, state="closed", **options)
        assert "Incident newer is closed already, since" in text
        assert "by alice@laptop" in text
    assert "older" in refused(desk, state="closed")
    assert older.state().state == "resolved"


def test_a_state_can_be_said_later_with_its_time(desk: Desk) -> None:
    folder = opened(desk)
    at = datetime.now(UTC).replace(microsecond=0)
    said(desk, state="mitigated", at=at.isoformat())
    assert fold(folder.events()).times["mitigated"].at == at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    early = (at - timedelta(days=1)).isoformat()
    assert "before the incident was mitigated" in refused(desk, state="resolved", at=early)


def test_a_closed_one_takes_the_review_and_nothing_else(desk: Desk) -> None:
    folder = opened(desk, id="INC-7")
    for state in ("mitigated", "resolved", "closed"):
        said(desk, id="INC-7", state=state)
    said(desk, id="INC-7", root_cause="a dropped column", note="reviewed", tick=["post_mortem"], by="bob")
    found = fold(folder.events())
    assert found.fields["root_cause"] == "a dropped column"
    assert [one["data"]["by"] for one in found.of("checklist")] == ["bob"]
    assert "takes no severity any more" in refused(desk, id="INC-7", severity=1)
    assert "cannot be opened" in refused(desk, id="INC-7", state="opened")
    assert "No incident of production is open" in refused(desk, note="later")


# ----------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"id": "nobody", "note": "x"}, "There is no incident 'nobody'"),
        ({"id": "../x", "note": "x"}, "'../x' cannot be the ID"),
        ({"id": "new", "state": "mitigated"}, "state is 'mitigated'"),
        ({"severity": "5"}, "severity is '5'"),
        ({"criterion": "outtage"}, "outage may be meant"),
        ({"state": "mitigate"}, "mitigated may be meant"),
        ({"state": "recorded"}, "nothing to record"),
        ({"state": "rendered", "note": "x"}, "adds nothing, and note is given"),
        ({"state": "opened", "at": "03:04"}, "at is given with state 'opened'"),
        ({"note": "x", "at": "yesterday"}, "which is no time"),
        ({"note": "x", "at": "2999-01-02"}, "is in the future"),
        ({"tick": ["smoke"]}, "'smoke' is no item of the checklists"),
        ({"actions": [{"text": "x", "due": "soon"}]}, "'soon', which is no day"),
        ({"event": {"text": "x", "end": "2026-01-02T03:04:05Z"}}, "an end and no beginning"),
        (
            {"event": {"text": "x", "at": "2026-01-02T03:04:05Z", "end": "2026-01-02T03:04:04Z"}},
            "ends before it begins",
        ),
        ({"event": {"text": "x", "evidence": ["nowhere.txt"]}}, "there is no such file"),
        ({"merge": "nowhere"}, "there is no record of an incident in it"),
    ],
)
def test_bad_input_is_named_before_anything_is_written(desk: Desk, options: dict[str, Any], text: str) -> None:
    opened(desk, id="INC-7")
    assert text in refused(desk, **options)


def test_with_nothing_open_the_next_step_is_to_open_one(desk: Desk) -> None:
    for options in ({"note": "x"}, {"state": "mitigated"}, {"state": "closed"}):
        assert "-e state=opened" in refused(desk, **options)
    assert not desk.store.path.exists()
    assert desk.plan({}).folder is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("04:03", "2026-01-02T03:03:00.000Z"),
        ("23:30", "2026-01-01T22:30:00.000Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02 04:04", "2026-01-02T03:04:00.000Z"),
    ],
)
def test_times_are_read_in_the_zone_of_who_says_them(desk: Desk, text: str, expected: str) -> None:
    desk.now = NOW
    assert desk.moment("at", text) == expected


# -------------------------------------------------------------------------------------------------- what is said


def test_ticks_notes_and_actions_are_written_once(desk: Desk) -> None:
    folder = opened(desk)
    options = {
        "note": "the queue is empty",
        "tick": ["customers_told"],
        "by": "bob",
        "actions": [{"text": "Check migrations", "owner": "carol", "due": "2026-02-01"}],
    }
    _folder, added = said(desk, **options)
    assert len(added) == 3
    assert said(desk, **options)[1] == []
    item = fold(folder.events()).of("action")[-1]["data"]["item"]
    said(desk, tick=[item])
    assert fold(folder.events()).of("action")[-1]["data"]["done"] is True
    _folder, added = said(desk, untick=["customers_told"], by="bob")
    assert added == ["Unticked by bob: Customer-facing communications sent (if applicable)"]


def test_an_event_keeps_its_evidence_with_secrets_masked(desk: Desk, tmp_path: Path) -> None:
    folder = opened(desk)
    (tmp_path / "queue.txt").write_text(f"login {SECRET}\n", encoding="utf-8")
    (tmp_path / "shot.png").write_bytes(b"\x89PNG\xff\xfe")
    event = {
        "at": "2026-01-02T03:04:05Z",
        "end": "2026-01-02T03:05:05Z",
        "text": f"The queue was emptied with {SECRET}",
        "host": "app1.example.com",
        "evidence": [str(tmp_path / "queue.txt"), str(tmp_path / "shot.png")],
    }
    said(desk, event=event)
    assert said(desk, event=event)[1] == []
    (found,) = fold(folder.events()).of("note")
    assert (found["seconds"], found["host"]) == (60.0, "app1.example.com")
    assert all(folder.intact(one) for one in found["evidence"])
    assert (folder.path / found["evidence"][1]["path"]).read_bytes() == b"\x89PNG\xff\xfe"
    everything = b"".join(one.read_bytes() for one in folder.path.rglob("*") if one.is_file())
    assert SECRET.encode() not in everything
    assert b"login " in everything


def test_no_secret_of_any_input_is_written(desk: Desk) -> None:
    folder = opened(
        desk,
        title=f"t {SECRET}",
        summary=f"s {SECRET}",
        reason=f"r {SECRET}",
        roles=[{"role": "scribe", "name": SECRET}],
        contacts={"technical": [{"role": "x", "name": SECRET}]},
    )
    said(desk, note=f"n {SECRET}", root_cause=SECRET, customer_message=SECRET, contributing=[SECRET])
    said(desk, tick=["runbooks"], by=SECRET, actions=[{"text": SECRET, "owner": SECRET}])
    assert SECRET not in folder.log.read_text(encoding="utf-8")


def test_the_record_of_a_second_operator_is_taken_in_once(desk: Desk, tmp_path: Path) -> None:
    folder = opened(desk, id="INC-7")
    other = Desk(**{**vars(desk), "store": Store(tmp_path / "other"), "operator": "bob@laptop"})
    theirs = opened(other, id="INC-7")
    said(other, note="seen from here too")
    said(desk, merge=str(theirs.path))
    assert [one["text"] for one in fold(folder.events()).of("note")] == ["seen from here too"]
    before = folder.log.read_bytes()
    desk.write(desk.plan({"merge": str(theirs.path)}))
    assert folder.log.read_bytes() == before
    opened(other, id="INC-8")
    text = refused(desk, merge=str(tmp_path / "other" / "INC-8"))
    assert "is the record of incident INC-8" in text or "record of incident INC-8" in text
    assert "this record itself" in refused(desk, merge=str(folder.path))


def test_what_the_journals_hold_and_the_record_does_not_is_collected_once(desk: Desk) -> None:
    folder = opened(desk)
    entries = [
        {"at": "2026-01-02T03:04:05.000Z", "phase": "begin", "run": "r1", "action": "rollback", "step": "switch"},
        {"at": "2026-01-02T03:04:06.000Z", "phase": "end", "run": "r1", "action": "rollback", "step": "switch"},
    ]
    plan = desk.plan({}, journals.journal_events("app1", entries))
    assert plan.words == ["Collected 1 entries of the journals of app1."]
    desk.write(plan)
    (found,) = fold(folder.events()).of("journal")
    assert (found["host"], found["step"], found["seconds"]) == ("app1", "switch", 1.0)
    assert not desk.plan({}, journals.journal_events("app1", entries)).writes


# ------------------------------------------------------------------------------------------- a real playbook run


class Playbook:
    """Runs playbooks/incident.yml, on hosts that do not exist: whoever connected to them would fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "hosts.ini").write_text(
            "[production]\napp1.invalid\napp2.invalid\n[staging]\nstaging.invalid\n", encoding="utf-8"
        )

    def run(self, *extra: str, limit: str = "production") -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.ini", "-l", limit]
        command += [str(ROOT / "playbooks/incident.yml"), *extra]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={
                **{name: one for name, one in os.environ.items() if not name.startswith("ANSIBLE_")},
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
                "ANSIBLE_NOCOLOR": "1",
                "TZ": "Europe/Berlin",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def good(self, *extra: str) -> str:
        done = self.run(*extra)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def bad(self, *extra: str) -> str:
        done = self.run(*extra)
        assert done.returncode != 0, done.stdout
        return " ".join(done.stdout.split())

    @property
    def incidents(self) -> list[Path]:
        return sorted(one for one in (self.folder / "incidents").glob("*") if one.is_dir())


@pytest.fixture
def playbook(tmp_path: Path) -> Playbook:
    return Playbook(tmp_path)


def test_the_life_of_an_incident_by_the_playbook(playbook: Playbook) -> None:
    shown = playbook.good()
    assert "No incident of production is open" in shown
    assert "-e state=opened" in shown
    asked = ("-e", "state=opened", "-e", "title='Notes are not saved'", "-e", "severity=2", "-e", "criterion=outage")
    planned = playbook.good(*asked, "--check", "--diff")
    assert "An incident would be opened." in planned
    assert '"severity":2' in planned
    assert not (playbook.folder / "incidents").exists()
    assert "Notes are not saved" in playbook.good(*asked)
    (folder,) = playbook.incidents
    for name in ("report.md", "report.html", "report.json"):
        assert "Notes are not saved" in (folder / name).read_text(encoding="utf-8")
    before = (folder / "events.jsonl").read_bytes()
    shown = playbook.good()
    assert "opened, since" in shown
    assert "(Europe/Berlin)" in shown
    assert "not due before users are served again" in shown
    assert f"report     incidents/{folder.name}/report.html" in shown
    assert "added" not in shown
    assert (folder / "events.jsonl").read_bytes() == before
    shown = playbook.good("-e", "state=mitigated", "-e", "tick=customers_told", "-e", "by=carol")
    assert "[x] customers_told" in shown
    assert "Immediate (< 30 minutes): 1 of 5, due " in shown
    assert (folder / "post-mortem.ics").is_file()
    playbook.good("-e", "state=resolved", "-e", "root_cause='a dropped column'", "-e", "prevent='Check migrations'")
    playbook.good("-e", "state=closed")
    assert f"Incident {folder.name} is closed already" in playbook.bad("-e", "state=closed")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (report["state"], report["root_cause"]) == ("closed", "a dropped column")
    assert [one["text"] for one in report["actions"]] == ["Check migrations"]
    listed = playbook.good("-e", "list=true")
    assert f"{folder.name}  closed" in listed
    assert playbook.incidents == [folder]


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (("-e", "incident=nobody"), "There is no incident 'nobody'"),
        (("-e", "state=opened", "-e", "severity=9"), "9"),
        (("-e", "note={{ lookup('pipe', 'id') }}"), "note holds a template"),
        (("-e", "tick=fix_verified"), "No incident of production is open"),
    ],
)
def test_bad_input_of_the_playbook_has_one_error_with_a_next_step(
    playbook: Playbook, extra: tuple[str, ...], text: str
) -> None:
    said = playbook.bad(*extra)
    assert text in said
    assert "Next: " in said
    assert not (playbook.folder / "incidents").exists()


def test_a_record_that_cannot_be_written_to_is_shown_all_the_same(playbook: Playbook) -> None:
    playbook.good("-e", "state=opened", "-e", "title='Notes are not saved'")
    (folder,) = playbook.incidents
    for name in ("report.md", "report.html", "report.json", ".render.lock"):
        (folder / name).unlink(missing_ok=True)
        # A folder in its place: nobody can write there, root neither.
        (folder / name).mkdir()
    shown = playbook.good()
    assert "Notes are not saved" in shown
    assert "The report could not be written" in shown
