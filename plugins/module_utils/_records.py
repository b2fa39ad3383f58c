# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The releases of a host: their records, which one is current, which one to go back to."""

from __future__ import annotations

import os
import shutil
import typing as t
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _names, _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError

#: The slots: the app's own Compose project, and the two colours beside it.
OWN = "own"
BLUE = "blue"
GREEN = "green"
SLOTS = (OWN, BLUE, GREEN)
#: Where an image came from that no registry had: over SSH, from the engine that built it.
TRANSFERRED = "transferred"
_AT_REST = (_states.SUPERSEDED, _states.VOIDED, _states.FAILED)
#: So many releases that were live last keep their record, whatever became of them.
RECORDS_KEPT = 20
#: The states that a record still knows of; those before them are in the journal alone.
HISTORY_KEPT = 60
#: How the name of a folder ends that is on its way out.
_GONE = ".gone"


@dataclass(frozen=True)
class Image:
    """What a service of a release runs.

    ``reference`` is what was asked for (``repository:tag``), ``digest`` the registry's ``repository@sha256:…``
    where one had it, ``image_id`` the content on this host. ``migration`` and ``revision`` come from its labels.
    ``source`` is ``transferred`` where it was sent to the host without a registry.
    """

    reference: str
    image_id: str
    digest: t.Optional[str] = None
    migration: t.Optional[str] = None
    revision: t.Optional[str] = None
    source: t.Optional[str] = None

    @property
    def pin(self) -> str:
        """The name that cannot move: the digest, or the image ID where no registry had it."""
        return self.digest or self.image_id


@dataclass
class Release:
    """An immutable set of images and configuration, and the states it went through."""

    id: str
    version: str
    images: t.Dict[str, Image]
    operator: str
    reason: str
    created: str
    config_hash: str
    state: str = "absent"
    #: How it became current last: ``adopt``, ``deploy`` or ``rollback``, and what ran before it.
    arrived_by: t.Optional[str] = None
    came_from: t.Optional[str] = None
    #: Counts how often anything became current on this host; the newest has the highest. No clock is asked.
    live_number: int = 0
    was_confirmed: bool = False
    #: The slot that it was started in last.
    slot: str = OWN
    #: Whether its containers were started from its record. Those of release zero were there before.
    started: bool = False
    #: The backup that was made, or found fresh, before it was deployed.
    backup: t.Optional[str] = None
    history: t.List[t.Dict[str, t.Any]] = field(default_factory=list)

    @property
    def migrations(self) -> t.Dict[str, str]:
        """Declared migrations other than none, by service."""
        return {name: i.migration for name, i in self.images.items() if i.migration and i.migration != "none"}

    @property
    def transferred(self) -> t.List[str]:
        """The services whose images came without a registry."""
        return sorted(name for name, image in self.images.items() if image.source == TRANSFERRED)

    @property
    def own_images(self) -> t.List[str]:
        """The services whose images have this version as their tag; an emergency build keeps those of the others."""
        return sorted(name for name, image in self.images.items() if image.reference.endswith(f":{self.version}"))

    @property
    def is_good(self) -> bool:
        """Confirmed once, and not rolled back from since: a rollback may go there."""
        return self.was_confirmed and self.state in (_states.LIVE, _states.CONFIRMED, _states.SUPERSEDED)

    def advance(self, state: str, *, at: str, operator: str, why: str) -> None:
        """Enter *state*, or raise when the state machine does not allow it."""
        _states.check(self.id, self.state, state)
        self.state = state
        self.was_confirmed = self.was_confirmed or state == _states.CONFIRMED
        self.history.append({"state": state, "at": at, "operator": operator, "why": why})
        # One that is gone back to again and again must not grow with it: every look reads it.
        del self.history[:-HISTORY_KEPT]

    def summary(self) -> t.Dict[str, t.Any]:
        """Return what reports and return values show of it."""
        return {
            "id": self.id,
            "version": self.version,
            "state": self.state,
            "slot": self.slot,
            "images": {name: image.pin for name, image in sorted(self.images.items())},
            "image_ids": {name: image.image_id for name, image in sorted(self.images.items())},
            "revisions": {name: image.revision for name, image in sorted(self.images.items()) if image.revision},
            "transferred": self.transferred,
            "operator": self.operator,
            "reason": self.reason,
            "created": self.created,
            "arrived_by": self.arrived_by,
            "came_from": self.came_from,
        }


def _known(kind: t.Any, data: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    # A field that a later version added does not make a record unreadable to this one.
    return {name: value for name, value in data.items() if name in kind.__dataclass_fields__}


def _from_json(data: t.Any, release_id: str) -> t.Optional[Release]:
    try:
        images = {name: Image(**_known(Image, image)) for name, image in data["images"].items()}
        release = Release(**{**_known(Release, data), "images": images})
    except (TypeError, KeyError, AttributeError):
        return None
    return release if release.id == release_id and release.state in _states.TRANSITIONS else None


class Releases:
    """The folder ``releases/`` of an app, and the link ``current`` beside it."""

    def __init__(self, app_dir: Path) -> None:
        self._app_dir = app_dir
        self._folder = app_dir / "releases"
        self._link = app_dir / "current"

    def folder(self, release_id: str) -> Path:
        """Return the folder of one release."""
        return self._folder / _names.release_id(release_id)

    def compose_file(self, release_id: str) -> Path:
        """Return the rendered Compose file of one release."""
        return self.folder(release_id) / "compose.yml"

    def env_file(self, release_id: str) -> Path:
        """Return the snapshot of ``.env`` that one release has."""
        return self.folder(release_id) / ".env"

    def new_id(self, now: datetime, label: str) -> str:
        """Make an ID that no release has yet: two of one label may be made within a second."""
        release_id = _names.new_release_id(now, label)
        while self.folder(release_id).exists():
            now += timedelta(seconds=1)
            release_id = _names.new_release_id(now, label)
        return release_id

    def save(self, release: Release) -> None:
        """Write the record, atomically."""
        _files.make_folder(self._folder)
        _files.make_folder(self.folder(release.id))
        _files.write_json(self.folder(release.id) / "release.json", asdict(release))

    def find(self, release_id: t.Optional[str]) -> t.Optional[Release]:
        """Return the release, or ``None`` where there is none by that name or its record is damaged."""
        if not isinstance(release_id, str) or not _names.is_release_id(release_id):
            return None
        return _from_json(_files.read_json(self.folder(release_id) / "release.json"), release_id)

    def names(self) -> t.List[str]:
        """Return the IDs of all release folders, oldest first."""
        try:
            return sorted(entry for entry in os.listdir(str(self._folder)) if not entry.startswith("."))
        except FileNotFoundError:
            return []

    def all(self) -> t.List[Release]:
        """Return every readable release, the one that was live last first."""
        found = [self.find(name) for name in self.names()]
        return sorted((r for r in found if r), key=lambda r: (r.live_number, r.id), reverse=True)

    def dispensable(self, good: int) -> t.List[Release]:
        """Return what nothing goes back to any more: at rest, and neither recent nor among the last *good* ones."""
        every = self.all()
        current = self.current()
        wanted = {current.id, current.came_from} if current else set()
        wanted |= {r.id for r in every[:RECORDS_KEPT]}
        wanted |= {r.id for r in [r for r in every if r.is_good][: good + 1]}
        return [r for r in every if r.id not in wanted and r.state in _AT_REST]

    def forget(self, release: Release) -> None:
        """Remove the folder of a release, and what a crash left of one: it is no release from the first moment on."""
        os.rename(str(self.folder(release.id)), str(self._folder / f".{release.id}{_GONE}"))
        for name in os.listdir(str(self._folder)):
            if name.startswith(".") and name.endswith(_GONE):
                shutil.rmtree(str(self._folder / name), ignore_errors=True)

    def damaged(self) -> t.List[str]:
        """Return the IDs of folders whose record cannot be read."""
        return [name for name in self.names() if self.find(name) is None]

    def get(self, release_id: str) -> Release:
        """Return the release, or raise an error that lists the known ones."""
        release = self.find(release_id)
        if release is None:
            known = ", ".join(r.id for r in self.all()) or "none"
            raise BadInputError(
                f"Release {release_id!r} is not known on this host (known: {known}).",
                next_step="name one of the known releases, or none to take the last known good one.",
            )
        return release

    def current(self) -> t.Optional[Release]:
        """Return the current release; ``None`` before the first contact, or where the link leads nowhere."""
        try:
            target = os.readlink(str(self._link))
        except (FileNotFoundError, OSError):
            return None
        return self.find(Path(target).name)

    def is_linked(self) -> bool:
        """Tell whether the link leads to a folder: where nothing is current then, it is the record that is lost."""
        return self._link.is_dir()

    def managed(self) -> bool:
        """Tell whether a release was ever made current here, even if the link dangles now."""
        return os.path.islink(str(self._link)) or any(r.live_number for r in self.all())

    def make_current(self, release: Release, *, by: str, came_from: t.Optional[str]) -> None:
        """Point ``current`` at *release* and remember how it came there."""
        release.live_number = max((r.live_number for r in self.all()), default=0) + 1
        release.arrived_by = by
        release.came_from = came_from
        self.save(release)
        _files.replace_symlink(self._link, f"releases/{release.id}")

    def last_known_good(self, *, excluding: t.Iterable[str]) -> t.Optional[Release]:
        """Return the newest release that was confirmed and is neither voided nor excluded.

        Newest is the one that was live last, by count: neither file times nor clocks are asked.
        """
        skip = set(excluding)
        return next((r for r in self.all() if r.is_good and r.id not in skip), None)

    def newest_live(self) -> t.Optional[Release]:
        """Return what was current last and was not rolled back from."""
        return next((r for r in self.all() if r.live_number and r.state != _states.VOIDED), None)

    def repair_current(self) -> t.Optional[Release]:
        """Point a lost link at what was current last; return that, or ``None`` where there was nothing to do."""
        newest = self.newest_live()
        if self.current() is None and newest is not None:
            _files.replace_symlink(self._link, f"releases/{newest.id}")
            return newest
        return None

    def require_rollback_target(self, *, excluding: t.Iterable[str]) -> Release:
        """Return the last known good release, or raise an error that says why there is none."""
        target = self.last_known_good(excluding=excluding)
        if target is not None:
            return target
        seen = ", ".join(f"{r.id} is {r.state}" for r in self.all()) or "no release is recorded here"
        raise HotfixError(
            f"There is nothing to roll back to: no other release was ever confirmed and not rolled back from ({seen}).",
            code="nothing_to_do",
            next_step="deploy a good version (playbooks/deploy.yml -e version=…), "
            "or go to a recorded release by its ID (-e release=…).",
        )
