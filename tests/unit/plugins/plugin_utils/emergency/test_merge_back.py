# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hotfix on its way back, with a real Git and a server that speaks GitHub's API; and deploys that lack it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import lineage, merge
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.github import GitHub, repository_of

from tests.unit.plugins.plugin_utils.emergency.github_server import TOKEN, GitHubServer

BRANCH = "hotfix/emergency-20261124T031500Z"
MESSAGE = """HOTFIX: Save pages again

Fixes: Pages are lost
Risk: Low
Rollback: Available via playbooks/rollback.yml

Hotfix-Guard-tests: the cache is away"""


def git(where: Path, *words: str) -> str:
    who = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com", "-c", "core.hooksPath=/dev/null"]
    done = subprocess.run(["git", *who, *words], cwd=where, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(where: Path, text: str, message: str) -> str:
    (where / "app.py").write_text(text, encoding="utf-8")
    git(where, "add", "--all")
    git(where, "commit", "--quiet", "-m", message)
    return git(where, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of main, whose origin has a hotfix branch besides."""
    origin, path = tmp_path / "origin.git", tmp_path / "wiki"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(tmp_path, "clone", "--quiet", str(origin), str(path))
    git(path, "checkout", "--quiet", "-B", "main")
    commit(path, "one\ntwo\nthree\nfour\nfive\n", "begin")
    git(path, "push", "--quiet", "origin", "main")
    git(path, "checkout", "--quiet", "-b", "work")
    commit(path, "one, mended\ntwo\nthree\nfour\nfive\n", MESSAGE)
    git(path, "push", "--quiet", "origin", f"work:{BRANCH}")
    git(path, "checkout", "--quiet", "main")
    return path


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer() as found:
        yield found
        found.shutdown()


def make(checkout: Path, **options: Any) -> dict[str, Any]:
    check = options.pop("check", False)
    return merge.make(merge.Wanted(str(checkout), **options), check=check)


def hotfix(checkout: Path) -> str:
    return git(checkout, "rev-parse", "work")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("git@github.com:example/wiki.git", ("github.com", "example/wiki")),
        ("ssh://git@github.com/example/wiki.git", ("github.com", "example/wiki")),
        ("https://github.com/example/wiki", ("github.com", "example/wiki")),
        ("https://ci:token@github.example.com/example/wiki.git", ("github.example.com", "example/wiki")),
        ("/srv/git/wiki.git", None),
        ("ssh://git@127.0.0.1:2222/srv/git/wiki.git", None),
        ("ssh://git@[::1/example/wiki.git", None),
    ],
)
def test_the_repository_is_read_from_the_remote(url: str, found: tuple[str, str] | None) -> None:
    assert repository_of(url) == found


def test_the_pull_request_says_what_the_commit_and_the_incident_say(checkout: Path, server: GitHubServer) -> None:
    about = {"id": "20261124T030000Z-production-1", "title": "Pages are lost", "summary": "Since the last release."}
    given = {"api": server.url, "name": "example/wiki", "token": TOKEN, "labels": ["hotfix"], "incident": about}
    planned = make(checkout, check=True, **given)
    assert (planned["outcome"], server.pulls) == ("planned", [])
    refs = git(checkout, "for-each-ref")
    found = make(checkout, **given)
    assert (found["opened"], found["number"], found["commit"]) == (True, 1, hotfix(checkout))
    (pull,) = server.pulls
    assert pull["title"] == "HOTFIX: Save pages again"
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (BRANCH, "main")
    for text in (
        "Risk: Low",
        "- tests: the cache is away",
        f"Incident {about['id']}: Pages are lost",
        about["summary"],
    ):
        assert text in pull["body"]
    assert server.labels == ["hotfix"]
    # Once more it is found, and the checkout is as it was.
    again = make(checkout, **given)
    assert (again["changed"], again["url"]) == (False, found["url"])
    assert len(server.pulls) == 1
    assert git(checkout, "for-each-ref") == refs


def test_a_closed_one_is_told_and_a_new_one_opened(checkout: Path, server: GitHubServer) -> None:
    given = {"api": server.url, "name": "example/wiki", "token": TOKEN}
    make(checkout, **given)
    server.close(1, merged=False)
    found = make(checkout, **given)
    assert found["number"] == 2
    assert "An earlier pull request of it is closed" in found["notes"][0]


def test_a_merged_one_is_not_opened_again(checkout: Path, server: GitHubServer) -> None:
    given = {"api": server.url, "name": "example/wiki", "token": TOKEN}
    url = make(checkout, **given)["url"]
    # By a squash: no commit of main does what the branch's own does.
    server.close(1, merged=True)
    server.pulls[0]["head"]["sha"] = hotfix(checkout)
    found = make(checkout, **given)
    assert (found["merged"], found["opened"], found["url"]) == (True, False, url)
    # Of another commit it says nothing of this one.
    server.pulls[0]["head"]["sha"] = "1" * 40
    assert make(checkout, **given)["number"] == 2


def test_labels_that_are_refused_cost_no_pull_request(checkout: Path, server: GitHubServer) -> None:
    server.may_label = False
    found = make(checkout, api=server.url, name="example/wiki", token=TOKEN, labels=["hotfix"])
    assert (found["opened"], found["number"]) == (True, 1)
    assert "It has not got the labels hotfix" in found["notes"][0]


def test_the_token_counts_and_not_what_netrc_says(
    checkout: Path, server: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert make(checkout, api=server.url, name="example/wiki", token=TOKEN)["opened"] is True


def test_a_git_that_cannot_try_a_merge_says_so(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(checkout, "one, otherwise\ntwo\nthree\nfour\nfive\n", "Go on")
    git(checkout, "push", "--quiet", "origin", "main")
    real, folder = shutil.which("git"), tmp_path / "bin"
    folder.mkdir()
    old = folder / "git"
    # As before 2.38: it does not know that option, and ends with 129.
    old.write_text(f'#!/bin/sh\ncase "$*" in *--write-tree*) exit 129 ;; esac\nexec {real} "$@"\n', encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    found = make(checkout)
    assert found["conflicts"] == []
    assert "Whether a merge would conflict cannot be told: this Git is older than 2.38." in found["notes"]


def test_what_the_commands_say_brings_it_back(checkout: Path, tmp_path: Path) -> None:
    found = make(checkout)
    assert (found["opened"], found["outcome"]) == (False, "unchanged")
    for line in found["commands"]:
        subprocess.run(
            ["sh", "-c", line],
            cwd=checkout,
            check=True,
            capture_output=True,
            env={
                "PATH": "/usr/bin:/bin:/usr/local/bin",
                "HOME": str(tmp_path),
                **{
                    f"GIT_{who}_{what}": "a@example.com"
                    for who in ("AUTHOR", "COMMITTER")
                    for what in ("NAME", "EMAIL")
                },
            },
        )
    assert make(checkout)["merged"] is True
    assert git(checkout, "ls-remote", "origin", "main").split()[0] == git(checkout, "rev-parse", "main")


def test_at_github_without_a_token_the_command_is_that_of_gh(checkout: Path) -> None:
    # Fetched from one place, and GitHub by its name.
    url = git(checkout, "remote", "get-url", "origin")
    git(checkout, "config", f"url.{url}.insteadOf", "git@github.com:example/wiki.git")
    git(checkout, "remote", "set-url", "origin", "git@github.com:example/wiki.git")
    (line,) = make(checkout, api="https://api.github.com", name="example/wiki")["commands"]
    assert line.startswith(f"gh pr create --base main --head {BRANCH} --title 'HOTFIX: Save pages again' --body ")


def test_a_base_that_moved_on_is_told_with_what_would_conflict(checkout: Path) -> None:
    commit(checkout, "one, otherwise\ntwo\nthree\nfour\nfive\n", "Go on")
    git(checkout, "push", "--quiet", "origin", "main")
    found = make(checkout)
    assert (found["base_moved"], found["conflicts"], found["merged"]) == (1, ["app.py"], False)
    assert "main moved on by 1 commits without the hotfix." in found["notes"]


def test_the_same_change_by_another_commit_is_merged(checkout: Path) -> None:
    commit(checkout, "one\ntwo\nthree\nfour\nfive, more\n", "Go on")
    git(checkout, "cherry-pick", "work")
    git(checkout, "push", "--quiet", "origin", "main")
    assert make(checkout)["merged"] is True


def test_what_cannot_be_right_is_told(checkout: Path) -> None:
    for options, says in (
        ({"branch": "hotfix/none"}, "has no branch 'hotfix/none'"),
        ({"base": "trunk"}, "has no branch 'trunk'"),
        ({"base": "--all"}, "cannot be one"),
        ({"api": "https://api.example.com"}, "Which repository is meant"),
    ):
        with pytest.raises(BadInputError, match=says):
            make(checkout, **options)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, {}, {"message": "Bad credentials"}), "it does not accept the token (401: Bad credentials)"),
        ((404, {}, {"message": "Not Found"}), "it does not let the token do that in example/wiki (404: Not Found)"),
        (
            (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767323045"}, {}),
            "its rate limit is used up until 2026-01-02 03:04:05 UTC",
        ),
        ((429, {"Retry-After": "soon"}, {}), "its rate limit is used up until a time that it does not tell"),
        ((403, {"Retry-After": "60"}, {}), "its rate limit is used up until 20"),
        ((301, {"Location": "http://127.0.0.1:1/"}, {}), "example/wiki has moved"),
        (
            (422, {}, {"message": "Validation Failed", "errors": [{"message": "No commits"}]}),
            "(422: Validation Failed; N",
        ),
    ],
)
def test_what_github_refuses_is_told(answer: Any, says: str, server: GitHubServer) -> None:
    server.answers.append(answer)
    with pytest.raises(HotfixError) as caught:
        GitHub("example/wiki", TOKEN, server.url).open(BRANCH, "main", "t", "b")
    assert says in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_hiccup_is_tried_again_and_a_lost_answer_opens_no_second_one(server: GitHubServer) -> None:
    github = GitHub("example/wiki", TOKEN, server.url, wait=lambda _seconds: None)
    server.answers.append((502, {}, {}))
    assert github.open(BRANCH, "main", "t", "b").number == 1
    # The one before was lost on its way to us.
    assert github.open(BRANCH, "main", "t", "b").number == 1
    server.answers += [(503, {}, {})] * 3
    with pytest.raises(HotfixError, match="it answered 503"):
        github.find(BRANCH, "main")


def test_a_server_that_is_away_is_told() -> None:
    with pytest.raises(HotfixError, match="it cannot be reached"):
        GitHub("example/wiki", TOKEN, "http://127.0.0.1:1", wait=lambda _seconds: None).find(BRANCH, "main")


def release(version: str, revision: str | None, image: str) -> dict[str, Any]:
    # The job is what the hotfix did not build: it runs an older commit, and has no part in it.
    revisions = {"job": "0" * 40 if image == "a" else "9" * 40, **({"web": revision} if revision else {})}
    return {
        "version": version,
        "revisions": revisions,
        "image_ids": {"web": image, "job": f"job-{image}"},
        "built": ["web"],
    }


def warned(checkout: Path | None, before: str | None, after: str | None) -> list[str]:
    steps = lineage.followed(release("hotfix-20260102T030405Z", before, "a"), release("v12", after, "b"))
    return lineage.warnings(steps, str(checkout) if checkout else None)


def test_a_release_without_the_hotfix_is_warned_of(checkout: Path) -> None:
    fix, main = hotfix(checkout), git(checkout, "rev-parse", "main")
    (told,) = warned(checkout, fix, main)
    assert f"v12 lacks the hotfix {fix[:12]} (HOTFIX: Save pages again), which users have now" in told
    later = commit(checkout, "one\ntwo\nthree\nfour\nfive, more\n", "Go on")
    assert warned(checkout, fix, later)
    git(checkout, "cherry-pick", "work")
    assert warned(checkout, fix, git(checkout, "rev-parse", "HEAD")) == []
    git(checkout, "checkout", "--quiet", "work")
    assert warned(checkout, fix, commit(checkout, "one, mended\ntwo\n", "After it")) == []


def test_what_cannot_be_told_is_said_with_the_reason(checkout: Path) -> None:
    fix = hotfix(checkout)
    assert "hotfix_repository is not set" in warned(None, fix, "1" * 40)[0]
    assert "the image of web in v12 names no revision" in warned(checkout, fix, None)[0]
    (told,) = warned(checkout, None, fix)
    assert "the hotfix hotfix-20260102T030405Z, which users have now, cannot be told: the image of web in" in told
    assert f"the commit {'1' * 12} is not known in" in warned(checkout, fix, "1" * 40)[0]
    assert "cannot be told" in warned(checkout / "none", fix, "1" * 40)[0]
    git(checkout, "remote", "set-url", "origin", str(checkout / "gone"))
    assert "is not known in" in warned(checkout, fix, "1" * 40)[0]


def test_a_commit_that_the_checkout_lacks_is_fetched(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "origin.git"), str(other))
    after = commit(other, "one\ntwo\n", "Elsewhere")
    git(other, "push", "--quiet", "origin", "HEAD:main")
    assert "lacks the hotfix" in warned(checkout, hotfix(checkout), after)[0]


def test_after_what_is_no_hotfix_and_for_what_stays_nothing_is_asked() -> None:
    assert lineage.followed(release("v6", "1" * 40, "a"), release("v7", "2" * 40, "b")) == []
    assert lineage.followed(None, release("v7", "2" * 40, "b")) == []
    hot = release("hotfix-20260102T030405Z", "1" * 40, "a")
    assert lineage.followed(hot, release("v7", None, "a")) == []
    assert lineage.followed(hot, release("v7", "1" * 40, "b")) == []
