# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong with a record, said so that an operator can act on it."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError

__all__ = ["BadInputError", "IncidentError", "told"]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


class IncidentError(HotfixError):
    """The record could not be written or read. It never stops what it is a record of."""

    def __init__(self, what: str, *, next_step: str, left: str = "What it held before is whole.") -> None:
        super().__init__(what, next_step=next_step, left=left)


def _next_step(number: int | None) -> str:
    if number in _FULL:
        return "free space there, or name a folder elsewhere (hotfix_incident_dir)."
    if number in _CLOSED:
        return "make it writable for you, or name a folder that is (hotfix_incident_dir)."
    return "look at that folder, or name another one (hotfix_incident_dir)."


@contextlib.contextmanager
def told(path: str | os.PathLike[str], *, doing: str = "written") -> t.Iterator[None]:
    """Turn what the operating system says about *path* into an error with a next step."""
    try:
        yield
    except OSError as exc:
        raise IncidentError(
            f"The incident record {os.fspath(path)} cannot be {doing}: {exc.strerror or exc}.",
            next_step=_next_step(exc.errno),
        ) from exc
