# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided over all hosts, from results as Ansible registers them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pangeafate.hotfix.plugins.action import fleet

GROUPS = {"production": ["p1", "p2"], "staging": ["s1"], "eu": ["e1"], "all": ["p1", "p2", "s1", "e1", "x1"]}
DONE = {"outcome": "done", "summary": "Done it."}
UNCHANGED = {"outcome": "unchanged", "summary": "Was so."}
PLANNED = {"outcome": "planned", "summary": "Would do it.", "plan": ["Would do it.", "And that."]}
REFUSED = {"failed": False, "outcome": "refused", "msg": "Somebody else."}
UNREACHABLE = {"unreachable": True, "msg": "Failed to connect"}
CRASHED = {"failed": False, "rc": 1, "module_stderr": "Traceback: boom"}
SKIPPED = {"skipped": True, "outcome": "done"}


def selected(*hosts: str, **more: Any) -> dict[str, Any]:
    return {"ansible_play_hosts_all": list(hosts), "groups": GROUPS, "ansible_limit": "production", **more}


def after(**hosts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return hosts


def outcome(
    registered: dict[str, Any], *names: str, reverted: str | None = None, stands: bool = True
) -> dict[str, Any]:
    return fleet.outcome(
        registered, {"action": "deploy", "results": list(names), "reverted": reverted, "stands": stands}
    )


def test_a_selection_becomes_a_run() -> None:
    given = {"hotfix_reason": "saving fails", "hotfix_takeover": "yes", "hotfix_operator": "ann@laptop"}
    run = fleet.select(selected("p1", "p2"), given)["run"]
    assert (run["environment"], run["hosts"]) == ("production", ["p1", "p2"])
    assert (run["reason"], run["takeover"], run["operator"]) == ("saving fails", True, "ann@laptop")


def test_two_runs_of_one_second_have_two_ids() -> None:
    ids = {fleet.select(selected("p1"), {})["run"]["id"] for _number in range(20)}
    assert len(ids) > 1


def test_without_an_operator_it_is_the_user_here() -> None:
    user, at, host = fleet.select(selected("p1"), {})["run"]["operator"].partition("@")
    assert user
    assert at
    assert host


@pytest.mark.parametrize(
    ("variables", "given", "message"),
    [
        (selected("p1", ansible_limit=""), {"hotfix_limit_required": True}, "No environment is named"),
        (selected("p1", ansible_limit=""), {"hotfix_limit_required": "yes"}, "No environment is named"),
        (selected("p1"), {"hotfix_limit_required": "maybe"}, "hotfix_limit_required is neither true nor false"),
        (selected("p1"), {"hotfix_takeover": ["yes"]}, "hotfix_takeover is neither true nor false"),
        (selected("p1", "s1"), {}, r"Hosts of 2 environments are selected \(production: p1; staging: s1\)"),
        (selected("p1", "x1"), {}, r"x1 is in no environment \(production, staging\)"),
        (selected("p1", "e1"), {"hotfix_environments": ["eu"]}, r"p1 is in no environment \(eu\)"),
        (selected(), {}, "No host is selected"),
        (selected("p1", "p2", ansible_play_batch=["p1"]), {}, "batches"),
    ],
)
def test_what_is_refused(variables: dict[str, Any], given: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message) as caught:
        fleet.select(variables, given)
    assert "Next: " in str(caught.value)


def test_environments_of_ones_own() -> None:
    assert fleet.select(selected("e1"), {"hotfix_environments": ["eu", "us"]})["run"]["environment"] == "eu"


def test_without_a_limit_where_none_is_wanted() -> None:
    assert fleet.select(selected("p1", ansible_limit=""), {})["run"]["environment"] == "production"


@pytest.mark.parametrize("mark", ["{{ x }}", "{% x %}", "{# x #}", "{{", "a {{b"])
@pytest.mark.parametrize(
    "wrap", [lambda m: m, lambda m: [m], lambda m: {"a": [{"b": m}]}, lambda m: {m: 1}, lambda m: (m,)]
)
@pytest.mark.parametrize("name", fleet.OPERATOR_INPUTS)
def test_a_template_is_refused_however_deep(name: str, wrap: Any, mark: str) -> None:
    with pytest.raises(AnsibleActionFail, match=f"{name} holds a template"):
        fleet.refuse_templates({name: wrap(mark)})


def test_plain_inputs_and_other_variables_pass() -> None:
    plain = {"version": "v1", "reason": "50 % of {saves} fail", "takeover": True, "release": None}
    fleet.refuse_templates({**plain, "hotfix_registry_password": "{{ lookup('ansible.builtin.env', 'X') }}"})


@pytest.mark.parametrize(
    ("results", "go", "undo"),
    [
        ([DONE, DONE], True, False),
        ([DONE, UNCHANGED], True, False),
        ([DONE, REFUSED], False, True),
        ([DONE, UNREACHABLE], False, True),
        ([DONE, CRASHED], False, True),
        ([DONE, SKIPPED], False, True),
        ([DONE, None], False, True),
    ],
)
def test_all_or_none(results: list[Any], go: bool, undo: bool) -> None:
    hosts = {f"p{n}": {"phase": result} if result else {} for n, result in enumerate(results, 1)}
    assert fleet.agree(after(**hosts), ["phase"], planning=False) == {"changed": False, "go": go, "undo": undo}


def test_a_plan_goes_nowhere_and_has_nothing_to_undo() -> None:
    variables = after(p1={"phase": PLANNED}, p2={"phase": UNREACHABLE})
    assert fleet.agree(variables, ["phase"], planning=True) == {"changed": False, "go": False, "undo": False}


@pytest.mark.parametrize(
    ("one", "two", "word"),
    [
        (DONE, DONE, "done"),
        (DONE, UNCHANGED, "done"),
        (UNCHANGED, UNCHANGED, "unchanged"),
        (PLANNED, PLANNED, "planned"),
    ],
)
def test_all_went_well(one: dict[str, Any], two: dict[str, Any], word: str) -> None:
    result = outcome(after(p1={"r": one}, p2={"r": two}), "r")
    assert result["outcome"] == word
    assert "failed" not in result
    assert [line.partition(":")[0] for line in result["hosts"] if "note" not in line] == ["p1", "p2"]


def test_the_last_phase_counts_and_a_skipped_one_does_not() -> None:
    result = outcome(after(p1={"a": DONE, "b": UNCHANGED, "c": SKIPPED}), "a", "b", "c")
    assert result["outcome"] == "done"
    result = outcome(after(p1={"a": DONE, "b": REFUSED}), "a", "b")
    assert (result["outcome"], result["failed"]) == ("refused", True)


def test_a_phase_that_failed_counts_whatever_was_registered_after_it() -> None:
    result = outcome(after(p1={"checks": REFUSED, "live": DONE}), "checks", "live")
    assert (result["outcome"], result["failed"]) == ("refused", True)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (UNREACHABLE, "p2: unreachable: Failed to connect"),
        (CRASHED, "p2: failed: Traceback: boom"),
        (REFUSED, "p2: refused: Somebody else."),
        (None, "p2: unknown: It was not looked at."),
    ],
)
def test_one_that_failed_makes_it_partial_and_is_named(bad: Any, said: str) -> None:
    result = outcome(after(p1={"r": DONE}, p2={"r": bad}), "r")
    assert (result["failed"], result["outcome"]) == (True, "partial")
    assert said in result["hosts"]
    assert "mend p2 and run the same command again" in result["msg"]


@pytest.mark.parametrize(
    ("one", "two", "word"),
    [
        (REFUSED, REFUSED, "refused"),
        (UNREACHABLE, UNREACHABLE, "unreachable"),
        (REFUSED, UNREACHABLE, "failed"),
        (CRASHED, CRASHED, "failed"),
    ],
)
def test_where_nothing_went_well_it_says_what_all_say_alike(
    one: dict[str, Any], two: dict[str, Any], word: str
) -> None:
    result = outcome(after(p1={"r": one}, p2={"r": two}), "r")
    assert (result["failed"], result["outcome"]) == (True, word)


def test_reverted_where_every_switched_host_was_undone() -> None:
    variables = after(p1={"r": DONE, "back": DONE}, p2={"r": REFUSED, "back": UNCHANGED})
    result = outcome(variables, "r", reverted="back")
    assert (result["failed"], result["outcome"]) == (True, "reverted")
    assert "p1: undone: done: Done it." in result["hosts"]


@pytest.mark.parametrize("bad", [REFUSED, UNREACHABLE, CRASHED])
def test_an_undoing_that_failed_is_no_success(bad: dict[str, Any]) -> None:
    variables = after(p1={"r": DONE, "back": bad}, p2={"r": REFUSED, "back": UNCHANGED})
    assert outcome(variables, "r", reverted="back")["outcome"] == "partial"


def test_prepared_on_one_host_alone_is_not_partial() -> None:
    variables = after(p1={"r": DONE, "back": UNCHANGED}, p2={"r": UNREACHABLE, "back": SKIPPED})
    assert outcome(variables, "r", reverted="back", stands=False)["outcome"] == "unreachable"


def test_a_host_lost_at_the_last_phase_makes_it_partial_and_says_how_far_it_came() -> None:
    variables = after(p1={"r": DONE, "s": DONE}, p2={"r": DONE, "s": UNREACHABLE})
    result = outcome(variables, "r", "s", reverted="back")
    assert result["outcome"] == "partial"
    assert "p2: unreachable: Failed to connect Before that: Done it." in result["hosts"]


def test_different_images_under_one_tag_stop_the_fleet() -> None:
    one = {**DONE, "release": {"image_ids": {"backend": "sha256:1"}}}
    two = {**DONE, "release": {"image_ids": {"backend": "sha256:2"}}}
    variables = after(p1={"r": one, "back": UNCHANGED}, p2={"r": two, "back": UNCHANGED})
    assert fleet.agree(variables, ["r"], False) == {"changed": False, "go": False, "undo": True}
    result = outcome(variables, "r", reverted="back", stands=False)
    assert result["failed"]
    assert "The hosts have different images of this version (backend: sha256:1 on p1; sha256:2 on p2)" in str(result)
    # A rollback may lead to different releases; that is said, and is no failure.
    result = outcome(variables, "r")
    assert "failed" not in result
    assert "The hosts are not on the same images now: backend: sha256:1 on p1; sha256:2 on p2." in result["hosts"]


def test_measured_seconds_and_notes_are_shown() -> None:
    steps = [{"step": "switch", "seconds": 2.04}, {"step": "pull", "seconds": 9.0}]
    result = outcome(after(p1={"r": {**DONE, "steps": steps, "notes": ["drift"]}}), "r")
    assert result["hosts"] == ["p1: done (2.0 s): Done it.", "p1: note: drift"]


def test_what_was_registered_is_asked_for_once_on_every_host() -> None:
    asked: list[str] = []

    class Hosts(dict[str, Any]):
        def __getitem__(self, host: str) -> dict[str, Any]:
            asked.append(host)
            return {"r": DONE, "back": UNCHANGED, "look": LOOKED, "hotfix_services": {}}

    variables = {"ansible_play_hosts_all": ["p2", "p1"], "hostvars": Hosts()}
    arguments = {"results": ["r", "not_there"], "reverted": "back", "before": None}
    expected = {"r": DONE, "back": UNCHANGED}
    assert fleet.registered_of(variables, arguments) == {"p2": expected, "p1": expected}
    assert asked == ["p2", "p1"]
    with_look = {**arguments, "before": "look"}
    assert fleet.registered_of(variables, with_look)["p1"] == {**expected, "look": LOOKED}
    assert fleet.registered_of({}, arguments) == {}


LOOKED = {"outcome": "seen", "verdict": "passed", "summary": "5 of 5 checks passed in 0.4 s."}
BROKEN = {
    "failed": False,
    "outcome": "failed",
    "verdict": "failed",
    "summary": "Broken: a.",
    "msg": "Broken: a. Next: b.",
}


def test_what_was_done_is_the_outcome_and_not_that_it_was_looked_at() -> None:
    said = outcome(after(p1={"back": DONE, "look": LOOKED, "inside": LOOKED}), "back", "look", "inside")
    assert said["outcome"] == "done"
    assert said["hosts"] == ["p1: done: Done it.", *["p1: note: Checked: 5 of 5 checks passed in 0.4 s."] * 2]
    said = outcome(after(p1={"back": UNCHANGED, "look": LOOKED}), "back", "look")
    assert said["outcome"] == "unchanged"
    assert outcome(after(p1={"look": LOOKED}), "look")["hosts"] == ["p1: seen: 5 of 5 checks passed in 0.4 s."]


def test_a_look_that_is_bad_says_what_was_done_before_it() -> None:
    said = outcome(after(p1={"back": DONE, "look": LOOKED, "inside": BROKEN}), "back", "look", "inside")
    assert said["failed"]
    assert said["hosts"][0] == "p1: failed: Broken: a. Before that: Done it."
    assert outcome(after(p1={"look": BROKEN}), "look")["hosts"] == ["p1: failed: Broken: a."]
    mistaken = {"failed": False, "outcome": "bad_input", "msg": "Check 'a': unknown key 'b'."}
    said = outcome(after(p1={"back": DONE, "look": mistaken}), "back", "look")
    assert said["hosts"][0] == "p1: bad input: Check 'a': unknown key 'b'. Before that: Done it."


@pytest.mark.parametrize("word", ["planned", "seen", "failed"])
def test_a_look_from_outside_and_one_on_the_host_are_both_told(word: str) -> None:
    outside = {"failed": False, "outcome": word, "summary": "Outside."}
    result = outcome(after(p1={"a": outside, "b": {**outside, "summary": "Inside."}}), "a", "b")
    assert result["hosts"] == [f"p1: {word}: Outside. Inside."]


def test_only_the_look_that_failed_is_told_where_the_other_is_good() -> None:
    good, bad = {"outcome": "seen", "summary": "All well."}, {"outcome": "failed", "summary": "Broken."}
    for results in ({"a": good, "b": bad}, {"a": bad, "b": good}):
        assert outcome(after(p1=results), "a", "b")["hosts"][0] == "p1: failed: Broken."


def test_what_users_noticed_stands_below_the_hosts() -> None:
    users = ["0 of 55 samples failed, no outage seen in 5.4 s."]
    arguments = {"action": "deploy", "results": ["r"], "reverted": None, "stands": True, "users": users}
    for result, outcome_ in ((DONE, "done"), (REFUSED, "refused")):
        said = fleet.outcome(after(p1={"r": result}), arguments)
        assert said["outcome"] == outcome_
        assert said["hosts"][-1] == "users: 0 of 55 samples failed, no outage seen in 5.4 s."
