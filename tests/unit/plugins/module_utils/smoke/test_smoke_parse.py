# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is misspelt, missing or of the wrong kind is refused by its name, before the first request."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

GOOD: t.Dict[str, t.Any] = {"name": "a", "type": "http", "path": "/", "expect": {"status": 200}}
RELEASE: t.Dict[str, t.Any] = {"name": "a", "type": "release", "header": "X-Instance"}


def refused(raw: t.Any, secrets: t.Any = None) -> str:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse(raw, secrets)
    return str(caught.value)


@pytest.mark.parametrize("raw", [[], None, {}, "health"])
def test_a_suite_without_a_check_is_an_error(raw: t.Any) -> None:
    assert "There is no check" in refused(raw)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "Check number 1: name"),
        ({"name": 5}, "Check number 1: name"),
        ({"type": "htp"}, "Check 'a': type cannot be 'htp'"),
        ({"type": None}, "type cannot be None"),
        ({"expct": {}}, "unknown key 'expct'. Nothing was changed. Next: 'expect' may be meant"),
        ({"path": "api"}, "does not begin with '/'"),
        ({"path": "/a b"}, "holds a blank"),
        ({"path": "http://elsewhere.example.com/"}, "does not begin with '/'"),
        ({"method": "get"}, "method cannot be 'get'"),
        ({"expect": {}}, "Check 'a': expect says nothing"),
        ({"expect": None}, "expect is not a dictionary"),
        ({"expect": {"statos": 200}}, "expect: unknown key 'statos'"),
        ({"expect": {"status": []}}, "status expects nothing"),
        ({"expect": {"status": None}}, "status expects nothing"),
        ({"expect": {"status": 2000}}, "status cannot be 2000"),
        ({"expect": {"status": True}}, "status cannot be True"),
        ({"expect": {"status": "ok"}}, "status cannot be 'ok'"),
        ({"expect": {"contains": ""}}, "contains expects nothing"),
        ({"expect": {"contains": [""]}}, "contains looks for ''"),
        ({"expect": {"contains": 5}}, "contains looks for 5"),
        ({"expect": {"headers": {}}}, "headers expects nothing"),
        ({"expect": {"headers": {"X": {}}}}, "header X expects nothing"),
        ({"expect": {"headers": {"X": {"at_most": 5}}}}, "is a text, which at_most cannot compare"),
        ({"expect": {"headers": {"X": True}}}, "is a text and never true"),
        ({"expect": {"json": {}}}, "json expects nothing"),
        ({"expect": {"json": {"$.a": {}}}}, "json $.a expects nothing"),
        ({"expect": {"json": {"$.a": {"eqals": 1}}}}, "unknown operator 'eqals'"),
        ({"expect": {"json": {"$.a": {"at_most": "5"}}}}, "at_most needs a number"),
        ({"expect": {"json": {"$.a": {"exists": 1}}}}, "exists needs true or false"),
        ({"expect": {"json": {"$.a": {"contains": ""}}}}, "contains needs something to look for"),
        ({"expect": {"json": {"$.a": {"matches": "("}}}}, "is no regular expression"),
        ({"expect": {"json": {"$.a[*]": 1}}}, "is no path to one place in JSON (from '[*]' on)"),
        ({"expect": {"json": {"$..a": 1}}}, "is no path"),
        ({"expect": {"duration": 0}}, "duration cannot be 0"),
        ({"expect": {"duration": float("nan")}}, "duration cannot be nan"),
        ({"method": "HEAD", "expect": {"contains": "x"}}, "the answer to HEAD has no body"),
        ({"timeout": 0}, "timeout cannot be 0"),
        ({"timeout": "soon"}, "timeout cannot be 'soon'"),
        ({"retries": 1.5}, "retries must be a whole number"),
        ({"retries": -1}, "retries cannot be -1"),
        ({"skip": True}, "skip must say why"),
        ({"service": "backend"}, "service and port go together"),
        ({"port": 80}, "service and port go together"),
        ({"service": "backend", "port": 0}, "port cannot be 0"),
        ({"scope": "private"}, "scope private needs the service"),
        ({"scope": "inside"}, "scope cannot be 'inside'"),
        ({"headers": {"Host": "x"}}, "header 'Host' cannot be set"),
        ({"headers": {"a b": "x"}}, "header 'a b' cannot be set"),
        ({"headers": {"X-A": "x\r\nX-B: y"}}, "header X-A is no line of text"),
        ({"headers": ["X-A"]}, "headers is not a dictionary"),
        ({"capture": {"id": ""}}, "capture id is no path"),
        ({"capture": {"an id": "$.id"}}, "capture 'an id' is no name"),
        ({"capture": {"id": {"hedder": "X"}}}, "capture id: unknown key 'hedder'"),
        ({"then": {"path": "/"}}, "then is no list"),
        ({"then": [{"path": "/"}]}, "then, number 1: expect says nothing"),
        ({"then": [{"path": "/{id}", "expect": {"status": 200}}]}, "nothing gives a value to {id}"),
        ({"cleanup": [{"path": "/{id}"}]}, "cleanup, number 1: nothing gives a value to {id}"),
        ({"cleanup": [{"path": "/", "capture": {"a": "$.a"}}]}, "unknown key 'capture'"),
        ({"body": {"text": "{unknown}"}}, "nothing gives a value to {unknown}"),
    ],
)
def test_what_cannot_be_right_is_named(change: t.Dict[str, t.Any], says: str) -> None:
    assert says in refused([{**GOOD, **change}])


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"name": "a", "type": "http", "expect": {"status": 200}}, "path must be a text"),
        ({"name": "a", "type": "http", "path": "/"}, "expect says nothing"),
        ({"name": "a", "type": "release"}, "expects nothing"),
        ({**RELEASE, "expect": {"status": 200}}, "unknown key 'expect'"),
        ({**RELEASE, "requests": 0}, "requests cannot be 0"),
        ({"type": "http"}, "name must be a text"),
        ("health", "Check number 1 is not a dictionary"),
    ],
)
def test_a_check_that_lacks_something(raw: t.Any, says: str) -> None:
    assert says in refused([raw])


def test_two_checks_of_one_name() -> None:
    assert "Two checks are named 'a'" in refused([GOOD, RELEASE])


def test_a_credential_does_not_stand_in_a_check() -> None:
    said = refused([{**GOOD, "headers": {"x-admin-token": "s3cret-value"}}])
    assert "header x-admin-token looks like a credential" in said
    assert "s3cret-value" not in said
    assert _smoke.parse([{**GOOD, "headers": {"x-admin-token": "{admin}"}}], {"admin": "s3cret-value"})


@pytest.mark.parametrize(("value", "says"), [("", "is empty"), (None, "is empty"), (5, "is empty")])
def test_a_secret_that_is_none(value: t.Any, says: str) -> None:
    assert says in refused([GOOD], {"admin": value})


def test_numbers_may_come_from_templates() -> None:
    raw = {**GOOD, "service": "backend", "port": "8081", "retries": "1", "timeout": "2.5", "expect": {"status": "200"}}
    (check,) = _smoke.parse([raw])
    assert (check.port, check.retries, check.timeout, check.scope) == (8081, 1, 2.5, "both")


def test_only_private_checks_are_none_from_outside(check: t.Any) -> None:
    checks = check(service="backend", port=1, scope="private")
    assert [one.name for one in _smoke.private(checks)] == ["a"]
    with pytest.raises(BadInputError, match="All checks are private"):
        _smoke.run(checks, [_smoke.Target("x", "http://127.0.0.1:9")])
    with pytest.raises(BadInputError, match="No target"):
        _smoke.run(check(), [])
