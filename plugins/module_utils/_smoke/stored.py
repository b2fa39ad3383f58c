# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Results as a file, for other programs and for a later run to compare with."""

from __future__ import annotations

import datetime
import os
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

FORMAT = 1
_KEPT = ("verdict", "summary", "notes", "counts", "seconds", "results")


def document(found: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return *found*, the results of one look or of all hosts, as it is kept."""
    now = datetime.datetime.now(datetime.timezone.utc)
    kept = {key: found[key] for key in _KEPT if key in found}
    return {"format": FORMAT, "written": now.isoformat(timespec="milliseconds"), **kept}


def save(path: str, found: t.Mapping[str, t.Any], verdict: str) -> None:
    """Write it, for its owner only: bodies of answers are in it."""
    write(path, lambda file: _files.write_json(file, document({**found, "verdict": verdict})))


def write(path: str, how: t.Callable[[Path], None]) -> None:
    """Write a file of results; what was found is not lost over a folder that is not there."""
    try:
        how(Path(os.path.expanduser(path)))
    except OSError as exc:
        raise HotfixError(
            f"The results cannot be written to {path}: {exc.strerror or exc}.",
            next_step="name a file in a folder that is there and may be written to.",
        ) from exc
