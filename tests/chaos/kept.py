# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that were lost once, each with what it had shown, and two that show in seconds that runs can be made."""

from __future__ import annotations

KEPT: dict[str, str] = {
    "restart/current_dangling/10": "no release was said to be recorded, and nothing mended the link",
    "hotfix/origin_down/8": "nothing of the app: an emergency build answers with the version of its source",
    # After the hotfix above: the registry has not all services of such a version, so it cannot be deployed anew.
    "flag/engine_killed/4": "all was stopped, and nothing that was recommended started a database",
    "restart/record_truncated/18": "an older release was taken for the one whose record was lost, and started",
    "rollback/engine_killed/12": "the rollback needed the database, and its restart wanted the rollback to be finished",
    "rollback/current_dangling/3": "what users were in was taken for the last good release, and stayed",
}

QUICK = ("rollback/controller_killed/9", "rollback/module_killed/5")
