# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo app's images: built on the outer engine, pushed once to the sandbox's registry, pulled by the hosts."""

from __future__ import annotations

import base64
import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sandbox import https
from sandbox.app.build import build_all
from sandbox.cli import docker, inside, inspect, run, say
from sandbox.config import (
    REGISTRY,
    REGISTRY_ADDRESS,
    REGISTRY_FROM_HERE,
    REGISTRY_NAME,
    REGISTRY_PORT,
    REGISTRY_USER,
    SERVICES,
    STATE,
    Host,
    SandboxError,
)
from sandbox.hosts import wait_for
from sandbox.keys import Keys

_PUSHED = "/var/lib/docker-registry/sandbox-pushed.json"
# Under this folder the registry has the images that hosts are to know without any registry.
_BACKING = "backing"


def build(base_tag: str) -> dict[str, str]:
    """Build all app images that are missing; return the image ID of each tag."""
    tags = build_all(base_tag)
    found = inspect("image", *tags)
    missing = sorted(set(tags) - set(found))
    if missing:
        raise SandboxError(f"app images were not built: {', '.join(missing)}")
    return {tag: str(found[tag]["Id"]) for tag in tags}


def wanted_on_host(images: Mapping[str, str]) -> dict[str, str]:
    """Return the images of a fresh host: version 1 of the switched services, and the backing services."""
    return {tag: image for tag, image in images.items() if not _is_switched(tag) or tag.endswith(":v1")}


def push(images: Mapping[str, str], keys: Keys) -> None:
    """Push what the registry does not have yet; what it has is noted beside its data."""
    wait_for(lambda: _answers(keys), 30, "no answer of the registry to the sandbox's password")
    noted = inside(SERVICES, "cat", _PUSHED, check=False)
    pushed: dict[str, str] = json.loads(noted) if noted.startswith("{") else {}
    missing = [tag for tag in images if pushed.get(tag) != images[tag]]
    if not missing:
        return
    say(f"pushing {len(missing)} images to the registry")
    with _docker_config(keys) as config:

        def push_one(tag: str) -> None:
            remote = f"{REGISTRY_FROM_HERE}/{_repository(tag)}"
            docker("tag", tag, remote)
            try:
                # The outer engine takes any certificate from a registry in 127.0.0.0/8, so it needs no file in /etc.
                run(["docker", "--config", str(config), "push", remote])
            finally:
                docker("image", "rm", remote)

        # The first brings the layers that all share.
        push_one(missing[0])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(push_one, missing[1:]))
    inside(SERVICES, "sh", "-c", f"cat >{_PUSHED}", stdin=json.dumps(dict(images)).encode())
    say("pushed")


def pull(item: Host, images: Mapping[str, str], keys: Keys) -> None:
    """Give a host's engine the images of version 1 and of the backing services, where they are missing."""
    wanted = wanted_on_host(images)
    script = "for tag; do docker image inspect --format '{{.Id}}' \"$tag\" 2>/dev/null || echo none; done"
    have = inside(item.container, "bash", "-c", script, "-", *wanted).split()
    missing = [tag for tag, present in zip(wanted, have, strict=True) if present != wanted[tag]]
    if not missing:
        return
    say(f"{item.name}: pulling {len(missing)} images")
    lines = [
        "set -eu",
        "DOCKER_CONFIG=$(mktemp -d --tmpdir=/run)",
        "export DOCKER_CONFIG",
        "trap 'rm -rf \"$DOCKER_CONFIG\"' EXIT",
        f"(umask 077 && base64 -d >$DOCKER_CONFIG/config.json) <<<{base64.b64encode(_login(REGISTRY, keys)).decode()}",
    ]
    for tag in missing:
        remote = shlex.quote(f"{REGISTRY}/{_repository(tag)}")
        lines.append(f"docker pull --quiet {remote}")
        if not _is_switched(tag):
            # The host shall know it by its plain name only, like an image that was built or loaded there.
            lines += [f"docker tag {remote} {shlex.quote(tag)}", f"docker image rm {remote}"]
    # As standard input, so that the password is in no argv.
    inside(item.container, "bash", "-s", stdin="\n".join(lines).encode())
    say(f"{item.name}: pulled")


def _is_switched(tag: str) -> bool:
    return tag.startswith(f"{REGISTRY}/")


def _repository(tag: str) -> str:
    return tag.removeprefix(f"{REGISTRY}/") if _is_switched(tag) else f"{_BACKING}/{tag}"


def _basic(keys: Keys) -> str:
    return base64.b64encode(f"{REGISTRY_USER}:{keys.registry_password}".encode()).decode()


def _answers(keys: Keys) -> bool:
    status, _body = https.get(
        REGISTRY_ADDRESS,
        REGISTRY_PORT,
        "/v2/",
        server_name=REGISTRY_NAME,
        headers={"Authorization": f"Basic {_basic(keys)}"},
    )
    return status == 200


def _login(registry: str, keys: Keys) -> bytes:
    return json.dumps({"auths": {registry: {"auth": _basic(keys)}}}).encode()


@contextmanager
def _docker_config(keys: Keys) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=STATE, prefix="docker-config.") as folder:
        path = Path(folder) / "config.json"
        path.touch(mode=0o600)
        path.write_bytes(_login(REGISTRY_FROM_HERE, keys))
        yield Path(folder)
