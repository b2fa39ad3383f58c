# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Runs a program that may do anything: it ends in time with all that it started, and what it prints is bounded.

``AnsibleModule.run_command`` keeps all output in memory and ends the module where a program cannot be started; a log
may be larger than the memory, and one check of many must not end the others.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

#: As timeout(1) and sh(1) report them.
TIMED_OUT = 124
NO_PROGRAM = 127
#: Bytes that are kept of each of stdout and stderr.
KEPT = 8 * 1024 * 1024
_CHUNK = 65536
#: Seconds between two looks whether a program has ended whose output something else holds open.
_TICK = 0.05


@dataclass(frozen=True)
class Ran:
    """What came of a program.

    ``code`` is negative for a signal. ``late`` says that its time was over, ``cut`` that it printed more than is kept.
    """

    code: int
    stdout: bytes = b""
    stderr: bytes = b""
    late: bool = False
    cut: bool = False


class _Stream:
    """The beginning of what comes from a pipe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: t.List[bytes] = []
        self._size = 0
        self.cut = False

    def add(self, piece: bytes) -> None:
        room = self._limit - self._size
        self.cut = self.cut or len(piece) > room
        # Read on: a program that finds its pipe full would wait for us for ever.
        self._pieces.append(piece[:room])
        self._size += len(piece[:room])

    def all(self) -> bytes:
        return b"".join(self._pieces)


def execute(
    arguments: t.Sequence[str],
    *,
    timeout: float,
    stdin: bytes = b"",
    env: t.Optional[t.Mapping[str, str]] = None,
    kept: int = KEPT,
) -> Ran:
    """Run *arguments* in a process group of its own, and end the whole group in any case.

    Raises :class:`OSError` where the program cannot be started.
    """
    end = time.monotonic() + timeout
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function
        list(arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    try:
        with process:
            try:
                out, err = _Stream(kept), _Stream(kept)
                late = _talk(process, stdin, {process.stdout: out, process.stderr: err}, end)
                if not late:
                    late = not _ended(process, end)
            finally:
                # Its leader is not reaped yet, so the group's number is still its own.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
    except subprocess.SubprocessError as exc:
        raise OSError(str(exc)) from exc
    code = TIMED_OUT if late else process.returncode
    return Ran(code, out.all(), err.all(), late, out.cut or err.cut)


def _talk(process: subprocess.Popen[bytes], stdin: bytes, streams: t.Mapping[t.Any, _Stream], end: float) -> bool:
    """Feed the program and read from it until it has ended; return whether time was over before."""
    pending = memoryview(stdin)
    feed: t.Any = process.stdin
    with selectors.DefaultSelector() as selector:
        for pipe in streams:
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
        number = feed.fileno()
        os.set_blocking(number, False)
        selector.register(feed, selectors.EVENT_WRITE)
        ended = False
        while selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                return True
            # What a program left behind may hold the pipes open for ever; what it printed is read to the end.
            ready = selector.select(0 if ended else min(left, _TICK if feed.closed else left))
            if ended and not [key for key, _events in ready if key.fd != number]:
                return False
            for key, _events in ready:
                if key.fd == number:
                    pending = _feed(number, pending)
                    if not pending:
                        selector.unregister(feed)
                        with contextlib.suppress(OSError):
                            feed.close()
                elif not _read(key.fd, streams[key.fileobj]):
                    selector.unregister(key.fileobj)
            ended = ended or _over(process)
    return False


def _feed(descriptor: int, pending: memoryview) -> memoryview:
    try:
        return pending[os.write(descriptor, pending[:_CHUNK]) :] if pending else pending
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        return memoryview(b"")


def _read(descriptor: int, stream: _Stream) -> bool:
    try:
        piece = os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return True
    stream.add(piece)
    return bool(piece)


def _over(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether it has ended, without reaping it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _ended(process: subprocess.Popen[bytes], end: float) -> bool:
    while not _over(process):
        if time.monotonic() >= end:
            return False
        time.sleep(_TICK)
    return True


class BoundedRunner:
    """Runs the programs of :class:`Docker`, each within its time and its bounds."""

    def __call__(
        self,
        arguments: t.Sequence[str],
        *,
        timeout: float,
        stdin: t.Optional[str] = None,
        env: t.Optional[t.Mapping[str, str]] = None,
        pass_fds: t.Sequence[int] = (),
        stdin_file: t.Optional[Path] = None,
        stdout_file: t.Optional[Path] = None,
    ) -> t.Tuple[int, str, str]:
        """Run *arguments* and return exit code, stdout and stderr. A check looks only: files are not for it."""
        if pass_fds or stdin_file is not None or stdout_file is not None:
            raise ValueError("a check hands no file to a program")
        try:
            ran = execute(arguments, timeout=timeout, stdin=(stdin or "").encode(), env=env)
        except OSError as exc:
            # The words of timeout(1), by which a missing docker is told from a missing program in a container.
            return NO_PROGRAM, "", f"failed to run command '{arguments[0]}': {exc.strerror or exc}"
        return ran.code, ran.stdout.decode("utf-8", "replace"), ran.stderr.decode("utf-8", "replace")
