# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""``schema.json``: which migrations were run on the database of this host, by which release, after which backup.

An entry knows which releases had been live when it was run. One of those meets a schema that is newer than it when it
comes back; every other release was deployed onto it. No clock is asked for that.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.state import State

NONE = "none"
COMPATIBLE = "compatible"
INCOMPATIBLE = "incompatible"
UNDECLARED = "undeclared"

BEGUN = "begun"
DONE = "done"
FAILED = "failed"


@dataclass
class Entry:
    """One migration of the database.

    ``kind`` is seen from the code that ran before it. ``backup`` is the dump of just before, ``before`` the releases
    that had been live by then. ``by_hand`` says that the release only declares it: nothing was run by us.
    ``elsewhere`` says that it was run on the host of the database, which knows more.
    """

    release: str
    kind: str
    at: str
    before: t.List[str]
    backup: t.Optional[str] = None
    outcome: str = BEGUN
    reason: str = ""
    by_hand: bool = False
    elsewhere: bool = False
    state_before: t.Optional[t.Sequence[t.Optional[str]]] = None
    state_after: t.Optional[t.Sequence[t.Optional[str]]] = None

    @property
    def first_state(self) -> t.Optional[State]:
        """The schema before it, where that was looked at."""
        return State.of_json(self.state_before)

    @property
    def last_state(self) -> t.Optional[State]:
        """The schema after it, where that was looked at."""
        return State.of_json(self.state_after)


@dataclass
class Restore:
    """A restore that was carried out: what it undid, and which releases there were."""

    at: str
    backup: str
    kept_as: str
    operator: str
    undone: t.List[Entry]
    known: t.List[str]


@dataclass
class Log:
    """Everything that is known of the schema. ``damaged`` says that there was a file that could not be read."""

    entries: t.List[Entry] = field(default_factory=list)
    restores: t.List[Restore] = field(default_factory=list)
    damaged: bool = False

    def of(self, release: str) -> t.Optional[Entry]:
        """Return the newest entry of a release."""
        return next((e for e in reversed(self.entries) if e.release == release), None)

    def newer_than(self, release: str) -> t.List[Entry]:
        """Return what was applied since *release* was live, oldest first."""
        return [e for e in self.entries if release in e.before and e.release != release]

    def blocking(self, release: str) -> t.List[Entry]:
        """Return what *release* cannot live with of that."""
        return [e for e in self.newer_than(release) if e.kind != COMPATIBLE]

    def undo(self, first: int, *, at: str, backup: str, kept_as: str, operator: str, known: t.List[str]) -> None:
        """Write down, in memory, that a restore undid the entries from the one with the index *first* on."""
        self.restores.append(Restore(at, backup, kept_as, operator, self.entries[first:], known))
        self.entries = self.entries[:first]

    def missing_for(self, release: str) -> t.List[Entry]:
        """Return what *release* had, and a restore took away since."""
        present = {e.last_state for e in self.entries if e.last_state}
        return [
            entry
            for restore in self.restores
            if release in restore.known
            for entry in restore.undone
            if release not in entry.before and (entry.last_state is None or entry.last_state not in present)
        ]

    def was_undone(self, release: str) -> bool:
        """Tell whether a restore undid the migration of *release*."""
        return any(entry.release == release for restore in self.restores for entry in restore.undone)

    def unfinished(self) -> t.List[Entry]:
        """Return the entries of migrations of which nobody wrote down how they ended."""
        return [e for e in self.entries if e.outcome == BEGUN]


def file(app_dir: Path) -> Path:
    """Return where it is."""
    return app_dir / "schema.json"


def restore_file(app_dir: Path) -> Path:
    """Return where a restore that was begun is written down."""
    return app_dir / "restore.json"


def read(app_dir: Path) -> Log:
    """Read it; nothing is known where there is none."""
    data = _files.read_json(file(app_dir))
    if data is None:
        return Log(damaged=file(app_dir).exists())
    try:
        return Log(
            [_entry(item) for item in data["entries"]],
            [Restore(**{**item, "undone": [_entry(e) for e in item["undone"]]}) for item in data["restores"]],
        )
    except (TypeError, KeyError):
        return Log(damaged=True)


def write(app_dir: Path, log: Log) -> None:
    """Write it, atomically. One that could not be read is kept beside."""
    if log.damaged and file(app_dir).exists():
        file(app_dir).replace(file(app_dir).with_suffix(".json.damaged"))
    _files.write_json(
        file(app_dir), {"entries": [asdict(e) for e in log.entries], "restores": [asdict(r) for r in log.restores]}
    )


def _entry(data: t.Mapping[str, t.Any]) -> Entry:
    return Entry(**{name: value for name, value in data.items() if name in Entry.__dataclass_fields__})
