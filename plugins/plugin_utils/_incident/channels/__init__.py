# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The channels over which somebody is told of an incident, by their type."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.email import Email
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import VARIABLE, Entry
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.message import Message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.model import (
    MOMENTS,
    TIMEOUT,
    Channel,
    UndeliveredError,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.pagerduty import PagerDuty
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.slack import Slack
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.webhook import Webhook
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError

__all__ = ["MOMENTS", "Channel", "Message", "UndeliveredError", "parse"]

_TYPES: dict[str, type[Webhook | Slack | PagerDuty | Email]] = {
    one.type: one for one in (Webhook, Slack, PagerDuty, Email)
}


def parse(raw: t.Any) -> tuple[Channel, ...]:
    """Read the list of channels. Whatever is wrong with it is one error, raised before anything is touched."""
    if raw is None:
        return ()
    if not isinstance(raw, (list, tuple)):
        raise BadInputError(f"{VARIABLE} is no list.", next_step="write one, each element with its type.")
    found: dict[str, Channel] = {}
    for number, one in enumerate(raw):
        entry = Entry(one, number)
        channel = _read(entry)
        if channel.name in found:
            raise entry.wrong("name", f"{channel.name!r} is taken by an entry before", "give each a name of its own.")
        found[channel.name] = channel
    return tuple(found.values())


def _read(entry: Entry) -> Channel:
    known = ", ".join(_TYPES)
    type_ = entry.text("type", next_step=f"set it to one of {known}.")
    if type_ not in _TYPES:
        import difflib

        near = difflib.get_close_matches(type_, _TYPES, n=1)
        meant = f"{near[0]} may be meant; " if near else ""
        raise entry.wrong("type", f"cannot be {type_[:80]!r}", f"{meant}use one of {known}.")
    entry.call(type_, type_)
    name = entry.name(type_)
    entry.call(type_, name)
    on = entry.choices("on", MOMENTS)
    timeout = entry.number("timeout", TIMEOUT, 1, 60)
    channel = _TYPES[type_].read(entry, name, on, timeout)
    entry.finish()
    return channel
