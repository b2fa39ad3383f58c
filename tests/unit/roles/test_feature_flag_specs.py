# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role of the kill switch takes what its modules take, and hands all of it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.pangeafate.hotfix.plugins.doc_fragments._flags import ModuleDocFragment
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.setup import flag_options, switch_options

ROLE = Path(__file__).resolve().parents[3] / "roles" / "feature_flag"
SPECS = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
# What belongs to the app or the run, and not to the flags.
SHARED = {"app_dir", "project"}
CHECKED = ("type", "elements", "required", "choices", "no_log")


def plain(option: dict[str, Any]) -> dict[str, Any]:
    kept = {key: option[key] for key in CHECKED if option.get(key)}
    nested = {name: plain(one) for name, one in (option.get("options") or option.get("suboptions") or {}).items()}
    return {**kept, **({"options": nested} if nested else {})}


def without_secrecy(option: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in option.items() if key not in ("no_log", "options")}
    nested = {name: without_secrecy(one) for name, one in option.get("options", {}).items()}
    return {**kept, **({"options": nested} if nested else {})}


def test_role_and_modules_have_the_same_options() -> None:
    for entry in ("main", "info"):
        for name, option in flag_options().items():
            if name not in SHARED:
                assert plain(SPECS[entry]["options"][f"feature_flag_{name}"]) == plain(option), (entry, name)


def test_the_documentation_has_them_too() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert {name: plain(option) for name, option in documented.items()} == {
        name: without_secrecy(plain(option)) for name, option in flag_options().items()
    }


def test_every_option_is_handed_on() -> None:
    handed = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))["_feature_flag_options"]
    assert set(handed) == set(flag_options())
    tasks = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text(encoding="utf-8"))
    assert set(tasks[0]["pangeafate.hotfix.feature_flag"]) == {*switch_options(), "record"}


def test_tokens_are_secret_wherever_they_pass() -> None:
    for options in (flag_options(), SPECS["main"]["options"]):
        prefix = "" if "token" in options else "feature_flag_"
        assert options[f"{prefix}token"]["no_log"] is True
        assert options[f"{prefix}instances"]["options"]["token"]["no_log"] is True
