# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Type ``slack``: an incoming webhook as Slack has it. Mattermost and others take the same."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import Entry
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.http import (
    Endpoint,
    post,
    read_endpoint,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.message import Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.model import Channel

# What Slack takes of each; it refuses the whole message otherwise.
_HEADER = 150
_SECTION = 3000
_FIELD = 2000
_FIELDS = 10


def escape(text: str) -> str:
    """Return a text that means nothing else there: ``<!channel>`` would wake everybody, ``<URL|text>`` is a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, longest: int) -> str:
    """Cut before escaping, so that no half of an entity is left; escaped, it is at most five times as long."""
    while len(escape(text)) > longest:
        text = text[: min(len(text) - 2, longest - 1)].rstrip() + "…"
    return escape(text)


@dataclass(frozen=True)
class Slack(Channel):
    """A channel of a chat."""

    type: t.ClassVar[str] = "slack"
    endpoint: Endpoint

    @classmethod
    def read(cls, entry: Entry, name: str, on: tuple[str, ...], timeout: float) -> Slack:
        """Read its own keys."""
        return cls(name, on, timeout, entry.raw, endpoint=read_endpoint(entry, timeout))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the URL."""
        return self.endpoint.secrets

    def send(self, message: Message) -> int | None:
        """Post it."""
        return post(self.endpoint, json.dumps(body(message)).encode(), {})


def body(message: Message) -> dict[str, t.Any]:
    """Return the message. The text is all that Mattermost shows, and what Slack shows on the screen of a phone."""
    lines = [message.subject, *([message.headline] if message.headline else [])]
    lines += [f"{name}: {value}" for name, value in message.lines]
    blocks: list[dict[str, t.Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(message.subject, _HEADER), "emoji": False}}
    ]
    if message.headline:
        blocks.append({"type": "section", "text": _markdown(_cut(message.headline, _SECTION))})
    fields = [_markdown(f"*{escape(name)}*\n{_cut(value, _FIELD - 100)}") for name, value in message.lines]
    blocks += [{"type": "section", "fields": fields[at : at + _FIELDS]} for at in range(0, len(fields), _FIELDS)]
    return {"text": escape("\n".join(lines)), "blocks": blocks}


def _markdown(text: str) -> dict[str, t.Any]:
    # Verbatim: nothing in it is made a link or a mention that is not written as one.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
