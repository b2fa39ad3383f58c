# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder with an inventory of hosts that need no SSH, and playbooks that are written by the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hotfix.cli import main

INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  children:
    production:
      hosts:
        one:
        two:
    staging:
      hosts:
        three:
    gone:
      hosts:
        nowhere:
          # A connection that cannot be made, without the network: nobody listens there.
          ansible_connection: ssh
          ansible_host: 127.0.0.1
          ansible_port: 1
"""

#: Runs `hotfix run play.yml` with more arguments, and returns the exit code.
Hotfix = Callable[..., int]
#: Writes play.yml: its tasks, and what else is to be in the play.
Play = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("ANSIBLE_CONFIG", "ANSIBLE_HOST_KEY_CHECKING", "HOTFIX_INVENTORY", "HOTFIX_LIMIT", "HOTFIX_UNASKED"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    return tmp_path


@pytest.fixture
def play(project: Path) -> Play:
    def write(tasks: str, hosts: str = "all", more: str = "") -> None:
        (project / "play.yml").write_text(
            f"- name: A play\n  hosts: {hosts}\n  gather_facts: false\n{more}  tasks:\n{tasks}", encoding="utf-8"
        )

    return write


@pytest.fixture
def hotfix(project: Path) -> Hotfix:
    def call(*arguments: str) -> int:
        return main(["run", "play.yml", "-i", "inventory.yml", "--yes", *arguments])

    return call
