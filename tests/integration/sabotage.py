# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops a module on a host exactly where its journal says that a step begins, to be killed there.

The module's Python is started with a `sitecustomize` of ours, which looks at every line that reaches the disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sandbox import faults, lifecycle, load
from sandbox.config import host as of_name
from tests.integration.driver import APP, SWITCHED, Host, Played, play, start

_FOLDER = "/usr/local/lib/sabotage"
_PYTHON = f"{_FOLDER}/python3"
#: Seconds after which a stopped module goes on by itself.
_PATIENCE = 60
_CUSTOMIZE = f"""
import json, os, time
fsync = os.fsync
with open("{_FOLDER}/when") as stream:
    jump = json.load(stream)["jump"]
if jump:
    import datetime
    real_time, whole = time.time, datetime.datetime

    def shown():
        return real_time() + (jump if os.path.exists("{_FOLDER}/reached") else 0)

    class Jumped(whole):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(shown(), tz)

        @classmethod
        def utcnow(cls):
            return cls.utcfromtimestamp(shown())

    time.time, datetime.datetime = shown, Jumped

def sabotaged(descriptor):
    fsync(descriptor)
    path = os.readlink(f"/proc/self/fd/{{descriptor}}")
    if not path.endswith("/journal.jsonl") or any(
        os.path.exists("{_FOLDER}/" + name) for name in ("reached", "past")
    ):
        return
    with open(path, "rb") as stream:
        entry = json.loads(stream.read().splitlines()[-1])
    with open("{_FOLDER}/when") as stream:
        when = json.load(stream)
    if any(entry.get(key) != value for key, value in when["entry"].items()):
        return
    with open("{_FOLDER}/seen", "a") as stream:
        stream.write("x")
        stream.flush()
        if stream.tell() < when["nth"]:
            return
    open("{_FOLDER}/reached", "w").close()
    if jump:
        return
    if when["kill"]:
        os.kill(os.getpid(), 9)
    end = time.monotonic() + {_PATIENCE}
    while os.path.exists("{_FOLDER}/reached") and time.monotonic() < end:
        time.sleep(0.01)

os.fsync = sabotaged
"""
_INSTALL = f"""
mkdir -p {_FOLDER}
cat >{_FOLDER}/sitecustomize.py
printf '#!/bin/sh\\nPYTHONPATH={_FOLDER} exec /usr/bin/python3 "$@"\\n' >{_PYTHON}
printf '%s' "$1" >{_FOLDER}/when
rm -f {_FOLDER}/reached {_FOLDER}/past
: >{_FOLDER}/seen
chmod 666 {_FOLDER}/seen
chmod 755 {_PYTHON}
chmod 777 {_FOLDER}
"""

# Kills the host's own script a moment after its switch has begun, if it lives that long.
_KILL_SCRIPT = f"""
import os, signal, sys, time
journal = open("{APP}/journal.jsonl", "rb")
journal.seek(0, 2)
print("watching", flush=True)
end, seen = time.monotonic() + {_PATIENCE}, b""
while b'"action": "switch_back"' not in seen and time.monotonic() < end:
    seen += journal.read()
    time.sleep(0.0005)
time.sleep(float(sys.argv[1]))
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        words = open(f"/proc/{{pid}}/cmdline", "rb").read().split(bytes(1))
    except OSError:
        continue
    if b"{APP}/switch-back" in words and b"--for" in words and b"timeout" not in words:
        os.kill(int(pid), signal.SIGKILL)
print("seen" if seen else "nothing", flush=True)
"""

# Of the hosts only: as an extra variable it would be the controller's as well.
INTERPRETER = ("--inventory", str(Path(__file__).with_name("sabotage.ini")))


def at(host: Host, *, kill: bool, **entry: str) -> AbstractContextManager[None]:
    """Have modules that run with INTERPRETER stop where a journal line like *entry* is on disk: killed, or waiting."""
    return _installed(host, {"kill": kill, "entry": entry, "nth": 1, "jump": 0})


def at_line(host: Host, *, kill: bool, nth: int) -> AbstractContextManager[None]:
    """Have them stop once so many lines, of whatever kind, are on disk."""
    return _installed(host, {"kill": kill, "entry": {}, "nth": nth, "jump": 0})


def clock_jumps(host: Host, *, nth: int, seconds: float) -> AbstractContextManager[None]:
    """Show them another time from then on, *seconds* later or earlier. Only their Python has it, not the host."""
    return _installed(host, {"kill": False, "entry": {}, "nth": nth, "jump": seconds})


@contextmanager
def _installed(host: Host, when: dict[str, object]) -> Iterator[None]:
    faults.on_host(host.name, "bash", "-euc", _INSTALL, "-", json.dumps(when), stdin=_CUSTOMIZE.encode())
    try:
        yield
    finally:
        # The host itself may have been the fault.
        faults.on_host(host.name, "rm", "-rf", _FOLDER, check=False)


def reached(host: Host) -> bool:
    """Tell whether a module came to where it was to be stopped."""
    return host.run("bash", "-c", f"test -e {_FOLDER}/reached && echo yes || true").strip() == "yes"


@contextmanager
def watching(host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """Have a process that ends once a module came to where it was to be stopped: one look, not many."""
    script = f"while [ -d {_FOLDER} ] && ! [ -e {_FOLDER}/reached ]; do sleep 0.1; done"
    with subprocess.Popen(["docker", "exec", of_name(host.name).container, "bash", "-c", script]) as watcher:
        try:
            yield watcher
        finally:
            # What it started on the host ends with the folder.
            watcher.kill()


def wait_until_reached(host: Host, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not reached(host):
        assert time.monotonic() < end, "the module never came there"
        time.sleep(0.05)


def let_go(host: Host) -> None:
    """Let a module that waits go on. None waits after that: the next line would be as good a place as this one."""
    host.run("bash", "-c", f"touch {_FOLDER}/past; rm -f {_FOLDER}/reached")


def module_killed(host: Host, playbook: str, *arguments: str, **entry: str) -> Played:
    """Run a playbook whose module is killed with -9 at a step; return how the playbook ended."""
    with at(host, kill=True, **entry):
        done = play(playbook, *arguments, *INTERPRETER)
        assert reached(host), f"never came to {entry}:\n{done.raw}"
    return done


def script_killed(host: Host, playbook: str, *arguments: str, later: float) -> Played:
    """Run a playbook while the host's own script is killed with -9, *later* seconds after its switch has begun."""
    command = ["docker", "exec", "-i", of_name(host.name).container, "python3", "-c", _KILL_SCRIPT, str(later)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline().strip() == "watching"
        done = play(playbook, *arguments)
        assert watcher.stdout.readline().strip() == "seen", "the script never began to switch"
    return done


def controller_killed(host: Host, playbook: str, *arguments: str, **entry: str) -> None:
    """Run a playbook that is killed with -9, with all that it started here, while its module is at a step."""
    with at(host, kill=False, **entry):
        process = start(playbook, *arguments, *INTERPRETER)
        try:
            wait_until_reached(host)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        let_go(host)


# What such tests begin with, and what they look at


def zero_downtime(*names: str) -> list[Host]:
    """Hosts with a v1 that is under management, the proxy too, and no limit to the requests of one client."""
    lifecycle.reset(names, "no_rate_limit")
    limit = ",".join(names)
    for playbook in ("adopt", "proxy"):
        done = play(playbook, "-l", limit)
        assert done.code == 0, done.raw
    return [Host(name) for name in names]


def live_slot(host: Host) -> str:
    return host.run("bash", "-c", f"readlink {APP}/proxy/live || echo own").strip()


def containers_of(host: Host, slot: str) -> dict[str, list[str]]:
    """The running containers of the switched services in one slot, by service, as image IDs."""
    found: dict[str, list[str]] = {}
    ids = host.docker("ps", "--quiet", "--no-trunc").split()
    for container in json.loads(host.docker("inspect", *ids)) if ids else []:
        labels = container["Config"]["Labels"]
        service = labels.get("pangeafate.hotfix.service") or labels.get("com.docker.compose.service")
        if service in SWITCHED and labels.get("pangeafate.hotfix.slot", "own") == slot:
            found.setdefault(service, []).append(container["Image"])
    return found


def assert_settled(host: Host, version: str, *, lease: bool = False) -> None:
    """Everything agrees on one release: the records, the proxy, the containers, the answers, and nobody is at work.

    With *lease*, whoever was killed may still have it.
    """
    current = host.current()
    assert (current["version"], current["state"]) == (version, "confirmed"), current
    slot = live_slot(host)
    assert current["slot"] == slot
    running = containers_of(host, slot)
    assert {name: set(images) for name, images in running.items()} == {
        name: {image["image_id"]} for name, image in current["images"].items()
    }
    assert len(running["backend"]) == 2
    assert {host.served()[0] for _look in range(4)} == {version}
    assert lease or not host.lease()["held"]
    assert host.run("bash", "-c", f"ls {APP}/deadline.json 2>/dev/null || true").strip() == ""


def assert_unnoticed(report: load.Report, *, notes: int = 1) -> None:
    """No request failed, no note was lost, and what was connected was told to connect again, if anything."""
    assert not report.failed, report.text()
    assert report.notes >= notes
    assert (report.lost, report.unread) == ((), ()), report.text()
    assert set(report.codes) <= {1012}, report.text()
    assert report.longest_away < 3, report.text()
