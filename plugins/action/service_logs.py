# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module where an open incident lacks the logs of this host, and keeps what it read as evidence."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import context_of, without_text


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.service_logs)."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        if "record" not in arguments:
            return {**result, **self._execute_module(module_args=arguments, task_vars=task_vars)}
        # Only here: it is compiled anew for every task that imports it.
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import host_logs

        run = arguments.pop("record")
        host = str(variables.get("inventory_hostname"))
        wanted = None if self._task.check_mode else host_logs.wanted(run, host)
        if wanted is None:
            return {**result, "skipped": True, "skipped_reason": "No open incident of this run lacks the logs."}
        folder, around = wanted
        if around:
            arguments.setdefault("around", around)
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        if not result.get("failed"):
            context = context_of(variables, self._templar.template, arguments)
            result["record"] = host_logs.keep(folder, run, host, result, context.redact)
            result = without_text(result)
        return result
