# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connects to the hosts of a run beside what Ansible still does before its first task on them.

An SSH connection takes as long to open as a whole turn of the proxy. With ControlPersist one that is open already is
used, so it is opened while variables are checked and rendered: by the command that Ansible itself would give, which
therefore finds it, and which says of a host that it cannot reach what it always says. Nothing is said here, nothing is
asked of the operator, and where connections are not kept nothing is done.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import signal
import subprocess
import time
import typing as t

from ansible import constants as C
from ansible import context
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

Vars = t.Mapping[str, t.Any]

#: In times of Ansible's own timeout: when a connection that is still not open is given up.
_GIVEN_UP_AFTER = 2.0
#: Seconds for which one that was begun is waited for.
_PATIENCE = 1.5
_LOOK_EVERY = 0.002
#: Files that this process may have inherited, at most.
_FILES = 65536
_SHARED = re.compile(rb"controlmaster[ =](auto|yes)$", re.IGNORECASE)


def begin(action: ActionBase, variables: Vars, beside: t.Callable[[], None]) -> None:
    """Have a process of its own connect to the hosts of the play, and return at once. It raises nothing.

    While that waits for them it does what else it is given, which must raise nothing either.

    They are no more than Ansible itself would connect to at once: behind one gateway more of them might be refused.
    """
    try:
        known = variables["inventory_hostname"]
        hosts = [known, *(host for host in variables["ansible_play_hosts_all"] if host != known)]
        marks = {host: _marked(host) for host in hosts[: context.CLIARGS["forks"]]}
        if os.fork() == 0:
            try:
                _connect(marks, action, variables, beside)
            finally:
                os._exit(0)
        for mark in marks.values():
            os.close(mark)
    except Exception:
        # The first task connects by itself.
        return


def wait(host: str, connection: t.Any) -> None:
    """Wait until a connection that was begun is open or has failed, but never for long."""
    try:
        mark = os.open(_mark(host), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    end = time.monotonic() + _PATIENCE
    socket = b""
    try:
        while time.monotonic() < end and not (socket and os.path.exists(socket)):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            # It is there before the command has ended that the connection was opened with.
            socket = socket or _socket(_command(connection))
            time.sleep(_LOOK_EVERY)
    except OSError:
        return
    finally:
        os.close(mark)


def _mark(host: str) -> str:
    """Return the file that is locked while a connection to *host* is being opened; it goes with the run."""
    return os.path.join(vars(C)["DEFAULT_LOCAL_TMP"], f"connecting-{hashlib.sha256(host.encode()).hexdigest()[:16]}")


def _marked(host: str) -> int:
    mark = os.open(_mark(host), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return mark


class _Silence:
    """Takes what this process would have shown."""

    def send_display(self, *_arguments: t.Any, **_named: t.Any) -> None:
        """Show nothing."""


def _connect(marks: t.Mapping[str, int], action: ActionBase, variables: Vars, beside: t.Callable[[], None]) -> None:
    """Start an ssh for every host, and stay until each has ended: none is left behind."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    Display().set_queue(t.cast(t.Any, _Silence()))
    _keep_open(marks.values())
    nothing = subprocess.DEVNULL
    started = []
    for host, command in _commands(list(marks), action, variables):
        if command:
            with contextlib.suppress(OSError):
                started.append(
                    subprocess.Popen(command, stdin=nothing, stdout=marks[host], stderr=nothing, start_new_session=True)
                )
        # From here on ssh alone has it locked, until its command has ended.
        os.close(marks[host])
    beside()
    end = time.monotonic() + _GIVEN_UP_AFTER * float(action._play_context.timeout)
    for process in started:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


def _keep_open(kept: t.Iterable[int]) -> None:
    """Close what was inherited, so that nobody waits for this process to let go of it."""
    first = 3
    for number in sorted(kept):
        os.closerange(first, number)
        first = number + 1
    os.closerange(first, _FILES)


def _commands(hosts: t.Sequence[str], action: ActionBase, variables: Vars) -> t.Iterator[tuple[str, list[bytes]]]:
    """Make the command line for each host: for the first, that the task runs on, with the connection that it has.

    For the others their own variables count. Where the play has something to say of connections too, these alone do
    not lead to the same for the host that is known, and the others are left to Ansible.
    """
    known, *others = hosts
    command = _command(action._connection)
    yield known, command
    alike = bool(others) and command == _of_host(known, action, variables)
    for host in others:
        yield host, _of_host(host, action, variables) if alike else []


def _of_host(host: str, action: ActionBase, variables: Vars) -> list[bytes]:
    """Return the command line by a host's own variables; none where they cannot be rendered, which Ansible tells."""
    try:
        own = variables["hostvars"][host]
        task, of_play = action._task, action._play_context.copy()
        of_play.remote_addr = host
        connection = connection_loader.get(own.get("ansible_connection", task.connection), of_play)
        # As the executor of tasks does it: a task's timeout and retries are not those of the connection.
        keys = {**task.dump_attrs(), "timeout": of_play.timeout}
        del keys["retries"]
        names = C.config.get_plugin_vars("connection", connection._load_name)
        connection.set_options(task_keys=keys, var_options={name: own[name] for name in names if name in own})
    except Exception:
        return []
    return _command(connection)


def _socket(command: t.Sequence[bytes]) -> bytes:
    """Return the path of the socket that a kept connection is found by, as far as the command line tells it."""
    found = [word.removeprefix(b"ControlPath=").strip(b'"') for word in command if word.startswith(b"ControlPath=")]
    return found[0] if found else b""


def _command(connection: t.Any) -> list[bytes]:
    """Return the command line with which Ansible would have a host do nothing; none where it is of no use later."""
    try:
        if connection.transport != "ssh" or connection._play_context.password:
            return []
        if connection.get_option("password") or connection.get_option("private_key"):
            return []
        connection.host = connection.get_option("host") or connection._play_context.remote_addr
        program = connection.get_option("ssh_executable")
        built: list[bytes] = connection._build_command(program, "ssh", connection.host, "true")
        kept, _path = connection._persistence_controls(built)
    except Exception:
        return []
    if not kept or not any(_SHARED.search(word) for word in built):
        return []
    # A question would go to the operator's terminal, and its answer nowhere.
    return [built[0], b"-o", b"BatchMode=yes", *built[1:]]
