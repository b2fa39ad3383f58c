# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Begins, marks and ends the availability probe of a run, on the controller.

The probe only watches: whatever goes wrong with it is said, and never fails or holds up the run that it watches.
"""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.begin import FOLDER, begin, not_measured
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.control import NotMeasuredError, Probe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.targets import RATE, SLOW, TIMEOUT

_OPTIONS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "required": True, "choices": ["started", "marked", "stopped"]},
    "run": {"type": "str", "required": True},
    "dir": {"type": "path", "default": FOLDER},
    "phase": {"type": "str", "choices": ["during", "after"]},
    "started": {"type": "str"},
    "name": {"type": "str"},
    "url": {"type": "str"},
    "address": {"type": "str"},
    "ca_file": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "path": {"type": "str", "default": "/"},
    "websocket": {"type": "str"},
    "rate": {"type": "float", "default": RATE},
    "timeout": {"type": "float", "default": TIMEOUT},
    "slow": {"type": "float", "default": SLOW},
    "enabled": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.probe)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        if self._task.check_mode:
            found = not_measured("nothing is changed, so nothing is measured")
        elif options["state"] == "started":
            found = begin(options, str(variables.get("inventory_hostname")), options["phase"])
        else:
            found = probe(options)
        if options["state"] == "stopped":
            missing = {} if self._task.check_mode else unmeasured(variables, options["started"])
            found["unmeasured"] = missing
            found["lines"] = [] if self._task.check_mode else lines(found, missing)
        return {**result, "changed": False, **found}


def probe(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Mark a moment or end the probe, and return what came of it."""
    try:
        of_run = Probe(options["dir"], options["run"])
        if options["state"] == "marked":
            marked = of_run.mark(options["phase"] or "during")
            return {"measured": True, "folder": of_run.folder} if marked else not_measured("there is no probe")
        found = of_run.end()
    except NotMeasuredError as exc:
        return not_measured(str(exc))
    except OSError as exc:
        return not_measured(exc.strerror or type(exc).__name__)
    if found is None:
        return not_measured("no probe was started")
    return {"measured": bool(found["samples"]), "availability": found, "folder": found["folder"]}


def unmeasured(variables: t.Mapping[str, t.Any], name: str | None) -> dict[str, str]:
    """Return why hosts are not measured, by host, from what *name* was registered with."""
    found = {}
    for host in variables.get("ansible_play_hosts_all") or []:
        started = variables["hostvars"][host].get(name) if name else None
        if isinstance(started, t.Mapping):
            # The module release begins a probe beside its own work; where it never came to a host, nothing is said.
            began = started.get("probe", started)
            if not began.get("measured"):
                found[host] = str(began.get("why") or "nothing is known of its probe")
    return found


def lines(found: t.Mapping[str, t.Any], missing: t.Mapping[str, str]) -> list[str]:
    """Say what users noticed, and for which hosts that is not known."""
    if "availability" not in found:
        reasons = sorted(set(missing.values())) or [found["why"]]
        return [f"availability was not measured: {'; '.join(reasons)}."]
    known = {*found["availability"]["targets"], *found["availability"]["unusable"]}
    others = [f"{host} was not measured: {why}." for host, why in missing.items() if host not in known]
    return [*found["availability"]["lines"], *others]
