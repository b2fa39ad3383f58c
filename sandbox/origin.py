# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A git server over SSH beside the hosts, started only by who asks for it: the origin of an app's source."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from sandbox.app.build import context
from sandbox.cli import File, docker, inside, run, say
from sandbox.config import FILES, REGISTRY_ADDRESS, SSH_PORT, STATE
from sandbox.hosts import Plan, ensure_container, ensure_network, remove_containers, wait_for
from sandbox.images import ensure_image
from sandbox.keys import ensure_keys, locked, remember_host_key

CONTAINER = "hotfix-origin"
ADDRESS = REGISTRY_ADDRESS
_FOLDER = "/srv/git"
_USER = "git"
_HOME = f"/home/{_USER}"
_SSH = ("ssh", "-F", str(STATE / "ssh" / "config"), "-o", "ControlPath=none")


def up() -> None:
    """Bring the server to answer, with the sandbox's SSH key allowed in."""
    with locked():
        keys = ensure_keys()
        ensure_network()
        files = (
            File("/usr/local/sbin/sandbox-init", (FILES / "origin" / "sandbox-init").read_bytes(), 0o755),
            File("/etc/ssh/sshd_config.d/sandbox.conf", (FILES / "host" / "sshd.conf").read_bytes()),
            File(_HOME, None, 0o755, 1000),
            File(f"{_HOME}/.ssh", None, 0o700, 1000),
            File(f"{_HOME}/.ssh/authorized_keys", keys.ssh_public, 0o600, 1000),
        )
        options = ("--hostname=origin", "--stop-timeout=3", f"--publish={ADDRESS}:{SSH_PORT}:22")
        image = ensure_image("origin")
        if ensure_container(Plan(CONTAINER, image, options, f"{CONTAINER}-data", _FOLDER, files)):
            say("origin is up")
        public_key = "/etc/ssh/ssh_host_ed25519_key.pub"
        wait_for(
            lambda: inside(CONTAINER, "cat", public_key, check=False).startswith("ssh-"), 15, "origin: no host key"
        )
        remember_host_key(ADDRESS, inside(CONTAINER, "cat", public_key))
        wait_for(_answers, 15, "origin: no SSH login")


def kill() -> None:
    """Have the server die; `up` starts it again, with all that was pushed."""
    docker("kill", CONTAINER)


def down() -> None:
    """Remove the server; its image and its repositories stay."""
    remove_containers([CONTAINER])


def repository(name: str) -> str:
    """Make an empty bare repository, in place of one of that name; return its URL."""
    path = f"{_FOLDER}/{name}.git"
    script = f"rm -rf {path} && su git -c 'git init --quiet --bare --initial-branch=main {path}'"
    inside(CONTAINER, "sh", "-euc", script)
    return f"ssh://git@{ADDRESS}:{SSH_PORT}{path}"


def hook(name: str, kind: str, script: str) -> None:
    """Give a repository a hook, as those that protect a branch."""
    path = f"{_FOLDER}/{name}.git/hooks/{kind}"
    inside(CONTAINER, "sh", "-euc", f"cat >{path} && chmod 0755 {path}", stdin=script.encode())


def ssh_command() -> str:
    """What git runs to reach the server, as `GIT_SSH_COMMAND` or in a repository's `core.sshCommand`."""
    return shlex.join(_SSH)


def git(folder: Path, *arguments: str) -> str:
    """Run git in a checkout as a developer would, and return what it printed."""
    who = ("-c", "user.name=Dev Example", "-c", "user.email=dev@example.com")
    return run(["git", "-C", str(folder), *who, *arguments]).stdout.strip()


def checkout(name: str, folder: Path) -> str:
    """Make *folder* a checkout of a new repository with the demo app's source on main; return the commit.

    What was in the folder is removed. git reaches the origin with the sandbox's key, by the checkout's own settings.
    """
    url = repository(name)
    shutil.rmtree(folder, ignore_errors=True)
    for item in context():
        path = folder / item.path
        if item.content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.content)
        path.chmod(item.mode)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "core.sshCommand", ssh_command())
    git(folder, "remote", "add", "origin", url)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The notes app")
    git(folder, "push", "--quiet", "origin", "main")
    return git(folder, "rev-parse", "HEAD")


def _answers() -> bool:
    return run([*_SSH, f"git@{ADDRESS}", "git", "--version"], check=False, timeout=10).returncode == 0
