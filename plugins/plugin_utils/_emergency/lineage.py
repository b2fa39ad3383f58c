# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what is about to be deployed holds the hotfix that it follows, by the source's own history."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git, deploy_key
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.remote import bring, heads

_HOTFIX = re.compile(r"hotfix-[0-9]{8}T[0-9]{6}Z")
_SHORT = 12
#: Seconds that a deploy waits for the remote, twice at most: the warning is not worth more in an emergency.
_WAIT = 10.0


class Followed(t.NamedTuple):
    """A service that goes from a hotfix to another revision; a revision is None where its image does not tell it."""

    version: str
    hotfix: str
    service: str
    before: str | None
    after: str | None


def followed(leaving: t.Mapping[str, t.Any] | None, coming: t.Mapping[str, t.Any]) -> list[Followed]:
    """Return the services whose image changes when *coming* takes a hotfix's place; both as the engine sums them up."""
    if not leaving or not _HOTFIX.fullmatch(str(leaving.get("version"))):
        return []
    before, after = leaving.get("revisions") or {}, coming.get("revisions") or {}
    old, new = leaving.get("image_ids") or {}, coming.get("image_ids") or {}
    return [
        Followed(str(coming.get("version")), str(leaving["version"]), name, before.get(name), after.get(name))
        # What the hotfix did not build has no part in it.
        for name in leaving.get("built") or ()
        if old.get(name) != new.get(name) and (after.get(name) != before.get(name) or not before.get(name))
    ]


def warnings(
    steps: t.Sequence[Followed],
    repository: str | None,
    *,
    remote: str = "origin",
    base: str = "main",
    key: str | None = None,
    known_hosts: str | None = None,
) -> list[str]:
    """Say of each hotfix what lacks it, or why that cannot be told; nothing where all of it is there."""
    if not steps:
        return []
    if not repository:
        return [_unknown(one, "hotfix_repository is not set") for one in _once(steps)]
    try:
        with deploy_key(key, known_hosts) as env:
            git = Git(Path(os.path.expanduser(repository)), env=env, secrets=[key] if key else [])
            git.run("rev-parse", "--git-dir")
            return _told(git, _once(steps), remote, base)
    except HotfixError as exc:
        return [_unknown(one, exc.what.rstrip(".")) for one in _once(steps)]


def _once(steps: t.Sequence[Followed]) -> list[Followed]:
    """Leave one of those that say the same of several services or hosts."""
    return list({(one.before, one.after): one for one in steps}.values())


def _told(git: Git, steps: t.Sequence[Followed], remote: str, base: str) -> list[str]:
    wanted = {commit for one in steps for commit in (one.before, one.after) if commit}
    away = ""
    if any(not _has(git, commit) for commit in wanted):
        # What was merged since is there; the branches of hotfixes are as well.
        try:
            bring(git, remote, heads(git, remote, base, "hotfix/*", timeout=_WAIT), timeout=_WAIT)
        except HotfixError as exc:
            away = f" ({exc.what.rstrip('.')})"
    told = []
    for one in steps:
        if one.before is None or one.after is None:
            whose = one.hotfix if one.before is None else one.version
            told.append(_unknown(one, f"the image of {one.service} in {whose} names no revision"))
        elif not _has(git, one.before) or not _has(git, one.after):
            lacking = one.before if not _has(git, one.before) else one.after
            told.append(_unknown(one, f"the commit {lacking[:_SHORT]} is not known in {git.path}{away}"))
        elif not _holds(git, one.after, one.before):
            subject = git.out("log", "-1", "--format=%s", one.before)
            told.append(
                f"{one.version} lacks the hotfix {one.before[:_SHORT]} ({git.masked(subject)}), which users have now: "
                "its fault comes back. Merge it first (playbooks/merge_back.yml), unless that is meant."
            )
    return told


def _has(git: Git, commit: str) -> bool:
    return not git.run("cat-file", "-e", f"{commit}^{{commit}}", check=False).returncode


def _holds(git: Git, after: str, before: str) -> bool:
    """Tell whether the change of *before* is in *after*, as this commit or as one that does the same."""
    if not git.run("merge-base", "--is-ancestor", before, after, check=False).returncode:
        return True
    return not any(line.startswith("+") for line in git.out("cherry", after, before).splitlines())


def _unknown(one: Followed, why: str) -> str:
    hotfix = one.before[:_SHORT] if one.before else one.hotfix
    return f"Whether {one.version} holds the hotfix {hotfix}, which users have now, cannot be told: {why}."
