# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as its users have it: the built tarball installed into an empty path, and the plain checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PLAYBOOKS = sorted(path.stem for path in ROOT.glob("playbooks/*.yml"))
# Only what a user of the collection needs.
SHIPPED = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "COPYING",
    "FILES.json",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "schemas",
}
INVENTORY = """
production:
  hosts:
    host1:
  vars:
    ansible_connection: local
"""


def run(*command: str, cwd: Path, **more: str) -> str:
    """Run one of Ansible's programs with no setting of this machine or checkout but those in *more*."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))}
    done = subprocess.run(
        [shutil.which(command[0], path=f"{BIN}{os.pathsep}{os.environ['PATH']}") or command[0], *command[1:]],
        cwd=cwd,
        env={**environment, "LC_ALL": "C.UTF-8", **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("build")
    run("ansible-galaxy", "collection", "build", "--output-path", str(target), cwd=ROOT)
    (built,) = target.glob("pangeafate-hotfix-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty path with nothing in it but the collection, and a folder without an ansible.cfg to work in."""
    home = tmp_path_factory.mktemp("installed")
    (home / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    # Ansible falls back on the user's own settings.
    more = {"HOME": str(home), "ANSIBLE_COLLECTIONS_PATH": str(home / "collections")}
    arguments = ["collection", "install", str(tarball), "--no-deps", "-p", str(home / "collections")]
    run("ansible-galaxy", *arguments, cwd=home, **more)
    return home


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's wheel, built from what Git knows."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def build_wheel(folder: Path) -> Path:
    source = folder / "source"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("sandbox/", "tests/", "molecule/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    command = ["python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    run(*command, cwd=source, PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    (built,) = folder.glob("*.whl")
    return built


def ansible(installed: Path, *command: str) -> str:
    more = {"HOME": str(installed), "ANSIBLE_COLLECTIONS_PATH": str(installed / "collections")}
    return run(*command, cwd=installed, **more)


def test_the_tarball_holds_the_collection_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    assert {name.partition("/")[0] for name in names} <= SHIPPED
    assert "playbooks/rollback.yml" in names
    assert "meta/runtime.yml" in names
    wrong = re.compile(r"(^|/)(\.[^/]+|__pycache__|output|id_ed25519|known_hosts|.*\.(pyc|key|pem|crt|retry))(/|$)")
    assert [name for name in names if wrong.search(name)] == []


def test_the_tarball_holds_no_password_of_the_sandbox(tarball: Path) -> None:
    passwords = [path.read_bytes().strip() for path in ROOT.glob(".sandbox/*-password")]
    passwords += [path.read_bytes().strip() for path in ROOT.glob(".sandbox/*-token")]
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            stream = archive.extractfile(member) if member.isfile() else None
            content = stream.read() if stream else b""
            assert b"PRIVATE KEY-----\n" not in content, member.name
            assert not any(password and password in content for password in passwords), member.name


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_is_callable_by_its_full_name(installed: Path, playbook: str) -> None:
    name = f"pangeafate.hotfix.{playbook}"
    listed = ansible(installed, "ansible-playbook", name, "-i", "inventory.yml", "-l", "production", "--list-tasks")
    assert f"playbook: {installed}/collections/ansible_collections/pangeafate/hotfix/playbooks/{playbook}.yml" in listed
    assert "TAGS:" in listed
    assert "[WARNING]" not in listed


def test_every_module_and_role_shows_its_documentation(installed: Path) -> None:
    for kind in ("module", "role"):
        listed = ansible(installed, "ansible-doc", "-t", kind, "--list", "pangeafate.hotfix")
        names = {line.split()[0] for line in listed.splitlines() if line.startswith("pangeafate.hotfix.")}
        assert names, f"no {kind} is documented"
        ansible(installed, "ansible-doc", "-t", kind, *sorted(names))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_runs_from_a_plain_checkout(playbook: str) -> None:
    command = ["ansible-playbook", f"playbooks/{playbook}.yml", "-l", "production", "--list-tasks"]
    for inventory in ([], ["-i", "inventories/sandbox"]):
        listed = run(*command, *inventory, cwd=ROOT, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
        assert "TAGS:" in listed
        assert "[WARNING]" not in listed


def test_the_wheel_carries_the_collection_and_nothing_of_the_checkout(wheel: Path) -> None:
    inside = "hotfix/_collections/ansible_collections/pangeafate/hotfix/"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {f"{inside}playbooks/{playbook}.yml" for playbook in PLAYBOOKS} <= set(names)
    for wanted in ("galaxy.yml", "meta/runtime.yml", "plugins/modules/release.py", "roles/rollback/tasks/main.yml"):
        assert inside + wanted in names
    assert "hotfix/cli.py" in names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hotfix"}
    assert [name for name in names if re.search(r"(^|/)(\.[^/]+|__pycache__|[^/]*\.pyc)(/|$)", name)] == []


@pytest.mark.slow
def test_the_command_works_from_a_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """No checkout is in reach: the playbooks, modules and schemas come from the wheel."""
    uv = str(BIN / "uv")
    run(uv, "venv", "--quiet", "--python", sys.executable, "venv", cwd=tmp_path)
    run(uv, "pip", "install", "--quiet", "--python", "venv/bin/python", str(wheel), cwd=tmp_path)
    (tmp_path / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    work = tmp_path / "work"
    work.mkdir()
    more = {"HOME": str(tmp_path), "PATH": os.defpath, "HOTFIX_INVENTORY": str(tmp_path / "inventory.yml")}
    command = str(tmp_path / "venv/bin/hotfix")
    assert run(command, "--version", cwd=work, **more).startswith("hotfix ")
    for playbook in PLAYBOOKS:
        listed = run(
            str(tmp_path / "venv/bin/python"),
            "-c",
            f"from hotfix import collection; print(collection.path(), collection.playbook({playbook!r}))",
            cwd=work,
            **more,
        )
        assert f"_collections pangeafate.hotfix.{playbook}" in listed
    # It asks for the app's folder, which nobody named: so the role was found, and its specs were read.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "HOTFIX_"))}
    done = subprocess.run(
        [command, "status", "-l", "production", "-o", "json"],
        cwd=work,
        env={**environment, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["exit"]["name"] == "failed_unchanged", done.stdout + done.stderr
    assert "hotfix_app_dir" in found["message"]


def test_the_action_group_names_modules_that_exist(installed: Path) -> None:
    listed = ansible(installed, "ansible-doc", "-t", "module", "--list", "pangeafate.hotfix")
    text = (ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8")
    grouped = set(re.findall(r"^ {4}- (\w+)$", text, re.MULTILINE))
    assert grouped
    assert grouped <= set(re.findall(r"^pangeafate\.hotfix\.(\w+)", listed, re.MULTILINE))


def test_the_versions_agree() -> None:
    galaxy = re.search(r"^version: (\S+)$", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    project = re.search(r'^version = "(\S+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert galaxy is not None
    assert project is not None
    assert galaxy[1] == project[1]
