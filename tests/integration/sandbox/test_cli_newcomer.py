# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who has the README and an empty folder gets to a rollback; and CI does what the examples say."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.driver import BIN, ROOT, Host
from tests.integration.hotfix import Terminal
from tests.integration.test_packaging import build_wheel

pytestmark = pytest.mark.slow

KEY = ROOT / ".sandbox/ssh/id_ed25519"
KNOWN_HOSTS = ROOT / ".sandbox/ssh/known_hosts"
# How this machine gets to the host, which everybody has to say in some way.
REACH = f"""\
      ansible_host: 127.0.1.21
      ansible_port: 2222
      ansible_ssh_private_key_file: {KEY}
      ansible_ssh_common_args: -o UserKnownHostsFile={KNOWN_HOSTS} -o IdentitiesOnly=yes
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def bare_environment(home: Path) -> dict[str, str]:
    """What a new terminal has: no setting of this checkout or of its tests."""
    named = ("ANSIBLE_", "MOLECULE_", "HOTFIX_", "SANDBOX_", "PYTEST_", "PYTHON", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(named)}
    return {**kept, "HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def blocks(section: str) -> list[tuple[str, str]]:
    """The code blocks of a section of the README, with their language."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"```(\w+)\n(.*?)```", part, re.DOTALL)


QUESTION = "now? [y/N]"


def _over(text: str, ended: str, asked: int) -> bool:
    """Whether a command has ended, or has asked something."""
    return bool(re.search(rf"{ended}\d", text)) or text.count(QUESTION) > asked


def test_from_an_empty_folder_to_a_rollback_by_the_readme_alone(staging: Host, wheel: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    found = blocks("From an empty folder to a rollback")
    assert [language for language, _text in found] == ["console", "yaml", "console"]
    (inventory,) = [text for language, text in found if language == "yaml"]
    inventory = inventory.replace("      ansible_host: app1.example.com\n", REACH)
    inventory = inventory.replace("registry.example.com/", "registry.example.com:5000/")
    # The sandbox's proxy serves one name, and its registry wants a login.
    inventory = inventory.replace(
        "{url: http://127.0.0.1/api/health}", "{url: 'http://app.example.com/api/health', address: '127.0.0.1:80'}"
    )
    password = (ROOT / ".sandbox/registry-password").read_text(encoding="utf-8").strip()
    more = {"hotfix_registry": "registry.example.com:5000", "hotfix_registry_username": "ci"}
    inventory += "".join(
        f"    {key}: {value}\n" for key, value in {**more, "hotfix_registry_password": password}.items()
    )
    (work / "inventory.yml").write_text(inventory, encoding="utf-8")
    commands = [
        line.removeprefix("$ ").replace("/path/to/this/checkout", str(wheel))
        for language, text in found
        if language == "console"
        for line in text.splitlines()
        if line.startswith("$ ")
    ]
    shell = Terminal(
        work, "--norc", "--noprofile", program=Path("/bin/bash"), **{**NOTHING, **bare_environment(tmp_path)}
    )
    for number, command in enumerate(commands):
        ended, asked = f"ended-{number}:", shell.text.count(QUESTION)
        shell.type(f"{command}; echo {ended}$?\n")
        # The echo of what was typed has no digit after the colon.
        shell.read(functools.partial(_over, ended=ended, asked=asked))
        if shell.text.count(QUESTION) > asked:
            shell.type("y\n")
            shell.read(functools.partial(_over, ended=ended, asked=1000))
        assert f"{ended}0" in shell.text, f"{command}\n{shell.text[-3000:]}"
    shell.type("exit\n")
    shell.end(5)
    for words in (
        "Plan: deploy v2 on production, 1 host",
        "deploy on production: done",
        "rollback on production: done",
        "status on production: done",
        "current: v1",
    ):
        assert words in shell.text, words
    assert staging.current()["version"] == "v1"
    assert staging.served()[0] == "v1"
    assert "v2" in staging.states()


#: What the terminal of the tests sets, and a newcomer does not have.
NOTHING = {"HOTFIX_INVENTORY": "", "SANDBOX_INCIDENTS": ""}


@pytest.fixture
def repository(wheel: Path, tmp_path: Path) -> Path:
    """A repository with an inventory and the wheel, and a home without anything in it."""
    folder = tmp_path / "repository"
    shutil.copytree(ROOT / "inventories/sandbox", folder / "inventory")
    shutil.copy2(ROOT / "inventories/checks.yml", folder / "checks.yml")
    shutil.copy2(wheel, folder)
    hosts = (folder / "inventory/hosts.yml").read_text(encoding="utf-8")
    # The key and the known hosts are those that the job has put into its home.
    hosts = hosts.replace(
        '"{{ inventory_dir }}/../../.sandbox/ssh/id_ed25519"', "\"{{ lookup('env', 'HOME') }}/.ssh/id_ed25519\""
    )
    hosts = hosts.replace(
        "{{ inventory_dir }}/../../.sandbox/ssh/known_hosts", "{{ lookup('env', 'HOME') }}/.ssh/known_hosts"
    )
    assert "/.sandbox/" not in hosts.partition("all:")[2]
    (folder / "inventory/hosts.yml").write_text(hosts, encoding="utf-8")
    (tmp_path / ".sandbox").symlink_to(ROOT / ".sandbox")
    (tmp_path / "home").mkdir()
    return folder


def step(script: str, folder: Path, **variables: str) -> None:
    """Run a step as the runner of a CI does: by a shell that ends with the first command that fails."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={**bare_environment(folder.parent / "home"), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


SECRETS = {
    "SSH_KEY": KEY.read_text(encoding="utf-8") if KEY.exists() else "",
    "SSH_KNOWN_HOSTS": KNOWN_HOSTS.read_text(encoding="utf-8") if KNOWN_HOSTS.exists() else "",
}


def token() -> str:
    return (ROOT / ".sandbox/admin-token").read_text(encoding="utf-8").strip()


def test_the_steps_of_the_github_workflow_work(staging: Host, repository: Path) -> None:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / "docs/ci/github-actions.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["hotfix"]
    secrets = {**SECRETS, "FLAG_TOKEN": token()}
    scripts = {one["name"]: one for one in job["steps"] if "run" in one}
    assert list(scripts) == ["Install", "Let it reach the hosts", "Do it"]

    def play(name: str, **inputs: str) -> None:
        given = {"command": "preflight", "environment": "staging", "version": "", "reason": "", **inputs}

        def value(text: str) -> str:
            expression = re.fullmatch(r"\$\{\{ (?:inputs\.(\w+)(?: \|\| '([^']*)')?|secrets\.(\w+)) \}\}", text)
            if expression is None:
                return text
            return secrets[expression[3]] if expression[3] else given[expression[1]] or (expression[2] or "")

        declared = {**job["env"], **scripts[name].get("env", {})}
        step(scripts[name]["run"], repository, **{key: value(text) for key, text in declared.items()})

    play("Install")
    play("Let it reach the hosts")
    assert (repository.parent / "home/.ssh/id_ed25519").stat().st_mode & 0o777 == 0o600
    play("Do it", command="deploy", version="v6", reason="from CI")
    assert staging.current()["version"] == "v6"
    play("Do it", command="smoke")
    assert "<testsuite" in (repository / "hotfix.xml").read_text(encoding="utf-8")
    play("Do it", command="preflight")
    play("Do it", command="rollback")
    assert staging.current()["version"] == "v1"
    # There is nothing to do any more, and that is no failure.
    play("Do it", command="rollback")
    kept = [path for path in repository.rglob("*") if path.is_file() and "venv" not in path.parts]
    assert [path for path in kept if token().encode() in path.read_bytes()] == []


def test_the_steps_of_the_gitlab_pipeline_work(staging: Host, repository: Path) -> None:
    pipeline: dict[str, Any] = yaml.safe_load((ROOT / "docs/ci/gitlab-ci.yml").read_text(encoding="utf-8"))
    key = repository.parent / "key"
    key.write_text(SECRETS["SSH_KEY"], encoding="utf-8")
    given = {
        **pipeline["variables"],
        **SECRETS,
        "SSH_KEY": str(key),
        "FLAG_TOKEN": token(),
        "HOTFIX_LIMIT": "staging",
        "CI_PIPELINE_ID": "7",
        "VERSION": "v6",
    }

    def play(name: str) -> None:
        shutil.rmtree(repository.parent / "home/.ssh", ignore_errors=True)
        step("\n".join([*pipeline["default"]["before_script"], *pipeline[name]["script"]]), repository, **given)

    play("deploy")
    assert staging.current()["version"] == "v6"
    play("preflight")
    play("smoke")
    play("rollback")
    assert staging.current()["version"] == "v1"
    record = staging.run("cat", "/srv/notes/journal.jsonl")
    assert "pipeline 7" in record
