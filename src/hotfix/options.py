# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hotfix import inputs
from hotfix.output.show import FORMS
from hotfix.task import Options

F = TypeVar("F", bound=Callable[..., Any])


def looking(function: F) -> F:
    """Add what every command understands."""
    for one in reversed(
        [
            click.option(
                "-l",
                "--limit",
                metavar="ENVIRONMENT",
                envvar="HOTFIX_LIMIT",
                help="group of the inventory, or hosts of one",
            ),
            click.option(
                "-i", "--inventory", multiple=True, metavar="PATH", help="or HOTFIX_INVENTORY, or ansible.cfg"
            ),
            click.option(
                "-o",
                "--output",
                type=click.Choice(FORMS),
                metavar="text|json|junit",
                default="text",
                help="form of the result",
            ),
            click.option("--timeout", metavar="TIME", help="end it after 90s, 10m, 1h; on the hosts too"),
            click.option("-e", "--extra-vars", multiple=True, metavar="NAME=VALUE", help="a variable of the playbook"),
            click.option(
                "--secret", multiple=True, metavar="NAME[=FILE]", help="the same, asked for or from FILE, - or env:VAR"
            ),
            click.option("-v", "--verbose", count=True, help="show what Ansible prints; -vv for more"),
        ]
    ):
        function = one(function)
    return function


def changing(function: F) -> F:
    """Add what commands understand that change something."""
    for one in reversed(
        [
            click.option("--reason", metavar="TEXT", help="why, for the record"),
            click.option("--check", is_flag=True, help="show the plan, change nothing"),
            click.option("--diff", is_flag=True, help="show from what to what"),
            click.option("-y", "--yes", is_flag=True, help="do not ask; needed without a terminal"),
            click.option("--takeover", is_flag=True, help="take the lease from who holds it"),
        ]
    ):
        function = one(function)
    return looking(function)


def options_of(given: dict[str, Any], *, default_limit: str | None = None) -> Options:
    """Check what was given, and take it out of *given*: what is left is the command's own."""
    variables, files = inputs.variables(given.pop("extra_vars", ()))
    variables.update(inputs.secrets(given.pop("secret", ())))
    if reason := given.pop("reason", None):
        variables["reason"] = reason
    if given.pop("takeover", False):
        variables["takeover"] = "true"
    check, diff = bool(given.pop("check", False)), bool(given.pop("diff", False))
    verbosity = int(given.pop("verbose", 0))
    return Options(
        limit=inputs.limit(given.pop("limit", None) or default_limit),
        inventory=inputs.inventories(given.pop("inventory", ())),
        output=str(given.pop("output", "text")),
        timeout=inputs.seconds(given.pop("timeout", None)),
        verbosity=verbosity,
        variables=variables,
        files=files,
        check=check,
        diff=diff,
        yes=bool(given.pop("yes", False)),
    )
