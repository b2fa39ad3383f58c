# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page is good when it loads with all that it names, in time, and each file is what it should be."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import markup

HTML = {"Content-Type": "text/html; charset=utf-8"}
SCRIPT = {"Content-Type": "text/javascript"}
STYLE = {"Content-Type": "text/css"}
INDEX = '<!doctype html><html><link rel=stylesheet href="/a.css"><script src="/a.js" defer></script></html>'


@pytest.fixture
def site(app: t.Any) -> t.Any:
    """Return an app with a page, a script and a stylesheet; what else is asked for is the page."""
    app.answers.update(
        {
            ("GET", "/a.css"): [(200, STYLE, "body {}")],
            ("GET", "/a.js"): [(200, SCRIPT, "void 0")],
            ("GET", "/"): [(200, HTML, INDEX)],
        }
    )
    return app


@pytest.fixture
def other(app: t.Any) -> t.Iterator[t.Any]:
    """Return a second app, which is another origin."""
    one = type(app)()
    threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


def look(app: t.Any, secrets: t.Optional[t.Dict[str, str]] = None, **more: t.Any) -> _smoke.Result:
    checks = _smoke.parse([{"name": "page", "type": "page", "retries": 0, **more}], secrets)
    (result,) = _smoke.run(checks, [app.target()], secrets=secrets).results
    return result


def test_it_loads_with_all_that_it_names(site: t.Any) -> None:
    result = look(site)
    assert result.status == "passed", result.message
    assert result.message.startswith("GET / and its 2 files loaded in 0.")
    assert sorted(site.paths()) == ["GET /", "GET /a.css", "GET /a.js"]
    assert site.seen[0][2]["Accept-Encoding"] == "identity"
    assert [(one["url"], one["kind"], one["status"], one["bytes"]) for one in result.evidence["files"]] == [
        ("/a.css", "stylesheet", 200, 7),
        ("/a.js", "script", 200, 6),
    ]
    assert set(result.phases) == {"resolve", "connect", "processing", "transfer"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, SCRIPT, "no"), "/a.js answered 404, not 200"),
        ((200, SCRIPT, ""), "/a.js is empty"),
        ((200, HTML, INDEX), "/a.js is an HTML page in the place of a script"),
        ((200, SCRIPT, " \n<!DOCTYPE html>"), "/a.js is an HTML page in the place of a script"),
        ((200, {"Content-Type": "application/json"}, "{}"), "/a.js has the content type application/json, with which"),
        ((302, {"Location": "/gone"}, ""), "/a.js answered 404, not 200"),
        ((302, {"Location": "/a.js"}, ""), "/a.js was redirected in a circle"),
    ],
)
def test_a_script_that_is_none(answer: t.Any, says: str, site: t.Any) -> None:
    site.answers["GET", "/a.js"] = [answer]
    site.answers = {("GET", "/gone"): [(404, {}, "")], **site.answers}
    result = look(site)
    assert result.status == "failed"
    assert result.message.startswith("GET / loaded, but 1 of its 2 files did not: /a.js ")
    assert says in result.message
    assert result.evidence["files"][0]["problem"] in result.message


def test_a_stylesheet_that_is_none(site: t.Any) -> None:
    site.answers["GET", "/a.css"] = [(200, SCRIPT, "x")]
    assert "with which no browser takes it for a stylesheet" in look(site).message


def test_all_that_did_not_load_is_counted_and_the_first_are_named(site: t.Any) -> None:
    names = "".join(f'<script src="/b{number}.js"></script>' for number in range(5))
    site.answers["GET", "/"] = [(200, HTML, f"{names}{INDEX}")]
    site.answers = {("GET", "/b"): [(404, {}, "")], **site.answers}
    result = look(site)
    assert "5 of its 7 files did not: /b0.js answered 404, not 200; /b1.js" in result.message
    assert result.message.endswith("; and 2 more")
    assert result.phases["processing"] > 0


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, HTML, INDEX), "GET / answered 404, not 200"),
        ((200, HTML, "<html>"), 'GET / answered 200, but its body does not contain "</html>"'),
        ((200, {"Content-Type": "application/json"}, "{}</html>"), "GET / is no HTML page, but application/json"),
        ((200, {}, INDEX), "GET / is no HTML page, but something without a content type"),
    ],
)
def test_a_page_that_is_none(answer: t.Any, says: str, site: t.Any) -> None:
    site.answers["GET", "/"] = [answer]
    result = look(site)
    assert (result.status, result.message) == ("failed", says)
    assert site.paths() == ["GET /"]


def test_what_it_must_hold(site: t.Any) -> None:
    assert look(site, contains=["</html>", "defer"]).status == "passed"
    assert 'does not contain "welcome"' in look(site, contains="welcome").message
    assert look(site, scripts_at_least=1).status == "passed"
    assert "loaded, but names 1 scripts, not at least 2" in look(site, scripts_at_least=2).message


def test_all_of_it_has_one_budget(site: t.Any) -> None:
    site.pause = 0.1
    result = look(site, budget=0.15)
    assert result.status == "failed"
    assert "GET / and its 2 files took 0." in result.message
    assert result.message.endswith("s, not at most 0.15 s")


def test_its_files_are_loaded_at_once(site: t.Any) -> None:
    inside = threading.Barrier(2, timeout=10)

    def behave(_method: str, path: str, _headers: t.Any) -> t.Any:
        if path != "/":
            inside.wait()
        return site.answers["GET", path][0]

    site.behave = behave
    assert look(site, timeout=15, budget=15).status == "passed"


def test_a_digest_is_held_against_the_file(site: t.Any) -> None:
    right = base64.b64encode(hashlib.sha384(b"void 0").digest()).decode()
    wrong = base64.b64encode(hashlib.sha384(b"void 1").digest()).decode()
    for integrity, status in (
        (f"sha384-{right}", "passed"),
        (f"sha384-{wrong} sha384-{right}?x", "passed"),
        (f"sha384-{wrong}", "failed"),
        # The strongest kind counts.
        (f"sha384-{right} sha512-{wrong}", "failed"),
        ("md5-abc", "passed"),
    ):
        page = f'<script src="/a.js" integrity="{integrity}"></script></html>'
        site.answers["GET", "/"] = [(200, HTML, page)]
        result = look(site)
        assert result.status == status, integrity
        assert status == "passed" or "is not what its digest on the page says" in result.message


def test_files_of_another_origin_get_nothing_of_ours(site: t.Any, other: t.Any) -> None:
    site.answers["GET", "/"] = [(200, HTML, f'<script src="{other.url}/b.js?v=1"></script>{INDEX}')]
    other.answers["GET", "/b.js"] = [(200, SCRIPT, "void 0")]
    headers = {"Cookie": "{session}", "X-Own": "1"}
    result = look(site, {"session": "s3cret-value"}, headers=headers)
    assert result.status == "passed", result.message
    assert all(one[2]["Cookie"] == "s3cret-value" for one in site.seen)
    ((_method, path, sent, _body),) = other.seen
    assert path == "/b.js?v=1"
    assert not set(sent) & {"Cookie", "X-Own"}
    assert {one["url"] for one in result.evidence["files"]} == {f"{other.url}/b.js", "/a.css", "/a.js"}
    assert "s3cret" not in json.dumps(result.as_dict())


def test_another_origin_that_does_not_answer_us_is_no_verdict_alone(site: t.Any) -> None:
    page = f'<script src="http://127.0.0.1:9/b.js"></script>{INDEX}'
    site.answers["GET", "/"] = [(200, HTML, page)]
    result = look(site)
    assert result.status == "error"
    assert "http://127.0.0.1:9/b.js did not come: 127.0.0.1:9 refuses connections" in result.message
    assert look(site, assets="same_origin").status == "passed"
    site.answers["GET", "/a.js"] = [(404, {}, "")]
    result = look(site)
    assert result.status == "failed"
    assert "2 of its 3 files did not: /a.js answered 404" in result.message


def test_a_file_of_its_own_that_never_comes_is_broken(site: t.Any, hostile: t.Any) -> None:
    def behave(connection: t.Any) -> None:
        asked = connection.recv(65536)
        if asked.startswith(b"GET / "):
            body = INDEX.encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body))
            connection.sendall(body)
        else:
            time.sleep(20)

    server = hostile(behave)
    checks = _smoke.parse([{"name": "page", "type": "page", "retries": 0, "timeout": 0.5}])
    started = time.monotonic()
    (result,) = _smoke.run(checks, [_smoke.Target("x", f"http://127.0.0.1:{server.port}")]).results
    assert time.monotonic() - started < 5
    assert result.status == "failed"
    assert "/a.css did not come: 127.0.0.1:" in result.message


def test_it_is_redirected_as_browsers_are_and_files_stand_where_it_ended(site: t.Any) -> None:
    page = '<script src="a.js"></script></html>'
    site.answers = {
        ("GET", "/app/index"): [(200, HTML, page)],
        ("GET", "/app/a.js"): [(200, SCRIPT, "x")],
        ("GET", "/"): [(302, {"Location": "/app/index"}, "")],
    }
    result = look(site)
    assert result.message.startswith("GET / (302 to /app/index) and its one file loaded")
    site.answers["GET", "/app/index"] = [(200, HTML, f'<base href="/lib/">{page}')]
    assert "/lib/a.js" in look(site).message
    assert "answered 302, not 200" in look(site, follow_redirects=0).message


def test_what_browsers_block_on_a_page_of_https(hostile: t.Any, certificate: t.Any) -> None:
    body = b'<script src="http://app.example.com/a.js"></script></html>'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)

    def behave(connection: t.Any) -> None:
        connection.recv(65536)
        connection.sendall(head + body)

    server = hostile(behave, certificate)
    target = _smoke.Target("x", "https://app.example.com", ("127.0.0.1", server.port), validate_certs=False)
    checks = _smoke.parse([{"name": "page", "type": "page", "retries": 0}])
    (result,) = _smoke.run(checks, [target]).results
    assert "http://app.example.com/a.js is named by http, which browsers block on a page of https" in result.message


def test_a_script_of_no_address(site: t.Any) -> None:
    page = "<script src></script><script src='ftp://a.example/b.js'></script></html>"
    site.answers["GET", "/"] = [(200, HTML, page)]
    message = look(site).message
    assert "a script ('') has no address" in message
    assert "a script ('ftp://a.example/b.js') has an address of ftp, not of http or https" in message


def test_more_files_than_anybody_loads(site: t.Any) -> None:
    page = "".join(f'<script src="/a.js?{number}"></script>' for number in range(250))
    site.answers["GET", "/"] = [(200, HTML, f"{page}</html>")]
    result = look(site)
    assert result.status == "failed"
    assert "names 250 files, more than the 200 that are loaded" in result.message
    assert len(site.seen) == 201
    assert len(result.evidence["files"]) == 20


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"path": "x"}, "does not begin with '/'"),
        ({"budget": 0}, "budget cannot be 0"),
        ({"assets": "some"}, "assets cannot be 'some'"),
        ({"scripts_at_least": -1}, "scripts_at_least cannot be -1"),
        ({"contains": [""]}, "contains looks for ''"),
        ({"follow_redirects": 21}, "follow_redirects cannot be 21"),
        ({"headers": {"X": "{nobody}"}}, "nothing gives a value to {nobody}"),
        ({"expect": {"status": 200}}, "unknown key 'expect'"),
    ],
)
def test_what_cannot_be_right(change: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{"name": "page", "type": "page", **change}])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("<script src=a.js>", [("script", "a.js")]),
        ("<SCRIPT SRC = 'a.js' />", [("script", "a.js")]),
        ('<script type="module" src="a.js?x=1&amp;y=2">', [("script", "a.js?x=1&y=2")]),
        ('<script type="application/json" src="a">', []),
        ("<script src=a.js></script><script src=a.js></script>", [("script", "a.js")]),
        ("<script src=a.js src=b.js>", [("script", "a.js")]),
        ("<script>var a = '<script src=no>'</script><script src=b>", [("script", "b")]),
        ("<script>var a = '<script src=no>'", []),
        ("<!-- <script src=no> --><script src=a>", [("script", "a")]),
        ("<!--><script src=a>", [("script", "a")]),
        ("<!-- <script src=no>", []),
        ("<noscript><link rel=stylesheet href=no></noscript><script src=a>", [("script", "a")]),
        ("<template><template></template><script src=no></script></template><script src=a>", [("script", "a")]),
        ("<title><script src=no></title><script src=a>", [("script", "a")]),
        ("<link rel='alternate Stylesheet' href=a>", [("stylesheet", "a")]),
        ("<link rel=stylesheet disabled href=a>", []),
        ("<link rel=icon href=a><link rel=stylesheet>", []),
        (
            "<link rel=modulepreload href=a><link rel=modulepreload as=style href=b>",
            [("script", "a"), ("stylesheet", "b")],
        ),
        ("<script src='data:text/javascript,1'>", []),
        ("a < b <script src=a>", [("script", "a")]),
        ("<p title='<script src=no>'><script src=a>", [("script", "a")]),
        ("<script src='a", []),
        ("<script src=a", []),
        ("<script\n/src=a/>", [("script", "a/")]),
        ("<?xml version='1.0'?><!DOCTYPE html></ x><script src=a>", [("script", "a")]),
    ],
)
def test_what_a_page_names(text: str, files: t.List[t.Tuple[str, str]]) -> None:
    assert [(one.kind, one.reference) for one in markup.read(text).files] == files


@pytest.mark.parametrize(
    "piece",
    ["<a ", "<a x='", "<!--", "</", "<?", "<", "<a b  ", "<script>", "<script></scrip", "<a x=", "&#", "<template>"],
)
def test_a_page_that_means_no_good_is_read_in_time(piece: str) -> None:
    started = time.monotonic()
    markup.read((piece * 500000)[:500000])
    assert time.monotonic() - started < 5
