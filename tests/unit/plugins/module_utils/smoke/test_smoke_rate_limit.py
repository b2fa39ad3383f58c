# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quick requests are answered or refused politely, and a limit is proved where one is named."""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

RAW: t.Dict[str, t.Any] = {"name": "a", "type": "rate_limit", "path": "/x", "retries": 0}


class Limit:
    """Lets so many requests through, then as many in each window as it counts by the clock."""

    def __init__(self, most: int, window: float = 60.0) -> None:
        self._most = most
        self._window = window
        self._lock = threading.Lock()
        self.counts: t.Dict[int, int] = {}

    def __call__(self, _method: str, _path: str, _headers: t.Any) -> t.Any:
        with self._lock:
            window = int(time.monotonic() / self._window)
            self.counts[window] = self.counts.get(window, 0) + 1
            if self.counts[window] > self._most:
                return 429, {"Retry-After": "1"}, "{}"
        return 200, {}, "{}"


def look(app: t.Any, **more: t.Any) -> _smoke.Result:
    (result,) = _smoke.run(_smoke.parse([{**RAW, **more}]), [app.target()]).results
    return result


def test_quick_requests_are_answered_or_refused(app: t.Any) -> None:
    app.behave = Limit(3)
    result = look(app)
    assert result.status == "passed", result.message
    assert result.message.startswith("GET /x: 5 quick requests were answered in 0.")
    assert result.message.endswith("(3 × 200, 2 × 429)")
    assert result.evidence["statuses"] == {"200": 3, "429": 2}
    assert result.evidence["retry_after"] == "1"
    assert len(app.seen) == 5


def test_they_are_quick(app: t.Any) -> None:
    # All of them wait for each other.
    inside = threading.Barrier(5, timeout=10)

    def behave(*_request: t.Any) -> t.Any:
        inside.wait()
        return 200, {}, ""

    app.behave = behave
    assert look(app, timeout=15).status == "passed"


def test_a_cache_that_is_gone(app: t.Any) -> None:
    answers = iter([200, 200, 503, 500, 200])
    app.behave = lambda *_request: (next(answers), {}, "cache unavailable")
    result = look(app)
    assert result.status == "failed"
    assert " not 200 or 429 (2 of 5 quick requests)" in result.message
    assert result.evidence["status"] in (500, 503)
    assert result.evidence["body"] == "cache unavailable"


def test_other_statuses_may_be_right(app: t.Any) -> None:
    app.behave = lambda *_request: (401, {}, "")
    assert look(app, statuses=[401, 429]).status == "passed"
    assert look(app, statuses=401, requests=9).message.endswith("(9 × 401)")


def test_a_limit_is_proved(app: t.Any) -> None:
    app.behave = Limit(7)
    (check,) = _smoke.parse([{**RAW, "limited_after": 7, "window": 0.1}])
    # Others would be refused because of it.
    assert check.alone
    (result,) = _smoke.run([check], [app.target()]).results
    assert result.status == "passed", result.message
    assert result.message.startswith("GET /x: 7 requests in 0.")
    assert result.message.endswith("s, then it was refused (429)")
    # It ends when it is refused; what was under way with it is refused, too.
    assert len(app.seen) <= 7 + 8


def test_a_limit_that_is_none(app: t.Any) -> None:
    app.behave = lambda *_request: (200, {}, "")
    result = look(app, limited_after=5, window=0.9)
    assert result.status == "failed"
    assert "GET /x: 20 requests in 0." in result.message
    assert result.message.endswith("s were all answered, none was refused after 5 in 0.9 s")


def test_a_limit_that_lets_nobody_through(app: t.Any) -> None:
    app.behave = Limit(0)
    result = look(app, limited_after=5, window=0.1)
    assert (result.status, result.message) == ("failed", "GET /x was refused (429) from the first request on")


def test_too_slow_for_a_limit_is_no_verdict(app: t.Any) -> None:
    app.behave = lambda *_request: (200, {}, "")
    app.pause = 0.25
    result = look(app, limited_after=3, window=0.1)
    assert result.status == "error"
    assert result.message.endswith("s were too slow to come upon a limit of 3 in 0.1 s")


def test_it_leaves_the_window_to_others(app: t.Any) -> None:
    app.behave = Limit(2, window=0.4)
    started = time.monotonic()
    assert look(app, limited_after=2, window=0.4).status == "passed"
    # Before, for what others asked, and after, for what others will ask.
    assert time.monotonic() - started >= 0.8


def test_the_end_of_the_run_is_no_verdict(app: t.Any) -> None:
    app.behave = lambda *_request: (200, {}, "")
    app.pause = 0.2
    checks = _smoke.parse([{**RAW, "requests": 100}])
    (result,) = _smoke.run(checks, [app.target()], timeout=0.5).results
    assert result.status == "error", result.message
    assert "the time of the whole run was over after " in result.message


def test_nobody_there_is_no_verdict() -> None:
    assert _smoke.run(_smoke.parse([RAW]), [_smoke.Target("x", "http://127.0.0.1:9")]).verdict == "error"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"requests": 1}, "requests cannot be 1"),
        ({"requests": 1000}, "requests cannot be 1000"),
        ({"statuses": []}, "statuses has no status"),
        ({"statuses": [200], "limited_after": 5}, "a limit is seen by the status 429"),
        ({"window": 2}, "window says nothing without limited_after"),
        ({"limited_after": 5, "requests": 5}, "requests and limited_after cannot both"),
        ({"limited_after": 0}, "limited_after cannot be 0"),
        ({"path": None}, "path must be a text"),
    ],
)
def test_what_cannot_be_right(change: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{**RAW, **change}])
    assert says in str(caught.value)
