# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an app answers is judged as declared; what a check makes it puts back, whatever happens."""

from __future__ import annotations

import json
import threading
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke

JSON = {"Content-Type": "application/json"}
DATA = {
    "status": "healthy",
    "count": 3,
    "ratio": 1.0,
    "on": True,
    "none": None,
    "items": [{"id": "x"}, {"id": "y"}],
    "empty": [],
    "a key": "v",
}


def only(report: _smoke.Report) -> _smoke.Result:
    (result,) = report.results
    return result


def run(app: t.Any, checks: t.List[_smoke.Check], **more: t.Any) -> _smoke.Result:
    return only(_smoke.run(checks, [app.target()], **more))


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ({"status": 200}, None),
        ({"status": [404, 200]}, None),
        ({"status": 201}, "answered 200, not 201"),
        ({"status": [201, 204]}, "answered 200, not 201 or 204"),
        ({"contains": "healthy"}, None),
        ({"contains": ["healthy", "sick"]}, 'its body does not contain "sick"'),
        ({"not_contains": "sick"}, None),
        ({"not_contains": "healthy"}, 'its body contains "healthy"'),
        ({"headers": {"content-type": "application/json"}}, None),
        ({"headers": {"X-Number": 5}}, None),
        ({"headers": {"X-Number": {"not_equals": 5}}}, 'its header X-Number is "5", not other than "5"'),
        ({"headers": {"Content-Type": {"starts_with": "text/"}}}, "not something beginning with"),
        ({"headers": {"X-Missing": "a"}}, "its header X-Missing is not there"),
        ({"headers": {"X-Missing": {"exists": False}}}, None),
        ({"json": {"$.status": "healthy", "count": 3}}, None),
        ({"json": {"$.status": "sick"}}, '$.status is "healthy", not "sick"'),
        ({"json": {"$.count": "3"}}, '$.count is 3, not "3"'),
        ({"json": {"$.count": True}}, "$.count is 3, not true"),
        ({"json": {"$.on": 1}}, "$.on is true, not 1"),
        ({"json": {"$.on": True}}, None),
        ({"json": {"$.ratio": 1}}, None),
        ({"json": {"$.none": None}}, None),
        ({"json": {"$.none": {"exists": True}}}, None),
        ({"json": {"$.missing": None}}, "$.missing is not there (wanted null)"),
        ({"json": {"$.missing": {"not_equals": 1}}}, "$.missing is not there"),
        ({"json": {"$.missing": {"exists": False}}}, None),
        ({"json": {"$.items[1].id": "y", "$.items[-1].id": "y"}}, None),
        ({"json": {"$.items[2].id": "y"}}, "$.items[2].id is not there"),
        ({"json": {"$['a key']": "v"}}, None),
        ({"json": {"$.items": {"contains": {"id": "x"}}}}, None),
        ({"json": {"$.empty": {"is_empty": True}, "$.items": {"is_empty": False}}}, None),
        ({"json": {"$.count": {"at_least": 3, "less_than": 4}}}, None),
        ({"json": {"$.count": {"greater_than": 3}}}, "$.count is 3, not greater than 3"),
        ({"json": {"$.status": {"at_most": 3}}}, "not at most 3"),
        ({"json": {"$.status": {"matches": "^hea.*y$", "ends_with": "thy"}}}, None),
        ({"json": {"$.count": {"matches": "3"}}}, "not something matching"),
        ({"json": {"$": {"equals": DATA}}}, None),
        ({"duration": 5}, None),
    ],
)
def test_what_is_expected(app: t.Any, check: t.Any, expect: t.Dict[str, t.Any], says: t.Optional[str]) -> None:
    app.answers["GET", "/x"] = [(200, {**JSON, "X-Number": "5"}, json.dumps(DATA))]
    result = run(app, check(expect=expect))
    assert result.status == ("passed" if says is None else "failed"), result.message
    assert says is None or says in result.message


def test_an_answer_that_takes_too_long(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, {}, "")]
    app.pause = 0.1
    result = run(app, check(expect={"duration": 0.001}))
    assert result.status == "failed"
    assert "s, not at most 0.001 s" in result.message


def test_json_that_is_none(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, JSON, "<html>")]
    assert "its body is no JSON" in run(app, check(expect={"json": {"$.a": 1}})).message


def test_phases_and_evidence(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(503, {"Set-Cookie": "session=abc"}, "down for " + "x" * 1000)]
    result = run(app, check())
    assert list(result.phases) == ["resolve", "connect", "processing", "transfer"]
    assert (result.evidence["request"], result.evidence["status"]) == ("GET /x", 503)
    assert result.evidence["headers"]["Set-Cookie"] == "********"
    assert result.evidence["body"].startswith("down for xxx")
    assert len(result.evidence["body"]) < 500


def test_a_redirect_is_an_answer_and_not_followed(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(302, {"Location": f"{app.url}/login?ticket=abc"}, "")]
    result = run(app, check())
    assert result.message == "GET /x answered 302, not 200"
    assert result.evidence["headers"]["Location"] == f"{app.url}/login"
    assert app.paths() == ["GET /x"]


def test_the_target_keeps_its_name_where_it_is_reached_elsewhere(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/base/x"] = [(200, {}, "")]
    target = _smoke.Target("app1", "http://app.example.com/base/", app.server_address[:2])
    assert _smoke.run(check(), [target]).good
    assert app.seen[0][2]["Host"] == "app.example.com"
    assert app.paths() == ["GET /base/x"]


def test_a_note_is_saved_read_and_deleted(app: t.Any, note: t.Any) -> None:
    result = run(app, _smoke.parse([note]))
    assert result.status == "passed"
    assert app.paths() == ["POST /api/notes/share", "GET /api/notes/note%201", "DELETE /api/notes/note%201"]
    assert json.loads(app.seen[0][3]) == note["body"]
    assert app.seen[0][2]["Content-Type"] == "application/json"
    assert not app.notes


def test_it_is_put_back_when_a_later_request_fails(app: t.Any, note: t.Any) -> None:
    app.answers["GET", "/api/notes/"] = [(500, {}, "")]
    result = run(app, _smoke.parse([note]))
    assert result.status == "failed"
    assert "GET /api/notes/{id} answered 500" in result.message
    assert not app.notes
    assert not result.leftovers


def test_it_is_put_back_when_the_first_answer_is_not_as_expected(app: t.Any, note: t.Any) -> None:
    note["expect"] = {"status": 200}
    assert run(app, _smoke.parse([note])).message == "POST /api/notes/share answered 201, not 200"
    assert not app.notes


def test_what_could_not_be_put_back_is_told_and_fails(app: t.Any, note: t.Any) -> None:
    app.answers["DELETE", "/api/notes/"] = [(500, {}, "")]
    report = _smoke.run(_smoke.parse([note]), [app.target()])
    result = only(report)
    assert result.status == "failed"
    assert result.leftovers[0].startswith("DELETE /api/notes/note%201 answered 500")
    assert "left behind at app1" in report.notes[0]
    assert "Left behind: DELETE" in report.left


def test_what_is_gone_already_is_put_back(app: t.Any, note: t.Any) -> None:
    app.answers["DELETE", "/api/notes/"] = [(404, {}, "")]
    assert run(app, _smoke.parse([note])).status == "passed"


def test_nothing_is_put_back_where_nothing_was_made(app: t.Any, note: t.Any) -> None:
    app.answers["POST", "/api/notes/share"] = [(500, {}, "internal server error")]
    result = run(app, _smoke.parse([note]))
    assert result.message == "POST /api/notes/share answered 500, not 201"
    assert not result.leftovers
    assert app.paths() == ["POST /api/notes/share"]


def test_something_may_be_left_where_no_id_was_told(app: t.Any, note: t.Any) -> None:
    app.answers["POST", "/api/notes/share"] = [(201, JSON, '{"success": true}')]
    result = run(app, _smoke.parse([note]))
    assert "its $.shareId has nothing to go on with (id)" in result.message
    assert result.leftovers == ["DELETE /api/notes/{id} could not be made, no answer gave id"]


def test_a_captured_value_cannot_leave_its_place(app: t.Any, note: t.Any) -> None:
    app.answers["POST", "/api/notes/share"] = [(201, JSON, json.dumps({"success": True, "shareId": "../x?y#\r\nz"}))]
    note["then"] = [{"path": "/api/notes/{id}", "headers": {"X-Id": "{id}"}, "expect": {"status": 200}}]
    result = run(app, _smoke.parse([note]))
    assert "the value for its header X-Id is none that a header can hold" in result.message
    assert app.paths()[-1] == "DELETE /api/notes/..%2Fx%3Fy%23%0D%0Az"


def test_values_keep_their_type_in_bodies_and_come_from_headers(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, {**JSON, "X-Version": "v7"}, '{"n": 5}')]
    checks = check(
        capture={"n": "$.n", "v": {"header": "X-Version"}},
        then=[{"method": "POST", "path": "/n", "body": {"n": "{n}", "v": "<{v}>"}, "expect": {"status": 201}}],
    )
    assert run(app, checks).status == "passed"
    assert json.loads(app.seen[1][3]) == {"n": 5, "v": "<v7>"}


def test_a_body_of_text_is_sent_as_it_is(app: t.Any, check: t.Any) -> None:
    app.answers["PUT", "/x"] = [(200, {}, "")]
    checks = check(method="PUT", body="a=1&b=ü", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert run(app, checks).status == "passed"
    assert app.seen[0][3] == "a=1&b=ü".encode()


def test_it_is_made_again_until_it_passes(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(502, {}, ""), (502, {}, ""), (200, {}, "")]
    report = _smoke.run(check(retries=2, retry_interval=0.01), [app.target()])
    assert report.good
    assert [one["status"] for one in only(report).attempts] == ["failed", "failed", "passed"]
    assert report.notes == ["a passed at app1 only at attempt 3 (before: GET /x answered 502, not 200)."]


def test_each_attempt_puts_back_what_it_made(app: t.Any, note: t.Any) -> None:
    app.answers["GET", "/api/notes/"] = [(500, {}, "")]
    result = run(app, _smoke.parse([{**note, "retries": 2, "retry_interval": 0.01}]))
    assert len(result.attempts) == 3
    assert app.made == 3
    assert not app.notes


def test_skipped_is_not_passed(app: t.Any, check: t.Any) -> None:
    report = _smoke.run(check(skip="no editor here"), [app.target()])
    assert not report.good
    assert (only(report).status, only(report).message) == ("skipped", "no editor here")
    assert report.summary == "Nothing was looked at: all 1 checks were skipped."
    assert app.seen == []


def test_broken_and_could_not_look_are_told_apart(app: t.Any, check: t.Any) -> None:
    nobody = _smoke.Target("app2", "http://127.0.0.1:9")
    report = _smoke.run(check(expect={"status": 404}), [app.target(), nobody])
    assert report.counts == {"passed": 1, "failed": 0, "error": 1, "skipped": 0, "known": 0}
    assert report.verdict == "error"
    assert report.summary.startswith("Could not look (1 of 2 checks): a at app2: GET /x: 127.0.0.1:9 refuses")
    report = _smoke.run(check(), [app.target(), nobody])
    assert report.verdict == "failed"
    assert report.summary.startswith("Broken (1 of 2 checks failed, 1 could not look): a at app1: GET /x answered 404")
    assert not set(report.as_dict()) & {"failed", "skipped", "changed", "unreachable"}


def test_all_checks_of_all_targets_run_at_once(app: t.Any) -> None:
    inside = threading.Barrier(8, timeout=10)
    plain = type(app.RequestHandlerClass)("Slow", (app.RequestHandlerClass,), {})

    def slow(handler: t.Any) -> None:
        inside.wait()
        handler._answer(200, {}, "")

    plain.do_GET = slow
    app.RequestHandlerClass = plain
    raw = [{"name": f"c{i}", "type": "http", "path": "/", "expect": {"status": 200}} for i in range(4)]
    report = _smoke.run(_smoke.parse(raw), [app.target(), app.target(name="app2")])
    assert report.counts["passed"] == 8


def test_the_whole_run_has_one_end(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(500, {}, "")]
    started = time.monotonic()
    result = run(app, check(retries=100, retry_interval=0.1), timeout=1.5)
    assert time.monotonic() - started < 9
    assert result.status == "failed"
    assert 1 < len(result.attempts) < 20


def test_secrets_are_hidden_wherever_an_answer_has_them(app: t.Any, check: t.Any) -> None:
    secret = "s3cret/va lue"
    echo = json.dumps({"you": secret, "access_token": "abc123xyz", "n": 1})
    app.answers["GET", "/x"] = [(200, {"X-Echo": secret, "X-Auth-Token": "abc123xyz"}, "x" * 370 + echo)]
    checks = check(
        {"admin": secret},
        path="/x?key={admin}",
        headers={"Authorization": "Bearer {admin}"},
        expect={"headers": {"X-Echo": "other"}},
    )
    report = _smoke.run(checks, [app.target()], secrets={"admin": secret})
    assert app.seen[0][2]["Authorization"] == f"Bearer {secret}"
    assert app.seen[0][1] == "/x?key=s3cret%2Fva%20lue"
    shown = json.dumps(report.as_dict())
    for part in (secret, "s3cret", "abc123xyz", "va%20lue"):
        assert part not in shown, part
    assert "********" in shown


def test_what_is_captured_under_a_secret_name_is_hidden(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, JSON, '{"v": "abc123xyz"}')]
    app.answers["GET", "/y"] = [(500, {}, "who is abc123xyz")]
    checks = check(
        capture={"session": "$.v"},
        then=[{"path": "/y", "headers": {"Cookie": "{session}"}, "expect": {"status": 200}}],
    )
    result = run(app, checks)
    assert app.seen[1][2]["Cookie"] == "abc123xyz"
    assert result.evidence["body"] == "who is ********"


def test_an_expectation_of_a_secret_does_not_tell_it(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, JSON, '{"token": "abc123xyz"}')]
    assert "abc123xyz" not in run(app, check(expect={"json": {"$.token": {"is_empty": True}}})).message


def test_nothing_shown_moves_a_cursor_or_breaks_the_output(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, {**JSON, "X-Odd": "a\x1b[2Jb"}, '{"a": "\\ud800\\u009b"}\x1b[2J')]
    app.answers["GET", "/y"] = [(200, JSON, '{"a": "\\ud800\\u009b"}')]
    for checks in (check(expect={"headers": {"X-Odd": "c"}}), check(path="/y", expect={"json": {"$.a": "c"}})):
        shown = json.dumps(_smoke.run(checks, [app.target()]).as_dict(), ensure_ascii=False)
        assert not set(shown.encode().decode()) & set("\x1b\x9b\ud800")
