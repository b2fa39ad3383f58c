# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often a check is made until it is decided, and how many are made at once."""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.attempts import Tally

UP: t.Tuple[int, t.Dict[str, str], str] = (200, {}, "")
DOWN: t.Tuple[int, t.Dict[str, str], str] = (500, {}, "")


def made(app: t.Any, answers: t.List[t.Tuple[int, t.Dict[str, str], str]], **more: t.Any) -> _smoke.Result:
    """Make one check whose requests are answered in this order, and by the last one for good."""
    app.answers["GET", "/"] = list(answers)
    raw = {
        "name": "a",
        "type": "http",
        "path": "/",
        "expect": {"status": 200},
        "retries": 2,
        "retry_interval": 0,
        **more,
    }
    (result,) = _smoke.run(_smoke.parse([raw]), [app.target()]).results
    return result


def statuses(result: _smoke.Result) -> t.List[str]:
    return [str(one["status"]) for one in result.attempts]


P, F = "passed", "failed"


@pytest.mark.parametrize(
    ("answers", "more", "seen", "status"),
    [
        ([UP], {}, [P], P),
        ([DOWN, UP], {}, [F, P], P),
        ([DOWN], {}, [F, F, F], F),
        ([DOWN, DOWN, UP], {}, [F, F, P], P),
        # Two in a row end it, though a third might pass.
        ([DOWN, DOWN, UP], {"failure_threshold": 2}, [F, F], F),
        ([DOWN, UP], {"failure_threshold": 2}, [F, P], P),
        ([DOWN, UP], {"failure_threshold": 1}, [F], F),
        # It has to hold.
        ([UP], {"success_threshold": 3}, [P, P, P], P),
        ([UP, DOWN, UP], {"success_threshold": 2}, [P, F, P, P], P),
        ([UP, DOWN, UP, DOWN, UP, DOWN], {"success_threshold": 2}, [P, F, P, F, P, F], F),
        ([UP, DOWN], {"success_threshold": 2, "failure_threshold": 2}, [P, F, F], F),
        ([UP, DOWN, UP], {"success_threshold": 2, "retries": 0}, [P, F], F),
    ],
)
def test_thresholds(
    app: t.Any,
    answers: t.List[t.Tuple[int, t.Dict[str, str], str]],
    more: t.Dict[str, t.Any],
    seen: t.List[str],
    status: str,
) -> None:
    result = made(app, answers, **more)
    assert (statuses(result), result.status) == (seen, status)


def test_what_could_never_be_reached_is_refused(app: t.Any) -> None:
    with pytest.raises(BadInputError, match="failure_threshold cannot be 4"):
        made(app, [UP], failure_threshold=4)


def test_passing_too_seldom_in_time_is_no_pass(app: t.Any) -> None:
    app.answers["GET", "/"] = [UP]
    raw = {
        "name": "a",
        "type": "http",
        "path": "/",
        "expect": {"status": 200},
        "success_threshold": 50,
        "retry_interval": 0.1,
    }
    (result,) = _smoke.run(_smoke.parse([raw]), [app.target()], timeout=2).results
    assert result.status == "error"
    assert "the time was over when it had passed" in result.message
    assert "of 50 times in a row" in result.message


def test_a_pass_that_was_not_the_first_is_noted_with_what_was_before(app: t.Any) -> None:
    app.answers["GET", "/"] = [DOWN, UP]
    raw = {
        "name": "a",
        "type": "http",
        "path": "/",
        "expect": {"status": 200},
        "retry_interval": 0,
        "success_threshold": 2,
    }
    (note,) = _smoke.run(_smoke.parse([raw]), [app.target()]).notes
    assert note == "a passed at app1 only at attempt 3 (before: GET / answered 500, not 200)."


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_at_once_than_wanted(app: t.Any, limit: int) -> None:
    at_once: t.List[int] = []
    lock = threading.Lock()
    running = 0
    answer = app.RequestHandlerClass._answer

    def counted(handler: t.Any, *arguments: t.Any) -> None:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
        time.sleep(0.02)
        with lock:
            running -= 1
        answer(handler, *arguments)

    app.RequestHandlerClass = type("Counted", (app.RequestHandlerClass,), {"_answer": counted})
    raw = [{"name": f"c{n}", "type": "http", "path": "/", "expect": {"status": [200, 404]}} for n in range(9)]
    report = _smoke.run(_smoke.parse(raw), [app.target()], concurrency=limit)
    assert [one.name for one in report.results] == [one["name"] for one in raw]
    assert report.counts["passed"] == 9
    assert max(at_once) <= limit


def test_what_was_never_begun_is_not_passed(app: t.Any) -> None:
    app.pause = 0.3
    raw = [{"name": f"c{n}", "type": "http", "path": "/", "expect": {"status": [200, 404]}} for n in range(4)]
    report = _smoke.run(_smoke.parse(raw), [app.target()], concurrency=1, timeout=0.5)
    assert [one.status for one in report.results][-2:] == ["error", "error"]
    assert report.results[-1].message == "it was not over after 0.5 s"


def test_the_tally_always_ends() -> None:
    tally = Tally(retries=2, failure_threshold=3, success_threshold=4)
    worst = [True, True, True, False] * 3
    assert [tally.add(one) for one in worst] == [False] * 11 + [True]
