# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A redirect is followed as far as a check says, keeps to its target's address, and takes no secret anywhere else."""

from __future__ import annotations

import json
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import dial
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.links import link
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Request, exchange


@pytest.fixture
def other(app: t.Any) -> t.Iterator[t.Any]:
    """Return a second app, which is another origin."""
    one = type(app)()
    threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


def run(app: t.Any, checks: t.List[_smoke.Check], **more: t.Any) -> _smoke.Result:
    (result,) = _smoke.run(checks, [more.pop("target", None) or app.target()], **more).results
    return result


def to(where: str, status: int = 302) -> t.List[t.Tuple[int, t.Dict[str, str], str]]:
    return [(status, {"Location": where}, "")]


def test_it_leads_to_the_answer(app: t.Any, check: t.Any) -> None:
    app.answers.update(
        {("GET", "/x"): to("y?ticket=abc123xyz"), ("GET", "/y"): to("/z#part", 301), ("GET", "/z"): [(200, {}, "")]}
    )
    app.pause = 0.05
    result = run(app, check(follow_redirects=2))
    assert result.message.startswith("GET /x (302 to /y, 301 to /z) answered 200 in 0.")
    assert result.evidence["redirects"] == ["302 to /y", "301 to /z"]
    assert app.paths() == ["GET /x", "GET /y?ticket=abc123xyz", "GET /z"]
    # All three requests, and not the last one alone.
    assert result.phases["processing"] >= 0.15
    assert "abc123xyz" not in json.dumps(result.as_dict())


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("/x", "GET /x was redirected in a circle (302 to /x)"),
        ("/x2", "GET /x was redirected more than 3 times (302 to /x2, 302 to /x22, 302 to /x222)"),
        ("javascript:alert(1)", "answered 302 and leads to an address of javascript, not of http or https"),
        ("file:///etc/passwd", "an address of file, not of http or https"),
        ("https://", "an address without a host"),
        ("http://[::1", "an address that is none"),
        ("http://a:b/", "an address without a host"),
        ("http://127.0.0.1:99999/", "an address without a host"),
    ],
)
def test_it_leads_nowhere(where: str, says: str, app: t.Any, check: t.Any) -> None:
    app.behave = lambda _method, path, _headers: to(path + "2" if where == "/x2" else where)[0]
    result = run(app, check(follow_redirects=3))
    assert result.status == "failed"
    assert says in result.message


def test_a_redirect_that_says_nothing_is_an_answer(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = [(302, {}, "")]
    assert run(app, check(follow_redirects=3)).message == "GET /x answered 302, not 200"
    app.answers["GET", "/x"] = [(304, {"Location": "/y"}, "")]
    assert run(app, check(follow_redirects=3)).message == "GET /x answered 304, not 200"


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [(303, "POST", "GET", b""), (302, "POST", "GET", b""), (307, "POST", "POST", b"a=1"), (301, "PUT", "PUT", b"a=1")],
)
def test_what_is_asked_there(status: int, method: str, then: str, body: bytes, app: t.Any, check: t.Any) -> None:
    app.answers[method, "/x"] = to("/y", status)
    app.answers[then, "/y"] = [(200, {}, "")]
    headers = {"Content-Type": "text/plain", "X-Own": "1"}
    assert run(app, check(method=method, body="a=1", headers=headers, follow_redirects=1)).status == "passed"
    assert app.paths() == [f"{method} /x", f"{then} /y"]
    assert app.seen[1][3] == body
    assert ("Content-Type" in app.seen[1][2]) == bool(body)
    assert app.seen[1][2]["X-Own"] == "1"


def test_no_header_goes_to_another_origin_nor_comes_back(app: t.Any, other: t.Any, check: t.Any) -> None:
    app.answers.update({("GET", "/x"): to(f"{other.url}/login"), ("GET", "/back"): [(200, {}, "")]})
    other.answers["GET", "/login"] = to(f"{app.url}/back")
    checks = check(
        {"admin": "s3cret-value"},
        headers={"Authorization": "Bearer {admin}", "X-Own": "1"},
        follow_redirects=5,
    )
    result = run(app, checks, secrets={"admin": "s3cret-value"})
    assert result.status == "passed", result.message
    assert app.seen[0][2]["Authorization"] == "Bearer s3cret-value"
    for _method, _path, headers, _body in (*other.seen, *app.seen[1:]):
        assert not set(headers) & {"Authorization", "X-Own"}
    assert f"302 to {other.url}/login" in result.message


@pytest.mark.parametrize(("status", "method"), [(307, "POST"), (302, "PUT")])
def test_no_body_goes_to_another_origin(status: int, method: str, app: t.Any, other: t.Any, check: t.Any) -> None:
    app.answers[method, "/x"] = to(f"{other.url}/y?a=1", status)
    result = run(app, check(method=method, body={"a": 1}, follow_redirects=5))
    assert result.message == f"{method} /x answered {status} and leads to {other.url}/y, to which its body is not sent"
    assert other.seen == []


def test_a_target_by_address_is_not_left_for_another_of_its_name(app: t.Any, other: t.Any, check: t.Any) -> None:
    port = other.server_address[1]
    app.answers["GET", "/base/x"] = to("http://app.example.com/y")
    app.answers["GET", "/y"] = to(f"http://App.Example.com:{port}/z")
    other.answers["GET", "/z"] = [(200, {}, "")]
    target = _smoke.Target("app1", "http://app.example.com/base/", app.server_address[:2])
    result = run(app, check(follow_redirects=5), target=target)
    assert result.status == "passed", result.message
    assert [headers["Host"] for _m, _p, headers, _b in (*app.seen, *other.seen)] == [
        "app.example.com",
        "app.example.com",
        f"app.example.com:{port}",
    ]


def test_a_container_that_is_asked_for_the_name_of_its_app(app: t.Any) -> None:
    target = app.target(host_name="app.example.com")
    own = link(target, "http://app.example.com/x", "http://app.example.com/y")
    assert own.own
    assert (own.target.url, own.target.host_name, own.said) == (app.url, "app.example.com", "/y")
    beside = link(target, "http://app.example.com/x", "https://app.example.com/y")
    assert not beside.own
    # Not where the name leads, which is to those who have users already.
    assert beside.target.address == ("127.0.0.1", 443)


def test_a_redirect_to_nobody_is_no_verdict(app: t.Any, check: t.Any) -> None:
    app.answers["GET", "/x"] = to("http://127.0.0.1:9/")
    result = run(app, check(follow_redirects=1))
    assert result.status == "error"
    assert result.message == "GET /x (302 to http://127.0.0.1:9/): 127.0.0.1:9 refuses connections"


def test_all_of_it_ends_in_the_time_of_one_request(app: t.Any, hostile: t.Any, check: t.Any) -> None:
    silent = hostile(lambda _connection: time.sleep(20))
    app.answers["GET", "/x"] = to(f"http://127.0.0.1:{silent.port}/")
    app.pause = 0.3
    started = time.monotonic()
    result = run(app, check(follow_redirects=5, timeout=0.6))
    assert time.monotonic() - started < 3
    assert result.status == "error"


def test_what_a_redirect_may_have_made_is_put_back(app: t.Any, note: t.Any) -> None:
    app.answers["POST", "/api/notes/share"] = to("/api/notes/1", 303)
    app.answers["GET", "/api/notes/1"] = [(500, {}, "")]
    (result,) = _smoke.run(_smoke.parse([{**note, "follow_redirects": 1}]), [app.target()]).results
    assert result.leftovers == ["DELETE /api/notes/{id} could not be made, no answer gave id"]


def test_an_address_in_another_script(app: t.Any, check: t.Any) -> None:
    # A header holds bytes; these are UTF-8.
    app.answers["GET", "/x"] = to("/ü".encode().decode("latin-1"))
    app.answers["GET", "/%C3%BC"] = [(200, {}, "")]
    assert run(app, check(follow_redirects=1)).status == "passed"


def test_another_origin_is_verified_even_where_the_target_is_not(hostile: t.Any, certificate: Path) -> None:
    def behave(connection: t.Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = hostile(behave, certificate)
    lax = _smoke.Target("x", "http://x.example.com", validate_certs=False)
    there = link(lax, "http://x.example.com/", f"https://localhost:{server.port}/").target
    assert "has a certificate that cannot be trusted" in str(exchange(there, Request("GET", "/"), 5).silent)
    # The authority of the target is good for others, beside those of the system.
    named = dial.Foreign(
        "y", "https://app.example.com", ("127.0.0.1", server.port), ca_file=str(certificate / "cert.pem")
    )
    assert exchange(named, Request("GET", "/"), 5).status == 200
