# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the availability probe of a run has seen so far, from the file that it writes (docs/availability-probe.md)."""

from __future__ import annotations

import json
from pathlib import Path


class Samples:
    """Counts samples while they are being written."""

    def __init__(self) -> None:
        self._folder = ""
        self._forget()

    def _forget(self) -> None:
        self._offset = 0
        self._rest = b""
        self.seen = 0
        self.failed = 0

    def look(self, folder: str) -> str:
        """Read what is new in *folder*, and say what was seen; nothing where nothing is measured."""
        if folder != self._folder:
            self._forget()
            self._folder = folder
        if folder:
            self._read(Path(folder, "samples.jsonl"))
        if not self.seen:
            return ""
        return f"users: {self.failed} of {self.seen} samples failed"

    def _read(self, path: Path) -> None:
        try:
            with path.open("rb") as handle:
                handle.seek(self._offset)
                piece = handle.read()
        except OSError:
            return
        self._offset += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            try:
                sample = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(sample, dict) and sample.get("kind") == "sample":
                self.seen += 1
                self.failed += sample.get("verdict") == "failed"
