# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the branch of a hotfix on the controller, and writes that to the incident record of the run."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import branch, guards, message
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor, known_values
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import Beginning, context_of

Vars = t.Mapping[str, t.Any]

_OPTIONS: dict[str, dict[str, t.Any]] = {
    "repository": {"type": "path", "required": True},
    "remote": {"type": "str", "default": "origin"},
    "base": {"type": "str", "default": "main"},
    "patch": {"type": "str"},
    "commit": {"type": "str"},
    "changes": {"type": "bool", "default": False},
    # What these may be is said by an error of ours, with a next step.
    "what": {"type": "str", "required": True},
    "body": {"type": "str"},
    "fixes": {"type": "str", "required": True},
    "risk": {"type": "str", "required": True},
    "rollback": {"type": "str"},
    "trailers": {"type": "dict", "default": {}},
    "guard_files": {"type": "int", "default": guards.FILES},
    "guard_lines": {"type": "int", "default": guards.LINES},
    "guard_migrations": {"type": "list", "elements": "str"},
    "guard_locks": {"type": "list", "elements": "str"},
    "guard_reasons": {"type": "dict", "default": {}},
    "test_command": {"type": "raw"},
    "test_timeout": {"type": "float", "default": guards.TIMEOUT},
    "deploy_key": {"type": "str", "no_log": True},
    "known_hosts": {"type": "str"},
    "operator": {"type": "str"},
    "record": {"type": "dict"},
}


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.hotfix_branch)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables: Vars = task_vars or {}
        _validated, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        secrets = [one for one in (options["deploy_key"], os.environ.get("DEPLOY_KEY")) if one]
        redactor = Redactor([*known_values(variables, render=self._templar.template), *secrets])
        run = None if self._task.check_mode else options["record"]
        if not run:
            return {**result, **self._made(options, redactor)}
        beginning = Beginning(run, str(variables.get("inventory_hostname")), "hotfix_branch", {})
        beginning.now()
        try:
            found = self._made(options, redactor)
        except Exception as exc:
            said = {"failed": True, "msg": redactor.text(str(exc))}
            beginning.end(said, lambda: context_of(variables, self._templar.template))
            raise
        told = beginning.end(found, lambda: context_of(variables, self._templar.template))
        return {**result, **found, **({"record": told} if told is not None else {})}

    def _made(self, options: Vars, redactor: Redactor) -> dict[str, t.Any]:
        try:
            found = branch.make(wanted(options), check=bool(self._task.check_mode), diff=bool(self._task.diff))
        except HotfixError as exc:
            found = {"failed": True, "changed": False, **exc.as_result()}
        said: dict[str, t.Any] = redactor.deep(found)
        return said


def wanted(options: Vars) -> branch.Wanted:
    """Return what the options ask for.

    Raises
    ------
    BadInputError
        When one of them cannot be right.
    """
    # What a playbook passes on from a command line is empty where nobody typed it.
    return branch.Wanted(
        repository=str(options["repository"]),
        remote=options["remote"],
        base=options["base"],
        patch=options["patch"] or None,
        commit=options["commit"] or None,
        changes=bool(options["changes"]),
        message=message.parse(
            **{name: options[name] for name in ("what", "body", "fixes", "risk", "rollback", "trailers")}
        ),
        limits=guards.Limits(
            files=options["guard_files"],
            lines=options["guard_lines"],
            migrations=_or(options["guard_migrations"], guards.MIGRATIONS),
            locks=_or(options["guard_locks"], guards.LOCKS),
            test_command=guards.parse_command(options["test_command"]),
            test_timeout=options["test_timeout"],
        ),
        reasons=guards.parse_reasons(options["guard_reasons"]),
        operator=str(options["operator"] or ""),
        key=options["deploy_key"] or os.environ.get("DEPLOY_KEY") or None,
        known_hosts=options["known_hosts"],
    )


def _or(given: t.Sequence[str] | None, default: t.Sequence[str]) -> t.Sequence[str]:
    return default if given is None else given
