# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that change nothing."""

from __future__ import annotations

import os
from typing import Any

import click

from hotfix.conduct import conduct, recommend
from hotfix.document import Document
from hotfix.options import looking, options_of
from hotfix.shell import Command
from hotfix.task import Task
from hotfix.watch import Seen


@click.command(cls=Command, example="hotfix -l production")
@looking
def status(**given: Any) -> int:
    """Show what runs, what a rollback goes to, deadlines, the lease and what fails."""
    options = options_of(given, default_limit="production")
    return conduct(Task("status", "release_info", looks=True, view=lambda result, _seen: recommend(result)), options)


@click.command(cls=Command, example="hotfix releases -l production")
@looking
def releases(**given: Any) -> int:
    """Show all releases of every host, the one that was live last first."""
    return conduct(Task("releases", "release_info", looks=True, view=_releases), options_of(given))


def _releases(result: Document, _seen: Seen) -> None:
    lines = []
    for host in result["hosts"]:
        lines.append(host["name"])
        state = host["state"] or {"releases": [], "current": None}
        for one in state["releases"]:
            now = "*" if state["current"] and one["id"] == state["current"]["id"] else " "
            lines.append(f" {now} {one['version']:<12} {one['id']:<34} {one['state']:<11} {one['operator'] or ''}")
        if not state["releases"]:
            lines.append("   no release is recorded")
        host["state"] = None if not host["state"] else host["state"]
    result["output"] = "\n".join(lines)
    result["next"] = [f"hotfix rollback -l {result['limit']} --to ID    goes back to a certain one"]


@click.command(cls=Command, example="hotfix smoke -l production --output junit > smoke.xml")
@click.option("--baseline", metavar="FILE", help="results from before, to tell what is new")
@click.option("--save", metavar="FILE", help="keep the results for a later --baseline")
@looking
def smoke(baseline: str | None, save: str | None, **given: Any) -> int:
    """Ask from outside whether every host does what users need."""
    variables = {
        **({"smoke_check_baseline": os.path.abspath(baseline)} if baseline else {}),
        **({"smoke_check_json": os.path.abspath(save)} if save else {}),
    }
    task = Task(
        "smoke",
        "smoke_check",
        variables,
        looks=True,
        advice=("hotfix confirm -l {limit}    if a release waits for it",),
    )
    return conduct(task, options_of(given))


@click.command(cls=Command, example="hotfix preflight -l production")
@click.option("--part", "parts", multiple=True, metavar="NAME", help="only this part, such as registry or git")
@looking
def preflight(parts: tuple[str, ...], **given: Any) -> int:
    """Look beforehand whether what an emergency needs would work. Changes nothing."""
    variables = {"preflight_parts": list(parts)} if parts else {}
    return conduct(Task("preflight", "preflight", variables, looks=True), options_of(given))


@click.command(cls=Command, example="hotfix diagnose -l production")
@looking
def diagnose(**given: Any) -> int:
    """Find out what is wrong on every host, and which command mends it."""
    return conduct(Task("diagnose", "diagnose", looks=True), options_of(given))


@click.command(cls=Command, example="hotfix logs backend -l production -f")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(1, 10000),
    default=100,
    metavar="NUMBER",
    help="lines of each service; 100 by default",
)
@click.option("--since", metavar="TIME", help="only what is newer, as in 10m")
@click.option("-f", "--follow", is_flag=True, help="go on until Ctrl-C")
@looking
def logs(services: tuple[str, ...], lines: int, since: str | None, follow: bool, **given: Any) -> int:
    """Show what the services write, all hosts at once."""
    from hotfix.commands.follow import show_logs

    return show_logs(services, lines, since, follow, options_of(given))
