# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was to be reached, what was measured, and whether it was; one form for all benchmarks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Limit:
    """A number that may be at most `limit`, or at least that where `least` is set. None is what never came about."""

    what: str
    value: float | None
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def good(self) -> bool:
        """Whether it was kept."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.least else self.value <= self.limit

    @property
    def shown(self) -> str:
        """What was measured."""
        return "never" if self.value is None else f"{self.value:.2f}{self._unit}"

    @property
    def allowed(self) -> str:
        """What was to be reached."""
        return f"at {'least' if self.least else 'most'} {self.limit:.2f}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def arguments(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", type=Path, help="also write every number to this file")
    return parser


def judge(limits: Sequence[Limit], numbers: Mapping[str, Any], file: Path | None) -> int:
    """Tell which limits were kept, write it all to *file*, and return the exit code: 1 where one was missed."""
    print()
    for one in limits:
        print(f"{'ok      ' if one.good else 'MISSED  '} {one.what}: {one.shown}, {one.allowed}")
    if file:
        now = f"{datetime.now(UTC):%Y-%m-%d}"
        found = {"measured": now, "limits": [asdict(one) for one in limits], **numbers}
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if all(one.good for one in limits) else 1
