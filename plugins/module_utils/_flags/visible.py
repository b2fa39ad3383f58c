# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""A request as a user makes it, whose answer must change with the flag."""

from __future__ import annotations

import json
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import short
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Endpoint, TroubleError, ask


@dataclass(frozen=True)
class Expected:
    """What the answer is in one state of the flag. Whatever is not given is not looked at."""

    status: t.Optional[int] = None
    contains: t.Optional[str] = None

    @property
    def says(self) -> str:
        """Say it in words."""
        parts = [f"status {self.status}"] if self.status is not None else []
        parts += [f"{self.contains!r} in the answer"] if self.contains is not None else []
        return " and ".join(parts)

    def fits(self, status: int, text: str) -> bool:
        """Tell whether an answer is as expected."""
        return (self.status is None or self.status == status) and (self.contains is None or self.contains in text)


@dataclass(frozen=True)
class VisibleCheck:
    """The request, and the answer that each state must give."""

    endpoint: Endpoint
    path: str
    method: str
    body: t.Any
    enabled: Expected
    disabled: Expected

    def fits(self, on: bool) -> t.Tuple[bool, str]:
        """Make the request; return whether the answer is that of the state, and what it was."""
        body = None if self.body is None else json.dumps(self.body).encode()
        try:
            reply = ask(self.endpoint, self.path, method=self.method, body=body)
        except TroubleError as exc:
            return False, exc.what
        expected = self.enabled if on else self.disabled
        other = self.disabled if on else self.enabled
        text = reply.text()
        good = expected.fits(reply.status, text) and not (other.says and other.fits(reply.status, text))
        return good, f"{self.endpoint.said} answered {reply.status}"

    def wants(self, on: bool) -> str:
        """Say what the answer must be."""
        expected, other = (self.enabled, self.disabled) if on else (self.disabled, self.enabled)
        return f"{expected.says or f'anything but {other.says}'} while the flag is {short(on)}"


def path_of(parts: urllib.parse.SplitResult) -> str:
    """Return what follows the host in a URL."""
    return urllib.parse.quote(
        urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")), safe="/%?:@!$&'()*+,;=~"
    )
