# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An app folder, a clock that tests set, and a way to make releases without Docker."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release, Releases


class SetClock(Clock):
    """A clock that only moves when told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        self._steady = 0.0

    def now(self) -> datetime:
        return self._now

    def steady(self) -> float:
        return self._steady

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._steady += seconds


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


class Maker:
    """Makes releases that went through the given states, in their order."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self._second = 0

    def __call__(self, version: str, *states: str, by: str = "deploy", came_from: t.Optional[str] = None) -> Release:
        self._second += 1
        release = Release(
            id=f"20260102T0304{self._second:02d}Z-{version}",
            version=version,
            images={"backend": Image(f"registry.example.com/backend:{version}", f"sha256:{version}")},
            operator="ann@laptop",
            reason="",
            created="2026-01-02T03:04:05.000Z",
            config_hash=version,
        )
        for state in states:
            release.advance(state, at=release.created, operator=release.operator, why="test")
            if state == _states.LIVE:
                self._releases.make_current(release, by=by, came_from=came_from)
        self._releases.save(release)
        return release


@pytest.fixture
def make(releases: Releases) -> Maker:
    return Maker(releases)
