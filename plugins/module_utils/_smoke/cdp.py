# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Speaks the Chrome DevTools Protocol over a pair of pipes: JSON messages, each ended by a NUL byte."""

from __future__ import annotations

import json
import os
import select
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json

#: Bytes of one message. A screenshot is the largest that is wanted; a page can make the browser send larger ones.
MESSAGE_LIMIT = 32 * 1024 * 1024
_CHUNK = 1 << 18

Params = t.Dict[str, t.Any]
#: Method, parameters and session of an event.
Handler = t.Callable[[str, Params, str], None]


class GoneError(Exception):
    """The browser ended, or closed the pipe."""


class LateError(Exception):
    """No answer came in time."""


class RefusedError(Exception):
    """The browser did not do what a command said."""


class Connection:
    """One end of the pipes. It is used by one thread; events are handled while somebody waits."""

    def __init__(self, reading: int, writing: int, handler: Handler) -> None:
        self._reading = reading
        self._writing = writing
        self._handler = handler
        self._buffer = bytearray()
        self._looked_at = 0
        self._skipping = False
        self._number = 0
        self._answers: t.Dict[int, Params] = {}
        self._awaited: t.Set[int] = set()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)

    def close(self) -> None:
        """Close the pipes."""
        os.close(self._reading)
        os.close(self._writing)

    def send(self, method: str, params: t.Optional[Params] = None, session: str = "", *, end: float) -> int:
        """Send a command whose answer nobody needs. *end* is monotonic seconds."""
        self._number += 1
        message: Params = {"id": self._number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        rest = memoryview(json.dumps(message).encode() + b"\0")
        while rest:
            _wait(self._writing, select.POLLOUT, end)
            try:
                rest = rest[os.write(self._writing, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise GoneError from None
        return self._number

    def ask(self, method: str, params: t.Optional[Params] = None, session: str = "", *, end: float) -> int:
        """Send a command whose answer :meth:`answer` returns later."""
        number = self.send(method, params, session, end=end)
        self._awaited.add(number)
        return number

    def answer(self, number: int) -> t.Optional[Params]:
        """Return the answer to a command when it is there, or raise what the browser says against it."""
        found = self._answers.pop(number, None)
        if found is not None and "error" in found:
            raise RefusedError(str(_json.table(found["error"]).get("message", "no reason")))
        return None if found is None else _json.table(found.get("result"))

    def call(self, method: str, params: t.Optional[Params] = None, session: str = "", *, end: float) -> Params:
        """Send a command and wait for its answer."""
        number = self.ask(method, params, session, end=end)
        while True:
            found = self.answer(number)
            if found is not None:
                return found
            # A page that talks without end leaves no pause in which time could run out.
            if time.monotonic() >= end or not self.pump(end):
                self._awaited.discard(number)
                raise LateError

    def pump(self, end: float) -> bool:
        """Wait for what the browser says, and handle it; return whether anything came before *end*."""
        while True:
            if self._handled():
                return True
            try:
                _wait(self._reading, select.POLLIN, end)
                piece = os.read(self._reading, _CHUNK)
            except LateError:
                return False
            except BlockingIOError:
                continue
            if not piece:
                raise GoneError
            self._buffer += piece
            if b"\0" not in piece and len(self._buffer) > MESSAGE_LIMIT:
                # It is read to its end all the same, or what follows would not be understood.
                self._buffer.clear()
                self._looked_at = 0
                self._skipping = True

    def _handled(self) -> bool:
        """Handle one whole message of the buffer."""
        at = self._buffer.find(b"\0", self._looked_at)
        if at < 0:
            self._looked_at = len(self._buffer)
            return False
        raw = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        self._looked_at = 0
        if self._skipping:
            self._skipping = False
            return True
        try:
            message = _json.loads(raw)
        except ValueError:
            raise GoneError from None
        if not isinstance(message, dict):
            raise GoneError
        if "id" in message:
            number = message["id"]
            if isinstance(number, int) and number in self._awaited:
                self._awaited.discard(number)
                self._answers[number] = message
        else:
            params, session = _json.table(message.get("params")), message.get("sessionId", "")
            self._handler(str(message.get("method")), params, str(session))
        return True


def _wait(descriptor: int, event: int, end: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    left = end - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000 + 1):
        raise LateError
