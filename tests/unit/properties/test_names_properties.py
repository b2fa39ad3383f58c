# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing that a shell, a path, Jinja or an option parser would read as more than a name passes as one."""

from __future__ import annotations

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from hypothesis import example, given
from hypothesis import strategies as st

KINDS = ["version", "project", "service", "release_id", "repository", "env_key"]
META = set(" \t\r\n\0;&|<>()$`\\\"'*?[]#~=%{}!^,+")
# Mostly good characters, so that the bad one is what a check has to find.
names = st.text(st.one_of(st.sampled_from("abz019_.-/:@"), st.characters()), max_size=40)


def passes(kind: str, value: str) -> bool:
    try:
        assert getattr(_names, kind)(value) == value
    except BadInputError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@given(value=names)
@example(value="v1\n")
@example(value="v1{{")
def test_what_passes_is_only_a_name(kind: str, value: str) -> None:
    if passes(kind, value):
        assert value
        assert not META & set(value)
        assert value.isascii()
        assert not value.startswith("-")
        assert ".." not in value.split("/")


@pytest.mark.parametrize("kind", KINDS)
@given(good=st.from_regex(r"\A[a-z][a-z0-9]{0,20}\Z"), bad=st.sampled_from(sorted(META)), where=st.integers(0, 21))
def test_one_bad_character_anywhere_is_enough(kind: str, good: str, bad: str, where: int) -> None:
    assert not passes(kind, good[:where] + bad + good[where:])


@given(label=st.text(max_size=120), moment=st.datetimes())
def test_every_label_makes_a_good_id(label: str, moment) -> None:
    # Not before year 1000, where strftime of some systems writes fewer digits.
    made = _names.new_release_id(moment.replace(year=max(moment.year, 1000)), label)
    assert passes("release_id", made)
