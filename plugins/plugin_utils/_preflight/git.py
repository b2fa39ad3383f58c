# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the controller may push a hotfix branch: git goes through all of it but the sending."""

from __future__ import annotations

import os
import secrets
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import FAILED, PASSED, SKIPPED, Found


def may_push(given: t.Mapping[str, t.Any], timeout: float) -> Found:
    """Try a push to a branch below hotfix/ that nobody has, with ``--dry-run``.

    What the server's own rules say of branches, it only tells when something is really sent.
    """
    repository = given.get("repository")
    if not repository:
        return Found(SKIPPED, "hotfix_repository is not set.")
    folder = os.path.abspath(os.path.expanduser(str(repository)))
    if not os.path.isdir(folder):
        return Found(FAILED, f"There is no checkout {folder} on the controller.", "correct hotfix_repository.")
    remote = str(given.get("remote") or "origin")
    # Only where there is a checkout: it takes its time to load.
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import (
        Git,
        GitError,
        deploy_key,
        remote_fault,
    )

    branch = f"hotfix/preflight-{secrets.token_hex(4)}"
    key = given.get("deploy_key")
    with deploy_key(str(key) if key else None, str(given.get("known_hosts") or "")) as env:
        git = Git(folder, env=env)
        try:
            git.run("push", "--dry-run", "--quiet", remote, f"HEAD:refs/heads/{branch}", timeout=timeout)
        except GitError as exc:
            fault = remote_fault(exc, remote, "be pushed to")
            last = " ".join(exc.output.splitlines()[-1:]).rstrip(".")
            return Found(FAILED, f"{fault.what}{f' Git says: {last}.' if last else ''}", fault.next_step)
    return Found(PASSED, f"{remote} takes a push to hotfix/… (tried with --dry-run, nothing was sent).")
