# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file with checks under a real ansible-playbook: what is rendered in it, and what is said of a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
HEALTH = "- name: health\n  type: http\n  path: /api/health\n  expect: {status: 200}\n"
# Which files, and what is said of each.
MISTAKES = {
    "unknown": (HEALTH + "  expct: 1\n", ":5: Check 'health': unknown key 'expct'. Next: 'expect' may be meant"),
    "type": (HEALTH.replace("http", "htp"), ":2: Check 'health': type cannot be 'htp'."),
    "nothing": (HEALTH.replace("{status: 200}", "{}"), ":4: Check 'health': expect says nothing"),
    "twice": (HEALTH + "  path: /\n", ":5: The key 'path' is there twice (first on line 3)."),
    "same": (HEALTH + HEALTH, ":5: Two checks are named 'health'."),
    "empty": ("", ":1: The file is empty."),
    "none": ("checks: []\n", ":1: There is no check"),
    "text": ("checks: all\n", ":1: There is no check"),
    "yaml": ("- name: [\n", ":2: This is no YAML"),
    "undefined": (
        HEALTH + "  timeout: '{{ nobody_set_this }}'\n",
        ":1: A template cannot be rendered: 'nobody_set_this' is undefined",
    ),
    "secret": (HEALTH + "  headers: {x-token: '{other}'}\n", ":1: Check 'health': nothing gives a value to {other}."),
}


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    playbook = folder / "play.yml"
    playbook.write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", str(playbook), *arguments],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "LC_ALL": "C.UTF-8",
        },
        check=False,
        capture_output=True,
        text=True,
    )


def written(folder: Path, **given: Any) -> Any:
    """What the lookup returns for checks.yml, with the variables *given*."""
    done = run(
        folder,
        "- hosts: localhost\n  gather_facts: false\n  connection: local\n  tasks:\n"
        "    - ansible.builtin.copy:\n"
        "        content: \"{{ lookup('pangeafate.hotfix.suite', *files) | to_json }}\"\n"
        f"        dest: {folder / 'out.json'}\n        mode: '0600'\n",
        "-e",
        json.dumps({"files": [str(folder / "checks.yml")], "ansible_python_interpreter": sys.executable, **given}),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "out.json").read_text())


def test_variables_are_rendered_and_secrets_are_not(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "checks.yml").write_text(
        "checks:\n"
        + HEALTH.replace("200}", "200, duration: '{{ slowest }}'}")
        + "  headers: {x-token: '{token}'}\n"
        + "  retries: '{{ often | int + 1 }}'\n"
        + "  timeout: '{{ nobody_set_this | default(omit) }}'\n"
        + "  skip: \"{{ '' if document is defined else 'no document is named' }}\"\n"
    )
    secrets = "{{ {'token': lookup('ansible.builtin.pipe', 'touch " + str(trap) + "')} }}"
    (tmp_path / "group_vars").mkdir()
    # Trusted, as what stands in an inventory is; what is typed with -e is as well.
    (tmp_path / "group_vars" / "all.yml").write_text(
        "often: '2'\nhotfix_check_secrets:\n  token: \"" + secrets.replace('"', '\\"') + '"\n'
    )
    (check,) = written(tmp_path, slowest=0.5)
    assert check == {
        "name": "health",
        "type": "http",
        "path": "/api/health",
        "expect": {"status": 200, "duration": 0.5},
        "headers": {"x-token": "{token}"},
        "retries": 3,
        "skip": "no document is named",
    }
    assert not trap.exists()


def test_two_files_are_one_suite(tmp_path: Path) -> None:
    (tmp_path / "checks.yml").write_text(HEALTH)
    other = tmp_path / "more.yml"
    other.write_text(HEALTH.replace("name: health", "name: more"))
    files = [str(tmp_path / "checks.yml"), str(other)]
    assert [check["name"] for check in written(tmp_path, files=files)] == ["health", "more"]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of every mistake, in one run."""
    folder = tmp_path_factory.mktemp("mistakes")
    for name, (text, _message) in MISTAKES.items():
        (folder / f"{name}.yml").write_text(text)
    # A template that fails ends its host; a block per mistake goes on to the next.
    tasks = "".join(
        f"    - block:\n        - ansible.builtin.debug:\n            msg: \"{{{{ lookup('pangeafate.hotfix.suite', "
        f"playbook_dir ~ '/{name}.yml') }}}}\"\n      rescue:\n        - ansible.builtin.debug:\n"
        f'            msg: "MISTAKE {name} {{{{ ansible_failed_result.msg }}}}"\n'
        for name in MISTAKES
    )
    done = run(
        folder,
        "- hosts: localhost\n  gather_facts: false\n  vars: {hotfix_check_secrets: {token: x}}\n  tasks:\n" + tasks,
        "-e",
        "{}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = " ".join(done.stdout.replace("''", "'").split())
    return {name: text.partition(f"MISTAKE {name} ")[2].partition("MISTAKE")[0] for name in MISTAKES}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_line(said: dict[str, str], name: str) -> None:
    assert f"{name}.yml{MISTAKES[name][1]}" in said[name]


def test_a_name_in_two_files_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "checks.yml").write_text(HEALTH)
    play = (
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug:\n"
        "        msg: \"{{ lookup('pangeafate.hotfix.suite', 'checks.yml', 'NAME') }}\"\n"
    )
    for name, says in (("checks.yml", "is named 'health' too"), ("nowhere.yml", "There is no file 'nowhere.yml'")):
        done = run(tmp_path, play.replace("NAME", name))
        assert done.returncode != 0
        assert says in " ".join((done.stdout + done.stderr).replace("''", "'").split())


def test_a_rollback_reads_what_it_does_not_judge(tmp_path: Path) -> None:
    (tmp_path / "checks.yml").write_text(HEALTH + "  expct: 1\n")
    (check,) = written(tmp_path, hotfix_suite_validate=False)
    assert check["expct"] == 1
