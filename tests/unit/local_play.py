# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs one play on this machine by a real ansible-playbook, and returns what its variables came to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def results(folder: Path, variables: dict[str, Any], *tasks: dict[str, Any], path: Path | None = None) -> list[Any]:
    """Run *tasks* and return the result of each, whether it failed or not. Programs in *path* are found first."""
    registered = [f"result_{number}" for number in range(len(tasks))]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable, **variables},
        "tasks": [
            *({**task, "register": name, "failed_when": False} for task, name in zip(tasks, registered, strict=True)),
            {
                "ansible.builtin.copy": {
                    "content": "{{ [" + ", ".join(registered) + "] }}",
                    "dest": str(folder / "results.json"),
                }
            },
        ],
    }
    (folder / "play.json").write_text(json.dumps([play]))
    found = os.environ["PATH"] if path is None else f"{path}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", str(folder / "play.json")],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8", "PATH": found},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    every: list[Any] = json.loads((folder / "results.json").read_text())
    return every


def no_engine(folder: Path) -> Path:
    """Put a docker into *folder* that says that no engine answers, and return the folder."""
    docker = folder / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    return folder
