# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next command, by how the one before has ended."""

from __future__ import annotations

from hotfix.document import Document
from hotfix.exits import Exit
from hotfix.task import Options, Task


def advice(task: Task, options: Options, result: Document) -> list[str]:
    """Return what to type next, most likely first. What the engine itself says stands in the message."""
    at = f"-l {options.limit}"
    code = Exit(result["exit"]["code"])
    if code is Exit.DONE and result["check"]:
        return ["the same without --check, to do it"]
    if code is Exit.DONE:
        return [line.format(limit=options.limit) for line in task.advice]
    known = {
        Exit.NOTHING_TO_DO: [f"hotfix {at}    shows the state of the hosts"],
        Exit.SWITCHED_BACK: [f"hotfix diagnose {at}    what the failed release wrote is in the report"],
        Exit.PARTIAL: ["mend the hosts that are named, then the same command again; the others stay as they are"],
        Exit.COULD_NOT_LOOK: ["mend the connection to the hosts that are named, then the same command again"],
        Exit.REFUSED: [f"hotfix {at}    shows who holds the lease; hotfix unlock {at} --reason '…' takes it away"],
        Exit.FAILED_UNCHANGED: [f"hotfix {at}    shows the state of the hosts"] if task.changes else [],
        Exit.FAILED_CHANGED: [f"hotfix {at}    shows what the hosts are like now", f"hotfix rollback {at}"],
        Exit.NOT_RUN: ["the same with -v, to see what Ansible says"],
        Exit.TIMED_OUT: [],
        Exit.CANCELLED: [],
    }
    found = known.get(code, [])
    if code in (Exit.TIMED_OUT, Exit.CANCELLED) and task.changes and result["left"]:
        return [f"the same command again goes on from there; or hotfix rollback {at}"]
    return found
