# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long answers take is told by percentiles of all of them, and what is no answer counts as no time."""

from __future__ import annotations

import itertools
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.latency_check import (
    figures,
    needed,
    percentile,
)

RAW: t.Dict[str, t.Any] = {"name": "a", "type": "latency", "path": "/x", "expect": {"p95": 5}, "retries": 0}


def kept(app: t.Any) -> None:
    """Have the app keep its connections."""
    app.RequestHandlerClass = type("Kept", (app.RequestHandlerClass,), {"protocol_version": "HTTP/1.1"})


def look(app: t.Any, **more: t.Any) -> _smoke.Result:
    (result,) = _smoke.run(_smoke.parse([{**RAW, **more}]), [app.target()]).results
    return result


def test_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, one) for one in (5, 30, 40, 50, 100)] == [15.0, 20.0, 20.0, 35.0, 50.0]
    hundred = [float(number) for number in range(1, 101)]
    # In floating point 0.07 * 100 is more than 7.
    assert [percentile(hundred, one) for one in (7, 50, 95, 99)] == [7.0, 50.0, 95.0, 99.0]
    assert [needed(one) for one in ("p50", "p90", "p95", "p99", "max", "avg")] == [2, 10, 20, 100, 1, 1]
    assert set(figures([0.1] * 20)) == {"p50", "p90", "p95", "min", "avg", "max"}


def test_it_is_quick(app: t.Any) -> None:
    kept(app)
    app.behave = lambda *_request: (200, {}, "ok")
    result = look(app, expect={"p95": 5, "max": 5}, workers=3)
    assert result.status == "passed", result.message
    assert result.message.startswith("GET /x: p95 was 0.")
    assert result.message.endswith("s (at most 5 s), over 20 requests")
    assert len(app.seen) == 20
    assert result.evidence["requests"] == 20
    assert result.evidence["connections"] <= 3
    assert result.evidence["latency"]["min"] <= result.evidence["latency"]["p50"] <= result.evidence["latency"]["max"]


def test_it_is_slow(app: t.Any) -> None:
    app.behave = lambda *_request: (200, {}, "ok")
    app.pause = 0.06
    result = look(app, expect={"p95": 0.05, "avg": 5, "p50": 0.05}, workers=10)
    assert result.status == "failed"
    assert "s, not at most 0.05 s, p50 was 0.0" in result.message
    assert "avg" not in result.message
    assert result.evidence["latency"]["min"] >= 0.06
    assert result.phases["processing"] >= 0.06


def test_a_few_that_are_slow_are_not_the_95th(app: t.Any) -> None:
    numbers = itertools.count()

    def behave(*_request: t.Any) -> t.Any:
        time.sleep(0.5 if next(numbers) == 0 else 0)
        return 200, {}, ""

    app.behave = behave
    result = look(app, expect={"p95": 0.4}, workers=2)
    assert result.status == "passed", result.message
    assert result.evidence["latency"]["max"] >= 0.5
    numbers = itertools.count()
    assert look(app, expect={"max": 0.4}, workers=2).status == "failed"


def test_time_to_connect_counts_where_no_connection_is_kept(app: t.Any) -> None:
    kept(app)
    app.behave = lambda *_request: (200, {}, "ok")
    result = look(app, keep_alive=False)
    assert result.status == "passed"
    assert result.evidence["connections"] == 20
    assert app.seen[0][2]["Connection"] == "close"
    look(app)
    assert app.seen[-1][2]["Connection"] == "keep-alive"


def test_a_quick_error_is_not_quick(app: t.Any) -> None:
    statuses = itertools.chain([200] * 3, itertools.repeat(500))
    app.behave = lambda *_request: (next(statuses), {}, "broken")
    result = look(app, workers=1)
    assert result.status == "failed"
    assert result.message == "GET /x answered 500, not 200 (after 3 of 20 requests)"
    assert result.evidence["body"] == "broken"
    # The first one ends it.
    assert len(app.seen) == 4


def test_another_status_may_be_right(app: t.Any) -> None:
    app.behave = lambda *_request: (429, {}, "")
    assert look(app, status=[401, 429]).status == "passed"


def test_what_is_refused_is_asked_again_and_counted_apart(app: t.Any) -> None:
    statuses = itertools.chain([200] * 5, [429] * 2, itertools.repeat(200))
    app.behave = lambda *_request: (next(statuses), {"Retry-After": "0"}, "")
    result = look(app)
    assert result.status == "passed", result.message
    assert result.message.endswith("over 20 requests, 2 more were refused (429)")
    assert (result.evidence["requests"], result.evidence["limited"]) == (20, 2)


def test_too_few_answers_are_no_verdict(app: t.Any) -> None:
    app.behave = lambda *_request: (429, {"Retry-After": "0"}, "")
    result = look(app, workers=10)
    assert result.status == "error"
    assert result.message == ("GET /x was refused (429) 60 times: 0 answers are too few for p95, which takes 20")


def test_no_answer_is_no_verdict(app: t.Any, hostile: t.Any) -> None:
    server = hostile(lambda _connection: time.sleep(20))
    checks = _smoke.parse([{**RAW, "timeout": 0.4}])
    started = time.monotonic()
    (result,) = _smoke.run(checks, [_smoke.Target("x", f"http://127.0.0.1:{server.port}")]).results
    assert time.monotonic() - started < 5
    assert result.status == "error"
    assert result.message.endswith("did not answer within 0.4 s (after 0 of 20 requests)")


def test_the_end_of_the_run_is_no_verdict(app: t.Any) -> None:
    app.behave = lambda *_request: (200, {}, "")
    checks = _smoke.parse([{**RAW, "pause": 0.2, "workers": 1}])
    (result,) = _smoke.run(checks, [app.target()], timeout=0.5).results
    assert result.status == "error", result.message
    assert "the time of the whole run was over after " in result.message
    assert len(app.seen) < 6


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expect": {}}, "expect says nothing"),
        ({"expect": None}, "expect is not a dictionary"),
        ({"expect": {"p80": 1}}, "expect: unknown key 'p80'"),
        ({"expect": {"p95": 0}}, "expect: p95 cannot be 0"),
        ({"expect": {"p95": "soon"}}, "expect: p95 cannot be 'soon'"),
        ({"requests": 19}, "p95 takes 20 requests, and there are 19"),
        ({"expect": {"p99": 1}}, "p99 takes 100 requests, and there are 20"),
        ({"expect": {"p50": 1}, "requests": 1}, "p50 takes 2 requests"),
        ({"requests": 0}, "requests cannot be 0"),
        ({"workers": 0}, "workers cannot be 0"),
        ({"keep_alive": 1}, "keep_alive cannot be 1"),
        ({"status": 2000}, "status cannot be 2000"),
        ({"pause": -1}, "pause cannot be -1"),
    ],
)
def test_what_cannot_be_right(change: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{**RAW, **change}])
    assert says in str(caught.value)
