# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first module of a run is packed early under a real ansible-playbook, which tells where it found it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
#: On this machine. The module asks for what it was not given, and that is all.
PLAY = """
- hosts: all
  gather_facts: false
  vars: {hotfix_connect_early: EARLY, hotfix_early_modules: [pangeafate.hotfix.release]}
  tasks:
    - pangeafate.hotfix.fleet: {phase: select}
      run_once: true
    - ansible.builtin.pause: {seconds: 4}
    - pangeafate.hotfix.release: {state: rolled_back, app_dir: FOLDER, run: a, operator: b}
"""


def shown(folder: Path, *, early: bool) -> str:
    """Return what Ansible says of such a run, and of its own work."""
    (folder / "hosts").write_text("[production]\nhere ansible_connection=local\n")
    play = PLAY.replace("EARLY", str(early).lower()).replace("FOLDER", str(folder / "app"))
    (folder / "play.yml").write_text(play)
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", str(folder / "hosts"), str(folder / "play.yml")],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_DEBUG": "1", "LC_ALL": "C.UTF-8"},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("early", [True, False])
def test_a_module_that_was_packed_early_is_found(tmp_path: Path, early: bool) -> None:
    text = shown(tmp_path, early=early)
    assert "missing required arguments: services" in text
    # What the process beside it says is shown nowhere.
    assert ("ANSIBALLZ: Creating module" in text) is not early
    assert "ANSIBALLZ: using cached module" in text
