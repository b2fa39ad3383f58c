# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How commands look: a help page that fits one screen, an example in it, and commands that are imported when needed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

#: What is typed without a command.
DEFAULT = "status"
#: The commands in the order of the help page: the module below hotfix.commands that has them, and one line.
COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("looks", "what runs, what a rollback goes to, who holds the lease, what fails"),
    "diagnose": ("looks", "what is wrong, and the command that mends it"),
    "logs": ("looks", "what the services write; -f follows"),
    "smoke": ("looks", "ask from outside whether every host does what users need"),
    "flag": ("flags", "switch a feature off or on, proven on every instance"),
    "rollback": ("changes", "go back to the last known good release"),
    "deploy": ("changes", "deploy a version beside the one that runs, check it, switch"),
    "confirm": ("changes", "keep a release that waits for it"),
    "ship": ("ship", "the whole hotfix path: branch, guards, images, deploy, proof"),
    "restart": ("changes", "restart services, one host after the other"),
    "ssl": ("changes", "renew the certificates"),
    "releases": ("looks", "all releases of every host"),
    "incident": ("incident", "open, note, check, resolve, report"),
    "preflight": ("looks", "would what an emergency needs work?"),
    "unlock": ("changes", "take away a lease that somebody left behind"),
    "run": ("run", "run a playbook of your own"),
    "completion": ("completion", "completion for bash, zsh or fish"),
}


class Command(click.Command):
    """A command whose help page has an example, and one line for each option."""

    def __init__(self, *args: Any, example: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.example = example

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the page."""
        write_page(self, ctx, formatter, self.example)


class Group(click.Group):
    """Commands below a command, as in `hotfix incident open`."""

    def __init__(self, *args: Any, example: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.example = example

    command_class = Command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the page."""
        write_page(self, ctx, formatter, self.example)
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(60)) for name in self.commands])


class Root(click.Group):
    """`hotfix`: without a command it is `status`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in where none is named."""
        if not ctx.resilient_parsing and (
            not args or (args[0].startswith("-") and args[0] not in ("-h", "--help", "--version"))
        ):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; a help page needs none of them."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hotfix.commands.{COMMANDS[cmd_name][0]}")
        found = getattr(module, cmd_name)
        return found if isinstance(found, click.Command) else None

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the page from the list alone."""
        formatter.write("Usage: hotfix [COMMAND] -l ENVIRONMENT [OPTIONS]\n")
        formatter.write("Emergency deploys and rollbacks of Compose apps. Alone it shows the state.\n")
        formatter.write("Example: hotfix rollback -l production --reason 'saving documents fails'\n\n")
        formatter.write_dl([(name, line) for name, (_module, line) in COMMANDS.items()])
        formatter.write("\nhotfix COMMAND --help has the options; docs/cli.md the exit codes.\n")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the closest command where what was typed is none."""
        if args and args[0] not in COMMANDS:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            meant = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{meant} Next: hotfix --help lists them.", ctx)
        return super().resolve_command(ctx, args)


def write_page(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter, example: str) -> None:
    """Write usage, what it does, an example and the options, close together."""
    pieces = " ".join(piece for piece in command.collect_usage_pieces(ctx) if piece)
    formatter.write(f"Usage: {ctx.command_path} {pieces}\n")
    formatter.write(f"{(command.help or '').strip()}\n")
    if example:
        formatter.write(f"Example: {example}\n")
    rows: Sequence[tuple[str, str]] = [
        record
        for param in command.get_params(ctx)
        # That there is a help page is known to who reads it.
        if "--help" not in param.opts and (record := param.get_help_record(ctx)) is not None
    ]
    formatter.write("\n")
    if rows:
        formatter.write_dl(rows)
