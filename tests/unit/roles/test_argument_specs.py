# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles, the modules and the documentation say the same of one variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pangeafate.hotfix.plugins.doc_fragments._app import ModuleDocFragment
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import app_options

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if not path.name.startswith("_"))
# These have options of their own; what they share is checked like the others'.
OTHERS = (
    "emergency_build",
    "feature_flag",
    "hotfix_branch",
    "incident",
    "logs",
    "merge_back",
    "smoke_check",
    "unlock",
)
RELEASE_ROLES = [name for name in ROLES if name not in OTHERS]
DOCUMENTED = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]


def options(role: str) -> dict[str, Any]:
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    entries: dict[str, Any] = yaml.safe_load(text)["argument_specs"]
    specs: dict[str, Any] = entries["select" if role == "_common" else "main"]["options"]
    return specs


def plain(option: dict[str, Any]) -> dict[str, Any]:
    """Leave what Ansible checks: no words, and no default, which the modules hold."""
    kept = {key: value for key, value in option.items() if key in ("type", "elements", "required", "no_log", "choices")}
    nested = option.get("options") or option.get("suboptions") or {}
    return {**kept, "options": {name: {**plain(one), "default": one.get("default")} for name, one in nested.items()}}


@pytest.mark.parametrize("role", RELEASE_ROLES)
def test_a_role_takes_what_the_modules_take(role: str) -> None:
    found = {
        name: plain(option) for name, option in options(role).items() if name.removeprefix("hotfix_") in app_options()
    }
    assert found == {f"hotfix_{name}": plain(option) for name, option in app_options().items()}


@pytest.mark.parametrize("role", RELEASE_ROLES)
def test_defaults_that_the_modules_hold_are_told(role: str) -> None:
    for name, option in app_options().items():
        default = option.get("default")
        if default not in (None, []):
            words = (
                " ".join(default)
                if isinstance(default, list)
                else f"{default:g}"
                if option["type"] == "float"
                else default
            )
            assert str(words) in str(options(role)[f"hotfix_{name}"]["description"]), name


@pytest.mark.parametrize("role", ROLES)
def test_a_shared_variable_is_described_alike(role: str) -> None:
    first = {name: option for other in [*ROLES, "deploy"] for name, option in options(other).items()}
    for name, option in options(role).items():
        if name.startswith("hotfix_"):
            assert option == first[name], name


@pytest.mark.parametrize("role", [*ROLES, "_common"])
def test_every_variable_is_in_the_readme(role: str) -> None:
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    for name, option in options(role).items():
        assert f"| `{name}` | " in readme, name
        for nested in option.get("options") or {}:
            assert f"| `{name}.{nested}` | " in readme, nested


def test_nothing_that_an_operator_types_is_rendered_before_the_check() -> None:
    assert set(options("_common")) == {"hotfix_limit_required"}


def test_no_run_waits_for_a_task_that_checks_what_the_module_looks_at() -> None:
    specs = yaml.safe_load((ROOT / "roles/_common/meta/argument_specs.yml").read_text(encoding="utf-8"))
    assert set(specs["argument_specs"]) == {"select"}


def test_the_documentation_of_the_modules_agrees_with_their_specs() -> None:
    documented = {name: plain(option) for name, option in DOCUMENTED.items()}
    specs = {name: plain({k: v for k, v in option.items() if k != "no_log"}) for name, option in app_options().items()}
    assert documented == specs
    assert {n: o.get("default") for n, o in DOCUMENTED.items()} == {
        n: o.get("default") for n, o in app_options().items()
    }
