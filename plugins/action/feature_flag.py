# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module, and writes what it did to the incident record of the run."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import RecordedAction


class ActionModule(RecordedAction):
    """Action plugin of M(pangeafate.hotfix.feature_flag)."""

    def keeps_logs(self, arguments: dict[str, t.Any]) -> bool:
        """Tell whether a feature is switched off, which answers an emergency."""
        return arguments.get("state") == "disabled"
