# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames are read as RFC 6455 has them, however they are cut, and what no server may send is named."""

from __future__ import annotations

import struct
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import ws


def sent(kind: int, payload: bytes = b"", *, final: bool = True, bits: int = 0, size: t.Optional[int] = None) -> bytes:
    """Return a frame as a server sends it; *size* is what it announces."""
    length = len(payload) if size is None else size
    head = struct.pack("!B", (0x80 if final else 0) | bits | kind)
    if length < 126:
        return head + struct.pack("!B", length) + payload
    if length < 65536:
        return head + struct.pack("!BH", 126, length) + payload
    return head + struct.pack("!BQ", 127, length) + payload


def test_the_example_of_the_rfc() -> None:
    assert ws.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert ws.masked(b"Hello", bytes.fromhex("37fa213d")) == bytes.fromhex("7f9f4d5158")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, ws.MESSAGE_LIMIT])
def test_what_we_send_is_masked_and_whole(size: int) -> None:
    raw = ws.frame(ws.TEXT, b"x" * size)
    assert raw[1] & 0x80
    # Without its mask it is what a server would send.
    start = 2 if size < 126 else 4 if size < 65536 else 10
    assert ws.masked(raw[start + 4 :], raw[start : start + 4]) == b"x" * size
    assert ws.Reader().feed(sent(ws.TEXT, b"x" * size)) == [ws.Message(ws.TEXT, b"x" * size)]


def test_messages_are_the_same_however_they_are_cut() -> None:
    raw = (
        sent(ws.TEXT, "Grü".encode()[:-1], final=False)
        + sent(ws.PING, b"between")
        + sent(0, "ü".encode()[1:], final=False)
        + sent(0, b" Gott")
        + sent(ws.BINARY, b"\x00" * 70000)
        + sent(ws.CLOSE, struct.pack("!H", 1012) + b"service restart")
    )
    wanted = [
        ws.Message(ws.PING, b"between"),
        ws.Message(ws.TEXT, "Grü Gott".encode()),
        ws.Message(ws.BINARY, b"\x00" * 70000),
        ws.Message(ws.CLOSE, b"service restart", 1012),
    ]
    assert ws.Reader().feed(raw) == wanted
    for step in (1, 3, 1000):
        reader = ws.Reader()
        found = [one for start in range(0, len(raw), step) for one in reader.feed(raw[start : start + step])]
        assert found == wanted


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\x81\x81maskx", "sent a masked frame"),
        (sent(ws.TEXT, b"x", bits=0x40), "no known kind"),
        (sent(3), "no known kind"),
        (sent(11), "no known kind"),
        (sent(0, b"x"), "continues nothing"),
        (sent(ws.TEXT, b"x", final=False) + sent(ws.TEXT, b"y"), "within another"),
        (sent(ws.PING, b"x", final=False), "control frame"),
        (sent(ws.PING, b"x" * 126), "control frame"),
        (sent(ws.TEXT, b"\xff"), "no UTF-8"),
        (sent(ws.TEXT, b"\xc3", final=False) + sent(0, b""), "no UTF-8"),
        (sent(ws.BINARY, size=ws.MESSAGE_LIMIT + 1), "more than 1 MB"),
        (sent(ws.BINARY, size=2**63 - 1), "more than 1 MB"),
        (sent(ws.BINARY, b"x" * ws.MESSAGE_LIMIT, final=False) + sent(0, b"x"), "more than 1 MB"),
        (sent(ws.BINARY, final=False) + sent(0, final=False) * 20000, "too many pieces"),
        (sent(ws.CLOSE, b"\x03"), "half a code"),
        (sent(ws.CLOSE, struct.pack("!H", 1005)), "code 1005, which there is not"),
        (sent(ws.CLOSE, struct.pack("!H", 999)), "code 999, which there is not"),
        (sent(ws.CLOSE, struct.pack("!H", 1000) + b"\xff"), "no UTF-8"),
    ],
)
def test_what_no_server_may_send(raw: bytes, says: str) -> None:
    with pytest.raises(ws.ProtocolError, match=says):
        ws.Reader().feed(raw)


def test_a_close_without_a_code() -> None:
    assert ws.Reader().feed(sent(ws.CLOSE)) == [ws.Message(ws.CLOSE, b"", ws.NO_CODE)]
    assert (ws.said_code(1012), ws.said_code(4000)) == ("1012 (service restart)", "4000")


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"", False),
        (b"HTT", False),
        (b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n", False),
        (b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\nrest", True),
        (b"HTTP/1.1 101\r\n\r\nrest", True),
    ],
)
def test_the_head_of_an_answer(data: bytes, whole: bool) -> None:
    found = ws.read_answer(data)
    assert (found is not None) == whole
    if found is not None:
        assert (found[0].status, found[1]) == (101, b"rest")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 101\r\n\r\n",
        b"HTTP/1.1 99 x\r\n\r\n",
        b"HTTP/1.1 101 x\r\nno colon\r\n\r\n",
    ],
)
def test_an_answer_that_is_none(data: bytes) -> None:
    with pytest.raises(ws.ProtocolError, match="does not speak HTTP"):
        ws.read_answer(data)


def test_headers_without_end() -> None:
    with pytest.raises(ws.ProtocolError, match="more than 64 KB of headers"):
        ws.read_answer(b"HTTP/1.1 101 x\r\nA: " + b"b" * 70000)
