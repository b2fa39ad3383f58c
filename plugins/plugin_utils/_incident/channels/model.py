# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every channel has: how it is declared, what it is told, and how it says that it could not be told."""

from __future__ import annotations

import abc
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.message import Message

#: The moments of an incident that somebody may be told of.
MOMENTS = ("opened", "mitigated", "resolved", "failed")
#: Seconds that one attempt may take where a channel does not say otherwise.
TIMEOUT = 10.0


class UndeliveredError(Exception):
    """One attempt came to nothing.

    ``again`` tells whether another one may help, ``after`` how many seconds the server asked to be left alone.
    """

    def __init__(self, what: str, *, status: int | None = None, again: bool = False, after: float = 0.0) -> None:
        super().__init__(what)
        self.what = what
        self.status = status
        self.again = again
        self.after = after


def line(text: str) -> str:
    """Return what a server said as one line that a terminal shows as it is."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


@dataclass(frozen=True)
class Channel(abc.ABC):
    """Somebody who is told. Its ``repr`` shows no secret."""

    type: t.ClassVar[str]
    name: str
    on: tuple[str, ...]
    timeout: float
    #: As it was declared, for the process that sends.
    raw: t.Mapping[str, t.Any] = field(repr=False)

    @property
    @abc.abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown anywhere."""

    @property
    def sent(self) -> tuple[str, ...]:
        """Return what a server may repeat that must not be shown, though it may be a plain word."""
        return self.secrets

    @abc.abstractmethod
    def send(self, message: Message) -> int | None:
        """Make one attempt; return the status of an answer that accepts it."""
