# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a crash or a disk leaves in a journal costs no entry that is written later."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Journal
from hypothesis import given
from hypothesis import strategies as st

pieces = st.one_of(
    st.binary(max_size=60), st.sampled_from([b"\n", b"{", b'{"step": "x"', b"\r", b"\x0b", b"\xc2\x85", b"[[["])
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(junk=st.lists(pieces, max_size=6), texts=st.lists(st.text(max_size=30), min_size=1, max_size=6), detail=values)
def test_entries_after_any_bytes_are_all_read_back(junk: list[bytes], texts: list[str], detail: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        journal = Journal(path, Clock())
        for number, text in enumerate(texts):
            with path.open("ab") as handle:
                handle.write(junk[number] if number < len(junk) else b"")
            journal.append({"own": text, "detail": detail})
        assert [entry["own"] for entry in journal.entries() if "own" in entry] == texts


@given(cut=st.integers(0, 400))
def test_a_cut_anywhere_costs_only_what_is_cut(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        journal = Journal(path, Clock())
        for number in range(5):
            journal.append({"number": number})
        whole = path.read_bytes()
        path.write_bytes(whole[: max(len(whole) - cut, 0)])
        before = [entry["number"] for entry in journal.entries()]
        assert before == list(range(len(before)))
        journal.append({"number": 99})
        assert [entry["number"] for entry in journal.entries()] == [*before, 99]
