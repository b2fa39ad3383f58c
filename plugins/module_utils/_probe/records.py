# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The files of a probe: one JSON object a line, each appended with one write, so that they outlive whoever writes them.

``control.jsonl`` is what the run says to the sampler, ``samples.jsonl`` what the sampler saw.
"""

from __future__ import annotations

import json
import os
import threading
import typing as t

CONTROL = "control.jsonl"
SAMPLES = "samples.jsonl"
SUMMARY = "summary.json"
LOG = "sampler.log"

Record = t.Dict[str, t.Any]

# How a request came out. The first two tell something about the app; the others tell nothing of it either way.
GOOD = "good"
FAILED = "failed"
LIMITED = "limited"
BLIND = "blind"
UNANSWERED = "unanswered"
VERDICTS = (GOOD, FAILED, LIMITED, BLIND, UNANSWERED)


class Target(t.NamedTuple):
    """Where to ask, and how often. ``server`` is for the Host header, ``server_name`` for the certificate."""

    name: str
    tls: bool
    server: str
    server_name: str
    host: str
    port: int
    path: str
    websocket: str = ""
    rate: float = 5.0
    timeout: float = 5.0
    slow: float = 1.0
    ca_file: t.Optional[str] = None
    validate_certs: bool = True


class Sample(t.NamedTuple):
    """One request. ``at`` is when it was begun, in seconds since the sampler was; ``how`` is fresh or kept."""

    target: str
    at: float
    seconds: float
    how: str
    verdict: str
    status: t.Optional[int] = None
    why: str = ""
    #: A kept connection had been closed, and another one was made, as browsers do.
    again: bool = False


def append(path: str, record: t.Mapping[str, t.Any]) -> None:
    """Append one record, whole or not at all as far as other writers can tell."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, _line(record))
    finally:
        os.close(descriptor)


def _line(record: t.Mapping[str, t.Any]) -> bytes:
    return f"{json.dumps(record, separators=(',', ':'))}\n".encode()


class Writer:
    """Appends records of many threads. What was appended survives the end of this process, however it ends."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._open = True
        self._torn = False
        #: How many records there was no room for.
        self.lost = 0

    def write(self, kind: str, **values: t.Any) -> None:
        """Append a record, unless the file was closed. A disk that is full costs records, and is no end."""
        with self._lock:
            if not self._open:
                return
            line = (b"\n" if self._torn else b"") + _line({"kind": kind, **values})
            try:
                written = os.write(self._descriptor, line)
            except OSError:
                written = 0
            self.lost += written < len(line)
            self._torn = written < len(line) if written else self._torn

    def close(self) -> None:
        """Let nothing more be appended."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._descriptor)


class Tail:
    """Reads a file of records as it grows."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def read(self) -> t.List[Record]:
        """Return the records that were appended since; only whole lines count."""
        try:
            if os.stat(self._path).st_size <= self._offset:
                return []
            with open(self._path, "rb") as handle:
                handle.seek(self._offset)
                piece = handle.read()
        except FileNotFoundError:
            return []
        self._offset += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [record for record in map(_parse, lines) if record is not None]


def read(path: str) -> t.Iterator[Record]:
    """Yield every whole record of a file; none where there is no file."""
    try:
        with open(path, "rb") as handle:
            for line in handle:
                record = _parse(line)
                if record is not None:
                    yield record
    except FileNotFoundError:
        return


def _parse(line: bytes) -> t.Optional[Record]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("kind"), str) else None
