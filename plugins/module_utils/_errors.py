# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The one error that the engine raises for what it expects to go wrong.

An error says what happened, in which state the host was left, and what to type next. Anything
else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

import typing as t


class HotfixError(Exception):
    """Something an operator can understand and act on.

    Parameters
    ----------
    what:
        What happened, naming the input or the container.
    next_step:
        The next command or edit, in plain words.
    code:
        ``bad_input`` (nothing was touched), ``refused`` (somebody else holds the lease, a guard said no),
        ``nothing_to_do`` or ``failed``.
    left:
        The state the host was left in; "nothing was changed" where that is so.
    evidence:
        Lines that show it, such as the last log lines of a container; secrets are masked already.
    """

    def __init__(
        self,
        what: str,
        *,
        next_step: str,
        code: str = "failed",
        left: str = "Nothing was changed.",
        evidence: str = "",
    ) -> None:
        super().__init__(what)
        self.evidence = evidence
        #: The steps that were made, each with name, seconds and outcome.
        self.steps: t.List[t.Dict[str, t.Any]] = []
        self.what = what
        self.next_step = next_step
        self.code = code
        self.left = left

    def as_result(self) -> t.Dict[str, t.Any]:
        """Return what a module that fails with it returns."""
        return {
            "msg": str(self),
            "what": self.what,
            "outcome": self.code,
            "left": self.left,
            "next_step": self.next_step,
        }

    def __str__(self) -> str:
        message = f"{self.what} {self.left} Next: {self.next_step}"
        return f"{message}\n{self.evidence}" if self.evidence else message


class BadInputError(HotfixError):
    """An input that cannot be right; raised before anything is touched.

    ``place`` are the keys and indexes that lead to it, from the outside, as far as they are known: whoever has the file
    tells the line by them.
    """

    def __init__(self, what: str, *, next_step: str, place: t.Sequence[t.Union[str, int]] = ()) -> None:
        super().__init__(what, next_step=next_step, code="bad_input")
        self.place: t.Tuple[t.Union[str, int], ...] = tuple(place)


class CommandError(HotfixError):
    """A program on the host did not do what it was asked.

    ``output`` is the end of what it printed (stderr first), for the caller to classify.
    """

    def __init__(self, what: str, *, output: str, next_step: str) -> None:
        super().__init__(what, next_step=next_step)
        self.output = output
