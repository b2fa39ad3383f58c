# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A switch from the first look to the proof, against real servers."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags import switch as flow
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.setup import request_from
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.switch import UnprovenError

FLAG = "COLLABORATIVE_EDITING"
VISIBLE = {"method": "POST", "enabled": {"status": 201}, "disabled": {"status": 503}}


def test_every_instance_is_switched_and_proven(fleet: t.Any) -> None:
    one, two = fleet.add(), fleet.add()
    found = fleet.switch()
    assert (found["outcome"], found["changed"]) == ("done", True)
    assert (one.flags[FLAG], two.flags[FLAG]) == (False, False)
    assert [(i["before"], i["after"], i["proven"]) for i in found["instances"]] == [("enabled", "disabled", True)] * 2
    assert found["attempts"] == 2
    assert 0 < found["seconds_to_effect"] < 2
    assert "app-backend-1 and app-backend-2, seen 3 times in a row" in found["summary"]
    for app in (one, two):
        # One read before, one write, three in a row after. The one that waits for the first reads once more.
        assert app.writes() == 1
        assert [method for method, _path in app.seen][-3:] == ["GET"] * 3


def test_a_second_time_changes_nothing_and_proves_it_again(fleet: t.Any) -> None:
    one, _two = fleet.add(), fleet.add()
    fleet.switch()
    lines = len(fleet.journal())
    one.seen.clear()
    found = fleet.switch()
    assert (found["outcome"], found["changed"], found["attempts"]) == ("unchanged", False, 0)
    assert one.writes() == 0
    assert len(one.seen) >= 3
    assert len(fleet.journal()) == lines


def test_only_the_one_that_disagrees_is_written_to(fleet: t.Any) -> None:
    one, two = fleet.add(), fleet.add()
    one.flags[FLAG] = False
    found = fleet.switch()
    assert (one.writes(), two.writes()) == (0, 1)
    assert [i["before"] for i in found["instances"]] == ["disabled", "enabled"]


def test_instances_that_share_their_values_are_written_to_once(fleet: t.Any) -> None:
    shared = {FLAG: True}
    one, two = fleet.add(shared), fleet.add(shared)
    found = fleet.switch()
    assert one.writes() + two.writes() == 1
    assert found["attempts"] == 1


def test_switching_on_again(fleet: t.Any) -> None:
    app = fleet.add()
    fleet.switch()
    assert fleet.switch(state="enabled")["outcome"] == "done"
    assert app.flags[FLAG] is True


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("COLABORATIVE_EDITING", "COLLABORATIVE_EDITING"),
        ("collaborative-editing", "COLLABORATIVE_EDITING"),
        ("NEW_EDITR", "NEW_EDITOR"),
    ],
)
def test_an_unknown_name_lists_the_closest_and_creates_nothing(fleet: t.Any, given: str, wanted: str) -> None:
    app = fleet.add()
    with pytest.raises(HotfixError) as error:
        fleet.switch(name=given)
    assert error.value.code == "bad_input"
    assert f"There is no flag {given!r} (the app): the closest known: {wanted}" in error.value.what
    assert f"-e flag={wanted}" in error.value.next_step
    assert app.writes() == 0
    assert fleet.journal() == []


@pytest.mark.parametrize("name", ["", " X", "a\nb", "\x00", "x" * 256])
def test_what_cannot_be_a_name_is_refused(fleet: t.Any, name: str) -> None:
    fleet.add()
    with pytest.raises(HotfixError, match="cannot be a flag's name"):
        fleet.switch(name=name)


def test_a_name_with_everything_in_it_reaches_the_api_as_it_is(fleet: t.Any) -> None:
    app = fleet.add({"a/b ?&#%é.c": True})
    app.answers[("POST", "/api/feature-flags/a%2Fb%20%3F%26%23%25%C3%A9.c")] = (200, {}, "{}")
    with pytest.raises(UnprovenError):
        fleet.switch(name="a/b ?&#%é.c", wait=0.1, retries=0)
    assert app.writes() == 1


def test_a_replica_that_takes_no_write_is_named(fleet: t.Any) -> None:
    one, two = fleet.add(), fleet.add()
    two.deaf = True
    with pytest.raises(UnprovenError) as error:
        fleet.switch(wait=2)
    said = error.value
    assert f"app-backend-2 (127.0.0.3:{fleet.port}) still evaluates {FLAG} on after 3 writes of its own" in said.what
    assert "app-backend-1" not in said.what
    assert said.left == "As last seen, app-backend-1 evaluates it off, app-backend-2 evaluates it on."
    assert "restart_stale" in said.next_step
    assert [i["proven"] for i in said.report["instances"]] == [True, False]
    assert two.writes() == 3
    assert one.flags[FLAG] is False
    assert fleet.restarts == []
    ending = fleet.journal()[-1]
    assert (ending["outcome"], ending["after"]) == ("failed", {"app-backend-1": "disabled", "app-backend-2": "enabled"})


def test_a_stale_replica_is_restarted_when_that_is_allowed(fleet: t.Any) -> None:
    _one, two = fleet.add(), fleet.add()
    two.deaf = True
    fleet.on_restart = lambda app: setattr(app, "deaf", False)
    found = fleet.switch(wait=0.3, restart_stale=True)
    assert found["outcome"] == "done"
    assert fleet.restarts == ["127.0.0.3"]
    assert [i["restarted"] for i in found["instances"]] == [False, True]


def test_a_restart_that_does_not_help_is_told(fleet: t.Any) -> None:
    fleet.add().deaf = True
    with pytest.raises(UnprovenError, match="although it was restarted") as error:
        fleet.switch(wait=0.2, restart_stale=True)
    assert "roll back to a release without the feature" in error.value.next_step


def test_one_that_flaps_is_not_proven(fleet: t.Any) -> None:
    app = fleet.add()
    app.flags[FLAG] = False
    app.reverts_after = 2
    found = fleet.switch()
    # It was off at the first look and on again at a later one.
    assert (found["outcome"], app.writes(), app.flags[FLAG]) == ("done", 1, False)


def test_one_that_hangs_does_not_keep_the_others_on(fleet: t.Any) -> None:
    one, two = fleet.add(), fleet.add()
    two.hangs = 30.0
    with pytest.raises(UnprovenError) as error:
        fleet.switch(timeout=1.5, wait=0.1)
    assert one.flags[FLAG] is False
    assert "app-backend-2" in error.value.what
    assert "did not answer within 1.5 s" in error.value.what


def test_a_paused_container_is_no_success(fleet: t.Any) -> None:
    fleet.add()
    fleet.add().status = "paused"
    with pytest.raises(UnprovenError, match=r"app-backend-2 is paused: it cannot be asked") as error:
        fleet.switch()
    assert "docker unpause app-backend-2" in error.value.next_step


def test_no_instance_at_all_is_an_error(fleet: t.Any) -> None:
    fleet.add(service="frontend")
    with pytest.raises(HotfixError, match="nothing evaluates the flag"):
        fleet.switch()


def test_an_instance_that_a_deploy_starts_meanwhile_is_proven_too(fleet: t.Any) -> None:
    one = fleet.add()
    listings: t.List[int] = []

    def listed(_words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        listings.append(1)
        if len(listings) == 2:
            fleet.add()
        return 0, "".join(name + " app\n" for name in fleet.apps), ""

    fleet.runner.answers[("ps",)] = listed
    found = fleet.switch()
    assert [i["name"] for i in found["instances"]] == ["app-backend-1", "app-backend-2"]
    assert all(app.flags[FLAG] is False for app in fleet.apps.values())
    assert "app-backend-2 was started meanwhile." in found["notes"]
    assert one.flags[FLAG] is False


def test_the_plan_writes_nothing_and_shows_the_difference(fleet: t.Any) -> None:
    app = fleet.add()
    found = fleet.plan()
    assert (found["outcome"], found["changed"]) == ("planned", True)
    assert found["diff"]["before"] == f"{FLAG} app-backend-1: enabled\n"
    assert found["diff"]["after"] == f"{FLAG} app-backend-1: disabled\n"
    assert (app.writes(), fleet.journal()) == (0, [])
    fleet.switch()
    assert fleet.plan()["changed"] is False


def test_the_journal_tells_who_and_why_and_no_token(fleet: t.Any) -> None:
    fleet.add()
    fleet.switch()
    begin, end = fleet.journal()
    assert (begin["phase"], begin["before"]) == ("begin", {"app-backend-1": "enabled"})
    assert (end["phase"], end["outcome"], end["after"]) == ("end", "done", {"app-backend-1": "disabled"})
    for line in (begin, end):
        assert line["owner"] == "ann@laptop"
        assert line["reason"] == "documents are lost"
        assert (line["flag"], line["state"], line["run"]) == (FLAG, "disabled", "r1")
    assert "s3cret" not in json.dumps(fleet.journal())


def test_a_journal_that_cannot_be_written_keeps_no_feature_on(fleet: t.Any) -> None:
    app = fleet.add()
    (fleet.folder / "journal.jsonl").mkdir()
    world = fleet.world()
    found = flow.switch(world, request_from(fleet.params()), flow.Who("r1", "ann", ""))
    assert found["outcome"] == "done"
    assert any("journal could not be written" in note for note in found["notes"])
    assert app.flags[FLAG] is False


def test_the_lease_of_a_deploy_is_neither_taken_nor_waited_for(fleet: t.Any) -> None:
    fleet.add()
    lease = fleet.folder / "lease.json"
    lease.write_text('{"held": true, "owner": "bob@other"}')
    assert fleet.switch()["outcome"] == "done"
    assert lease.read_text() == '{"held": true, "owner": "bob@other"}'


def test_users_must_see_the_change(fleet: t.Any) -> None:
    app = fleet.add()
    visible = {**VISIBLE, "url": f"http://app.example.com:{fleet.port}/share", "address": f"127.0.0.2:{fleet.port}"}
    found = fleet.switch(name="NOTE_SHARING", visible_check=visible)
    assert found["visible"]["before"].endswith("answered 201")
    assert found["visible"]["after"].endswith("answered 503")
    assert found["visible"]["as_wanted"]
    app.answers[("POST", "/share")] = (201, {}, "{}")
    app.flags["NOTE_SHARING"] = True
    with pytest.raises(
        UnprovenError, match=r"users do not see it: .* answered 201, wanted status 503 while the flag is off"
    ):
        fleet.switch(name="NOTE_SHARING", visible_check=visible, wait=0.2)


def test_a_visible_check_that_was_as_wanted_before_proves_nothing(fleet: t.Any) -> None:
    app = fleet.add()
    app.answers[("POST", "/share")] = (503, {}, "the database is away")
    visible = {**VISIBLE, "url": f"http://127.0.0.2:{fleet.port}/share"}
    with pytest.raises(UnprovenError, match="the visible check proves nothing"):
        fleet.switch(name="NOTE_SHARING", visible_check=visible)


class TestSurvival:
    """What is known of restarts is what was seen, or declared; nothing else."""

    def test_unknown_until_an_instance_was_started(self, fleet: t.Any) -> None:
        fleet.add()
        found = fleet.switch()
        assert found["persistence"]["survives"] == "unknown"
        assert any("is unknown" in note for note in found["notes"])

    def test_declared(self, fleet: t.Any) -> None:
        fleet.add()
        found = fleet.switch(persistent=False)
        assert (found["persistence"]["survives"], found["persistence"]["how"]) == ("no", "declared")
        assert any("The app loses the flag at a restart" in note for note in found["notes"])

    def test_an_app_that_lost_it_is_found_out(self, fleet: t.Any) -> None:
        one, _two = fleet.add(), fleet.add()
        fleet.switch()
        one.flags[FLAG], one.started = True, "2036-01-01T00:00:00Z"
        seen = fleet.info()
        assert seen["switched_off"][0]["on_again_at"] == ["app-backend-1"]
        assert any("is on again at app-backend-1. The app lost it there." in note for note in seen["notes"])
        found = fleet.switch(persistent=True)
        assert (found["persistence"]["survives"], found["persistence"]["how"]) == ("no", "observed")
        assert "app-backend-1 was started after" in found["persistence"]["why"]

    def test_an_app_that_kept_it_is_found_out(self, fleet: t.Any) -> None:
        app = fleet.add()
        fleet.switch()
        app.started = "2036-01-01T00:00:00Z"
        assert fleet.switch()["persistence"]["survives"] == "yes"

    def test_somebody_who_switched_it_on_again_is_no_restart(self, fleet: t.Any) -> None:
        one, two = fleet.add(), fleet.add()
        fleet.switch()
        one.flags[FLAG] = two.flags[FLAG] = True
        two.started = "2036-01-01T00:00:00Z"
        assert fleet.switch()["persistence"]["survives"] == "unknown"


class TestInfo:
    def test_flags_by_instance(self, fleet: t.Any) -> None:
        fleet.add()
        fleet.add().flags["NEW_EDITOR"] = True
        found = fleet.info()
        assert found["outcome"] == "seen"
        assert found["flags"]["NEW_EDITOR"]["instances"] == {"app-backend-1": "disabled", "app-backend-2": "enabled"}
        assert "NEW_EDITOR differs: app-backend-1 off, app-backend-2 on" in found["notes"]
        assert found["switched_off"] == []

    def test_what_we_switched_off_and_is_still_off(self, fleet: t.Any) -> None:
        fleet.add()
        fleet.switch()
        (ours,) = fleet.info()["switched_off"]
        assert (ours["flag"], ours["still_off"], ours["operator"]) == (FLAG, True, "ann@laptop")
        assert ours["reason"] == "documents are lost"
        fleet.switch(state="enabled")
        assert fleet.info()["switched_off"] == []

    def test_one_flag(self, fleet: t.Any) -> None:
        fleet.add()
        assert list(fleet.info("NEW_EDITOR")["flags"]) == ["NEW_EDITOR"]
        with pytest.raises(HotfixError, match="the closest known: NEW_EDITOR"):
            fleet.info("NEW_EDITORS")

    def test_one_that_cannot_be_asked_is_no_success(self, fleet: t.Any) -> None:
        fleet.add()
        fleet.add().status = "restarting"
        with pytest.raises(UnprovenError, match="app-backend-2 is restarting") as error:
            fleet.info()
        assert error.value.report["flags"][FLAG]["instances"] == {
            "app-backend-1": "enabled",
            "app-backend-2": "unknown",
        }


def test_a_folder_that_is_not_there(fleet: t.Any, tmp_path: Path) -> None:
    fleet.add()
    with pytest.raises(HotfixError, match="There is no folder"):
        fleet.switch(app_dir=str(tmp_path / "nowhere"))
