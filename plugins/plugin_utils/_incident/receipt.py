# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came of telling somebody, as an event of the incident: sent or not, never just "notified"."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import Channel, Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder

_KIND = "notification"
#: Characters that are shown of what a server said.
_LONGEST = 400


def key(message: Message, channel: Channel) -> str:
    """Return what is the same when the same channel would be told the same again."""
    return f"{message.key}/{channel.name}"


def receipt(
    message: Message,
    channel: Channel,
    *,
    run: str | None = None,
    at: str | None = None,
    status: int | None = None,
    attempts: int = 0,
    error: str | None = None,
) -> E.Event:
    """Make the event. *at* is when the first attempt began."""
    # A server may repeat in its answer what it was sent.
    error = _cut(Redactor(channel.sent).text(error)) if error else None
    said = f"{channel.name} was told that the incident is {message.about}"
    if message.about == "failed":
        said = f"{channel.name} was told that a run failed"
    if error:
        said = f"{said.replace(' was told', ' could not be told')}: {error}"
    return E.event(
        _KIND,
        text=f"{said}.",
        actor=E.tool(),
        run=run,
        outcome="failed" if error else "done",
        at=at,
        end=E.now(),
        data={
            "channel": channel.name,
            "type": channel.type,
            "about": message.about,
            "ok": not error,
            "status": status,
            "attempts": attempts,
            "key": key(message, channel),
            "error": error,
        },
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def write_receipt(
    folder: str, about: str, channel: Channel, facts: t.Mapping[str, t.Any], *, error: str | None = None
) -> None:
    """Write down that *channel* was not even tried."""
    event = receipt(Message(folder, about, facts), channel, run=run_of(facts), error=error)
    Folder(folder).append(event)


def run_of(facts: t.Mapping[str, t.Any]) -> str | None:
    """Return the run that *facts* are of."""
    return str(facts["run"]) if facts.get("run") else None


def told_already(folder: str, wanted: str) -> bool:
    """Tell whether a receipt says that it was sent. A record that cannot be read says nothing: twice beats never."""
    if not os.path.isdir(folder):
        return False
    for line in Folder(folder).raw():
        # A record may have a hundred thousand lines, of which a few are receipts.
        if b'"notification"' in line:
            event = E.read(line)
            if event and event["kind"] == _KIND and event["data"].get("key") == wanted and event["data"].get("ok"):
                return True
    return False
