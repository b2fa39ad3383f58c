# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever somebody who is told of an incident answers: a receipt says what it was and who said it, and no secret.

The receivers are real servers on a loopback address, over HTTP and over SMTP.
"""

from __future__ import annotations

import base64
import json
import socket
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import delivery
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import Channel, Message, parse
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.receipt import receipt
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.probe import servers
from tests.unit.properties.hostile import changed
from tests.unit.properties.test_answer_properties import DEEP, Canned, answers, said

PATH = "services/T0001/canaryOfThePath42"
HEADER = "canary-of-a-header"
SECRET = "canary-of-the-signature"
KEY = "R0" + "A1B2C3D4E5" * 3
LOGIN = ("ops", "canary-of-the-password")
SHOWN_AT_MOST = 10
FACTS: dict[str, t.Any] = {
    "incident": "20260102T030405Z-production-1a2b",
    "title": "Saving fails",
    "severity": 2,
    "environment": "production",
    "headline": "Saving fails.",
    "event": "0123456789ab",
}
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0.0,) * 3)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(delivery, "ATTEMPTS", 2)


@pytest.fixture(scope="module")
def server() -> t.Iterator[Canned]:
    one = Canned()
    yield one
    one.close()


class Mail(servers.Server):
    """Says its lines one by one, the next after whatever the client says, and then hangs up."""

    def __init__(self) -> None:
        super().__init__(self._meet)
        self.lines: list[bytes] = []

    def _meet(self, connection: socket.socket) -> None:
        connection.settimeout(2.0)
        for line in self.lines:
            connection.sendall(line)
            if not line.endswith(b"\n"):
                # Whoever waits for the rest of it would wait long.
                break
            if not connection.recv(65536):
                return
        servers.hang_up(connection)
        servers.hear_out(connection)


@pytest.fixture(scope="module")
def mail() -> t.Iterator[Mail]:
    one = Mail()
    yield one
    one.close()


def told(channel: Channel, who: str) -> E.Event:
    """Tell a channel, and return the receipt. What went wrong is told of *who*."""
    outcome = delivery.deliver(channel, Message("/nonexistent", "opened", FACTS), 20.0)
    assert outcome.attempts >= 1
    if outcome.error is not None:
        assert who in outcome.error, outcome.error
        # A mistake of ours is told by its type.
        assert "it could not be sent (" not in outcome.error
    event = receipt(
        Message("/nonexistent", "opened", FACTS),
        channel,
        status=outcome.status,
        attempts=outcome.attempts,
        error=outcome.error,
    )
    shown = json.dumps(event, allow_nan=False)
    for secret in secrets_of(channel):
        parts = [secret[at : at + SHOWN_AT_MOST] for at in range(len(secret) - SHOWN_AT_MOST + 1)]
        assert [one for one in parts if one in shown] == [], shown
    for text in (event["text"], event["data"]["error"] or ""):
        assert text.isprintable(), text
        assert len(text) < 600
    assert E.read(E.canonical(event)) is not None
    return event


def secrets_of(channel: Channel) -> list[str]:
    """Return what was sent to a channel, and nobody else; what is short of it may be a plain word."""
    basic = [base64.b64encode(one.encode()).decode().rstrip("=") for one in (LOGIN[1], "\0".join(("", *LOGIN)))]
    sent = [*channel.sent, *(basic if channel.type == "email" else [])]
    return [one.partition("://")[2].partition("/")[2] if "://" in one else one for one in sent]


def channels(server: Canned) -> dict[str, Channel]:
    """Return one of each type that is told over HTTP."""
    url = f"{server.url}/{PATH}"
    found: t.Any = parse(
        [
            {"type": "webhook", "url": url, "headers": {"X-Key": HEADER}, "secret": SECRET},
            {"type": "slack", "url": url},
            {"type": "pagerduty", "url": server.url, "routing_key": KEY},
        ]
    )
    return {one.type: replace(one, timeout=0.3, endpoint=replace(one.endpoint, timeout=0.3)) for one in found}


TYPES = ("webhook", "slack", "pagerduty")
ANSWER = {"status": "invalid event", "message": "no", "errors": ["a"], "dedup_key": "x"}
#: All that may have been sent comes back, wherever a server can say something.
ECHOES = {"webhook": f"{PATH} {HEADER} {SECRET}", "slack": PATH, "pagerduty": KEY}
ECHO = ECHOES["webhook"]


@settings(quick, max_examples=120)
@given(answer=answers(ANSWER), kind=st.sampled_from(TYPES))
@example(answer=b"HTTP/1.1 429 Said\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n", kind="slack")
@example(answer=said(429, "", "Retry-After: " + "9" * 400), kind="slack")
@example(answer=said(429, "", "Retry-After: -5"), kind="slack")
@example(answer=said(429, "", "Retry-After: Fri, 31 Dec 9999 23:59:59 -1200"), kind="webhook")
@example(answer=said(302, "", "Location: http://[::1"), kind="webhook")
@example(answer=said(302, "", "Location: http://127.0.0.1:99999/"), kind="webhook")
@example(answer=said(302, "", f"Location: /{ECHO}"), kind="webhook")
@example(answer=said(302, "", f"Location: https://{KEY}.example.com/{PATH}"), kind="pagerduty")
@example(answer=said(400, "x" * 380 + ECHO), kind="webhook")
@example(answer=said(400, "x" * 4080 + ECHO), kind="webhook")
@example(answer=said(400, "\x1b[31mred\u202e\x00"), kind="slack")
@example(answer=said(503, "no gzip", "Content-Encoding: gzip"), kind="webhook")
@example(answer=b"HTTP/1.1 503 Said\r\nContent-Length: 99\r\n\r\ncut", kind="webhook")
@example(answer=b"HTTP/1.1 503 Said\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", kind="webhook")
@example(answer=b"HTTP/1.1 503 Said\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", kind="webhook")
@example(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut", kind="webhook")
@example(answer=b"", kind="slack")
@example(answer=b"HTTP/1.1 \x1b[31m500 OK\r\n\r\n", kind="slack")
@example(answer=b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n", kind="slack")
@example(answer=said(500, DEEP), kind="pagerduty")
def test_whoever_is_told_over_http(server: Canned, answer: bytes, kind: str) -> None:
    server.answer = answer
    told(channels(server)[kind], server.url)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("status", [301, 400, 429, 500])
@pytest.mark.parametrize("before", [0, 330, 360, 371, 380, 390, 4060, 4085])
def test_what_was_sent_is_not_shown_where_it_comes_back(server: Canned, kind: str, status: int, before: int) -> None:
    server.answer = said(status, "x" * before + ECHOES[kind], f"Location: /{ECHOES[kind]}")
    event = told(channels(server)[kind], server.url)
    assert event["data"]["status"] == status


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [
        (b"HTTP/1.1 429 Said\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n", 2),
        (b"HTTP/1.1 503 Said\r\nContent-Length: 99\r\n\r\ncut", 2),
        (b"HTTP/1.1 503 Said\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\ncut", 2),
        (b"HTTP/1.1 400 Said\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\ncut", 1),
        (b"HTTP/1.1 302 Said\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n", 1),
    ],
)
def test_an_answer_counts_by_its_status_whatever_is_wrong_with_the_rest(
    server: Canned, answer: bytes, attempts: int
) -> None:
    server.answer = answer
    event = told(channels(server)["webhook"], server.url)
    assert event["data"]["status"] == int(answer[9:12])
    assert event["data"]["attempts"] == attempts


GOOD = [
    b"220 mail\r\n",
    b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n",
    b"235 in\r\n",
    *[b"250 OK\r\n"] * 3,
    b"354 go\r\n",
    b"250 OK\r\n",
]
LINES = st.one_of(
    st.sampled_from(
        [
            *[f"{code} said\r\n".encode() for code in (200, 220, 235, 250, 334, 354, 421, 450, 500, 535, 550, 554)],
            *[b"250", b"250-\r\n", b"\r\n", b"abc\r\n", b"-1 x\r\n", b"999 x\r\n", b"250\x00 OK\r\n", b"2\xb20 OK\r\n"],
            *[b"250-AUTH CRAM-MD5\r\n250 OK\r\n", b"250-STARTTLS\r\n250 OK\r\n", b"250-SIZE x\r\n250 SMTPUTF8\r\n"],
            *[b"550 \x1b[31mred\x00\r\n", b"550 \xff\xfe\r\n", b"550 " + b"A" * 70_000 + b"\r\n"],
            *[b"550-a\r\n" * 2000, b"334 not base64!\r\n", b"334 " + b"A" * 5 + b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
            *[
                f"{code} {'x' * 370}{LOGIN[1]} {base64.b64encode(LOGIN[1].encode()).decode()}\r\n".encode()
                for code in (421, 450, 535, 550, 554)
            ],
        ]
    ),
    st.binary(max_size=12),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    lines = list(GOOD)
    for _change in range(draw(st.integers(1, 2))):
        lines[draw(st.integers(0, len(lines) - 1))] = draw(LINES)
    return lines[: draw(st.integers(0, len(lines)))] if draw(st.integers(0, 5)) == 0 else lines


def mailed(mail: Mail, lines: list[bytes], encryption: str = "none") -> E.Event:
    mail.lines = lines
    about = {"type": "email", "host": "127.0.0.1", "port": mail.port, "encryption": encryption}
    address = {"from": "hotfix@example.com", "to": ["ann@example.com", "bob@example.com"]}
    (channel,) = parse([{**about, **address, "username": LOGIN[0], "password": LOGIN[1]}])
    return told(replace(channel, timeout=0.15), f"127.0.0.1:{mail.port}")


def at(place: int, line: bytes) -> list[bytes]:
    return [line if number == place else one for number, one in enumerate(GOOD)]


def test_a_mail_is_taken(mail: Mail) -> None:
    assert mailed(mail, GOOD)["data"]["ok"]


@settings(quick, max_examples=60)
@given(lines=conversations(), encryption=st.sampled_from(["none", "none", "none", "starttls", "tls"]))
@example(lines=at(0, b"\xff\xfe\r\n"), encryption="none")
@example(lines=at(0, b""), encryption="none")
@example(lines=at(0, b"220 " + b"A" * 70_000 + b"\r\n"), encryption="none")
@example(lines=at(1, b"250 \xff AUTH PLAIN\r\n"), encryption="none")
@example(lines=at(1, b"250-AUTH CRAM-MD5\r\n250 OK\r\n"), encryption="none")
@example(lines=[GOOD[0], b"250-AUTH CRAM-MD5\r\n250 OK\r\n", b"334 not base64!\r\n"], encryption="none")
@example(lines=[GOOD[0], b"250-AUTH CRAM-MD5\r\n250 OK\r\n", b"334 \xff\r\n"], encryption="none")
@example(lines=[GOOD[0], b"250-AUTH LOGIN\r\n250 OK\r\n", b"334 \xff\r\n"], encryption="none")
@example(lines=at(2, b"535 " + b"x" * 370 + LOGIN[1].encode() + b"\r\n"), encryption="none")
@example(lines=at(2, b"2\xb25 in\r\n"), encryption="none")
@example(lines=at(4, b"550 " + b"x" * 300 + LOGIN[1].encode() + b"\r\n"), encryption="none")
@example(lines=at(4, b"550 \x1b[31mred\x00\r\n"), encryption="none")
@example(lines=at(6, b"-1 no\r\n"), encryption="none")
@example(lines=at(7, b"451 later\x85\xe2\x80\xae\r\n"), encryption="none")
@example(lines=[GOOD[0], b"250-STARTTLS\r\n250 OK\r\n", b"220 go\r\n", b"no TLS"], encryption="starttls")
@example(lines=[GOOD[0], b"250-STARTTLS\r\n250 OK\r\n", b"454 no\r\n"], encryption="starttls")
@example(lines=GOOD, encryption="tls")
def test_whoever_is_told_over_smtp(mail: Mail, lines: list[bytes], encryption: str) -> None:
    mailed(mail, lines, encryption)


DECLARED: list[dict[str, t.Any]] = [
    {
        "type": "webhook",
        "name": "ops",
        "url": "https://hooks.example.com/services/canaryOfThePath42",
        "headers": {"X-Key": HEADER},
        "secret": SECRET,
        "on": ["opened", "resolved"],
        "timeout": 5,
        "validate_certs": True,
        "allow_http": False,
    },
    {"type": "slack", "url": "https://hooks.example.com/services/canaryOfThePath42"},
    {"type": "pagerduty", "routing_key": KEY},
    {
        "type": "email",
        "host": "mail.example.com",
        "port": 587,
        "encryption": "starttls",
        "username": LOGIN[0],
        "password": LOGIN[1],
        "from": "hotfix@example.com",
        "to": ["ann@example.com"],
        "attach_report": True,
    },
]


@settings(max_examples=200)
@given(raw=changed(DECLARED, most=2))
@example(raw=[{**DECLARED[0], "url": "https://[::1"}])
@example(raw=[{**DECLARED[0], "url": "https://a..b/canaryOfThePath42"}])
@example(raw=[{**DECLARED[0], "on": {"opened": 1}}])
@example(raw=[{**DECLARED[0], "on": [["opened"]]}])
@example(raw=[{**DECLARED[0], "headers": {"A": "b\r\nc"}}])
@example(raw=[{**DECLARED[0], "timeout": float("nan")}])
@example(raw=[{**DECLARED[0], "type": ["webhook"]}])
@example(raw=[{**DECLARED[3], "port": float("nan")}])
@example(raw=[{**DECLARED[3], "to": {"ann@example.com": 1}}])
@example(raw=[{**DECLARED[3], "encryption": []}])
@example(raw=[{**DECLARED[3], "host": "a\0b"}])
@example(raw=[{**DECLARED[3], "ca_file": "a\0b"}])
def test_who_is_to_be_told_is_taken_or_named(raw: t.Any) -> None:
    try:
        found = parse(raw)
    except BadInputError as exc:
        assert "hotfix_notifications" in str(exc)
        assert exc.next_step
        shown = str(exc)
    else:
        assert all(one.on and 1 <= one.timeout <= 60 for one in found)
        shown = repr(found)
    # The names of servers are no secrets, and what was put in the place of another thing is not known to be one.
    assert [one for one in (HEADER, SECRET, LOGIN[1], "canaryOfThePath42", KEY) if one in shown] == []
