# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident record."""

from __future__ import annotations

from typing import Any

import click

from hotfix.conduct import conduct
from hotfix.options import looking, options_of
from hotfix.shell import Command, Group
from hotfix.task import Task


@click.group(cls=Group, example="hotfix incident report -l production")
def incident() -> None:
    """Open an incident, write down what only people know, and show the report."""


def _conduct(command: str, variables: dict[str, Any], given: dict[str, Any], *, looks: bool = False) -> int:
    typed = {name: value for name, value in variables.items() if value}
    if (named := given.pop("incident", None)) is not None:
        typed["incident"] = named
    advice = () if looks else ("hotfix incident report -l {limit}",)
    return conduct(Task(f"incident {command}", "incident", typed, looks=looks, advice=advice), options_of(given))


def of_one(function: Any) -> Any:
    """Add the option that names an incident."""
    return click.option("--incident", metavar="ID", help="a certain one instead of the one that is open")(
        looking(function)
    )


@incident.command("open", cls=Command, example="hotfix incident open 'Saving fails' --severity 2 -l production")
@click.argument("title")
@click.option("--severity", type=click.IntRange(1, 4), metavar="1-4", help="1 is the worst")
@click.option("--criterion", metavar="NAME", help="security, outage, data_loss or broken_function")
@click.option("--summary", metavar="TEXT", help="what happened, in some sentences")
@looking
def open_(title: str, severity: int | None, criterion: str | None, summary: str | None, **given: Any) -> int:
    """Open an incident. A rollback opens one by itself."""
    variables = {
        "state": "opened",
        "title": title,
        "criterion": criterion,
        "summary": summary,
        "severity": str(severity) if severity else None,
    }
    return _conduct("open", variables, given)


@incident.command(cls=Command, example="hotfix incident note 'The vendor confirms it' -l production")
@click.argument("text")
@of_one
def note(text: str, **given: Any) -> int:
    """Write a note into the timeline."""
    return _conduct("note", {"note": text}, given)


@incident.command(cls=Command, example="hotfix incident check customers_told --by alice -l production")
@click.argument("key")
@click.option("--by", metavar="NAME", help="who did it")
@of_one
def check(key: str, by: str | None, **given: Any) -> int:
    """Tick an item of a checklist."""
    return _conduct("check", {"tick": key, "by": by}, given)


@incident.command(cls=Command, example="hotfix incident resolve --root-cause 'a missing index' -l production")
@click.option("--root-cause", metavar="TEXT", help="why it happened")
@of_one
def resolve(root_cause: str | None, **given: Any) -> int:
    """Say that it is over for users."""
    return _conduct("resolve", {"state": "resolved", "root_cause": root_cause}, given)


@incident.command(cls=Command, example="hotfix incident report -l production")
@click.option("--list", "listed", is_flag=True, help="all incidents, not only the open one")
@of_one
def report(listed: bool, **given: Any) -> int:
    """Show where the incident stands, what is due, and where its report is."""
    return _conduct("report", {"list": "true" if listed else None}, given, looks=True)
