# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The journal of a host: a line before and a line after every step, on disk before the step begins."""

from __future__ import annotations

import json
import os
import typing as t
from datetime import timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock, stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask, read_env

Entry = t.Dict[str, t.Any]

#: How many entries of other runs are told, and how much of the journal's end is read for an account.
HISTORY_ENTRIES = 200
_ACCOUNT_BYTES = 2 * 1024 * 1024
_MOST_HOURS = 24.0 * 366


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
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            raw = b""
        return self._parsed(raw)

    def newest(self, size: int) -> t.List[Entry]:
        """Return the whole entries among the last *size* bytes, oldest first."""
        try:
            with self._path.open("rb") as handle:
                length = handle.seek(0, os.SEEK_END)
                handle.seek(max(0, length - size))
                raw = handle.read(size)
        except FileNotFoundError:
            return []
        # The first line may have begun before.
        return self._parsed(raw if length <= size else raw.partition(b"\n")[2])

    def _parsed(self, raw: bytes) -> t.List[Entry]:
        self.damaged = 0
        found: t.List[Entry] = []
        for line in raw.splitlines():
            if not line.strip():
                continue
            try:
                entry = _json.loads(line.decode("utf-8"))
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


def record_options() -> t.Dict[str, t.Any]:
    """Return the argument spec of the doc fragment ``_record``."""
    return {"record": {"type": "dict"}, "history_hours": {"type": "float", "default": 0.0}}


class Account:
    """What a module tells of the host's own record: the journal's entries of its run, and the host's clock.

    It is made as the module begins. What the host's own script wrote for the run is told as well, and so is what
    any other process wrote meanwhile; of the time before, as much as is asked for.
    """

    def __init__(
        self, app_dir: t.Any, run: t.Optional[str], hours: t.Optional[float], clock: t.Optional[Clock] = None
    ) -> None:
        self._clock = clock or Clock()
        self._folder = Path(str(app_dir))
        self._run = run
        self._hours = min(max(0.0, hours or 0.0), _MOST_HOURS)
        self._began = self._clock.now()

    def result(self, *secrets: t.Optional[str]) -> t.Dict[str, t.Any]:
        """Return it as it goes into the module's result. A journal that cannot be read has no entries."""
        try:
            found = Journal(self._folder / "journal.jsonl", self._clock).newest(_ACCOUNT_BYTES)
            mask = Mask.of_env(read_env(self._folder / ".env"), *secrets)
            journal = [_masked(entry, mask) for entry in self._chosen(found)]
        except (OSError, ValueError):
            journal = []
        return {"journal": journal, "clock": {"began": stamp(self._began), "ended": stamp(self._clock.now())}}

    def _chosen(self, entries: t.Sequence[Entry]) -> t.List[Entry]:
        began = stamp(self._began)
        ours = [self._is_ours(entry, began) for entry in entries]
        border = stamp(self._began - timedelta(hours=self._hours))
        earlier = [n for n, mine in enumerate(ours) if self._hours and not mine and str(entries[n].get("at")) >= border]
        kept = set(earlier[-HISTORY_ENTRIES:])
        return [entry for number, entry in enumerate(entries) if ours[number] or number in kept]

    def _is_ours(self, entry: Entry, began: str) -> bool:
        return self._run is not None and (entry.get("run") == self._run or str(entry.get("at")) >= began)


def _masked(value: t.Any, mask: Mask) -> t.Any:
    if isinstance(value, str):
        return mask.text(value)
    if isinstance(value, dict):
        return {key: _masked(item, mask) for key, item in value.items()}
    return [_masked(item, mask) for item in value] if isinstance(value, list) else value
