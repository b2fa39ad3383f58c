# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's events, reduced to what this command needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_KINDS = {
    "playbook_on_start": "start",
    "playbook_on_play_start": "play",
    "playbook_on_task_start": "task",
    "playbook_on_handler_task_start": "task",
    "playbook_on_no_hosts_matched": "no_hosts",
    "playbook_on_stats": "stats",
    "runner_on_start": "host_start",
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
}


#: What only gets a run ready.
_QUIET = ("validate_argument_spec", "set_fact", "include_role", "import_role", "include_tasks", "include_vars", "fleet")


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    `kind` is one of `start`, `play`, `task`, `host_start`, `ok`, `failed`, `skipped`, `unreachable`, `no_hosts`,
    `stats` and `text`, which is output that belongs to no other event.
    """

    kind: str
    at: datetime
    task: str = ""
    module: str = ""
    host: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    ignored: bool = False
    printed: str = ""

    @property
    def quiet(self) -> bool:
        """Whether it belongs to what Ansible does for itself, and is no news while it goes well."""
        return self.module in _QUIET and self.kind != "failed"

    @property
    def of_host(self) -> bool:
        """Whether a host has answered, or could not."""
        return self.kind in ("ok", "failed", "skipped", "unreachable")


_GOOD = ("done", "unchanged", "planned", "seen", "nothing_to_do")


def is_failure(result: Mapping[str, Any]) -> bool:
    """Tell whether a module failed. Where the fleet decides over its result, Ansible was told to overlook that."""
    if result.get("failed"):
        return True
    if "outcome" in result:
        return result["outcome"] not in _GOOD
    return bool(result.get("exception") or result.get("module_stderr"))


def parse(raw: Mapping[str, Any]) -> Event:
    """Read an event of ansible-runner. What it does not say is empty."""
    data = raw.get("event_data")
    data = data if isinstance(data, Mapping) else {}
    kind = _KINDS.get(str(raw.get("event")), "text")
    result = data if kind == "stats" else data.get("res")
    return Event(
        kind=kind,
        at=_time(raw.get("created")),
        # "look | Make the checks" comes from the file look.yml, which is of no interest here.
        task=str(data.get("task") or data.get("name") or "").rpartition(" | ")[2],
        module=str(data.get("resolved_action") or data.get("task_action") or "").rpartition(".")[2],
        host=str(data.get("host") or ""),
        result=result if isinstance(result, Mapping) else {},
        ignored=bool(data.get("ignore_errors")),
        printed=str(raw.get("stdout") or ""),
    )


def _time(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
