# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole task, on this machine and its engine: what it refuses, and what it says where nothing is to be sent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
IMAGE = "sha256:" + "0" * 64
GOOD = {"web": {"reference": "web:hotfix-20260102T030405Z", "image_id": IMAGE}}
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - pangeafate.hotfix.image_transfer: "{{ given }}"
      register: sent
      failed_when: false
    - ansible.builtin.copy:
        content: "{{ sent | to_json }}"
        dest: "{{ into }}"
        mode: "0600"
      check_mode: false
"""


def task(folder: Path, *more: str, **given: Any) -> dict[str, Any]:
    """Run the task and return its result."""
    (folder / "play.yml").write_text(PLAY, encoding="utf-8")
    (folder / "vars.json").write_text(json.dumps({"given": given, "into": str(folder / "sent.json")}))
    words = [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-c", "local"]
    words += ["-e", f"ansible_python_interpreter={sys.executable}", "-e", f"@{folder / 'vars.json'}"]
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(folder / "local")}
    done = subprocess.run(
        [*map(str, words), *more, str(folder / "play.yml")],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (folder / "sent.json").exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "sent.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"images": {}}, "No image is named"),
        ({"images": GOOD, "part_mb": 0}, "part_mb 0 is too little"),
        ({"images": {"web": {**GOOD["web"], "image_id": "x"}}}, "image_id 'x' of web"),
        ({"images": GOOD, "engine": "tcp://127.0.0.1:9"}, "failed on this machine"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    sent = task(tmp_path, **given)
    assert says in sent["msg"]
    assert sent["next_step"]
    assert sent["outcome"] in ("bad_input", "failed")
    assert "Nothing was changed." in sent["msg"]


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def _engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def reference(tmp_path: Path) -> Iterator[str]:
    name = f"hotfix-test-{uuid.uuid4().hex[:8]}/web"
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM scratch\nLABEL test={name}\nCOPY Dockerfile /\n")
    docker("build", "--quiet", "--tag", f"{name}:hotfix-20260102T030405Z", str(context))
    yield f"{name}:hotfix-20260102T030405Z"
    for tag in ("hotfix-20260102T030405Z", "emergency"):
        subprocess.run(["docker", "image", "rm", f"{name}:{tag}"], capture_output=True, check=False)


@pytest.mark.skipif(not _engine_answers(), reason="no Docker Engine on this machine")
def test_what_is_there_is_tagged_and_not_sent(tmp_path: Path, reference: str) -> None:
    image = docker("image", "inspect", "--format", "{{.Id}}", reference)
    given = {"images": {"web": {"reference": reference, "image_id": image, "digest": None, "built": True}}}
    planned = task(tmp_path, "--check", **given)
    assert (planned["outcome"], planned["changed"]) == ("planned", True)
    assert "they would be tagged" in planned["summary"]
    emergency = f"{reference.partition(':')[0]}:emergency"
    assert docker("image", "ls", "--quiet", emergency) == ""
    sent = task(tmp_path, **given)
    assert (sent["outcome"], sent["changed"], sent["sent_bytes"]) == ("done", True, 0)
    assert docker("image", "inspect", "--format", "{{.Id}}", emergency) == image
    assert sent["images"] == {"web": {"reference": reference, "image_id": image, "digest": None}}
    again = task(tmp_path, **given)
    assert (again["outcome"], again["changed"]) == ("unchanged", False)
