# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a browser would let a page do is told from what it would not, for the right origins and for others."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

OWN = "app://obsidian.md"
SECOND = "https://app.example.com"
FOREIGN = "https://foreign.example"
RAW: t.Dict[str, t.Any] = {"name": "a", "type": "cors", "path": "/api/notes/share", "origin": OWN, "retries": 0}


class Cors:
    """An app's answers; a test changes what is wrong in them."""

    def __init__(self) -> None:
        self.origins: t.Tuple[str, ...] = (OWN,)
        self.methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
        self.headers = "content-type, x-user-id"
        self.vary = "Accept-Encoding, Origin"
        self.more: t.Dict[str, str] = {}
        self.preflight = 204
        self.actual = 404
        self.reflect: t.Callable[[str], t.Optional[str]] = lambda origin: origin if origin in self.origins else None

    def __call__(self, method: str, _path: str, headers: t.Mapping[str, str]) -> t.Any:
        allowed = self.reflect(headers["Origin"])
        said = {} if allowed is None else {"Access-Control-Allow-Origin": allowed, "Vary": self.vary, **self.more}
        if method != "OPTIONS":
            return self.actual, said, "{}"
        said.update({"Access-Control-Allow-Methods": self.methods, "Access-Control-Allow-Headers": self.headers})
        return self.preflight, said, ""


@pytest.fixture
def cors(app: t.Any) -> Cors:
    app.behave = Cors()
    return t.cast(Cors, app.behave)


def look(app: t.Any, **more: t.Any) -> _smoke.Result:
    raw = {**RAW, **more}
    if "origins" in more:
        del raw["origin"]
    (result,) = _smoke.run(_smoke.parse([raw]), [app.target()]).results
    return result


def test_the_right_origin_may_and_others_may_not(app: t.Any, cors: Cors) -> None:
    result = look(app)
    assert result.status == "passed", result.message
    assert result.message == (
        "app://obsidian.md may POST /api/notes/share, https://foreign.example and look-alikes may not"
    )
    asked = [(method, headers["Origin"]) for method, _path, headers, _body in app.seen]
    lookalike = f"{OWN}.foreign.example"
    assert asked == [(method, one) for one in (OWN, FOREIGN, lookalike) for method in ("OPTIONS", "GET")]
    preflight = app.seen[0][2]
    assert preflight["Access-Control-Request-Method"] == "POST"
    assert preflight["Access-Control-Request-Headers"] == "content-type"
    # Nothing is made: a GET stands in for the POST, without what only a preflight has.
    assert "Access-Control-Request-Method" not in app.seen[1][2]


def change(cors: Cors, **more: t.Any) -> None:
    vars(cors).update(more)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"origins": ()},
            "the preflight for app://obsidian.md (OPTIONS /api/notes/share) answered 204 without Access-",
        ),
        ({"preflight": 301}, "answered 301, and browsers want 2xx"),
        ({"preflight": 405}, "answered 405, and browsers want 2xx"),
        ({"preflight": 502}, "OPTIONS /api/notes/share answered 502"),
        ({"actual": 500}, "GET /api/notes/share answered 500"),
        ({"headers": "x-user-id"}, "does not allow the header content-type"),
        ({"reflect": lambda _origin: "*"}, "has Access-Control-Allow-Origin: *, so any page may read it"),
        ({"reflect": lambda _origin: SECOND}, f'has Access-Control-Allow-Origin "{SECOND}", not {OWN}'),
        (
            {"reflect": lambda origin: origin},
            f"OPTIONS /api/notes/share from {FOREIGN} has Access-Control-Allow-Origin: {FOREIGN}: a foreign page may",
        ),
        # As a rule does that looks only at how an origin begins.
        (
            {"reflect": lambda origin: origin if origin.startswith(OWN) else None},
            f"from {OWN}.foreign.example has Access-Control-Allow-Origin",
        ),
        ({"reflect": lambda origin: origin if origin == OWN else "null"}, "Access-Control-Allow-Origin: null"),
        ({"vary": "Accept"}, "has no Vary: Origin, though its Access-Control-Allow-Origin follows the origin"),
    ],
)
def test_what_a_browser_would_not_like(wrong: t.Dict[str, t.Any], says: str, app: t.Any, cors: Cors) -> None:
    change(cors, **wrong)
    result = look(app)
    assert result.status == "failed"
    assert says in result.message, result.message


def test_a_foreign_origin_with_credentials_is_worse(app: t.Any, cors: Cors) -> None:
    change(cors, reflect=lambda origin: origin, more={"Access-Control-Allow-Credentials": "true"})
    assert "and allows credentials: a foreign page may read it" in look(app).message
    assert look(app, allow_any=True).status == "failed"
    change(cors, more={})
    assert look(app, allow_any=True).status == "passed"


def test_credentials(app: t.Any, cors: Cors) -> None:
    assert (
        "does not allow credentials (Access-Control-Allow-Credentials is missing)"
        in look(app, credentials=True).message
    )
    change(cors, more={"Access-Control-Allow-Credentials": "true"})
    assert look(app, credentials=True).status == "passed"
    change(cors, headers="*")
    assert "does not allow the header content-type" in look(app, credentials=True).message
    change(cors, headers="content-type", methods="*")
    assert "does not allow PUT" in look(app, credentials=True, method="PUT").message
    change(cors, reflect=lambda _origin: "*")
    said = look(app, credentials=True, allow_any=True)
    assert "Access-Control-Allow-Origin: *, which browsers refuse for requests with credentials" in said.message


def test_stars_without_credentials(app: t.Any, cors: Cors) -> None:
    change(cors, headers="*", methods="*")
    assert look(app, method="DELETE", request_headers=["X-A", "content-type"]).status == "passed"
    assert "does not allow the header authorization" in look(app, request_headers=["Authorization"]).message


def test_methods(app: t.Any, cors: Cors) -> None:
    change(cors, methods="")
    # Browsers ask for it without being told.
    assert look(app, method="POST").status == "passed"
    assert 'does not allow PATCH (Access-Control-Allow-Methods is "")' in look(app, method="PATCH").message
    app.seen.clear()
    assert look(app, method="HEAD").status == "passed"
    assert app.paths()[1] == "HEAD /api/notes/share"


def test_any_origin_may(app: t.Any, cors: Cors) -> None:
    change(cors, reflect=lambda _origin: "*", vary="")
    result = look(app, allow_any=True)
    assert result.status == "passed"
    assert result.message.endswith("may POST /api/notes/share, any origin may")


def test_one_origin_for_all_needs_no_vary(app: t.Any, cors: Cors) -> None:
    change(cors, reflect=lambda _origin: OWN, vary="")
    assert look(app).status == "passed"


def test_several_origins_are_all_looked_at(app: t.Any, cors: Cors) -> None:
    assert f"the preflight for {SECOND}" in look(app, origins=[OWN, SECOND]).message
    change(cors, origins=(OWN, SECOND))
    assert look(app, origins=[OWN, SECOND]).status == "passed"


def test_no_headers_are_asked_for(app: t.Any, cors: Cors) -> None:
    change(cors, headers="")
    assert look(app, request_headers=[]).status == "passed"
    assert "Access-Control-Request-Headers" not in app.seen[0][2]


def test_a_header_that_is_there_twice(hostile: t.Any) -> None:
    def behave(connection: t.Any) -> None:
        connection.recv(65536)
        line = f"Access-Control-Allow-Origin: {OWN}\r\n".encode()
        connection.sendall(b"HTTP/1.1 204 No Content\r\n" + line * 2 + b"\r\n")

    server = hostile(behave)
    (result,) = _smoke.run(_smoke.parse([RAW]), [_smoke.Target("x", f"http://127.0.0.1:{server.port}")]).results
    assert "has Access-Control-Allow-Origin 2 times, which browsers refuse" in result.message


def test_nobody_there_is_no_verdict() -> None:
    assert _smoke.run(_smoke.parse([RAW]), [_smoke.Target("x", "http://127.0.0.1:9")]).verdict == "error"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"origin": "https://app.example.com/"}, "is no origin"),
        ({"origin": "app.example.com"}, "is no origin"),
        ({"origin": "*"}, "is no origin"),
        ({"origin": "https://a b"}, "is no origin"),
        ({"origin": "https://[a"}, "is no origin"),
        ({"origin": None}, "origin looks for None"),
        ({"origins": [SECOND]}, "needs the origin whose pages may call the app"),
        ({"foreign_origin": OWN}, "is one of the origins that may"),
        ({"foreign_origin": "x"}, "foreign_origin 'x' is no origin"),
        ({"method": "post"}, "method cannot be 'post'"),
        ({"credentials": "yes"}, "credentials cannot be 'yes'"),
        ({"path": None}, "path must be a text"),
    ],
)
def test_what_cannot_be_right(change: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{**RAW, **change}])
    assert says in str(caught.value)


@pytest.mark.parametrize("more", [{}, {"origins": []}])
def test_without_an_origin(more: t.Dict[str, t.Any]) -> None:
    raw = {key: value for key, value in RAW.items() if key != "origin"}
    with pytest.raises(BadInputError, match="origin"):
        _smoke.parse([{**raw, **more}])
