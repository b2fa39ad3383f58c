# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as ansible-runner sends them, for what is decided from them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotfix.events import parse
from hotfix.record import Record

RUN = {"id": "20260102T030405Z-1a2b", "operator": "ann@laptop", "environment": "production", "reason": ""}


def task(name: str, module: str = "release") -> dict[str, Any]:
    return {"event": "playbook_on_task_start", "event_data": {"task": name, "resolved_action": module}}


def result(host: str, module: str, kind: str = "ok", **said: Any) -> dict[str, Any]:
    return {
        "event": f"runner_on_{kind}",
        "event_data": {"host": host, "resolved_action": f"pangeafate.hotfix.{module}", "task": "A step", "res": said},
    }


def asked(host: str, module: str = "release") -> dict[str, Any]:
    return {"event": "runner_on_start", "event_data": {"host": host, "resolved_action": f"pangeafate.hotfix.{module}"}}


def selected(*hosts: str) -> dict[str, Any]:
    return result(hosts[0], "fleet", run={**RUN, "hosts": list(hosts)})


def outcome(
    host: str, word: str, lines: list[str], kind: str = "ok", msg: str = "Deploy: that is it."
) -> dict[str, Any]:
    return result(host, "fleet", kind, failed=kind == "failed", outcome=word, msg=msg, hosts=lines)


def stats(**more: Mapping[str, int]) -> dict[str, Any]:
    empty: dict[str, Any] = {key: {} for key in ("changed", "dark", "failures", "ok", "processed")}
    return {"event": "playbook_on_stats", "event_data": {**empty, **more}}


def record(*raw: Mapping[str, Any]) -> Record:
    found = Record()
    for one in ({"event": "playbook_on_start"}, *raw):
        found.take(parse(one))
    return found
