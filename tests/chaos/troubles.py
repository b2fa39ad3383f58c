# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong: in the middle of a run, at a journalled step, or before it begins.

Each is a function of the host, the playbook and the number of the journal's line at which it happens; it returns what
the playbook printed, or nothing where that was killed. What it broke beyond the run itself it has mended when it
returns.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from sandbox import acme, faults, origin
from sandbox.config import SandboxError
from tests.integration import sabotage
from tests.integration.driver import APP, Host, play, start

Words = Sequence[str]
Trouble = Callable[[Host, Words, int], str]
#: Seconds that one playbook may take; a hang is a failure that has no end.
LONGEST = 240


def _printed(process: subprocess.Popen[str]) -> str:
    try:
        printed, _nothing = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _nothing = process.communicate()
        raise AssertionError(f"the playbook hung for {LONGEST} s:\n{printed}") from None
    return printed


@contextmanager
def _stopped(host: Host, words: Words, line: int) -> Iterator[subprocess.Popen[str]]:
    """Have a playbook wait where its module wrote so many lines to the journal, or at its end if it writes fewer."""
    with sabotage.at_line(host, kill=False, nth=line):
        process = start(*words, *sabotage.INTERPRETER)
        try:
            with sabotage.watching(host) as watcher:
                while process.poll() is None and watcher.poll() is None:
                    time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def _at(host: Host, words: Words, line: int, act: Callable[[], None]) -> str:
    """Do something while the module waits; then it goes on."""
    with _stopped(host, words, line) as process:
        act()
        sabotage.let_go(host)
        return _printed(process)


def module_killed(host: Host, words: Words, line: int) -> str:
    with sabotage.at_line(host, kill=True, nth=line):
        return play(*words, *sabotage.INTERPRETER).raw


def controller_killed(host: Host, words: Words, line: int) -> str:
    with _stopped(host, words, line) as process:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        sabotage.let_go(host)
    return ""


def ssh_cut_for_seconds(host: Host, words: Words, line: int) -> str:
    def act() -> None:
        faults.cut_ssh(host.name)
        time.sleep(4)
        faults.restore_ssh(host.name)

    return _at(host, words, line, act)


def ssh_lost(host: Host, words: Words, line: int) -> str:
    try:
        return _at(host, words, line, lambda: faults.cut_ssh(host.name))
    finally:
        faults.restore_ssh(host.name)


def _backend(host: Host, line: int) -> str:
    """One of the running backends, of whatever slot."""
    names = sorted(host.docker("ps", "--filter", "name=backend", "--format", "{{.Names}}").split())
    if not names:
        raise AssertionError("no backend runs any more, so none can be hit")
    return names[line % len(names)]


def container_killed(host: Host, words: Words, line: int) -> str:
    """The engine starts it again: the process died, and nobody stopped the container."""

    def act() -> None:
        pid = host.docker("inspect", "--format", "{{.State.Pid}}", _backend(host, line)).strip()
        host.run("bash", "-c", f"kill -9 {pid} || true")

    return _at(host, words, line, act)


def engine_killed(host: Host, words: Words, line: int) -> str:
    try:
        return _at(host, words, line, lambda: faults.kill_engine(host.name))
    finally:
        faults.start_engine(host.name)


def power_lost(host: Host, words: Words, line: int) -> str:
    try:
        return _at(host, words, line, lambda: faults.kill_host(host.name))
    except SandboxError:
        # The module cannot be let go where there is no host.
        return ""
    finally:
        faults.start_host(host.name)


def host_restarted(host: Host, words: Words, line: int) -> str:
    """The host is back before the controller notices."""

    def act() -> None:
        faults.kill_host(host.name)
        faults.start_host(host.name)

    return _at(host, words, line, act)


def controller_killed_anywhere(host: Host, words: Words, line: int) -> str:
    """Not only where the host's journal has a line: so many quarters of a second after it came to life."""
    with sabotage.at(host, kill=False, action="nothing"):
        process = start(*words, *sabotage.INTERPRETER)
        time.sleep(2 + line / 4)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return ""


def clock_jumped(host: Host, words: Words, line: int) -> str:
    """The clock is put forward or back by hours, for the modules of this run; the next one has the right time again."""
    with sabotage.clock_jumps(host, nth=line, seconds=7200 if line % 2 else -7200):
        return _printed(start(*words, *sabotage.INTERPRETER))


def memory_short(host: Host, words: Words, line: int) -> str:
    """A container needs more memory than it may have, and the kernel kills it."""
    name = _backend(host, line)
    try:
        return _at(host, words, line, lambda: faults.starve_of_memory(host.name, name))
    finally:
        # It may have been replaced meanwhile.
        with suppress(SandboxError):
            faults.feed_with_memory(host.name, name)


def registry_down(host: Host, words: Words, line: int) -> str:
    try:
        return _at(host, words, line, lambda: faults.cut_registry(host.name))
    finally:
        faults.restore_registry(host.name)


def authority_down(host: Host, words: Words, line: int) -> str:
    """It takes connections and never answers."""
    try:
        return _at(host, words, line, acme.freeze)
    finally:
        acme.thaw()


def origin_down(_host: Host, words: Words, line: int) -> str:
    """Nothing of the branch is in the host's journal: it goes down so many seconds after the beginning."""
    process = start(*words)
    try:
        time.sleep(line)
        origin.kill()
        return _printed(process)
    finally:
        origin.up()


def _service_down(service: str) -> Trouble:
    def trouble(host: Host, words: Words, line: int) -> str:
        return _at(host, words, line, lambda: faults.kill_service(host.name, service))

    trouble.__name__ = f"{service}_down"
    return trouble


def disk_full(host: Host, words: Words, line: int) -> str:
    """Of all but what the proxy has mounted, which would no longer be what it reads."""
    faults.shrink_disk(host.name, 64, apart=("nginx", "proxy"))
    try:
        return _at(host, [*words, "-e", "deploy_min_free_mb=0"], line, lambda: faults.fill_disk(host.name))
    finally:
        faults.restore_disk(host.name)


def operators(number: int) -> Trouble:
    """So many people type the same at once."""

    def trouble(_host: Host, words: Words, _line: int) -> str:
        others = [start(*words, "-e", f"hotfix_operator=operator{n}") for n in range(number)]
        return "\n".join(_printed(one) for one in others)

    trouble.__name__ = f"{number}_operators"
    return trouble


# Damage that an earlier night left, found by the run.


def _damaged(name: str, script: str) -> Trouble:
    def trouble(host: Host, words: Words, _line: int) -> str:
        host.run("bash", "-euc", script)
        process = start(*words)
        return _printed(process)

    trouble.__name__ = name
    return trouble


journal_corrupted = _damaged("journal_corrupted", f'printf \'\\x00{{"step": "sw\' >>{APP}/journal.jsonl')
record_truncated = _damaged(
    "record_truncated", f'file=$(readlink -f {APP}/current)/release.json; truncate --size 40 "$file"'
)
current_dangling = _damaged("current_dangling", f"ln -sfn releases/20200101T000000Z-gone {APP}/current")


def lease_stale(host: Host, words: Words, line: int) -> str:
    """Somebody else was killed at work; whoever comes takes over."""
    controller_killed(host, [*words, "-e", "hotfix_operator=eve"], line)
    return play(*words, "-e", "takeover=true").raw


def image_deleted(host: Host, words: Words, _line: int) -> str:
    """Somebody tidied up: what does not run is gone."""
    host.run("bash", "-c", "docker container prune -f; docker image prune -af")
    process = start(*words)
    return _printed(process)


TROUBLES: dict[str, Trouble] = {
    one.__name__: one
    for one in (
        module_killed,
        controller_killed,
        ssh_cut_for_seconds,
        ssh_lost,
        container_killed,
        engine_killed,
        power_lost,
        host_restarted,
        controller_killed_anywhere,
        clock_jumped,
        memory_short,
        registry_down,
        authority_down,
        origin_down,
        _service_down("postgres"),
        _service_down("redis"),
        disk_full,
        operators(2),
        operators(10),
        journal_corrupted,
        record_truncated,
        current_dangling,
        lease_stale,
        image_deleted,
    )
}
#: After these something stays that cannot be read: what was written there is known to nobody.
LEAVES_DAMAGE = {"record_truncated"}
#: By these it may be lost what was current.
DAMAGES = {"record_truncated", "current_dangling", "journal_corrupted"}
#: These stop what no release replaces.
STOPS_BACKING = {"postgres_down", "redis_down", "engine_killed"}
#: These take something from users by themselves.
CUTS_USERS = {
    "container_killed",
    "engine_killed",
    "power_lost",
    "host_restarted",
    "memory_short",
    "postgres_down",
    "redis_down",
    "disk_full",
}
