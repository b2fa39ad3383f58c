# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight under a real ansible-playbook: a host here, one that nobody reaches, and what they share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.action import preflight

ROOT = Path(__file__).resolve().parents[4]
TOKENS = ("s3cret-token-of-tests", "s3cret-token-of-instances")


def test_tokens_are_taken_out_of_what_the_log_of_the_module_shows() -> None:
    given = {"token": TOKENS[0], "url": None, "instances": {"services": ["web"], "port": 80, "token": TOKENS[1]}}
    arguments: dict[str, Any] = {"flags": given}
    preflight._part_with_tokens(arguments)
    assert arguments["flags"] == {"instances": {"services": ["web"], "port": 80}}
    assert (arguments["flag_token"], arguments["flag_instance_token"]) == TOKENS
    assert given["token"] == TOKENS[0]


@pytest.fixture
def played(tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Play it over a host here and one that is away; return how it ended, and the file for programs."""
    (tmp_path / "bin").mkdir()
    # Stands for docker; there is none that a test of this kind may touch.
    docker = tmp_path / "bin" / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    app = tmp_path / "app"
    app.mkdir()
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    # Nothing listens on port 1.
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"away1": away, "here1": local}}}))
    look = {
        "app_dir": str(app),
        "services": {"web": {"image": "registry.example.com/web"}},
        "parts": ["hosts", "clock", "flags", "git", "notifications"],
        "flags": {"token": TOKENS[0], "instances": {"services": ["web"], "port": 80, "token": TOKENS[1]}},
        "notifications": [{"type": "webhook", "url": "http://127.0.0.1:1/s3cret-hook-1"}],
    }
    tasks = [
        {"pangeafate.hotfix.preflight": look, "register": "found"},
        {
            "pangeafate.hotfix.preflight_report": {"results": "found", "json": str(tmp_path / "found.json")},
            "run_once": True,
        },
    ]
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-vvv",
            "-i",
            str(tmp_path / "hosts.json"),
            str(tmp_path / "play.json"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (tmp_path / "found.json").exists(), done.stdout + done.stderr
    return done, json.loads((tmp_path / "found.json").read_text())


def test_a_host_that_is_away_is_an_item_and_the_others_are_looked_at(
    played: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    done, document = played
    assert done.returncode == 0, done.stdout
    assert "unreachable=1" not in done.stdout
    away = {one["name"]: one for one in document["hosts"]["away1"]}
    assert list(away) == ["SSH"]
    assert (away["SSH"]["status"], "Connection refused" in away["SSH"]["says"]) == ("failed", True)
    here = {one["name"]: one["status"] for one in document["hosts"]["here1"]}
    assert (here["SSH"], here["clock"], here["become"]) == ("passed", "passed", "skipped")
    assert (here["Docker"], here["admin token"]) == ("failed", "failed")
    # The host that is away was the first: what all share is looked at from here, and once.
    shared = [one["name"] for one in document["controller"]]
    assert shared == ["git push", "notify webhook"]
    for secret in (*TOKENS, "s3cret-hook"):
        assert secret not in done.stdout + done.stderr + json.dumps(document)
