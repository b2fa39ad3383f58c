# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mails go out over SMTP, to a real server that takes them, refuses them, or says nothing."""

from __future__ import annotations

import email
import email.policy
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import delivery, notify
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.email import Email

from tests.unit.plugins.plugin_utils.incident.notify_servers import (
    Mailbox,
    closed_port,
    mail_server,
    make_certificate,
    silent,
)

FACTS: dict[str, t.Any] = {
    "incident": "20260102T030405Z-production-1a2b",
    "title": "Saving fails",
    "severity": 1,
    "environment": "production",
    "headline": "Saving fails for everybody — since 04:04.",
    "event": "0123456789ab",
}
# The server warns of what it cannot see: that all is TLS already.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
LOGIN = ("ops", "canary-of-the-password")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1,DNS:localhost")


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between attempts are nothing that these tests are about."""
    monkeypatch.setattr(delivery, "PAUSES", (0.01,) * 3)


def channel(port: int, **more: t.Any) -> Email:
    options = {"type": "email", "host": "127.0.0.1", "port": port, "encryption": "none", "from": "hotfix@example.com"}
    found = notify.parse([{**options, "to": ["ann@example.com", "bob@example.com"], **more}])[0]
    assert isinstance(found, Email)
    return found


def tell(channel: Email, about: str = "opened", folder: str = "/x", bound: float = 20.0, **more: t.Any) -> t.Any:
    return delivery.deliver(channel, Message(folder, about, {**FACTS, **more}), bound)


def read(envelope: t.Any) -> t.Any:
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def test_a_mail(mailbox: Mailbox) -> None:
    with mail_server(mailbox) as port:
        assert tell(channel(port)) == delivery.Outcome(250, 1, None)
    (envelope,) = mailbox.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("hotfix@example.com", ["ann@example.com", "bob@example.com"])
    mail = read(envelope)
    assert mail["Subject"] == "[production] Incident opened: Saving fails"
    assert mail["To"] == "ann@example.com, bob@example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content().replace("\r\n", "\n")
    assert "Saving fails for everybody — since 04:04." in text
    assert "Incident:    20260102T030405Z-production-1a2b\n" in text
    assert "Severity:    1\n" in text
    assert "/x/report.html" in text


def test_the_mails_of_an_incident_are_a_thread(mailbox: Mailbox) -> None:
    with mail_server(mailbox) as port:
        for about in ("opened", "mitigated", "resolved"):
            tell(channel(port), about)
        tell(channel(port), "mitigated", event="another")
    opened, mitigated, resolved, again = (read(one) for one in mailbox.mails)
    assert opened["Message-ID"].endswith(".hotfix@example.com>")
    assert opened["In-Reply-To"] is None
    for reply in (mitigated, resolved, again):
        assert reply["In-Reply-To"] == reply["References"] == opened["Message-ID"]
    assert len({one["Message-ID"] for one in (opened, mitigated, resolved, again)}) == 4


def test_another_attempt_is_the_same_mail(mailbox: Mailbox) -> None:
    mailbox.answers = ["451 try later"]
    with mail_server(mailbox) as port:
        assert tell(channel(port), "resolved") == delivery.Outcome(250, 2, None)
        assert tell(channel(port), "resolved").error is None
    first, second = (read(one)["Message-ID"] for one in mailbox.mails)
    assert first == second


def test_no_fact_begins_a_header(mailbox: Mailbox) -> None:
    """Free text and the ID come from operators, and from records of others."""
    with mail_server(mailbox) as port:
        found = tell(
            channel(port),
            "resolved",
            title="a\r\nBcc: eve@example.com\r\n\r\nbody",
            environment="prod\nX-Evil: 1",
            incident="id>\r\nX-Evil: 2",
            event="\nX-Evil: 3",
        )
        assert found.error is None
    (envelope,) = mailbox.mails
    mail = read(envelope)
    assert envelope.rcpt_tos == ["ann@example.com", "bob@example.com"]
    assert "Bcc" not in mail
    assert "X-Evil" not in mail
    assert mail["Subject"] == "[prod X-Evil: 1] Incident resolved: a Bcc: eve@example.com body"


def test_a_title_of_any_language(mailbox: Mailbox) -> None:
    title = "Документы пропадают 📄 " * 10
    with mail_server(mailbox) as port:
        assert tell(channel(port), title=title).error is None
    assert read(mailbox.mails[0])["Subject"].endswith(title.strip())


def test_the_report_is_attached_where_it_is_there(mailbox: Mailbox, tmp_path: Path) -> None:
    with mail_server(mailbox) as port:
        tell(channel(port, attach_report=True), folder=str(tmp_path))
        (tmp_path / "report.md").write_text("# Saving fails — all of it\n", encoding="utf-8")
        tell(channel(port, attach_report=True), folder=str(tmp_path))
        tell(channel(port), folder=str(tmp_path))
    without, attached, unwanted = (
        [one.get_content().replace("\r\n", "\n") for one in read(mail).iter_attachments()] for mail in mailbox.mails
    )
    assert (without, attached, unwanted) == ([], ["# Saving fails — all of it\n"], [])


# ------------------------------------------------------------------ encryption and log-in


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_encrypted_and_logged_in(mailbox: Mailbox, certificate: Path, encryption: str) -> None:
    with mail_server(mailbox, certificate, encryption, LOGIN) as port:
        found = tell(
            channel(
                port,
                encryption=encryption,
                ca_file=str(certificate / "cert.pem"),
                username=LOGIN[0],
                password=LOGIN[1],
            )
        )
    assert found == delivery.Outcome(250, 1, None)
    assert mailbox.logins == [LOGIN]
    # Where all is TLS from the beginning, the server has no other way to hear it.
    assert mailbox.mails[0].encrypted is (encryption == "starttls")


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_a_certificate_that_is_not_trusted(mailbox: Mailbox, certificate: Path, encryption: str) -> None:
    with mail_server(mailbox, certificate, encryption, LOGIN) as port:
        found = tell(channel(port, encryption=encryption, username=LOGIN[0], password=LOGIN[1]))
    assert found.attempts == 1
    assert "has a certificate that is not trusted" in found.error
    assert not mailbox.logins
    assert not mailbox.mails


def test_a_certificate_of_another_name(mailbox: Mailbox, tmp_path: Path) -> None:
    foreign = make_certificate(tmp_path, "DNS:mail.example.com")
    with mail_server(mailbox, foreign, "starttls") as port:
        found = tell(channel(port, encryption="starttls", ca_file=str(foreign / "cert.pem")))
        assert "has a certificate that is not trusted" in found.error
        assert not mailbox.mails
        assert tell(channel(port, encryption="starttls", validate_certs=False)).error is None


def test_without_starttls_nothing_is_sent_in_clear(mailbox: Mailbox) -> None:
    with mail_server(mailbox) as port:
        found = tell(channel(port, encryption="starttls", username=LOGIN[0], password=LOGIN[1]))
    assert found == delivery.Outcome(None, 1, f"127.0.0.1:{port} offers no STARTTLS; nothing was sent in clear")
    assert not mailbox.logins
    assert not mailbox.mails


def test_a_wrong_password(mailbox: Mailbox, certificate: Path) -> None:
    with mail_server(mailbox, certificate, "starttls", LOGIN) as port:
        found = tell(
            channel(
                port,
                encryption="starttls",
                ca_file=str(certificate / "cert.pem"),
                username="ops",
                password="canary-of-a-wrong-one",
            )
        )
    assert (found.status, found.attempts) == (535, 1)
    assert "answered 535" in found.error
    assert "canary" not in found.error


# ------------------------------------------------------------------ refusals


def test_all_recipients_are_refused(mailbox: Mailbox) -> None:
    mailbox.refusals = {"ann@example.com": ["550 no such user"], "bob@example.com": ["550 no such user"]}
    with mail_server(mailbox) as port:
        found = tell(channel(port))
    assert (found.status, found.attempts) == (550, 1)
    assert found.error == (
        f"127.0.0.1:{port} refused 2 of 2 recipients "
        "(ann@example.com: 550 no such user; bob@example.com: 550 no such user)"
    )


def test_a_recipient_is_refused_for_now(mailbox: Mailbox) -> None:
    mailbox.refusals = {"ann@example.com": ["450 greylisted"], "bob@example.com": ["450 greylisted"]}
    with mail_server(mailbox) as port:
        assert tell(channel(port)) == delivery.Outcome(250, 2, None)
    assert len(mailbox.mails) == 1


def test_one_recipient_of_two_is_refused(mailbox: Mailbox) -> None:
    """The other one has the mail, and does not get it twice; yet it was not told to all."""
    mailbox.refusals = {"bob@example.com": ["450 greylisted"]}
    with mail_server(mailbox) as port:
        found = tell(channel(port))
    assert (found.status, found.attempts) == (450, 1)
    assert found.error == f"127.0.0.1:{port} refused 1 of 2 recipients (bob@example.com: 450 greylisted)"
    assert [one.rcpt_tos for one in mailbox.mails] == [["ann@example.com"]]


def test_the_mail_itself_is_refused(mailbox: Mailbox) -> None:
    mailbox.answers = ["554 looks like spam"]
    with mail_server(mailbox) as port:
        found = tell(channel(port))
    assert found == delivery.Outcome(554, 1, f"127.0.0.1:{port} answered 554: looks like spam")


# ------------------------------------------------------------------ silence


def test_nobody_listens() -> None:
    port = closed_port()
    found = tell(channel(port))
    assert found == delivery.Outcome(None, 4, f"127.0.0.1:{port} could not be reached (Connection refused)")


@pytest.mark.parametrize("encryption", ["none", "starttls", "tls"])
def test_a_server_that_never_greets(encryption: str) -> None:
    with silent() as port:
        found = tell(channel(port, encryption=encryption, timeout=1), bound=1.2)
    assert found == delivery.Outcome(None, found.attempts, found.error)
    assert "did not answer within 1 s" in found.error or "no answer" in found.error


def test_a_server_that_hangs_over_the_mail(mailbox: Mailbox) -> None:
    mailbox.hangs = True
    with mail_server(mailbox) as port:
        found = tell(channel(port, timeout=1), bound=1.2)
    assert found.status is None
    assert "did not answer within 1 s" in found.error or "no answer" in found.error
