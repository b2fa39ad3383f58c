# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role hotfix_branch, by a real playbook on hosts that do not exist: whoever connected to them would fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
SAID = {"hotfix_branch_what": "Save notes again", "hotfix_branch_fixes": "Notes are lost", "hotfix_branch_risk": "low"}


class Play:
    """A play with the role, and the repositories that it works on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin, self.checkout = folder / "origin.git", folder / "checkout"
        (folder / "gitconfig").write_text(
            "[user]\n  name = Alice\n  email = alice@example.com\n[init]\n  defaultBranch = main\n", encoding="utf-8"
        )
        (folder / "hosts.ini").write_text("[production]\napp1.invalid\napp2.invalid\n", encoding="utf-8")
        play = {"hosts": "all", "gather_facts": False, "roles": ["pangeafate.hotfix.hotfix_branch"]}
        (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        self.origin.mkdir()
        self.git(self.origin, "init", "--quiet", "--bare")
        self.git(folder, "clone", "--quiet", str(self.origin), str(self.checkout))
        (self.checkout / "app.py").write_text("broken\n", encoding="utf-8")
        self.git(self.checkout, "add", "--all")
        self.git(self.checkout, "commit", "--quiet", "-m", "begin")
        self.git(self.checkout, "push", "--quiet", "origin", "HEAD:main")
        (self.checkout / "app.py").write_text("mended {{ not a template }}\n", encoding="utf-8")

    def git(self, where: Path, *args: str) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": str(self.folder / "gitconfig")}
        return subprocess.run(["git", *args], cwd=where, env=env, capture_output=True, text=True, check=True).stdout

    def run(
        self, *options: str, env: dict[str, str] | None = None, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        given = {"hotfix_repository": str(self.checkout), "hotfix_branch_changes": True, **SAID, **variables}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.ini", "play.yml", *options]
        return subprocess.run(
            [*command, "-e", json.dumps(given)],
            cwd=self.folder,
            env={
                **{name: one for name, one in os.environ.items() if not name.startswith("ANSIBLE_")},
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
                "ANSIBLE_NOCOLOR": "1",
                "GIT_CONFIG_GLOBAL": str(self.folder / "gitconfig"),
                **(env or {}),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def branches(self) -> list[str]:
        return self.git(self.origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()

    def events(self) -> list[dict[str, Any]]:
        lines = [one.read_text(encoding="utf-8") for one in self.folder.glob("incidents/*/events.jsonl")]
        return [json.loads(line) for text in lines for line in text.splitlines()]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def test_the_branch_is_made_and_recorded_with_the_reason_and_once_more_changes_nothing(play: Play) -> None:
    reasons = {"tests": "the suite takes an hour"}
    done = play.run(hotfix_branch_guard_reasons=reasons)
    assert done.returncode == 0, done.stdout + done.stderr
    (name,) = [one for one in play.branches() if one != "main"]
    assert play.git(play.origin, "show", f"{name}:app.py") == "mended {{ not a template }}\n"
    assert f"{name} holds" in done.stdout
    (step,) = [one for one in play.events() if one["kind"] == "step" and one["end"]]
    assert step["outcome"] == "done"
    assert name in step["text"]
    assert "tests passed with a reason (the suite takes an hour)" in step["text"]
    about = step["data"]["hotfix"]
    assert about["branch"] == name
    assert about["commit"] == play.git(play.origin, "rev-parse", name).strip()
    assert about["guards"][2]["reason"] == "the suite takes an hour"
    again = play.run(hotfix_branch_guard_reasons=reasons)
    assert again.returncode == 0, again.stdout
    assert "held already" in again.stdout
    assert "changed=0" in again.stdout
    assert len(play.branches()) == 2


def test_what_is_refused_ends_the_play_with_the_guards_and_is_recorded(play: Play) -> None:
    done = play.run(hotfix_test_command="echo it broke here; false", hotfix_guard_lines=1)
    assert done.returncode != 0
    for words in ("refused", "2 guards: size, tests", "2 lines of 1", "it broke here", "guard_reasons"):
        assert words in done.stdout, words
    assert "Traceback" not in done.stdout + done.stderr
    assert play.branches() == ["main"]
    (step,) = [one for one in play.events() if one["kind"] == "step" and one["end"]]
    assert step["outcome"] == "refused"


def test_check_mode_pushes_and_records_nothing(play: Play) -> None:
    done = play.run("--check", "--diff", hotfix_test_command="false")
    assert done.returncode == 0, done.stdout
    assert "would hold" in done.stdout
    assert "+mended" in done.stdout
    assert play.branches() == ["main"]
    assert not (play.folder / "incidents").exists()
    assert not play.git(play.checkout, "for-each-ref", "refs/hotfix")


def test_what_is_missing_and_a_template_are_told(play: Play) -> None:
    done = play.run(hotfix_branch_risk="")
    assert done.returncode != 0
    assert "none of Low, Medium, High" in done.stdout
    done = play.run(hotfix_branch_fixes="{{ lookup('env', 'HOME') }}")
    assert done.returncode != 0
    assert "hotfix_branch_fixes holds a template" in done.stdout + done.stderr


def test_the_deploy_key_is_taken_from_the_environment_and_shown_nowhere(play: Play) -> None:
    key = play.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    text = key.read_text(encoding="utf-8")
    test = ["sh", "-c", 'test -z "$DEPLOY_KEY"']
    done = play.run("-vvv", env={"DEPLOY_KEY": text}, hotfix_test_command=test)
    assert done.returncode == 0, done.stdout
    secret = text.splitlines()[2]
    assert secret not in done.stdout + done.stderr
    kept = [one for one in play.folder.glob("incidents/**/*") if one.is_file()]
    assert kept
    assert not [one for one in kept if secret.encode() in one.read_bytes()]
    broken = play.run(env={"DEPLOY_KEY": "no key"}, hotfix_branch_what="Another")
    assert "DEPLOY_KEY" in broken.stdout
    assert "is no private key" in broken.stdout
