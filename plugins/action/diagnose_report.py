# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says what follows from a look at all hosts: findings, worst first, and a file for other programs."""

from __future__ import annotations

import json
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import stored
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose import document, findings, screen
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import Fleet, Limits
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._meanwhile import short

Vars = dict[str, t.Any]

_LIMITS: Vars = {
    "min_free_mb": {"type": "int", "default": 1024},
    "certificate_days": {"type": "float", "default": 14.0},
    "clock_skew": {"type": "float", "default": 2.0},
    "long_query": {"type": "float", "default": 30.0},
    "slow": {"type": "float", "default": 1.0},
    "error_percent": {"type": "float", "default": 1.0},
    "connection_percent": {"type": "float", "default": 80.0},
}


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.diagnose_report)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: Vars | None = None) -> Vars:
        result: Vars = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, arguments = self.validate_argument_spec(
            argument_spec={
                "results": {"type": "str", "required": True},
                "name": {"type": "str", "default": "all hosts"},
                "flags": {"type": "bool", "default": False},
                "lines": {"type": "int", "default": 2},
                "limits": {"type": "dict", "options": _LIMITS, "apply_defaults": True},
                "json": {"type": "path"},
                "record": {"type": "dict"},
            }
        )
        try:
            for name, value in arguments["limits"].items():
                # A limit that is NaN is exceeded by nothing: all would look well.
                _numbers.within(value, name, f"set diagnose_{name} to")
        except HotfixError as exc:
            raise AnsibleActionFail(str(exc)) from exc
        fleet = fleet_of(variables, arguments)
        found = findings.of(fleet)
        lines = screen.lines(fleet, found, arguments["lines"])
        told = document.of(fleet, found)
        files: list[str] = []
        if arguments["json"] and not self._task.check_mode:
            try:
                stored.write(arguments["json"], lambda path: _files.write_json(path, told))
            except HotfixError as exc:
                raise AnsibleActionFail("\n".join([*lines, f"{exc.what} Next: {exc.next_step}"])) from exc
            files.append(str(arguments["json"]))
            lines += ["", f"written: {arguments['json']}"]
        if arguments["record"] and not self._task.check_mode:
            lines += self._recorded(variables, arguments["record"], screen.summary(fleet, found), told)
        return {
            **result,
            "changed": False,
            "outcome": "seen",
            "msg": "\n".join(lines),
            "verdict": told["verdict"],
            "counts": told["counts"],
            "not_looked_at": [host for host in fleet.hosts if not fleet.seen(host)],
            "files": files,
            "_ansible_verbose_always": True,
        }

    def _recorded(self, variables: Vars, run: Vars, said: str, told: Vars) -> list[str]:
        """Keep what was found as evidence where an incident is open; return what is to be told of it."""
        about = run.get("incident")
        if not isinstance(about, t.Mapping) or not about.get("enabled"):
            return []
        # Only here: most looks are of a time at which there is no incident.
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose import evidence

        def content() -> str:
            from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import context_of

            # To know all secrets takes every variable, which nobody waits for where there is no incident.
            return json.dumps(context_of(variables, self._templar.template).redact(told), indent=2, ensure_ascii=False)

        kept = evidence.keep(run, said, content)
        return ["", kept] if kept else []


def fleet_of(variables: Vars, arguments: Vars) -> Fleet:
    """Return what was registered of all hosts of the play."""
    name = arguments["name"]
    hosts = list(variables.get("ansible_play_hosts_all") or [])
    return Fleet(
        environment=name,
        hosts={host: _result(variables["hostvars"][host].get(arguments["results"])) for host in hosts},
        members=tuple((variables.get("groups") or {}).get(name) or ()),
        flags=arguments["flags"],
        limits=Limits(**arguments["limits"]),
    )


def _result(result: t.Any) -> Vars:
    """Return the result of a host; of one that says nothing of ours, why."""
    if isinstance(result, t.Mapping) and result.get("outcome"):
        return dict(result)
    given: t.Mapping[str, t.Any] = result if isinstance(result, t.Mapping) else {}
    said = str(given.get("module_stderr") or given.get("msg") or "It was not looked at.")
    kept = {"parts": given["parts"]} if given.get("parts") else {}
    return {"outcome": "failed", "msg": short(said), **kept}
