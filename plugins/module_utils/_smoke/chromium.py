# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Starts a headless Chromium for one look, and leaves nothing of it: no process, no profile."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.cdp import Connection, Handler

#: Programs that are looked for, in this order: the same engine without a desktop's things starts sooner.
NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "google-chrome-stable",
    "google-chrome",
    "chromium",
    "chromium-browser",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

# What it would do of its own accord: ask its maker for updates and lists, use a proxy, show things, keep much.
_QUIET = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    # Where it would ask for updates and accounts in spite of all that follows; nothing is ever sent to this port.
    "--component-updater=url-source=http://127.0.0.1:1/",
    "--gaia-url=http://127.0.0.1:1",
    "--no-proxy-server",
    "--no-pings",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-features=MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,Translate",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disk-cache-size=52428800",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
    "--window-size=1280,900",
)
# Of our environment it needs no more; DISPLAY, proxies and secrets least of all.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
# When we are killed, nobody else is left to end it. A word from us means that it has ended: its number may be reused.
_GUARD = (
    'read -r _ || while n=$((n + 1)) && [ "$n" -lt 60 ] && kill -s KILL -- "-$0"; do sleep 0.1; done; rm -rf -- "$1"'
)
# A socket in the folder for temporary files has a name that may not be longer than about a hundred bytes.
_SOCKET_NAME = len("/org.chromium.Chromium.XXXXXX/SingletonSocket")
_LONGEST_SOCKET = 103
_FIRST_FREE = 10
_ENDING = 3.0
_DYING = 0.5
_SHOWN = 300


def find(path: t.Optional[str]) -> t.Optional[str]:
    """Return the browser to use: the one at *path*, or one of the known names."""
    for name in (path,) if path else NAMES:
        found = shutil.which(name)
        if found:
            return found
    return None


def without_sandbox() -> bool:
    """Tell whether the browser's own sandbox must be off: as root it refuses to start with it."""
    return os.geteuid() == 0


class Chromium:
    """A browser of our own: a process group and a profile that live as long as the context."""

    def __init__(self, program: str, arguments: t.Sequence[str], handler: Handler) -> None:
        self._program = program
        self._arguments = [*arguments, *(["--no-sandbox"] if without_sandbox() else [])]
        self._handler = handler
        self._profile = ""
        self._process = 0
        self._word = -1
        self._guard = 0
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Connection:
        self._profile = tempfile.mkdtemp(prefix="hotfix-browser-")
        try:
            return self._start()
        except BaseException:
            self._end()
            raise

    def __exit__(self, *_exception: object) -> None:
        self._end()

    def complaint(self) -> str:
        """Return the last line of what it printed."""
        try:
            with open(self._log, encoding="utf-8", errors="replace") as stream:
                lines = [line.strip() for line in stream.read()[-20000:].splitlines()]
        except OSError:
            return ""
        told = [line for line in lines if line]
        return told[-1][:_SHOWN] if told else ""

    @property
    def process(self) -> int:
        """Return the number of its first process, which is that of its process group."""
        return self._process

    @property
    def profile(self) -> str:
        """Return the folder of its profile."""
        return self._profile

    @property
    def _log(self) -> str:
        return os.path.join(self._profile, "hotfix.log")

    def _start(self) -> Connection:
        theirs_in, ours_out = _pipe()
        ours_in, theirs_out = _pipe()
        connection = Connection(ours_in, ours_out, self._handler)
        self._closing.callback(connection.close)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment.update(HOME=self._profile, TMPDIR=self._temporary())
        command = [self._program, *_QUIET, f"--user-data-dir={self._profile}", *self._arguments, "about:blank"]
        try:
            self._process = _spawn(
                command,
                environment,
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                (os.POSIX_SPAWN_DUP2, theirs_out, 4),
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._watch_over()
        return connection

    def _temporary(self) -> str:
        """Return the folder for temporary files, which is the profile unless its path is too long for a socket's."""
        fitting = (
            folder
            for folder in (self._profile, os.path.dirname(self._profile))
            if len(folder.encode()) + _SOCKET_NAME <= _LONGEST_SOCKET
        )
        return next(fitting, self._profile)

    def _watch_over(self) -> None:
        """Start the guard, which outlives us and is in nobody's process group but its own."""
        hears, self._word = _pipe()
        try:
            self._guard = _spawn(
                ["/bin/sh", "-c", _GUARD, str(self._process), self._profile],
                {"PATH": os.environ.get("PATH", os.defpath)},
                (os.POSIX_SPAWN_DUP2, hears, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            )
        finally:
            os.close(hears)

    def _end(self) -> None:
        end = time.monotonic() + _ENDING
        if self._process:
            with contextlib.suppress(OSError):
                os.killpg(self._process, signal.SIGKILL)
            _reap(self._process, end)
            # What is dying may still write. Where nobody reaps orphans they stay for good: it is not waited for long.
            while _there(self._process) and time.monotonic() < end - _ENDING + _DYING:
                time.sleep(0.01)
        self._closing.close()
        with contextlib.suppress(OSError):
            # What it made beside the profile, if anything.
            beside = os.path.dirname(os.readlink(os.path.join(self._profile, "SingletonSocket")))
            if os.path.dirname(beside) == os.path.dirname(self._profile):
                shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(self._profile, ignore_errors=True)
        while os.path.exists(self._profile) and time.monotonic() < end:
            time.sleep(0.02)
            shutil.rmtree(self._profile, ignore_errors=True)
        if self._word >= 0:
            with contextlib.suppress(OSError):
                os.write(self._word, b"ended\n")
            os.close(self._word)
            _reap(self._guard, time.monotonic() + _ENDING)


def _spawn(command: t.List[str], environment: t.Mapping[str, str], *actions: t.Tuple[t.Any, ...]) -> int:
    """Start a program in a process group of its own, and return its number.

    A module's own way to run programs waits for their end and gives them no pipes beyond the usual ones.
    """
    return os.posix_spawn(  # pylint: disable=ansible-bad-function
        command[0], command, environment, file_actions=actions, setpgroup=0, setsigdef=[signal.SIGPIPE]
    )


def _pipe() -> t.Tuple[int, int]:
    """Return a pipe whose ends are none of the numbers that they get in the other process."""
    ends = os.pipe()
    try:
        moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for one in ends]
    finally:
        for one in ends:
            os.close(one)
    return moved[0], moved[1]


def _there(group: int) -> bool:
    """Tell whether a process group has a process, be it dead and not reaped."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _reap(process: int, end: float) -> None:
    """Wait until a child of ours is gone."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(process, os.WNOHANG) == (0, 0) and time.monotonic() < end:
            time.sleep(0.01)
