# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A canary in every secret of a module: no program that it starts gets one in its arguments or its environment."""

from __future__ import annotations

import json
import shutil
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import engine

from tests.unit.properties.test_module_input_properties import APP, MODULES, RUN, called

#: Notes what it was given, and is an engine with one container whose environment holds a secret.
DOCKER = r"""#!/bin/sh
printf '%s\n' "$*" >>"$NOTES/argv"
env >>"$NOTES/environ"
case "$*" in
  *login*)
    cat >>"$NOTES/stdin"
    ls -ld "$DOCKER_CONFIG" >>"$NOTES/folders"
    echo 'denied: canary-of-the-registry' >&2
    exit 1
    ;;
  *'compose version'*) echo 2.30.0 ;;
  *version*) echo 26.1.5 ;;
  *config*)
    echo 'services.backend: invalid: postgresql://app:canary-of-the-database@db/app' >&2
    exit 15
    ;;
  *inspect*) echo '[]' ;;
esac
"""
ENV = {
    "ADMIN_TOKEN": "canary-of-the-admin-token",
    "DATABASE_URL": "postgresql://app:canary-of-the-database@db/app",
    "SMTP_PASSWORD": 'canary-of-the-mail\'s "password"',
}
STATES: list[tuple[str, dict[str, t.Any]]] = [
    ("release", {"state": "prepared", "version": "v2"}),
    ("release", {"state": "rolled_back"}),
    ("release", {"state": "live", "release": "20260102T030405Z-v1"}),
    ("release_info", {}),
    ("restart", {}),
    ("proxy", {}),
    ("preflight", {"parts": ["hosts", "registry", "rollback", "database"], "flag_token": "canary-of-the-flags"}),
    ("ssl_renewal", {"private_key": "canary-of-a-key", "account_key": "canary-of-an-account"}),
    ("feature_flag", {}),
    ("logs", {}),
    ("service_logs", {}),
    ("unlock", {}),
]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("bin", "notes", "app"):
        (tmp_path / folder).mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER, encoding="utf-8")
    docker.chmod(0o755)
    for program in ("timeout", "sh", "env", "cat", "ls"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "/nonexistent")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    env = "".join(f"{key}='{value}'\n" if "'" not in value else f"{key}={value}\n" for key, value in ENV.items())
    (tmp_path / "app" / ".env").write_text(env, encoding="utf-8")
    (tmp_path / "app" / "docker-compose.yml").write_text("services: {}\n", encoding="utf-8")
    line = {"at": "2026-01-02T03:04:05.000Z", "run": RUN["run"], "step": "note", "text": f"said {ENV['ADMIN_TOKEN']}"}
    (tmp_path / "app" / "journal.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return tmp_path / "notes"


def noted(notes: Path, name: str) -> str:
    path = notes / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.mark.parametrize(
    ("name", "more"), STATES, ids=lambda one: one if isinstance(one, str) else one.get("state", "")
)
@pytest.mark.parametrize("planning", [False, True])
def test_no_program_and_no_result_gets_one(notes: Path, name: str, more: dict[str, t.Any], planning: bool) -> None:
    folder = notes.parent / "app"
    given: dict[str, t.Any] = {**MODULES[name], "app_dir": str(folder), **more}
    result = called(name, given, planning=planning)
    shown = json.dumps(result)
    assert "canary-of" not in shown, shown
    assert "canary-of" not in noted(notes, "argv")
    assert "canary-of" not in noted(notes, "environ")
    for path in folder.rglob("*"):
        private = stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert private or path.name in (".env", "docker-compose.yml", "journal.jsonl"), path
    # Where somebody logged in, it was on standard input, in a folder of our own that is gone.
    if noted(notes, "stdin"):
        assert noted(notes, "stdin").startswith(APP["registry_password"])
        for line in noted(notes, "folders").splitlines():
            assert line.startswith("drwx------")
            assert not Path(line.split()[-1]).exists()


def test_the_registry_was_logged_in_to_at_all(notes: Path) -> None:
    called("preflight", {**MODULES["preflight"], "app_dir": str(notes.parent / "app")}, planning=False)
    assert "login --username ci --password-stdin registry.example.com" in noted(notes, "argv")
    assert noted(notes, "stdin")


def test_the_controllers_login_is_a_file_of_ours_that_is_gone() -> None:
    with engine.configuration("registry.example.com", "ci", "canary-of-the-registry") as folder:
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert files
        assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)
    assert not folder.exists()
