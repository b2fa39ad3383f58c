# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Type ``pagerduty``: Events API v2. One incident is one alert there, from its beginning to its end."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import Entry
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.http import (
    AGENT,
    Endpoint,
    post,
    read_endpoint,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.message import Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.model import Channel

#: Of the US region; a service in the EU has https://events.eu.pagerduty.com/v2/enqueue.
URL = "https://events.pagerduty.com/v2/enqueue"

_ACTIONS = {"opened": "trigger", "failed": "trigger", "mitigated": "acknowledge", "resolved": "resolve"}
# Where nobody said how bad it is, it counts as bad: somebody is woken in vain rather than not at all.
_SEVERITIES = {None: "critical", 1: "critical", 2: "error", 3: "warning", 4: "info"}
_KEY_LENGTH = 32
_SUMMARY = 1024
_DEDUP = 255


@dataclass(frozen=True)
class PagerDuty(Channel):
    """A service that pages whoever is on call."""

    type: t.ClassVar[str] = "pagerduty"
    endpoint: Endpoint
    routing_key: str = field(repr=False)

    @classmethod
    def read(cls, entry: Entry, name: str, on: tuple[str, ...], timeout: float) -> PagerDuty:
        """Read its own keys."""
        where = "set it to the integration key (Events API v2) of the service: 32 characters."
        routing_key = entry.text("routing_key", next_step=where)
        if len(routing_key) != _KEY_LENGTH or not routing_key.isascii() or not routing_key.isalnum():
            raise entry.wrong("routing_key", f"is not {_KEY_LENGTH} letters and digits", where)
        endpoint = read_endpoint(entry, timeout, default=URL)
        return cls(name, on, timeout, entry.raw, endpoint=endpoint, routing_key=routing_key)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the key. The URL is everybody's."""
        return (self.routing_key,)

    def send(self, message: Message) -> int | None:
        """Post it."""
        return post(self.endpoint, json.dumps(body(message, self.routing_key)).encode(), {})


def body(message: Message, routing_key: str) -> dict[str, t.Any]:
    """Return the event. Only one that triggers carries what it is about."""
    action = _ACTIONS.get(message.about, "trigger")
    event: dict[str, t.Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": message.incident[:_DEDUP],
        "client": AGENT,
    }
    if action == "trigger":
        details = {name: value for name, value in message.as_json().items() if name not in ("schema", "key")}
        event["payload"] = {
            "summary": message.subject[:_SUMMARY],
            "source": ", ".join(message.hosts)[:_SUMMARY] or message.environment or message.controller,
            "severity": _SEVERITIES[message.severity],
            **({"timestamp": message.at} if message.at else {}),
            **({"group": message.environment} if message.environment else {}),
            **({"component": ", ".join(message.services)[:_SUMMARY]} if message.services else {}),
            "custom_details": details,
        }
    return event
