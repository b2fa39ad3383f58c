# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema by which an editor completes a suite knows the types and keys that there are, and no others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import checks, fields
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[3]
SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "smoke-checks.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft7Validator(SCHEMA)
HEALTH = {"name": "health", "type": "http", "path": "/api/health", "expect": {"status": 200}}


def problems(suite: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(suite)]


def suites() -> list[Any]:
    """Every suite of this tree: of the inventories, and the examples of the page."""
    found: list[Any] = []
    for path in sorted(ROOT.glob("inventories/*/group_vars/**/*.yml")):
        given = yaml.safe_load(path.read_text(encoding="utf-8")).get("hotfix_checks")
        # A suite in a file of its own is named by a template.
        found += [pytest.param(given, id=str(path.relative_to(ROOT)))] if isinstance(given, list) else []
    for path in sorted(ROOT.glob("inventories/**/checks.yml")):
        found.append(pytest.param(yaml.safe_load(path.read_text(encoding="utf-8")), id=str(path.relative_to(ROOT))))
    page = (ROOT / "docs" / "smoke-checks.md").read_text(encoding="utf-8")
    for number, text in enumerate(re.findall(r"```yaml\n(- name: .*?)```", page, re.DOTALL), 1):
        found.append(pytest.param(yaml.safe_load(text), id=f"docs/smoke-checks.md, example {number}"))
    return found


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_it_knows_every_type() -> None:
    assert SCHEMA["$defs"]["check"]["properties"]["type"]["enum"] == list(checks.TYPES)
    known = {
        one["if"]["properties"]["type"]["const"]: one["then"]["$ref"]
        for one in SCHEMA["$defs"]["check"]["allOf"]
        if "if" in one
    }
    assert known == {kind: f"#/$defs/{kind}" for kind in checks.TYPES}


def test_it_knows_the_common_keys() -> None:
    assert {*SCHEMA["$defs"]["common"]["properties"], "type"} == set(fields.COMMON)


@pytest.mark.parametrize("kind", checks.TYPES)
def test_it_knows_the_keys_of_a_type(kind: str) -> None:
    module = checks._module(kind)
    entry = SCHEMA["$defs"][kind]
    # A check on the app's own host is made at no container.
    common = set(fields.COMMON) - ({"service", "port"} if module.HOST else set())
    assert set(entry["properties"]) - {"service", "port"} == {*common, *module.KEYS} - {"service", "port"}
    assert not module.HOST or not {"service", "port"} & (set(entry["properties"]) - set(module.KEYS))
    assert entry["additionalProperties"] is False
    assert entry["description"]


@pytest.mark.parametrize("kind", checks.TYPES)
def test_every_own_key_is_described(kind: str) -> None:
    for key in checks._module(kind).KEYS:
        option = SCHEMA["$defs"][kind]["properties"][key]
        named = SCHEMA["$defs"][option["$ref"].rpartition("/")[2]] if "$ref" in option else {}
        assert option.get("description") or named.get("description") or key in ("method", "expect"), key


@pytest.mark.parametrize("suite", suites())
def test_the_suites_of_this_tree_fit(suite: Any) -> None:
    assert problems(suite) == []
    if "{{" in json.dumps(suite):
        # What it becomes is seen where it is rendered.
        return
    secrets = dict.fromkeys(fields.placeholders(suite), "a value that a test gives")
    listed = suite["checks"] if isinstance(suite, dict) else suite
    captured = {name for one in listed for step in [one, *one.get("then", [])] for name in step.get("capture", {})}
    assert checks.parse(listed, {name: value for name, value in secrets.items() if name not in captured})


def test_the_page_has_a_heading_and_an_example_for_every_type() -> None:
    page = (ROOT / "docs" / "smoke-checks.md").read_text(encoding="utf-8")
    for kind in checks.TYPES:
        _before, _heading, section = page.partition(f"\n## {kind}\n")
        section = section.partition("\n## ")[0]
        assert re.search(rf"```yaml\n- name: .*?type: {kind}\n", section, re.DOTALL), kind
        for key in checks._module(kind).KEYS:
            assert f"`{key}" in section, f"{kind}: {key}"


@pytest.mark.parametrize(
    ("suite", "says"),
    [
        ([], "[] should be non-empty"),
        ({"check": [HEALTH]}, "'checks' is a required property"),
        ([{**HEALTH, "expct": 1}], "Additional properties are not allowed ('expct' was unexpected)"),
        ([{**HEALTH, "type": "htp"}], "'htp' is not one of"),
        ([{key: value for key, value in HEALTH.items() if key != "expect"}], "'expect' is a required property"),
        ([{**HEALTH, "expect": {}}], "{} should be non-empty"),
        ([{**HEALTH, "path": "api"}], "'api' does not match"),
        ([{**HEALTH, "retries": 1.5}], "1.5 is not valid under any of the given schemas"),
        ([{**HEALTH, "verify": "sometimes"}], "'sometimes' is not valid under any of the given schemas"),
        ([{"type": "http", "path": "/", "expect": {"status": 200}}], "'name' is a required property"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(suite: Any, says: str) -> None:
    assert any(one.startswith(says) for one in problems(suite)), problems(suite)


def test_a_template_may_stand_for_a_number() -> None:
    assert problems([{**HEALTH, "timeout": "{{ slow | default(5) }}", "retries": "{{ 2 }}"}]) == []
