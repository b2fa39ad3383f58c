#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure rollbacks under load on one host of the sandbox, ours and others', each in turn, from a cold SSH connection.

The app goes from v6 back to v1 while 50 requests a second and 20 WebSockets come through the proxy. Beside the methods:
a playbook with one task over SSH, which is what Ansible itself costs. Resets the host.

    .venv/bin/python -m benchmarks.rollback [--rounds 5] [--host prod2] [--only METHOD …] [--json FILE]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.limits import Limit, arguments, judge
from sandbox import lifecycle, load
from sandbox.cli import inside
from sandbox.config import APP_DIR, REGISTRY, REGISTRY_USER, STATE, SWITCHED, host

ROOT = Path(__file__).resolve().parent.parent
OLD, NEW = "v1", "v6"
#: At most: until the old version serves warm, in times of the one-task playbook; then seconds, and MB.
WARM_RATIO, VERIFIED_WITHIN, COLD_MORE, BY_HAND, MEMORY_MB = 1.15, 2.0, 1.0, 1.0, 60.0

ONE_TASK = """\
- name: One task over SSH
  hosts: all
  gather_facts: false
  tasks:
    - name: Do nothing
      ansible.builtin.command: "true"
      changed_when: false
"""

# What people's scripts do, over one heredoc: everything goes down, and comes up with other tags.
HAND = f"""
cd {APP_DIR}
docker image inspect {REGISTRY}/notes-backend:backup >/dev/null || exit 1
for service in {" ".join(SWITCHED)}; do
  docker tag {REGISTRY}/notes-$service:backup {REGISTRY}/notes-$service:rollback
done
docker compose down
BACKEND_IMAGE={REGISTRY}/notes-backend:rollback FRONTEND_IMAGE={REGISTRY}/notes-frontend:rollback \\
  HOCUSPOCUS_IMAGE={REGISTRY}/notes-hocuspocus:rollback docker compose up -d
sleep 10
curl -f http://localhost/api/health || echo 'warning: not healthy'
"""

_IMAGES = f"""
cd {APP_DIR}
sed -i -E '/^(BACKEND|FRONTEND|HOCUSPOCUS)_IMAGE=/d' .env
for service in {" ".join(SWITCHED)}; do
  echo "${{service^^}}_IMAGE={REGISTRY}/notes-$service:$1" >>.env
done
"""

# Recreation alone does not do it with a proxy that looks its upstreams up once: the reload belongs to it.
COMPOSE_UP = f"""{_IMAGES}
docker compose up -d --wait && docker compose exec -T nginx nginx -s reload
"""

# docker-rollout's way: twice as many, healthy, then the old ones away. It forbids container_name, and wants a proxy
# that looks names up again and again.
ROLLOUT = f"""{_IMAGES}
export COMPOSE_FILE=docker-compose.yml:docker-compose.rollout.yml
for service in {" ".join(SWITCHED)}; do
  old=$(docker compose ps --quiet "$service")
  set -- $old
  docker compose up --detach --no-deps --no-recreate --scale "$service=$(($# * 2))" "$service"
  new=$(docker compose ps --quiet "$service" | grep -v -F "$old")
  until [ "$(docker inspect --format '{{{{.State.Health.Status}}}}' $new | sort -u)" = healthy ]; do sleep 1; done
  docker stop $old
  docker rm $old
done
"""
ROLLOUT_FILE = """\
services:
  frontend:
    container_name: !reset null
  hocuspocus:
    container_name: !reset null
"""

# Prints the most memory that any process of the SSH user's Python had, in kB, when its standard input ends.
WATCH_MEMORY = """
import glob, os, select, sys
most = 0
while not select.select([sys.stdin], [], [], 0.01)[0]:
    for status in glob.glob("/proc/[0-9]*/status"):
        try:
            if os.stat(status).st_uid != 1000:
                continue
            lines = dict(line.split(":", 1) for line in open(status))
        except OSError:
            continue
        if lines["Name"].strip().startswith("python") and "VmHWM" in lines:
            most = max(most, int(lines["VmHWM"].split()[0]))
print(most)
"""


@dataclass(frozen=True)
class Taken:
    """What one rollback cost: seconds since the command was given, and what users noticed."""

    returned: float
    serves: float | None
    alone: float | None
    failed: int
    requests: int
    lost: int
    dropped: int
    gap: float
    why: dict[str, int]
    boot: float | None = None


@dataclass(frozen=True)
class Method:
    """A way back from v6 to v1. `prepare` brings the host to where it begins."""

    key: str
    title: str
    prepare: Callable[[], None]
    command: Callable[[], None]
    boots: bool = False


class Bench:
    """One host, and the ways to handle it."""

    def __init__(self, name: str, folder: Path, verbose: bool) -> None:
        self.name = name
        self.folder = folder
        self.verbose = verbose
        #: What the host was last prepared as: a reset is needed only where that changes.
        self._state = ""
        self._one_task = folder / "one_task.yml"
        self._one_task.write_text(ONE_TASK, encoding="utf-8")

    # Commands, as an operator gives them

    def run(self, command: Sequence[str], script: str | None = None) -> str:
        """Run a command that must work. No SSH connection of an earlier one is there to be used."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        sockets = tempfile.mkdtemp(prefix="cp.", dir=self.folder)
        given = {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
            # Of this run alone: what others left in an open incident would be read with every command.
            "SANDBOX_INCIDENTS": str(self.folder / "incidents"),
        }
        done = subprocess.run(
            list(command),
            cwd=ROOT,
            env={**kept, **given},
            input=script,
            stdin=subprocess.DEVNULL if script is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if self.verbose:
            print(done.stdout + done.stderr, file=sys.stderr)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def play(self, playbook: str, *arguments: str) -> None:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        path = playbook if "/" in playbook else str(ROOT / f"playbooks/{playbook}.yml")
        self.run([program, "-i", str(ROOT / "inventories/sandbox"), path, "-l", self.name, *arguments])

    def ssh(self, *command: str, script: str | None = None) -> None:
        self.run(["ssh", "-F", str(STATE / "ssh" / "config"), "-o", "ControlPath=none", self.name, *command], script)

    def as_root(self, script: str, *arguments: str) -> str:
        return inside(host(self.name).container, "bash", "-euc", script, "-", *arguments)

    # States to begin with

    def fresh(self, state: str) -> bool:
        """Reset the host unless it is prepared as *state* already; tell whether it was reset."""
        if self._state == state:
            return False
        self.reset()
        self._state = state
        return True

    def reset(self) -> None:
        lifecycle.reset((self.name,), "no_rate_limit")
        self._state = ""

    def by_hand(self) -> None:
        """v6, started by hand, with v1 still under the tag `backup`: where the home-made scripts begin."""
        if self.fresh("by hand"):
            password = (STATE / "registry-password").read_text(encoding="utf-8").strip()
            login = f"docker login --username {REGISTRY_USER} --password-stdin {REGISTRY} 2>&1"
            inside(host(self.name).container, "su", "deploy", "-c", login, stdin=password.encode())
            self.ssh(
                "bash",
                "-s",
                script="".join(
                    f"docker tag {REGISTRY}/notes-{s}:{OLD} {REGISTRY}/notes-{s}:backup\n"
                    f"docker pull --quiet {REGISTRY}/notes-{s}:{NEW}\n"
                    for s in SWITCHED
                ),
            )
        self.ssh("bash", "-s", "-", NEW, script=COMPOSE_UP)

    def re_resolving(self) -> None:
        """v6 with a proxy that looks its upstreams up again and again, and no container_name."""
        self._state = ""
        self.by_hand()
        self._state = ""
        self.as_root(
            f"""
            cd {APP_DIR}
            printf '%s' "$1" >docker-compose.rollout.yml
            sed -i -e 's|http {{|&\\n    resolver 127.0.0.11 valid=1s ipv6=off;|' \\
              -e 's|proxy_pass http://backend:8081/api/;|set $to backend; proxy_pass http://$to:8081;|' \\
              -e 's|proxy_pass http://hocuspocus:8082;|set $to hocuspocus; proxy_pass http://$to:8082;|' \\
              -e 's|proxy_pass http://frontend:80;|set $to frontend; proxy_pass http://$to:80;|' nginx/nginx.conf
            """,
            ROLLOUT_FILE,
        )
        up = f"export COMPOSE_FILE=docker-compose.yml:docker-compose.rollout.yml\n{COMPOSE_UP}"
        self.ssh("bash", "-s", "-", NEW, script=f"cd {APP_DIR}; docker compose restart nginx\n{up}")

    def deployed(self) -> None:
        """v6, deployed by our playbook over v1, with the proxy as it was."""
        if self.fresh("deployed"):
            self.play("adopt")
        self.play("deploy", "-e", f"version={NEW}")

    def managed(self) -> None:
        """The same with the proxy under management: v1 and v6 each in a slot, and v1 still runs."""
        if self.fresh("managed"):
            self.play("adopt")
            self.play("proxy")
        self.play("deploy", "-e", f"version={NEW}")

    def cooled(self) -> None:
        """The same, when the time is over for which the previous colour is kept running."""
        self.managed()
        self.as_root(
            'live=$(readlink "$1/proxy/live")\n'
            "docker ps --filter label=pangeafate.hotfix.slot --format "
            "'{{.ID}} {{.Label \"pangeafate.hotfix.slot\"}}' |\n"
            '  while read -r id slot; do [ "$slot" = "$live" ] || echo "$id"; done | xargs -r docker stop\n'
            '[ "$live" = own ] || docker ps --filter label=com.docker.compose.project=notes '
            "--format '{{.ID}} {{.Label \"com.docker.compose.service\"}}' |\n"
            "  grep -E ' (backend|frontend|hocuspocus)$' | cut -d' ' -f1 | xargs -r docker stop",
            APP_DIR,
        )

    # Methods

    def methods(self) -> list[Method]:
        """All, in the order that needs the fewest changes to the host: by hand first, then ours."""

        def as_it_is() -> None:
            """What runs on the host makes no difference here."""
            if not self._state:
                self.fresh("anything")

        def rollback() -> None:
            # Verified by the host itself: what users have is looked at from outside afterwards, which is "looked".
            self.play("rollback", "-e", "reason=benchmark", "-e", "rollback_look=false")

        def looked() -> None:
            self.play("rollback", "-e", "reason=benchmark")

        def by_ssh(script: str) -> Callable[[], None]:
            return lambda: self.ssh("bash", "-s", "-", OLD, script=script)

        return [
            Method("one_task", "one-task playbook (Ansible's floor)", as_it_is, lambda: self.play(str(self._one_task))),
            Method("hand", "hand procedure over ssh", self.by_hand, by_ssh(HAND)),
            Method("compose", "`docker compose up -d --wait` over ssh", self.by_hand, by_ssh(COMPOSE_UP), boots=True),
            Method("rollout", "scale up, scale down (docker-rollout's way)", self.re_resolving, by_ssh(ROLLOUT)),
            Method("recreate", "ours, proxy not managed", self.deployed, rollback),
            Method("warm", "**ours, warm**", self.managed, rollback),
            Method("looked", "ours, warm, with the smoke checks from outside", self.managed, looked),
            Method("cold", "**ours, cold**", self.cooled, rollback, boots=True),
            Method(
                "switch_back",
                "**ours, `switch-back` over ssh**",
                self.managed,
                lambda: self.ssh(f"{APP_DIR}/switch-back"),
            ),
        ]

    def measure(self, method: Method) -> Taken:
        """Prepare, put load on, go back, and see what users noticed."""
        method.prepare()
        with load.running(self.name) as users:
            time.sleep(3)
            began = users.now()
            method.command()
            returned = users.now()
            boot = self.boot() if method.boots else None
            time.sleep(5)
        report = users.report(since=began)
        first, last = users.first(OLD, began), users.last(NEW, began)
        return Taken(
            returned=returned - began,
            serves=None if first is None else first - began,
            alone=None if first is None else max(first, last or 0) - began,
            failed=len(report.failed),
            requests=report.requests,
            lost=len(report.lost) + len(report.unread),
            dropped=len(report.dropped),
            gap=report.longest_gap,
            why=report.why,
            boot=boot,
        )

    def boot(self) -> float | None:
        """Return how long the backends of the old version took from their start to their first good health check."""
        ids = self.as_root(
            "docker ps --quiet --filter ancestor=$(docker image inspect --format '{{.Id}}' \"$1\")",
            f"{REGISTRY}/notes-backend:{OLD}",
        ).split()
        found = []
        for container in json.loads(self.as_root('docker inspect "$@"', *ids)) if ids else []:
            state = container["State"]
            good = [check["End"] for check in state["Health"]["Log"] if check["ExitCode"] == 0]
            if good:
                found.append(_seconds(min(good)) - _seconds(state["StartedAt"]))
        return max(found, default=None)

    def memory(self) -> float:
        """Return the most memory in MB that a warm rollback's module had on the host, measured without load."""
        self.managed()
        watcher = subprocess.Popen(
            ["docker", "exec", "-i", host(self.name).container, "python3", "-c", WATCH_MEMORY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(1)
        self.play("rollback", "-e", "reason=benchmark")
        printed, _nothing = watcher.communicate("", timeout=30)
        return int(printed) / 1024


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def median(values: Sequence[float | None]) -> float | None:
    """Return the median, or None where one of the values is missing: a method that once never came there."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None


def row(taken: Sequence[Taken]) -> dict[str, Any]:
    return {
        "returned": median([t.returned for t in taken]),
        "serves": median([t.serves for t in taken]),
        "alone": median([t.alone for t in taken]),
        "failed": median([t.failed for t in taken]),
        "most_failed": max(t.failed for t in taken),
        "requests": median([t.requests for t in taken]),
        "lost": sum(t.lost for t in taken),
        "dropped": median([t.dropped for t in taken]),
        "gap": median([t.gap for t in taken]),
        "boot": median([t.boot for t in taken]) if taken[0].boot is not None else None,
    }


def table(methods: Sequence[Method], rows: dict[str, dict[str, Any]]) -> str:
    """The medians as Markdown."""

    def number(value: float | None, unit: str = " s") -> str:
        return "never" if value is None else f"{value:.2f}{unit}"

    lines = [
        f"| method | returns after | {OLD} serves after | only {OLD} after | failed requests | lost notes "
        "| WebSockets dropped | longest gap |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for method in methods:
        r = rows[method.key]
        if method.key == "one_task":
            cells = [number(r["returned"]), *[""] * 6]
        else:
            cells = [number(r["returned"]), number(r["serves"]), number(r["alone"]), f"{r['failed']:.0f}"]
            cells += [str(r["lost"]), f"{r['dropped']:.0f}", number(r["gap"])]
        lines.append(f"| {method.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def limits(rows: dict[str, dict[str, Any]], memory: float | None) -> list[Limit]:
    """What was to be reached, as far as it was measured; the limits are ratios and differences within one run."""
    found: list[Limit] = []

    def add(what: str, value: float | None, limit: float, unit: str = "") -> None:
        found.append(Limit(what, value, limit, unit))

    def less(one: float | None, other: float | None) -> float | None:
        return None if one is None or other is None else one - other

    warm, cold = rows.get("warm"), rows.get("cold")
    if warm and "one_task" in rows:
        ratio = None if warm["serves"] is None else warm["serves"] / rows["one_task"]["returned"]
        add(f"warm: {OLD} serves, in times of a one-task playbook", ratio, WARM_RATIO)
    if warm:
        add(f"warm: returned, after {OLD} served", less(warm["returned"], warm["serves"]), VERIFIED_WITHIN, "s")
        add("warm: failed requests in any round", warm["most_failed"], 0)
    if cold and warm and cold["boot"] is not None:
        more = less(cold["serves"], warm["serves"])
        add(f"cold: {OLD} serves later than warm by", more, cold["boot"] + COLD_MORE, "s")
    if cold:
        add("cold: failed requests in any round", cold["most_failed"], 0)
    if "switch_back" in rows:
        add(f"switch-back: {OLD} serves after", rows["switch_back"]["serves"], BY_HAND, "s")
        add("switch-back: failed requests in any round", rows["switch_back"]["most_failed"], 0)
    if memory is not None:
        add("memory of the module on the host", memory, MEMORY_MB, "MB")
    return found


def main() -> int:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--host", default="prod2")
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="keys of methods: one_task, hand, compose, …")
    parser.add_argument("--verbose", action="store_true", help="show what the commands print")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hb.") as name:
        bench = Bench(options.host, Path(name), options.verbose)
        methods = [m for m in bench.methods() if not options.only or m.key in options.only]
        taken: dict[str, list[Taken]] = {method.key: [] for method in methods}
        for number in range(1, options.rounds + 1):
            for method in methods:
                one = bench.measure(method)
                taken[method.key].append(one)
                print(f"round {number}, {method.key}: {one}", file=sys.stderr, flush=True)
        memory = bench.memory() if "warm" in taken else None
    rows = {key: row(values) for key, values in taken.items()}
    print(f"\nMedians of {options.rounds} rounds, {os.cpu_count()} cores, 50 requests/s and 20 WebSockets:\n")
    print(table(methods, rows))
    numbers = {"medians": rows, "memory_mb": memory, "taken": {k: [asdict(t) for t in v] for k, v in taken.items()}}
    return judge(limits(rows, memory), numbers, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
