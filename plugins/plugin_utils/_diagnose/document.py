# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that was found, for other programs; its shape is in ``schemas/diagnose.schema.json``."""

from __future__ import annotations

import typing as t
from dataclasses import asdict
from datetime import UTC, datetime

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import SEVERITIES, Finding, Fleet

SCHEMA = "pangeafate.hotfix/diagnosis/1"
NOTHING = "nothing"


def verdict(findings: t.Sequence[Finding]) -> str:
    """Return the worst severity, or that nothing stands out."""
    return min((one.severity for one in findings), key=SEVERITIES.index, default=NOTHING)


def counts(findings: t.Sequence[Finding]) -> dict[str, int]:
    """Return how many findings have each severity."""
    return {severity: sum(one.severity == severity for one in findings) for severity in SEVERITIES}


def of(fleet: Fleet, findings: t.Sequence[Finding]) -> dict[str, t.Any]:
    """Return all of it."""
    return {
        "schema": SCHEMA,
        "written": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "environment": fleet.environment,
        "verdict": verdict(findings),
        "counts": counts(findings),
        "findings": [_finding(one) for one in findings],
        "hosts": {
            host: {
                "seen": fleet.seen(host),
                "why": None if fleet.seen(host) else _why(fleet, host),
                "app": dict(fleet.app(host)),
                "clock": dict(fleet.hosts[host].get("clock") or {}),
                "parts": dict(fleet.hosts[host].get("parts") or {}),
            }
            for host in fleet.hosts
        },
    }


def _finding(finding: Finding) -> dict[str, t.Any]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "title": finding.title,
        "details": dict(finding.details),
        "remedies": [asdict(one) for one in finding.remedies],
        "follows": finding.follows,
    }


def _why(fleet: Fleet, host: str) -> str:
    result = fleet.hosts[host]
    return str(result.get("unreachable_why") or result.get("what") or result.get("msg") or "It was not looked at.")
