# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion for shells."""

from __future__ import annotations

import click

from hotfix.shell import Command


@click.command(cls=Command, example='eval "$(hotfix completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
def completion(shell: str) -> int:
    """Print the script that has your shell complete commands and options."""
    from click.shell_completion import get_completion_class

    from hotfix.cli import hotfix

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(found(hotfix, {}, "hotfix", "_HOTFIX_COMPLETE").source())
    return 0
