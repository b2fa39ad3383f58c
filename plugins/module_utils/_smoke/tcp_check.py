# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``tcp``: something listens at a port, and says what it should where it speaks first."""

from __future__ import annotations

import re
import socket
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import usable_address
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.dial import (
    Place,
    Watch,
    place,
    reach,
    trouble_at,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import regex, show
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil

HOST = False
KEYS = ("connect", "banner")
#: Bytes of a banner.
_BANNER_LIMIT = 4096
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class TcpCheck(Check):
    """Connects to a host and port, or to a port of the target; the rest of the target's URL does not matter."""

    host: t.Optional[str]
    at_port: t.Optional[int]
    banner: t.Optional[str]

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Make one attempt."""
        timeout = min(self.timeout, around.left())
        if timeout <= 0:
            return Outcome(ERROR, "the time of the whole run was over")
        end = time.monotonic() + timeout
        host, port = place(target)
        where: Place = (self.host or host, self.at_port or port)
        said = f"[{where[0]}]:{where[1]}" if ":" in where[0] else f"{where[0]}:{where[1]}"
        outcome = Outcome(PASSED, "")
        watch = Watch(outcome.phases)
        try:
            with reach(where, end, watch) as raw:
                outcome.message = f"{said} takes connections"
                outcome.evidence = {"connect": said}
                if self.banner is not None:
                    with watch.phase("transfer"):
                        self._look(raw, end, timeout, outcome, Veil(around.values().values()))
        except (OSError, UnicodeError) as exc:
            outcome.status, outcome.message = ERROR, trouble_at(said, exc, end, timeout)
        return outcome

    def _look(self, raw: socket.socket, end: float, timeout: float, outcome: Outcome, veil: Veil) -> None:
        """Read the banner, and compare it."""
        wanted = str(self.banner)
        text, hung_up = _banner(raw, wanted, end)
        outcome.evidence["banner"] = veil.body(text)
        if re.search(wanted, text):
            outcome.message += " and says what it should"
            return
        got = "hangs up without a word" if hung_up else f"says nothing within {timeout:g} s"
        if text:
            got = f"says {show(veil.body(text.strip())[:60])}"
        outcome.status = FAILED
        outcome.message += f", but {got}, nothing matching {show(wanted)}"


def _banner(raw: socket.socket, wanted: str, end: float) -> t.Tuple[str, bool]:
    """Read until what is wanted has come, it hangs up, or time is over; return the text, and whether it hung up."""
    data, hung_up = b"", False
    while len(data) < _BANNER_LIMIT and time.monotonic() < end:
        raw.settimeout(max(0.01, end - time.monotonic()))
        try:
            piece = raw.recv(_BANNER_LIMIT - len(data))
        except socket.timeout:
            break
        except OSError:
            piece = b""
        hung_up = not piece
        data += piece
        if hung_up or re.search(wanted, data.decode("utf-8", errors="replace")):
            break
    return data.decode("utf-8", errors="replace"), hung_up


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], _secrets: t.Collection[str]) -> TcpCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    banner = fields.text(raw, "banner", said) if "banner" in raw else None
    if banner is not None:
        with fields.within("banner"):
            regex(banner, f"{said}: banner")
    host, port = _connect(raw, said) if "connect" in raw else (None, None)
    return TcpCheck(**common, host=host, at_port=port, banner=banner)


@fields.within("connect")
def _connect(raw: t.Mapping[str, t.Any], said: str) -> t.Tuple[t.Optional[str], t.Optional[int]]:
    """Return host and port of ``host:port``, or the port alone of the target's host."""
    given = raw["connect"]
    if isinstance(given, int) or (isinstance(given, str) and _PORT.fullmatch(given)):
        return None, fields.whole(raw, "connect", said, 0, 1, 65535)
    found = usable_address(given, f"connect of {said}") if isinstance(given, str) else None
    if found is None:
        raise BadInputError(
            f"{said}: connect cannot be {given!r}.", next_step="give host:port, or the port of the target alone."
        )
    return found
