# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill switch."""

from __future__ import annotations

from typing import Any

import click

from hotfix.conduct import conduct
from hotfix.options import changing, options_of
from hotfix.shell import Command
from hotfix.task import Task


@click.command(cls=Command, example="hotfix flag LIVE_EDITING off -l production --reason 'data loss'")
@click.argument("name", required=False, metavar="[NAME]")
@click.argument("state", required=False, type=click.Choice(["off", "on"]), metavar="[off|on]")
@click.option("--restart-stale", is_flag=True, help="restart instances that do not take it over")
@changing
def flag(name: str | None, state: str | None, restart_stale: bool, **given: Any) -> int:
    """Switch a feature off or on, proven on every instance. Without a state: show it."""
    options = options_of(given)
    if state is None:
        variables = {"flag": name} if name else {}
        return conduct(Task("flag", "feature_flag_info", variables, looks=True), options)
    variables = {"flag": str(name), "enabled": "true" if state == "on" else "false"}
    if restart_stale:
        variables["restart_stale"] = "true"
    other = "on" if state == "off" else "off"
    task = Task(
        "flag",
        "feature_flag",
        variables,
        changes=True,
        what=f"switch {name} {state}",
        undo=f"hotfix flag {name} {other} -l {{limit}}",
        interruption="none: no container is restarted"
        if not restart_stale
        else "instances that are restarted are away meanwhile",
        advice=(f"undo: hotfix flag {name} {other} -l {{limit}}", "hotfix smoke -l {limit}"),
    )
    return conduct(task, options)
