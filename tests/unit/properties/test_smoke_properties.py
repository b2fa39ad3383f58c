# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths into JSON find what is there and nothing else, values compare as JSON does, and no value leaves its place."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import predicates, same
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.jsonpath import MISSING, JsonPath
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil
from hypothesis import given
from hypothesis import strategies as st

keys = st.text(min_size=1, max_size=8)
plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
documents = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


def quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def places(data: Any, path: str = "$") -> list[tuple[str, Any]]:
    """Every place of a document, with what is there."""
    found = [(path, data)]
    if isinstance(data, dict):
        for key, value in data.items():
            found += places(value, path + quoted(key))
    if isinstance(data, list):
        for index, value in enumerate(data):
            found += places(value, f"{path}[{index}]")
    return found


@given(documents)
def test_every_place_is_found(data: Any) -> None:
    for path, value in places(data):
        assert JsonPath(path, "here").find(data) is value


@given(documents, keys, st.integers(-9, 9))
def test_what_is_not_there_is_missing_and_not_null(data: Any, key: str, index: int) -> None:
    there = dict(places(data))
    found = JsonPath(f"${quoted(key)}", "here").find(data)
    assert (found is MISSING) == (f"${quoted(key)}" not in there)
    found = JsonPath(f"$[{index}]", "here").find(data)
    inside = isinstance(data, list) and -len(data) <= index < len(data)
    assert (found is MISSING) != inside


@given(documents)
def test_a_document_is_the_same_as_itself_read_again(data: Any) -> None:
    assert same(data, json.loads(json.dumps(data)))


@given(documents, documents)
def test_the_same_means_the_same_json(one: Any, other: Any) -> None:
    assert same(one, other) == same(other, one)
    if json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True):
        assert same(one, other)
    if same(one, other) and not isinstance(one, (dict, list, int, float)):
        assert json.dumps(one) == json.dumps(other)


@given(st.integers() | st.floats(allow_nan=False), st.integers() | st.floats(allow_nan=False))
def test_a_number_is_on_one_side_of_a_limit(value: float, limit: float) -> None:
    def holds(operator: str) -> bool:
        (predicate,) = predicates({operator: limit}, "here")
        return predicate.says(value) is None

    assert holds("at_most") != holds("greater_than")
    assert holds("at_least") != holds("less_than")
    assert holds("equals") == (holds("at_most") and holds("at_least"))


@given(st.text(max_size=30))
def test_a_value_in_a_path_stays_one_piece(value: str) -> None:
    try:
        filled = fields.fill("/notes/{id}/end", {"id": value}, quoted=True)
    except UnicodeEncodeError:
        return
    assert filled.count("/") == 3
    assert not set(filled) & set("?#\r\n \t")
    assert urllib.parse.unquote(filled) == f"/notes/{value}/end"


@given(st.text(min_size=12, max_size=40).filter(lambda one: "*" not in one), st.integers(0, 500))
def test_no_end_of_a_body_shows_a_part_of_a_secret(secret: str, before: int) -> None:
    shown = Veil([secret]).body("x" * before + secret)
    assert secret not in shown
    assert shown.removesuffix("…").rstrip("*") == "x" * min(before, 400)
