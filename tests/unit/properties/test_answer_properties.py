# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a server answers: who asked says what it was, in one error of ours, and never falls over it.

The server is a real one on a loopback address. It answers every request of an example with the same bytes, or hangs up.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _health, _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.http_api import Api, HttpApi
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.instances import Instance, Reader
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.provider import Provider
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.redis_hash import RedisHash, Server
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.unleash import Unleash
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import ResultPath, Words
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Endpoint
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import FAILED, PASSED
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import model
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import run
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils import _registry
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import client as acme
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import keys, order
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.github import GitHub
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight.registry import may_push
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.probe import servers
from tests.unit.plugins.plugin_utils.acme.test_acme_client import pem
from tests.unit.properties.hostile import changed, texts

TOKEN = "canary-of-the-token"
DEEP = "[" * 100_000
DEEPER = '{"message":' * 3000 + '"x"' + "}" * 3000


class Canned(servers.Server):
    """Answers every request with the same bytes. Who begins with TLS is hung up on."""

    def __init__(self) -> None:
        super().__init__(self._one_answer)
        self.answer = b""
        self.url = f"http://127.0.0.1:{self.port}"

    def _one_answer(self, connection: socket.socket) -> None:
        connection.settimeout(2.0)
        asked = b""
        while not asked.endswith(b"\r\n") and b"\r\n\r\n" not in asked:
            piece = connection.recv(65536)
            asked += piece
            if not piece or asked[:1] == b"\x16":
                return
        connection.sendall(self.answer)
        servers.hang_up(connection)
        servers.hear_out(connection)


@pytest.fixture(scope="module")
def server() -> t.Iterator[Canned]:
    one = Canned()
    yield one
    one.close()


STATUS_LINES = st.sampled_from(
    [
        *["HTTP/1.1 200 OK"] * 12,
        *[f"HTTP/1.1 {status} Said" for status in (201, 202, 204, 301, 302, 304, 400, 401, 403, 404, 409, 422)],
        *[f"HTTP/1.1 {status}" for status in (100, 101, 429, 500, 503, 599, 600, 999, 99, 1000)],
        "HTTP/1.0 200",
        "HTTP/9.9 200 OK",
        "HTTP/1.1 2\u00b20 OK",
        "HTTP/1.1 -200 OK",
        "HTTP/1.1 \x1b[31m200 OK",
        "SSH-2.0-OpenSSH_9.2",
        "ICY 200 OK",
        "+OK",
        "",
        "A" * 70_000,
    ]
)
PLACES = [
    "http://[::1",
    "//",
    "/elsewhere",
    "https://127.0.0.1:9/x",
    "http://127.0.0.1:99999/",
    "\u00e9",
    "file:///etc",
    "",
]
HEADERS = st.sampled_from(
    [
        *[
            ("Content-Type", f"application/json; charset={one}")
            for one in ("idna", "undefined", "base64", "utf-7", "x")
        ],
        ("Content-Type", "application/json"),
        ("Content-Type", "text/html"),
        ("Content-Type", "\x00\xff"),
        ("Content-Length", "-1"),
        ("Content-Length", "abc"),
        ("Content-Length", "9" * 30),
        ("Content-Length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "br, zstd"),
        ("Retry-After", "\u00b2"),
        ("Retry-After", "9" * 30),
        ("Retry-After", "Fri, 31 Dec 9999 23:59:59 -1200"),
        ("Retry-After", "Mon, 01 Jan 0001 00:00:00 +1200"),
        ("Retry-After", "soon"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "9" * 30),
        ("Replay-Nonce", "abc"),
        ("Replay-Nonce", "\u00e9"),
        ("Docker-Content-Digest", "sha256:" + "a" * 64),
        ("WWW-Authenticate", "Basic"),
        ("WWW-Authenticate", 'Bearer realm="http://[::1"'),
        ("WWW-Authenticate", 'Bearer realm="http://127.0.0.1:99999/token"'),
        ("WWW-Authenticate", 'Bearer realm="http://127.0.0.1:9/a b\x01"'),
        ("WWW-Authenticate", 'Bearer realm="http://a..b/"'),
        ("Set-Cookie", "a=b; expires=never; path=\x7f"),
        ("X-A", "B" * 70_000),
        *[("Location", place) for place in PLACES],
    ]
)
PROBLEMS = st.sampled_from(
    [
        {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "retry after 9999-99-99 99:99:99 UTC"},
        {"type": "urn:ietf:params:acme:error:badNonce"},
        {"errors": [{"message": "denied\x1b[31m"}]},
        {"errors": 5, "message": ["a"], "detail": {}},
        {"token": "a\r\nb: c"},
        {"token": 5},
        {"detail": "x", "subproblems": 5},
        {"detail": "x", "subproblems": [{"subproblems": [5, "a"]}]},
    ]
)


def bodies(good: t.Any) -> st.SearchStrategy[bytes]:
    """Return bodies that are nearly *good*, or not at all."""
    return st.one_of(
        changed(good).map(lambda one: json.dumps(one).encode()),
        changed(good).map(lambda one: json.dumps(one).encode()),
        st.just(json.dumps(good).encode()),
        PROBLEMS.map(lambda one: json.dumps(one).encode()),
        st.sampled_from(
            [b"", b"\xff\xfe", DEEP.encode(), DEEPER.encode(), b"<html><title>Log in</title>", b"1" * 5000]
        ),
        st.binary(max_size=30),
        texts.map(lambda one: one.encode()),
    )


@st.composite
def answers(draw: st.DrawFn, good: t.Any) -> bytes:
    """Return the bytes of an answer, which may be cut off anywhere."""
    body = draw(bodies(good))
    headers = draw(st.lists(HEADERS, max_size=3))
    if draw(st.integers(0, 30)) == 0:
        headers += [("X-Many", "1")] * 150
    if draw(st.booleans()):
        headers.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    whole = f"{draw(STATUS_LINES)}\r\n{head}\r\n".encode() + body
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 5)) == 0 else whole


def said(status: int, body: str, *headers: str) -> bytes:
    head = "".join(f"{one}\r\n" for one in headers)
    return f"HTTP/1.1 {status} Said\r\n{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()


@contextlib.contextmanager
def told(*names: str) -> t.Iterator[None]:
    """Assert that whatever goes wrong is an error that names who was asked, says what to do, and shows no secret."""
    try:
        yield
    except HotfixError as exc:
        assert any(name in str(exc) for name in names or ("127.0.0.1",)), exc
        assert exc.next_step
        assert TOKEN not in str(exc)
        assert "\x1b" not in str(exc)


BASIC = base64.b64encode(f"ci:{TOKEN}".encode()).decode()
#: A server that sends back what it was sent, in every place where it can say something.
ECHOES = [
    said(status, body, *headers)
    for status in (200, 301, 401, 403, 500)
    for body in (
        f"{TOKEN} {BASIC}",
        json.dumps({"message": TOKEN, "detail": BASIC, "errors": [{"message": f"{TOKEN} {BASIC}"}]}),
        f"<html><title>{TOKEN} {BASIC}</title></html>",
    )
    for headers in ((), (f"Location: /{TOKEN}/{BASIC}",))
]


@pytest.mark.parametrize("number", range(len(ECHOES)))
def test_what_a_server_sends_back_is_not_shown(server: Canned, number: int) -> None:
    server.answer = ECHOES[number]
    use(Unleash(endpoint(server), "default", "production", 0))
    who = _registry.Account("ci", TOKEN, timeout=1.0)
    github = GitHub("owner/app", TOKEN, server.url, wait=lambda _seconds: None)
    for ask, secrets in (
        (lambda: _registry.Server(f"127.0.0.1:{server.port}", who).held("app/backend", "v1"), (TOKEN, BASIC)),
        (lambda: github.find("hotfix/x", "main"), (TOKEN,)),
        (lambda: github.open("hotfix/x", "main", "A title", "A body"), (TOKEN,)),
    ):
        try:
            ask()
        except HotfixError as exc:
            assert [one for one in secrets if one in str(exc)] == [], exc
    shown = str(may_push([f"127.0.0.1:{server.port}/app/backend"], who))
    assert TOKEN not in shown
    assert BASIC not in shown
    checks = _smoke.parse(
        [
            {
                "name": "a",
                "type": "http",
                "path": "/",
                "retries": 0,
                "expect": {"status": 201},
                "headers": {"X-Token": "{token}"},
            },
            {"name": "b", "type": "health", "retries": 0, "path": "/", "follow_redirects": 1},
        ],
        {"token": TOKEN},
    )
    report = run(checks, [_smoke.Target("here", server.url)], timeout=2.0, secrets={"token": TOKEN})
    assert TOKEN not in json.dumps(report.as_dict())


quick = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
FLAGS = {"flags": {"NEW_EDITOR": True, "OTHER": False}}
FEATURES = {"features": [{"name": "NEW_EDITOR", "environments": [{"name": "production", "enabled": True}]}]}


def use(provider: Provider) -> None:
    """Read and write with a provider."""
    with told():
        for name, value in provider.read("NEW_EDITOR").items():
            assert isinstance(name, str)
            assert value in (True, False, None)
    with told():
        provider.write("NEW_EDITOR", False)


def endpoint(server: Canned) -> Endpoint:
    return Endpoint(url=server.url, said=f"The flags at {server.url}", token=TOKEN, timeout=1.0)


@quick
@given(answer=answers(FEATURES))
@example(answer=said(200, DEEP))
@example(answer=said(200, DEEPER))
@example(answer=said(500, DEEPER))
@example(answer=said(403, DEEP))
@example(answer=said(200, '{"features": [5]}'))
@example(answer=said(200, '{"features": [{"environments": [{"name": "production"}]}]}'))
@example(answer=said(200, '{"features": [{"name": "A", "environments": 5}]}'))
@example(answer=said(200, '{"features": [{"name": "A", "environments": [5, {"name": []}, {"name": {}}]}]}'))
@example(
    answer=said(200, '{"features": [{"name": "A", "environments": [{"name": 5}, {"name": "a"}, {"name": null}]}]}')
)
def test_unleash(server: Canned, answer: bytes) -> None:
    server.answer = answer
    use(Unleash(endpoint(server), "default", "production", 0))


@quick
@given(answer=answers(FLAGS), path=st.sampled_from(["flags.{name}", "[name={name}].on", "{name}", "0.{name}"]))
@example(answer=said(200, "[" + '{"name": {}},' * 3 + '{"name": "A", "on": 1}]'), path="[name={name}].on")
@example(answer=said(200, "1" * 4000), path="{name}")
def test_a_flag_api_of_the_app(server: Canned, answer: bytes, path: str) -> None:
    server.answer = answer
    where = ResultPath(path)
    reader = Reader(path="/flags", result=where, words=Words(), token=TOKEN, timeout=1.0)
    api = Api("/flags", where, "/flags/{name}", "POST", {"enabled": "{value}"}, False, where, Words())
    use(HttpApi(api, reader, endpoint(server), True, 0))
    instance = Instance("0" * 12, "app-backend-1", "backend", "running", None, "127.0.0.1", server.port)
    with told("app-backend-1"):
        reader.read(instance, "NEW_EDITOR")


RESP = st.lists(
    st.sampled_from(
        [b"*2\r\n", b"*-1\r\n", b"$3\r\nabc\r\n", b"$-1\r\n", b":5\r\n", b"+OK\r\n", b"-ERR \x1b[31m\r\n", b"$"]
    )
    | st.binary(max_size=8),
    max_size=6,
).map(b"".join)


@quick
@given(answer=RESP)
@example(answer=b":5\r\n")
@example(answer=b"$-1\r\n")
@example(answer=b"+OK\r\n")
@example(answer=b"*2\r\n*0\r\n$1\r\na\r\n")
@example(answer=b"*2\r\n:1\r\n$4\r\ntrue\r\n")
@example(answer=b"*" + b"9" * 5000 + b"\r\n")
@example(answer=b"-ERR \x1b[31mred\r\n")
def test_redis(server: Canned, answer: bytes) -> None:
    server.answer = answer
    use(RedisHash(Server(("127.0.0.1", server.port), timeout=1.0), "flags", Words("true", "false"), 0))


MANIFEST = {
    "config": {"digest": "sha256:" + "a" * 64, "Labels": {"a": "b"}},
    "manifests": [{"digest": "sha256:" + "b" * 64, "platform": {"os": "linux"}}],
    "token": "abc",
}


@settings(quick, max_examples=40)
@given(answer=answers(MANIFEST))
@example(answer=said(200, DEEP))
@example(answer=said(401, DEEP, 'WWW-Authenticate: Bearer realm="http://[::1"'))
@example(answer=said(401, "{}", 'WWW-Authenticate: Bearer realm="http://127.0.0.1:99999/"'))
@example(answer=said(401, "{}", 'WWW-Authenticate: Bearer realm="http://a..b/"'))
@example(answer=said(200, '{"manifests": 5}', "Docker-Content-Digest: a"))
@example(answer=said(200, '{"manifests": [5]}', "Docker-Content-Digest: a"))
@example(answer=said(200, '{"manifests": [{"platform": 5}]}', "Docker-Content-Digest: a"))
@example(answer=said(200, '{"manifests": [{"platform": {"os": "linux"}}]}', "Docker-Content-Digest: a"))
@example(answer=said(200, '{"config": 5}', "Docker-Content-Digest: a"))
@example(answer=said(200, '{"config": {"digest": "a", "Labels": 5}}', "Docker-Content-Digest: a"))
@example(answer=said(200, '{"config": {"digest": "a b\\u0001"}}', "Docker-Content-Digest: a"))
@example(answer=said(200, '{"config": {"digest": "\\u00e9"}}', "Docker-Content-Digest: a"))
@example(answer=said(307, "", "Location: http://[::1"))
@example(answer=said(202, "", "Location: http://[::1"))
@example(answer=said(307, "", "Location: https://127.0.0.1:99999/"))
def test_a_registry(server: Canned, answer: bytes) -> None:
    server.answer = answer
    who = _registry.Account("ci", TOKEN, timeout=1.0)
    with told("127.0.0.1", "a..b has a name or a port that cannot be one"):
        held = _registry.Server(f"127.0.0.1:{server.port}", who).held("app/backend", "v1")
        assert held is None or all(isinstance(one, str) for one in (held.digest, held.image_id))
    found = may_push([f"127.0.0.1:{server.port}/app/backend"], who)
    assert found.status in (PASSED, FAILED)
    assert TOKEN not in found.says


def authority(server: Canned) -> dict[str, t.Any]:
    """Return one document that is a directory, an account, an order, a standing and a challenge."""
    here = f"{server.url}/x"
    return {
        "newNonce": here,
        "newAccount": here,
        "newOrder": here,
        "status": "pending",
        "identifier": {"type": "dns", "value": "app.example.com"},
        "authorizations": [here],
        "challenges": [{"type": "http-01", "url": here, "token": "abc", "error": {"detail": "no"}}],
        "finalize": here,
        "certificate": here,
        "error": {"detail": "no", "subproblems": [{"detail": "neither"}]},
    }


ACME_EXAMPLES = (
    said(200, DEEP),
    said(400, DEEPER),
    said(503, "{}", "Retry-After: " + "9" * 30),
    said(429, "{}", "Retry-After: \u00b2"),
    said(429, "{}", "Retry-After: Fri, 31 Dec 9999 23:59:59 -1200"),
    said(429, '{"detail": "Retry after 9999-99-99 99:99:99 UTC"}'),
    said(400, '{"detail": "x", "subproblems": 5}'),
    said(200, "{}", "Content-Encoding: gzip"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    said(302, "", "Location: http://[::1"),
    said(302, "", "Location: http://a..b/"),
)


def converse(server: Canned, key: keys.AccountKey) -> None:
    # It names other places, and errors name those.
    with told("uthority"):
        client = acme.Client(f"{server.url}/directory", key, timeout=1.0)
        placed = order.Order.placed(client, ["app.example.com"], None)
        wanted = placed.challenges(order.HTTP)
        placed.answer(wanted, 0.05)
        placed.certificate("csr", 0.05)


@pytest.fixture(scope="module")
def account() -> keys.AccountKey:
    return keys.AccountKey(pem(ec.generate_private_key(ec.SECP256R1())))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acme, "_PAUSE", 0.0)
    monkeypatch.setattr(acme, "_ATTEMPTS", 1)
    monkeypatch.setattr(order, "_FIRST_PAUSE", 0.01)


@pytest.mark.parametrize("number", range(len(ACME_EXAMPLES)))
def test_an_authority_that_answered_so(server: Canned, account: keys.AccountKey, hasty: None, number: int) -> None:
    server.answer = ACME_EXAMPLES[number]
    converse(server, account)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_authority(server: Canned, account: keys.AccountKey, hasty: None, data: st.DataObject) -> None:
    server.answer = data.draw(answers(authority(server)))
    converse(server, account)


@pytest.mark.parametrize("key", ["identifier", "authorizations", "challenges", "finalize", "certificate", "error"])
@pytest.mark.parametrize("value", [None, "a", [5], {"a": 5}])
@pytest.mark.parametrize("status", ["pending", "ready", "valid", 5])
def test_an_authority_whose_documents_are_odd(
    server: Canned, account: keys.AccountKey, hasty: None, key: str, value: t.Any, status: t.Any
) -> None:
    document = {**authority(server), "status": status, key: value}
    server.answer = said(200, json.dumps(document), "Replay-Nonce: abc", f"Location: {server.url}/x")
    converse(server, account)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=answers([{"number": 5, "state": "open", "html_url": "x", "head": {"sha": "a"}, "merged_at": None}]))
@example(answer=said(200, '[{"number": "x"}]'))
@example(answer=said(200, '[{"number": [5]}]'))
@example(answer=said(200, '[{"head": 5}]'))
@example(answer=said(201, "5"))
@example(answer=said(301, "[]", "Location: http://127.0.0.1:99999/"))
@example(answer=said(301, "[]", "Location: http://a..b/"))
@example(answer=said(200, DEEP))
@example(answer=said(422, '{"errors": 5}'))
@example(answer=said(403, "{}", "Retry-After: " + "9" * 30))
def test_github(server: Canned, answer: bytes) -> None:
    server.answer = answer
    github = GitHub("owner/app", TOKEN, server.url, wait=lambda _seconds: None)
    with told():
        github.find("hotfix/x", "main")
    with told():
        github.open("hotfix/x", "main", "A title", "A body")


CHECKS: list[dict[str, t.Any]] = [
    {
        "name": "http",
        "type": "http",
        "path": "/",
        "expect": {
            "headers": {"A": {"exists": False}},
            "json": {"$.a": {"at_most": 1}},
            "contains": "a",
            "duration": 1,
        },
        "capture": {"id": "$.id", "where": {"header": "Location"}},
        "then": [{"path": "/{id}", "expect": {"not_contains": "b"}}],
        "cleanup": [{"path": "/{id}"}],
    },
    {"name": "cors", "type": "cors", "path": "/", "origin": "https://app.example.com"},
    {"name": "page", "type": "page"},
    {"name": "health", "type": "health", "path": "/", "services": ["database"], "follow_redirects": 2},
    {"name": "gone", "type": "not_found", "path": "/", "follow_redirects": 2},
    {"name": "crud", "type": "crud", "path": "/notes"},
    {"name": "latency", "type": "latency", "path": "/", "requests": 2, "pause": 0, "expect": {"max": 1.0}},
    {"name": "limit", "type": "rate_limit", "path": "/", "requests": 2},
    {"name": "release", "type": "release", "path": "/", "header": "X-Instance", "requests": 2},
    {"name": "socket", "type": "websocket", "path": "/"},
]
DOCUMENT = {"a": 1, "id": "x", "status": "healthy", "checks": {"database": {"status": "up"}}, "services": {}}
FAULT = "a fault of the check itself"


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import http_check, latency_check

    monkeypatch.setattr(http_check, "_CLEANUP_PAUSES", (0.0,))
    monkeypatch.setattr(latency_check, "_REFUSED_PAUSE", 0.0)
    monkeypatch.setattr(latency_check, "_LONGEST_PAUSE", 0.0)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=answers(DOCUMENT))
@example(answer=said(200, "{}", "Content-Type: application/json; charset=idna"))
@example(answer=said(200, "{}", "Content-Type: application/json; charset=undefined"))
@example(answer=said(200, "<script src=a.js>", "Content-Type: text/html; charset=idna"))
@example(answer=said(200, "<script src='http://[::1'></script>", "Content-Type: text/html"))
@example(answer=said(200, "<a href='http://127.0.0.1:99999/'><script src='//a..b/x'>", "Content-Type: text/html"))
@example(answer=said(302, "", "Location: http://[::1"))
@example(answer=said(302, "", "Location: http://127.0.0.1:99999/"))
@example(answer=said(200, '{"a": ' + "9" * 400 + ', "id": [[]], "status": {"status": {}}}'))
@example(answer=said(200, DEEP))
@example(answer=said(200, DEEPER))
@example(answer=said(200, '{"checks":' * 3000 + "1" + "}" * 3000))
@example(answer=said(429, "", "Retry-After: " + "9" * 400))
@example(answer=said(429, "", "Retry-After: \u00b2"))
def test_smoke_checks(server: Canned, no_pauses: None, answer: bytes) -> None:
    server.answer = answer
    checks = _smoke.parse([{**one, "retries": 0, "timeout": 1.0} for one in CHECKS])
    report = run(checks, [_smoke.Target("here", server.url)], timeout=4.0, secrets={"token": TOKEN})
    assert [one.name for one in report.results] == [one["name"] for one in CHECKS]
    for one in report.results:
        assert one.status in model.STATUSES
        assert one.message
        assert FAULT not in one.message, (one.type, one.message)
    json.dumps(report.as_dict(), allow_nan=False)


def repeated(before: str, kind: str) -> bytes:
    """Return an answer that says the secret after so many other characters, wherever it can."""
    text = f"{before}{TOKEN}"
    if kind == "json":
        parts = {text: {"status": text}, "database": {"status": text}}
        return said(200, json.dumps({"a": text, "id": text, "status": text, "checks": parts, "error": text}))
    if kind == "page":
        html = f"<title>{text}</title><script src='{text}.js'></script><script src='{text}:x'></script>"
        return said(200, f"{html}<link rel=stylesheet href='/{text}.css'>", "Content-Type: text/html")
    if kind == "type":
        return said(200, "{}", f"Content-Type: {text}", f"X-Instance: {text}", f"{text}: {text}")
    if kind == "refusal":
        return said(429, text, f"Retry-After: {text}", f"Access-Control-Allow-Origin: {text}")
    return said(302, text, f"Location: {text if kind == 'scheme' else '/'}{text}{':' if kind == 'scheme' else ''}")


KINDS = ("json", "page", "type", "refusal", "redirect", "scheme")
SHOWN_AT_MOST = 8


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.integers(0, 420), kind=st.sampled_from(KINDS))
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(
    server: Canned, no_pauses: None, before: int, kind: str
) -> None:
    server.answer = repeated("x" * before, kind)
    checks = _smoke.parse([{**one, "retries": 0, "timeout": 1.0} for one in CHECKS])
    report = run(checks, [_smoke.Target("here", server.url)], timeout=4.0, secrets={"token": TOKEN})
    require_hidden(json.dumps(report.as_dict()))


def require_hidden(text: str) -> None:
    """Assert that no part of the secret is there that would help anybody."""
    parts = [TOKEN[at : at + SHOWN_AT_MOST] for at in range(len(TOKEN) - SHOWN_AT_MOST + 1)]
    assert [one for one in parts if one in text] == [], text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.integers(0, 420), status=st.sampled_from([200, 302, 401, 403, 422, 500]), kind=st.integers(0, 3))
def test_nor_where_an_error_is_cut(server: Canned, before: int, status: int, kind: int) -> None:
    text = "x" * before + TOKEN
    problem = {"message": text, "detail": text, "errors": [{"message": text}], "name": text, "details": [text]}
    bodies = (text, json.dumps(problem), f"<html><title>{text}</title>", json.dumps([problem]))
    server.answer = said(status, bodies[kind], f"Location: /{text}", f"WWW-Authenticate: {text}")
    who = _registry.Account("ci", TOKEN, timeout=1.0)
    github = GitHub("owner/app", TOKEN, server.url, wait=lambda _seconds: None)
    unleash = Unleash(endpoint(server), "default", "production", 0)
    where = ResultPath("flags.{name}")
    reader = Reader(path="/flags", result=where, words=Words(), token=TOKEN, timeout=1.0)
    api = HttpApi(
        Api("/flags", where, "/flags/{name}", "POST", {"enabled": "{value}"}, False, where, Words()),
        reader,
        endpoint(server),
        True,
        0,
    )
    for ask in (
        lambda: _registry.Server(f"127.0.0.1:{server.port}", who).held("app/backend", "v1"),
        lambda: github.find("hotfix/x", "main"),
        lambda: github.open("hotfix/x", "main", "A title", "A body"),
        lambda: unleash.read("NEW_EDITOR"),
        lambda: unleash.write("NEW_EDITOR", False),
        lambda: api.read("NEW_EDITOR"),
        lambda: api.write("NEW_EDITOR", False),
    ):
        try:
            ask()
        except HotfixError as exc:
            require_hidden(str(exc))
    require_hidden(str(may_push([f"127.0.0.1:{server.port}/app/backend"], who)))


@quick
@given(answer=answers(DOCUMENT))
@example(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
@example(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n")
@example(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
def test_the_health_of_an_app(server: Canned, answer: bytes) -> None:
    server.answer = answer
    found = _health.ask(_health.Health(f"{server.url}/api/health", instance_header="X-A"), 1.0)
    assert found.problem is None or server.url in found.problem
