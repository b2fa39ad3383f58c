# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hotfix.conduct import conduct
from hotfix.options import changing, options_of
from hotfix.shell import Command
from hotfix.task import Task


@click.command(cls=Command, example="hotfix run maintenance.yml -l production --yes")
@click.argument("playbook")
@changing
def run(playbook: str, **given: Any) -> int:
    """Run a playbook of your own: a file, or a name as in pangeafate.hotfix.adopt."""
    path = Path(playbook)
    task = Task(
        "run",
        str(path.absolute()) if path.is_file() else playbook,
        changes=True,
        own=True,
        what=f"run {playbook}",
        undo="as the playbook says.",
        interruption="as the playbook says",
    )
    return conduct(task, options_of(given))
