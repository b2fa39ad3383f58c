# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the lines of all hosts into one order, on the controller."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._meanwhile import short

Vars = dict[str, t.Any]


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.logs_report)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: Vars | None = None) -> Vars:
        result: Vars = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, arguments = self.validate_argument_spec(
            argument_spec={
                "results": {"type": "str", "required": True},
                "services": {"type": "list", "elements": "str", "default": []},
                "declared": {"type": "list", "elements": "str", "default": []},
                "lines": {"type": "int", "default": 100},
            }
        )
        hosts = list(variables.get("ansible_play_hosts_all") or [])
        results = {host: variables["hostvars"][host].get(arguments["results"]) for host in hosts}
        return {**result, **merged(results, arguments), "_ansible_verbose_always": True}


def merged(results: t.Mapping[str, t.Any], arguments: Vars) -> Vars:
    """Return the last lines of all hosts in one order, and fail for what nobody knows or could not be read at all."""
    read = {host: one for host, one in results.items() if isinstance(one, t.Mapping) and one.get("outcome") == "seen"}
    unread = {host: _why(one) for host, one in results.items() if host not in read}
    asked = [one.strip() for one in arguments["services"] if one.strip()]
    known = {name for one in read.values() for name in one["known"]}
    unknown = [name for name in asked if name not in known and name not in arguments["declared"]]
    told = {"changed": False, "newest": {host: one["newest"] for host, one in read.items()}}
    if unknown and read:
        there = ", ".join(sorted(known | set(arguments["declared"]))) or "none"
        said = f"Unknown service {', '.join(unknown)}. Known are: {there}. Next: name some of these, or none for all."
        return {**told, "failed": True, "outcome": "bad_input", "msg": said}
    lines = sorted(
        ((one["at"], host, one) for host, result in read.items() for one in result["lines"]), key=lambda line: line[:2]
    )
    kept = lines[-arguments["lines"] :]
    shown = [f"{_time(at)} {host} {one['container']} | {one['text']}" for at, host, one in kept]
    shown += _silent(read, asked or sorted(known))
    shown += [f"{host}: {problem}" for host, one in read.items() for problem in one["problems"]]
    shown += [f"{host}: nothing could be read: {why}" for host, why in unread.items()]
    return {
        **told,
        "failed": bool(unread) or not read,
        "outcome": "seen" if read and not unread else "failed",
        "count": len(kept),
        "cut": len(lines) > len(kept) or any(one["cut"] for one in read.values()),
        "msg": "\n".join(shown),
    }


def _silent(read: t.Mapping[str, t.Any], services: t.Sequence[str]) -> list[str]:
    """Say on which hosts a service wrote nothing: an empty screen would leave that open."""
    shown = []
    for name in services:
        wrote = {host: any(line["service"] == name for line in one["lines"]) for host, one in read.items()}
        there = {host: name in one["known"] for host, one in read.items()}
        empty = [host for host, any_line in wrote.items() if there[host] and not any_line]
        absent = [host for host, is_there in there.items() if not is_there]
        if empty:
            shown.append(f"{name}: no line on {', '.join(empty)}")
        if absent:
            shown.append(f"{name}: no container on {', '.join(absent)}")
    return shown


def _time(at: str) -> str:
    """Return a time for the eye, to the millisecond."""
    return at[:23].replace("T", " ")


def _why(result: t.Any) -> str:
    given: t.Mapping[str, t.Any] = result if isinstance(result, t.Mapping) else {}
    return short(str(given.get("msg") or given.get("module_stderr") or "It was not looked at."))
