# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks asked of containers that no user reaches yet, each by its own address, from their host."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    Check,
    Report,
    Result,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import Pair, run_pairs


class Reached(t.Protocol):
    """A container, as far as it matters here. ``service`` is the plain name, whatever slot it runs in."""

    @property
    def id(self) -> str:
        """Return its ID."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def service(self) -> str:
        """Return its service."""


def private(checks: t.Sequence[Check]) -> t.List[Check]:
    """Return the checks that are made at containers."""
    return [check for check in checks if check.scope in ("private", "both")]


def run_private(
    docker: Docker,
    containers: t.Sequence[Reached],
    checks: t.Sequence[Check],
    *,
    host_name: t.Optional[str] = None,
    secrets: t.Optional[t.Mapping[str, str]] = None,
    timeout: float = 30.0,
) -> Report:
    """Make every private check at every container of its service, all at once.

    *host_name* is what the containers are asked for, where they care. A service without a container, and a container
    without an address, could not be looked at.
    """
    chosen = private(checks)
    services = {check.service for check in chosen}
    addresses = _addresses(docker, [one.id for one in containers if one.service in services])
    pairs: t.List[Pair] = []
    unseen: t.List[Result] = []
    for check in chosen:
        found = [one for one in containers if one.service == check.service]
        if not found and not check.skip:
            unseen.append(
                Result(check.name, check.type, str(check.service), ERROR, f"no container of {check.service} runs")
            )
        for one in found:
            address = addresses.get(one.id, "")
            if address:
                pairs.append((check, _target(one, address, int(check.port or 0), host_name)))
            else:
                unseen.append(Result(check.name, check.type, one.name, ERROR, f"{one.name} has no address, or is gone"))
    report = run_pairs(pairs, timeout=timeout, secrets=secrets)
    return Report([*report.results, *unseen], report.seconds)


def _target(container: Reached, address: str, port: int, host_name: t.Optional[str]) -> Target:
    where = f"[{address}]" if ":" in address else address
    return Target(
        name=container.name,
        url=f"http://{where}:{port}",
        host_name=host_name,
        instances=(container.id, container.name),
    )


def _addresses(docker: Docker, ids: t.Sequence[str]) -> t.Dict[str, str]:
    """Return the address of each container that is still there."""
    if not ids:
        return {}
    try:
        raw = json.loads(docker.run("inspect", "--type", "container", *ids, timeout=20.0))
    except CommandError as exc:
        # One that went away meanwhile must not hide the others.
        if "no such container" not in exc.output.lower():
            raise
        return {} if len(ids) == 1 else {key: value for one in ids for key, value in _addresses(docker, [one]).items()}
    return {one["Id"]: _address(one) for one in raw}


def _address(raw: t.Mapping[str, t.Any]) -> str:
    if not (raw.get("State") or {}).get("Running"):
        return ""
    networks: t.Mapping[str, t.Any] = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    if "host" in networks:
        return "127.0.0.1"
    found = (networks[name].get("IPAddress") or networks[name].get("GlobalIPv6Address") for name in sorted(networks))
    return next((address for address in found if address), "")
