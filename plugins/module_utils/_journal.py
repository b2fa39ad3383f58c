# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The journal of a host: a line before and a line after every step, on disk before the step begins."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock, stamp

Entry = t.Dict[str, t.Any]


class Journal:
    """Append-only ``journal.jsonl``.

    A power cut can leave a torn last line. Readers skip what is no whole JSON object and count it in
    :attr:`damaged`; the next append starts on a line of its own, so nothing after it is lost.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.damaged = 0

    def append(self, entry: Entry) -> None:
        """Write *entry* with the time, and return only when it is on disk."""
        line = json.dumps({"at": stamp(self._clock.now()), **entry}, sort_keys=True).encode("utf-8") + b"\n"
        descriptor = os.open(str(self._path), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = 0
            while written < len(line):
                written += os.write(descriptor, line[written:])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def entries(self) -> t.List[Entry]:
        """Return every whole entry, oldest first."""
        self.damaged = 0
        found: t.List[Entry] = []
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return found
        for line in raw.splitlines():
            if not line.strip():
                continue
            try:
                entry = json.loads(line.decode("utf-8"))
            except ValueError:
                entry = None
            if isinstance(entry, dict):
                found.append(entry)
            else:
                self.damaged += 1
        return found

    def unfinished_switch(self) -> t.Optional[Entry]:
        """Return the newest switch that began and neither ended well nor was settled since, if any.

        It names the action that began it, the release it went to and the one it came from.
        """
        pending: t.Optional[Entry] = None
        for entry in self.entries():
            if entry.get("step") == "switch" and entry.get("phase") == "begin":
                pending = entry
            elif (
                entry.get("step") in ("switch", "settle")
                and entry.get("phase") == "end"
                and entry.get("outcome") == "done"
            ):
                pending = None
        return pending
