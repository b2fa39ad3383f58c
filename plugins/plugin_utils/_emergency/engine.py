# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Docker CLI of the controller as a build needs it: a login for the time of the run, and an end to all waits."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

_ADVICE = "see that Docker runs on this machine, or set hotfix_build_engine."
_AWAY = ("connection refused", "no such host", "i/o timeout", "timeout", "deadline exceeded", "connection reset",
         "no route to host", "network is unreachable", "eof", "server misbehaving", "500 internal", "502 bad",
         "503 service", "504 gateway", "request canceled", "broken pipe")  # fmt: skip
_REFUSED = ("unauthorized", "denied", "forbidden", "authentication required", "no basic auth")


class Said(t.NamedTuple):
    """How a command ended."""

    code: int
    output: str

    @property
    def no_room(self) -> bool:
        """Whether a disk was full."""
        return "no space left" in self.output.lower()

    @property
    def refused(self) -> bool:
        """Whether the registry does not let us."""
        return any(mark in self.output.lower() for mark in _REFUSED)

    @property
    def away(self) -> bool:
        """Whether the registry could not be reached, or did not answer."""
        return any(mark in self.output.lower() for mark in _AWAY)

    def last(self, lines: int) -> str:
        """Return the end of what it printed."""
        return "\n".join(self.output.strip().splitlines()[-lines:])


class Docker:
    """The CLI with a configuration of its own. Commands may run at once; ``stop`` ends all of them."""

    def __init__(self, config: Path, engine: str | None) -> None:
        self._env = {**os.environ, "LC_ALL": "C.UTF-8", "DOCKER_CONFIG": str(config), "DOCKER_CLI_HINTS": "false"}
        if engine:
            self._env["DOCKER_HOST"] = engine
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, *arguments: str, timeout: float, env: t.Mapping[str, str] | None = None) -> Said:
        """Run ``docker``, for *timeout* seconds at most, and return how it ended, with all that it printed."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as printed:
            with self._lock:
                if self._stopped:
                    return Said(-1, "")
                process = self._start(arguments, printed, {**self._env, **(env or {})})
                self._running.add(process)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                code = -1
                printed.seek(0, os.SEEK_END)
                printed.write(f"\nIt did not end within {timeout:.0f} s.\n")
            finally:
                _end(process)
                with self._lock:
                    self._running.discard(process)
            printed.flush()
            printed.seek(0)
            return Said(code, printed.read())

    def must(self, *arguments: str, timeout: float = 60.0) -> str:
        """Run ``docker`` and return what it printed; raise where it fails."""
        said = self.run(*arguments, timeout=timeout)
        if said.code != 0:
            why = " ".join(said.last(3).split()) or f"exit code {said.code}"
            raise HotfixError(f"'docker {' '.join(arguments[:2])}' failed on this machine: {why}.", next_step=_ADVICE)
        return said.output

    def images(self, label: str) -> dict[str, dict[str, t.Any]]:
        """Return the images with a label, inspected, by each of their names."""
        ids = self.must("image", "ls", "--quiet", "--no-trunc", "--filter", f"label={label}").split()
        found = json.loads(self.must("image", "inspect", *dict.fromkeys(ids))) if ids else []
        return {name: one for one in found for name in one.get("RepoTags") or []}

    def stop(self) -> None:
        """End what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _end(process)

    @staticmethod
    def _start(arguments: t.Sequence[str], printed: t.IO[str], env: t.Mapping[str, str]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                ["docker", *arguments],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        except FileNotFoundError as exc:
            raise HotfixError("There is no 'docker' command on this machine.", next_step=_ADVICE) from exc


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def configuration(server: str, username: str | None, password: str | None) -> t.Iterator[Path]:
    """Give a folder with the operator's own Docker configuration and the login to *server*, while the block runs.

    The password is in no argument and in no file that others can read, and gone with the block: there is nothing to log
    out of. The operator's own logins stay as they are.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with tempfile.TemporaryDirectory(prefix="hotfix-docker-") as name:
        folder = Path(name)
        with contextlib.suppress(OSError):
            for path in own.iterdir():
                # Plugins and contexts, which are found beside it.
                if path.name != "config.json":
                    (folder / path.name).symlink_to(path)
        found: dict[str, t.Any] = {}
        with contextlib.suppress(OSError, ValueError):
            read = json.loads((own / "config.json").read_text(encoding="utf-8"))
            found = read if isinstance(read, dict) else {}
        if username and password:
            login = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
            found["auths"] = {**(found.get("auths") or {}), server: {"auth": login}}
            # Else the operator's keyring would be asked for it, which has another or none.
            found["credHelpers"] = {**(found.get("credHelpers") or {}), server: ""}
        handle = os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(found, stream)
        yield folder
