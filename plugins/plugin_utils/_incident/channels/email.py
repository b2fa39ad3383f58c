# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Type ``email``: a mail over SMTP. The mails of one incident are one thread."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import Entry, loopback
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.message import Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.model import Channel

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Email(Channel):
    """People who read mail."""

    type: t.ClassVar[str] = "email"
    host: str
    port: int
    encryption: str
    username: str
    password: str = field(repr=False)
    sender: str
    to: tuple[str, ...]
    ca_file: str | None
    validate_certs: bool
    attach_report: bool

    @classmethod
    def read(cls, entry: Entry, name: str, on: tuple[str, ...], timeout: float) -> Email:
        """Read its own keys."""
        encryption = entry.choice("encryption", tuple(_PORTS), "starttls")
        host = entry.host()
        username, password = entry.text("username", default=""), entry.text("password", default="")
        for key, value, other in (("username", username, password), ("password", password, username)):
            if other and not value:
                raise entry.wrong(key, "is missing", "set username and password, or neither.")
        if password and encryption == "none" and not loopback(host):
            raise entry.wrong(
                "password",
                f"would go to {host} in clear",
                "set encryption: starttls or tls, or leave username and password out.",
            )
        return cls(
            name,
            on,
            timeout,
            entry.raw,
            host=host,
            port=entry.port(_PORTS[encryption]),
            encryption=encryption,
            username=username,
            password=password,
            sender=entry.address("from"),
            to=entry.addresses("to"),
            ca_file=entry.ca_file(),
            validate_certs=entry.flag("validate_certs", True),
            attach_report=entry.flag("attach_report", False),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the password."""
        return (self.password,)

    def send(self, message: Message) -> int | None:
        """Send it."""
        # Only the process that sends needs it.
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import smtp

        return smtp.deliver(self, message)
