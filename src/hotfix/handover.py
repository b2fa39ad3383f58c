# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand variables to ansible-playbook: not by arguments, not by its environment, and by no file that holds them.

They go through a named pipe. It is read once, by the run that it is for, and has no content before or afterwards.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

_PAUSE = 0.01


def as_yaml(variables: Mapping[str, Any]) -> str:
    """Write variables as YAML that Ansible takes as it is: no text in it is ever a template, nor anything but a text.

    All of it is one unsafe mapping. Of a single text that is marked so Ansible makes what it looks like: of "1.10" a
    number, and nothing of an empty one.
    """
    written = json.dumps(variables, ensure_ascii=False)
    return f"!unsafe {''.join(map(_escaped, written))}\n"


def _escaped(character: str) -> str:
    """Return a character as YAML takes it between double quotes, where alone JSON leaves any but ASCII."""
    return character if " " <= character <= "~" else f"\\U{ord(character):08X}"


class Pipe:
    """A named pipe that gives *text* to the first who reads it, and is then gone."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._text = text.encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="handover", daemon=True)

    def __enter__(self) -> Pipe:
        os.mkfifo(self.path, 0o600)
        return self

    def serve(self) -> None:
        """Begin to wait for the reader, which may wait already."""
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(5)
        self._text = b""
        self.path.unlink(missing_ok=True)

    def _serve(self) -> None:
        descriptor = self._reader()
        if descriptor is None:
            return
        # Whoever opened it has it open: nobody else needs to find it.
        self.path.unlink(missing_ok=True)
        left = self._text
        try:
            while left and not self._over.is_set():
                try:
                    left = left[os.write(descriptor, left) :]
                except BlockingIOError:
                    self._over.wait(_PAUSE)
                except BrokenPipeError:
                    return
        finally:
            os.close(descriptor)

    def _reader(self) -> int | None:
        """Wait until somebody reads; without blocking for good, as the run may die before it comes to that."""
        while not self._over.is_set():
            try:
                return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as exc:
                if exc.errno != errno.ENXIO:
                    return None
            self._over.wait(_PAUSE)
        return None
