# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def found() -> dict[str, Any]:
    file = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "diagnosis.json"
    assert file.stat().st_mode & 0o777 == 0o600
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def test_nothing_on_the_host_was_changed(host: Host) -> None:
    containers = host.check_output("docker ps --all --quiet --no-trunc | sort")
    assert containers == host.file("/home/deploy/containers-before").content_string.strip()
    files = host.check_output("find /srv/notes -type f -printf '%p %s %T@\\n' | sort")
    assert files == host.file("/home/deploy/files-before").content_string.strip()
    assert host.check_output("docker inspect --format '{{.State.Status}}' notes-redis") == "exited"


def test_what_is_wrong_was_found_with_what_would_help(found: dict[str, Any]) -> None:
    assert found["verdict"] == "critical"
    first = found["findings"][0]
    assert (first["kind"], first["title"]) == ("stopped", "redis does not run")
    assert list(first["details"]) == ["staging1"]
    assert first["remedies"][0]["command"] == "ansible-playbook playbooks/restart.yml -l staging -e services=redis"


def test_all_else_was_looked_at(found: dict[str, Any]) -> None:
    parts = found["hosts"]["staging1"]["parts"]
    assert {name for name, one in parts.items() if one["status"] != "seen"} == set()
    assert parts["database"]["found"]["connections"] >= 1
    assert parts["release"]["found"]["current"]["version"] == "v1"
    assert parts["certificate"]["found"]["good"] is True
