# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guards of a hotfix, on real trees and with real commands."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import guards
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git

LIMITS = guards.Limits()


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    path = tmp_path / "repository"
    path.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=path, check=True)
    return Git(path, secrets=["a-known-secret"])


def tree(git: Git, **files: bytes) -> str:
    """Return a tree with these files; '__' in a name is a slash, and '_dot_' a dot."""
    for name, content in files.items():
        path = git.path / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    git.run("add", "--all")
    return git.out("write-tree")


def test_lines_are_those_added_and_removed_and_a_rename_is_two_files(git: Git) -> None:
    before = tree(git, a=b"1\n2\n3\n", b=b"same\n" * 9)
    (git.path / "b").rename(git.path / "c")
    found = guards.measure(git, before, tree(git, a=b"1\nx\n3\n4\n"))
    assert (found.files, found.lines) == (("a", "b", "c"), 3 + 18)


@pytest.mark.parametrize(("files", "lines", "holds"), [(2, 4, True), (1, 4, False), (2, 3, False)])
def test_the_limits_themselves_are_within(git: Git, files: int, lines: int, holds: bool) -> None:
    change = guards.measure(git, tree(git), tree(git, a=b"1\n2\n", b=b"1\n2\n"))
    found = guards.size(change, guards.Limits(files=files, lines=lines), {})
    assert (found.holds, found.passed) == (holds, holds)
    assert "2 files of" in found.detail
    assert guards.size(change, guards.Limits(files=files, lines=lines), {"size": "why"}).passed


def test_a_binary_file_has_no_lines_and_does_not_hold(git: Git) -> None:
    change = guards.measure(git, tree(git), tree(git, logo=bytes(range(256))))
    found = guards.size(change, LIMITS, {})
    assert not found.holds
    assert "logo is binary" in found.detail


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("db__migrate__1_dot_rb", "migration"),
        ("packages__api__prisma__migrations__1__migration_dot_sql", "migration"),
        ("Migrations__1_dot_cs", "migration"),
        ("alembic__versions__1_dot_py", "migration"),
        ("packages__api__schema_dot_prisma", "migration"),
        ("sql__V2__add_dot_sql", None),
        ("package-lock_dot_json", "lock file"),
        ("packages__web__yarn_dot_lock", "lock file"),
        ("go_dot_sum", "lock file"),
        ("src__migration_dot_py", None),
        ("package_dot_json", None),
    ],
)
def test_a_migration_and_a_lock_file_are_known_wherever_they_are(git: Git, name: str, about: str | None) -> None:
    found = guards.paths(git, tree(git), tree(git, **{name: b"x\n"}), LIMITS, {})
    assert found.holds is (about is None)
    if about:
        assert f"({about})" in found.detail


def test_patterns_of_ones_own_replace_those(git: Git) -> None:
    before, after = tree(git), tree(git, yarn_dot_lock=b"x\n", config__live_dot_yml=b"x\n")
    assert guards.paths(git, before, after, guards.Limits(migrations=(), locks=()), {}).holds
    found = guards.paths(git, before, after, guards.Limits(migrations=("config/*.yml",), locks=()), {})
    assert found.detail == "touches config/live.yml (migration)"


@pytest.mark.parametrize(
    "options",
    [{"files": 0}, {"lines": -1}, {"test_timeout": 0}, {"locks": ("",)}, {"locks": (":(top)x",)}, {"locks": ("../x",)}],
)
def test_limits_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        guards.Limits(**options)


@pytest.mark.parametrize(
    ("given", "words"), [({"speed": "x"}, "'speed', which is no guard"), ({"size": " \n"}, "guard size is empty")]
)
def test_a_reason_for_no_guard_and_an_empty_one_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        guards.parse_reasons(given)
    assert words in caught.value.what


def test_a_command_is_words_or_a_text() -> None:
    assert guards.parse_command(["make", 1]) == ["make", "1"]
    assert guards.parse_command(" make test ") == "make test"
    assert guards.parse_command("") is None
    with pytest.raises(BadInputError):
        guards.parse_command({"make": "test"})


def test_no_command_fails_and_a_reason_saves_its_time() -> None:
    found = guards.untested(LIMITS, {}, planned=False)
    assert found is not None
    assert not found.passed
    assert "no test command is configured" in found.detail
    skipped = guards.untested(guards.Limits(test_command="false"), {"tests": "an hour"}, planned=False)
    assert skipped is not None
    assert (skipped.passed, skipped.holds, skipped.reason) == (True, False, "an hour")
    assert guards.untested(guards.Limits(test_command="true"), {}, planned=False) is None


def test_the_last_lines_of_a_failing_test_are_shown_without_secrets(git: Git, tmp_path: Path) -> None:
    command = "seq 1 100; echo a-known-secret broke >&2; exit 7"
    found = guards.tests(tmp_path, guards.Limits(test_command=command), git)
    assert "failed with 7" in found.detail
    assert found.evidence.splitlines() == [*map(str, range(82, 101)), "******** broke"]
    with pytest.raises(HotfixError) as caught:
        guards.refuse([guards.Guard("size", True, "small"), found])
    assert "1 guard: tests" in caught.value.what
    assert "size: holds" in caught.value.evidence
    assert "******** broke" in caught.value.evidence


def test_a_test_that_hangs_is_ended_with_all_that_it_started(git: Git, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    command = f"(sleep 3; touch {mark}) & sleep 60"
    began = time.monotonic()
    found = guards.tests(tmp_path, guards.Limits(test_command=command, test_timeout=0.5), git)
    assert time.monotonic() - began < 2.5
    assert "longer than 0.5 s" in found.detail
    time.sleep(3.5)
    assert not mark.exists()


def test_what_a_test_leaves_running_does_not_hold_it_up(git: Git, tmp_path: Path) -> None:
    began = time.monotonic()
    assert guards.tests(tmp_path, guards.Limits(test_command="sleep 30 & true"), git).holds
    assert time.monotonic() - began < 5


def test_a_command_that_is_not_there(git: Git, tmp_path: Path) -> None:
    found = guards.tests(tmp_path, guards.Limits(test_command=["no-such-program"]), git)
    assert not found.holds
    assert "cannot be run" in found.detail


def test_a_test_sees_no_secret_and_runs_in_its_folder(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEPLOY_KEY", "GITHUB_TOKEN", "ADMIN_TOKEN", "PGPASSWORD", "SSH_AUTH_SOCK", "GIT_DIR"):
        monkeypatch.setenv(name, f"value-of-{name}")
    monkeypatch.setenv("HARMLESS", "carries a-known-secret along")
    monkeypatch.setenv("SOME_URL", "postgres://me:hunter22@db/x")
    monkeypatch.setenv("NODE_ENV", "test")
    seen = tmp_path / "seen"
    assert guards.tests(tmp_path, guards.Limits(test_command=f"pwd > {seen}; env >> {seen}"), git).holds
    lines = seen.read_text(encoding="utf-8").splitlines()
    assert lines[0] == os.path.realpath(tmp_path)
    text = "\n".join(lines)
    assert "NODE_ENV=test" in lines
    assert "CI=true" in lines
    assert any(line.startswith("PATH=") for line in lines)
    assert "value-of-" not in text
    assert "a-known-secret" not in text
    assert "hunter22" not in text
