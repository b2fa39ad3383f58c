# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the command `hotfix` against the sandbox's hosts, on a pseudo-terminal or without one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.driver import BIN, ROOT, environment

LONGEST = 240.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that was printed, with white space folded."""
        return " ".join(f"{self.out}\n{self.err}".split())

    @property
    def result(self) -> dict[str, Any]:
        """The JSON document, and nothing beside it."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def surroundings(**more: str) -> dict[str, str]:
    """Return an environment without an ansible.cfg: the command has to do without."""
    found = environment(HOTFIX_INVENTORY=str(ROOT / "inventories/sandbox"), **more)
    return {
        key: value for key, value in found.items() if key not in ("ANSIBLE_CONFIG", "ANSIBLE_CALLBACK_RESULT_FORMAT")
    }


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start the command in *folder* without a terminal, and return while it runs."""
    return subprocess.Popen(
        [str(BIN / "hotfix"), *arguments],
        cwd=folder,
        env=surroundings(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def hotfix(folder: Path, *arguments: str, **more: str) -> Ended:
    """Run the command to its end without a terminal."""
    process = start(folder, *arguments, **more)
    out, err = process.communicate(timeout=LONGEST)
    return Ended(process.returncode, out, err)


class Terminal:
    """The command on a pseudo-terminal of 80 columns, as an operator has it."""

    def __init__(self, folder: Path, *arguments: str, program: Path = BIN / "hotfix", **more: str) -> None:
        given = {**surroundings(), "TERM": "xterm-256color", **more}
        command = [str(program), *arguments]
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(command[0], command, given)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.raw = ""

    @property
    def text(self) -> str:
        """What was printed, without the escapes that move about, and with white space folded."""
        return " ".join(_ESCAPES.sub("", self.raw).split())

    @property
    def lines(self) -> list[str]:
        """Every line that was ever drawn."""
        return [line.rstrip() for line in _ESCAPES.sub("", self.raw).replace("\r", "\n").split("\n")]

    def read(self, until: Callable[[str], bool] | str, seconds: float = LONGEST) -> None:
        """Read until something was printed, or to the end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until(self.text) if callable(until) else until in self.text:
                return
            ready, _w, _x = select.select([self._terminal], [], [], 0.2)
            if ready:
                try:
                    piece = os.read(self._terminal, 65536)
                except OSError:
                    piece = b""
                if not piece:
                    break
                self.raw += piece.decode("utf-8", "replace")
        assert until in self.text if isinstance(until, str) else until(self.text), self.text

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def end(self, seconds: float = LONGEST) -> int:
        """Read to the end, and return the exit code."""
        with contextlib.suppress(AssertionError):
            self.read(lambda _text: False, seconds)
        _pid, status = os.waitpid(self._pid, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)
