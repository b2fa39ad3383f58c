# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds and pushes the images of a hotfix from the controller, and writes that to the incident record of the run."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._numbers import LONGEST
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import build, inputs
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor, known_values
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import Beginning, context_of

Vars = t.Mapping[str, t.Any]

_OPTIONS: dict[str, dict[str, t.Any]] = {
    "repository": {"type": "path", "required": True},
    "revision": {"type": "str", "default": "HEAD"},
    "remote": {"type": "str", "default": "origin"},
    "services": {"type": "dict", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "engine": {"type": "str"},
    "builder": {"type": "str"},
    "parallel": {"type": "int", "default": 0},
    "build_timeout": {"type": "float", "default": 900.0},
    "push_timeout": {"type": "float", "default": 300.0},
    "registry": {"type": "str"},
    "registry_username": {"type": "str"},
    "registry_password": {"type": "str", "no_log": True},
    "registry_address": {"type": "str"},
    "registry_ca_file": {"type": "path"},
    "record": {"type": "dict"},
}


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.emergency_build)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables: Vars = task_vars or {}
        _validated, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        redactor = Redactor(
            [*known_values(variables, render=self._templar.template), options["registry_password"] or ""]
        )
        run = None if self._task.check_mode else options["record"]
        if not run:
            return {**result, **self._made(options, redactor)}
        beginning = Beginning(run, str(variables.get("inventory_hostname")), "emergency_build", {})
        beginning.now()

        def context() -> t.Any:
            return context_of(variables, self._templar.template, {"services": options["services"]})

        try:
            found = self._made(options, redactor)
        except Exception as exc:
            beginning.end({"failed": True, "msg": redactor.text(str(exc))}, context)
            raise
        told = beginning.end(found, context)
        return {**result, **found, **({"record": told} if told is not None else {})}

    def _made(self, options: Vars, redactor: Redactor) -> dict[str, t.Any]:
        def say(text: str) -> None:
            Display().display(f"build: {redactor.text(text)}")

        try:
            found = build.make(wanted(options), check=bool(self._task.check_mode), say=say)
        except HotfixError as exc:
            found = {"failed": True, "changed": False, **exc.as_result()}
        said: dict[str, t.Any] = redactor.deep(found)
        return said


def wanted(options: Vars) -> build.Wanted:
    """Return what the options ask for.

    Raises
    ------
    BadInputError
        When one of them cannot be right.
    """
    for name, least, most in (("parallel", 0, 1000), ("build_timeout", 0.1, LONGEST), ("push_timeout", 0.1, LONGEST)):
        _numbers.within(options[name], name, f"set {name} to", least=least, most=most)
    address = options["registry_address"] or None
    if address and not (address.rpartition(":")[0] and address.rpartition(":")[2].isdigit()):
        raise BadInputError(
            f"The address {address!r} of the registry is no host:port.",
            next_step="correct hotfix_registry_address, as in 10.0.0.5:5000.",
        )
    services = inputs.services(options["names"], options["services"])
    git = Git(Path(os.path.expanduser(str(options["repository"]))))
    # A password in it would stay in every image.
    origin = git.masked(git.run("remote", "get-url", options["remote"], check=False).stdout.strip())
    return build.Wanted(
        services=services,
        source=inputs.Source.of(git, options["revision"] or "HEAD"),
        registry=build.Registry(
            options["registry"] or "",
            options["registry_username"],
            options["registry_password"],
            address,
            options["registry_ca_file"],
        ),
        engine=options["engine"] or None,
        builder=options["builder"] or None,
        parallel=options["parallel"],
        build_timeout=options["build_timeout"],
        push_timeout=options["push_timeout"],
        origin=origin,
    )
