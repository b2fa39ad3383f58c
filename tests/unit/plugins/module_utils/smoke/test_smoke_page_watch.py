# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a browser tells of a page becomes few and short lines, whatever the page does."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.page_watch import KEPT, PageWatch, Problems

URL = "https://app.example.com/notes"


def watch(*allow: str, secret: str = "") -> PageWatch:
    patterns = [re.compile(one) for one in allow]
    return PageWatch(URL, patterns, lambda text: text.replace(secret, "*") if secret else text)


def requested(one: PageWatch, number: str, url: str, **more: t.Any) -> None:
    params = {"requestId": number, "loaderId": "1", "request": {"url": url}, "timestamp": 10.0, "type": "Script"}
    one.handle("Network.requestWillBeSent", {**params, **more})


def answered(one: PageWatch, number: str, status: int, **more: t.Any) -> None:
    one.handle("Network.responseReceived", {"requestId": number, "response": {"url": URL, "status": status, **more}})


def thrown(one: PageWatch, text: str, number: int = 1) -> None:
    details = {"exceptionId": number, "text": "Uncaught", "exception": {"description": text}}
    one.handle("Runtime.exceptionThrown", {"exceptionDetails": details})


def test_the_first_request_is_the_page() -> None:
    one = watch()
    requested(one, "1", f"{URL}?token=abc", type="Document")
    answered(one, "1", 404, mimeType="text/html")
    # A frame's document has a loader of its own, and is no second page.
    requested(one, "2", "https://app.example.com/frame", loaderId="2", type="Document")
    answered(one, "2", 500)
    assert one.page is not None
    assert (one.page.status, one.page.url, one.page.kind) == (404, "/notes", "text/html")
    assert one.failed.as_list() == ["GET /frame answered 500"]
    assert one.requests == 2


def test_a_redirect_is_the_same_request() -> None:
    one = watch()
    requested(one, "1", "https://app.example.com/old", type="Document")
    requested(one, "1", URL, type="Document", redirectResponse={"status": 302}, timestamp=11.0)
    answered(one, "1", 200)
    one.handle("Page.loadEventFired", {"timestamp": 12.5})
    assert one.page is not None
    assert (one.page.redirects, one.requests, one.load_seconds) == (1, 1, 2.5)


def test_phases_of_the_page() -> None:
    one = watch()
    requested(one, "1", URL)
    timing = {"requestTime": 10.0, "dnsStart": 1, "dnsEnd": 3, "connectStart": 3, "connectEnd": 13}
    timing.update({"sslStart": 5, "sslEnd": 12, "sendStart": 14, "receiveHeadersEnd": 114})
    answered(one, "1", 200, timing=timing)
    one.handle("Network.loadingFinished", {"requestId": "1", "timestamp": 10.214})
    expected = {"resolve": 0.002, "connect": 0.003, "tls": 0.007, "processing": 0.1, "transfer": 0.1}
    assert one.phases == pytest.approx(expected)
    assert list(one.phases) == list(expected)
    # Without a name to look up and without TLS there is neither.
    answered(watch(), "1", 200)
    assert watch().phases == {}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"errorText": "net::ERR_FAILED"}, ["GET /a.js failed (net::ERR_FAILED)"]),
        ({"errorText": "net::ERR_ABORTED", "canceled": True}, []),
        ({"errorText": "", "blockedReason": "csp", "canceled": True}, ["GET /a.js failed (csp)"]),
        (
            {"corsErrorStatus": {"corsError": "MissingAllowOriginHeader"}},
            ["GET /a.js failed (MissingAllowOriginHeader)"],
        ),
    ],
)
def test_requests_that_fail(more: t.Dict[str, t.Any], told: t.List[str]) -> None:
    one = watch()
    requested(one, "1", URL)
    requested(one, "2", "https://app.example.com/a.js?v=7")
    one.handle("Network.loadingFailed", {"requestId": "2", **more})
    assert one.failed.as_list() == [text.replace("a.js", "a.js?…") for text in told]
    assert one.awaited == ["GET /notes"]


def test_it_is_at_rest_when_nothing_is_awaited() -> None:
    one = watch()
    requested(one, "1", URL)
    assert one.quiet == 0
    one.handle("Network.loadingFinished", {"requestId": "1", "timestamp": 11.0})
    # These are open by their nature.
    requested(one, "2", "https://app.example.com/events", type="EventSource")
    one.handle("Network.webSocketCreated", {"requestId": "3", "url": "wss://app.example.com/ws"})
    requested(one, "4", "data:text/plain,x")
    assert one.quiet > 0
    assert one.awaited == []
    one.handle("Network.webSocketFrameError", {"requestId": "3", "errorMessage": "status 500"})
    assert one.failed.as_list() == ["wss://app.example.com/ws failed (status 500)"]


def test_an_exception_may_be_caught_after_all() -> None:
    one = watch()
    thrown(one, "Error: late\n    at https://app.example.com/a.js:1:2")
    assert one.exceptions_now().as_list() == ["Error: late"]
    one.handle("Runtime.exceptionRevoked", {"exceptionId": 1})
    assert one.exceptions_now().as_list() == []


def test_what_the_console_says() -> None:
    one = watch()
    frames = {"callFrames": [{"url": "https://app.example.com/a.js?v=1", "lineNumber": 4}]}
    words = [{"value": "no"}, {"value": None}, {"description": "Error: x\n    at y"}, {"unserializableValue": "NaN"}]
    one.handle("Runtime.consoleAPICalled", {"type": "error", "args": words, "stackTrace": frames})
    one.handle("Runtime.consoleAPICalled", {"type": "warning", "args": []})
    one.handle("Runtime.consoleAPICalled", {"type": "log", "args": words})
    one.handle("Runtime.consoleAPICalled", {"type": "assert"})
    one.handle("Log.entryAdded", {"entry": {"level": "error", "source": "security", "text": "Mixed Content"}})
    one.handle("Log.entryAdded", {"entry": {"level": "error", "source": "network", "text": "Failed to load"}})
    one.handle("Log.entryAdded", {"entry": {"level": "warning", "source": "other", "text": "slow"}})
    assert one.console.as_list() == ["no None Error: x NaN (/a.js?…:5)", "(nothing)", "Mixed Content"]
    assert one.warnings == 2


def test_few_lines_are_kept_and_all_are_counted() -> None:
    one = watch()
    for number in range(5000):
        thrown(one, f"Error: {number} {'x' * 100000}"[:100000], number)
        one.handle("Runtime.consoleAPICalled", {"type": "error", "args": [{"value": f"{number}" + "y" * 5000}] * 20})
        requested(one, str(number), f"https://app.example.com/{number}")
        answered(one, str(number), 404)
    for problems in (one.exceptions_now(), one.console, one.failed):
        assert len(problems.as_list()) == KEPT + 1
    assert one.exceptions_now().as_list()[-1] == "5000 in all"
    assert one.console.as_list()[-1] == "5000 in all"
    assert max(len(text) for text in one.console.as_list()) < 400


def test_the_same_problem_is_told_once() -> None:
    found = Problems()
    for _number in range(3):
        found.add("a")
    assert found.as_list() == ["a", "3 in all"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{URL}/x?token=abc#def", "/notes/x?…"),
        ("https://app.example.com/a#frag", "/a"),
        ("https://app.example.com.evil.example/a", "https://app.example.com.evil.example/a"),
        ("https://other.example/a?b", "https://other.example/a?…"),
        ("https://other.example/" + "x" * 5000, "https://other.example/" + "x" * 278 + "…"),
    ],
)
def test_how_a_place_is_told(url: str, said: str) -> None:
    assert watch().place(url) == said


def test_a_secret_is_hidden_before_a_text_is_cut() -> None:
    one = watch(secret="hunter2")
    assert "hun" not in one.text("x" * 297 + "hunter2")


def test_what_is_allowed_is_counted() -> None:
    one = watch("^GET https://stats", "old trouble")
    requested(one, "1", URL)
    requested(one, "2", "https://stats.example/a.js")
    answered(one, "2", 503)
    thrown(one, "Error: old trouble")
    thrown(one, "Error: new trouble", 2)
    assert one.allowed == 2
    assert one.failed.as_list() == []
    assert one.exceptions_now().as_list() == ["Error: new trouble"]
