# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events that tests write into records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events


def opened(environment: str = "production", **more: Any) -> Callable[[str], events.Event]:
    """Return what makes the first event of an incident."""

    def make(incident: str) -> events.Event:
        data = {"title": incident, "environment": environment}
        return events.event("opened", text="Opened.", actor=events.tool(), data=data, **more)

    return make


def note(text: str, **more: Any) -> events.Event:
    """Return an event that says *text*."""
    return events.event("note", text=text, actor=events.human("alice@laptop"), **more)
