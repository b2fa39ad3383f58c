# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret that is known never survives, whatever text it stands in."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import CUT, cut, hide
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask, read_env
from hypothesis import given
from hypothesis import strategies as st

# Six is the shortest that is masked; a star is what the mask itself is made of.
secrets = st.text(st.characters(blacklist_characters="*", blacklist_categories=["Cs"]), min_size=6, max_size=30)
words = st.text("ab:/@ \n=", max_size=10)


@given(known=st.lists(secrets, min_size=1, max_size=4), between=st.lists(words, min_size=5, max_size=5))
def test_no_secret_survives(known: list[str], between: list[str]) -> None:
    mask = Mask.of_env({f"A{number}_TOKEN": value for number, value in enumerate(known)})
    text = "".join(word + value for word, value in zip(between, known, strict=False)) + between[-1]
    shown = mask.text(text)
    assert not [value for value in known if value in shown]


@given(known=st.lists(st.text("abc", min_size=6, max_size=9), min_size=1, max_size=4), text=st.text("abc", max_size=40))
def test_none_survives_where_they_overlap(known: list[str], text: str) -> None:
    shown = Mask.of_env({f"A{number}_TOKEN": value for number, value in enumerate(known)}).text(text + known[0])
    assert not [value for value in known if value in shown]


@given(
    secret=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="*'"), min_size=6, max_size=30
    )
)
def test_a_secret_that_an_env_file_holds_is_found(secret: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ".env"
        path.write_text(f"ONE=1\nADMIN_TOKEN='{secret}'\nTWO=2\n", encoding="utf-8")
        env = read_env(path)
    assert env == {"ONE": "1", "ADMIN_TOKEN": secret, "TWO": "2"}
    assert secret not in Mask.of_env(env).text(f"Bearer {secret}.")


@given(before=st.text("abc…", max_size=20), secret=st.text("abc", min_size=6, max_size=9), most=st.integers(0, 40))
def test_no_secret_is_left_where_a_text_is_cut(before: str, secret: str, most: int) -> None:
    shown = hide(cut(before + secret, most), [secret])
    assert secret not in shown
    # What ends in the mark of a cut has no more of it than anybody may know.
    left = [size for size in range(4, len(secret)) if f"{secret[:size]}{CUT}" in shown]
    assert left == []


@given(user=st.text("abc", max_size=5), password=st.text("abc123%!", min_size=1, max_size=20))
def test_a_password_inside_a_url_is_masked_even_if_unknown(user: str, password: str) -> None:
    assert f":{password}@" not in Mask([]).text(f"postgresql://{user}:{password}@db:5432/app")
