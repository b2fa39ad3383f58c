# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection is kept for as long as the other side keeps it, and what it was closed for is no verdict."""

from __future__ import annotations

import socket
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Pool, Request, Session

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = Request("GET", "/")


def target(server: t.Any) -> _smoke.Target:
    return _smoke.Target("x", f"http://127.0.0.1:{server.port}")


def answers(*replies: bytes) -> t.Callable[[socket.socket], None]:
    """Answer one request after the other on one connection, and hang up."""

    def behave(connection: socket.socket) -> None:
        for reply in replies:
            if not connection.recv(65536):
                return
            connection.sendall(reply)

    return behave


def test_one_connection_serves_several_requests(hostile: t.Any) -> None:
    server = hostile(answers(OK, OK, OK))
    with Session(target(server), keep=True) as session:
        found = [session.exchange(GET, 5) for _number in range(3)]
        assert [one.status for one in found] == [200, 200, 200]
        assert session.connections == 1
    assert list(found[0].phases) == ["resolve", "connect", "processing", "transfer"]
    assert list(found[2].phases) == ["processing", "transfer"]


def test_without_it_each_has_its_own(hostile: t.Any) -> None:
    server = hostile(answers(OK, OK, OK))
    with Session(target(server)) as session:
        assert [session.exchange(GET, 5).status for _number in range(3)] == [200, 200, 200]
        assert session.connections == 3


def test_it_is_opened_anew_where_the_other_side_closed_it(hostile: t.Any) -> None:
    server = hostile(answers(OK))
    with Session(target(server), keep=True) as session:
        assert [session.exchange(GET, 5).status for _number in range(4)] == [200] * 4
        assert session.connections == 4


def test_an_answer_that_says_close_or_breaks_off_is_the_last_one(hostile: t.Any) -> None:
    for reply in (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK.replace(b": 2", b": 9")):
        server = hostile(answers(reply, reply))
        with Session(target(server), keep=True) as session:
            for _number in range(2):
                session.exchange(GET, 0.3)
            assert session.connections == 2


def test_what_is_closed_just_when_we_ask_is_asked_again_if_that_is_safe(hostile: t.Any) -> None:
    seen: t.List[int] = []

    def behave(connection: socket.socket) -> None:
        seen.append(1)
        for number in range(2):
            connection.recv(65536)
            if number == 1 and len(seen) == 1:
                return
            connection.sendall(OK)

    server = hostile(behave)
    for method, status, connections in (("GET", 200, 2), ("POST", None, 1)):
        seen.clear()
        with Session(target(server), keep=True) as session:
            assert session.exchange(GET, 5).status == 200
            found = session.exchange(Request(method, "/"), 5)
            assert (found.status, found.silent is None) == (status, status is not None)
            assert session.connections == connections


def test_a_pool_takes_what_is_free(hostile: t.Any) -> None:
    server = hostile(answers(OK, OK, OK))
    with Pool(target(server), keep=True) as pool:
        assert [pool.exchange(GET, 5).status for _number in range(3)] == [200] * 3
        assert pool.connections == 1
