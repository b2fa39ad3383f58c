# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything in a file with checks has a line, and what YAML would let pass is refused by its own."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._suite_file import SuiteFile, SuiteFileError
from hypothesis import given
from hypothesis import strategies as st

SUITE = """\
# The checks of an app.
- name: health
  type: http
  path: /api/health
  expect:
    status: 200
    json: {$.status: healthy}
- name: a note
  type: http
  method: POST
  path: /api/notes
  body: {title: a}
  expect: {status: 201}
  capture: {id: $.id}
  then:
    - path: /api/notes/{id}
      expect:
        status: 200
    - path: /api/notes/{id}
      expect:
        status: 200
  cleanup:
    - path: /api/notes/{id}
"""


def line_of(text: str) -> int:
    """The line on which the parser's complaint about *text* is found."""
    with pytest.raises(BadInputError) as caught:
        _smoke.parse(yaml.safe_load(text))
    return SuiteFile(text).line(caught.value.place)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("path: /api/health", "pth: /api/health", 4),
        ("path: /api/health", "path: api/health", 4),
        ("status: 200\n    json", "status: good\n    json", 6),
        ("{$.status: healthy}", "{$..status: healthy}", 7),
        ("{$.status: healthy}", "{$.status: {equal: healthy}}", 7),
        ("  expect:\n    status: 200\n    json: {$.status: healthy}\n", "", 2),
        ("  type: http\n  method", "  method", 8),
        ("name: a note", "name: health", 8),
        ("name: a note", "name:", 8),
        ("method: POST", "method: MAKE", 10),
        ("{status: 201}", "{status: 201, contains: ''}", 13),
        ("capture: {id: $.id}", "capture: {id: [1]}", 14),
        ("capture: {id: $.id}", "capture: {id: $.id}\n  retries: -1", 15),
        ("capture: {id: $.id}", "capture: {id: $.id}\n  failure_threshold: 4", 15),
        ("capture: {id: $.id}", "capture: {id: $.id}\n  verify: 'yes'", 15),
        ("capture: {id: $.id}", "headers: {Cookie: a}", 14),
        # The second of two that look alike.
        (
            "200\n    - path: /api/notes/{id}\n      expect:\n        status: 200",
            "200\n    - path: /{id}\n      expect:\n",
            20,
        ),
        ("200\n    - path: /api/notes/{id}\n      expect:", "200\n    - path: /api/notes/{id}\n      expct:", 20),
        ("cleanup:\n    - path", "cleanup:\n    - pfad", 23),
        ("cleanup:\n    - path: /api/notes/{id}", "cleanup: all", 22),
    ],
)
def test_the_line_of_what_is_wrong(old: str, new: str, line: int) -> None:
    assert old in SUITE
    assert line_of(SUITE.replace(old, new, 1)) == line


def test_the_same_under_the_key() -> None:
    text = "checks:\n  " + SUITE.replace("\n", "\n  ").rstrip()
    broken = text.replace("path: /api/health", "pth: /api/health")
    with pytest.raises(BadInputError) as caught:
        _smoke.parse(yaml.safe_load(broken)["checks"])
    assert SuiteFile(broken).line(caught.value.place) == 5


def test_what_is_merged_in_stands_where_it_stands() -> None:
    text = "- &first\n  name: a\n  type: http\n  path: /\n  expect: {status: 1}\n- <<: *first\n  name: b\n"
    file = SuiteFile(text)
    assert file.line([0, "expect", "status"]) == 5
    assert file.line([1, "expect", "status"]) == 5
    assert file.line([1, "name"]) == 7
    assert file.line([1, "nothing"]) == 6
    assert file.line([7]) == 1


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "The file is empty"),
        ("# nothing\n", 1, "The file is empty"),
        ("- name: a\n  type: http\n  name: b\n", 3, "The key 'name' is there twice (first on line 1)"),
        ("- name: a\n  expect:\n    json:\n      $.a: 1\n      $.a: 2\n", 5, "The key '$.a' is there twice"),
        ("checks: []\nchecks: []\n", 2, "The key 'checks' is there twice"),
        ("check:\n- name: a\n", 1, "Unknown key 'check'"),
        ("{}\n", 1, "There is no check"),
        ("- name: [a\n- b: c\n", 2, "This is no YAML"),
        ("- name: a\n---\n- name: b\n", 2, "This is no YAML"),
        ("- name: \t\x07\n", 1, "This is no YAML"),
    ],
)
def test_what_yaml_would_let_pass(text: str, line: int, what: str) -> None:
    with pytest.raises(SuiteFileError) as caught:
        SuiteFile(text)
    assert caught.value.what.startswith(what)
    assert caught.value.line == line
    assert caught.value.next_step


def test_an_alias_inside_of_itself_ends() -> None:
    assert SuiteFile("- &a\n  name: x\n  then: [*a]\n").line([0, "then", 0, "then", 0, "name"]) == 2


plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
data = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(data, min_size=1, max_size=3), st.lists(st.integers(-1, 3) | st.text(max_size=4), max_size=5))
def test_every_place_has_a_line_of_the_file(suite: list[Any], place: list[Any]) -> None:
    text = yaml.safe_dump(suite, default_flow_style=False)
    assert 1 <= SuiteFile(text).line(place) <= max(1, text.count("\n"))
