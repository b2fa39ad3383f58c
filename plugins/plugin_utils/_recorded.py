# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What action plugins share that run a module on a host and keep the incident record."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import threading
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils import _early_connection

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

    def lacks_logs(self) -> bool:
        """Tell whether the incident is open, and nobody collected for it what the services of the host wrote."""
        if self.token is None or self.token.folder is None:
            return False
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import host_logs

        return host_logs.lacking(self.token.folder, self.token.host)

    def keep_logs(self, found: Result, redact: t.Callable[[t.Any], t.Any]) -> Result:
        """Keep what the services of the host wrote; return what the task's result says of that."""
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import host_logs

        if self.token is None or self.token.folder is None:
            return {}
        return host_logs.keep(self.token.folder, self.token.run, self.token.host, found, redact)

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
        self._host = str(task_vars.get("inventory_hostname"))
        run = arguments.pop("record", None)
        if not run or self._task.check_mode:
            self._before(arguments)
            return self.run_module(arguments, task_vars)
        module = str(self._task.action).rpartition(".")[2]
        beginning = Beginning(run, self._host, module, dict(arguments))

        @functools.cache
        def context() -> runs.Context:
            return context_of(task_vars, self._templar.template, arguments)

        try:
            if self.in_a_hurry(arguments):
                # Users wait for what comes now, and the host keeps a journal of it: our line is written meanwhile.
                with beginning.meanwhile():
                    self._before(arguments)
            else:
                beginning.now()
                self._before(arguments)
            token = beginning.token
            collects = token is not None and token.first and "history_hours" not in arguments
            if collects:
                arguments["history_hours"] = HISTORY_HOURS
            keeps = self.keeps_logs(arguments) and beginning.lacks_logs()
            if keeps:
                arguments["service_logs"] = True
            if token is not None:
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
        if told is None:
            return result
        if collects and "trouble" not in told:
            # It was asked for the record, which has it now; what comes after this task need not carry it along.
            result = {**result, "journal": _of_run(result, str(run["id"]))}
        if keeps and result.get("service_logs"):
            kept = beginning.keep_logs(result["service_logs"], lambda value: context().redact(value))
            result, told = {**result, "service_logs": without_text(result["service_logs"])}, {**told, **kept}
        return {**result, "record": told}

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        """Run the module on the host."""
        result: Result = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result

    def keeps_logs(self, _arguments: Result) -> bool:
        """Tell whether the incident is to have what the services wrote around the change, once for each host."""
        return False

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

    def _before(self, arguments: Result) -> None:
        _early_connection.wait(self._host, self._connection)
        self.before_module(arguments)

    def before_module(self, arguments: Result) -> None:
        """Do what comes before the module, once it is on record that the task began and the host may be reached."""


def without_text(logs: Result) -> Result:
    """Return what was read of services without their lines, which are in the evidence and too long to be shown."""
    services = [{key: value for key, value in one.items() if key != "text"} for one in logs.get("services") or []]
    return {**logs, "services": services}


def _of_run(result: Result, run: str) -> list[t.Any]:
    """Return what the host's journal told of a run, and of what was written while its task went on."""
    # Only here: until users are back it is of no use.
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import is_of_run

    began = str((result.get("clock") or {}).get("began") or "")
    entries = [one for one in result.get("journal") or [] if isinstance(one, t.Mapping)]
    return [one for one in entries if is_of_run(one, run, began)]


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
