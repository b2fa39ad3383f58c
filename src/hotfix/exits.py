# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exit codes. docs/cli.md lists them; scripts may rely on them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED_UNCHANGED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    SWITCHED_BACK = 4
    PARTIAL = 5
    COULD_NOT_LOOK = 6
    REFUSED = 7
    FAILED_CHANGED = 8
    NOT_RUN = 9
    TIMED_OUT = 124
    CANCELLED = 130

    @property
    def word(self) -> str:
        """The code's name, as the JSON document has it."""
        return self.name.lower()


#: What each code says, in a sentence.
MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED_UNCHANGED: "failed, and nothing was changed",
    Exit.USAGE: "bad usage: nothing was touched",
    Exit.NOTHING_TO_DO: "nothing to do",
    Exit.SWITCHED_BACK: "failed, and every host was switched back",
    Exit.PARTIAL: "partly done",
    Exit.COULD_NOT_LOOK: "could not look",
    Exit.REFUSED: "refused",
    Exit.FAILED_CHANGED: "failed after something was changed",
    Exit.NOT_RUN: "the playbook could not be run",
    Exit.TIMED_OUT: "timed out",
    Exit.CANCELLED: "cancelled",
}


class UsageError(Exception):
    """What was typed cannot be right. The text names the input, the reason and the next step."""
