# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pipe to a browser: whatever comes out of it, waiting ends in time and what follows is understood."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import cdp


class Peer:
    """The other end of the pipes, in a thread: it answers each command by what a test says."""

    def __init__(self, behave: t.Callable[[Peer, t.Dict[str, t.Any]], None]) -> None:
        self._from_us, to_peer = os.pipe()
        from_peer, self._to_us = os.pipe()
        self._behave = behave
        self.events: t.List[t.Tuple[str, t.Dict[str, t.Any], str]] = []
        self.connection = cdp.Connection(from_peer, to_peer, lambda *event: self.events.append(event))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, raw: bytes) -> None:
        while raw:
            raw = raw[os.write(self._to_us, raw) :]

    def tell(self, **message: t.Any) -> None:
        self.say(json.dumps(message).encode() + b"\0")

    def _serve(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while True:
                piece = os.read(self._from_us, 65536)
                if not piece:
                    break
                buffer += piece
                while b"\0" in buffer:
                    raw, _nul, buffer = buffer.partition(b"\0")
                    self._behave(self, json.loads(raw))
        self.hang_up()
        os.close(self._from_us)

    def hang_up(self) -> None:
        if self._to_us >= 0:
            os.close(self._to_us)
        self._to_us = -1

    def close(self) -> None:
        self.connection.close()
        self._thread.join(5)


@pytest.fixture
def peer() -> t.Iterator[t.Callable[..., Peer]]:
    made: t.List[Peer] = []

    def make(behave: t.Callable[[Peer, t.Dict[str, t.Any]], None]) -> Peer:
        made.append(Peer(behave))
        return made[-1]

    yield make
    for one in made:
        one.close()


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def test_a_command_is_answered_and_events_are_handled_meanwhile(peer: t.Any) -> None:
    def behave(one: Peer, message: t.Dict[str, t.Any]) -> None:
        one.tell(method="Page.loadEventFired", params={"timestamp": 1}, sessionId="s")
        one.tell(id=message["id"], result={"echo": message["params"], "session": message.get("sessionId", "")})

    one = peer(behave)
    assert one.connection.call("A.b", {"x": "ü\0"}, "s", end=soon()) == {"echo": {"x": "ü\0"}, "session": "s"}
    assert one.connection.call("A.b", end=soon()) == {"echo": {}, "session": ""}
    assert one.events == [("Page.loadEventFired", {"timestamp": 1}, "s")] * 2


def test_an_answer_may_come_later(peer: t.Any) -> None:
    waiting: t.List[int] = []

    def behave(one: Peer, message: t.Dict[str, t.Any]) -> None:
        waiting.append(message["id"])
        if message["method"] == "Second":
            for number in reversed(waiting):
                one.tell(id=number, result={"of": number})

    one = peer(behave)
    first = one.connection.ask("First", end=soon())
    assert one.connection.answer(first) is None
    assert one.connection.call("Second", end=soon()) == {"of": first + 1}
    while one.connection.pump(soon(0.3)):
        pass
    assert one.connection.answer(first) == {"of": first}
    assert one.connection.answer(first) is None


def test_what_the_browser_says_against_it_is_kept(peer: t.Any) -> None:
    one = peer(lambda one, message: one.tell(id=message["id"], error={"code": -1, "message": "no such thing"}))
    with pytest.raises(cdp.RefusedError, match="no such thing"):
        one.connection.call("A.b", end=soon())


@pytest.mark.parametrize(
    "behave",
    [
        lambda _one, _message: None,
        lambda one, _message: one.say(b'{"id": 1, "result"'),
        lambda one, message: one.tell(id=message["id"] + 7, result={}),
    ],
)
def test_no_answer_ends_in_time(peer: t.Any, behave: t.Any) -> None:
    started = time.monotonic()
    with pytest.raises(cdp.LateError):
        peer(behave).connection.call("A.b", end=soon(0.2))
    assert time.monotonic() - started < 5


def test_events_without_end_do_not_hold_up_the_end(peer: t.Any) -> None:
    def behave(one: Peer, _message: t.Dict[str, t.Any]) -> None:
        raw = b'{"method": "Log.entryAdded"}\0' * 1000
        while True:
            one.say(raw)

    started = time.monotonic()
    one = peer(behave)
    with pytest.raises(cdp.LateError):
        one.connection.call("A.b", end=soon(0.3))
    assert time.monotonic() - started < 5
    assert one.events


def test_nobody_who_reads_ends_in_time() -> None:
    reading, to_peer = os.pipe()
    from_peer, writing = os.pipe()
    connection = cdp.Connection(from_peer, to_peer, lambda *_event: None)
    with pytest.raises(cdp.LateError):
        connection.send("A.b", {"x": "y" * 1000000}, end=soon(0.2))
    os.close(reading)
    with pytest.raises(cdp.GoneError):
        connection.send("A.b", end=soon())
    connection.close()
    os.close(writing)


@pytest.mark.parametrize("last", [b"", b'{"id": 1', b"no JSON\0", b"\xff\xfe\0"])
def test_a_browser_that_is_gone(peer: t.Any, last: bytes) -> None:
    def behave(one: Peer, _message: t.Dict[str, t.Any]) -> None:
        one.say(last)
        one.hang_up()

    with pytest.raises(cdp.GoneError):
        peer(behave).connection.call("A.b", end=soon())


def test_a_message_that_is_too_long_is_passed_over(peer: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdp, "MESSAGE_LIMIT", 1000000)

    def behave(one: Peer, message: t.Dict[str, t.Any]) -> None:
        one.tell(method="Log.entryAdded", params={"text": "x" * 5000000})
        one.tell(id=message["id"], result={"fine": True})

    one = peer(behave)
    assert one.connection.call("A.b", end=soon()) == {"fine": True}
    assert one.events == []
