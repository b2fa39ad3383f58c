# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that change what runs."""

from __future__ import annotations

from typing import Any

import click

from hotfix.conduct import conduct
from hotfix.options import changing, options_of
from hotfix.shell import Command, Group
from hotfix.task import LOOK, Task


@click.command(cls=Command, example="hotfix rollback -l production --reason 'saving documents fails'")
@click.option("--to", "release", metavar="ID", help="a certain release instead of the last known good")
@click.option("--restore", metavar="TIME", help="restore the database too, losing all since TIME")
@changing
def rollback(release: str | None, restore: str | None, **given: Any) -> int:
    """Go back to the last known good release, on every host that can be reached."""
    variables = {**({"release": release} if release else {}), **({"restore": restore} if restore else {})}
    task = Task(
        "rollback",
        "rollback",
        variables,
        changes=True,
        what=f"roll back to {release}" if release else "roll back",
        undo="hotfix rollback --to {left} -l {limit}",
        advice=("hotfix smoke -l {limit}", "hotfix incident report -l {limit}"),
    )
    return conduct(task, options_of(given))


@click.command(cls=Command, example="hotfix deploy v2 -l production --reason 'release 2'")
@click.argument("version")
@click.option("--confirm-later", is_flag=True, help="it reverts unless 'hotfix confirm' comes")
@changing
def deploy(version: str, confirm_later: bool, **given: Any) -> int:
    """Deploy a version beside the one that runs, check it, and switch."""
    task = Task(
        "deploy",
        "deploy",
        {"version": version, **({"confirm": "later"} if confirm_later else {})},
        changes=True,
        what=f"deploy {version}",
        undo="hotfix rollback -l {limit}",
        advice=("hotfix confirm -l {limit}    before it reverts by itself",)
        if confirm_later
        else ("undo: hotfix rollback -l {limit}",),
    )
    return conduct(task, options_of(given))


@click.command(cls=Command, example="hotfix confirm -l production")
@changing
def confirm(**given: Any) -> int:
    """Keep a release that was deployed with --confirm-later."""
    task = Task(
        "confirm",
        "confirm",
        changes=True,
        plan=LOOK,
        what="confirm what is current",
        undo="hotfix rollback -l {limit}",
        interruption="none: nothing is switched",
        advice=("undo: hotfix rollback -l {limit}",),
    )
    return conduct(task, options_of(given))


@click.command(cls=Command, example="hotfix restart backend hocuspocus -l production")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE...")
@click.option("--force", is_flag=True, help="also what a restart would hurt")
@click.option("--at-once", is_flag=True, help="all hosts at once, not one after the other")
@changing
def restart(services: tuple[str, ...], force: bool, at_once: bool, **given: Any) -> int:
    """Restart services, one host after the other. The release stays the same."""
    variables = {
        "services": ",".join(services),
        **({"force": "true"} if force else {}),
        **({"at_once": "true"} if at_once else {}),
    }
    task = Task(
        "restart",
        "restart",
        variables,
        changes=True,
        what=f"restart {', '.join(services)}",
        undo="nothing is to be undone: the release stays the same.",
        advice=("hotfix smoke -l {limit}",),
    )
    return conduct(task, options_of(given))


@click.group(cls=Group, example="hotfix ssl renew -l production")
def ssl() -> None:
    """Renew the certificates that users see."""


@ssl.command(cls=Command, example="hotfix ssl renew -l production")
@click.option("--force", is_flag=True, help="also a certificate that is not due")
@changing
def renew(force: bool, **given: Any) -> int:
    """Renew certificates that are due, and prove by a handshake that they are served."""
    task = Task(
        "ssl renew",
        "ssl_renew",
        {"force": "true"} if force else {},
        changes=True,
        what="renew the certificates",
        undo="nothing is to be undone: the old certificate is good until it runs out.",
        interruption="none: the proxy is reloaded, and no connection is cut",
        advice=("hotfix smoke -l {limit}",),
    )
    return conduct(task, options_of(given))


@click.command(cls=Command, example="hotfix unlock -l production --reason 'the laptop of ann is gone'")
@changing
def unlock(**given: Any) -> int:
    """Take away a lease that was left behind. A live one needs --reason. Recorded."""
    task = Task(
        "unlock",
        "unlock",
        changes=True,
        plan=LOOK,
        what="take the lease away",
        undo="nothing is to be undone: whoever had it stops before the next change.",
        interruption="none: no container is touched",
        advice=("hotfix -l {limit}    shows the state of the hosts",),
    )
    return conduct(task, options_of(given))
