# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module on the host, and looks meanwhile at the certificate; tells how far the clocks are apart."""

from __future__ import annotations

import time
import typing as t
from datetime import datetime

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import (
    SEEN,
    UNSEEN,
    Part,
    SkippedError,
    part,
    take,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import model
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._meanwhile import Meanwhile, short
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight import certificate
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight.clock import Bounds

Vars = dict[str, t.Any]

#: Seconds for a certificate where the module's own time is longer, and those that are left to tell what went wrong.
_LONGEST, _MARGIN = 8.0, 0.5


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.diagnose)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: Vars | None = None) -> Vars:
        result: Vars = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        public = arguments.pop("public", None) or {}
        given = arguments.get("redis")
        if isinstance(given, t.Mapping) and given.get("password"):
            # The module's own log would show it there.
            arguments["redis"] = {key: value for key, value in given.items() if key != "password"}
            arguments["redis_password"] = given["password"]
        here = Meanwhile(lambda: _certificate(public))
        before = time.time()
        try:
            found: Vars = self._execute_module(module_args=arguments, task_vars=task_vars)
        except AnsibleConnectionFailure as exc:
            found = {"outcome": "unreachable", "unreachable_why": short(str(exc))}
        after = time.time()
        parts: dict[str, Part] = dict(found.get("parts") or {})
        parts["certificate"] = here.result()
        parts["clock"] = _difference(found, before, after)
        return {**result, **found, "changed": False, "parts": parts}


def _difference(found: Vars, before: float, after: float) -> Part:
    told = found.get("clock")
    if not isinstance(told, t.Mapping):
        return part(UNSEEN, why="The host did not tell its time.", next_step="mend what keeps it from being looked at.")
    began, ended = (_clock.parse(told[key]).timestamp() for key in ("began", "ended"))
    bounds = Bounds.of(before, began, ended, after)
    return part(SEEN, found={"surely": round(bounds.surely, 3), "perhaps": round(bounds.perhaps, 3)})


def _certificate(public: t.Mapping[str, t.Any]) -> Part:
    return take({"certificate": lambda: _presented(public)}, _LONGEST)["certificate"]


def _presented(public: t.Mapping[str, t.Any]) -> Vars:
    # How many days it must be good for is judged with all that was found.
    outcome = certificate.presented(public, 0.0, _LONGEST - _MARGIN)
    if outcome is None:
        raise SkippedError("hotfix_public_url is not set.")
    if outcome.status == model.SKIPPED:
        raise SkippedError(f"{outcome.message}.")
    if outcome.status == model.ERROR:
        raise HotfixError(f"Nothing was told of it: {outcome.message}.", next_step="see whether the proxy runs.")
    found = {"good": outcome.status == model.PASSED, "says": outcome.message, "days": None, **outcome.evidence}
    if found.get("not_after"):
        ends = datetime.fromisoformat(found["not_after"])
        found["days"] = round((ends - _clock.utc_now()).total_seconds() / 86400, 2)
    return found
