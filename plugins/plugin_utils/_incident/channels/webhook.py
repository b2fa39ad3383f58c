# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Type ``webhook``: JSON for a program, signed where a secret is given."""

from __future__ import annotations

import hashlib
import hmac
import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import Entry
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.http import (
    Endpoint,
    post,
    read_endpoint,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.message import Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.model import Channel

#: GitHub's, which receivers know how to verify (ansible.eda.webhook among them).
SIGNATURE = "X-Hub-Signature-256"
#: The same on every attempt: a receiver that got it twice can tell.
DELIVERY = "X-Hotfix-Delivery"


@dataclass(frozen=True)
class Webhook(Channel):
    """A service of one's own."""

    type: t.ClassVar[str] = "webhook"
    endpoint: Endpoint
    headers: dict[str, str] = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def read(cls, entry: Entry, name: str, on: tuple[str, ...], timeout: float) -> Webhook:
        """Read its own keys."""
        return cls(
            name,
            on,
            timeout,
            entry.raw,
            endpoint=read_endpoint(entry, timeout),
            headers=entry.headers(),
            secret=entry.text("secret", default=""),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the URL and the secret."""
        return (*self.endpoint.secrets, self.secret)

    @property
    def sent(self) -> tuple[str, ...]:
        """Return those, and what headers hold."""
        return (*self.secrets, *self.headers.values())

    def send(self, message: Message) -> int | None:
        """Post it."""
        body = json.dumps(message.as_json(), separators=(",", ":")).encode()
        headers = {**self.headers, DELIVERY: f"{message.key}/{self.name}".encode("ascii", "replace").decode()}
        if self.secret:
            headers[SIGNATURE] = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return post(self.endpoint, body, headers)
