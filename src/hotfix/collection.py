# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the collection is: in the wheel beside this file, or in the checkout that this file is in."""

from __future__ import annotations

import os
from pathlib import Path

from hotfix.exits import UsageError

NAME = ("ansible_collections", "pangeafate", "hotfix")
_HERE = Path(__file__).resolve().parent


def path() -> Path | None:
    """Return the folder that is to be among Ansible's collection paths; None where the collection is installed."""
    for candidate in (_HERE / "_collections", _HERE.parents[1] / ".ansible/collections"):
        if candidate.joinpath(*NAME, "playbooks").is_dir():
            return candidate
    return None


def paths(others: list[str]) -> str:
    """Return Ansible's collection paths, ours first: this command and its playbooks are of one version."""
    ours = path()
    return os.pathsep.join(dict.fromkeys([*([str(ours)] if ours else []), *others]))


def playbook(name: str) -> str:
    """Return the full name of one of the collection's playbooks; raise where this version has none of that name."""
    ours = path()
    if ours is not None and not ours.joinpath(*NAME, "playbooks", f"{name}.yml").is_file():
        raise UsageError(f"This version of the collection has no playbook {name}.yml. Next: install a newer one.")
    return f"pangeafate.hotfix.{name}"
