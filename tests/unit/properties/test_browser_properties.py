# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a browser says of a page, and whatever a check of one is given: it is told in time, and shows no secret.

The browser is the other end of real pipes. It answers commands as an example says, and tells of a page in between.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import browser_check, cdp, model
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.page_watch import PageWatch
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import run
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.properties.hostile import changed, copied, texts

TOKEN = "canary-of-the-token"
FAULT = "a fault of the check itself"
URL = "http://127.0.0.1:9"
SHOWN_AT_MOST = 8
HUGE = 10**400

#: What a good browser answers, by command.
RESULTS: dict[str, t.Any] = {
    "Browser.getVersion": {"product": "HeadlessChrome/1.0"},
    "Target.createTarget": {"targetId": "t1"},
    "Target.attachToTarget": {"sessionId": "s1"},
    "Page.navigate": {"frameId": "f1"},
    "Runtime.evaluate": {
        "result": {"value": {"title": "A", "titles": [True], "selectors": [True], "contains": [True]}}
    },
    "Page.captureScreenshot": {"data": base64.b64encode(b"picture").decode()},
}
FIRST = {"requestId": "1", "request": {"url": f"{URL}/", "method": "GET"}, "timestamp": 10.0, "type": "Document"}
SECOND = {"requestId": "2", "request": {"url": f"{URL}/a.js", "method": "GET"}, "timestamp": 10.1, "type": "Script"}
TIMING = {"requestTime": 10.0, "dnsStart": 0.1, "dnsEnd": 0.2, "sslStart": -1, "sslEnd": -1, "receiveHeadersEnd": 5.0}
THROWN = {"exceptionId": 1, "text": "Uncaught", "url": f"{URL}/a.js", "lineNumber": 3}
#: What it tells of a page that has all that a page can have, in its order.
EVENTS: list[t.Any] = [
    ["Network.requestWillBeSent", FIRST],
    ["Network.requestWillBeSent", {**FIRST, "redirectResponse": {"status": 302}}],
    ["Network.responseReceived", {"requestId": "1", "response": {"url": URL, "status": 200, "timing": TIMING}}],
    ["Network.requestWillBeSent", SECOND],
    ["Network.responseReceived", {"requestId": "2", "response": {"url": URL, "status": 404, "mimeType": "a/b"}}],
    ["Network.loadingFinished", {"requestId": "1", "timestamp": 10.2}],
    ["Network.loadingFailed", {"requestId": "2", "errorText": "x", "corsErrorStatus": {"corsError": "y"}}],
    ["Network.webSocketCreated", {"requestId": "3", "url": "ws://127.0.0.1:9/"}],
    ["Network.webSocketFrameError", {"requestId": "3", "errorMessage": "x"}],
    ["Runtime.consoleAPICalled", {"type": "error", "args": [{"value": 1}], "stackTrace": {"callFrames": [THROWN]}}],
    ["Runtime.exceptionThrown", {"exceptionDetails": {**THROWN, "exception": {"description": "Error: x\n   at a"}}}],
    ["Runtime.exceptionRevoked", {"exceptionId": 1}],
    ["Log.entryAdded", {"entry": {"source": "security", "level": "error", "text": "x", "url": URL, "lineNumber": 0}}],
    ["Page.frameNavigated", {"frame": {"id": "f1"}}],
    ["Page.javascriptDialogOpening", {"type": "alert", "message": "x"}],
    ["Page.downloadWillBegin", {"suggestedFilename": "a"}],
    ["Page.loadEventFired", {"timestamp": 10.15}],
]
CONVERSATION: dict[str, t.Any] = {"results": RESULTS, "events": EVENTS}


class Browser:
    """In the place of a real one: it has no process, but the same pipes."""

    #: What the next one says, and the bytes that it says before it tells of the page.
    conversation: t.ClassVar[t.Any] = CONVERSATION
    noise: t.ClassVar[bytes] = b""

    def __init__(self, _program: str, _arguments: t.Sequence[str], handler: cdp.Handler) -> None:
        self._heard, to_us = os.pipe()
        from_us, self._says = os.pipe()
        self._connection = cdp.Connection(from_us, to_us, handler)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> cdp.Connection:
        self._thread.start()
        return self._connection

    def __exit__(self, *_exception: object) -> None:
        self._connection.close()
        self._thread.join(5)
        os.close(self._heard)

    def complaint(self) -> str:
        return f"the last line of its log {TOKEN}"

    def _serve(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while piece := os.read(self._heard, 65536):
                buffer += piece
                while b"\0" in buffer:
                    raw, _nul, buffer = buffer.partition(b"\0")
                    self._answer(json.loads(raw))
        os.close(self._says)

    def _answer(self, message: dict[str, t.Any]) -> None:
        said = self.conversation if isinstance(self.conversation, dict) else {}
        results, events = said.get("results"), said.get("events")
        found = results.get(message["method"], {}) if isinstance(results, dict) else results
        answer = {"error": found["error"]} if isinstance(found, dict) and "error" in found else {"result": found}
        self._tell({"id": message["id"], **answer})
        if message["method"] == "Page.navigate":
            self._write(self.noise)
            for one in events if isinstance(events, list) else []:
                pair = one if isinstance(one, list) and len(one) == 2 else [one, one]
                self._tell({"method": pair[0], "params": pair[1], "sessionId": "s1"})

    def _tell(self, message: t.Any) -> None:
        self._write(json.dumps(message).encode() + b"\0")

    def _write(self, raw: bytes) -> None:
        while raw:
            raw = raw[os.write(self._says, raw) :]


@pytest.fixture(autouse=True)
def browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_check, "Chromium", Browser)
    monkeypatch.setattr(browser_check, "find", lambda path: path or "/nonexistent/chromium")
    monkeypatch.setattr(browser_check, "_QUIET", 0.02)
    monkeypatch.setattr(browser_check, "_REST_AT_MOST", 0.1)
    monkeypatch.setattr(browser_check, "_ANSWER", 0.2)
    monkeypatch.setattr(browser_check, "_POLL", 0.02)


def looked(conversation: t.Any, noise: bytes = b"") -> t.Any:
    """Return what a check makes of it, and assert what is always so."""
    Browser.conversation, Browser.noise = conversation, noise
    raw = {"name": "a", "type": "browser", "budget": 0.2, "timeout": 0.8, "retries": 0, "allow": ["ignored"]}
    expected = {"title": "A", "selector": "#a", "contains": "a"}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = run(
            _smoke.parse([{**raw, "expect": expected}]),
            [_smoke.Target("here", URL)],
            timeout=2.0,
            secrets={"token": TOKEN},
            evidence_dir=folder,
        )
    assert time.monotonic() - began < 5.0
    (result,) = report.results
    assert result.status in model.STATUSES
    assert result.message
    assert FAULT not in result.message, result.message
    shown = json.dumps(report.as_dict(), allow_nan=False)
    parts = [TOKEN[at : at + SHOWN_AT_MOST] for at in range(len(TOKEN) - SHOWN_AT_MOST + 1)]
    assert [one for one in parts if one in shown] == [], shown
    assert "\\u001b" not in shown
    # Half a character of UTF-16, which a page may print, cannot be written down.
    json.dumps(report.as_dict(), ensure_ascii=False).encode()
    assert len(shown) < 60_000
    return result


def without(*methods: str) -> list[t.Any]:
    return [one for one in EVENTS if one[0] not in methods]


CLEAN = without(
    "Network.loadingFailed",
    "Network.webSocketFrameError",
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
    "Log.entryAdded",
)
CLEAN = [one for one in CLEAN if str(one[1].get("requestId")) != "2"]


def test_what_is_right_passes() -> None:
    result = looked({"results": RESULTS, "events": CLEAN})
    assert result.status == model.PASSED, result.message
    result = looked(CONVERSATION)
    assert result.status == model.FAILED
    assert "GET /a.js answered 404" in result.message


def odd(method: str, params: t.Any) -> dict[str, t.Any]:
    """Return a page of which one thing is told in another way."""
    return {"results": RESULTS, "events": [[one[0], params if one[0] == method else one[1]] for one in EVENTS]}


def answers(method: str, result: t.Any) -> dict[str, t.Any]:
    return {"results": {**RESULTS, method: result}, "events": CLEAN}


ECHO = "x" * 290 + TOKEN
BLANKS = "Error: x" + "\n " * 200_000
NOISE = st.one_of(
    st.just(b""),
    st.just(b""),
    st.sampled_from(
        [
            *[b"\0", b"null\0", b"5\0", b"[]\0", b'"x"\0', b"{}\0", b"{\0", b"\xff\xfe\0", b"NaN\0"],
            *[b'{"id": [1]}\0', b'{"id": {}}\0', b'{"id": 1e400}\0', b'{"id": true, "result": {}}\0'],
            *[b'{"method": 5, "params": 5, "sessionId": 5}\0', b'{"params": []}\0'],
            *[b"[" * 100_000 + b"\0", b'{"a":' * 100_000 + b"\0", b"1" * 5000 + b"\0", b"no end"],
        ]
    ),
    st.binary(max_size=20).map(lambda one: one + b"\0"),
    texts.map(lambda one: json.dumps({"method": "Log.entryAdded", "params": one}).encode() + b"\0"),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(conversation=changed(CONVERSATION, most=3), noise=NOISE)
@example(conversation=CONVERSATION, noise=b"null\0")
@example(conversation=CONVERSATION, noise=b'{"id": [1]}\0')
@example(conversation=CONVERSATION, noise=b'{"params": [], "method": "Page.loadEventFired"}\0')
@example(conversation=CONVERSATION, noise=b"[" * 100_000 + b"\0")
@example(conversation=CONVERSATION, noise=b"1" * 5000 + b"\0")
@example(conversation=CONVERSATION, noise=b"no end")
@example(conversation=answers("Target.createTarget", {}), noise=b"")
@example(conversation=answers("Target.attachToTarget", {}), noise=b"")
@example(conversation=answers("Target.attachToTarget", {"sessionId": 5}), noise=b"")
@example(conversation=answers("Browser.getVersion", {"product": ECHO}), noise=b"")
@example(conversation=answers("Browser.getVersion", []), noise=b"")
@example(conversation=answers("Page.navigate", {"errorText": ECHO}), noise=b"")
@example(conversation=answers("Page.navigate", {"error": "text"}), noise=b"")
@example(conversation=answers("Page.navigate", {"error": {"message": ECHO}}), noise=b"")
@example(conversation=answers("Runtime.evaluate", {"result": 5}), noise=b"")
@example(conversation=answers("Runtime.evaluate", {"exceptionDetails": 5}), noise=b"")
@example(conversation=answers("Runtime.evaluate", {"exceptionDetails": {"exception": []}}), noise=b"")
@example(conversation=answers("Runtime.evaluate", {"result": {"value": {"titles": 5}}}), noise=b"")
@example(conversation=answers("Page.captureScreenshot", {"data": 5}), noise=b"")
@example(conversation=odd("Network.requestWillBeSent", {"request": 5, "requestId": [], "timestamp": "x"}), noise=b"")
@example(conversation=odd("Network.requestWillBeSent", {"request": {"url": "http://[::1", "method": []}}), noise=b"")
@example(conversation=odd("Network.responseReceived", {"requestId": "1", "response": {"status": HUGE}}), noise=b"")
@example(conversation=odd("Network.responseReceived", {"requestId": "1", "response": {"status": "x"}}), noise=b"")
@example(conversation=odd("Network.responseReceived", {"requestId": "1", "response": {"timing": [5]}}), noise=b"")
@example(
    conversation=odd("Network.responseReceived", {"requestId": "1", "response": {"timing": {"dnsEnd": "x"}}}), noise=b""
)
@example(conversation=odd("Network.responseReceived", {"requestId": "1", "response": {"mimeType": ECHO}}), noise=b"")
@example(conversation=odd("Network.loadingFailed", {"requestId": "2", "corsErrorStatus": 5}), noise=b"")
@example(conversation=odd("Network.loadingFailed", {"requestId": "2", "errorText": ECHO}), noise=b"")
@example(conversation=odd("Network.loadingFinished", {"requestId": "1", "timestamp": float("nan")}), noise=b"")
@example(conversation=odd("Runtime.consoleAPICalled", {"type": "error", "args": 5}), noise=b"")
@example(conversation=odd("Runtime.consoleAPICalled", {"type": "error", "args": [5], "stackTrace": []}), noise=b"")
@example(conversation=odd("Runtime.consoleAPICalled", {"type": "error", "args": [{"value": "\ud800"}]}), noise=b"")
@example(conversation=odd("Runtime.consoleAPICalled", {"type": "error", "args": [{"value": "\x1b[31m"}]}), noise=b"")
@example(conversation=odd("Runtime.consoleAPICalled", {"type": "error", "args": [{"description": BLANKS}]}), noise=b"")
@example(conversation=odd("Runtime.consoleAPICalled", {"type": "error", "args": [{"value": ECHO}] * 10}), noise=b"")
@example(
    conversation=odd("Runtime.exceptionThrown", {"exceptionDetails": {"exception": {"description": BLANKS}}}), noise=b""
)
@example(conversation=odd("Runtime.exceptionThrown", {"exceptionDetails": {"exceptionId": HUGE}}), noise=b"")
@example(conversation=odd("Runtime.exceptionRevoked", {"exceptionId": "x"}), noise=b"")
@example(conversation=odd("Log.entryAdded", {"entry": {"level": "error", "url": URL, "lineNumber": HUGE}}), noise=b"")
@example(conversation=odd("Page.loadEventFired", {"timestamp": "soon"}), noise=b"")
@example(conversation=odd("Page.frameNavigated", {"frame": 5}), noise=b"")
def test_whatever_a_browser_says_is_told(conversation: t.Any, noise: bytes) -> None:
    looked(conversation, noise)


def test_what_was_not_looked_for_is_not_there() -> None:
    """A page whose scripts change what ours call may give an empty list in the place of each verdict."""
    empty = {"title": "A", "titles": [], "selectors": [], "contains": []}
    assert looked(answers("Runtime.evaluate", {"result": {"value": empty}})).status != model.PASSED


def test_a_page_that_says_blanks_without_end_holds_nothing_up() -> None:
    one = PageWatch(URL, [], str)
    began = time.monotonic()
    for number in range(20):
        details = {"exceptionId": number, "exception": {"description": BLANKS}}
        one.handle("Runtime.exceptionThrown", {"exceptionDetails": details})
        one.handle("Runtime.consoleAPICalled", {"type": "error", "args": [{"description": BLANKS}]})
    assert time.monotonic() - began < 2.0
    assert one.console.as_list() == ["Error: x …", "20 in all"]


def test_sockets_without_end_are_not_all_kept() -> None:
    one = PageWatch(URL, [], str)
    for number in range(20_000):
        one.handle("Network.webSocketCreated", {"requestId": str(number), "url": "ws://127.0.0.1:9/"})
    assert one.requests == 20_000
    assert len(one._open) <= 5000


GIVEN: dict[str, t.Any] = {
    "name": "a",
    "type": "browser",
    "path": "/notes",
    "budget": 0.2,
    "timeout": 0.8,
    "retries": 0,
    "expect": {"title": ["A"], "selector": "#a", "contains": ["a"]},
    "allow": ["ignored", "favicon"],
}


@settings(max_examples=150)
@given(raw=changed(GIVEN, most=2))
@example(raw={**GIVEN, "budget": float("nan")})
@example(raw={**GIVEN, "budget": "inf"})
@example(raw={**GIVEN, "timeout": HUGE})
@example(raw={**GIVEN, "allow": ["("]})
@example(raw={**GIVEN, "allow": ["(?P<a>x)(?P<a>y)"]})
@example(raw={**GIVEN, "allow": ["x{99999999999}"]})
@example(raw={**GIVEN, "allow": ["(" * 5000]})
@example(raw={**GIVEN, "expect": {"title": [["a"]]}})
@example(raw={**GIVEN, "path": "/\ud800"})
@example(raw={**GIVEN, "path": "/a\0b"})
def test_what_a_check_takes_is_right_or_named(raw: t.Any) -> None:
    try:
        (check,) = _smoke.parse([raw], {"token": TOKEN})
    except BadInputError as exc:
        assert exc.what
        assert exc.next_step
        assert TOKEN not in str(exc)
        return
    if isinstance(check, browser_check.BrowserCheck):
        assert 0 < check.budget < check.timeout <= 600


TARGETS: tuple[tuple[str, tuple[str, int] | None, str | None], ...] = (
    ("http://127.0.0.1:9", ("127.0.0.1", 9), None),
    ("https://127.0.0.1:9", ("127.0.0.1", 9), None),
    ("https://app.example.com", ("::1", 9), None),
    ("http://[::1]:9/base/", None, None),
    ("https://127.0.0.1:9", None, "/nonexistent/ca.pem"),
    ("https://127.0.0.1:9", None, "/dev/null"),
    ("http://a..b", ("127.0.0.1", 9), None),
    ("http://" + "a" * 300, ("127.0.0.1", 9), None),
    ("http://a,MAP * 127.0.0.1", ("127.0.0.1", 9), None),
    ("http://app.example.com", ("127.0.0.1,MAP * evil.example.com", 9), None),
    ("http://\u00fc.example.com", ("127.0.0.1", 9), None),
    ("http://user:canary-of-the-token@127.0.0.1:9", ("127.0.0.1", 9), None),
)


@pytest.mark.parametrize(("url", "address", "ca_file"), TARGETS)
def test_a_target_is_led_to_or_named(url: str, address: t.Any, ca_file: str | None) -> None:
    Browser.conversation, Browser.noise = copied({"results": RESULTS, "events": CLEAN}), b""
    target = _smoke.Target("here", url, address, ca_file=ca_file)
    report = run(_smoke.parse([GIVEN]), [target], timeout=2.0, secrets={"token": TOKEN})
    (result,) = report.results
    assert result.status in model.STATUSES
    assert FAULT not in result.message, result.message
    assert TOKEN not in json.dumps(report.as_dict())


@pytest.mark.parametrize("path", ["a\0b", "", "/", "/dev/null", "-rf", "/" + "a" * 5000, "no-such-browser"])
def test_a_browser_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    report = run(_smoke.parse([GIVEN]), [_smoke.Target("here", URL)], timeout=2.0, browser_path=path)
    (result,) = report.results
    assert result.status in (model.SKIPPED, model.ERROR)
    assert FAULT not in result.message, result.message
