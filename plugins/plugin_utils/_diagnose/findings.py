# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All signs of all hosts, put together: what stands out, worst first, with what would help."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose import (
    of_app,
    of_containers,
    of_host,
    of_releases,
    of_stores,
    remedies,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import (
    CRITICAL,
    SEVERITIES,
    Finding,
    Fleet,
    Sign,
)

#: Causes before what follows from them.
_KINDS = (
    "not_looked_at", "engine", "disk", "inodes", "memory", "out_of_memory", "crash_loop", "missing", "stopped",
    "frozen", "connections", "database", "locks", "redis", "redis_memory", "certificate", "unhealthy", "health",
    "failed_requests", "mixed", "unfinished",
)  # fmt: skip


#: What breaks the rest, and what users notice of it.
_CAUSES = (
    "disk", "inodes", "memory", "out_of_memory", "crash_loop", "missing", "stopped", "frozen", "connections",
    "database", "locks", "redis",
)  # fmt: skip
_SYMPTOMS = ("unhealthy", "health", "failed_requests", "slow", "new_errors")


def of(fleet: Fleet) -> list[Finding]:
    """Return what follows from all that was looked at on all hosts; nothing where nothing stands out."""
    signs = [sign for host in fleet.hosts for sign in _signs(fleet, host)] + list(of_releases.of_fleet(fleet))
    groups: dict[tuple[str, str], list[Sign]] = {}
    for sign in signs:
        groups.setdefault((sign.kind, sign.title), []).append(sign)
    found = sorted((_finding(fleet, group) for group in groups.values()), key=_order)
    return [_explained(one, found) for one in found]


def _signs(fleet: Fleet, host: str) -> t.Iterator[Sign]:
    for look in (of_host.signs, of_containers.signs, of_stores.signs, of_app.signs, of_releases.signs):
        yield from look(fleet, host)


def _finding(fleet: Fleet, signs: t.Sequence[Sign]) -> Finding:
    severity = min((sign.severity for sign in signs), key=SEVERITIES.index)
    details: dict[str, list[str]] = {}
    for sign in signs:
        said = details.setdefault(sign.host, [])
        if sign.detail not in said:
            said.append(sign.detail)
    return Finding(
        signs[0].kind,
        severity,
        signs[0].title,
        {host: " ".join(said) for host, said in details.items()},
        remedies.of(fleet, signs),
    )


def _explained(finding: Finding, every: t.Sequence[Finding]) -> Finding:
    """Lead from what users notice to what may be why: that is to be mended first, by what it takes."""
    if finding.kind not in _SYMPTOMS:
        return finding
    hosts = set(finding.details)
    causes = [one for one in every if one.kind in _CAUSES and one.severity == CRITICAL and hosts <= set(one.details)]
    causes = [one for one in causes if one.remedies]
    if not causes:
        return finding
    return replace(finding, remedies=causes[0].remedies[:1], follows=causes[0].title)


def _order(finding: Finding) -> tuple[int, int, str]:
    known = _KINDS.index(finding.kind) if finding.kind in _KINDS else len(_KINDS)
    return SEVERITIES.index(finding.severity), known, finding.title
