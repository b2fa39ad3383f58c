# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo app on the hosts: put there fresh, as an operator would have started it by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sandbox import https
from sandbox.cli import File, inside, put, say
from sandbox.config import APP_DIR, SANDBOX, SSH_USER, Host, SandboxError, host
from sandbox.hosts import wait_for
from sandbox.keys import Keys
from sandbox.registry import wanted_on_host

VARIANTS = ("per_process_flags", "persistent_flags", "shared_database", "no_rate_limit")

# The database of this host serves all in the variant `shared_database`.
_DATABASE_HOST = "prod1"
_OWNER = 1000

# Leaves nothing of earlier releases: processes, containers, volumes, networks, files.
_WIPE = r"""
set -u
# Timers and the like that an earlier release left running: they name the app's folder.
for entry in /proc/[0-9]*; do
  pid=${entry#/proc/}
  if [ "$pid" != 1 ] && [ "$pid" != $$ ] && tr '\0' ' ' <"$entry/cmdline" 2>/dev/null | grep -q -F "$1"; then
    kill -9 "$pid" 2>/dev/null
  fi
done
set -e
docker ps --all --quiet | xargs -r docker rm --force --volumes >/dev/null
docker volume ls --quiet | xargs -r docker volume rm --force >/dev/null
docker network ls --quiet --filter type=custom | xargs -r docker network rm >/dev/null
while umount "$1" 2>/dev/null; do :; done
rm -rf "$1"
rm -rf ~root/.docker "/home/$2/.docker"
"""

# Images of other versions would make a later pull, or its absence, look like something else.
_DROP_IMAGES = r"""
set -e
docker image ls --all --quiet --no-trunc | sort -u >/run/sandbox-images
for image; do sed -i "\|^$image\$|d" /run/sandbox-images; done
if [ -s /run/sandbox-images ]; then xargs docker image rm --force </run/sandbox-images >/dev/null; fi
rm -f /run/sandbox-images
"""


def reset_all(hosts: Sequence[Host], images: Mapping[str, str], keys: Keys, variant: str | None = None) -> None:
    """Make hosts run version 1 as if nothing had ever happened there."""
    if variant is not None and variant not in VARIANTS:
        raise SandboxError(f"no variant {variant!r}: there are {', '.join(VARIANTS)}")
    hosts = [item for item in hosts if item.engine]
    waves = [hosts]
    if variant == "shared_database":
        # Who uses another host's database starts after it.
        waves = [[item for item in hosts if (item.name == _DATABASE_HOST) is first] for first in (True, False)]
    for wave in waves:
        if wave:
            with ThreadPoolExecutor(len(wave)) as pool:
                list(pool.map(lambda item: reset(item, images, keys, variant), wave))


def reset(item: Host, images: Mapping[str, str], keys: Keys, variant: str | None = None) -> None:
    """Make one host run version 1 as if nothing had ever happened there."""
    inside(item.container, "bash", "-s", "-", APP_DIR, SSH_USER, stdin=_WIPE.encode())
    wanted = [*wanted_on_host(images).values()]
    inside(item.container, "bash", "-s", "-", *wanted, stdin=_DROP_IMAGES.encode())
    put(item.container, files(item, keys, variant))
    _start(item)
    wait_for(lambda: https.app(item, "/api/health")[0] == 200, 20, f"{item.name}: the app is not healthy")
    say(f"{item.name}: runs v1 fresh")


def _start(item: Host) -> None:
    # By the operator's user and by hand: whoever manages the app comes later.
    command = f"cd {APP_DIR} && docker compose up --detach --wait --quiet-pull"
    try:
        inside(item.container, "su", SSH_USER, "-c", command, timeout=120)
    except SandboxError as error:
        logs = inside(
            item.container,
            "su",
            SSH_USER,
            "-c",
            f"cd {APP_DIR} && docker compose logs --no-color --tail=5",
            check=False,
        )
        reason = str(error).splitlines()[-1]
        raise SandboxError(f"{item.name}: version 1 does not come up: {reason}\n{logs}") from error


def files(item: Host, keys: Keys, variant: str | None = None) -> list[File]:
    """Return what is in the app's folder before any release."""
    nginx = f"{APP_DIR}/nginx"
    return [
        File(APP_DIR, None, 0o755, _OWNER),
        File(f"{APP_DIR}/docker-compose.yml", (SANDBOX / "app" / "docker-compose.yml").read_bytes(), 0o644, _OWNER),
        File(f"{APP_DIR}/.env", _env(item, keys, variant).encode(), 0o600, _OWNER),
        File(nginx, None, 0o755, _OWNER),
        File(f"{nginx}/nginx.conf", (SANDBOX / "app" / "nginx" / "nginx.conf").read_bytes(), 0o644, _OWNER),
        File(f"{nginx}/acme", None, 0o755, _OWNER),
        File(f"{nginx}/certs", None, 0o700, _OWNER),
        File(f"{nginx}/certs/fullchain.pem", keys.app.cert, 0o644, _OWNER),
        File(f"{nginx}/certs/privkey.pem", keys.app.key, 0o600, _OWNER),
    ]


def runs_v1(item: Host, images: Mapping[str, str]) -> bool:
    """Tell whether a host runs version 1, and a user gets an answer from it."""
    return _runs(item, images) == "yes" and https.app(item, "/api/health")[0] == 200


def may_come_up(item: Host, images: Mapping[str, str]) -> bool:
    """Tell whether waiting is worth it: all the right containers are there, some of them still starting."""
    return _runs(item, images) != "no"


def versions(item: Host) -> dict[str, list[str]]:
    """Return the versions that run on a host, by service."""
    result: dict[str, list[str]] = {}
    for entry in _containers(item):
        labels = entry["Config"]["Labels"]
        service = labels.get("com.docker.compose.service")
        if service and entry["State"]["Status"] == "running":
            result.setdefault(service, []).append(labels.get("org.opencontainers.image.version", "-"))
    return result


def _env(item: Host, keys: Keys, variant: str | None) -> str:
    shared = variant == "shared_database"
    database_host = host(_DATABASE_HOST).full_name if shared and item.name != _DATABASE_HOST else "postgres"
    lines = {
        "POSTGRES_PASSWORD": keys.postgres_password,
        "DATABASE_URL": f"postgresql://notes:{keys.postgres_password}@{database_host}:5432/notes",
        "ADMIN_TOKEN": keys.admin_token,
        "FLAG_STORE": "redis" if variant == "persistent_flags" else "process",
    }
    if variant == "no_rate_limit":
        lines["RATE_LIMIT"] = "0"
    if shared and item.name == _DATABASE_HOST:
        # On the sandbox's own network only: nothing publishes it on the machine.
        lines["POSTGRES_PUBLISH"] = "0.0.0.0:5432"
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _containers(item: Host) -> list[dict[str, Any]]:
    script = "docker ps --all --quiet | xargs -r docker inspect"
    found = inside(item.container, "sh", "-c", script, check=False)
    result: list[dict[str, Any]] = json.loads(found or "[]")
    return result


def _runs(item: Host, images: Mapping[str, str]) -> str:
    """Return `yes`, `soon` or `no`."""
    wanted = set(wanted_on_host(images).values())
    seen: list[str] = []
    starting = False
    for entry in _containers(item):
        service = entry["Config"]["Labels"].get("com.docker.compose.service")
        state = entry["State"]
        if service is None or state["Status"] == "created":
            continue
        healthy = (state.get("Health") or {}).get("Status") == "healthy"
        if entry["Image"] not in wanted or state["Status"] not in ("running", "restarting"):
            return "no"
        starting = starting or not healthy
        seen.append(service)
    expected = ["backend", "backend", "frontend", "hocuspocus", "nginx", "postgres", "redis"]
    if sorted(seen) != expected:
        return "no"
    return "soon" if starting else "yes"
