# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was looked at, what follows from it, and what would help."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import SEEN, Part

Vars = t.Mapping[str, t.Any]

#: Users are hit now; nobody knows whether they are; they are about to be; worth knowing.
CRITICAL, UNKNOWN, SERIOUS, NOTICE = "critical", "unknown", "serious", "notice"
SEVERITIES = (CRITICAL, UNKNOWN, SERIOUS, NOTICE)


@dataclass(frozen=True)
class Limits:
    """From where on something is a finding. Seconds, megabytes, days and percent."""

    min_free_mb: int = 1024
    certificate_days: float = 14.0
    clock_skew: float = 2.0
    long_query: float = 30.0
    slow: float = 1.0
    error_percent: float = 1.0
    connection_percent: float = 80.0


@dataclass(frozen=True)
class Fleet:
    """All that was looked at: by host its result, or why there is none.

    *members* are all hosts of the environment, whether they were selected or not. *flags* tells whether there is a kill
    switch.
    """

    environment: str
    hosts: Vars
    members: tuple[str, ...] = ()
    flags: bool = False
    limits: Limits = field(default_factory=Limits)

    def part(self, host: str, name: str) -> Part | None:
        """Return a part of a host that was seen."""
        found: Part | None = (self.hosts[host].get("parts") or {}).get(name)
        return found if found is not None and found.get("status") == SEEN else None

    def found(self, host: str, name: str) -> Vars:
        """Return what was found in a part; nothing where it was not seen."""
        part = self.part(host, name)
        return part["found"] if part else {}

    def app(self, host: str) -> Vars:
        """Return what is declared of the app there."""
        return t.cast(Vars, self.hosts[host].get("app") or {})

    def seen(self, host: str) -> bool:
        """Tell whether the host was looked at at all."""
        return bool(self.hosts[host].get("outcome") == "seen")

    def limit(self, hosts: t.Iterable[str]) -> str:
        """Return what ``-l`` takes for *hosts*: the environment where that is all of it."""
        wanted = [host for host in self.hosts if host in set(hosts)]
        return self.environment if set(wanted) == set(self.members or self.hosts) else ",".join(wanted)


@dataclass(frozen=True)
class Remedy:
    """What would help: the command to type, and what it would change."""

    name: str
    command: str
    changes: str


@dataclass(frozen=True)
class Sign:
    """One thing that stands out on one host. *remedies* are names, *about* is what they need to know."""

    kind: str
    severity: str
    title: str
    host: str
    detail: str
    remedies: tuple[str, ...] = ()
    about: Vars = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What was found on one host or on several, and what would help, the cheapest first."""

    kind: str
    severity: str
    title: str
    details: t.Mapping[str, str]
    remedies: tuple[Remedy, ...]
    #: The title of another finding that may be why.
    follows: str | None = None
