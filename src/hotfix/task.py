# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command asks for, and how the operator wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotfix.document import Document
from hotfix.watch import Seen

#: How a plan is found out: by the playbook in check mode, or by a look where that cannot be planned.
CHECK = "check"
LOOK = "look"


@dataclass(frozen=True)
class Options:
    """What every command understands. `timeout` is in seconds, `variables` hold secrets too."""

    inventory: tuple[str, ...] = ()
    limit: str | None = None
    output: str = "text"
    timeout: float | None = None
    verbosity: int = 0
    variables: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    check: bool = False
    diff: bool = False
    yes: bool = False


@dataclass(frozen=True)
class Task:
    """One command. `changes` says whether it changes hosts, `looks` whether finding nothing to do is no news.

    `undo` is how it is taken back, `interruption` what users notice, where the plan itself does not say.
    """

    command: str
    playbook: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    changes: bool = False
    looks: bool = False
    own: bool = False
    plan: str = CHECK
    what: str = ""
    undo: str = ""
    interruption: str = ""
    advice: tuple[str, ...] = ()
    view: Callable[[Document, Seen], None] | None = None
