# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How all of it is summed up, for people and for programs."""

from __future__ import annotations

from typing import Any

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight import report
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(alphabet="abc é-/.:", max_size=200)


def one(name: str, status: str, says: str = "It says so.", **more: str) -> dict[str, Any]:
    return {
        "name": name,
        "part": "hosts",
        "status": status,
        "says": says,
        "breaks": "",
        "mend": "",
        "seconds": 0.1,
        **more,
    }


def variables(**hosts: Any) -> dict[str, Any]:
    return {"ansible_play_hosts_all": list(hosts), "hostvars": {h: {"found": r} for h, r in hosts.items()}}


BAD = one("disk", "failed", "Only 3 MB are free.", breaks="A rollback fails.", mend="make room.")


def test_the_table() -> None:
    found = report.items_of(
        variables(app1={"looks": [one("SSH", "passed"), BAD], "here": [one("git push", "skipped", "not set")]}), "found"
    )
    assert report.lines(found, "production") == [
        "Preflight of production: 1 failed, 1 passed, 1 skipped.",
        "controller",
        "  skipped git push         not set",
        "app1",
        "  passed  SSH              It says so.",
        "  FAILED  disk             Only 3 MB are free.",
        "          In an emergency: A rollback fails.",
        "          To mend it: make room.",
    ]


def test_on_the_way_to_something_else_only_what_did_not_pass_is_shown() -> None:
    found = report.items_of(
        variables(app1={"looks": [one("SSH", "passed"), BAD]}, app2={"looks": [one("SSH", "passed")]}), "found"
    )
    assert report.lines(found, "production", brief=True) == [
        "Preflight of production: 1 failed, 2 passed.",
        "app1",
        "  FAILED  disk             Only 3 MB are free.",
        "          In an emergency: A rollback fails.",
        "          To mend it: make room.",
    ]


@given(names=st.lists(TEXT, min_size=1, max_size=4), says=TEXT, host=TEXT)
def test_no_line_is_wider_than_a_terminal(names: list[str], says: str, host: str) -> None:
    items = [one(name, "failed", says, breaks=says, mend=says) for name in names]
    assert max(len(line) for line in report.lines({host: items}, "production")) <= report.WIDTH


def test_a_host_that_was_not_looked_at_is_an_item_that_failed() -> None:
    found = report.items_of(variables(app1=None, app2={"failed": True, "msg": "no hotfix_app_dir"}), "found")
    assert report.verdict(found) == "failed"
    assert found["app1"][0]["says"] == "It was not looked at."
    assert "no hotfix_app_dir" in found["app2"][0]["says"]


def test_the_verdict_is_the_worst_of_all_and_nothing_at_all_is_no_pass() -> None:
    assert report.verdict({}) == "failed"
    assert report.verdict({"app1": [one("SSH", "passed"), one("lease", "skipped")]}) == "passed"
    assert report.verdict({"app1": [one("SSH", "passed")], "app2": [one("lease", "warning")]}) == "warning"


def test_the_document_has_all_of_it() -> None:
    found = {report.CONTROLLER: [one("git push", "passed")], "app1": [BAD]}
    document = report.document(found, "production")
    assert (document["verdict"], document["counts"]["failed"]) == ("failed", 1)
    assert document["hosts"] == {"app1": [BAD]}
    assert document["controller"][0]["name"] == "git push"
