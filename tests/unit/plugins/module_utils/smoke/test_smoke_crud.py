# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A document goes through its life as an app's users need it, and nothing of it stays, whatever fails on the way."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

JSON = {"Content-Type": "application/json"}
RAW: t.Dict[str, t.Any] = {"name": "notes", "type": "crud", "path": "/api/notes", "retries": 0}
ITEM = "/api/notes/note%201"
LIFE = [f"GET {ITEM}", f"PUT {ITEM}", f"GET {ITEM}", f"DELETE {ITEM}", f"GET {ITEM}"]


def look(app: t.Any, secrets: t.Optional[t.Dict[str, str]] = None, **more: t.Any) -> _smoke.Result:
    checks = _smoke.parse([{**RAW, **more}], secrets)
    (result,) = _smoke.run(checks, [app.target()], secrets=secrets).results
    return result


def test_a_path_is_enough(app: t.Any) -> None:
    result = look(app)
    assert result.status == "passed", result.message
    assert result.type == "crud"
    assert app.paths() == ["POST /api/notes", *LIFE]
    written, edited = json.loads(app.seen[0][3]), json.loads(app.seen[2][3])
    assert edited == {**written, "title": "smoke check, edited"}
    assert not app.notes
    assert result.message.startswith("POST /api/notes answered 201 in 0.")
    assert result.message.endswith(
        "s; GET /api/notes/{id} 200; PUT /api/notes/{id} 200; GET /api/notes/{id} 200; DELETE /api/notes/{id} 200; "
        "GET /api/notes/{id} 404"
    )


def test_all_of_it_may_be_said(app: t.Any) -> None:
    app.answers["POST", "/new"] = [(201, {**JSON, "X-Id": "n7"}, "{}")]
    app.answers["GET", "/v/n7"] = [(200, JSON, '{"t": "a"}'), (200, JSON, '{"d": {"t": "b"}}'), (410, {}, "")]
    app.answers["PATCH", "/v/n7/edit"] = [(202, {}, "")]
    app.answers["POST", "/v/n7/remove"] = [(204, {}, "")]
    result = look(
        app,
        {"admin": "s3cret-value"},
        headers={"Authorization": "Bearer {admin}"},
        create={"path": "/new", "body": {"t": "a"}, "id": {"header": "X-Id"}, "headers": {"X-Kind": "new"}},
        read={"path": "/v/{id}", "expect": {"status": 200, "headers": {"Content-Type": "application/json"}}},
        edit={"method": "PATCH", "path": "/v/{id}/edit", "body": {"t": "b"}, "shows": {"$.d.t": "b"}},
        delete={"method": "POST", "path": "/v/{id}/remove", "expect": {"status": 204}},
    )
    assert result.status == "passed", result.message
    assert app.paths() == [
        "POST /new",
        "GET /v/n7",
        "PATCH /v/n7/edit",
        "GET /v/n7",
        "POST /v/n7/remove",
        "GET /v/n7",
    ]
    assert all(one[2]["Authorization"] == "Bearer s3cret-value" for one in app.seen)
    assert [one[2].get("X-Kind") for one in app.seen] == ["new", None, None, None, None, None]


@pytest.mark.parametrize("answer", [{"id": 5}, {"_id": "5"}, {"data": {"id": 5}}, {"id": None, "uuid": "5"}])
def test_the_id_is_found_in_the_usual_places(answer: t.Any, app: t.Any) -> None:
    app.answers["POST", "/api/notes"] = [(200, JSON, json.dumps(answer))]
    app.answers["GET", "/api/notes/5"] = [(200, JSON, '{"a": 1}'), (404, {}, "")]
    app.answers["DELETE", "/api/notes/5"] = [(200, {}, "")]
    assert look(app, edit=False, create={"body": {"a": 1}}).status == "passed"


@pytest.mark.parametrize(
    ("method", "answers", "says"),
    [
        ("GET", [(500, {}, "")], "GET /api/notes/{id} answered 500, not 200"),
        ("GET", [(200, JSON, "{}")], '$.title is not there (wanted "smoke check")'),
        ("PUT", [(405, {}, "")], "PUT /api/notes/{id} answered 405, not 200 or 201 or 202 or 204"),
        # It says that it is done, and it is not.
        ("PUT", [(200, {}, "")], '$.title is "smoke check", not "smoke check, edited"'),
    ],
)
def test_a_step_that_fails_leaves_nothing(method: str, answers: t.Any, says: str, app: t.Any) -> None:
    app.answers[method, ITEM] = answers
    result = look(app)
    assert result.status == "failed"
    assert says in result.message
    assert f"DELETE {ITEM}" in app.paths()
    assert not app.notes
    # It was deleted; that reading is broken is another matter, if it is one.
    assert bool(result.leftovers) == (says.startswith("$") and method == "GET")


def test_what_is_not_gone_is_left_behind(app: t.Any) -> None:
    app.answers["DELETE", ITEM] = [(200, {}, "")]
    result = look(app)
    assert result.status == "failed"
    assert result.message.endswith("GET /api/notes/{id} answered 200, not 404 or 410")
    assert result.leftovers == [f"GET {ITEM} answered 200, it is still there"]


def test_what_cannot_be_deleted_is_left_behind(app: t.Any) -> None:
    app.answers["DELETE", ITEM] = [(500, {}, "")]
    result = look(app)
    assert "DELETE /api/notes/{id} answered 500" in result.message
    assert len(result.leftovers) == 1
    assert result.leftovers[0].startswith(f"DELETE {ITEM} answered 500")
    # A cleanup is not given up at once: a limit or a restart may stand in its way.
    assert app.paths().count(f"DELETE {ITEM}") == 4


def test_a_limit_does_not_stand_in_the_way_of_a_cleanup(app: t.Any) -> None:
    app.answers["PUT", ITEM] = [(500, {}, "")]
    seen: t.List[str] = []

    def behave(method: str, path: str, _headers: t.Any) -> t.Any:
        seen.append(method)
        if method == "POST":
            return 201, JSON, '{"id": 5}'
        if method == "DELETE" and seen.count("DELETE") > 1:
            return 200, {}, ""
        return (404 if seen.count("DELETE") > 1 else 429), {}, ""

    app.behave = behave
    started = time.monotonic()
    result = look(app)
    assert "GET /api/notes/{id} answered 429, not 200" in result.message
    assert result.leftovers == []
    assert time.monotonic() - started < 5


def test_what_was_refused_was_never_made(app: t.Any) -> None:
    app.answers["POST", "/api/notes"] = [(503, {}, "")]
    result = look(app)
    assert result.message == "POST /api/notes answered 503, not 200 or 201"
    assert app.paths() == ["POST /api/notes"]
    assert not result.leftovers


def test_a_document_without_an_id_is_reported_once(app: t.Any) -> None:
    app.answers["POST", "/api/notes"] = [(201, JSON, "{}")]
    result = look(app)
    assert (
        "its $.id, $._id, $.shareId, $.uuid, $.data.id or $.data._id has nothing to go on with (id)" in result.message
    )
    assert result.leftovers == ["DELETE /api/notes/{id} could not be made, no answer gave id"]


def test_a_server_that_falls_silent_in_the_middle(hostile: t.Any) -> None:
    def behave(connection: t.Any) -> None:
        asked = connection.recv(65536)
        if asked.startswith(b"PUT"):
            time.sleep(20)
        body = b'{"id": 7, "title": "smoke check", "content": "c"}'
        if asked.startswith(b"GET") and deleted:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        else:
            deleted.extend([1] if asked.startswith(b"DELETE") else [])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    deleted: t.List[int] = []
    server = hostile(behave)
    create = {"body": {"title": "smoke check", "content": "c"}}
    checks = _smoke.parse([{**RAW, "timeout": 0.4, "create": create}])
    (result,) = _smoke.run(checks, [_smoke.Target("x", f"http://127.0.0.1:{server.port}")]).results
    assert result.status == "error"
    assert "PUT /api/notes/{id}: 127.0.0.1" in result.message
    assert deleted
    assert not result.leftovers


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"path": None}, "path must be a text"),
        ({"create": {"pth": "/x"}}, "create: unknown key 'pth'"),
        ({"create": {"id": ""}}, "create: capture id is no path"),
        ({"create": {"path": "/{id}"}}, "nothing gives a value to {id}"),
        ({"create": {"expect": {}}}, "create: expect says nothing"),
        ({"create": {"body": "a=1"}}, "edit: nothing would show whether the document was changed"),
        ({"edit": {"body": {"title": "smoke check"}}}, "edit changes nothing"),
        ({"edit": {"body": {"password": "x"}}}, "edit: nothing would show"),
        ({"edit": {"body": {"title": "{token}"}}}, "nothing gives a value to {token}"),
        ({"edit": {"shows": {"$.title": {"eqals": 1}}}}, "unknown operator 'eqals'"),
        ({"edit": True}, "edit is not a dictionary"),
        ({"read": {"method": "HEAD"}}, "read: unknown key 'method'"),
        ({"delete": {"path": "api"}}, "does not begin with '/'"),
        ({"headers": {"Cookie": "session=abc"}}, "looks like a credential"),
    ],
)
def test_what_cannot_be_right(change: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{**RAW, **change}])
    assert says in str(caught.value)
