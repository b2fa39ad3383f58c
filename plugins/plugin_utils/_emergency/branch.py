# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the branch of a hotfix from the remote's newest base, and brings it there.

The commit is made in an index of its own, from objects: nothing that the operator has checked out, staged or named is
read from or written to, except that it is asked what was changed. Only tests need files, which they get in a worktree
that exists for as long as they run.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import guards, message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import (
    Git,
    GitError,
    deploy_key,
    remote_fault,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.remote import bring, heads

PREFIX = "hotfix/emergency-"
#: Where the commits that were pushed are kept in the checkout, so that nothing removes them before they are built.
OURS = "refs/hotfix/"
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PUSH = "hotfix-push"
_TRANSFER = 300.0
_LOOK = 60.0
#: So many of the newest branches are looked at for one that holds the same.
_LOOKED_AT = 20
_NAMED = 5
_AS_IT_WAS = "Nothing was pushed, and the checkout is as it was."


@dataclass(frozen=True)
class Wanted:
    """What is to become a hotfix.

    Exactly one of *patch* (the path of a patch, or its text), *commit* and *changes* (what is not committed in the
    checkout) says what the change is.
    """

    repository: str
    message: message.Message
    remote: str = "origin"
    base: str = "main"
    patch: str | None = None
    commit: str | None = None
    changes: bool = False
    limits: guards.Limits = field(default_factory=guards.Limits)
    reasons: t.Mapping[str, str] = field(default_factory=dict)
    operator: str = ""
    key: str | None = None
    known_hosts: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("patch", "commit", "changes") if getattr(self, name)]
        if len(given) != 1:
            raise BadInputError(
                f"{' and '.join(given) or 'None of patch, commit and changes'} "
                f"{'are' if given else 'is'} given, and a hotfix is made of exactly one of them.",
                next_step="give a patch, a commit of the checkout, or changes: true for what is not committed there.",
            )
        for name in ("remote", "base", "commit"):
            value = str(getattr(self, name) or "")
            if value.startswith("-") or any(one.isspace() or not one.isprintable() for one in value):
                raise BadInputError(f"{name} {value!r} cannot be one.", next_step=f"give the name of the {name}.")


@dataclass
class _Remote:
    """What the remote has."""

    base: str
    #: The commits of the hotfix branches, by name.
    branches: dict[str, str]


def make(
    wanted: Wanted, *, check: bool = False, diff: bool = False, now: t.Callable[[], datetime] = utc_now
) -> dict[str, t.Any]:
    """Make the branch and push it, and return what the module returns.

    With *check* nothing is written to the checkout, no test is run and nothing is pushed.

    Raises
    ------
    HotfixError
        When an input cannot be right, a guard does not hold, or the remote does not take it. The remote then has
        nothing of it, and the checkout is as it was.
    """
    with (
        deploy_key(wanted.key, wanted.known_hosts) as env,
        tempfile.TemporaryDirectory(prefix="hotfix-branch-") as folder,
    ):
        secrets = [wanted.key] if wanted.key else []
        git = _opened(Git(Path(os.path.expanduser(wanted.repository)), env=env, secrets=secrets), wanted)
        if check:
            git = git.also(_quarantine(git, Path(folder)))
        return _Making(wanted, git, Path(folder), now).result(check=check, diff=diff)


class _Making:
    """One hotfix on its way."""

    def __init__(self, wanted: Wanted, git: Git, folder: Path, now: t.Callable[[], datetime]) -> None:
        self._wanted = wanted
        self._git = git
        self._folder = folder
        self._now = now
        self._notes: list[str] = []
        self._picked: str | None = None
        self._author: dict[str, str] = {}

    def result(self, *, check: bool, diff: bool) -> dict[str, t.Any]:
        wanted, git = self._wanted, self._git
        patch = None if wanted.patch is None else _read(wanted.patch)
        remote = self._fetch()
        self._look_at_local_base(remote.base)
        if patch is None:
            patch = self._of_commit(remote.base) if wanted.commit else self._of_changes(remote.base)
        before = git.out("rev-parse", f"{remote.base}^{{tree}}")
        after = self._tree(remote.base, patch)
        if after == before:
            raise HotfixError(
                f"The change is in {wanted.base} of {wanted.remote!r} already: nothing is left of it there.",
                next_step=f"deploy {wanted.base}, or give another change.",
                code="nothing_to_do",
                left=_AS_IT_WAS,
            )
        change = guards.measure(git, before, after)
        found = self._found(remote, after)
        text = git.out("log", "-1", "--format=%B", found[1]) if found else ""
        recorded = message.reasons(text)
        reasons = {**recorded, **wanted.reasons}
        passed = [
            guards.size(change, wanted.limits, reasons),
            guards.paths(git, before, after, wanted.limits, reasons),
        ]
        made = {
            "base": wanted.base,
            "base_commit": remote.base,
            "remote": wanted.remote,
            "files": list(change.files),
            "lines": change.lines,
        }
        if diff:
            made["diff"] = {"prepared": git.masked(self._shown(before, after))}
        if found is not None:
            name, commit = found
            passed.append(_tested_before(recorded))
            guards.refuse(passed)
            if not check:
                self._keep(name, commit)
            return self._said(made, passed, name, commit, text, "unchanged")
        passed.append(self._tests(after, remote.base, check=check))
        guards.refuse(passed)
        used = {one.name: one.reason for one in passed if one.reason is not None}
        self._notes += [
            f"The guard {name} holds, so the reason for passing it was not needed."
            for name in wanted.reasons
            if name not in used
        ]
        text = wanted.message.text(picked=self._picked, reasons=used)
        name = self._name(remote)
        if check:
            return self._said(made, passed, name, None, text, "planned")
        commit = self._commit(after, remote.base, text, self._author)
        self._push(name, commit)
        self._keep(name, commit)
        return self._said(made, passed, name, commit, text, "done")

    # ------------------------------------------------------------ the remote

    def _fetch(self) -> _Remote:
        """Ask the remote what it has, and get what is lacking here. No reference of the checkout is moved."""
        wanted, git = self._wanted, self._git
        found = heads(git, wanted.remote, wanted.base, f"{PREFIX}*")
        if wanted.base not in found:
            raise BadInputError(
                f"The remote {wanted.remote!r} has no branch {wanted.base!r} to make a hotfix of.",
                next_step="name the branch that is deployed (hotfix_base), or push it.",
            )
        base = found.pop(wanted.base)
        branches = dict(list(found.items())[-_LOOKED_AT:])
        bring(git, wanted.remote, {wanted.base: base, **branches})
        return _Remote(base, branches)

    def _push(self, name: str, commit: str) -> None:
        wanted, git = self._wanted, self._to_push()
        try:
            said = git.run("push", "--porcelain", _PUSH, f"{commit}:refs/heads/{name}", timeout=_TRANSFER, check=False)
            output, code = f"{said.stdout}\n{said.stderr}", t.cast("int | None", said.returncode)
        except GitError as exc:
            output, code = exc.output, exc.returncode
        output = git.masked(output).strip()
        # Whatever the push says, and also where the connection was lost: what the remote holds is what counts.
        held, trouble = self._held(git, name)
        if held == commit:
            return
        rejected = [line for line in output.splitlines() if line.startswith("!")]
        if rejected:
            words = [line for line in output.splitlines() if line.startswith("remote:")]
            why = rejected[0].rpartition("\t")[2]
            raise HotfixError(
                f"The remote {wanted.remote!r} rejected the branch {name}: {why}.",
                next_step="do what the remote says, such as giving a key that may push (DEPLOY_KEY), "
                "then run the same again.",
                left=_AS_IT_WAS,
                evidence="\n".join([*words, *rejected]),
            )
        if code == 0:
            raise HotfixError(
                f"The push of {name} went well, but {wanted.remote!r} does not hold {commit[:12]} under that name: "
                + (trouble or f"it holds {held or 'nothing'}.").rstrip(".")
                + ".",
                next_step="look at the branch there, then run the same again.",
                left="The branch may be on the remote; the checkout is as it was.",
            )
        raise remote_fault(
            GitError(f"git push of {name} failed.", output=output, returncode=code),
            wanted.remote,
            "take the branch",
        )

    def _to_push(self) -> Git:
        """Return Git with a remote of ours that is where the operator's is pushed to.

        A push to theirs would move what the checkout knows of it (origin/...), and what is pushed elsewhere than it is
        fetched from is to be looked for there. A password in the address must not be an argument.
        """
        address = self._git.out("remote", "get-url", "--push", self._wanted.remote)
        # An environment may hold settings already.
        count = os.environ.get("GIT_CONFIG_COUNT", "")
        number = int(count) if count.isdecimal() else 0
        return self._git.also(
            {
                "GIT_CONFIG_COUNT": str(number + 1),
                f"GIT_CONFIG_KEY_{number}": f"remote.{_PUSH}.url",
                f"GIT_CONFIG_VALUE_{number}": address,
            }
        )

    def _held(self, git: Git, name: str) -> tuple[str | None, str]:
        """Return the commit that the remote has under *name*, and why that could not be told."""
        try:
            said = git.out("ls-remote", _PUSH, f"refs/heads/{name}", timeout=_LOOK)
        except GitError as exc:
            return None, remote_fault(exc, self._wanted.remote, "be read").what
        return said.partition("\t")[0] or None, ""

    def _name(self, remote: _Remote) -> str:
        moment = self._now()
        while (name := f"{PREFIX}{moment:%Y%m%dT%H%M%SZ}") in remote.branches:
            moment += timedelta(seconds=1)
        return name

    def _found(self, remote: _Remote, tree: str) -> tuple[str, str] | None:
        """Return the branch of the remote that holds the same change on the same base, by the same message."""
        git = self._git
        ours = self._wanted.message.text(picked=self._picked)
        for name, commit in sorted(remote.branches.items(), reverse=True):
            made_of = git.out("log", "-1", "--format=%T %P", commit)
            if made_of != f"{tree} {remote.base}":
                continue
            text = git.out("log", "-1", "--format=%B", commit)
            if message.without_guards(text) == message.without_guards(ours):
                return name, commit
        return None

    # ------------------------------------------------------------ the change

    def _look_at_local_base(self, base: str) -> None:
        wanted, git = self._wanted, self._git
        mine = git.run("rev-parse", "--verify", "--quiet", f"refs/heads/{wanted.base}^{{commit}}", check=False).stdout
        ahead = _commits(git, base, mine.strip()) if mine else []
        if ahead:
            self._notes.append(
                f"The checkout's {wanted.base} has {_count(len(ahead), 'commit')} that {wanted.remote}'s lacks; "
                "the hotfix is made without."
            )

    def _of_commit(self, base: str) -> str:
        """Return the patch that one commit is."""
        wanted, git = self._wanted, self._git
        asked = str(wanted.commit)
        commit = git.run("rev-parse", "--verify", "--quiet", f"{asked}^{{commit}}", check=False).stdout.strip()
        if not _OBJECT_ID.fullmatch(commit):
            raise BadInputError(
                f"The commit {asked!r} is not known in {git.path}.",
                next_step="fetch it into the checkout, or correct it.",
            )
        # Only whether it is an ancestor is asked; the answer is in the exit code.
        if not git.run("merge-base", "--is-ancestor", commit, base, check=False).returncode:
            raise HotfixError(
                f"The commit {commit[:12]} is in {wanted.base} of {wanted.remote!r} already.",
                next_step=f"deploy {wanted.base}, or give another commit.",
                code="nothing_to_do",
                left=_AS_IT_WAS,
            )
        parents = git.out("log", "-1", "--format=%P", commit).split()
        if len(parents) > 1:
            raise BadInputError(
                f"The commit {commit[:12]} is a merge of {len(parents)} lines, and it cannot be told which is meant.",
                next_step="give the one commit that holds the fix, or a patch.",
            )
        if parents:
            mine = git.run("rev-parse", "--verify", "--quiet", f"refs/heads/{wanted.base}", check=False).stdout.strip()
            local = set(_commits(git, base, mine)) if mine else set()
            below = [one for one in _commits(git, base, parents[0]) if one in local]
            if below:
                self._refuse_local(f"The commit {commit[:12]}", below)
        self._picked = commit
        name, email, date = git.out("log", "-1", "--format=%an%n%ae%n%ad", "--date=raw", commit).split("\n")
        self._author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": date}
        before = (
            f"{parents[0]}^{{tree}}" if parents else git.out("hash-object", "-t", "tree", "-w", "--stdin", stdin="")
        )
        patch = self._diff(before, f"{commit}^{{tree}}")
        if not patch:
            raise BadInputError(f"The commit {commit[:12]} changes nothing.", next_step="give another one.")
        return patch

    def _of_changes(self, base: str) -> str:
        """Return the patch that what is not committed in the checkout is; its index is only copied."""
        wanted, git = self._wanted, self._git
        head = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False).stdout.strip()
        if not head or git.out("rev-parse", "--is-inside-work-tree") != "true":
            raise BadInputError(
                f"{git.path} has nothing checked out, so nothing is changed in it.",
                next_step="make the change in a checkout, or give a patch or a commit.",
            )
        if git.out("ls-files", "--unmerged"):
            raise BadInputError(
                f"{git.path} is in the middle of a merge: files in it have conflicts.",
                next_step="resolve them, or give a patch or a commit.",
            )
        below = _commits(git, base, head)
        if below:
            self._refuse_local("What was changed in the checkout", below)
        if git.run("symbolic-ref", "--quiet", "HEAD", check=False).returncode:
            self._notes.append(f"The checkout's HEAD is detached, at {head[:12]}.")
        if head != base:
            self._notes.append(f"The checkout is at {head[:12]}, which is behind {wanted.base} of {wanted.remote!r}.")
        index = self._folder / "changes"
        theirs = Path(git.out("rev-parse", "--path-format=absolute", "--git-path", "index"))
        if theirs.exists():
            shutil.copyfile(theirs, index)
        mine = git.also({"GIT_INDEX_FILE": str(index)})
        try:
            mine.run("add", "--all", "--", ".", timeout=_TRANSFER)
        except GitError as exc:
            raise HotfixError(
                f"What was changed in {git.path} cannot be read.",
                next_step="look at what Git says, then run the same again.",
                left=_AS_IT_WAS,
                evidence=exc.output,
            ) from exc
        tree = mine.out("write-tree")
        # What is in a submodule is a matter of that repository.
        patch = self._diff(f"{head}^{{tree}}", tree, "--ignore-submodules=all")
        if not patch:
            raise BadInputError(
                f"Nothing is changed in {git.path}.", next_step="make the change there, or give a patch or a commit."
            )
        new = git.out("diff-tree", "-r", "--name-only", "--diff-filter=A", "--ignore-submodules=all", head, tree)
        if new:
            self._notes.append(f"New files are in the change: {_listed(new.splitlines())}.")
        return patch

    def _refuse_local(self, what: str, below: t.Sequence[str]) -> t.NoReturn:
        wanted = self._wanted
        shown = self._git.out("log", "--no-walk", "--format=%h %s", *below[:_NAMED])
        raise HotfixError(
            f"{what} builds on {_count(len(below), 'commit')} that {wanted.base} of {wanted.remote!r} lacks, and they "
            "would be left out of the hotfix.",
            next_step=f"push them first, or make the fix on {wanted.remote}/{wanted.base} and give that, "
            "or a patch of it.",
            code="refused",
            left=_AS_IT_WAS,
            evidence=shown,
        )

    def _diff(self, before: str, after: str, *options: str) -> str:
        said = self._git.run(
            "diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", *options, before, after
        )
        return said.stdout

    def _shown(self, before: str, after: str) -> str:
        text = self._git.out("diff-tree", "-r", "-p", "--no-renames", before, after)
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") + "\n"

    def _tree(self, base: str, patch: str) -> str:
        """Return the tree that *base* is with the patch."""
        wanted = self._wanted
        apply = ("apply", "--cached", "--whitespace=nowarn")
        git = self._git.also({"GIT_INDEX_FILE": str(self._folder / "merged")})
        git.run("read-tree", base)
        if not git.run(*apply, "--3way", "-", stdin=patch, check=False).returncode:
            return git.out("write-tree")
        # Without what a merge needs: an old Git cannot do it here, and a patch of another repository has no more.
        git.run("read-tree", base)
        try:
            git.run(*apply, "-", stdin=patch)
        except GitError as exc:
            if "No valid patches" in exc.output or not patch.strip():
                raise BadInputError("The patch is empty.", next_step="give one with a change in it.") from exc
            raise HotfixError(
                f"The change does not apply to {wanted.base} of {wanted.remote!r} ({base[:12]}).",
                next_step=f"make it anew on {wanted.remote}/{wanted.base}.",
                code="bad_input",
                left=_AS_IT_WAS,
                evidence=exc.output,
            ) from exc
        return git.out("write-tree")

    def _commit(self, tree: str, base: str, text: str, author: t.Mapping[str, str]) -> str:
        git = self._git.also({**_identity(self._git, self._wanted.operator), **author})
        return git.out("commit-tree", tree, "-p", base, "-F", "-", stdin=text)

    def _keep(self, name: str, commit: str) -> None:
        self._git.run("update-ref", f"{OURS}{name.removeprefix('hotfix/')}", commit)

    def _tests(self, tree: str, base: str, *, check: bool) -> guards.Guard:
        wanted, git = self._wanted, self._git
        known = guards.untested(wanted.limits, wanted.reasons, planned=check)
        if known is not None:
            return known
        commit = self._commit(tree, base, wanted.message.text(picked=self._picked), self._author)
        with _worktree(git, self._folder / "tested", commit) as folder:
            return guards.tests(folder, wanted.limits, git)

    # ----------------------------------------------------------- what is said

    def _said(
        self,
        made: dict[str, t.Any],
        passed: t.Sequence[guards.Guard],
        name: str,
        commit: str | None,
        text: str,
        outcome: str,
    ) -> dict[str, t.Any]:
        what = f"{commit[:12]} on" if commit else "one commit on"
        verb = {"done": "holds", "unchanged": "held already", "planned": "would hold"}[outcome]
        size = f"{_count(len(made['files']), 'file')}, {_count(made['lines'], 'line')}"
        told = "; ".join(
            f"{one.name} passed with a reason ({one.reason})" if one.reason is not None else f"{one.name} holds"
            for one in passed
        )
        return {
            **made,
            "branch": name,
            "commit": commit,
            "guards": [one.as_result() for one in passed],
            "message": text,
            "pushed": outcome != "planned",
            "changed": outcome != "unchanged",
            "outcome": outcome,
            "summary": f"{name} {verb} {what} {made['base']} {made['base_commit'][:12]}: {size}. Guards: {told}.",
            "notes": [*self._notes, *(one.line() for one in passed)],
        }


def _tested_before(reasons: t.Mapping[str, str]) -> guards.Guard:
    reason = reasons.get(guards.TESTS)
    if reason is not None:
        return guards.Guard(guards.TESTS, False, "the test command was not run when the branch was made", reason)
    return guards.Guard(guards.TESTS, True, "the test command ran green when the branch was made")


def _opened(git: Git, wanted: Wanted) -> Git:
    """Return Git at the top of the repository."""
    said = git.run("rev-parse", "--path-format=absolute", "--git-common-dir", check=False)
    if said.returncode:
        raise BadInputError(
            f"{git.path} is no Git repository ({git.masked(said.stderr.strip()).partition(chr(10))[0]}).",
            next_step="name the folder of the checkout (hotfix_repository).",
        )
    top = git.run("rev-parse", "--show-toplevel", check=False)
    git = git.at(said.stdout.strip() if top.returncode else top.stdout.rstrip("\n"))
    if git.run("remote", "get-url", wanted.remote, check=False).returncode:
        names = git.out("remote").split()
        raise BadInputError(
            f"{git.path} has no remote {wanted.remote!r} (it has {', '.join(names) or 'none'}).",
            next_step="name the remote (hotfix_remote), or add it with git remote add.",
        )
    if git.run("check-ref-format", f"refs/heads/{wanted.base}", check=False).returncode:
        raise BadInputError(f"base {wanted.base!r} cannot be a branch.", next_step="give the name of the branch.")
    return git


def _quarantine(git: Git, folder: Path) -> dict[str, str]:
    """Return the environment in which what Git writes goes to a folder of ours, and what is there is read."""
    objects = folder / "objects"
    objects.mkdir()
    theirs = git.out("rev-parse", "--path-format=absolute", "--git-path", "objects")
    return {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": theirs}


@contextlib.contextmanager
def _worktree(git: Git, path: Path, commit: str) -> t.Iterator[Path]:
    """Check *commit* out in a worktree of its own, and take that away again, whatever happens."""
    try:
        git.run("worktree", "add", "--quiet", "--detach", str(path), commit, timeout=_TRANSFER)
        yield path
    finally:
        git.run("worktree", "remove", "--force", "--force", str(path), check=False)


def _read(patch: str) -> str:
    """Return the text of a patch that is given as such, or by its path."""
    if "\n" in patch:
        return patch if patch.endswith("\n") else f"{patch}\n"
    path = Path(os.path.expanduser(patch))
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise BadInputError(
            f"The patch {path} cannot be read: {exc.strerror}.", next_step="give the path of a patch, or its text."
        ) from exc
    if not data.strip():
        raise BadInputError(f"The patch {path} is empty.", next_step="give one with a change in it.")
    return data.decode("utf-8", "surrogateescape")


def _identity(git: Git, operator: str) -> dict[str, str]:
    """Return who commits, where neither the configuration nor the environment tells it, as on a CI's machine."""
    name = operator or "hotfix"
    email = name if "@" in name else f"{name}@localhost"
    email = "".join(one for one in email if one.isprintable() and one not in " <>")
    found = {}
    for key, setting, value in (("NAME", "user.name", name), ("EMAIL", "user.email", email)):
        if git.run("config", setting, check=False).stdout.strip():
            continue
        for who in ("AUTHOR", "COMMITTER"):
            if not os.environ.get(f"GIT_{who}_{key}"):
                found[f"GIT_{who}_{key}"] = value
    return found


def _commits(git: Git, base: str, top: str) -> list[str]:
    """Return the commits that *top* has and *base* lacks, the newest first."""
    return git.out("rev-list", f"{base}..{top}").split() if top else []


def _listed(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
