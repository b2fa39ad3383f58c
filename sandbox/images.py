# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base images of the sandbox: made from the distribution's packages, cached by the hash of their recipe."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass

from sandbox.cli import docker, docker_ok, inspect, run, say
from sandbox.config import IMAGE_PREFIX, LABEL, SSH_USER, STATE, SandboxError

# Nothing in a test host reads these, and they are a third of its size.
_LEFT_OUT = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/i18n/*",
)

# Host keys that came with the image would be the same on every host.
_NO_HOST_KEYS = 'rm -f "$1"/etc/ssh/ssh_host_*'
_OPERATOR = (
    _NO_HOST_KEYS,
    f'chroot "$1" useradd --create-home --uid 1000 --shell /bin/bash --groups docker,sudo --password "*" {SSH_USER}',
)


@dataclass(frozen=True)
class Recipe:
    """What a base image is made of."""

    name: str
    suite: str
    packages: tuple[str, ...]
    hooks: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """Name of the image; it changes with the recipe and with nothing else."""
        text = repr((self.suite, self.packages, self.hooks, self.changes, self.left_out, _LEFT_OUT))
        return f"{IMAGE_PREFIX}/{self.name}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def current(self) -> str:
        """The name that Dockerfiles build on."""
        return f"{IMAGE_PREFIX}/{self.name}:current"


_UNLEASH = (
    # The machine's authorities too: where it is behind a proxy that opens TLS, npm must trust that one.
    'cp /etc/ssl/certs/ca-certificates.crt "$1"/tmp/machine.crt',
    'NODE_EXTRA_CA_CERTS=/tmp/machine.crt chroot "$1" npm install --global --no-audit --no-fund --omit=optional '
    "--cafile=/tmp/machine.crt --cache=/tmp/npm --loglevel=error unleash-server@6",
    'rm -rf "$1"/tmp/npm "$1"/tmp/machine.crt',
)

_HOST = ("python3", "openssh-server", "sudo", "iproute2", "iptables", "curl", "ca-certificates", "openssl", "procps")
_INIT = ('ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/sbin/sandbox-init"]',)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "host",
            "trixie",
            (*_HOST, "tini", "docker.io", "docker-cli", "docker-compose", "docker-buildx"),
            _OPERATOR,
            _INIT,
        ),
        Recipe(
            "appbase",
            "trixie",
            (
                *("python3-minimal", "python3-aiohttp", "python3-psycopg2", "python3-redis"),
                *("nginx", "postgresql", "redis-server", "ca-certificates", "curl", "procps"),
            ),
            # PostgreSQL does without its JIT compiler, which is a third of the image.
            left_out=("/usr/lib/*/libLLVM*", "/usr/lib/*/libz3*", "/usr/lib/postgresql/*/lib/bitcode/*"),
        ),
        Recipe(
            "services",
            "trixie",
            ("docker-registry", "apache2-utils", "openssl", "ca-certificates", "procps", "tini"),
            changes=_INIT,
        ),
        Recipe(
            "origin",
            "trixie",
            ("git", "openssh-server", "ca-certificates", "procps", "tini"),
            (
                _NO_HOST_KEYS,
                'chroot "$1" useradd --create-home --uid 1000 --shell /bin/sh --password "*" git',
            ),
            _INIT,
        ),
        Recipe("acme", "trixie", ("pebble", "ca-certificates", "procps", "tini"), changes=_INIT),
        Recipe(
            "unleash",
            "trixie",
            ("nodejs", "npm", "postgresql", "ca-certificates", "procps", "tini"),
            _UNLEASH,
            _INIT,
            ("/usr/lib/*/libLLVM*", "/usr/lib/*/libz3*", "/usr/lib/postgresql/*/lib/bitcode/*"),
        ),
        Recipe(
            "bullseye",
            "bullseye",
            (*_HOST, "tini", "docker.io", "redis-server", "python3-pytest", "python3-yaml"),
            _OPERATOR,
            _INIT,
        ),
    )
}


def ensure_image(name: str) -> str:
    """Build a base image unless it is there, and return its tag."""
    recipe = RECIPES[name]
    if recipe.tag not in inspect("image", recipe.tag):
        say(f"building {recipe.tag}")
        _build(recipe)
        say(f"built {recipe.tag}")
    docker("tag", recipe.tag, recipe.current)
    return recipe.tag


def image_id(tag: str) -> str:
    """Return the ID of an image of the outer engine."""
    return docker("image", "inspect", "--format", "{{.Id}}", tag)


def remove_old_images() -> None:
    """Remove images that no recipe makes any more."""
    wanted = {tag for recipe in RECIPES.values() for tag in (recipe.tag, recipe.current)}
    listed = docker("image", "ls", "--filter", f"label={LABEL}", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    for tag in listed:
        if tag.startswith(f"{IMAGE_PREFIX}/") and tag not in wanted:
            # One that still serves a container of another checkout stays.
            docker_ok("image", "rm", tag)
    # What a rebuilt app image has replaced.
    docker_ok("image", "prune", "--force", "--filter", f"label={LABEL}")


def remove_images() -> None:
    """Remove every image the sandbox made."""
    for _round in range(2):
        ids = docker("image", "ls", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split()
        if ids:
            run(["docker", "image", "rm", "--force", *dict.fromkeys(ids)], check=False, timeout=300)


def _build(recipe: Recipe) -> None:
    make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(recipe.packages)}"]
    make += [f"--dpkgopt=path-exclude={pattern}" for pattern in (*_LEFT_OUT, *recipe.left_out)]
    make += [f"--customize-hook={hook}" for hook in recipe.hooks]
    # No mirror is named: the distribution's default is taken.
    make += [recipe.suite, "-"]
    changes = [f"--change=LABEL {LABEL}=1", *(f"--change={change}" for change in recipe.changes)]
    log_path = STATE / f"build-{recipe.name}.log"
    env = {**os.environ, "LC_ALL": "C"}
    with log_path.open("wb") as log:
        try:
            with subprocess.Popen(make, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env) as maker:
                load = subprocess.run(
                    ["docker", "import", *changes, "-", f"{recipe.tag}-partial"],
                    stdin=maker.stdout,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    check=False,
                )
        except FileNotFoundError as error:
            raise SandboxError(f"{error.filename} is not installed: run sandbox/engine.sh") from error
    if maker.returncode != 0 or load.returncode != 0:
        docker_ok("image", "rm", f"{recipe.tag}-partial")
        words = log_path.read_text(errors="replace").strip()[-2000:]
        raise SandboxError(f"could not build {recipe.tag} with mmdebstrap (log in {log_path}):\n{words}")
    # The name that counts is given only to a whole image.
    docker("tag", f"{recipe.tag}-partial", recipe.tag)
    docker("image", "rm", f"{recipe.tag}-partial")
    log_path.unlink()
