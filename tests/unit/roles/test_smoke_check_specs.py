# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role hands all its variables on, and the checks of the inventories and of its page can be read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import checks
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.checks import TYPES
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.setup import smoke_options

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "smoke_check"
INVENTORIES = sorted(path for path in ROOT.glob("inventories/*/group_vars/**/*.yml"))


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_option_of_the_module_is_given() -> None:
    tasks = [one.get("pangeafate.hotfix.smoke_check") for one in loaded(ROLE / "tasks" / "look.yml")]
    arguments = {name: value for one in tasks if one for name, value in one.items()}
    # The hosts would overwrite each other's file; there is one for all of them.
    assert set(arguments) == set(smoke_options()) - {"save"}
    assert set(arguments["targets"][0]) == set(smoke_options()["targets"]["options"])


def test_both_entries_take_the_same() -> None:
    specs = loaded(ROLE / "meta" / "argument_specs.yml")["argument_specs"]
    assert specs["main"]["options"] == specs["look"]["options"]


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.relative_to(ROOT).parts[1])
def test_every_inventory_has_the_one_suite(path: Path) -> None:
    assert loaded(path)["hotfix_checks"] == "{{ lookup('pangeafate.hotfix.suite', inventory_dir ~ '/../checks.yml') }}"


@pytest.mark.parametrize("named", [False, True])
def test_the_suite_of_the_inventories(tmp_path: Path, named: bool) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        "- hosts: app1.example.com\n  gather_facts: false\n  connection: local\n  tasks:\n"
        f"    - ansible.builtin.copy: {{content: '{{{{ hotfix_checks | to_json }}}}', dest: '{tmp_path}/suite.json'}}\n"
    )
    given = {
        "ansible_python_interpreter": sys.executable,
        **({"notes_known_note": "0123456789abcdef"} if named else {}),
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "-i",
            "inventories/production",
            "-e",
            json.dumps(given),
            playbook,
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # What stands in the folder of an inventory would be taken for an inventory.
    assert "WARNING" not in done.stdout + done.stderr
    checks = _smoke.parse(json.loads((tmp_path / "suite.json").read_text(encoding="utf-8")))
    # A port that takes connections is seen by every other check, and memory is watched in the hours after.
    assert {check.type for check in checks} == set(TYPES) - {"tcp", "memory"}
    assert {check.type for check in _smoke.private(checks)} >= {
        "page",
        "health",
        "crud",
        "cors",
        "websocket",
        "latency",
    }
    assert [check.name for check in checks if check.skip] == ([] if named else ["a note of before can still be read"])


def test_the_example_of_the_page() -> None:
    page = (ROLE / "README.md").read_text(encoding="utf-8")
    play = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])[0]
    secrets = dict.fromkeys(play["vars"]["hotfix_check_secrets"], "x" * 8)
    assert len(_smoke.parse(play["vars"]["hotfix_checks"], secrets)) == 4


def test_the_role_knows_which_types_are_made_on_the_host() -> None:
    known = loaded(ROLE / "vars" / "main.yml")["_smoke_check_host_types"]
    assert known == [kind for kind in checks.TYPES if checks._module(kind).HOST]


def test_the_suite_of_the_front_page() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (suite,) = re.findall(r"```yaml\n(checks:\n.*?)```", page, re.DOTALL)
    assert {check.type for check in _smoke.parse(yaml.safe_load(suite)["checks"])} == {"page", "crud", "latency"}
