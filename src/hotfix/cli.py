# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `hotfix`: drives the collection's playbooks over ansible-runner."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from hotfix import __version__
from hotfix.exits import Exit, UsageError
from hotfix.shell import Root

#: Options of the whole help page, so that no command has to say so.
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80, "terminal_width": 80}


@click.group(cls=Root, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="hotfix", message="%(prog)s %(version)s")
def hotfix() -> None:
    """Emergency deploys and rollbacks of Docker Compose apps."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        done = hotfix.main(args=words, prog_name="hotfix", standalone_mode=False)
    except click.UsageError as exc:
        return _refused(words, exc.format_message(), exc.ctx)
    except UsageError as exc:
        return _refused(words, str(exc), None)
    except (click.Abort, KeyboardInterrupt):
        return _say(words, Exit.CANCELLED, "Cancelled. Next: hotfix status says what the hosts are like.")
    return int(done) if isinstance(done, int) else Exit.DONE


def _refused(words: Sequence[str], message: str, ctx: click.Context | None) -> int:
    path = ctx.command_path if ctx is not None else "hotfix"
    return _say(words, Exit.USAGE, message if "Next:" in message else f"{message} Next: {path} --help.")


def _say(words: Sequence[str], code: Exit, message: str) -> int:
    """Say on the error stream why there is no result; and as a result, where scripts wait for one."""
    print(f"hotfix: {message}", file=sys.stderr)
    if form := _form(words):
        from hotfix.document import empty
        from hotfix.output.show import show
        from hotfix.verdict import Verdict

        command = next((word for word in words if not word.startswith("-")), "status")
        show(empty(command, Verdict(code, message)), form)
    return int(code)


def _form(words: Sequence[str]) -> str | None:
    """Tell which form was asked for, on a command line that could not be read whole."""
    for number, word in enumerate(words):
        for form in ("json", "junit"):
            if word in (f"--output={form}", f"-o{form}") or (
                word in ("-o", "--output") and words[number + 1 : number + 2] == [form]
            ):
                return form
    return None
