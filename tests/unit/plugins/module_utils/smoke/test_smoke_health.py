# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an app says of its health is read part by part, in the forms in which apps and frameworks say it."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

JSON = {"Content-Type": "application/json"}


def look(app: t.Any, answer: t.Any, status: int = 200, **more: t.Any) -> _smoke.Result:
    body = answer if isinstance(answer, str) else json.dumps(answer)
    app.answers["GET", "/api/health"] = [(status, JSON, body)]
    checks = _smoke.parse([{"name": "health", "type": "health", "retries": 0, **more}])
    (result,) = _smoke.run(checks, [app.target()]).results
    return result


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ({"status": "healthy"}, 0),
        ({"status": "healthy", "services": {"database": "healthy", "redis": "healthy"}, "version": "v1"}, 2),
        ({"status": "ok", "checks": {"database": {"status": "ok", "responseTime": 1.5}}}, 1),
        ({"status": "UP", "components": {"db": {"status": "UP", "details": {"database": "PostgreSQL"}}}}, 1),
        ({"status": "UP", "components": {"db": {"status": "UP", "components": {"a": {"status": "UP"}}}}}, 2),
        ({"status": "UP", "checks": [{"name": "db", "status": "UP"}, {"name": "mq", "status": "UP"}]}, 2),
        ({"status": "pass", "checks": {"db:connections": [{"status": "pass"}, {"status": "pass"}]}}, 2),
        ({"status": "ok", "info": {"db": {"status": "up"}}, "error": {}, "details": {"db": {"status": "up"}}}, 1),
        ({"healthy": True, "services": {"database": True}}, 1),
        ({"services": {"database": "ok"}}, 1),
        ('"ok"', 0),
        ("Healthy", 0),
        ("OK\n", 0),
    ],
)
def test_what_is_healthy(app: t.Any, answer: t.Any, parts: int) -> None:
    result = look(app, answer)
    assert result.status == "passed", result.message
    assert result.message.startswith("GET /api/health answered 200 in 0.")
    assert result.message.endswith(f"healthy, and all {parts} parts" if parts else "s: healthy")


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ({"status": "unhealthy"}, 503, 'answered 503: its status is "unhealthy"'),
        (
            {"status": "unhealthy", "services": {"database": "unhealthy", "redis": "healthy"}},
            503,
            'answered 503: database is "unhealthy", its status is "unhealthy"',
        ),
        # What an app says of a part counts, whatever it says of itself.
        ({"status": "healthy", "services": {"redis": "down"}}, 200, 'answered 200: redis is "down"'),
        ({"status": "ok", "checks": {"search": {"status": "error", "error": "x"}}}, 200, 'search is "error"'),
        ({"status": "UP", "components": {"db": {"components": {"a": {"status": "DOWN"}}}}}, 200, 'db.a is "DOWN"'),
        ({"status": "UP", "checks": [{"name": "mq", "status": "DOWN"}]}, 200, 'mq is "DOWN"'),
        ({"status": "pass", "checks": {"db": [{"status": "pass"}, {"status": "fail"}]}}, 200, 'db[1] is "fail"'),
        # Two of one name: the one that is well does not hide the other.
        ({"checks": [{"name": "a", "status": "down"}, {"name": "a", "status": "up"}]}, 200, 'a is "down"'),
        ({"checks": [{"name": "a", "status": "up"}, {"name": "a", "status": "down"}]}, 200, 'a[2] is "down"'),
        ({"healthy": False}, 200, "its status is false"),
        ({"status": "ok", "services": {"database": None}}, 200, "database is null"),
        ({"status": "ok", "services": {"database": 1}}, 200, "database is 1"),
        ({"status": "ok"}, 503, "answered 503, not 200, though it says that all is well"),
        ({"status": 404, "error": "Not Found"}, 404, "answered 404: it says nothing about its health"),
        ({}, 200, "it says nothing about its health"),
        ([], 200, "it says nothing about its health"),
        ("5", 200, "its status is 5"),
        ("<!doctype html>", 200, "it is an HTML page, and no JSON"),
        ("all is lost", 200, "its body is no JSON"),
        ("", 200, "its body is no JSON"),
    ],
)
def test_what_is_not(app: t.Any, answer: t.Any, status: int, says: str) -> None:
    result = look(app, answer, status)
    assert result.status == "failed"
    assert says in result.message, result.message
    assert result.evidence["status"] == status


def test_what_it_must_speak_of(app: t.Any) -> None:
    answer = {"status": "UP", "components": {"db": {"status": "UP", "components": {"primary": {"status": "UP"}}}}}
    assert look(app, answer, services=["db", "primary", "db.primary"]).status == "passed"
    assert look(app, answer, services="redis").message.endswith("answered 200: it says nothing about redis")
    several = {"checks": {"db": [{"status": "up"}, {"status": "up"}]}}
    assert look(app, several, services=["db"]).status == "passed"
    assert look(app, "OK", services=["db"]).status == "failed"


def test_words_of_its_own(app: t.Any) -> None:
    answer = {"status": "Degraded", "services": {"a": "ok"}}
    assert look(app, answer).status == "failed"
    assert look(app, answer, healthy=["degraded", "OK"]).status == "passed"
    assert 'a is "ok"' in look(app, answer, healthy="degraded").message


def test_more_than_anybody_looks_at_is_not_healthy(app: t.Any) -> None:
    many = {"status": "ok", "services": {str(number): "ok" for number in range(600)}}
    assert "it names more than 500 parts" in look(app, many).message
    deep: t.Any = {"status": "ok"}
    for _number in range(20):
        deep = {"status": "ok", "checks": {"a": deep}}
    assert look(app, deep).status == "failed"


def test_only_the_first_problems_are_named(app: t.Any) -> None:
    message = look(app, {"services": {f"s{number}": "down" for number in range(9)}}).message
    assert 's4 is "down", and 4 more' in message
    assert "s5" not in message


def test_nothing_shown_that_looks_like_a_secret(app: t.Any) -> None:
    result = look(app, {"services": {"token": "abc123xyz", "database": "x" * 500}})
    assert "abc123xyz" not in json.dumps(result.as_dict())
    assert len(result.message) < 250


def test_with_a_token_at_another_path(app: t.Any) -> None:
    app.answers["GET", "/api/health/detailed"] = [(200, JSON, '{"status": "ok"}')]
    raw = {"name": "a", "type": "health", "path": "/api/health/detailed", "headers": {"X-Token": "{admin}"}}
    secrets = {"admin": "s3cret-value"}
    (result,) = _smoke.run(_smoke.parse([raw], secrets), [app.target()], secrets=secrets).results
    assert result.status == "passed"
    assert app.seen[0][2]["X-Token"] == "s3cret-value"


def test_nobody_there_is_no_verdict() -> None:
    checks = _smoke.parse([{"name": "health", "type": "health", "retries": 0}])
    assert _smoke.run(checks, [_smoke.Target("x", "http://127.0.0.1:9")]).verdict == "error"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"healthy": []}, "healthy has no word"),
        ({"healthy": [5]}, "healthy looks for 5"),
        ({"services": {"a": 1}}, "services looks for {'a': 1}"),
        ({"expect": {"status": 200}}, "unknown key 'expect'"),
    ],
)
def test_what_cannot_be_right(change: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{"name": "health", "type": "health", **change}])
    assert says in str(caught.value)
