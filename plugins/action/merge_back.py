# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings a hotfix back to its base from the controller, and writes that to the incident record of the run."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import merge
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor, known_values
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import Beginning, context_of

Vars = t.Mapping[str, t.Any]

_OPTIONS: dict[str, dict[str, t.Any]] = {
    "repository": {"type": "path", "required": True},
    "remote": {"type": "str", "default": "origin"},
    "base": {"type": "str", "default": "main"},
    "branch": {"type": "str", "default": ""},
    "api": {"type": "str", "default": ""},
    "name": {"type": "str", "default": ""},
    "token": {"type": "str", "no_log": True},
    "labels": {"type": "list", "elements": "str", "default": []},
    "deploy_key": {"type": "str", "no_log": True},
    "known_hosts": {"type": "str"},
    "record": {"type": "dict"},
}


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.merge_back)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables: Vars = task_vars or {}
        _validated, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        token = options["token"] or os.environ.get("GITHUB_TOKEN") or None
        key = options["deploy_key"] or os.environ.get("DEPLOY_KEY") or None
        secrets = [one for one in (token, key) if one]
        redactor = Redactor([*known_values(variables, render=self._templar.template), *secrets])
        run: Vars = options["record"] or {}
        recorded = run if run and not self._task.check_mode else None
        beginning = Beginning(recorded, str(variables.get("inventory_hostname")), "merge_back", {})
        if recorded:
            beginning.now()
        try:
            found = merge.make(self._wanted(options, token, key, run), check=bool(self._task.check_mode))
        except HotfixError as exc:
            found = {"failed": True, "changed": False, **exc.as_result()}
        said: dict[str, t.Any] = redactor.deep(found)
        told = beginning.end(said, lambda: context_of(variables, self._templar.template)) if recorded else None
        return {**result, **said, **({"record": told} if told is not None else {})}

    def _wanted(self, options: Vars, token: str | None, key: str | None, run: Vars) -> merge.Wanted:
        return merge.Wanted(
            repository=str(options["repository"]),
            remote=options["remote"],
            base=options["base"],
            branch=options["branch"],
            api=options["api"],
            name=options["name"],
            token=token,
            labels=options["labels"],
            incident=incident_of(run),
            key=key,
            known_hosts=options["known_hosts"],
        )


def incident_of(run: Vars) -> dict[str, t.Any]:
    """Return ID, title and summary of the incident that the run belongs to; what cannot be read is left out."""
    about = run.get("incident") or {}
    if not about.get("enabled"):
        return {}
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import store

    try:
        records = store.Store(str(about["dir"]))
        folder = records.of_run(str(run["id"]))
        if folder is None and about.get("id") and about["id"] != "new":
            folder = records.get(str(about["id"]))
        if folder is None:
            return {}
        said: dict[str, t.Any] = {"id": folder.id}
        for event in folder.each():
            # What was said later counts.
            fields = event["data"] if event["kind"] == "opened" else (event.get("data") or {}).get("fields") or {}
            said.update({name: fields[name] for name in ("title", "summary") if fields.get(name)})
        return said
    except (HotfixError, OSError):
        return {}
