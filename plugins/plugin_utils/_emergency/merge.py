# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the branch of a hotfix back to its base: by a pull request, or by commands that a person types."""

from __future__ import annotations

import os
import shlex
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.branch import PREFIX
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git, deploy_key
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.github import (
    API,
    GitHub,
    Pull,
    repository_of,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.remote import bring, heads

_GITHUB = ("github.com", "ssh.github.com")


@dataclass(frozen=True)
class Wanted:
    """What is to be merged back.

    Without *branch* it is the newest hotfix branch of the remote. *name* is ``owner/name`` at the *api*, which both are
    taken from the remote's URL where that is at GitHub. *incident* has what the pull request says of it.
    """

    repository: str
    remote: str = "origin"
    base: str = "main"
    branch: str = ""
    api: str = ""
    name: str = ""
    token: str | None = field(default=None, repr=False)
    labels: t.Sequence[str] = ()
    incident: t.Mapping[str, t.Any] = field(default_factory=dict)
    key: str | None = field(default=None, repr=False)
    known_hosts: str | None = None


@dataclass(frozen=True)
class _State:
    """How branch and base are to one another."""

    branch: str
    commit: str
    merged: bool
    moved: int
    conflicts: list[str]
    #: Whether this Git could tell.
    tried: bool
    text: str


def make(wanted: Wanted, *, check: bool = False) -> dict[str, t.Any]:
    """Open the pull request, find it, or say what to type; return what the module returns.

    Raises
    ------
    HotfixError
        When there is no such branch, or the remote or GitHub refuses.
    """
    with deploy_key(wanted.key, wanted.known_hosts) as env:
        secrets = [one for one in (wanted.key, wanted.token) if one]
        git = Git(Path(os.path.expanduser(wanted.repository)), env=env, secrets=secrets)
        state = _look(wanted, git)
        url = git.masked(git.out("remote", "get-url", wanted.remote))
    if state.merged:
        return _result(wanted, state, None, "unchanged", f"{state.branch} is in {wanted.base} already.")
    there = _there(wanted, url)
    if there is None or not wanted.token:
        why = "no token is given (GITHUB_TOKEN)" if there else f"{wanted.remote} is no repository of GitHub ({url})"
        said = f"No pull request was opened: {why}. Type the commands to bring {state.branch} to {wanted.base}."
        return _result(wanted, state, None, "unchanged", said, commands=_commands(wanted, state, gh=bool(there)))
    github = GitHub(there[1], wanted.token, there[0])
    found = github.find(state.branch, wanted.base)
    if found is not None and found.state == "open":
        return _result(wanted, state, found, "unchanged", f"The pull request is open already: {found.url}")
    if found is not None and found.state == "merged" and found.commit == state.commit:
        # Squashed, or with other changes: no commit in the base is the branch's own.
        return _result(wanted, state, found, "unchanged", f"The pull request was merged: {found.url}", merged=True)
    notes = []
    if found is not None:
        notes.append(f"An earlier pull request of it is {found.state}: {found.url}")
    if check:
        return _result(wanted, state, None, "planned", f"Would open a pull request of {state.branch}.", notes)
    title, body = state.text.splitlines()[0], _body(wanted, state)
    pull = github.open(state.branch, wanted.base, title, git.masked(body))
    if wanted.labels:
        try:
            github.label(pull, wanted.labels)
        except HotfixError as exc:
            # It is open, which is what counts.
            notes.append(f"It has not got the labels {', '.join(wanted.labels)}: {git.masked(exc.what)}")
    return _result(wanted, state, pull, "done", f"Opened the pull request {pull.url}", notes)


def _look(wanted: Wanted, git: Git) -> _State:
    for name in ("remote", "base", "branch"):
        value = str(getattr(wanted, name))
        if value.startswith("-") or any(one.isspace() or not one.isprintable() for one in value):
            raise BadInputError(f"{name} {value!r} cannot be one.", next_step=f"give the name of the {name}.")
    found = heads(git, wanted.remote, wanted.base, wanted.branch or f"{PREFIX}*")
    base = found.pop(wanted.base, None)
    if base is None:
        raise BadInputError(
            f"The remote {wanted.remote!r} has no branch {wanted.base!r}.",
            next_step="name the branch that the hotfix goes back to (hotfix_base).",
        )
    if not found:
        raise BadInputError(
            f"The remote {wanted.remote!r} has no branch {wanted.branch or PREFIX + '*'!r}.",
            next_step="name the branch of the hotfix, as in -e branch=hotfix/emergency-….",
        )
    branch, commit = list(found.items())[-1]
    bring(git, wanted.remote, {wanted.base: base, branch: commit})
    # A line that begins with a minus is a commit whose change the base has, under whatever ID.
    lacking = [line for line in git.out("cherry", base, commit).splitlines() if line.startswith("+")]
    moved = int(git.out("rev-list", "--count", f"{commit}..{base}"))
    conflicts = _conflicts(git, base, commit) if lacking and moved else []
    return _State(
        branch=branch,
        commit=commit,
        merged=not lacking,
        moved=moved,
        conflicts=conflicts or [],
        tried=conflicts is not None,
        text=git.out("log", "-1", "--format=%B", commit).strip(),
    )


def _conflicts(git: Git, base: str, commit: str) -> list[str] | None:
    """Return the files that a merge would not know how to merge; None where this Git cannot tell (before 2.38)."""
    said = git.run("merge-tree", "--write-tree", "--name-only", "--no-messages", base, commit, check=False)
    if said.returncode not in (0, 1):
        return None
    return said.stdout.splitlines()[1:] if said.returncode == 1 else []


def _there(wanted: Wanted, url: str) -> tuple[str, str] | None:
    """Return API and ``owner/name``; None where nothing says that GitHub is behind the remote."""
    found = repository_of(url)
    if wanted.api:
        name = wanted.name or (found[1] if found else "")
        if not name:
            raise BadInputError(
                f"Which repository is meant at {wanted.api} is not told by {url}.",
                next_step="name it, as in merge_back_repository: owner/name.",
            )
        return wanted.api, name
    if found and found[0].lower() in _GITHUB:
        return API, wanted.name or found[1]
    return None


def _body(wanted: Wanted, state: _State) -> str:
    said = [message.without_guards(state.text).partition("\n")[2].strip()]
    passed = message.reasons(state.text)
    if passed:
        said.append(
            "Guards that were passed by hand:\n" + "\n".join(f"- {name}: {why}" for name, why in passed.items())
        )
    about = wanted.incident
    if about.get("id"):
        lines = [f"Incident {about['id']}" + (f": {about['title']}" if about.get("title") else "")]
        lines += [str(about["summary"])] if about.get("summary") else []
        said.append("\n\n".join(lines))
    if state.moved:
        said.append(f"{wanted.base} moved on by {state.moved} commits since without it.")
    said.append(f"Commit {state.commit}, which runs already: merge it, or the next deploy brings the fault back.")
    return "\n\n".join(one for one in said if one)


def _commands(wanted: Wanted, state: _State, *, gh: bool) -> list[str]:
    if gh:
        title = state.text.splitlines()[0]
        words = ["gh", "pr", "create", "--base", wanted.base, "--head", state.branch, "--title", title]
        return [shlex.join([*words, "--body", _body(wanted, state)])]
    remote, base, branch = (shlex.quote(one) for one in (wanted.remote, wanted.base, state.branch))
    return [
        f"git fetch {remote} {base} {branch}",
        f"git switch {base}",
        f"git merge --ff-only {remote}/{base}",
        f"git merge --no-ff --no-edit {state.commit}",
        f"git push {remote} {base}",
    ]


def _result(
    wanted: Wanted,
    state: _State,
    pull: Pull | None,
    outcome: str,
    summary: str,
    notes: t.Sequence[str] = (),
    commands: t.Sequence[str] = (),
    merged: bool = False,
) -> dict[str, t.Any]:
    told = list(notes)
    merged = merged or state.merged
    if not merged and state.moved:
        told.append(f"{wanted.base} moved on by {state.moved} commits without the hotfix.")
    if not merged and not state.tried:
        told.append("Whether a merge would conflict cannot be told: this Git is older than 2.38.")
    if state.conflicts and not merged:
        told.append(f"A merge would conflict in {', '.join(state.conflicts)}: it takes a person.")
    return {
        "branch": state.branch,
        "base": wanted.base,
        "commit": state.commit,
        "opened": outcome == "done",
        "url": pull.url if pull else None,
        "number": pull.number if pull else None,
        "merged": merged,
        "base_moved": state.moved,
        "conflicts": state.conflicts,
        "commands": list(commands),
        "notes": told,
        "changed": outcome in ("done", "planned"),
        "outcome": outcome,
        "summary": summary,
    }
