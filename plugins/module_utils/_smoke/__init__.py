# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Smoke checks: what is declared (parse), asked of every target at once (run), and told so that one can trust it.

A verdict tells "the app is broken" (failed) from "we could not look" (error); neither is ever a pass.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.checks import parse
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.containers import private, run_private
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Check, Report, Result, Target
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import run

__all__ = ["Check", "Report", "Result", "Target", "parse", "private", "run", "run_private"]


def __getattr__(name: str) -> t.Any:
    """Load the parts when they are used: on a host every import is compiled anew, and a rollback checks nothing."""
    if name not in __all__:
        raise AttributeError(name)
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.checks import parse
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.containers import private, run_private
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Check, Report, Result, Target
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import run

    parts = (parse, private, run_private, Check, Report, Result, Target, run)
    return {part.__name__: part for part in parts}[name]
