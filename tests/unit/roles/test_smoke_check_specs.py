# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role hands all its variables on, and the checks of the inventories and of its page can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.setup import smoke_options

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "smoke_check"
INVENTORIES = sorted(path for path in ROOT.glob("inventories/*/group_vars/**/*.yml"))


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_option_of_the_module_is_given() -> None:
    task = next(one for one in loaded(ROLE / "tasks" / "look.yml") if "pangeafate.hotfix.smoke_check" in one)
    arguments = task["pangeafate.hotfix.smoke_check"]
    assert set(arguments) == set(smoke_options())
    assert set(arguments["targets"][0]) == set(smoke_options()["targets"]["options"])


def test_both_entries_take_the_same() -> None:
    specs = loaded(ROLE / "meta" / "argument_specs.yml")["argument_specs"]
    assert specs["main"]["options"] == specs["look"]["options"]


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.relative_to(ROOT).parts[1])
def test_the_checks_of_an_inventory(path: Path) -> None:
    checks = _smoke.parse(loaded(path)["hotfix_checks"])
    assert {"http", "release"} == {check.type for check in checks}
    assert _smoke.private(checks)


def test_the_example_of_the_page() -> None:
    page = (ROLE / "README.md").read_text(encoding="utf-8")
    play = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])[0]
    secrets = dict.fromkeys(play["vars"]["hotfix_check_secrets"], "x" * 8)
    assert len(_smoke.parse(play["vars"]["hotfix_checks"], secrets)) == 4
