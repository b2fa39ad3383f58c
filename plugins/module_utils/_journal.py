# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The journal of a host: a line before and a line after every step, on disk before the step begins.

``journal.jsonl`` is what a change goes on from, so it stays short; what is older is in ``journal.1.jsonl`` and so on,
the highest number the newest of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
import typing as t
from datetime import timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock, stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask, read_env

Entry = t.Dict[str, t.Any]

#: How many entries of other runs are told, and how much of the journal's end is read for what was before.
HISTORY_ENTRIES = 200
HISTORY_BYTES = 2 * 1024 * 1024
#: A journal that is longer than the first is cut down to about the second; so many files of what was cut off are kept.
LONGEST = 512 * 1024
_STAYS = 128 * 1024
OLDER_FILES = 8
#: Seconds that a line waits for another process at the file. After that it is written all the same.
_PATIENCE = 5.0
#: What tells how far the last switch came. A change, and the host's own script, look for these in the newest file only.
_STATE = ("switch", "settle", "start")
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
        with self._opened() as (descriptor, _alone):
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = 0
            while written < len(line):
                written += os.write(descriptor, line[written:])
            os.fsync(descriptor)

    @contextlib.contextmanager
    def _opened(self) -> t.Iterator[t.Tuple[int, bool]]:
        """Open the file for one process alone; tell whether it is, or somebody keeps it for too long.

        A line that is written while the journal is cut would be in neither part.
        """
        end = time.monotonic() + _PATIENCE
        while True:
            descriptor = os.open(str(self._path), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                alone = _locked(descriptor) and self._is(descriptor)
                if alone or time.monotonic() > end:
                    yield descriptor, alone
                    return
            finally:
                os.close(descriptor)
            time.sleep(0.001)

    def _is(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(str(self._path)))
        except FileNotFoundError:
            return False

    def shorten(self) -> bool:
        """Move what is old to a file of its own once the journal is long; tell whether it was.

        What the state of a change is read from stays, however old it is. The lock is held meanwhile: the host's own
        script writes too.
        """
        try:
            if os.stat(str(self._path)).st_size <= LONGEST:
                return False
        except FileNotFoundError:
            return False
        with self._opened() as (descriptor, alone):
            if not alone:
                return False
            lines = os.pread(descriptor, os.fstat(descriptor).st_size, 0).splitlines(keepends=True)
            old, stays = _divided(lines)
            older = self._older()
            number = older[-1][0] + 1 if older else 1
            # A crash between the two leaves lines in both, and none in neither.
            _files.write_text(self._path.with_name(f"journal.{number}.jsonl"), old.decode("utf-8", "replace"))
            _files.write_text(self._path, stays.decode("utf-8", "replace"))
        for _number, path in older[: max(0, len(older) + 1 - OLDER_FILES)]:
            path.unlink()
        return True

    def _older(self) -> t.List[t.Tuple[int, Path]]:
        """Return the files of what was cut off, by number, the oldest first."""
        found = []
        for name in os.listdir(str(self._path.parent)):
            match = re.fullmatch(r"journal\.([1-9][0-9]{0,8})\.jsonl", name)
            if match:
                found.append((int(match.group(1)), self._path.with_name(name)))
        return sorted(found)

    def entries(self) -> t.List[Entry]:
        """Return every whole entry of the newest file, oldest first: what the state of a change is read from."""
        return self._parsed(_read(self._path))

    def newest(self, size: int) -> t.List[Entry]:
        """Return the whole entries among the last *size* bytes, of all files, oldest first."""
        raw = _read(self._path)
        try:
            older = self._older() if len(raw) < size else []
        except OSError:
            older = []
        for _number, path in reversed(older):
            if len(raw) >= size:
                break
            raw = _read(path) + raw
        # The first line may have begun before.
        return self._parsed(raw if len(raw) <= size else raw[-size:].partition(b"\n")[2])

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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks has nobody who waits either.
        return True
    return True


def _divided(lines: t.Sequence[bytes]) -> t.Tuple[bytes, bytes]:
    """Return what goes to another file, and what stays."""
    first, size = len(lines), 0
    while first and size + len(lines[first - 1]) <= _STAYS:
        first -= 1
        size += len(lines[first])
    steps = [_step(line) for line in lines[:first]]
    began = max((n for n, (step, phase) in enumerate(steps) if (step, phase) == ("switch", "begin")), default=first)
    of_state = {n for n in range(began, first) if steps[n][0] in _STATE}
    old = b"".join(line for n, line in enumerate(lines[:first]) if n not in of_state)
    return old, b"".join([*(lines[n] for n in sorted(of_state)), *lines[first:]])


def _step(line: bytes) -> t.Tuple[t.Any, t.Any]:
    try:
        entry = _json.loads(line.decode("utf-8"))
    except ValueError:
        return None, None
    return (entry.get("step"), entry.get("phase")) if isinstance(entry, dict) else (None, None)


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
            found = Journal(self._folder / "journal.jsonl", self._clock).newest(HISTORY_BYTES)
            mask = Mask.of_env(read_env(self._folder / ".env"), *secrets)
            journal = [_masked(entry, mask) for entry in self._chosen(found)]
        except (OSError, ValueError):
            journal = []
        return {"journal": journal, "clock": {"began": stamp(self._began), "ended": stamp(self._clock.now())}}

    def _chosen(self, entries: t.Sequence[Entry]) -> t.List[Entry]:
        began = stamp(self._began)
        ours = [self._run is not None and is_of_run(entry, self._run, began) for entry in entries]
        border = stamp(self._began - timedelta(hours=self._hours))
        earlier = [n for n, mine in enumerate(ours) if self._hours and not mine and str(entries[n].get("at")) >= border]
        kept = set(earlier[-HISTORY_ENTRIES:])
        return [entry for number, entry in enumerate(entries) if ours[number] or number in kept]


def is_of_run(entry: t.Mapping[str, t.Any], run: str, began: str) -> bool:
    """Tell whether an entry is of *run*, or was written by anybody since *began*, a time as a journal has it."""
    return entry.get("run") == run or str(entry.get("at")) >= began


def _masked(value: t.Any, mask: Mask) -> t.Any:
    if isinstance(value, str):
        return mask.text(value)
    if isinstance(value, dict):
        return {key: _masked(item, mask) for key, item in value.items()}
    return [_masked(item, mask) for item in value] if isinstance(value, list) else value
