# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module, and before a plain rollback the way back that the host has ready.

A module is packed, sent, unpacked and compiled before its first line runs. Where a rollback is nothing but a turn of
the proxy, perhaps after a start of stopped containers, users need not wait for that: the host's own script makes it at
once. It touches nothing where anything else is to be decided, and what it did is recorded, verified and told by the
module.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils._numbers import LONGEST
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.begin import begin
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import RecordedAction

#: What the script writes into its records as it is.
_PLAIN = re.compile(r"[A-Za-z0-9@._+-]+")
#: Seconds that the script gets beside what the app may take to become healthy. Then all is left to the module.
_TIMEOUT = 30
_START_TIMEOUT = 120
_DECIDED_BY_THE_MODULE = ("release", "restore", "schema_ignored_reason")


class ActionModule(RecordedAction):
    """Action plugin of M(pangeafate.hotfix.release)."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = ActionBase.run(self, tmp, task_vars)
        arguments = dict(self._task.args)
        measured = arguments.pop("probe", None)
        variables = task_vars or {}
        name = arguments.pop("settings", None)
        if name and name not in variables:
            raise AnsibleActionFail(f"There is no variable {name}. Nothing was touched. Next: name one in 'settings'.")
        self._settings = variables[name] if name else {}
        if measured and not self._task.check_mode:
            # Not a task of its own: that would hold up a rollback.
            result["probe"] = begin(measured, str(variables.get("inventory_hostname")), "during")
        result.update(self.recorded(arguments, variables))
        return result

    def in_a_hurry(self, _arguments: dict[str, t.Any]) -> bool:
        """Tell whether the host's script is to go back at once."""
        return not self._task.check_mode and is_plain_rollback(_arguments)

    def keeps_logs(self, arguments: dict[str, t.Any]) -> bool:
        """Tell whether this goes back: what the services wrote is gone when their containers are."""
        return arguments.get("state") == "rolled_back"

    def before_module(self, arguments: dict[str, t.Any]) -> None:
        """Go back at once where there is nothing else to decide."""
        if self.in_a_hurry(arguments):
            self._low_level_execute_command(turn_command(arguments))
        # Users are back. What is rendered now is what they need not have waited for.
        arguments.update({**self._templar.template(self._settings), **arguments})


def is_plain_rollback(arguments: t.Mapping[str, t.Any]) -> bool:
    """Tell whether a rollback leaves nothing to be decided but what the host's script was rendered for."""
    return (
        arguments.get("state") == "rolled_back"
        and not any(arguments.get(name) for name in _DECIDED_BY_THE_MODULE)
        and not boolean(arguments.get("takeover") or False, strict=False)
        and arguments.get("strategy") != "recreate"
        and all(_PLAIN.fullmatch(str(arguments.get(name) or "")) for name in ("run", "operator"))
        # What cannot be right is left to the module, which says so.
        and "\0" not in str(arguments.get("app_dir"))
        and _seconds(arguments) is not None
    )


def _seconds(arguments: t.Mapping[str, t.Any]) -> int | None:
    """Return the seconds that the script gets; None where what is said of them cannot be."""
    try:
        found = float(arguments.get("start_timeout") or _START_TIMEOUT)
    except (TypeError, ValueError, OverflowError):
        return None
    return _TIMEOUT + int(found) if 0 <= found <= LONGEST else None


def turn_command(arguments: t.Mapping[str, t.Any]) -> str:
    """Return the command line that has the host's script go back, if there is one."""
    script = shlex.quote(str(arguments.get("app_dir")).rstrip("/") + "/switch-back")
    who = f"{shlex.quote(str(arguments['run']))} {shlex.quote(str(arguments['operator']))}"
    seconds = _seconds(arguments) or _TIMEOUT
    return f"if [ -x {script} ]; then timeout {seconds} {script} --for {who}; fi"
