# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sends images from the controller's engine to a host, over the connection that Ansible has to it."""

from __future__ import annotations

import shlex
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _built, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.transfer import Engine, transfer
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import Beginning, context_of

_OPTIONS: dict[str, dict[str, t.Any]] = {
    "images": {"type": "dict", "required": True},
    "engine": {"type": "str"},
    "folder": {"type": "str", "default": "~/.hotfix-images"},
    "part_mb": {"type": "int", "default": 16},
    "timeout": {"type": "float", "default": 600.0},
    "record": {"type": "dict"},
}
_MEGABYTE = 1024 * 1024
#: Megabytes; a part is sent anew as a whole.
_LARGEST_PART = 1024 * 1024
_OUTPUT_TAIL = 500


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.image_transfer)."""

    # It has a folder of its own on the host. Ansible's would be removed at the end, and where the connection is lost by
    # then, that is what would be told.
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        run = None if self._task.check_mode else options["record"]
        if not run:
            return {**result, **self._transferred(options, variables)}
        beginning = Beginning(run, str(variables.get("inventory_hostname")), "image_transfer", {"state": "sent"})

        def context() -> t.Any:
            return context_of(variables, self._templar.template, {"services": options["images"]})

        beginning.now()
        try:
            found = self._transferred(options, variables)
        except Exception as exc:
            unreachable = isinstance(exc, AnsibleConnectionFailure)
            beginning.end({"failed": not unreachable, "unreachable": unreachable, "msg": str(exc)}, context)
            raise
        told = beginning.end(found, context)
        return {**result, **found, **({"record": told} if told is not None else {})}

    def _transferred(self, options: t.Mapping[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        try:
            _numbers.within(options["part_mb"], "part_mb", "set part_mb to", least=1, most=_LARGEST_PART)
            _numbers.within(options["timeout"], "timeout", "set timeout to", least=1.0)
            for key in ("engine", "folder"):
                if "\0" in (options[key] or ""):
                    raise BadInputError(f"{key} {options[key]!r} has a NUL.", next_step=f"correct {key}.")
            built = _built.parse(options["images"])
            if not built:
                raise BadInputError("No image is named.", next_step="give images, as emergency_build returns them.")
            return transfer(
                built,
                Engine(options["engine"], options["timeout"]),
                _Host(self, variables, options["folder"]),
                # Of this run, for nobody else, and removed at its end.
                work=Path(vars(constants)["DEFAULT_LOCAL_TMP"]),
                part_size=options["part_mb"] * _MEGABYTE,
                timeout=options["timeout"],
                check=bool(self._task.check_mode),
            )
        except HotfixError as exc:
            return {"failed": True, "changed": False, **exc.as_result()}

    def execute(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run the module on the host, with the rights that the task has."""
        found: dict[str, t.Any] = self._execute_module(
            module_name="pangeafate.hotfix.image_transfer", module_args=arguments, task_vars=variables
        )
        return found

    def command(self, line: str) -> dict[str, t.Any]:
        """Run a command line as the user who logs in: it is that one who sends the files."""
        return dict(self._low_level_execute_command(line, sudoable=False))

    def put(self, local: str, remote: str) -> None:
        """Send a file as the user who logs in."""
        self._connection.put_file(local, remote)

    def home(self, path: str) -> str:
        """Return *path* with the home of the user who logs in."""
        return str(self._remote_expand_user(path, sudoable=False))


class _Host:
    """The host, through the connection and the module."""

    def __init__(self, action: ActionModule, variables: dict[str, t.Any], folder: str) -> None:
        self._action = action
        self._variables = variables
        self._folder = folder
        self._name = str(variables.get("inventory_hostname"))

    def module(self, phase: str, **arguments: t.Any) -> dict[str, t.Any]:
        found = self._action.execute({"phase": phase, **arguments}, self._variables)
        if not found.get("failed"):
            return found
        said = str(found.get("what") or found.get("msg") or found.get("module_stderr") or "It ended silently.")
        raise HotfixError(
            said if "what" in found else " ".join(said.split())[-_OUTPUT_TAIL:],
            next_step=str(found.get("next_step") or "mend what it says, then run the same command again."),
            code=str(found.get("outcome") or "failed"),
            left=str(found.get("left") or "What was sent is kept on the host."),
        )

    def make_folder(self, name: str) -> str:
        path = f"{self._action.home(self._folder).rstrip('/')}/{name}"
        quoted = shlex.quote(path)
        # Somebody else's folder of that name is not for us.
        done = self._action.command(f"umask 077 && mkdir -p {quoted} && test -O {quoted} && chmod 700 {quoted}")
        if done.get("rc") != 0:
            said = (
                " ".join(str(done.get("stderr") or done.get("stdout") or "").split()) or "it belongs to somebody else"
            )
            raise HotfixError(
                f"The folder {path} for the images cannot be made on the host: {said}.",
                next_step="set folder to one that the SSH user can write.",
            )
        return path

    def put(self, local: str, remote: str) -> None:
        try:
            self._action.put(local, remote)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError:
            # Ansible tries several ways and reports the last one's trouble. Whether the host is there decides.
            self._action.command("true")
            raise

    def say(self, text: str) -> None:
        Display().display(f"{self._name}: images: {text}")
