# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sums up what a preflight found, on the controller: as a table, and in a file for other programs."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import stored
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight import report


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.preflight_report)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            argument_spec={
                "results": {"type": "str", "required": True},
                "name": {"type": "str", "default": "all hosts"},
                "json": {"type": "path"},
                "brief": {"type": "bool", "default": False},
            }
        )
        found = report.items_of(task_vars or {}, arguments["results"])
        lines = report.lines(found, arguments["name"], brief=arguments["brief"])
        files: list[str] = []
        if arguments["json"] and not self._task.check_mode:
            document = report.document(found, arguments["name"])
            try:
                stored.write(arguments["json"], lambda path: _files.write_json(path, document))
            except HotfixError as exc:
                raise AnsibleActionFail("\n".join([*lines, f"{exc.what} Next: {exc.next_step}"])) from exc
            files.append(str(arguments["json"]))
            lines.append(f"written: {arguments['json']}")
        return {
            **result,
            "changed": False,
            "msg": "\n".join(lines),
            "verdict": report.verdict(found),
            "counts": report.counts(found),
            "files": files,
            "_ansible_verbose_always": True,
        }
