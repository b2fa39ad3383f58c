# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of incidents: found, opened, appended to, read and merged, by processes that may die at any moment.

The lines of ``events.jsonl`` are the only truth, and none is ever changed. The index beside the incidents only saves
reading them all; it may be removed at any time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import time
import typing as t
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock, _files
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import (
    BadInputError,
    IncidentError,
    told,
)

Event = E.Event
Reference = dict[str, t.Any]

#: What asks for an incident of its own, where the ID of one may stand.
NEW = "new"
DAY = 24 * 3600.0
EVENTS = "events.jsonl"
EVIDENCE = "evidence"
EVIDENCE_CAP = 64 * 1024 * 1024

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}")
_INDEX = ".index.json"
_INDEX_VERSION = 1
_LOCK = ".lock"
_UNBORN = ".new-"
_BLOCK = 1024 * 1024
_MERGED_AT_ONCE = 4 * 1024 * 1024
# Whoever holds a lock holds it for milliseconds. One that was stopped must not hold up a rescue.
_LOCK_WAIT = 2.0
_NAMED = 10
# An index that lags behind by less is as quick.
_INDEX_LAG = 64 * 1024
_MARKED = 512
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# As our own lines spell it; others are parsed.
_RECORDED = re.compile(rb'"recorded":"([0-9TZ:.+-]+)","run":(?:null|"([^"\\]*)"),"seconds":')


def _lock(descriptor: int) -> bool:
    """Take the lock; tell whether we have it. A file system may know none, and its holder may hang."""
    deadline = time.monotonic() + _LOCK_WAIT
    pause = 0.0005
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        except OSError as exc:
            if exc.errno in _NO_LOCKS:
                return False
            raise
        time.sleep(pause)
        pause = min(pause * 1.5, 0.01)


def _write_all(descriptor: int, blob: bytes) -> None:
    view = memoryview(blob)
    while view:
        view = view[os.write(descriptor, view) :]


def _append(descriptor: int, blob: bytes, *, locked: bool) -> None:
    """Write whole lines at the end, durably, or leave the file as it was."""
    size = os.fstat(descriptor).st_size
    if not locked or (size and os.pread(descriptor, 1, size - 1) != b"\n"):
        # A torn line before it keeps to itself. Without the lock nobody knows what the last byte will be.
        blob = b"\n" + blob
    try:
        _write_all(descriptor, blob)
        os.fsync(descriptor)
    except OSError:
        if locked:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
        raise


def _open_plain(name: str | Path, *, folder: int | None = None) -> int:
    """Open what is a regular file; neither a link nor a pipe that somebody put in its place."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def _digest(descriptor: int) -> tuple[str, int]:
    sha256, offset = hashlib.sha256(), 0
    while block := os.pread(descriptor, _BLOCK, offset):
        sha256.update(block)
        offset += len(block)
    return sha256.hexdigest(), offset


def evidence_name(*parts: str) -> str:
    """Make a name for a file of evidence out of what may be the name of anything, such as a host."""
    name = "-".join(cleaned for part in parts if (cleaned := re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.")))
    return name[-110:].lstrip("-.") or "evidence"


def _numbered(name: str, number: int) -> str:
    stem, dot, suffix = name.partition(".")
    return name if number == 1 else f"{stem}-{number}{dot}{suffix}"


@dataclass
class State:
    """What can be told of an incident without reading all of it."""

    id: str
    environment: str | None = None
    #: When it was opened.
    opened: str | None = None
    #: How far it has come: an index into :data:`events.STATES`; -1 before anything was said.
    rank: int = -1
    #: When its last line was written.
    last: str | None = None
    runs: list[str] = field(default_factory=list)
    #: Up to where, and of which file, this was read.
    size: int = 0
    inode: int = 0
    changed: int = 0
    #: A sum of what stands before ``size``: a file that was replaced may have the same inode.
    mark: int = 0

    @property
    def state(self) -> str:
        """Return how far it has come."""
        return E.STATES[max(self.rank, 0)]

    def is_open(self) -> bool:
        """Tell whether runs may join: it began, and is neither resolved nor closed."""
        return 0 <= self.rank < E.STATES.index("resolved")

    def idle(self) -> float:
        """Return the seconds since its last line; none where the clock was set back since."""
        try:
            return max(0.0, (_clock.utc_now() - E.moment(self.last or "")).total_seconds())
        except (TypeError, ValueError):
            return float("inf")

    def see(self, line: bytes) -> None:
        """Take in one more line."""
        short = _RECORDED.search(line)
        if short is None or b'"kind":"opened"' in line or b'"kind":"state"' in line:
            event = E.read(line)
            if event is not None:
                self._take(event)
            return
        self._wrote(short.group(1).decode("ascii"), short.group(2).decode("utf-8", "replace") if short.group(2) else "")

    def _wrote(self, recorded: str, run: str) -> None:
        if self.last is None or recorded > self.last:
            self.last = recorded
        if run and run not in self.runs[-3:] and run not in self.runs:
            self.runs.append(run)

    def _take(self, event: Event) -> None:
        self._wrote(event["recorded"], event["run"] or "")
        if event["kind"] == "opened":
            environment = event["data"].get("environment")
            if self.environment is None and isinstance(environment, str):
                self.environment = environment
            self.opened = min(self.opened or event["at"], event["at"])
            self.rank = max(self.rank, 0)
        elif event["kind"] == "state" and event["data"].get("state") in E.STATES:
            self.rank = max(self.rank, E.STATES.index(event["data"]["state"]))


class Folder:
    """One incident."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        #: Lines that were no whole event when :meth:`events` read last.
        self.damaged = 0

    @property
    def id(self) -> str:
        """Return the ID, which is the name of the folder."""
        return self.path.name

    @property
    def log(self) -> Path:
        """Return the file with the events."""
        return self.path / EVENTS

    # ---------------------------------------------------------------- events

    def append(self, *events: Event) -> None:
        """Write *events*, all in one piece, and return when they are on disk."""
        lines = [E.canonical(event) for event in events]
        for line, event in zip(lines, events, strict=True):
            if len(line) >= E.LINE_CAP:
                raise IncidentError(
                    f"An event of kind {event.get('kind')} has {len(line)} bytes; {E.LINE_CAP} is the most.",
                    next_step="keep what is large as evidence.",
                )
        if lines:
            self._append_lines(lines)

    def _append_lines(self, lines: t.Sequence[bytes]) -> None:
        with told(self.log), self._writer() as (descriptor, locked):
            _append(descriptor, b"\n".join(lines) + b"\n", locked=locked)

    @contextlib.contextmanager
    def _writer(self) -> t.Iterator[tuple[int, bool]]:
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self.log, flags)
        except FileNotFoundError:
            descriptor = os.open(self.log, flags | os.O_CREAT, 0o600)
            _sync(self.path)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            yield descriptor, _lock(descriptor)
        finally:
            os.close(descriptor)

    def raw(self, *, begin: int = 0) -> t.Iterator[bytes]:
        """Yield every line that is not blank, as it was written; of one that is longer than any of ours, the head."""
        with told(self.log, doing="read"):
            try:
                descriptor = _open_plain(self.log)
            except FileNotFoundError:
                return
            with os.fdopen(descriptor, "rb", buffering=_BLOCK // 4) as handle:
                handle.seek(begin)
                while line := handle.readline(E.LINE_CAP + 2):
                    if len(line) > E.LINE_CAP + 1:
                        while (rest := handle.readline(_BLOCK)) and not rest.endswith(b"\n"):
                            pass
                    if stripped := line.strip():
                        yield stripped

    def each(self) -> t.Iterator[Event]:
        """Yield every whole event as it was written; those of one ID are not put together."""
        self.damaged = 0
        for line in self.raw():
            event = E.read(line)
            if event is None:
                self.damaged += 1
            else:
                yield event

    def events(self) -> list[Event]:
        """Return the events, in the order in which their first lines were written; of one ID the one that counts."""
        found: list[Event] = []
        places: dict[str, int] = {}
        for event in self.each():
            place = places.setdefault(event["id"], len(found))
            if place == len(found):
                found.append(event)
            elif E.supersedes(event, found[place]):
                found[place] = event
        return found

    def digest(self) -> str:
        """Return the sha256 of all lines."""
        with told(self.log, doing="read"):
            try:
                descriptor = _open_plain(self.log)
            except FileNotFoundError:
                return hashlib.sha256().hexdigest()
            try:
                return _digest(descriptor)[0]
            finally:
                os.close(descriptor)

    def state(self) -> State:
        """Return what can be told in short."""
        return _look(os.fspath(self.log), self.id, None) or State(self.id)

    # -------------------------------------------------------------- evidence

    @contextlib.contextmanager
    def _evidence(self, *, make: bool) -> t.Iterator[int]:
        """Open the folder of evidence. All in it is reached through this descriptor: no link leads elsewhere."""
        path = self.path / EVIDENCE
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
                _sync(self.path)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def add_evidence(
        self,
        name: str,
        content: str | bytes | Path,
        about: str,
        cap_bytes: int | None = EVIDENCE_CAP,
    ) -> Reference:
        """Keep *content* (a text, bytes, or a copy of a file) and return what an event says of it.

        Of more than *cap_bytes* the end is kept, from a whole line on, and ``cut`` says how many bytes were left out.
        The same name with another content becomes ``name-2``: nothing is ever replaced.
        """
        if _NAME.fullmatch(name) is None:
            raise BadInputError(
                f"{name!r} cannot be the name of evidence: letters, digits, '.', '_' and '-', at most 120, no folder.",
                next_step="give the name of a file.",
            )
        with told(self.path / EVIDENCE / name):
            if isinstance(content, Path):
                source = _open_plain(content)
                try:
                    return self._keep(name, source, about, cap_bytes)
                finally:
                    os.close(source)
            given = content.encode("utf-8", "replace") if isinstance(content, str) else content
            return self._keep(name, given, about, cap_bytes)

    def _keep(self, name: str, source: int | bytes, about: str, cap: int | None) -> Reference:
        with self._evidence(make=True) as folder:
            temporary = f".{os.urandom(6).hex()}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(temporary, flags, 0o600, dir_fd=folder)
            try:
                cut = _copy(source, target, cap)
                os.fsync(target)
                sha256, size = _digest(target)
                kept = _settle(folder, temporary, name, sha256)
                os.fsync(folder)
            finally:
                os.close(target)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
        reference: Reference = {"path": f"{EVIDENCE}/{kept}", "sha256": sha256, "bytes": size, "about": about}
        return {**reference, "cut": cut} if cut else reference

    def intact(self, reference: t.Mapping[str, t.Any]) -> bool:
        """Tell whether the evidence is there, and is what it was."""
        path = reference.get("path")
        if not E.is_evidence_path(path):
            return False
        try:
            with self._evidence(make=False) as folder:
                descriptor = _open_plain(str(path).partition("/")[2], folder=folder)
                try:
                    size = reference.get("bytes")
                    return os.fstat(descriptor).st_size == size and _digest(descriptor)[0] == reference.get("sha256")
                finally:
                    os.close(descriptor)
        except OSError:
            return False

    # ----------------------------------------------------------------- merge

    def said_id(self) -> str:
        """Return the ID that the record itself says, which its folder may have lost on the way here."""
        for line in self.raw():
            if b'"opened"' not in line:
                continue
            event = E.read(line)
            said = event["data"].get("incident") if event and event["kind"] == "opened" else None
            if isinstance(said, str):
                return said
        return self.id

    def merge(self, other: Folder, *, actor: E.Actor | None = None) -> dict[str, int]:
        """Take in what *other*, a record of the same incident by somebody else, has and this one has not.

        Doing it twice adds nothing. ``events`` and ``evidence`` were added, ``damaged`` are lines that are no event,
        ``lacking`` is evidence that is not there or not what its event says; what leads out of its folder is dropped.
        """
        if other.said_id() != self.said_id():
            raise BadInputError(
                f"{other.path} is the record of incident {other.said_id()}, and this is {self.said_id()}.",
                next_step="merge records of one incident: the second operator joins it by its ID (-e incident=…).",
            )
        counts = {"events": 0, "evidence": 0, "damaged": 0, "lacking": 0}
        known = {E.identity(event) for event in self.each()}
        fresh: dict[bytes, Event] = {}
        for event in other.each():
            identity = E.identity(event)
            if identity not in known:
                fresh.setdefault(identity, event)
        counts["damaged"] = other.damaged
        before = self._evidence_names()
        for event in fresh.values():
            event["evidence"] = [self._adopt(other, one, counts) for one in event["evidence"]]
        counts["evidence"] = len(self._evidence_names() - before)
        with told(self.log), self._writer() as (descriptor, locked):
            # Again, now that nobody else writes: two merges of one record may run at once.
            known = {E.identity(event) for event in self.each()}
            fresh = {identity: event for identity, event in fresh.items() if identity not in known}
            counts["events"] = len(fresh)
            for blob in _blobs(fresh.values()):
                _append(descriptor, blob, locked=locked)
        if counts["evidence"] or any(event["kind"] != "merged" for event in fresh.values()):
            # The mark of a merge is none itself: two records that take in one another come to an end.
            self.append(
                E.event(
                    "merged",
                    text=f"The record in {other.path} was merged: {counts['events']} events, "
                    f"{counts['evidence']} files of evidence.",
                    actor=actor or E.tool(),
                    data={"from": str(other.path), "events": counts["events"], "evidence": counts["evidence"]},
                )
            )
        return counts

    def _evidence_names(self) -> set[str]:
        try:
            with self._evidence(make=False) as folder:
                return {name for name in os.listdir(folder) if not name.startswith(".")}
        except FileNotFoundError:
            return set()

    def _adopt(self, other: Folder, reference: Reference, counts: dict[str, int]) -> Reference:
        """Copy one file of evidence, if it is what its event says."""
        name = str(reference["path"]).partition("/")[2]
        if not other.intact(reference) or reference["bytes"] > EVIDENCE_CAP:
            counts["lacking"] += 1
            return reference
        with told(self.path / EVIDENCE / name), other._evidence(make=False) as folder:
            source = _open_plain(name, folder=folder)
            try:
                kept = self._keep(name, source, reference["about"], None)
            finally:
                os.close(source)
        return {**reference, "path": kept["path"]}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _blobs(events: t.Iterable[Event]) -> t.Iterator[bytes]:
    """Yield lines in pieces of some megabytes: a large record needs no second place in memory."""
    lines: list[bytes] = []
    size = 0
    for event in events:
        line = E.canonical(event)
        if len(line) >= E.LINE_CAP:
            continue
        lines.append(line)
        size += len(line)
        if size >= _MERGED_AT_ONCE:
            yield b"\n".join(lines) + b"\n"
            lines, size = [], 0
    if lines:
        yield b"\n".join(lines) + b"\n"


def _copy(source: int | bytes, target: int, cap: int | None) -> int:
    """Copy *source*, or its end; return how many bytes were left out."""
    if isinstance(source, bytes):
        cut = _cut(source[max(0, len(source) - cap - 1) :], len(source), cap) if cap is not None else 0
        _write_all(target, source[cut:])
        return cut
    size = os.fstat(source).st_size
    cut = 0
    if cap is not None and size > cap:
        cut = _cut(os.pread(source, min(cap + 1, _BLOCK), size - cap - 1), size, cap)
    offset = cut
    # Not more than it had when we looked: it may be growing.
    while offset < size and (block := os.pread(source, min(_BLOCK, size - offset), offset)):
        _write_all(target, block)
        offset += len(block)
    return cut


def _cut(tail: bytes, size: int, cap: int) -> int:
    """Return where the end of something begins: *tail* starts one byte before the last *cap* bytes."""
    if size <= cap:
        return 0
    begin = size - cap + max(0, tail.find(b"\n"))
    # A line that is longer than that is cut.
    return begin if begin < size else size - cap


def _settle(folder: int, temporary: str, name: str, sha256: str) -> str:
    """Give the file its name, or that of its equal. No name is ever taken from what has it."""
    number = 1
    while True:
        wanted = _numbered(name, number)
        try:
            os.link(temporary, wanted, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            return wanted
        except FileExistsError:
            pass
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
            # A file system without links. Whoever races us here writes a name of his own, or the same content.
            if not _exists(folder, wanted):
                os.rename(temporary, wanted, src_dir_fd=folder, dst_dir_fd=folder)
                return wanted
        with contextlib.suppress(OSError):
            there = _open_plain(wanted, folder=folder)
            try:
                if _digest(there)[0] == sha256:
                    return wanted
            finally:
                os.close(there)
        number += 1


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _look(log: str, incident: str, known: State | None) -> State | None:
    """Return the state of an incident, reading only what was written since *known*; ``None`` where there is none."""
    try:
        found = os.lstat(log)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    begun = State(incident)
    if known is not None and known.inode == found.st_ino and known.size <= found.st_size:
        if known.changed == found.st_mtime_ns and known.size == found.st_size:
            return known
        begun = known
    for state in (begun, State(incident)):
        with contextlib.suppress(OSError):
            _read_on(log, state)
            state.inode, state.changed = found.st_ino, found.st_mtime_ns
            return state
    return None


def _read_on(log: str, state: State) -> None:
    """Read the whole lines from where *state* ends. A last one that is not whole yet is read the next time."""
    descriptor = _open_plain(log)
    with os.fdopen(descriptor, "rb", buffering=_BLOCK // 4) as handle:
        if _mark(descriptor, state.size) != state.mark:
            raise OSError(errno.ESTALE, "it is not the file that was read before")
        handle.seek(state.size)
        while line := handle.readline(E.LINE_CAP + 2):
            if not line.endswith(b"\n"):
                if len(line) <= E.LINE_CAP + 1:
                    break
            elif len(line) <= E.LINE_CAP + 1:
                state.see(line)
            state.size += len(line)
        state.mark = _mark(descriptor, state.size)


def _mark(descriptor: int, size: int) -> int:
    begin = max(0, size - _MARKED)
    return zlib.crc32(os.pread(descriptor, size - begin, begin))


class Store:
    """The folder that holds the incidents. It is made when the first one is."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    # ------------------------------------------------------------------ find

    def ids(self) -> list[str]:
        """Return the IDs of all incidents, the oldest name first."""
        return sorted(name for name in self._names() if self._has(name))

    def _names(self) -> list[str]:
        with told(self.path, doing="read"):
            try:
                with os.scandir(self.path) as entries:
                    return [e.name for e in entries if _ID.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
            except (FileNotFoundError, NotADirectoryError):
                return []

    def _has(self, name: str) -> bool:
        return os.path.lexists(f"{self.path}/{name}/{EVENTS}")

    def folder(self, incident: str) -> Folder:
        """Return the folder that an incident of this ID has, whether or not it is there."""
        return Folder(self.path / checked_id(incident))

    def has(self, incident: str) -> bool:
        """Tell whether there is an incident of this ID."""
        return _ID.fullmatch(incident) is not None and incident in self._names() and self._has(incident)

    def get(self, incident: str) -> Folder:
        """Return the incident, or raise an error that lists those that there are."""
        folder = self.folder(incident)
        known = self.ids()
        if incident not in known:
            shown = ", ".join(reversed(known[-_NAMED:])) or "none"
            more = f" and {len(known) - _NAMED} older" if len(known) > _NAMED else ""
            raise BadInputError(
                f"There is no incident {incident!r} in {self.path} (there: {shown}{more}).",
                next_step="name one of them, or run in the folder in which it was opened (hotfix_incident_dir).",
            )
        return folder

    def states(self) -> list[State]:
        """Return what can be told in short of every incident, the newest first."""
        index = self._read_index()
        lag = 0
        found: list[State] = []
        base = os.fspath(self.path)
        for incident in self._names():
            known = index.get(incident)
            size = known.size if known else -_INDEX_LAG
            state = _look(f"{base}/{incident}/{EVENTS}", incident, known)
            if state is not None:
                lag += state.size - size
                found.append(state)
        if lag >= _INDEX_LAG or len(found) != len(index):
            self._write_index(found)
        return sorted(found, key=lambda one: (one.opened or "", one.id), reverse=True)

    def open_of(self, environment: str, younger_than: float = DAY) -> Folder | None:
        """Return the newest open incident of an environment to which something was added in so many seconds."""
        return self._newest_open(self.states(), environment, younger_than)

    def of_run(self, run: str) -> Folder | None:
        """Return the incident that holds events of this run."""
        return self._of_run(self.states(), run)

    def _newest_open(self, states: t.Iterable[State], environment: str, younger_than: float) -> Folder | None:
        for state in states:
            if state.environment == environment and state.is_open() and state.idle() < younger_than:
                return Folder(self.path / state.id)
        return None

    def _of_run(self, states: t.Iterable[State], run: str) -> Folder | None:
        return next((Folder(self.path / state.id) for state in states if run in state.runs), None)

    # ----------------------------------------------------------------- index

    def _read_index(self) -> dict[str, State]:
        try:
            found = _files.read_json(self.path / _INDEX)
            if found["version"] != _INDEX_VERSION:
                return {}
            states = [State(*one) for one in found["incidents"]]
            return {state.id: state for state in states if _is_state(state)}
        except (OSError, TypeError, KeyError, RecursionError):
            return {}

    def _write_index(self, states: t.Iterable[State]) -> None:
        # Neither locked nor synced: it may be lost, and whatever it says is held against the files.
        temporary = self.path / f"{_INDEX}.{os.urandom(4).hex()}"
        rows = [
            [s.id, s.environment, s.opened, s.rank, s.last, s.runs, s.size, s.inode, s.changed, s.mark] for s in states
        ]
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _write_all(descriptor, json.dumps({"version": _INDEX_VERSION, "incidents": rows}).encode("ascii"))
            finally:
                os.close(descriptor)
            os.replace(temporary, self.path / _INDEX)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    # ------------------------------------------------------------------ open

    def create(
        self, environment: str, incident: str | None = None, opened: t.Callable[[str], Event] | None = None
    ) -> Folder:
        """Make an incident, under *incident* or a new ID. *opened* is given the ID and makes the first event."""
        if incident is not None:
            checked_id(incident)
        with self._locked() as locked:
            if locked:
                self._clear()
            return self._create(environment, incident, opened)

    def open_or_join(
        self,
        environment: str,
        run: str,
        wanted: str | None,
        opened: t.Callable[[str], Event],
        younger_than: float = DAY,
    ) -> tuple[Folder, bool]:
        """Return the incident of this run, and whether it was opened for it.

        It is the one that already holds the run, else the one *wanted*, else the newest open one of the environment,
        else a new one. An ID that is *wanted* and not there opens an incident of that ID: a second operator, with a
        folder of his own, records the incident of the first one, and the two records are merged later.
        """
        named = checked_id(wanted) if wanted and wanted != NEW else None
        found = self.of_run(run)
        if found is not None:
            return found, False
        with self._locked() as locked:
            # Somebody may have opened it since.
            states = self.states()
            found = self._of_run(states, run)
            if found is None and named is not None and self.has(named):
                found = self.folder(named)
            elif found is None and not wanted:
                found = self._newest_open(states, environment, younger_than)
            if found is not None:
                return found, False

            def of_this_run(incident: str) -> Event:
                event = opened(incident)
                return {**event, "run": event.get("run") or run}

            if locked:
                self._clear()
            return self._create(environment, named, of_this_run), True

    @contextlib.contextmanager
    def _locked(self) -> t.Iterator[bool]:
        """Take the lock for finding or opening. Whoever hangs with it holds nobody up: then it is done without."""
        with told(self.path):
            _files.make_folder(self.path)
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with told(self.path):
                locked = _lock(descriptor)
            yield locked
        finally:
            os.close(descriptor)

    def _clear(self) -> None:
        """Remove what a process left that was killed while it opened one. We have the lock: nobody opens one now."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.path):
                if name.startswith(_UNBORN):
                    shutil.rmtree(self.path / name, ignore_errors=True)

    def _create(self, environment: str, wanted: str | None, opened: t.Callable[[str], Event] | None) -> Folder:
        with told(self.path):
            incident = wanted or new_incident_id(environment)
            while os.path.lexists(self.path / incident):
                if wanted:
                    raise BadInputError(
                        f"There is an incident {wanted!r} in {self.path} already.",
                        next_step="name another ID, or leave it out: one is made then.",
                    )
                incident = new_incident_id(environment)
            lines = []
            if opened is not None:
                event = opened(incident)
                event = {**event, "data": {**event["data"], "incident": incident}}
                if event["data"].get("environment") is None:
                    event["data"]["environment"] = environment
                lines.append(E.canonical(event))
            # It appears with its first event or not at all.
            unborn = self.path / f"{_UNBORN}{os.urandom(6).hex()}"
            os.mkdir(unborn, 0o700)
            try:
                descriptor = os.open(unborn / EVENTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    _write_all(descriptor, b"".join(line + b"\n" for line in lines))
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                os.rename(unborn, self.path / incident)
            except BaseException:
                shutil.rmtree(unborn, ignore_errors=True)
                raise
            _sync(self.path)
        return Folder(self.path / incident)


def checked_id(incident: str) -> str:
    """Return *incident* when it can be the ID of one."""
    if _ID.fullmatch(incident) is None or incident == NEW:
        raise BadInputError(
            f"{incident!r} cannot be the ID of an incident: letters, digits, '.', '_' and '-', at most 64, the first a "
            f"letter or digit, and not {NEW!r}.",
            next_step="give an ID as in 20260102T030405Z-production-1a2b, or leave it out: one is made then.",
        )
    return incident


def new_incident_id(environment: str) -> str:
    """Make an ID: a UTC time that sorts, where it is, and what tells it from another of that second."""
    where = re.sub(r"[^A-Za-z0-9._-]+", "-", environment).strip("-.")[:40]
    return "-".join(filter(None, (f"{_clock.utc_now():%Y%m%dT%H%M%SZ}", where, os.urandom(2).hex())))


def _is_state(state: State) -> bool:
    texts = (state.environment, state.opened, state.last)
    return (
        isinstance(state.id, str)
        and all(one is None or isinstance(one, str) for one in texts)
        and isinstance(state.runs, list)
        and all(
            isinstance(one, int) and not isinstance(one, bool)
            for one in (state.rank, state.size, state.inode, state.changed, state.mark)
        )
        and -1 <= state.rank < len(E.STATES)
        and state.size >= 0
    )
