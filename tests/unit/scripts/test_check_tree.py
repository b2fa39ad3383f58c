# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of the tree has a breach here that it must find."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SPEC = importlib.util.spec_from_file_location("check_tree", ROOT / "scripts" / "check_tree.py")
assert SPEC is not None
assert SPEC.loader is not None
check_tree = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_tree)

UTILS = "ansible_collections.pangeafate.hotfix.plugins.module_utils"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("plugins/module_utils/_x.py", "match 1:\n    case _:\n        pass\n"),
        ("plugins/module_utils/_x.py", "import requests\n"),
        ("plugins/module_utils/_x.py", "from ansible.plugins.action import ActionBase\n"),
        ("plugins/module_utils/_x.py", "from ansible_collections.pangeafate.hotfix.plugins.modules import release\n"),
        ("plugins/modules/x.py", "from hotfix import cli\n"),
        ("plugins/modules/x.py", "def late() -> None:\n    import sandbox.cli\n"),
        ("plugins/action/x.py", "import sandbox\n"),
        ("src/hotfix/x.py", f"from {UTILS} import _clock\n"),
        ("src/hotfix/x.py", "import sandbox\n"),
        ("sandbox/x.py", f"import {UTILS}._clock\n"),
        ("sandbox/app/src/notes/x.py", "from sandbox import cli\n"),
    ],
)
def test_an_import_against_the_direction_is_found(name: str, code: str) -> None:
    assert len(list(check_tree.check_python(name, code))) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (
            "plugins/module_utils/_x.py",
            f"import json\nfrom {UTILS} import _clock\nfrom ansible.module_utils import basic\n",
        ),
        ("plugins/modules/x.py", f"from {UTILS}._clock import Clock\n"),
        ("plugins/action/x.py", "import requests\nfrom ansible.plugins.action import ActionBase\n"),
        ("src/hotfix/x.py", "import ansible_runner\nfrom hotfix import cli\nfrom . import cli as same\n"),
        ("sandbox/x.py", "import docker\n"),
        ("tests/unit/x.py", f"import sandbox\nimport {UTILS}._clock\n"),
    ],
)
def test_an_import_in_the_right_direction_is_not(name: str, code: str) -> None:
    assert list(check_tree.check_python(name, code)) == []


def header(text: str) -> str:
    return f"# SPDX-License-Identifier: GPL-3.0-or-later\n{text}\n"


@pytest.mark.parametrize(
    "text",
    [
        "see /" + "home/jane/notes",
        "see /" + "Users/jane",
        "# TO" + "DO: later",
        "raise NotImplemente" + "dError",
        "x = 1  # no" + "qa",
        "ignore_er" + "rors: true",
    ],
)
def test_what_must_not_be_committed_is_found(text: str) -> None:
    assert len(list(check_tree.check_text("a.py", header(text)))) == 1


@pytest.mark.parametrize("text", ["mkdir /home/deploy/app", "/srv/home/jane", "a list of todo items"])
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert list(check_tree.check_text("a.py", header(text))) == []


def test_a_file_without_licence_is_found() -> None:
    assert list(check_tree.check_text("a.yml", "---\n")) == ["a.yml: has no licence header"]


def role(path: Path, defaults: dict[str, object], options: dict[str, object]) -> list[str]:
    for folder in ("meta", "defaults"):
        (path / "deploy" / folder).mkdir(parents=True)
    specs = {"argument_specs": {"main": {"options": options}}}
    (path / "deploy/meta/argument_specs.yml").write_text(yaml.safe_dump(specs), encoding="utf-8")
    (path / "deploy/defaults/main.yml").write_text(yaml.safe_dump(defaults), encoding="utf-8")
    (path / "deploy/README.md").write_text("# deploy\n", encoding="utf-8")
    return list(check_tree.check_role(path / "deploy"))


def test_a_role_whose_defaults_and_specs_agree_is_right(tmp_path: Path) -> None:
    defaults = {"hotfix_timeout": 5, "deploy_label": "{{ version }}"}
    options = {"hotfix_timeout": {"default": 5}, "deploy_label": {}, "deploy_version": {"required": True}}
    assert role(tmp_path, defaults, options) == []


@pytest.mark.parametrize(
    ("defaults", "options"),
    [
        ({"hotfix_timeout": 5}, {}),
        ({"hotfix_timeout": 5}, {"hotfix_timeout": {"default": 6}}),
        ({"hotfix_timeout": 5}, {"hotfix_timeout": {"required": True}}),
        ({}, {"hotfix_timeout": {"default": 5}}),
        ({"timeout": 5}, {"timeout": {"default": 5}}),
        ({"hotfix_app": "{{ x }}"}, {"hotfix_app": {"default": "{{ x }}"}}),
    ],
    ids=["undeclared", "different", "required", "undefaulted", "without prefix", "template"],
)
def test_a_role_that_contradicts_itself_is_found(
    tmp_path: Path, defaults: dict[str, object], options: dict[str, object]
) -> None:
    assert len(role(tmp_path, defaults, options)) == 1


def test_a_role_without_documentation_is_found(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert len(list(check_tree.check_role(tmp_path / "bare"))) == 2
