# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema of report.json: it is one, it leaves no key open, and what is unknown is null in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import checklists, impact, report
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[3]
SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "incident-report.schema.json").read_text(encoding="utf-8"))
EXAMPLE: dict[str, Any] = json.loads(
    (ROOT / "tests/unit/plugins/plugin_utils/incident/example_report.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft7Validator(SCHEMA)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield schema
        for one in schema.values():
            yield from objects(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from objects(one)


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_it_leaves_no_key_open() -> None:
    found = list(objects(SCHEMA))
    assert len(found) > 30
    for one in found:
        assert one["additionalProperties"] is False
        assert set(one["required"]) == set(one["properties"])


def test_it_names_what_the_code_makes() -> None:
    properties = SCHEMA["properties"]
    assert properties["schema"]["const"] == report.SCHEMA
    assert properties["checklists"]["items"]["properties"]["key"]["enum"] == list(checklists.LISTS)
    budgets = properties["impact"]["properties"]["budgets"]["items"]["properties"]["what"]["enum"]
    assert budgets == list(impact.BUDGETS)


def test_the_example_is_valid_and_names_the_items_of_the_procedure() -> None:
    assert list(VALIDATOR.iter_errors(EXAMPLE)) == []
    keys = [item["key"] for one in EXAMPLE["checklists"] for item in one["items"]]
    assert keys == list(checklists.items())


@pytest.mark.parametrize("key", sorted(SCHEMA["properties"]))
def test_every_key_is_required(key: str) -> None:
    without = {name: value for name, value in EXAMPLE.items() if name != key}
    assert not VALIDATOR.is_valid(without)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("state",), "unheard"),
        (("severity",), 0),
        (("generated",), "2026-01-02T03:04:05Z"),
        (("impact", "outage", "lower"), "unknown"),
        (("impact", "failed_requests", "value"), -1),
        (("timeline", 0, "actor", "kind"), "ghost"),
        (("checks", 0, "status"), "green"),
        (("zone", "offset"), "CET"),
        (("more",), 1),
    ],
)
def test_what_cannot_be_is_refused(place: tuple[Any, ...], value: Any) -> None:
    given: Any = copy.deepcopy(EXAMPLE)
    inner = given
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert not VALIDATOR.is_valid(given)


@pytest.mark.parametrize("place", [("lower",), ("upper",), ("all_down",)])
def test_what_is_unknown_is_null(place: tuple[str]) -> None:
    given = copy.deepcopy(EXAMPLE)
    given["impact"]["outage"][place[0]] = None
    assert VALIDATOR.is_valid(given)
