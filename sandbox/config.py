# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and addresses of the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SANDBOX = Path(__file__).resolve().parent
FILES = SANDBOX / "files"
STATE = SANDBOX.parent / ".sandbox"

LABEL = "hotfix.sandbox"
CONFIG_LABEL = "hotfix.sandbox.config"
NETWORK = "hotfix-sandbox"
IMAGE_PREFIX = "hotfix-sandbox"

APP_NAME = "app.example.com"
APP_DIR = "/srv/notes"
PROJECT = "notes"

REGISTRY_NAME = "registry.example.com"
REGISTRY_ADDRESS = "127.0.1.30"
REGISTRY_PORT = 5000
REGISTRY = f"{REGISTRY_NAME}:{REGISTRY_PORT}"
REGISTRY_FROM_HERE = f"{REGISTRY_ADDRESS}:{REGISTRY_PORT}"
REGISTRY_USER = "ci"

SSH_USER = "deploy"
SSH_PORT = 2222
HTTP_PORT = 8080
HTTPS_PORT = 8443

SWITCHED = ("backend", "frontend", "hocuspocus")


class SandboxError(Exception):
    """Something the sandbox needs did not work; the message says what."""


@dataclass(frozen=True)
class Host:
    """One SSH host of the sandbox."""

    name: str
    address: str
    group: str
    image: str = "host"
    engine: bool = True
    on_demand: bool = False

    @property
    def full_name(self) -> str:
        """Name by which other hosts and their containers know this one: Docker forwards no name without a dot."""
        return f"{self.name}.example.com"

    @property
    def container(self) -> str:
        """Name of the container that plays this host."""
        return f"hotfix-{self.name}"

    @property
    def volume(self) -> str:
        """Name of the volume that holds the nested engine's images and containers."""
        return f"{self.container}-docker"


HOSTS = (
    Host("prod1", "127.0.1.11", "production"),
    Host("prod2", "127.0.1.12", "production"),
    Host("staging1", "127.0.1.21", "staging"),
    # For benchmarks that take long, or put other apps on a host.
    Host("bench1", "127.0.1.31", "benchmarks", on_demand=True),
    # Debian 11: Python 3.9, no Compose v2, and no engine that runs.
    Host("legacy1", "127.0.1.41", "legacy", image="bullseye", engine=False, on_demand=True),
)
SERVICES = "hotfix-services"
REGISTRY_VOLUME = "hotfix-services-registry"


def host(name: str) -> Host:
    """Return the host of that name."""
    for item in HOSTS:
        if item.name == name:
            return item
    raise SandboxError(f"no sandbox host {name!r}: there are {', '.join(item.name for item in HOSTS)}")


def hosts_named(names: Sequence[str]) -> list[Host]:
    """Return the hosts of those names or groups; without a name, those that `up` starts."""
    if not names:
        return [item for item in HOSTS if not item.on_demand]
    found: list[Host] = []
    for name in names:
        found += [item for item in HOSTS if item.group == name] or [host(name)]
    return list(dict.fromkeys(found))
