# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What action plugins share that run a module on a host and keep the incident record."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import feed, runs

Result = dict[str, t.Any]

#: Arguments whose values are secrets, whatever their names.
_SECRET_ARGUMENTS = ("registry_password", "check_secrets", "token")
#: Hours of a host's journal that the first task of a run collects beside its own.
HISTORY_HOURS = 24.0
#: Seconds until a command is on its way to the host, and those that the record may take for one line.
_SENT_OFF = 0.05
_PATIENCE = 10.0
_SECONDS = re.compile(r"[0-9]{9,11}[.][0-9]{9}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")


class Beginning:
    """Writes the line with which a task begins, now or beside something that is more urgent."""

    def __init__(self, run: t.Any, host: str, module: str, arguments: Result) -> None:
        self._asked = (run, host, module, arguments)
        self._at = time.time()
        self.token: feed.Token | None = None

    def now(self) -> None:
        """Write it, and return when it is on disk."""
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import feed

        self.token = feed.begin(*self._asked, at=self._at)

    @contextlib.contextmanager
    def meanwhile(self) -> t.Iterator[None]:
        """Write it in a thread of its own, as soon as the block has sent off what it does."""
        writer = threading.Timer(_SENT_OFF, self.now)
        writer.daemon = True
        writer.start()
        try:
            yield
        finally:
            # A folder that hangs costs the record, and nothing else.
            writer.join(_PATIENCE)

    def end(self, result: Result, context: t.Callable[[], runs.Context]) -> Result | None:
        """Write down how the task went."""
        if self.token is None:
            return None
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import feed

        return feed.end(self.token, result, context)


class RecordedAction(ActionBase):
    """Runs the module of its name, and writes what it did to the incident record of the run."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        return {**result, **self.recorded(dict(self._task.args), task_vars or {})}

    def recorded(self, arguments: Result, task_vars: Result) -> Result:
        """Run the module. Of the record there is one line before it, which takes some milliseconds."""
        run = arguments.pop("record", None)
        if not run or self._task.check_mode:
            self.before_module(arguments)
            return self.run_module(arguments, task_vars)
        module = str(self._task.action).rpartition(".")[2]
        beginning = Beginning(run, str(task_vars.get("inventory_hostname")), module, dict(arguments))

        def context() -> runs.Context:
            return context_of(task_vars, self._templar.template, arguments)

        try:
            if self.in_a_hurry(arguments):
                # Users wait for what comes now, and the host keeps a journal of it: our line is written meanwhile.
                with beginning.meanwhile():
                    self.before_module(arguments)
            else:
                beginning.now()
                self.before_module(arguments)
            token = beginning.token
            if token is not None:
                if token.first:
                    arguments.setdefault("history_hours", HISTORY_HOURS)
                token.starts()
            result: Result = self.run_module(arguments, task_vars)
            if token is not None:
                token.returns()
                self._ask_the_time(token)
        except Exception as exc:
            unreachable = isinstance(exc, AnsibleConnectionFailure)
            beginning.end({"failed": not unreachable, "unreachable": unreachable, "msg": str(exc)}, context)
            raise
        told = beginning.end(result, context)
        return {**result, **({"record": told} if told is not None else {})}

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        """Run the module on the host."""
        result: Result = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result

    def in_a_hurry(self, _arguments: Result) -> bool:
        """Tell whether what comes before the module cannot wait for a line in a file."""
        return False

    def _ask_the_time(self, token: feed.Token) -> None:
        """Ask for the host's time once a run: nothing else takes as little, and so tells its difference as closely."""
        if not token.first:
            return
        try:
            before = time.time()
            said = str(self._low_level_execute_command("date +%s.%N").get("stdout") or "").strip()
            after = time.time()
        except Exception:
            # The module's own bounds are wider, and do as well.
            return
        if _SECONDS.fullmatch(said):
            token.asked_time = (before, float(said), after)

    def before_module(self, arguments: Result) -> None:
        """Do what comes before the module, once it is on record that the task began."""


def context_of(
    variables: t.Mapping[str, t.Any], render: t.Callable[[t.Any], t.Any], arguments: t.Mapping[str, t.Any] | None = None
) -> runs.Context:
    """Return what the record needs of the variables once users are back; secrets are looked for in all of them."""
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import redact, runs

    given = arguments or {}
    values = redact.known_values(variables, render=render)
    values += redact.known_values(given, _SECRET_ARGUMENTS, render)
    instances = given.get("instances")
    services = given.get("services") or (instances.get("services") if isinstance(instances, t.Mapping) else None)
    return runs.Context(
        redact=redact.Redactor(values).deep,
        contacts=_rendered(variables, "hotfix_contacts", render),
        notifications=_rendered(variables, "hotfix_notifications", render),
        services=sorted(str(one) for one in services) if isinstance(services, (list, tuple, t.Mapping)) else [],
        zone=str(_rendered(variables, "hotfix_incident_zone", render) or "") or zone_here(),
    )


def _rendered(variables: t.Mapping[str, t.Any], name: str, render: t.Callable[[t.Any], t.Any]) -> t.Any:
    """Return a variable; one that cannot be rendered is as good as none, for it must not hold up a run."""
    try:
        return render(variables[name]) if name in variables else None
    except Exception:
        return None


def zone_here() -> str | None:
    """Return the name of the operator's time zone, where this machine tells it."""
    name = os.environ.get("TZ", "").lstrip(":")
    if not name:
        try:
            name = os.readlink("/etc/localtime").rpartition("zoneinfo/")[2]
        except OSError:
            return None
    return name if _ZONE.fullmatch(name) else None
