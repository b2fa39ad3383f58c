# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of several hosts in one order, and what nobody knows, nobody wrote or could not be read."""

from __future__ import annotations

from typing import Any

from ansible_collections.pangeafate.hotfix.plugins.action.logs_report import merged


def host(*lines: tuple[str, str, str], known: tuple[str, ...] = ("backend", "nginx"), **more: Any) -> dict[str, Any]:
    told = [
        {"at": f"2026-01-02T03:04:{at}00000Z", "service": name, "container": f"app-{name}-1", "text": text}
        for at, name, text in lines
    ]
    newest = told[-1]["at"] if told else None
    plain = {"outcome": "seen", "known": list(known), "lines": told, "newest": newest, "cut": False, "problems": []}
    return {**plain, **more}


def report(results: dict[str, Any], services: tuple[str, ...] = (), lines: int = 100) -> dict[str, Any]:
    return merged(results, {"services": list(services), "declared": ["backend", "worker"], "lines": lines})


ONE = host(("01.0001", "backend", "one"), ("03.0001", "nginx", "three"))
TWO = host(("02.0001", "backend", "two"), ("04.0001", "nginx", "four"))


def test_hosts_are_merged_by_time() -> None:
    found = report({"prod1": ONE, "prod2": TWO})
    assert found["msg"].splitlines() == [
        "2026-01-02 03:04:01.000 prod1 app-backend-1 | one",
        "2026-01-02 03:04:02.000 prod2 app-backend-1 | two",
        "2026-01-02 03:04:03.000 prod1 app-nginx-1 | three",
        "2026-01-02 03:04:04.000 prod2 app-nginx-1 | four",
    ]
    assert (found["failed"], found["count"], found["cut"]) == (False, 4, False)
    assert found["newest"]["prod2"] == "2026-01-02T03:04:04.000100000Z"


def test_no_more_lines_are_shown_than_were_asked_for() -> None:
    found = report({"prod1": ONE, "prod2": TWO}, lines=2)
    assert [line[-4:].strip() for line in found["msg"].splitlines()] == ["hree", "four"]
    assert found["cut"] is True


def test_an_unknown_service_lists_the_known_ones() -> None:
    found = report({"prod1": ONE}, ("backend", "bakend"))
    assert (found["failed"], found["outcome"]) == (True, "bad_input")
    assert found["msg"] == (
        "Unknown service bakend. Known are: backend, nginx, worker. Next: name some of these, or none for all."
    )


def test_a_service_that_one_host_has_is_known() -> None:
    found = report({"prod1": host(known=("postgres",)), "prod2": TWO}, ("postgres", "worker"))
    assert found["failed"] is False
    assert "postgres: no line on prod1" in found["msg"]
    assert "postgres: no container on prod2" in found["msg"]
    assert "worker: no container on prod1, prod2" in found["msg"]


def test_what_wrote_nothing_is_said() -> None:
    assert report({"prod1": host()})["msg"].splitlines() == ["backend: no line on prod1", "nginx: no line on prod1"]


def test_a_host_that_could_not_be_read_fails_and_the_others_are_shown() -> None:
    away = {"unreachable": True, "msg": "No route to host"}
    found = report({"prod1": ONE, "prod2": away}, ("backend",))
    assert (found["failed"], found["outcome"]) == (True, "failed")
    assert "| one" in found["msg"]
    assert "prod2: nothing could be read: No route to host" in found["msg"]
    assert report({"prod1": None})["failed"] is True


def test_a_log_that_could_not_be_read_is_said() -> None:
    found = report({"prod1": host(problems=["app-quiet-1: its log could not be read: none"])})
    assert "prod1: app-quiet-1: its log could not be read: none" in found["msg"]
