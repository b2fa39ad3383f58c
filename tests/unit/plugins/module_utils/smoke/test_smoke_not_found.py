# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What does not exist is said not to, and a page that stands in for it is called what it is."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

RAW: t.Dict[str, t.Any] = {"name": "a", "type": "not_found", "path": "/api/nonexistent", "retries": 0}


def look(app: t.Any, answer: t.Any, **more: t.Any) -> _smoke.Result:
    app.answers["GET", "/"] = [answer]
    (result,) = _smoke.run(_smoke.parse([{**RAW, **more}]), [app.target()]).results
    return result


@pytest.mark.parametrize(
    ("answer", "more", "status", "says"),
    [
        ((404, {}, "{}"), {}, "passed", "GET /api/nonexistent answered 404 in 0."),
        ((410, {}, ""), {"status": [404, 410]}, "passed", "answered 410"),
        (
            (200, {"Content-Type": "text/html"}, "x"),
            {},
            "failed",
            "answered 200, not 404: an HTML page stands in for what does not exist",
        ),
        ((200, {}, " <!doctype html>"), {}, "failed", "an HTML page stands in for what does not exist"),
        ((200, {}, "{}"), {}, "failed", "GET /api/nonexistent answered 200, not 404"),
        ((500, {"Content-Type": "text/html"}, "x"), {}, "failed", "GET /api/nonexistent answered 500, not 404"),
        ((302, {"Location": "/"}, ""), {}, "failed", "answered 302, not 404"),
    ],
)
def test_what_is_answered(answer: t.Any, more: t.Dict[str, t.Any], status: str, says: str, app: t.Any) -> None:
    result = look(app, answer, **more)
    assert result.status == status
    assert says in result.message
    assert status == "passed" or result.message.endswith(says)


def test_each_time_it_is_something_else(app: t.Any) -> None:
    result = look(app, (200, {}, "{}"), path="/api/{random}", retries=1, retry_interval=0.01)
    assert result.message == "GET /api/{random} answered 200, not 404"
    first, second = app.paths()
    assert first != second
    assert "{" not in first


def test_a_page_behind_a_redirect(app: t.Any) -> None:
    app.answers["GET", "/home"] = [(200, {"Content-Type": "text/html"}, "x")]
    assert "an HTML page stands in" in look(app, (302, {"Location": "/home"}, ""), follow_redirects=1).message


def test_nobody_there_is_no_verdict() -> None:
    assert _smoke.run(_smoke.parse([RAW]), [_smoke.Target("x", "http://127.0.0.1:9")]).verdict == "error"


@pytest.mark.parametrize(
    ("change", "says"),
    [({"path": None}, "path must be a text"), ({"status": []}, "status has no status"), ({"path": "/{x}"}, "{x}")],
)
def test_what_cannot_be_right(change: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{**RAW, **change}])
    assert says in str(caught.value)
