# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs in what users get: the app's own answer, failed and slow requests, errors in the logs."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import (
    CRITICAL,
    NOTICE,
    SERIOUS,
    Fleet,
    Sign,
    Vars,
)

_ALL: tuple[str, ...] = ("flag", "switch_back", "restart", "rollback", "hotfix")
#: Fewer failed requests than these may be anybody's.
_LEAST = 3
_MANY_PERCENT = 5.0
#: Statuses by which a proxy says that what is behind it does not answer.
_GATEWAY = ("502", "503", "504")
_SHOWN = 160


def signs(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    """Yield what users of the host notice, or may notice soon."""
    app = fleet.app(host)
    switched: list[str] = list(app.get("switched") or [])
    health = fleet.found(host, "health")
    if health.get("problem"):
        # Who is to be started anew is not known: what is broken beside it says that, if anything does.
        answered = bool(health.get("answered"))
        about = {"services": switched} if answered else {"service": app.get("proxy")}
        remedies = _ALL[1:] if answered else ("restart", "logs")
        title = "The app does not answer its own host as it must"
        yield Sign("health", CRITICAL, title, host, f"{health['problem']}.", remedies, about)
    yield from _requests(fleet, host, {"services": switched})
    yield from _logs(fleet, host, switched)


def _requests(fleet: Fleet, host: str, about: Vars) -> t.Iterator[Sign]:
    found = fleet.found(host, "requests")
    total, failed = int(found.get("requests") or 0), int(found.get("server_errors") or 0)
    if not total:
        return
    percent = 100.0 * failed / total
    if failed >= _LEAST and percent >= fleet.limits.error_percent:
        gateway = sum(count for status, count in found["statuses"].items() if status in _GATEWAY)
        behind = f"; {gateway} of them because what is behind the proxy did not answer" if gateway else ""
        paths = ", ".join(f"{one['path']} ({one['count']})" for one in found["failing"] if one["path"])
        detail = f"{failed} of {total} requests ({percent:.1f} %) failed in {_window(found)}{behind}: {paths}."
        severity = CRITICAL if percent >= _MANY_PERCENT else SERIOUS
        yield Sign("failed_requests", severity, "Requests fail", host, detail, _ALL, about)
    p95 = (found.get("seconds") or {}).get("p95")
    if p95 is not None and p95 > fleet.limits.slow:
        detail = f"5 % of {total} requests took longer than {p95:.2f} s in {_window(found)}."
        yield Sign("slow", SERIOUS, "Requests are slow", host, detail, _ALL, about)


def _window(found: Vars) -> str:
    seconds = float(found["window"])
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _logs(fleet: Fleet, host: str, switched: t.Sequence[str]) -> t.Iterator[Sign]:
    found = fleet.found(host, "logs")
    for one in found.get("services") or []:
        service, about = one["service"], {"service": one["service"]}
        if one["new"]:
            is_switched = service in switched
            known = "" if one["errors_before"] else ", and none in the 15 min before"
            first = " ".join(str(one["new"][0]).split())[:_SHOWN]
            detail = f"{one['errors_after']} error lines in {found['seconds'] / 60:.0f} min{known}: {first}"
            yield Sign(
                "new_errors",
                SERIOUS if is_switched else NOTICE,
                f"{service} writes errors of a kind that it did not write before",
                host,
                detail,
                ("logs", *_ALL) if is_switched else ("logs",),
                about,
            )
