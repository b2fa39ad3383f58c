# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands, and the few things the sandbox asks of Docker.

The Docker CLI is used and not the Engine API: `systempaths=unconfined`, without which nested engines
cannot publish ports, is a notion of the CLI.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.config import SandboxError

_started = time.monotonic()
_say_lock = threading.Lock()


def say(text: str) -> None:
    """Print a line of progress with the seconds since the start."""
    with _say_lock:
        print(f"[{time.monotonic() - _started:5.1f}s] {text}", file=sys.stderr, flush=True)


def run(
    args: Sequence[str],
    *,
    stdin: bytes | None = None,
    check: bool = True,
    timeout: float = 300,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed; a failure carries the command and its last words."""
    try:
        done = subprocess.run(
            list(args),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            env=None if env is None else dict(env),
            check=False,
        )
    except FileNotFoundError as error:
        raise SandboxError(f"{args[0]} is not installed: run sandbox/engine.sh") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"no answer within {timeout:.0f} s from: {' '.join(args)}") from error
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and done.returncode != 0:
        words = (result.stderr.strip() or result.stdout.strip())[-2000:]
        raise SandboxError(f"exit code {done.returncode} from: {' '.join(args)}\n{words}")
    return result


def docker(*args: str, stdin: bytes | None = None, check: bool = True, timeout: float = 300) -> str:
    """Run the Docker CLI against the outer engine and return its output."""
    return run(["docker", *args], stdin=stdin, check=check, timeout=timeout).stdout.strip()


def docker_ok(*args: str, timeout: float = 60) -> bool:
    """Tell whether a Docker command succeeds."""
    return run(["docker", *args], check=False, timeout=timeout).returncode == 0


def inspect(kind: str, *names: str) -> dict[str, dict[str, Any]]:
    """Inspect objects of one kind, those that exist, by the names that were asked for."""
    done = run(["docker", kind, "inspect", *names], check=False, timeout=60)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    result: dict[str, dict[str, Any]] = {}
    for item in found:
        tags = item.get("RepoTags") if kind == "image" else [str(item["Name"]).lstrip("/")]
        for tag in tags or []:
            result[tag] = item
    return result


def inside(container: str, *args: str, stdin: bytes | None = None, check: bool = True, timeout: float = 300) -> str:
    """Run a command in a container as root and return its output."""
    interactive = [] if stdin is None else ["-i"]
    return docker("exec", *interactive, container, *args, stdin=stdin, check=check, timeout=timeout)


def inside_ok(container: str, *args: str, timeout: float = 60) -> bool:
    """Tell whether a command in a container succeeds."""
    return docker_ok("exec", container, *args, timeout=timeout)


@dataclass(frozen=True)
class File:
    """A file or folder (content None) as it shall be in a container."""

    path: str
    content: bytes | None
    mode: int = 0o644
    owner: int = 0


def tar_of(files: Sequence[File]) -> bytes:
    """Pack files for `docker cp`; the same files always give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for item in files:
            entry = tarfile.TarInfo(item.path.lstrip("/"))
            entry.mode = item.mode
            entry.uid = entry.gid = item.owner
            if item.content is None:
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            else:
                entry.size = len(item.content)
                archive.addfile(entry, io.BytesIO(item.content))
    return buffer.getvalue()


def put(container: str, files: Sequence[File]) -> None:
    """Write files into a container, running or not: their content is in no argv."""
    docker("cp", "-", f"{container}:/", stdin=tar_of(files))
