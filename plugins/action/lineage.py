# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Warns on the controller when a deploy is about to take a hotfix back from users; stops nothing."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

Vars = t.Mapping[str, t.Any]


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.lineage)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables: Vars = task_vars or {}
        _validated, options = self.validate_argument_spec(
            argument_spec={
                "prepared": {"type": "str", "required": True},
                "repository": {"type": "path"},
                "remote": {"type": "str", "default": "origin"},
                "base": {"type": "str", "default": "main"},
                "deploy_key": {"type": "str", "no_log": True},
                "known_hosts": {"type": "str"},
            }
        )
        found = [variables["hostvars"][host].get(options["prepared"]) for host in variables["ansible_play_hosts_all"]]
        hotfixes = [one for one in found if isinstance(one, t.Mapping) and _leaves_hotfix(one)]
        if not hotfixes:
            # It is compiled only where it is needed.
            return {**result, "changed": False, "skipped": True, "skipped_reason": "No hotfix is followed."}
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import lineage

        try:
            told = lineage.warnings(
                [step for one in hotfixes for step in lineage.followed(one["leaving"], one.get("release") or {})],
                options["repository"],
                remote=options["remote"],
                base=options["base"],
                key=options["deploy_key"] or os.environ.get("DEPLOY_KEY") or None,
                known_hosts=options["known_hosts"],
            )
        except Exception as exc:
            # A deploy is never stopped by a warning that could not be made.
            told = [f"Whether the release holds the hotfix that it follows cannot be told ({type(exc).__name__})."]
        return {
            **result,
            "changed": False,
            "outcome": "seen",
            "warnings": told,
            "summary": " ".join(told) or "The hotfix that users have now is in it.",
        }


def _leaves_hotfix(prepared: Vars) -> bool:
    return str((prepared.get("leaving") or {}).get("version") or "").startswith("hotfix-")
