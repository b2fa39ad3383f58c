# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the clock of a host is from that of the controller."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import FAILED, PASSED, WARNING, Found

#: From here on a lease is taken for one that has run out, or for one that is held for ever.
_MINUTE = 60.0


class Bounds(t.NamedTuple):
    """The least and the most seconds by which a host's clock is ahead; they are negative where it is behind."""

    least: float
    most: float

    @classmethod
    def of(cls, before: float, began: float, ended: float, after: float) -> Bounds:
        """Return them from the controller's times around the module, and the host's within it.

        The way there and the way back take something, and nobody knows which of them how much.
        """
        return cls(ended - after, began - before)

    @property
    def surely(self) -> float:
        """Return by how much it differs at least; 0 where it may not differ at all."""
        if self.least <= 0.0 <= self.most:
            return 0.0
        return self.least if self.least > 0.0 else self.most

    @property
    def perhaps(self) -> float:
        """Return by how much it differs at most."""
        return max(abs(self.least), abs(self.most))


def judge(bounds: Bounds, allowed: float) -> Found:
    """Say what a difference means; *allowed* are seconds."""
    seconds = bounds.surely
    if abs(seconds) <= allowed:
        return Found(PASSED, f"It differs by {bounds.perhaps:.1f} s from the controller's at most.")
    how = "ahead of" if seconds > 0 else "behind"
    return Found(
        FAILED if abs(seconds) >= _MINUTE else WARNING,
        f"It is at least {abs(seconds):.1f} s {how} the controller's.",
        "have both follow a time server (timedatectl set-ntp true), and see which of the two is wrong.",
    )
