# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request ends in time whatever the other side does, and says whether that is about the app or about us."""

from __future__ import annotations

import errno
import socket
import ssl
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import wire
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target

from tests.unit.plugins.module_utils.probe.servers import Server, answers, read_head, silent, status

Make = t.Callable[..., Server]


def ask(target: Target, seconds: float = 2.0, *, keep: bool = False) -> wire.Answer:
    end = time.monotonic() + seconds
    connection = wire.Connection(target, wire.Contexts(), end)
    try:
        return connection.get(target, end, keep=keep)
    finally:
        connection.close()


def why(target: Target, seconds: float = 2.0) -> t.Tuple[bool, str]:
    started = time.monotonic()
    with pytest.raises((OSError, wire.BrokenError, wire.SilentError)) as caught:
        ask(target, seconds)
    assert time.monotonic() - started < seconds + 1
    return wire.trouble(caught.value, seconds)


def test_a_request_is_one_that_a_user_would_make(server: Make) -> None:
    heads = []

    def behave(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(status(200))

    assert ask(server(behave).target(path="/a?b=1")).status == 200
    assert heads[0].startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: app.example.com\r\n")
    assert b"\r\nConnection: close\r\n" in heads[0]


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        (status(200), True),
        (status(503, body=b"x" * 100000), True),
        (status(200, "Connection: close"), False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nyes\r\n0\r\nA: b\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (status(200, body=b"x" * 2 * 1024 * 1024), False),
    ],
)
def test_whole_answers(text: bytes, keeps: bool, server: Make) -> None:
    answer = ask(server(answers(text)).target(), keep=True)
    assert answer.status == int(text.rpartition(b"HTTP/1.")[2].split()[1])
    assert answer.keeps is keeps


def test_an_answer_that_ends_with_its_connection(server: Make) -> None:
    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall there is")

    answer = ask(server(behave).target(), keep=True)
    assert (answer.status, answer.keeps) == (200, False)


def drip(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"A: b\r\n")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"A: " + b"b" * 10000 + b"\r\n")


def once(text: bytes) -> t.Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(text)

    return behave


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (once(b""), "connection broke off"),
        (once(b"HTTP/1.1 200 OK\r\nContent-Le"), "connection broke off"),
        (once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "connection broke off"),
        (once(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "does not speak HTTP"),
        (once(b"HTTP/1.1 abc\r\n\r\n"), "does not speak HTTP"),
        (once(b"\xff\xfe\x00\r\n\r\n"), "does not speak HTTP"),
        (once(status(200, "Content-Length: x")), "answered with a length that is none"),
        (once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "answered with a chunk that is none"),
        (once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"), "answered with a chunk that is none"),
        (
            once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n"),
            "answered with a chunk that does not end",
        ),
        (flood, "answered with a head of more than 64 KB"),
        (drip, "no answer within 0.4 s"),
        (silent, "no answer within 0.4 s"),
    ],
)
def test_answers_that_are_none(behave: t.Callable[[socket.socket], None], said: str, server: Make) -> None:
    assert why(server(behave).target(), 0.4) == (True, said)


def test_nobody_listens(server: Make) -> None:
    one = server(answers(status(200)))
    one.close()
    assert why(one.target()) == (True, "connection refused")


def test_a_name_that_leads_nowhere_is_not_about_the_app(server: Make) -> None:
    target = server(answers(status(200))).target(host="nowhere.invalid")
    assert why(target) == (False, "the name could not be resolved")


def test_what_this_machine_lacks_is_not_about_the_app() -> None:
    assert wire.trouble(OSError(errno.ENETUNREACH, "Network is unreachable"), 1) == (False, "Network is unreachable")
    assert wire.trouble(OSError(errno.EMFILE, "Too many open files"), 1) == (False, "Too many open files")
    assert wire.trouble(OSError(errno.EHOSTUNREACH, "No route to host"), 1) == (True, "No route to host")


def test_tls_with_the_name_that_users_use(server: Make, certificate: Path) -> None:
    one = server(answers(status(200)), certificate=certificate)
    assert ask(one.target(ca_file=str(certificate / "cert.pem"))).status == 200
    other = one.target(ca_file=str(certificate / "cert.pem"), server_name="other.example.com")
    about_the_app, said = why(other)
    assert about_the_app
    assert said.startswith("certificate not accepted (Hostname mismatch")
    assert why(one.target())[1].startswith("certificate not accepted (self")
    assert ask(one.target(validate_certs=False)).status == 200


def test_tls_where_there_is_none(server: Make) -> None:
    one = server(once(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert why(one.target(tls=True, validate_certs=False), 0.4)[0]


def test_a_handshake_that_never_ends(server: Make) -> None:
    one = server(silent)
    assert why(one.target(tls=True), 0.4) == (True, "no answer within 0.4 s")


def test_an_idle_connection_knows_that_it_was_closed(server: Make, certificate: Path) -> None:
    for more in ({}, {"certificate": certificate}):
        one = server(answers(status(200)), **more)
        target = one.target(validate_certs=False)
        end = time.monotonic() + 2
        connection = wire.Connection(target, wire.Contexts(), end)
        assert connection.get(target, end, keep=True).keeps
        assert not connection.is_stale()
        assert connection.get(target, end, keep=True).status == 200
        one.close()
        until = time.monotonic() + 1
        while not connection.is_stale():
            assert time.monotonic() < until
            time.sleep(0.01)
        connection.close()


def test_one_context_per_way_of_checking(server: Make, certificate: Path) -> None:
    contexts = wire.Contexts()
    target = server(answers(status(200))).target(ca_file=str(certificate / "cert.pem"))
    assert contexts.get(target) is contexts.get(target._replace(name="other"))
    assert contexts.get(target).verify_mode is ssl.CERT_REQUIRED
    assert contexts.get(target._replace(validate_certs=False)).verify_mode is ssl.CERT_NONE
