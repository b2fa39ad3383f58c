# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells the results of all hosts of a play, on the controller: as a table, and in files for other programs."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import junit, stored, table
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import ERROR, FAILED, PASSED

Vars = t.Mapping[str, t.Any]
Look = dict[str, t.Any]

_KEPT = ("verdict", "summary", "notes", "counts", "seconds")


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.smoke_report)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            argument_spec={
                "results": {"type": "list", "elements": "str", "required": True},
                "name": {"type": "str", "default": "smoke check"},
                "json": {"type": "path"},
                "junit": {"type": "path"},
            }
        )
        looks = looks_of(task_vars or {}, arguments["results"])
        written = []
        if not self._task.check_mode:
            try:
                written = write(looks, arguments, datetime.now(timezone.utc))
            except HotfixError as exc:
                raise AnsibleActionFail(f"{exc.what} Next: {exc.next_step}") from exc
        shown = [*table.lines(looks), *(f"written: {path}" for path in written)]
        return {**result, "changed": False, "msg": "\n".join(shown), "files": written, "_ansible_verbose_always": True}


def looks_of(variables: Vars, names: t.Sequence[str]) -> dict[str, Look]:
    """Return for every host what was found there, or in ``trouble`` why nothing was; a plan found nothing."""
    found = {}
    for host in variables.get("ansible_play_hosts_all") or []:
        of_host: Vars = variables["hostvars"][host]
        results = [one for one in (of_host.get(name) for name in names) if isinstance(one, t.Mapping)]
        made = [one for one in results if not one.get("skipped") and one.get("outcome") != "planned"]
        if made or not results:
            found[host] = _look(made)
    return found


def _look(results: t.Sequence[Vars]) -> Look:
    with_results = [one for one in results if isinstance(one.get("results"), list)]
    troubles = [_trouble(one) for one in results if one not in with_results]
    verdicts = {str(one.get("verdict")) for one in with_results} | ({ERROR} if troubles or not results else set())
    look: Look = {
        "results": [each for one in with_results for each in one["results"]],
        "summary": " ".join(str(one.get("summary") or "") for one in with_results),
        "notes": [note for one in with_results for note in one.get("notes") or []],
        "seconds": max((float(one.get("seconds") or 0.0) for one in with_results), default=0.0),
        "verdict": FAILED if FAILED in verdicts else ERROR if ERROR in verdicts else PASSED,
        "counts": _sum([one.get("counts") or {} for one in with_results]),
    }
    if troubles or not results:
        look["trouble"] = " ".join(troubles) or "It was not looked at."
    return look


def _trouble(result: Vars) -> str:
    """Say why there is no result: it could not be reached, was given bad input, or died."""
    return str(result.get("msg") or result.get("module_stderr") or "It ended silently.")


def _sum(counts: t.Sequence[t.Mapping[str, int]]) -> dict[str, int]:
    return {kind: sum(one.get(kind, 0) for one in counts) for kind in dict.fromkeys(k for one in counts for k in one)}


def write(looks: t.Mapping[str, Look], arguments: Vars, now: datetime) -> list[str]:
    """Write the files that are wanted, for their owner only; return their names."""
    written = []
    if arguments.get("json"):
        stored.write(arguments["json"], lambda path: _files.write_json(path, _document(looks)))
        written.append(str(arguments["json"]))
    if arguments.get("junit"):
        text = junit.document(looks, name=arguments["name"], written=now.strftime("%Y-%m-%dT%H:%M:%S"))
        stored.write(arguments["junit"], lambda path: _write_xml(path, text))
        written.append(str(arguments["junit"]))
    return written


def _write_xml(path: Path, text: str) -> None:
    _files.write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}')


def _document(looks: t.Mapping[str, Look]) -> dict[str, t.Any]:
    verdicts = {str(look["verdict"]) for look in looks.values()}
    hosts = {
        host: {key: look[key] for key in (*_KEPT, "trouble") if look.get(key) is not None}
        for host, look in looks.items()
    }
    found = {
        "verdict": FAILED if FAILED in verdicts else PASSED if verdicts == {PASSED} else ERROR,
        "counts": _sum([look["counts"] for look in looks.values()]),
        "seconds": max((float(look["seconds"]) for look in looks.values()), default=0.0),
        "results": [one for look in looks.values() for one in look["results"]],
    }
    return {**stored.document(found), "hosts": hosts}
