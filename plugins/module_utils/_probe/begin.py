# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""A probe is begun for one host of a run; where that cannot be, the reason is the result."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.control import NotMeasuredError, Probe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.targets import UnusableError, target_of

Found = t.Dict[str, t.Any]

#: Where a probe keeps its files, relative to the folder in which the run was started.
FOLDER = "artifacts"


def begin(options: t.Mapping[str, t.Any], name: str, phase: t.Optional[str] = None) -> Found:
    """Have the host *name* sampled from now on. It raises nothing: a run goes on without its probe."""
    try:
        target = target_of(options, name)
        probe = Probe(str(options.get("dir") or FOLDER), str(options.get("run") or ""))
        folder = probe.begin(target)
        if phase:
            probe.mark(phase)
    except (NotMeasuredError, UnusableError) as exc:
        return not_measured(str(exc))
    except Exception as exc:  # not even a mistake of ours may stop a rollback
        return not_measured(f"{type(exc).__name__}: {exc}")
    return {"measured": True, "folder": folder}


def not_measured(why: str) -> Found:
    """Return the result that says why there is no probe."""
    return {"measured": False, "why": why.rstrip(".")}
