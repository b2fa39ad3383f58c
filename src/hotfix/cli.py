# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one playbook on one environment, over ansible-runner.

ansible-runner's own answer is not enough to go by: it says "successful" of a run that matched no host or that skipped
unreachable ones. The exit code here is 0 only where every host was reached and did what was asked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from ansible_runner.interface import run as start

from hotfix import __version__


class Exit(IntEnum):
    """What the exit code says. 2 is argparse's, for a command line that cannot be right."""

    OK = 0
    FAILED = 1
    NO_HOST = 3
    UNREACHABLE = 4
    NOT_RUN = 5
    INTERRUPTED = 130


NEXT = {
    Exit.FAILED: "the run failed; the messages above say on which host and what to do next",
    Exit.NO_HOST: "no host did anything, so nothing was changed; check -l and -i (ansible-inventory --graph)",
    Exit.UNREACHABLE: "not every host was reached ({}); mend the connection and run the same again",
    Exit.NOT_RUN: "the playbook could not be run at all; the messages above say why",
    Exit.INTERRUPTED: "interrupted: a step may still run on a host; run the same again to finish or revert it",
}


@dataclass
class Screen:
    """Shows a run as it goes, and remembers what became of the hosts."""

    reached: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    failed: bool = False
    finished: bool = False

    def handle(self, event: dict[str, Any]) -> bool:
        """Take one event; True would have the runner keep it in a file."""
        # An exception that left this would kill the run in the middle of a task, and the terminal may be gone.
        with contextlib.suppress(Exception):
            self.note(event.get("event", ""), event.get("event_data", {}))
            if event.get("stdout"):
                print(event["stdout"], flush=True)
        return False

    def note(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "runner_on_unreachable":
            self.unreachable.add(data["host"])
        elif kind in ("runner_on_ok", "runner_on_failed", "runner_on_skipped"):
            self.reached.add(data["host"])
        elif kind == "playbook_on_stats":
            self.finished = True
            self.failed = bool(data.get("failures"))
            self.unreachable.update(data.get("dark", ()))

    def verdict(self, status: str) -> Exit:
        """Say how the run ended, from what was seen of the hosts and not from the runner's word alone."""
        if status in ("canceled", "timeout"):
            return Exit.INTERRUPTED
        # Without statistics it ended before the first play did: a playbook that cannot be read, a crash.
        # (The exit code of ansible-playbook is the same for that and for an unreachable host.)
        if not self.finished:
            return Exit.NOT_RUN
        if self.unreachable and not self.failed:
            return Exit.UNREACHABLE
        if status != "successful":
            return Exit.FAILED
        return Exit.OK if self.reached else Exit.NO_HOST


def extra_var(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name, value


def run_playbook(arguments: argparse.Namespace) -> Exit:
    """Run the playbook in a private folder that is gone afterwards, and show it as it goes."""
    screen = Screen()
    here = Path.cwd()
    playbook = str(here / arguments.playbook) if (here / arguments.playbook).is_file() else arguments.playbook
    inventory = [str(here / item) if (here / item).exists() else item for item in arguments.inventory]
    options = [name for name, wanted in (("--check", arguments.check), ("--diff", arguments.diff)) if wanted]
    # The runner switches host key checking off unless the environment already says something.
    environment = {
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    if not sys.stdout.isatty():
        environment["ANSIBLE_NOCOLOR"] = "1"
    with tempfile.TemporaryDirectory(prefix="hotfix-") as private:
        if arguments.extra_vars:
            # Through a file: a process's arguments are readable by everyone. And as plain text, never as a template.
            variables = Path(private, "variables.yml")
            variables.touch(mode=0o600)
            lines = (f"{name}: !unsafe {json.dumps(value)}\n" for name, value in arguments.extra_vars)
            variables.write_text("".join(lines), encoding="utf-8")
            options += ["--extra-vars", f"@{variables}"]
        run = start(
            private_data_dir=private,
            project_dir=str(here),
            playbook=playbook,
            inventory=inventory or None,
            limit=arguments.limit,
            cmdline=shlex.join(options) or None,
            envvars=environment,
            suppress_env_files=True,
            quiet=True,
            event_handler=screen.handle,
        )
    code = screen.verdict(run.status)
    if code in NEXT:
        print("hotfix:", NEXT[code].format(", ".join(sorted(screen.unreachable))), file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="hotfix", description="Emergency deploys and rollbacks of Docker Compose apps.")
    root.add_argument("--version", action="version", version=f"hotfix {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a playbook on one environment", description=run_playbook.__doc__)
    run.add_argument("playbook", help="a file, or a full name such as pangeafate.hotfix.rollback")
    run.add_argument("-l", "--limit", required=True, help="the environment: a group of the inventory")
    run.add_argument("-i", "--inventory", action="append", default=[], help="instead of the one that ansible.cfg names")
    run.add_argument("-e", "--extra-vars", action="append", default=[], type=extra_var, metavar="NAME=VALUE")
    run.add_argument("--check", action="store_true", help="show the plan and change nothing")
    run.add_argument("--diff", action="store_true", help="show from what to what")
    run.set_defaults(call=run_playbook)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    code: Exit = arguments.call(arguments)
    return code
