# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sends a mail over SMTP, and says what became of it."""

from __future__ import annotations

import contextlib
import email.message
import email.policy
import email.utils
import hashlib
import os
import smtplib
import socket
import ssl
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.message import Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.model import UndeliveredError, line

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.email import Email

# What most servers still take together with the rest of a mail, after it was encoded.
_LARGEST_REPORT = 5 * 1024 * 1024


def deliver(channel: Email, message: Message) -> int:
    """Send it to all of them, over one connection."""
    until = time.monotonic() + channel.timeout
    said = f"{channel.host}:{channel.port}"
    late = f"{said} did not answer within {channel.timeout:g} s"
    try:
        with _connected(channel, until) as server:
            refused = server.send_message(mail(channel, message), channel.sender, list(channel.to))
    except smtplib.SMTPRecipientsRefused as exc:
        raise _refusal(said, exc.recipients, len(channel.to)) from None
    except smtplib.SMTPResponseException as exc:
        what = f"{said} answered {exc.smtp_code}: {_said(exc.smtp_error)}"
        raise UndeliveredError(what, status=exc.smtp_code, again=400 <= exc.smtp_code < 500) from None
    except smtplib.SMTPNotSupportedError:
        what = "offers no STARTTLS" if channel.encryption == "starttls" else "does not know a command that is needed"
        raise UndeliveredError(f"{said} {what}; nothing was sent in clear") from None
    except ssl.SSLCertVerificationError as exc:
        raise UndeliveredError(f"{said} has a certificate that is not trusted ({exc.verify_message})") from None
    except TimeoutError:
        raise UndeliveredError(late, again=True) from None
    except smtplib.SMTPException as exc:
        # The server hung up, does not speak the protocol (yet), or said nothing for too long.
        late_too = isinstance(exc.__context__, TimeoutError)
        what = late if late_too else f"{said} broke off ({type(exc).__name__})"
        raise UndeliveredError(what, again=True) from None
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise UndeliveredError(f"{said} could not be reached ({reason})", again=True) from None
    if refused:
        raise _refusal(said, refused, len(channel.to), taken=True)
    return 250


@contextlib.contextmanager
def _connected(channel: Email, until: float) -> t.Iterator[smtplib.SMTP]:
    context = ssl.create_default_context(cafile=channel.ca_file)
    if not channel.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Not the name that smtplib would ask the name server for, which may be what is down.
    own = socket.gethostname() or "localhost"
    server: _Plain
    if channel.encryption == "tls":
        server = _Tls(channel.host, channel.port, own, timeout=channel.timeout, context=context)
    else:
        server = _Plain(channel.host, channel.port, own, timeout=channel.timeout)
    try:
        server.until = until
        if channel.encryption == "starttls":
            server.starttls(context=context)
        if channel.username:
            server.login(channel.username, channel.password)
        yield server
        # The mail is taken already; how the server takes leave changes nothing.
        with contextlib.suppress(OSError):
            server.quit()
    finally:
        server.close()


class _Plain(smtplib.SMTP):
    """Says nothing more once its time is over: the next attempt is under way by then."""

    until = float("inf")

    def send(self, s: t.Any) -> None:
        if time.monotonic() > self.until:
            raise TimeoutError
        super().send(s)


class _Tls(_Plain, smtplib.SMTP_SSL):
    """The same over a connection that is encrypted from its beginning."""


def mail(channel: Email, message: Message) -> email.message.EmailMessage:
    """Return the mail. Its ID is the same on every attempt, so that a server or a reader can tell a second one."""
    found = email.message.EmailMessage(policy=email.policy.SMTP)
    found["From"] = channel.sender
    found["To"] = ", ".join(channel.to)
    found["Subject"] = message.subject
    found["Date"] = email.utils.localtime()
    domain = channel.sender.rpartition("@")[2]
    first = _id(message.incident, domain)
    if message.about == "opened":
        found["Message-ID"] = first
    else:
        found["Message-ID"] = _id(message.key, domain)
        found["In-Reply-To"] = first
        found["References"] = first
    # Nobody's absence notice need be sent back.
    found["Auto-Submitted"] = "auto-generated"
    found["X-Hotfix-Incident"] = message.incident
    width = max(len(name) for name, _value in message.lines) + 1
    lines = [f"{name + ':':<{width}} {value}" for name, value in message.lines]
    found.set_content("\n".join([message.subject, "", *([message.headline, ""] if message.headline else []), *lines]))
    if channel.attach_report:
        _attach(found, message.reports["markdown"])
    return found


def _attach(found: email.message.EmailMessage, path: str) -> None:
    """Attach the report, where there is one yet."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as handle:
        text = handle.read(_LARGEST_REPORT + 1)
        if len(text) <= _LARGEST_REPORT:
            found.add_attachment(text, subtype="markdown", filename=os.path.basename(path))


def _id(text: str, domain: str) -> str:
    """Return a message's ID. It is short: one that is folded is not found again by every mail server."""
    return f"<{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:20]}.hotfix@{domain}>"


def _said(reply: t.Any) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    return line(text)


def _refusal(said: str, refused: t.Mapping[str, tuple[int, bytes]], of: int, taken: bool = False) -> UndeliveredError:
    """Return who is not told. Once some are, there is no other attempt: they would be told twice."""
    shown = "; ".join(f"{to}: {code} {_said(reply)}" for to, (code, reply) in list(refused.items())[:5])
    codes = [code for code, _reply in refused.values()]
    return UndeliveredError(
        f"{said} refused {len(refused)} of {of} recipients ({shown})",
        status=codes[0] if codes else None,
        again=not taken and any(400 <= code < 500 for code in codes),
    )
