# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is posted, and what is made of every answer. The servers are real ones."""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import delivery, notify, receipt
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import Channel, Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.slack import body as slack_body
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.plugin_utils.incident.notify_servers import (
    Receiver,
    closed_port,
    make_certificate,
    receiver,
    silent,
)

KEY = "R0" + "A1B2C3D4E5" * 3
SECRET_PATH = "/services/T0001/canaryOfThePath42"
FACTS: dict[str, t.Any] = {
    "incident": "20260102T030405Z-production-1a2b",
    "title": "Documents <b>lost</b> & found",
    "severity": 2,
    "environment": "production",
    "services": ["backend", "frontend"],
    "hosts": ["prod1", "prod2"],
    "operator": "ann@laptop",
    "headline": "<!channel> saving fails for everybody.",
    "event": "0123456789ab",
    "at": "2026-01-02T03:04:05.678Z",
    "times": {"opened": {"at": "2026-01-02T03:04:05.678Z", "source": "x"}, "mitigated": None},
}


@pytest.fixture
def server() -> t.Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between attempts are nothing that these tests are about."""
    monkeypatch.setattr(delivery, "PAUSES", (0.01,) * 3)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1,DNS:localhost")


@pytest.fixture(scope="session")
def foreign_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "DNS:app.example.com")


def message(about: str = "opened", **changed: t.Any) -> Message:
    return Message("/incidents/20260102T030405Z-production-1a2b", about, {**FACTS, **changed})


def channel(url: str, type_: str = "webhook", **more: t.Any) -> Channel:
    return notify.parse([{"type": type_, "url": url, **more}])[0]


def tell(channel: Channel, about: str = "opened", bound: float = 20.0) -> delivery.Outcome:
    return delivery.deliver(channel, message(about), bound)


# ------------------------------------------------------------------ what is posted


def test_webhook(server: Receiver) -> None:
    found = tell(channel(server.url("/a?b=c"), headers={"Authorization": "Bearer x"}, secret="s3cret"))
    assert found == delivery.Outcome(200, 1, None)
    ((path, headers, body, _at),) = server.seen
    assert path == "/a?b=c"
    assert headers["Authorization"] == "Bearer x"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["X-Hotfix-Delivery"] == "20260102T030405Z-production-1a2b/opened/0123456789ab/webhook"
    sent = json.loads(body)
    assert sent["reports"].pop("host")
    assert sent == {
        "schema": "pangeafate.hotfix/incident-notification/1",
        "key": "20260102T030405Z-production-1a2b/opened/0123456789ab",
        "incident": "20260102T030405Z-production-1a2b",
        "about": "opened",
        "at": "2026-01-02T03:04:05.678Z",
        "title": "Documents <b>lost</b> & found",
        "severity": 2,
        "environment": "production",
        "services": ["backend", "frontend"],
        "hosts": ["prod1", "prod2"],
        "operator": "ann@laptop",
        "headline": "<!channel> saving fails for everybody.",
        "times": {"opened": "2026-01-02T03:04:05.678Z", "mitigated": None},
        "reports": {
            "html": "/incidents/20260102T030405Z-production-1a2b/report.html",
            "markdown": "/incidents/20260102T030405Z-production-1a2b/report.md",
            "json": "/incidents/20260102T030405Z-production-1a2b/report.json",
        },
    }


def test_without_a_secret_nothing_is_signed(server: Receiver) -> None:
    tell(channel(server.url()))
    assert not [name for name in server.seen[0][1] if "signature" in name.lower()]


def test_what_nobody_knows_is_null(server: Receiver) -> None:
    assert delivery.deliver(channel(server.url()), Message("/x/incident-1", "opened", {})).error is None
    (sent,) = server.bodies()
    assert (sent["incident"], sent["title"], sent["severity"], sent["headline"]) == (
        "incident-1",
        "incident-1",
        None,
        None,
    )


def test_slack(server: Receiver) -> None:
    tell(channel(server.url(), "slack"))
    (sent,) = server.bodies()
    assert sent["text"].startswith(
        "[production] Incident opened: Documents &lt;b&gt;lost&lt;/b&gt; &amp; found\n"
        "&lt;!channel&gt; saving fails for everybody.\nIncident: 20260102T030405Z-production-1a2b\nSeverity: 2\n"
    )
    assert [block["type"] for block in sent["blocks"]] == ["header", "section", "section"]
    assert "<" not in json.dumps(sent)


@settings(max_examples=50)
@given(st.text(max_size=4000), st.text(max_size=6000), st.lists(st.text(max_size=3000), max_size=60))
def test_slack_takes_any_text(title: str, headline: str, services: list[str]) -> None:
    sent = slack_body(message(title=title, headline=headline, services=services))
    header, *sections = sent["blocks"]
    assert 0 < len(header["text"]["text"]) <= 150
    for one in sections:
        assert len(one.get("fields", [])) <= 10
        assert all(0 < len(field["text"]) <= 2000 for field in one.get("fields", []))
        assert 0 < len(one.get("text", {"text": "x"})["text"]) <= 3000
    assert not set("<>") & set(json.dumps(sent))
    assert "&" not in sent["text"].replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    json.dumps(sent).encode("ascii")


@pytest.mark.parametrize(
    ("about", "action"),
    [("opened", "trigger"), ("failed", "trigger"), ("mitigated", "acknowledge"), ("resolved", "resolve")],
)
def test_pagerduty(server: Receiver, about: str, action: str) -> None:
    server.answers = [(202, {}, '{"status": "success"}')]
    assert tell(channel(server.url("/v2/enqueue"), "pagerduty", routing_key=KEY), about).status == 202
    (sent,) = server.bodies()
    assert server.seen[0][0] == "/v2/enqueue"
    assert (sent["routing_key"], sent["event_action"]) == (KEY, action)
    # One alert there from beginning to end.
    assert sent["dedup_key"] == "20260102T030405Z-production-1a2b"
    if action == "trigger":
        payload = sent["payload"]
        assert payload["summary"].startswith("[production] ")
        assert payload["severity"] == "error"
        assert payload["source"] == "prod1, prod2"
        assert payload["timestamp"] == "2026-01-02T03:04:05.678Z"
        assert KEY not in json.dumps(payload)
    else:
        assert "payload" not in sent


@pytest.mark.parametrize(
    ("given_", "sent"),
    [(1, "critical"), (2, "error"), ("3", "warning"), (4, "info"), (None, "critical"), (9, "critical")],
)
def test_severities_of_pagerduty(server: Receiver, given_: t.Any, sent: str) -> None:
    found = channel(server.url(), "pagerduty", routing_key=KEY)
    assert delivery.deliver(found, message(severity=given_)).error is None
    assert server.bodies()[0]["payload"]["severity"] == sent


# ------------------------------------------------------------------ what is made of the answer


@pytest.mark.usefixtures("quick")
def test_an_error_of_the_server_is_tried_again_with_the_same_body(server: Receiver) -> None:
    server.answers = [(500, {}, "oops"), (503, {}, ""), (502, {}, "")]
    assert tell(channel(server.url())) == delivery.Outcome(200, 4, None)
    assert len({(body, headers["X-Hotfix-Delivery"]) for _path, headers, body, _at in server.seen}) == 1


@pytest.mark.usefixtures("quick")
def test_four_attempts_are_the_most(server: Receiver) -> None:
    server.answers = [(500, {}, f"oops {number}") for number in range(9)]
    found = tell(channel(server.url(SECRET_PATH)))
    assert found == delivery.Outcome(500, 4, f"{server.url('')} answered 500: oops 3")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_what_the_server_will_not_have_is_not_sent_again(server: Receiver, status: int) -> None:
    server.answers = [(status, {}, "no_service")]
    found = tell(channel(server.url(SECRET_PATH), "slack"))
    assert found == delivery.Outcome(status, 1, f"{server.url('')} answered {status}: no_service")
    assert len(server.seen) == 1


@pytest.mark.usefixtures("quick")
def test_retry_after_is_honoured(server: Receiver) -> None:
    server.answers = [(429, {"Retry-After": "1"}, "ratelimited")]
    assert tell(channel(server.url(), "slack")) == delivery.Outcome(200, 2, None)
    assert server.seen[1][3] - server.seen[0][3] >= 1.0


@pytest.mark.usefixtures("quick")
def test_retry_after_as_a_date_is_honoured(server: Receiver) -> None:
    # A date has whole seconds, so that one of two seconds from now is at least one away.
    server.answers = [(503, {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)}, "")]
    assert tell(channel(server.url(), "slack")).attempts == 2
    assert server.seen[1][3] - server.seen[0][3] >= 0.9


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("value", ["soon", "-5", "", "Mon, 99 Foo 2026", "1e9"])
def test_a_strange_retry_after_is_none(server: Receiver, value: str) -> None:
    server.answers = [(429, {"Retry-After": value}, "")]
    assert tell(channel(server.url())) == delivery.Outcome(200, 2, None)


def test_a_pause_that_is_longer_than_the_time_left_is_not_made(server: Receiver) -> None:
    server.answers = [(429, {"Retry-After": "3600"}, "")]
    found = tell(channel(server.url()), bound=30.0)
    assert found == delivery.Outcome(429, 1, f"{server.url('')} answered 429; given up after 30 s")


def test_the_longest_pause(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 1.5)
    server.answers = [(429, {"Retry-After": "3600"}, "")]
    assert tell(channel(server.url()), bound=30.0).attempts == 2


@pytest.mark.usefixtures("quick")
def test_nobody_listens() -> None:
    port = closed_port()
    found = tell(channel(f"http://127.0.0.1:{port}{SECRET_PATH}"))
    assert found == delivery.Outcome(None, 4, f"http://127.0.0.1:{port} could not be reached (Connection refused)")


@pytest.mark.usefixtures("quick")
def test_a_server_that_says_nothing_is_given_up() -> None:
    with silent() as port:
        found = tell(channel(f"http://127.0.0.1:{port}{SECRET_PATH}", timeout=1), bound=1.5)
    assert found.attempts == 2
    assert (found.error or "").endswith("; given up after 1.5 s")
    assert "canary" not in (found.error or "")


@pytest.mark.usefixtures("quick")
def test_a_server_that_drips_is_given_up(server: Receiver) -> None:
    # Each byte comes in time; the answer never does.
    server.drips = True
    found = tell(channel(server.url(), timeout=1), bound=1.2)
    assert found.status is None
    assert "within 1 s" in (found.error or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: Receiver, status: int) -> None:
    with receiver() as other:
        server.answers = [(status, {"Location": other.url("/stolen")}, "")]
        found = tell(channel(server.url(SECRET_PATH), secret="s"))
        assert not other.seen
    assert found.status == status
    assert found.attempts == 1
    assert f"redirects to {other.url('')} ({status}), which is not followed" in (found.error or "")


def test_a_redirect_to_another_path_is_not_followed_either(server: Receiver) -> None:
    server.answers = [(308, {"Location": "/canary"}, "")]
    found = tell(channel(server.url(SECRET_PATH)))
    assert len(server.seen) == 1
    assert "redirects to another path (308)" in (found.error or "")


# ------------------------------------------------------------------ TLS


def test_a_certificate_of_an_authority_that_is_given(certificate: Path) -> None:
    with receiver(certificate) as server:
        assert tell(channel(server.url(), ca_file=str(certificate / "cert.pem"))).error is None


def test_a_certificate_of_an_unknown_authority(certificate: Path) -> None:
    with receiver(certificate) as server:
        found = tell(channel(server.url(SECRET_PATH)))
        assert found == delivery.Outcome(None, 1, f"{server.url('')} has a certificate that is not trusted")
        assert not server.seen


def test_a_certificate_of_another_name(foreign_certificate: Path) -> None:
    with receiver(foreign_certificate) as server:
        found = tell(channel(server.url(SECRET_PATH), ca_file=str(foreign_certificate / "cert.pem")))
        assert found == delivery.Outcome(None, 1, f"{server.url('')} has a certificate that is not trusted")
        assert not server.seen


def test_a_certificate_is_not_verified_where_that_is_said(foreign_certificate: Path) -> None:
    with receiver(foreign_certificate) as server:
        assert tell(channel(server.url(), validate_certs=False)).error is None


@pytest.mark.usefixtures("quick")
def test_https_to_a_server_without_it(server: Receiver) -> None:
    found = tell(channel(server.url(SECRET_PATH).replace("http:", "https:")))
    assert found.status is None
    assert "TLS handshake" in (found.error or "")


# ------------------------------------------------------------------ what is not shown


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("status", "padding"), [(400, 0), (500, 0), (400, 330), (400, 340), (400, 350), (400, 390)])
def test_a_server_that_repeats_secrets(server: Receiver, status: int, padding: int) -> None:
    """An answer may hold all that was sent."""
    found = channel(server.url(SECRET_PATH), headers={"X-Key": "canary-of-a-header"}, secret="canary-of-the-signature")
    # Wherever the answer is cut, no part of a secret is left.
    secrets = (
        SECRET_PATH,
        "canaryOfThePath42",
        "canary-of-a-header",
        "canary-of-the-signature",
        server.url(SECRET_PATH),
    )
    said = " ".join(["bad", "-" * padding, *secrets])
    server.answers = [(status, {}, said)] * 4
    outcome = tell(found)
    event = receipt.receipt(message(), found, status=outcome.status, attempts=outcome.attempts, error=outcome.error)
    assert event["data"]["status"] == status
    assert event["data"]["error"].startswith(f"{server.url('')} answered {status}: bad ")
    assert "canary" not in json.dumps(event)
    assert len(event["data"]["error"]) <= 402


def test_a_netrc_is_not_used(server: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password canary\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    tell(channel(server.url()))
    assert "Authorization" not in server.seen[0][1]


def test_a_proxy_of_the_environment_is_used(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.setenv("no_proxy", "")
    assert tell(channel("http://chat.example.com/hook", allow_http=True)).error is None
    assert server.seen[0][0] == "http://chat.example.com/hook"
