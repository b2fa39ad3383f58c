# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A port passes when it takes connections and says what it should; silence and other words are told apart."""

from __future__ import annotations

import socket
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

Behave = t.Callable[[socket.socket], None]
SSH = "^SSH-2"


def look(url: str, **more: t.Any) -> _smoke.Result:
    check = _smoke.parse(
        [{"name": "a", "type": "tcp", "retries": 0, "timeout": 0.5, **more}], {"token": "s3cret-token"}
    )
    target = _smoke.Target("x", url)
    return _smoke.run(check, [target], timeout=2, secrets={"token": "s3cret-token"}).results[0]


def says(*pieces: bytes, rest: float = 0.0) -> Behave:
    def behave(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.02)
        time.sleep(rest)

    return behave


def test_the_port_of_the_target(hostile: t.Callable[..., t.Any]) -> None:
    port = hostile(says(rest=1)).port
    result = look(f"http://127.0.0.1:{port}/x")
    assert (result.status, result.message) == ("passed", f"127.0.0.1:{port} takes connections")
    assert set(result.phases) == {"resolve", "connect"}


@pytest.mark.parametrize("of", [lambda port: port, str, lambda port: f"127.0.0.1:{port}"])
def test_another_port(hostile: t.Callable[..., t.Any], of: t.Callable[[int], t.Any]) -> None:
    port = hostile(says(rest=1)).port
    assert look("http://127.0.0.1:9", connect=of(port)).status == "passed"


def test_nobody_listens() -> None:
    result = look("http://127.0.0.1:1", connect="127.0.0.1:9")
    assert (result.status, result.message) == ("error", "127.0.0.1:9 refuses connections")
    result = look("http://127.0.0.1:1", connect="nowhere.invalid:9")
    assert result.status == "error"


@pytest.mark.parametrize(
    ("behave", "status", "told"),
    [
        (says(b"SSH-2.0-OpenSSH_9.2\r\n", rest=3), "passed", "takes connections and says what it should"),
        (says(b"SS", b"H-2", b".0", rest=3), "passed", "says what it should"),
        (says(b"SSH-2.0-x"), "passed", "says what it should"),
        (says(b"220 mail ESMTP\r\n", rest=3), "failed", 'says "220 mail ESMTP", nothing matching "^SSH-2"'),
        (says(rest=3), "failed", "says nothing within 0.5 s"),
        (says(), "failed", "hangs up without a word, nothing matching"),
        (says(b"\xff\xfe" * 100000, rest=3), "failed", "nothing matching"),
        (says(*[b"x"] * 100, rest=3), "failed", "nothing matching"),
        (says(b"no s3cret-token\n"), "failed", "no ********"),
    ],
)
def test_a_banner(hostile: t.Callable[..., t.Any], behave: Behave, status: str, told: str) -> None:
    started = time.monotonic()
    result = look(f"http://127.0.0.1:{hostile(behave).port}", banner=SSH)
    assert time.monotonic() - started < 1.5
    assert result.status == status, result.message
    assert told in result.message
    assert "s3cret-token" not in str(result.as_dict())


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"connect": 0}, "connect cannot be 0"),
        ({"connect": 70000}, "connect cannot be 70000"),
        ({"connect": True}, "connect cannot be True"),
        ({"connect": "db.example.com"}, "is not host:port"),
        ({"connect": ["a"]}, "connect cannot be ['a']"),
        ({"banner": ""}, "banner must be a text"),
        ({"banner": "("}, "is no regular expression"),
    ],
)
def test_what_cannot_be_right_is_refused(more: t.Dict[str, t.Any], told: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{"name": "a", "type": "tcp", **more}])
    assert told in str(caught.value)
