# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Files that are either the old or the new, never half: write beside, fsync, rename, fsync the folder."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json


def _sync_dir(folder: Path) -> None:
    descriptor = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace *path* with *text*, atomically and durably, with *mode* from its first byte on."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=str(path.parent))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, str(path))
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_dir(path.parent)


def write_json(path: Path, data: t.Any, *, mode: int = 0o600) -> None:
    """Replace *path* with *data* as JSON, atomically and durably."""
    write_text(path, json.dumps(data, indent=2, sort_keys=True) + "\n", mode=mode)


def read_json(path: Path) -> t.Any:
    """Read JSON; ``None`` where there is no file or no whole JSON in it (a truncated record is no record)."""
    try:
        return _json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def replace_symlink(link: Path, target: str) -> None:
    """Point *link* at *target* in one step: whoever reads it sees the old or the new."""
    temporary = link.with_name(f".{link.name}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(str(temporary))
    os.symlink(target, str(temporary))
    os.replace(str(temporary), str(link))
    _sync_dir(link.parent)


def make_folder(path: Path, *, mode: int = 0o700) -> None:
    """Create *path* (and its parents) when missing."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        _sync_dir(path.parent)
