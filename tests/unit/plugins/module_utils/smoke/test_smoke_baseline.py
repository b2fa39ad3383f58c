# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was so before is told apart and not blamed; what an incident's check must show is never excused."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import baseline
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.setup import Suite, smoke_options

OPTIONS = {name: option.get("default") for name, option in smoke_options().items()}
UP: t.Tuple[int, t.Dict[str, str], str] = (200, {}, "")
DOWN: t.Tuple[int, t.Dict[str, str], str] = (500, {}, "")
SAVING = {"name": "saving", "type": "http", "path": "/saving", "expect": {"status": 200}, "retries": 0}
READING = {**SAVING, "name": "reading", "path": "/reading"}
INCIDENT = {**SAVING, "verify": True}


def look(app: t.Any, checks: t.List[t.Dict[str, t.Any]], **more: t.Any) -> _smoke.Report:
    target = {"url": app.url, "name": "app1", "validate_certs": True}
    return Suite({**OPTIONS, "checks": checks, "targets": [target], **more}).run()


def answer(app: t.Any, *, saving: t.Any = UP, reading: t.Any = UP) -> None:
    app.answers = {("GET", "/saving"): [saving], ("GET", "/reading"): [reading]}


def test_what_failed_before_is_not_blamed(app: t.Any) -> None:
    answer(app, saving=DOWN)
    before = look(app, [SAVING, READING]).as_dict()
    assert before["counts"]["failed"] == 1
    after = look(app, [SAVING, READING], baseline=before)
    assert after.good
    assert after.verdict == "passed"
    assert after.counts == {"passed": 1, "failed": 0, "error": 0, "skipped": 0, "known": 1}
    assert after.summary.startswith("1 of 2 checks passed, 1 as bad as before we began in ")
    assert after.notes == [
        "saving was already failing at app1 before we began: GET /saving answered 500, not 200.",
    ]
    assert [(one.before, one.known) for one in after.results] == [("failed", True), ("passed", False)]


def test_what_is_new_is_blamed_and_what_was_mended_is_told(app: t.Any) -> None:
    answer(app, saving=DOWN)
    before = look(app, [SAVING, READING]).as_dict()
    answer(app, reading=DOWN)
    after = look(app, [SAVING, READING], baseline=before)
    assert (after.good, after.verdict) == (False, "failed")
    assert after.summary.startswith("Broken (1 of 2 checks failed): reading: GET /reading answered 500")
    assert after.notes == ["saving failed at app1 before we began, and passes now."]


def test_what_answered_before_and_is_silent_now_is_worse(app: t.Any) -> None:
    answer(app, saving=DOWN)
    before = look(app, [SAVING, READING]).as_dict()
    gone = {"url": "http://127.0.0.1:9", "name": "app1", "validate_certs": True}
    after = look(app, [SAVING, READING], baseline=before, targets=[gone])
    assert after.verdict == "error"
    assert after.counts["known"] == 0
    # And the other way about: what was silent before, and answers wrongly now, is not.
    silent = after.as_dict()
    after = look(app, [SAVING, READING], baseline=silent)
    assert after.good
    assert after.notes[0].startswith("saving could not be looked at already at app1 before we began: GET /saving")


def test_another_target_or_a_new_check_has_no_before(app: t.Any) -> None:
    answer(app, saving=DOWN)
    before = look(app, [SAVING]).as_dict()
    other = {"url": app.url, "name": "app2", "validate_certs": True}
    assert not look(app, [SAVING, READING], baseline=before, targets=[other]).good
    assert not look(app, [{**SAVING, "name": "renamed"}, READING], baseline=before).good


def test_nothing_but_what_was_bad_before_is_no_pass(app: t.Any) -> None:
    answer(app, saving=DOWN)
    before = look(app, [SAVING]).as_dict()
    after = look(app, [SAVING], baseline=before)
    assert (after.good, after.verdict) == (False, "failed")
    assert after.summary == "Nothing passed: of 1 checks 0 were skipped, 1 as bad as before we began."
    assert "nothing shows that anything works" in after.next_step


def test_the_check_of_an_incident_fails_before_its_fix(app: t.Any) -> None:
    answer(app, saving=DOWN)
    before = look(app, [INCIDENT, READING])
    assert before.good
    assert before.summary.startswith("1 of 2 checks passed, 1 failing as the incident says in ")
    assert before.notes == ["saving fails now at app1, as the incident says: GET /saving answered 500, not 200."]
    answer(app)
    after = look(app, [INCIDENT, READING], baseline=before.as_dict())
    assert after.good
    assert after.notes == ["saving failed at app1 before and passes now: the fix resolves the incident."]


def test_the_check_of_an_incident_is_never_excused_after_the_fix(app: t.Any) -> None:
    answer(app, saving=DOWN)
    before = look(app, [INCIDENT, READING]).as_dict()
    after = look(app, [INCIDENT, READING], baseline=before)
    assert (after.good, after.counts["known"]) == (False, 0)
    assert after.summary.startswith("Broken (1 of 2 checks failed): saving: GET /saving answered 500")
    assert not look(app, [INCIDENT, READING], baseline={"results": []}).good


def test_the_check_of_an_incident_that_shows_nothing_says_so(app: t.Any) -> None:
    answer(app)
    before = look(app, [INCIDENT, READING])
    assert before.notes == ["saving passes at app1: it does not show the incident."]
    after = look(app, [INCIDENT, READING], baseline=before.as_dict())
    assert after.notes == ["saving passed at app1 before as well, so it proves nothing."]
    unknown = look(app, [INCIDENT, READING], baseline={"results": []})
    assert unknown.notes == ["saving passes at app1; whether it failed before is not known."]
    gone = {"url": "http://127.0.0.1:9", "name": "app1", "validate_certs": True}
    (note,) = look(app, [INCIDENT], targets=[gone]).notes
    assert note.startswith("saving could not look at app1, so it shows nothing yet: GET /saving: 127.0.0.1:9 refuses")


def test_what_is_saved_can_be_compared_with(app: t.Any, tmp_path: Path) -> None:
    answer(app, saving=DOWN)
    file = tmp_path / "before.json"
    look(app, [SAVING, READING], save=str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    saved = json.loads(file.read_text())
    assert (saved["format"], saved["verdict"], len(saved["results"])) == (1, "failed", 2)
    assert look(app, [SAVING, READING], baseline=str(file)).good


def test_no_secret_is_saved(app: t.Any, tmp_path: Path) -> None:
    app.answers = {("GET", "/"): [(500, {"X-Echo": "s3cret-value"}, "s3cret-value here")]}
    file = tmp_path / "before.json"
    check = {**SAVING, "headers": {"X-Token": "{token}"}}
    look(app, [check], secrets={"token": "s3cret-value"}, save=str(file))
    assert "s3cret-value" not in file.read_text()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("/nonexistent/before.json", "cannot be read"),
        ({"results": "none"}, "it has no results"),
        ({}, "it has no results"),
        ([], "it has no results"),
        (7, "it has no results"),
        ({"results": [{"name": "a", "target": "b"}]}, "a result without name, target and status"),
        ({"results": [{"name": "a", "target": "b", "status": "fine"}]}, "a result without name, target and status"),
        ({"results": ["a"]}, "a result without name, target and status"),
    ],
)
def test_what_is_no_baseline_is_refused(raw: t.Any, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        baseline.read(raw)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00\xff"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "before.json"
    file.write_text(text)
    with pytest.raises(BadInputError, match="cannot be read"):
        baseline.read(str(file))


def test_a_folder_that_is_not_there_is_told_before_the_first_request(app: t.Any, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="in a folder that is not there"):
        look(app, [SAVING], save=str(tmp_path / "no" / "before.json"))
    assert app.seen == []


def test_without_a_baseline_nothing_is_compared() -> None:
    assert baseline.read(None) is None
    assert baseline.read("") is None
    assert baseline.read({"results": []}) == {}
