# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The running containers that evaluate flags, each by its own address, as the host reaches it."""

from __future__ import annotations

import json
import re
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import (
    ONEOFF_LABEL,
    PLAIN_SERVICE_LABEL,
    SERVICE_LABEL,
    Docker,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import (
    NAME,
    Flags,
    ResultPath,
    Words,
    fill_path,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Endpoint, Tls, TroubleError, ask

#: A container in one of these states may evaluate the flag, now or in a moment.
_ALIVE = ("running", "paused", "restarting")
_T = t.TypeVar("_T")


@dataclass(frozen=True)
class Instance:
    """One running container of a service that evaluates flags."""

    id: str
    name: str
    service: str
    status: str
    started: t.Optional[datetime]
    ip: str
    port: int

    @property
    def where(self) -> str:
        """Its address, as host:port."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Containers:
    """Finds the containers of a project's services with their addresses."""

    def __init__(self, docker: Docker, project: str, network: t.Optional[str] = None) -> None:
        self._docker = docker
        self._project = _names.project(project)
        self._network = network
        self._kept: t.Optional[t.List[t.Dict[str, t.Any]]] = None
        self._ids: t.List[str] = []

    def of(self, services: t.Sequence[str], port: int) -> t.List[Instance]:
        """Return the containers of *services* that are alive, by name."""
        found: t.List[Instance] = []
        looked, self._kept = self._kept, None
        for raw in self._look() if looked is None else looked:
            labels = raw["Config"].get("Labels") or {}
            one_off = labels.get(ONEOFF_LABEL) == "True"
            # A release that is kept warm evaluates flags as well: users are sent back to it at any time.
            service = str(labels.get(PLAIN_SERVICE_LABEL) or labels.get(SERVICE_LABEL) or "")
            if service in services and not one_off and raw["State"]["Status"] in _ALIVE:
                found.append(self._instance(raw, service, port))
        return sorted(found, key=lambda one: one.name)

    def first(self, services: t.Sequence[str], port: int) -> t.List[Instance]:
        """Return the same as :meth:`of`, and keep the look for the next one to ask: it is of the same moment."""
        looked = self._kept = self._look()
        found = self.of(services, port)
        self._kept = looked
        return found

    def restart(self, instance: Instance, timeout: float) -> None:
        """Restart one container; it stays the same one."""
        self._docker.run("restart", "--time", "10", instance.id, timeout=timeout + 15.0, mutates=True)

    def _list(self) -> t.List[str]:
        return self._told(lambda: self._docker.container_ids(self._project, timeout=20.0))

    def _look(self) -> t.List[t.Dict[str, t.Any]]:
        if self._ids:
            return self._look_again()
        raw = self._inspect(self._list())
        self._ids = [one["Id"] for one in raw]
        return raw

    def _look_again(self) -> t.List[t.Dict[str, t.Any]]:
        """Look at the containers known and list them anew, both at once; those that are new are looked at then."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            known = pool.submit(self._inspect, self._ids)
            listed = self._list()
            raw = [one for one in known.result() if one["Id"] in listed]
        found = raw + self._inspect([one for one in listed if one not in self._ids])
        self._ids = [one["Id"] for one in found]
        return found

    def _run(self, *arguments: str) -> str:
        return self._told(lambda: self._docker.run(*arguments, timeout=20.0))

    def _told(self, ask_engine: t.Callable[[], _T]) -> _T:
        try:
            return ask_engine()
        except CommandError as exc:
            if "permission denied" in exc.output.lower():
                raise HotfixError(
                    "This user may not talk to the Docker Engine.",
                    code="bad_input",
                    next_step="add the SSH user to the group 'docker' on the host, or run with --become.",
                ) from exc
            if "cannot connect" in exc.output.lower() or not exc.output:
                raise HotfixError(
                    f"The Docker Engine on this host does not answer ({exc.output or exc.what}).",
                    next_step="start it (systemctl start docker) and run this again.",
                ) from exc
            raise

    def _inspect(self, ids: t.Sequence[str]) -> t.List[t.Dict[str, t.Any]]:
        if not ids:
            return []
        try:
            found: t.List[t.Dict[str, t.Any]] = json.loads(self._run("inspect", "--type", "container", *ids))
        except CommandError as exc:
            # One that went away between the two commands; the others are still of interest.
            if "no such container" not in exc.output.lower():
                raise
            return [] if len(ids) == 1 else [raw for one in ids for raw in self._inspect([one])]
        return found

    def _instance(self, raw: t.Mapping[str, t.Any], service: str, port: int) -> Instance:
        networks: t.Mapping[str, t.Any] = (raw.get("NetworkSettings") or {}).get("Networks") or {}
        name = raw["Name"].lstrip("/")
        return Instance(
            id=raw["Id"],
            name=name,
            service=service,
            status=raw["State"]["Status"],
            started=_moment(raw["State"].get("StartedAt") or ""),
            ip=self._address(name, networks),
            port=port,
        )

    def _address(self, name: str, networks: t.Mapping[str, t.Any]) -> str:
        if "host" in networks:
            return "127.0.0.1"
        found = {key: one.get("IPAddress") or one.get("GlobalIPv6Address") or "" for key, one in networks.items()}
        if self._network is not None:
            if self._network in found:
                return found[self._network]
            raise HotfixError(
                f"{name} is not in the network {self._network!r}, but in {', '.join(sorted(found)) or 'none'}.",
                code="bad_input",
                next_step="correct instances.network, or leave it out.",
            )
        return next((found[key] for key in sorted(found) if found[key]), "")


def _moment(text: str) -> t.Optional[datetime]:
    """Read the engine's time, which has nanoseconds."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", text)
    if match is None or text.startswith("0001"):
        return None
    micro = ((match.group(2) or ".0")[1:] + "000000")[:6]
    return datetime.strptime(f"{match.group(1)}.{micro}", "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Reader:
    """How one instance is asked what it evaluates."""

    path: str
    result: ResultPath
    words: Words
    scheme: str = "http"
    host_name: str = ""
    token: t.Optional[str] = None
    token_header: str = "Authorization"
    token_prefix: str = ""
    timeout: float = 5.0
    tls: Tls = field(default_factory=Tls)
    secrets: t.Tuple[str, ...] = ()

    def endpoint(self, instance: Instance) -> Endpoint:
        """Return where one instance is asked."""
        return Endpoint(
            url=f"{self.scheme}://{instance.where}",
            said=f"{instance.name} ({instance.where})",
            token=self.token,
            token_header=self.token_header,
            token_prefix=self.token_prefix,
            timeout=self.timeout,
            tls=self.tls,
            secrets=self.secrets,
            host_name=self.host_name,
        )

    @property
    def tells_names(self) -> bool:
        """Whether an instance tells all its flags in one answer."""
        return self.result.tells_names and NAME not in self.path

    def read(self, instance: Instance, name: str) -> Flags:
        """Return what one instance evaluates: all flags, or the one asked for where it tells no others."""
        if instance.status != "running":
            raise TroubleError(
                "not_running",
                f"{instance.name} is {instance.status}: it cannot be asked, and may go on at any time.",
                next_step=f"see to it on the host (docker ps; docker unpause {instance.name}), then run this again.",
                retry=True,
            )
        if not instance.ip:
            raise TroubleError(
                "no_address",
                f"{instance.name} has no network address of its own.",
                next_step="see to its network on the host, then run this again.",
            )
        reply = ask(self.endpoint(instance), fill_path(self.path, name, ""))
        return read_flags(reply.data(), self.result, self.words, name, f"{instance.name} ({instance.where})")


def read_flags(data: t.Any, result: ResultPath, words: Words, name: str, said: str) -> Flags:
    """Find the flags in an answer."""
    if not result.tells_names:
        return {name: result.one(data, words)}
    found = result.all(data, words)
    if found is None:
        raise TroubleError(
            "other_shape",
            f"The answer of {said} has no flags at {result.path!r}.",
            next_step="look at the answer, and correct the result path.",
        )
    return found
