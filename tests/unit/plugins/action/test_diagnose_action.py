# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The diagnosis under a real ansible-playbook: a host here without an engine, and one that nobody reaches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
PASSWORD = "s3cret-password-of-redis"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Play it, and return how it ended and the file for programs."""
    folder = tmp_path_factory.mktemp("played")
    (folder / "bin").mkdir()
    # Stands for docker; there is none that a test of this kind may touch.
    docker = folder / "bin" / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    (folder / "app").mkdir()
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    # Nothing listens on port 1.
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    groups = {"children": {"production": {"hosts": {"away1": away, "here1": local}}}}
    (folder / "hosts.json").write_text(json.dumps({"all": groups}))
    look = {
        "app_dir": str(folder / "app"),
        "services": {"web": {"image": "registry.example.com/web"}},
        "redis": {"service": "redis", "password": PASSWORD},
        "public": {"url": "https://app.example.com", "address": "127.0.0.1:1"},
    }
    tell = {"results": "found", "name": "production", "json": str(folder / "found.json")}
    tasks = [
        {"pangeafate.hotfix.diagnose": look, "register": "found"},
        {"pangeafate.hotfix.diagnose_report": tell, "run_once": True},
    ]
    (folder / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    program = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run(
        [str(program), "-vvv", "-i", str(folder / "hosts.json"), str(folder / "play.json")],
        cwd=folder,
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (folder / "found.json").exists(), done.stdout + done.stderr
    return done, json.loads((folder / "found.json").read_text())


def test_a_host_that_is_away_is_a_finding_and_the_other_is_looked_at(
    played: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    done, document = played
    assert done.returncode == 0, done.stdout
    assert "unreachable=1" not in done.stdout
    found = {one["kind"]: one for one in document["findings"]}
    assert "Connection refused" in found["not_looked_at"]["details"]["away1"]
    assert list(found["engine"]["details"]) == ["here1"]
    assert document["hosts"]["away1"]["seen"] is False
    here = document["hosts"]["here1"]["parts"]
    assert (here["system"]["status"], here["clock"]["status"]) == ("seen", "seen")
    assert here["clock"]["found"]["surely"] == 0.0


def test_a_certificate_that_nobody_presents_could_not_be_looked_at(
    played: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    for host in ("away1", "here1"):
        assert played[1]["hosts"][host]["parts"]["certificate"]["status"] == "unseen"


def test_a_password_is_in_no_output(played: tuple[subprocess.CompletedProcess[str], dict[str, Any]]) -> None:
    done, document = played
    assert PASSWORD not in done.stdout + done.stderr + json.dumps(document)
