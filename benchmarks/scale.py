# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how rollback, flag and diagnose grow with the fleet: 1, 5 and 20 names, all of one host of the sandbox.

Each name has an app, a journal, a lease and an SSH connection of its own (benchmarks/fleet.py); the machine is shared,
with whoever commands it too. Beside them a playbook of one task, which is what Ansible itself costs. CPU seconds are
those of the command here, and of all else on the machine, which are the hosts. Memory is that of all processes of the
command here, each page counted once; it is sampled in a run of its own, which is not timed.

    .venv/bin/python -m benchmarks.scale [--rounds 3] [--host bench1] [--sizes 1 5 20] [--json FILE]
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import fleet
from benchmarks.feature_flag import ONE_TASK, ROOT
from benchmarks.limits import Limit, arguments, judge

GOOD, BAD = "v1", "v6"
FLAG = "COLLABORATIVE_EDITING"
#: Times that of one host.
LIMIT = 3.0
#: What of the machine's processors may be in use when a measurement begins, and the seconds to wait for that.
QUIET, SETTLED_WITHIN = 0.15, 60.0
PLAIN = ("-e", "deploy_preflight=false", "-e", "deploy_baseline=false")


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, CPU seconds here and elsewhere on this machine; or the most megabytes."""

    seconds: float = 0.0
    here: float = 0.0
    elsewhere: float = 0.0
    megabytes: float = 0.0


Run = Callable[..., Spent]


@dataclass
class Fleet:
    """The names, and how they are commanded."""

    host: str
    folder: Path
    size: int

    def command(self, playbook: str | Path, number: int, *arguments: str) -> list[str]:
        path = playbook if isinstance(playbook, Path) else ROOT / f"playbooks/{playbook}.yml"
        limit = ",".join(fleet.names(number))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, "-i", str(self.folder / "inventory.json"), str(path), "-l", limit, *arguments]

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command, in an empty folder for its incident: what others recorded makes none of these slower."""
        shutil.rmtree(self.folder / "incidents", ignore_errors=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        environment = {**kept, "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        with log.open("wb") as stream:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
            )

    def run(self, playbook: str | Path, number: int, *arguments: str) -> Spent:
        """Run a command that must work, and return what it took."""
        log = self.folder / "log"
        _settle()
        began, machine, here = time.monotonic(), _machine(), _here()
        code = self.start(self.command(playbook, number, *arguments), log).wait()
        took, used = time.monotonic() - began, _here() - here
        _require(code, playbook, log)
        return Spent(took, used, _machine() - machine - used)

    def memory(self, playbook: str | Path, number: int, *arguments: str) -> Spent:
        """Run a command that must work, and return the most megabytes that its processes had together."""
        log = self.folder / "log"
        process = self.start(self.command(playbook, number, *arguments), log)
        most = 0
        while process.poll() is None:
            most = max(most, sum(map(_kilobytes, _descendants(process.pid))))
            time.sleep(0.2)
        _require(process.returncode, playbook, log)
        return Spent(megabytes=most / 1024)


def _here() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _machine() -> float:
    """CPU seconds since the machine came up, without those in which it waited."""
    user, nice, system, _idle, _waiting, irq, soft = map(int, Path("/proc/stat").read_text("ascii").split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def _settle() -> None:
    """Wait, but not for ever, until what ran before has no work left: containers are stopped long after a rollback."""
    end = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < end:
        began, used = time.monotonic(), _machine()
        time.sleep(2)
        if _busy(_machine() - used, time.monotonic() - began) <= QUIET:
            return


def _busy(used: float, seconds: float) -> float:
    """Return what part of all processors so many CPU seconds are, spent within so many by the clock."""
    return used / seconds / (os.cpu_count() or 1)


def _require(code: int, playbook: str | Path, log: Path) -> None:
    if code != 0:
        raise SystemExit(f"{playbook} ended with {code}:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{one}/task"):
                children = Path(f"/proc/{one}/task/{thread}/children").read_text(encoding="ascii")
                found += map(int, children.split())
    return found


def _kilobytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def actions(hosts: Fleet) -> dict[str, Callable[[Run, int], Spent]]:
    """What is measured: given how to run a command and for how many, each returns what was measured of it."""
    one_task = hosts.folder / "one_task.yml"
    one_task.write_text(ONE_TASK, encoding="utf-8")

    def rollback(run: Run, number: int) -> Spent:
        hosts.run("deploy", number, "-e", f"version={BAD}", *PLAIN)
        return run("rollback", number, "-e", "rollback_look=false")

    def flag(run: Run, number: int) -> Spent:
        taken = run("feature_flag", number, "-e", f"flag={FLAG}", "-e", "enabled=false")
        hosts.run("feature_flag", number, "-e", f"flag={FLAG}", "-e", "enabled=true")
        return taken

    return {
        "one task": lambda run, number: run(one_task, number),
        "rollback": rollback,
        "flag": flag,
        "diagnose": lambda run, number: run("diagnose", number),
    }


def main() -> int:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--host", default="bench1")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 5, 20])
    options = parser.parse_args()
    sizes = sorted(options.sizes)
    subprocess.run([sys.executable, "-m", "sandbox", "up", options.host], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as name:
        hosts = Fleet(options.host, Path(name), sizes[-1])
        listed = fleet.inventory(options.host, hosts.size, hosts.folder / "incidents")
        (hosts.folder / "inventory.json").write_text(json.dumps(listed), encoding="utf-8")
        fleet.remove(options.host)
        try:
            fleet.place(options.host, hosts.size)
            with fleet.tunnel(options.host, hosts.size):
                hosts.run("adopt", hosts.size)
                hosts.run("proxy", hosts.size)
                found = measure(hosts, sizes, options.rounds)
        finally:
            fleet.remove(options.host)
    limits = [
        Limit(
            f"{what} of {sizes[-1]} hosts, in times of {sizes[0]}", of[sizes[-1]].seconds / of[sizes[0]].seconds, LIMIT
        )
        for what, of in found.items()
        if what != "one task"
    ]
    numbers = {what: {size: asdict(one) for size, one in of.items()} for what, of in found.items()}
    return judge(limits, {"rounds": options.rounds, "medians": numbers}, options.json)


def measure(hosts: Fleet, sizes: Sequence[int], rounds: int) -> dict[str, dict[int, Spent]]:
    """Return the medians of what each action takes, by the number of hosts."""
    found: dict[str, dict[int, Spent]] = {}
    print(
        f"medians of {rounds} rounds, all names on {hosts.host}; CPU of the command + of all else, and how busy it was"
    )
    for what, act in actions(hosts).items():
        most = {size: act(hosts.memory, size).megabytes for size in sizes}
        taken: dict[int, list[Spent]] = {size: [] for size in sizes}
        for _round in range(rounds):
            for size in sizes:
                taken[size].append(act(hosts.run, size))
        found[what] = {size: _median(taken[size], most[size]) for size in sizes}
        for size, one in found[what].items():
            busy = _busy(one.here + one.elsewhere, one.seconds)
            print(
                f"  {what:<10} {size:3} hosts {one.seconds:6.2f} s   CPU {one.here:5.2f} + {one.elsewhere:5.2f} s"
                f" ({busy:4.0%}) {one.megabytes:6.0f} MB",
                flush=True,
            )
    return found


def _median(every: Sequence[Spent], megabytes: float) -> Spent:
    seconds, here, elsewhere = (
        statistics.median(getattr(one, name) for one in every) for name in ("seconds", "here", "elsewhere")
    )
    return Spent(seconds, here, elsewhere, megabytes)


if __name__ == "__main__":
    raise SystemExit(main())
