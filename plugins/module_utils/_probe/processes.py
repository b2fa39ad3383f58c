# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Whether a process is still the one that it was."""

from __future__ import annotations

import os
import typing as t


def start_of(pid: int) -> str:
    """Return when a process was started, in the kernel's count; empty where that cannot be seen."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def gone(pid: int, started: str = "") -> bool:
    """Tell whether a process has ended. *started* tells it from another one that got its number later."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    fields = _stat(pid)
    # One that nobody has buried yet has ended as well.
    return bool(fields) and (fields[0] in ("Z", "X") or (bool(started) and fields[19] != started))


def _stat(pid: int) -> t.List[str]:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            return handle.read().rpartition(")")[2].split()
    except OSError:
        return []
