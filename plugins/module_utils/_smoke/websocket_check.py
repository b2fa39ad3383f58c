# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``websocket``: the upgrade is a real one, what is sent comes back, and the close is clean."""

from __future__ import annotations

import json
import os
import socket
import time
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields, ws
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.dial import Cutoff, Watch, dial, trouble
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import show
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
KEYS = ("path", "headers", "origin", "subprotocol", "send", "expect")
_EXPECTATIONS = ("equals", "contains")
_CHUNK = 65536
_NORMAL = 1000
# They are the handshake's own.
_RESERVED = ("upgrade", "origin", "host", "connection")
# What a URL may hold is left as it is.
_PATH_SAFE = "/%?:@!$&'()*+,;=~"


class _BrokenError(Exception):
    """It answered, and not as it must; the message is a piece of a sentence."""


@dataclass(frozen=True)
class WebsocketCheck(Check):
    """Opens a WebSocket, sends a text and waits for its echo (or pings and waits for the pong), and closes it."""

    path: str
    headers: t.Mapping[str, str]
    subprotocol: t.Optional[str]
    send: t.Optional[str]
    equals: t.Optional[str]
    contains: t.Optional[str]

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Make one attempt."""
        timeout = min(self.timeout, around.left())
        if timeout <= 0:
            return Outcome(ERROR, "the time of the whole run was over")
        return _Attempt(self, target, around.values(), timeout).made()

    @property
    def said(self) -> str:
        """Return it in words, without any value."""
        return f"WebSocket {self.path}"


class _Attempt:
    """One attempt, with its connection and what came over it."""

    def __init__(self, check: WebsocketCheck, target: Target, values: t.Dict[str, str], timeout: float) -> None:
        self._check = check
        self._target = target
        self._values = values
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._veil = Veil(values.values())
        self._reader = ws.Reader()
        self._waiting: t.List[ws.Message] = []
        self._answer: t.Optional[ws.Answer] = None
        self._cutoff: t.Optional[Cutoff] = None
        self._closing = False
        #: What is being waited for, as a piece of a sentence.
        self._stage = ""

    def made(self) -> Outcome:
        """Return what the attempt found."""
        outcome = Outcome(PASSED, "")
        watch = Watch(outcome.phases)
        said = self._check.said
        raw: t.Optional[socket.socket] = None
        try:
            raw = dial(self._target, self._end, watch)
            raw.settimeout(max(0.01, self._end - time.monotonic()))
            with Cutoff(raw, self._end - time.monotonic()) as self._cutoff:
                with watch.phase("processing"):
                    self._open(raw)
                with watch.phase("transfer"):
                    outcome.message = f"{said} {self._exchange(raw)}"
        except (_BrokenError, ws.ProtocolError) as exc:
            outcome.status, outcome.message = FAILED, f"{said} {exc}"
        except (OSError, UnicodeError, ValueError, HotfixError) as exc:
            if self._answer is None:
                outcome.status, outcome.message = (
                    ERROR,
                    f"{said}: {trouble(self._target, exc, self._end, self._timeout)}",
                )
            else:
                # It had answered; what it does from then on says something about it.
                late = time.monotonic() >= self._end or isinstance(exc, socket.timeout)
                what = f"within {self._timeout:g} s" if late else "before the connection broke"
                outcome.status, outcome.message = FAILED, f"{said} {self._stage} {what}"
        finally:
            if raw is not None:
                raw.close()
        outcome.message = self._veil.text(outcome.message)
        outcome.evidence = self._evidence()
        return outcome

    def _evidence(self) -> t.Dict[str, t.Any]:
        shown: t.Dict[str, t.Any] = {"request": f"GET {self._check.path} (WebSocket)"}
        if self._answer is not None:
            shown["status"] = self._answer.status
            shown["headers"] = self._veil.headers(self._answer.headers)
        return shown

    def _open(self, raw: socket.socket) -> None:
        check, parts = self._check, urllib.parse.urlsplit(self._target.url)
        key = ws.new_key()
        path = parts.path.rstrip("/") + str(fields.fill(check.path, self._values, quoted=True))
        host = self._target.host_name or parts.netloc.rpartition("@")[2]
        headers = {name: fields.as_text(fields.fill(value, self._values)) for name, value in check.headers.items()}
        if not all(fields.header_value(value) for value in headers.values()):
            raise _BrokenError("cannot be asked: a header has a value that no header can hold")
        quoted = urllib.parse.quote(path, safe=_PATH_SAFE)
        raw.sendall(ws.handshake(quoted, host, key, headers, check.subprotocol))
        data = b""
        while self._answer is None:
            try:
                piece = self._receive(raw)
            except socket.timeout:
                if b"\n" in data:
                    raise _BrokenError("did not end its answer in time") from None
                raise
            if not piece:
                if data:
                    raise _BrokenError("broke off within its answer")
                raise ConnectionResetError("it hung up")
            data += piece
            whole = ws.read_answer(data)
            if whole is not None:
                self._answer, rest = whole
                problem = self._answer.problem(key, check.subprotocol)
                if problem:
                    raise _BrokenError(problem)
                self._waiting = self._reader.feed(rest)

    def _exchange(self, raw: socket.socket) -> str:
        check, started = self._check, time.monotonic()
        if check.send is None and check.equals is None and check.contains is None:
            self._ping(raw)
            told = f"answered a ping in {time.monotonic() - started:.3f} s"
        else:
            told = f"{self._echo(raw)} in {time.monotonic() - started:.3f} s"
        self._close(raw)
        return f"opened, {told}, and closed cleanly"

    def _ping(self, raw: socket.socket) -> None:
        payload = os.urandom(8)
        self._stage = "opened, but did not answer a ping"
        raw.sendall(ws.frame(ws.PING, payload))
        while True:
            message = self._next(raw)
            if message.kind == ws.PONG and message.payload == payload:
                return

    def _echo(self, raw: socket.socket) -> str:
        check = self._check
        sent = None if check.send is None else fields.as_text(fields.fill(check.send, self._values))
        wanted = check.equals if check.equals is not None else check.contains
        filled = sent if wanted is None else fields.as_text(fields.fill(wanted, self._values))
        part = check.contains is not None
        what = "its echo" if wanted is None else f"{'a message with ' if part else ''}{show(wanted)}"
        self._stage = f"opened, but did not send {what}"
        if sent is not None:
            raw.sendall(ws.frame(ws.TEXT, sent.encode()))
        others = 0
        while True:
            message = self._next(raw)
            if message.kind not in (ws.TEXT, ws.BINARY):
                continue
            text = message.text()
            if message.kind == ws.TEXT and (str(filled) in text if part else text == filled):
                return "sent the text back" if wanted is None else f"sent {what}"
            others += 1
            first = self._veil.body(text)[:80] if others == 1 else ""
            if first:
                self._stage = f"opened, but did not send {what} (it sent {show(first)})"

    def _close(self, raw: socket.socket) -> None:
        self._stage = "did what it must, but did not close in answer to ours"
        self._closing = True
        raw.sendall(ws.close_frame(_NORMAL))
        while True:
            message = self._next(raw)
            if message.kind == ws.CLOSE:
                break
        if message.code not in (_NORMAL, ws.NO_CODE):
            raise _BrokenError(f"did what it must, but closed with {ws.said_code(message.code)}, not {_NORMAL}")

    def _next(self, raw: socket.socket) -> ws.Message:
        """Return the next message; pings are answered, and a close that nobody asked for is a failure."""
        while True:
            while not self._waiting:
                piece = self._receive(raw)
                if not piece:
                    raise ConnectionResetError("it hung up")
                self._waiting = self._reader.feed(piece)
            message = self._waiting.pop(0)
            if message.kind == ws.PING:
                raw.sendall(ws.frame(ws.PONG, message.payload))
            elif message.kind == ws.CLOSE and not self._closing:
                raise _BrokenError(f"{self._stage}, and closed with {ws.said_code(message.code)}{self._why(message)}")
            else:
                return message

    def _receive(self, raw: socket.socket) -> bytes:
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout
        raw.settimeout(left)
        piece = raw.recv(_CHUNK)
        if not piece and self._cutoff is not None and self._cutoff.over:
            # Cut off by us.
            raise socket.timeout
        return piece

    def _why(self, message: ws.Message) -> str:
        return f": {cut(message.text(), 100)}" if message.payload else ""


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> WebsocketCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    headers = fields.headers(raw, said)
    for name in headers:
        if name.lower() in _RESERVED or name.lower().startswith("sec-websocket-"):
            raise BadInputError(
                f"{said}: the handshake sets the header {name} itself.",
                next_step="take it out; there are origin and subprotocol.",
                place=("headers", name),
            )
    if "origin" in raw:
        headers["Origin"] = _line(raw, "origin", said)
    check = WebsocketCheck(
        **common,
        path=fields.path(raw, said),
        headers=headers,
        subprotocol=_line(raw, "subprotocol", said) if "subprotocol" in raw else None,
        send=_send(raw, said),
        **_expect(raw, said),
    )
    used = [check.path, list(headers.values()), check.send, check.equals, check.contains]
    unknown = sorted(fields.placeholders(used) - set(secrets))
    if unknown:
        raise BadInputError(
            f"{said}: nothing gives a value to {{{unknown[0]}}}.",
            next_step=f"put it into the secrets; there are {', '.join(sorted(secrets)) or 'none'}.",
        )
    return check


def _line(raw: t.Mapping[str, t.Any], key: str, said: str) -> str:
    found = fields.text(raw, key, said)
    if not fields.header_value(found):
        raise BadInputError(f"{said}: {key} is no line of text.", next_step="correct it.", place=(key,))
    return found


def _send(raw: t.Mapping[str, t.Any], said: str) -> t.Optional[str]:
    """Return the text to send; what is none is sent as JSON."""
    given = raw.get("send")
    if "send" in raw and (given is None or given in ("", [], {})):
        raise BadInputError(f"{said}: send sends nothing.", next_step="give a text, or take it out.", place=("send",))
    return given if given is None or isinstance(given, str) else json.dumps(given)


@fields.within("expect")
def _expect(raw: t.Mapping[str, t.Any], said: str) -> t.Dict[str, t.Any]:
    given = fields.mapping(raw.get("expect", {}), f"{said}: expect", _EXPECTATIONS)
    if "expect" in raw and len(given) != 1:
        raise BadInputError(
            f"{said}: expect is neither equals nor contains.", next_step="set expect: {equals: …} or {contains: …}."
        )
    return {key: fields.text(given, key, f"{said}: expect") if key in given else None for key in _EXPECTATIONS}
