# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever stands in a file of checks: it is read, or refused with the line, and never a traceback."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pangeafate.hotfix.plugins.lookup.suite import LookupModule
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._suite_file import SuiteFile, SuiteFileError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.properties.hostile import changed, characters, texts

#: At least one of every type, with all that it may say.
SUITE: list[dict[str, t.Any]] = [
    {
        "name": "http",
        "type": "http",
        "method": "POST",
        "path": "/a",
        "service": "backend",
        "port": 80,
        "headers": {"Authorization": "{token}"},
        "body": {"a": [1, "{token}"]},
        "expect": {
            "status": [200, 201],
            "headers": {"A": {"matches": "b"}},
            "contains": ["a"],
            "json": {"$.a[0]": {"at_most": 1}},
            "duration": 0.5,
        },
        "capture": {"id": "$.id", "at": {"header": "Location"}},
        "then": [{"path": "/{id}", "expect": {"status": 200}}],
        "cleanup": [{"path": "/{id}", "method": "DELETE"}],
        "timeout": 1.0,
        "retries": 1,
        "retry_interval": 0.1,
        "failure_threshold": 2,
        "success_threshold": 1,
        "skip": "",
        "verify": True,
    },
    {"name": "page", "type": "page", "path": "/", "budget": 3, "contains": "a", "scripts_at_least": 1, "assets": "all"},
    {"name": "health", "type": "health", "path": "/", "services": ["database"], "healthy": ["ok"]},
    {"name": "crud", "type": "crud", "path": "/n", "create": {"body": {"a": "b"}, "id": "$.id"}, "edit": {"body": {}}},
    {"name": "cors", "type": "cors", "path": "/", "origin": "https://a.example.com", "request_headers": ["a"]},
    {"name": "gone", "type": "not_found", "path": "/", "status": [404]},
    {"name": "limit", "type": "rate_limit", "path": "/", "requests": 3},
    {"name": "latency", "type": "latency", "path": "/", "requests": 3, "workers": 1, "expect": {"p95": 0.5}},
    {"name": "release", "type": "release", "path": "/", "header": "X-Instance", "requests": 2},
    {"name": "browser", "type": "browser", "path": "/", "expect": {"title": "A", "selector": "#a"}},
    {"name": "socket", "type": "websocket", "path": "/ws", "send": "a", "expect": {"contains": "a"}},
    {"name": "tls", "type": "tls", "days_left": 14, "min_version": "TLSv1.2"},
    {"name": "tcp", "type": "tcp"},
    {"name": "command", "type": "command", "run": ["true"], "expect": {"exit_code": 0}},
    {"name": "database", "type": "database"},
    {"name": "logs", "type": "logs", "services": ["backend"]},
    {"name": "memory", "type": "memory", "services": ["backend"]},
]
SECRETS = {"token": "canary-of-a-check"}


@pytest.mark.parametrize("one", SUITE, ids=lambda one: one["type"])
@settings(max_examples=40)
@given(data=st.data())
def test_a_check_is_taken_or_its_place_is_named(one: dict[str, t.Any], data: st.DataObject) -> None:
    raw = data.draw(changed([one], most=2))
    try:
        found = _smoke.parse(raw, SECRETS)
    except BadInputError as exc:
        assert exc.what
        assert exc.next_step
        assert "Check" in exc.what or "check" in exc.what
        assert SECRETS["token"] not in str(exc)
    else:
        assert len(found) == len(raw)


@pytest.mark.parametrize("key", ["timeout", "retries", "retry_interval", "success_threshold", "port"])
@pytest.mark.parametrize("value", [10**400, "9" * 5000, float("nan"), "inf", [], {}, "\u00b2", "1_0", "\u0663", None])
def test_a_number_that_is_none_is_named(key: str, value: t.Any) -> None:
    raw = [
        {"name": "a", "type": "http", "path": "/", "service": "b", "port": 80, "expect": {"status": 200}, key: value}
    ]
    try:
        _smoke.parse(raw)
    except BadInputError as exc:
        assert key in exc.what


@pytest.mark.parametrize("text", ["(" * 5000 + ")" * 5000, "x{99999999999}", "(", "(?P<a>x)(?P<a>y)", "[a"])
def test_an_expression_that_is_none_is_named(text: str) -> None:
    expect = {"headers": {"A": {"matches": text}}}
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{"name": "a", "type": "http", "path": "/", "expect": expect}])
    assert "is no regular expression" in caught.value.what


YAMLISH = st.lists(
    st.sampled_from(
        [
            "checks:",
            "- ",
            "name: a",
            "\n",
            "  ",
            "{",
            "}",
            "[",
            "]",
            "&a ",
            "*a",
            "<<: ",
            "? ",
            ": ",
            "!!python/name:os ",
            "!x ",
            "%YAML",
            "---",
            "...",
            "'",
            '"',
            "\t",
            "|",
            ">",
            "#",
            "\0",
            "{{",
            "{%",
            "!vault |",
        ]
    )
    | texts.filter(lambda one: len(one) < 100)
    | st.text(characters, max_size=5),
    max_size=20,
).map("".join)
RECURSIVE = "- &a [*a]"


@settings(max_examples=200)
@given(text=YAMLISH)
@example(text="[" * 20_000)
@example(text="{a: " * 20_000)
@example(text="- " * 5_000)
@example(text="checks: &a\n- <<: [*a]\n")
@example(text="? {a: b}\n: c")
@example(text="? [a]\n: c")
@example(text="\ufeff- a")
@example(text="\ud800")
def test_a_file_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        file = SuiteFile(text)
    except SuiteFileError as exc:
        assert exc.line >= 1
        assert exc.what
        assert exc.next_step
    else:
        places: list[list[t.Any]] = [[], [0], [0, "name"], ["a"], [10**9], [-1], [0, "a", 5]]
        for place in places:
            assert file.line(place) >= 1


class Lookup(LookupModule):
    """The lookup with its options as they are where nobody gives any."""

    def set_options(self, *_arguments: t.Any, **_more: t.Any) -> None:
        """Leave them."""

    def get_option(self, option: str, *_more: t.Any, **_named: t.Any) -> t.Any:
        return {"validate": True, "secrets": []}[option]


LOOKED_UP = changed(SUITE[:3], most=2).map(lambda one: yaml.safe_dump(one, allow_unicode=True)) | YAMLISH


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=LOOKED_UP)
@example(text="[" * 5_000)
@example(text="- &a\n  name: *a\n")
@example(text="- &a [*a]\n")
@example(text="- name: a\n  type: http\n  path: /\n  expect: {status: 200}\n  headers: {? [1] : 2}\n")
@example(text="- ? [name]\n  : a\n")
@example(text="- ? {name: a}\n  : a\n")
@example(text="- name: 2026-01-02\n  type: !!binary aGk=\n")
@example(text="- !!set {name}\n")
@example(text="- !!timestamp 9999-99-99\n")
@example(text="- name: '{{ undefined_here }}'\n")
@example(text="- name: '{{'\n")
@example(text="- name: '{{ [1] | combine }}'\n")
@example(text="- name: !vault nothing\n")
def test_the_lookup_reads_it_or_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "checks.yml"
    path.write_text(text, encoding="utf-8")
    loader = DataLoader()
    lookup = Lookup(loader=loader, templar=Templar(loader, {}))
    try:
        (found,) = lookup.run([str(path)], {"hotfix_check_secrets": SECRETS})
    except AnsibleError as exc:
        # Ansible's own parser says where in a line of its own.
        assert str(path) in str(exc) or isinstance(exc, AnsibleParserError)
        assert SECRETS["token"] not in str(exc)
    else:
        assert found
        json.dumps(found)
