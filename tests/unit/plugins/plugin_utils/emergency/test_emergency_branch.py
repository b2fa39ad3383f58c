# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The branch of a hotfix, made in real repositories: what is pushed, what is refused, and that nothing else moves."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import branch, guards, message

NOW = datetime(2026, 11, 24, 3, 15, 0, tzinfo=UTC)
NAME = "hotfix/emergency-20261124T031500Z"
APP = "".join(f"line {number}\n" for number in range(1, 31))
FIXED = APP.replace("line 15\n", "line 15, mended\n")
GREEN = guards.Limits(test_command="grep -q mended app.py")


def git(where: Path, *args: str, stdin: str | None = None) -> str:
    command = ["git", "-c", "core.hooksPath=/dev/null", *args]
    done = subprocess.run(command, cwd=where, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(where: Path, text: str = "more", **files: str) -> str:
    for name, content in files.items():
        path = where / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    git(where, "add", "--all")
    git(where, "commit", "--quiet", "--allow-empty", "-m", text)
    return git(where, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text(
        "[user]\n  name = Alice\n  email = alice@example.com\n[init]\n  defaultBranch = main\n", encoding="utf-8"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "origin.git"
    path.mkdir()
    git(path, "init", "--quiet", "--bare")
    return path


@pytest.fixture
def checkout(tmp_path: Path, origin: Path) -> Path:
    path = tmp_path / "checkout"
    git(tmp_path, "clone", "--quiet", str(origin), str(path))
    (path / "app.py").write_text(APP, encoding="utf-8")
    (path / ".gitignore").write_text("*.log\n", encoding="utf-8")
    commit(path, "begin")
    git(path, "push", "--quiet", "origin", "HEAD:main")
    return path


@pytest.fixture
def patch(tmp_path: Path, checkout: Path) -> Path:
    (checkout / "app.py").write_text(FIXED, encoding="utf-8")
    path = tmp_path / "fix.patch"
    path.write_text(git(checkout, "diff") + "\n", encoding="utf-8")
    git(checkout, "checkout", "--quiet", "app.py")
    return path


def wanted(checkout: Path, **options: Any) -> branch.Wanted:
    said = message.parse(what="Save notes again", fixes="Notes are lost", risk="low")
    return branch.Wanted(**{"repository": str(checkout), "message": said, "limits": GREEN, **options})


def make(checkout: Path, **options: Any) -> dict[str, Any]:
    how = {name: options.pop(name) for name in ("check", "diff") if name in options}
    return branch.make(wanted(checkout, **options), now=lambda: NOW, **how)


def state(checkout: Path) -> dict[str, str]:
    """Return everything of a checkout that is the operator's; of ours only what is not under our own references."""
    files = {
        str(path.relative_to(checkout)): str(path.read_bytes())
        for path in checkout.rglob("*")
        if path.is_file() and (".git" not in path.parts or path.name in ("index", "HEAD", "config", "FETCH_HEAD"))
    }
    refs = git(checkout, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    files["refs"] = "\n".join(one for one in refs if not one.startswith("refs/hotfix/"))
    files["worktrees"] = git(checkout, "worktree", "list")
    return files


def everything(checkout: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in checkout.rglob("*") if path.is_file()}


def on_remote(origin: Path) -> dict[str, str]:
    lines = git(origin, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads").splitlines()
    return dict(line.split(" ") for line in lines)


def left_over(tmp_path: Path) -> list[str]:
    return [one.name for one in tmp_path.iterdir() if one.name.startswith("hotfix-")]


def refused(checkout: Path, **options: Any) -> HotfixError:
    """See that it is refused, with a next step, and that nothing is left of it anywhere."""
    origin = Path(git(checkout, "remote", "get-url", "origin")) if options.get("repository") is None else None
    before = state(checkout)
    there = on_remote(origin) if origin is not None and origin.is_dir() else None
    with pytest.raises(HotfixError) as caught:
        make(checkout, **options)
    assert caught.value.next_step
    assert state(checkout) == before
    if there is not None and origin is not None:
        assert on_remote(origin) == there
    assert not git(checkout, "for-each-ref", "refs/hotfix")
    assert not left_over(checkout.parent)
    return caught.value


# ------------------------------------------------------------------------------------------------------- what is made


def test_a_patch_becomes_a_branch_on_the_remote_and_nothing_else_moves(
    checkout: Path, origin: Path, patch: Path
) -> None:
    before, main = state(checkout), git(checkout, "rev-parse", "HEAD")
    made = make(checkout, patch=str(patch))
    assert made["changed"]
    assert made["pushed"]
    assert (made["branch"], made["base"], made["base_commit"]) == (NAME, "main", main)
    assert (made["files"], made["lines"]) == (["app.py"], 2)
    assert on_remote(origin) == {"main": main, NAME: made["commit"]}
    assert git(origin, "show", f"{NAME}:app.py") + "\n" == FIXED
    assert git(origin, "log", "-1", "--format=%P %an <%ae>", NAME) == f"{main} Alice <alice@example.com>"
    assert git(origin, "log", "-1", "--format=%B", NAME) == (
        "HOTFIX: Save notes again\n\nFixes: Notes are lost\nRisk: Low\nRollback: Available via playbooks/rollback.yml"
    )
    assert [(one["name"], one["passed"]) for one in made["guards"]] == [
        ("size", True),
        ("paths", True),
        ("tests", True),
    ]
    assert state(checkout) == before
    # What is built from is kept in the checkout, under a name of ours.
    assert git(checkout, "rev-parse", "refs/hotfix/emergency-20261124T031500Z") == made["commit"]
    assert not left_over(checkout.parent)


def test_the_text_of_a_patch_does_as_well(checkout: Path, origin: Path, patch: Path) -> None:
    make(checkout, patch=patch.read_text(encoding="utf-8").rstrip("\n"))
    assert git(origin, "show", f"{NAME}:app.py") + "\n" == FIXED


def test_the_base_is_the_remotes_and_not_what_the_checkout_knows(
    checkout: Path, origin: Path, patch: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(origin), str(other))
    newest = commit(other, "elsewhere", other="of another\n")
    git(other, "push", "--quiet", "origin", "main")
    before = state(checkout)
    made = make(checkout, patch=str(patch))
    assert made["base_commit"] == newest
    assert git(origin, "show", f"{NAME}:other") == "of another"
    # Its own origin/main is as old as it was.
    assert state(checkout) == before


def test_a_commit_is_picked_with_its_author(checkout: Path, origin: Path) -> None:
    git(checkout, "checkout", "--quiet", "-b", "feature")
    commit(checkout, "unrelated", unrelated="x\n")
    (checkout / "app.py").write_text(FIXED, encoding="utf-8")
    git(checkout, "-c", "user.name=Bob", "commit", "--quiet", "-am", "mend")
    picked = git(checkout, "rev-parse", "HEAD")
    made = make(checkout, commit="feature")
    assert made["files"] == ["app.py"]
    assert git(origin, "log", "-1", "--format=%an, %cn", NAME) == "Bob, Alice"
    assert f"\n\n(cherry picked from commit {picked})" in made["message"]


def test_changes_are_taken_staged_or_not_and_new_ones_but_not_ignored_ones(checkout: Path, origin: Path) -> None:
    (checkout / "app.py").write_text(FIXED, encoding="utf-8")
    git(checkout, "add", "app.py")
    (checkout / "app.py").write_text(FIXED.replace("line 30", "line 30, mended"), encoding="utf-8")
    (checkout / "new.py").write_text("new\r\n", encoding="utf-8", newline="")
    (checkout / "debug.log").write_text("secret\n", encoding="utf-8")
    before = state(checkout)
    made = make(checkout, changes=True)
    assert made["files"] == ["app.py", "new.py"]
    assert "line 30, mended" in git(origin, "show", f"{NAME}:app.py")
    assert git(origin, "cat-file", "-s", f"{NAME}:new.py") == "5"
    assert any("new.py" in note for note in made["notes"])
    assert state(checkout) == before


def test_a_deleted_and_a_binary_file_survive_the_way(checkout: Path, origin: Path) -> None:
    (checkout / ".gitignore").unlink()
    (checkout / "logo").write_bytes(bytes(range(256)))
    made = make(checkout, changes=True, reasons={"size": "a logo", "tests": "none for it"})
    assert made["files"] == [".gitignore", "logo"]
    shown = subprocess.run(["git", "show", f"{NAME}:logo"], cwd=origin, capture_output=True, check=True).stdout
    assert shown == bytes(range(256))


def test_a_dirty_submodule_is_no_part_of_the_change(checkout: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "--quiet")
    commit(library, "begin", lib="1\n")
    git(checkout, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    commit(checkout, "with a library")
    git(checkout, "push", "--quiet", "origin", "HEAD:main")
    (checkout / "lib" / "lib").write_text("dirty\n", encoding="utf-8")
    commit(checkout / "lib", "elsewhere")
    assert "Nothing is changed" in refused(checkout, changes=True).what
    (checkout / "app.py").write_text(FIXED, encoding="utf-8")
    assert make(checkout, changes=True)["files"] == ["app.py"]


def test_a_bare_repository_and_a_folder_in_a_checkout_do_as_well(checkout: Path, tmp_path: Path, patch: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), str(bare))
    git(bare, "remote", "set-url", "origin", git(checkout, "remote", "get-url", "origin"))
    assert make(bare, patch=str(patch))["changed"]
    inside = checkout / "folder"
    inside.mkdir()
    assert not make(inside, patch=str(patch))["changed"]


def test_who_commits_is_the_operator_where_git_knows_nobody(
    checkout: Path, origin: Path, patch: Path, tmp_path: Path
) -> None:
    (tmp_path / "gitconfig").write_text("", encoding="utf-8")
    make(checkout, patch=str(patch), operator="carol@laptop")
    assert git(origin, "log", "-1", "--format=%an <%ae>", NAME) == "carol@laptop <carol@laptop>"


def test_reasons_stand_in_the_message_beside_the_trailers(checkout: Path, origin: Path, patch: Path) -> None:
    said = message.parse(
        what="Save notes again",
        fixes="Notes are lost",
        risk="High",
        rollback="by a flag",
        body="The cache was asked first.",
        trailers={"Co-Authored-By": "Bob <bob@example.com>"},
    )
    made = make(
        checkout,
        patch=str(patch),
        message=said,
        limits=guards.Limits(files=1, lines=1),
        reasons=guards.parse_reasons({"tests": "the suite takes\nan hour", "size": "two lines", "paths": "no"}),
    )
    assert git(origin, "log", "-1", "--format=%(trailers:only,unfold)", NAME).splitlines() == [
        "Co-Authored-By: Bob <bob@example.com>",
        "Hotfix-Guard-size: two lines",
        "Hotfix-Guard-tests: the suite takes an hour",
    ]
    assert {one["name"]: one.get("reason") for one in made["guards"]} == {
        "size": "two lines",
        "paths": None,
        "tests": "the suite takes an hour",
    }
    assert "size passed with a reason (two lines)" in made["summary"]
    assert any("paths holds, so the reason" in note for note in made["notes"])


# ---------------------------------------------------------------------------------------------------------- once more


def test_the_same_once_more_changes_nothing_and_tests_nothing(checkout: Path, origin: Path, patch: Path) -> None:
    first = make(checkout, patch=str(patch))
    there = on_remote(origin)
    again = branch.make(wanted(checkout, patch=str(patch), limits=guards.Limits(test_command="false")))
    assert not again["changed"]
    assert (again["branch"], again["commit"]) == (first["branch"], first["commit"])
    assert on_remote(origin) == there


def test_it_is_found_from_another_checkout_with_the_reasons_it_was_made_by(
    checkout: Path, origin: Path, patch: Path, tmp_path: Path
) -> None:
    first = make(checkout, patch=str(patch), reasons={"tests": "no time"})
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--single-branch", "--branch", "main", str(origin), str(other))
    again = make(other, patch=str(patch))
    assert (again["changed"], again["commit"]) == (False, first["commit"])
    assert again["guards"][2]["reason"] == "no time"
    assert git(other, "cat-file", "-t", str(again["commit"])) == "commit"


def test_another_message_or_another_base_makes_another_branch(checkout: Path, origin: Path, patch: Path) -> None:
    make(checkout, patch=str(patch))
    said = message.parse(what="Something else", fixes="Notes are lost", risk="low")
    second = make(checkout, patch=str(patch), message=said)
    # Two in one second do not meet.
    assert second["branch"] == "hotfix/emergency-20261124T031501Z"
    commit(checkout, "moved on", other="x\n")
    git(checkout, "push", "--quiet", "origin", "HEAD:main")
    third = make(checkout, patch=str(patch))
    assert third["branch"] == "hotfix/emergency-20261124T031502Z"
    assert len(on_remote(origin)) == 4


# --------------------------------------------------------------------------------------------------- what is only said


@pytest.mark.parametrize("kind", ["patch", "changes", "commit"])
def test_check_mode_says_it_all_and_writes_nothing(
    checkout: Path, origin: Path, patch: Path, tmp_path: Path, kind: str
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(origin), str(other))
    newest = commit(other, "elsewhere", other="of another\n")
    git(other, "push", "--quiet", "origin", "main")
    if kind == "commit":
        git(checkout, "checkout", "--quiet", "-b", "feature")
        given: dict[str, Any] = {"commit": commit(checkout, "mend", app_py="x")}
    elif kind == "changes":
        (checkout / "app.py").write_text(FIXED, encoding="utf-8")
        given = {"changes": True}
    else:
        given = {"patch": str(patch)}
    touched = tmp_path / "touched"
    limits = guards.Limits(test_command=["touch", str(touched)])
    before, there = everything(checkout), on_remote(origin)
    said = make(checkout, check=True, diff=True, limits=limits, **given)
    assert everything(checkout) == before
    assert on_remote(origin) == there
    assert not touched.exists()
    assert (said["commit"], said["pushed"], said["changed"], said["outcome"]) == (None, False, True, "planned")
    assert said["base_commit"] == newest
    assert "would run" in said["guards"][2]["detail"]
    assert said["diff"]["prepared"].startswith("diff --git ")
    assert make(checkout, limits=limits, **given)["files"] == said["files"]
    assert touched.exists()
    assert not make(checkout, check=True, limits=limits, **given)["changed"]


def test_check_mode_refuses_what_would_be_refused(checkout: Path, patch: Path) -> None:
    said = refused(checkout, patch=str(patch), check=True, limits=guards.Limits(files=1, lines=1))
    assert "2 guards: size, tests" in said.what


# ----------------------------------------------------------------------------------------------------- what is refused


def test_all_guards_are_shown_together(checkout: Path) -> None:
    for name in ("a", "b", "yarn.lock"):
        (checkout / name).write_text("x\n", encoding="utf-8")
    (checkout / "db" / "migrations").mkdir(parents=True)
    (checkout / "db" / "migrations" / "1.py").write_text("x\n", encoding="utf-8")
    limits = guards.Limits(files=2, test_command="echo it broke here; exit 3")
    said = refused(checkout, changes=True, limits=limits)
    assert said.code == "refused"
    text = str(said)
    assert "3 guards: size, paths, tests" in text
    assert "4 files of 2" in text
    assert "db/migrations/1.py (migration) and yarn.lock (lock file)" in text
    assert "failed with 3" in text
    assert "it broke here" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "None of patch, commit and changes is given"),
        ({"patch": "x.patch", "changes": True}, "patch and changes are given"),
        ({"patch": "missing.patch"}, "missing.patch cannot be read"),
        ({"commit": "deadbeef"}, "'deadbeef' is not known"),
        ({"commit": "--all"}, "'--all' cannot be one"),
        ({"changes": True}, "Nothing is changed"),
        ({"patch": "just words\nand more\n"}, "The patch is empty"),
        ({"changes": True, "base": "trunk"}, "no branch 'trunk'"),
        ({"changes": True, "base": "a..b"}, "'a..b' cannot be a branch"),
        ({"changes": True, "remote": "upstream"}, "no remote 'upstream' (it has origin)"),
    ],
)
def test_bad_input_is_told_before_anything_is_touched(checkout: Path, options: dict[str, Any], words: str) -> None:
    said = refused(checkout, **options)
    assert isinstance(said, BadInputError)
    assert words in said.what


def test_a_folder_that_is_no_repository_or_is_none(checkout: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert "is no Git repository" in refused(checkout, repository=str(plain), changes=True).what
    assert "is no folder" in refused(checkout, repository=str(tmp_path / "none"), changes=True).what


def test_a_patch_that_does_not_apply_names_file_and_line(checkout: Path, patch: Path) -> None:
    commit(checkout, "rewritten", **{"app.py": "all new\n"})
    git(checkout, "push", "--quiet", "origin", "HEAD:main")
    text = patch.read_text(encoding="utf-8")
    said = refused(checkout, patch="".join(line for line in text.splitlines(True) if not line.startswith("index ")))
    assert "does not apply to main" in said.what
    assert "app.py:12" in said.evidence


def test_a_broken_patch_names_its_line(checkout: Path, patch: Path) -> None:
    lines = patch.read_text(encoding="utf-8").splitlines(True)
    said = refused(checkout, patch="".join(lines[:-2]))
    assert "corrupt patch at line" in said.evidence


def test_a_patch_with_moved_lines_applies_and_one_that_is_in_already_is_told(
    checkout: Path, origin: Path, patch: Path
) -> None:
    commit(checkout, "longer", **{"app.py": "first\n" * 20 + APP})
    git(checkout, "push", "--quiet", "origin", "HEAD:main")
    assert make(checkout, patch=str(patch))["lines"] == 2
    git(checkout, "push", "--quiet", "origin", f"{git(origin, 'rev-parse', NAME)}:main")
    git(checkout, "update-ref", "-d", "refs/hotfix/emergency-20261124T031500Z")
    said = refused(checkout, patch=str(patch))
    assert said.code == "nothing_to_do"
    assert "in main of 'origin' already" in said.what


def test_a_commit_that_is_in_already_a_merge_and_an_empty_one(checkout: Path) -> None:
    assert refused(checkout, commit="HEAD").code == "nothing_to_do"
    git(checkout, "checkout", "--quiet", "-b", "feature")
    assert "changes nothing" in refused(checkout, commit=commit(checkout, "empty")).what
    git(checkout, "checkout", "--quiet", "-b", "side", "HEAD^")
    commit(checkout, "side", side="x\n")
    git(checkout, "merge", "--quiet", "-m", "both", "feature")
    assert "is a merge of 2 lines" in refused(checkout, commit="HEAD").what


def test_a_diverged_main_is_refused_where_the_change_builds_on_it(checkout: Path, patch: Path) -> None:
    commit(checkout, "only here", other="x\n")
    (checkout / "app.py").write_text(FIXED, encoding="utf-8")
    said = refused(checkout, changes=True)
    assert said.code == "refused"
    assert "1 commit that main of 'origin' lacks" in said.what
    assert "only here" in said.evidence
    top = commit(checkout, "the fix")
    assert "only here" in refused(checkout, commit=top).evidence
    # The first of them builds on nothing else, and a patch on nothing at all.
    assert make(checkout, commit=f"{top}^", reasons={"tests": "x"})["files"] == ["other"]
    made = make(checkout, patch=str(patch))
    assert "The checkout's main has 2 commits that origin's lacks" in " ".join(made["notes"])


def test_a_detached_head_is_told_and_one_on_other_commits_is_refused(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "--detach")
    (checkout / "app.py").write_text(FIXED, encoding="utf-8")
    assert any("HEAD is detached" in note for note in make(checkout, changes=True)["notes"])
    git(checkout, "stash", "--quiet")
    commit(checkout, "on no branch", other="x\n")
    git(checkout, "stash", "pop", "--quiet")
    with pytest.raises(HotfixError, match="builds on 1 commit"):
        make(checkout, changes=True)


def test_a_checkout_in_the_middle_of_a_merge_is_refused(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "-b", "side")
    commit(checkout, "theirs", **{"app.py": "theirs\n"})
    git(checkout, "checkout", "--quiet", "-")
    (checkout / "app.py").write_text("ours\n", encoding="utf-8")
    git(checkout, "stash", "--quiet")
    git(checkout, "merge", "--quiet", "side")
    git(checkout, "push", "--quiet", "origin", "HEAD:main")
    subprocess.run(["git", "stash", "pop"], cwd=checkout, capture_output=True, check=False)
    assert "middle of a merge" in refused(checkout, changes=True).what


# -------------------------------------------------------------------------------------------------- a remote that fails


def test_a_remote_that_is_gone_or_cannot_be_reached(checkout: Path, patch: Path, tmp_path: Path) -> None:
    git(checkout, "remote", "set-url", "origin", str(tmp_path / "gone.git"))
    assert "no repository at its address" in refused(checkout, patch=str(patch)).what
    git(checkout, "remote", "set-url", "origin", "http://127.0.0.1:9/x.git")
    assert "cannot be reached" in refused(checkout, patch=str(patch)).what


def test_a_push_that_a_hook_rejects_shows_the_words_of_the_remote(checkout: Path, origin: Path, patch: Path) -> None:
    hook = origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'GL-1: branches of hotfixes are protected' >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    said = refused(checkout, patch=str(patch))
    assert "rejected the branch" in said.what
    assert "pre-receive hook declined" in said.what
    assert "GL-1: branches of hotfixes are protected" in said.evidence
    # And when the remote lets it pass, the same again makes it.
    hook.unlink()
    assert make(checkout, patch=str(patch))["pushed"]


def test_a_push_that_the_remote_took_and_dropped_is_no_success(checkout: Path, origin: Path, patch: Path) -> None:
    hook = origin / "hooks" / "post-receive"
    hook.write_text(f"#!/bin/sh\ngit update-ref -d refs/heads/{NAME}\n", encoding="utf-8")
    hook.chmod(0o755)
    assert "it holds nothing" in refused(checkout, patch=str(patch)).what


def test_the_address_to_push_to_is_the_one_that_is_verified(checkout: Path, tmp_path: Path, patch: Path) -> None:
    origin = Path(git(checkout, "remote", "get-url", "origin"))
    other = tmp_path / "push.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(origin), str(other))
    git(checkout, "remote", "set-url", "--push", "origin", str(other))
    made = make(checkout, patch=str(patch))
    assert on_remote(other)[NAME] == made["commit"]
    assert NAME not in on_remote(origin)


def test_hooks_of_the_operator_do_not_run_and_their_variables_do_not_mislead(
    checkout: Path, patch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pre-push", "post-checkout", "commit-msg", "reference-transaction"):
        hook = checkout / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n", encoding="utf-8")
        hook.chmod(0o755)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere" / "index"))
    assert branch.make(wanted(checkout, patch=str(patch)), now=lambda: NOW)["pushed"]
    assert not (tmp_path / "ran").exists()
    assert "nowhere" not in os.listdir(tmp_path)
