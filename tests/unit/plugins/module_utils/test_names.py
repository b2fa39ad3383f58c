# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
HOSTILE = [
    "",
    " ",
    "a b",
    "a;b",
    "$(id)",
    "`id`",
    "a\n",
    "\nb",
    "a\x00",
    "../a",
    "{{ a }}",
    "{% a %}",
    "a'b",
    "-a",
    "ä",
]
CHECKS = {
    "version": (["v1", "1.2.3", "_", "a" * 128, "sha-1_2.3"], [".a", "a/b", "a:b", "a" * 129]),
    "project": (["notes", "a-b_c", "0a"], ["Notes", "_a", "a.b"]),
    "service": (["backend", "Web.1", "a_b-c"], ["_a", ".a", "a/b"]),
    "release_id": (
        ["20260102T030405Z-v1", "20260102T030405Z-1.2_a-b"],
        ["20260102T030405Z-V1", "v1", "20260102T0304Z-v1"],
    ),
    "repository": (
        ["app", "a/b/c", "registry.example.com/app", "registry.example.com:5000/a/b-c", "localhost:5000/a__b"],
        ["app:v1", "app@sha256:0", "A", "registry.example.com:port/app", "a//b", "/a", "a/", "https://r/app"],
    ),
    "env_key": (["ADMIN_TOKEN", "_a1"], ["1A", "A-B", "A.B", "A=B"]),
}
GOOD = [(kind, value) for kind, (good, _bad) in CHECKS.items() for value in good]
BAD = [(kind, value) for kind, (_good, bad) in CHECKS.items() for value in [*bad, *HOSTILE]]


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_a_good_name_is_returned_as_it_is(kind: str, value: str) -> None:
    assert getattr(_names, kind)(value) == value


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_a_bad_name_is_refused_and_shown(kind: str, value: str) -> None:
    with pytest.raises(BadInputError) as caught:
        getattr(_names, kind)(value)
    assert repr(value) in str(caught.value)
    assert caught.value.code == "bad_input"


@pytest.mark.parametrize(
    ("label", "ending"),
    [
        ("v1", "v1"),
        ("V1.2", "v1.2"),
        ("a+b/c", "a-b-c"),
        ("_", "release"),
        ("...x", "x"),
        ("", "release"),
        ("é", "release"),
    ],
)
def test_a_new_id_sorts_by_time_and_bears_the_label(label: str, ending: str) -> None:
    assert _names.new_release_id(NOW, label) == f"20260102T030405Z-{ending}"


def test_two_releases_of_one_second_differ(releases, make) -> None:
    made = make("v1", "preparing")
    assert releases.new_id(NOW.replace(second=1), "v1") == "20260102T030402Z-v1"
    assert made.id == "20260102T030401Z-v1"
