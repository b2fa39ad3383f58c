# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a remote has, and how it gets here without moving any reference of the checkout."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git, GitError, remote_fault

HEADS = "refs/heads/"
_LOOK = 60.0
_TRANSFER = 300.0


def heads(git: Git, remote: str, *patterns: str, timeout: float = _LOOK) -> dict[str, str]:
    """Return the commits of the branches of *remote* that match one of *patterns*, by name and in that order."""
    try:
        said = git.out("ls-remote", remote, *(f"{HEADS}{one}" for one in patterns), timeout=timeout)
    except GitError as exc:
        raise remote_fault(exc, remote, "be read") from exc
    found = {ref: commit for commit, _tab, ref in (line.partition("\t") for line in said.splitlines())}
    return {ref.removeprefix(HEADS): found[ref] for ref in sorted(found)}


def bring(git: Git, remote: str, branches: t.Mapping[str, str], *, timeout: float = _TRANSFER) -> None:
    """Fetch those of *branches*, each with its commit, whose commits are not here."""
    lacking = [
        f"{HEADS}{name}"
        for name, commit in branches.items()
        if git.run("cat-file", "-e", f"{commit}^{{commit}}", check=False).returncode
    ]
    if not lacking:
        return
    # An empty map of references keeps Git from moving the checkout's own, such as origin/main.
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--no-prune")
    try:
        git.run("fetch", *options, remote, *lacking, timeout=timeout)
    except GitError as exc:
        raise remote_fault(exc, remote, "be fetched from") from exc
