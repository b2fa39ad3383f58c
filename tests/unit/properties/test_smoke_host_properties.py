# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames come out as they went in, lines of one kind are told from others, and a slope is that of most samples."""

from __future__ import annotations

import math

from ansible_collections.pangeafate.hotfix.plugins.module_utils._log_lines import signature
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import ws
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.memory_check import amount, slope
from hypothesis import given
from hypothesis import strategies as st


def from_server(raw: bytes) -> bytes:
    """Take the mask off a frame, so that it is one of a server."""
    size = raw[1] & 0x7F
    start = 2 + (0 if size < 126 else 2 if size == 126 else 8)
    return raw[:1] + bytes([size]) + raw[2:start] + ws.masked(raw[start + 4 :], raw[start : start + 4])


@given(st.lists(st.tuples(st.sampled_from([ws.TEXT, ws.PING, ws.PONG]), st.text(max_size=30)), max_size=6), st.data())
def test_frames_come_out_as_they_went_in(sent: list[tuple[int, str]], data: st.DataObject) -> None:
    wanted = [ws.Message(kind, text.encode()) for kind, text in sent]
    raw = b"".join(from_server(ws.frame(one.kind, one.payload)) for one in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    reader, found = ws.Reader(), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += reader.feed(raw[start:end])
    assert found == wanted


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_message_or_no_websocket(raw: bytes) -> None:
    try:
        found = ws.Reader().feed(raw)
    except ws.ProtocolError:
        return
    assert all(len(one.payload) <= ws.MESSAGE_LIMIT for one in found)


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_answer_or_none(raw: bytes) -> None:
    try:
        found = ws.read_answer(raw)
    except ws.ProtocolError:
        return
    assert found is None or 100 <= found[0].status <= 599


words = st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=40)


@given(words, st.integers(0, 10**12), st.integers(0, 10**12), st.uuids(), st.uuids())
def test_lines_that_differ_in_numbers_and_ids_are_of_one_kind(
    text: str, one: int, other: int, a: object, b: object
) -> None:
    assert signature(f"ERROR {text} {one} of {a}") == signature(f"ERROR {text} {other} of {b}")


@given(words, words)
def test_lines_of_other_words_are_of_another_kind(one: str, other: str) -> None:
    same = " ".join(one.split()) == " ".join(other.split())
    assert (signature(f"ERROR: {one}") == signature(f"ERROR: {other}")) == same


@given(st.text(max_size=300))
def test_a_signature_of_a_signature_is_itself(text: str) -> None:
    assert signature(signature(text)) == signature(text)


@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e3, 1e3),
    st.integers(8, 30),
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=2),
)
def test_a_slope_is_that_of_most_samples(start: float, growth: float, count: int, jumps: list[float]) -> None:
    samples = [(float(moment), start + growth * moment) for moment in range(count)]
    assert math.isclose(slope(samples), growth, rel_tol=1e-6, abs_tol=1e-4)
    for index, jump in enumerate(jumps):
        at = (index + 1) * count // 3
        samples[at] = (samples[at][0], jump)
    assert math.isclose(slope(samples), growth, rel_tol=1e-6, abs_tol=1e-4)


@given(st.floats(0, 1e6), st.sampled_from([("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)]))
def test_an_amount_has_its_unit(number: float, unit: tuple[str, int]) -> None:
    assert math.isclose(amount(f"{number:.6f}{unit[0]}"), round(number, 6) * 2 ** unit[1], rel_tol=1e-9)
