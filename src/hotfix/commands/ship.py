# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emergency code path as one command."""

from __future__ import annotations

import os
from typing import Any

import click

from hotfix.conduct import conduct
from hotfix.exits import UsageError
from hotfix.options import changing, options_of
from hotfix.shell import Command
from hotfix.task import Task


@click.command(cls=Command, example="hotfix ship --patch fix.patch --what 'Save umlauts' -l production")
@click.option("--patch", metavar="FILE", help="the change, as a patch")
@click.option("--commit", metavar="ID", help="… or as a commit of the repository")
@click.option("--changes", is_flag=True, help="… or what is not committed yet")
@click.option("--service", "services", multiple=True, metavar="NAME", help="build only this one; may be given again")
@click.option("--what", metavar="TEXT", help="first line of the commit")
@click.option("--fixes", metavar="TEXT", help="what was broken")
@click.option("--risk", metavar="Low|Medium|High", help="of the change")
@click.option("--confirm-later", is_flag=True, help="it reverts unless 'hotfix confirm' comes")
@changing
def ship(
    patch: str | None, commit: str | None, changes: bool, services: tuple[str, ...], confirm_later: bool, **given: Any
) -> int:
    """Ship a hotfix: branch, guards, images, deploy. Again, it goes on where it ended."""
    if sum(map(bool, (patch, commit, changes))) != 1:
        raise UsageError(
            "The change is to come from exactly one of --patch FILE, --commit ID and --changes. Nothing was touched. "
            "Next: give one of them."
        )
    if patch and not os.path.isfile(patch):
        raise UsageError(
            f"--patch names {patch!r}, which is not there. Nothing was touched. Next: see that the path is right."
        )
    words = {name: given.pop(name) for name in ("what", "fixes", "risk")}
    variables: dict[str, Any] = {name: text for name, text in words.items() if text}
    if patch:
        variables["patch"] = os.path.abspath(patch)
    if commit:
        variables["commit"] = commit
    if changes:
        variables["changes"] = "true"
    if services:
        variables["services"] = ",".join(services)
    if confirm_later:
        variables["confirm"] = "later"
    task = Task(
        "ship",
        "hotfix",
        variables,
        changes=True,
        what="ship a hotfix",
        undo="hotfix rollback -l {limit}",
        interruption="that of a deploy: none where the proxy is under management",
        advice=(
            "undo: hotfix rollback -l {limit}",
            "hotfix run pangeafate.hotfix.merge_back -l {limit}    brings it back to main",
        ),
    )
    return conduct(task, options_of(given))
