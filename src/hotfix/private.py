# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder for one run that nobody else can read, in memory where that is possible, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"hotfix-(\d+)-[a-z0-9_]+")


def base() -> Path:
    """Return where the folder is made: memory rather than a disk."""
    for candidate in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):
        if candidate and os.path.isdir(candidate) and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    return Path(tempfile.gettempdir())


def sweep(folder: Path) -> None:
    """Remove what runs of this user left that were killed before they could."""
    for path in folder.glob("hotfix-*"):
        named = _NAME.fullmatch(path.name)
        with contextlib.suppress(OSError):
            found = path.lstat()
            if named and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not _lives(int(named[1])):
                shutil.rmtree(path)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make the folder, and remove it whatever happens."""
    where = base()
    sweep(where)
    path = Path(tempfile.mkdtemp(prefix=f"hotfix-{os.getpid()}-", dir=where))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
