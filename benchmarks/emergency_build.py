#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what an emergency build adds to plain `docker build` and `docker push` of the same two images.

Every round builds a commit of its own, so that nothing but the base is cached. Each image has a step that takes some
seconds of one processor. Needs the sandbox.

    .venv/bin/python -m benchmarks.emergency_build [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.limits import Limit, arguments, judge
from sandbox import origin
from sandbox.cli import docker
from sandbox.config import REGISTRY_FROM_HERE, REGISTRY_USER, STATE

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("backend", "frontend")
BASE = "hotfix-sandbox/appbase:current"
#: At most: seconds more than plain builds and pushes of both images at once.
ADDED = 5.0
#: Named by its service: of one step alike in both images BuildKit would do one only.
WORK = (
    "USER root\n"
    "RUN for round in 1 2 3 4; do python3 -m compileall -q -f /usr/lib/python3.* >/dev/null; done; echo {name}\n"
    "USER 10001:10001\n"
)


class Bench:
    """A checkout whose images take a while to build, and the ways to build them."""

    def __init__(self, folder: Path) -> None:
        self._source = folder / "notes"
        self._config = folder / "docker"
        origin.up()
        origin.checkout("benchmark", self._source)
        dockerfile = self._source / "Dockerfile"
        text = dockerfile.read_text(encoding="utf-8")
        for name in SERVICES:
            text = text.replace(f"FROM app AS {name}\n", f"FROM app AS {name}\n{WORK.format(name=name)}")
        dockerfile.write_text(text, encoding="utf-8")
        self._log_in()

    def _log_in(self) -> None:
        plugins = self._config / "cli-plugins"
        plugins.mkdir(parents=True)
        host = docker("ps", "--filter", "label=hotfix.sandbox", "--filter", "name=prod1", "--format", "{{.Names}}")
        docker("cp", f"{host}:/usr/libexec/docker/cli-plugins/docker-buildx", str(plugins / "docker-buildx"))
        password = (STATE / "registry-password").read_text(encoding="utf-8").strip()
        login = base64.b64encode(f"{REGISTRY_USER}:{password}".encode()).decode()
        config = self._config / "config.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({"auths": {REGISTRY_FROM_HERE: {"auth": login}}}), encoding="utf-8")

    def change(self, number: int) -> None:
        """Commit something, so that neither builder has the images already."""
        with (self._source / "notes/__init__.py").open("a", encoding="utf-8") as stream:
            stream.write(f"# {number} {time.time_ns()}\n")
        origin.git(self._source, "commit", "--quiet", "--all", "--message", f"Round {number}")

    def plain(self, name: str) -> None:
        """Build and push one image as a person would."""
        tag = f"{REGISTRY_FROM_HERE}/notes-{name}:benchmark"
        build = ["buildx", "build", "--load", "--target", name, "--build-arg", f"BASE={BASE}", "--tag", tag]
        self._run("docker", *build, str(self._source))
        self._run("docker", "push", tag)

    def one_after_the_other(self) -> None:
        for name in SERVICES:
            self.plain(name)

    def at_once(self) -> None:
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            list(pool.map(self.plain, SERVICES))

    def ours(self) -> None:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        given = {"services": ",".join(SERVICES), "hotfix_repository": str(self._source)}
        playbook = str(ROOT / "playbooks/emergency_build.yml")
        inventory = str(ROOT / "inventories/sandbox")
        self._run(program, "-i", inventory, playbook, "-l", "staging", "-e", json.dumps(given))

    def _run(self, *command: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        more = {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "DOCKER_CONFIG": str(self._config),
            "SANDBOX_INCIDENTS": str(self._source.parent / "incidents"),
        }
        done = subprocess.run(command, cwd=ROOT, env={**kept, **more}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def measure(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every way, round by round."""
    ways: dict[str, Callable[[], None]] = {
        "one after the other": bench.one_after_the_other,
        "at once": bench.at_once,
        "ours": bench.ours,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            bench.change(number)
            started = time.monotonic()
            way()
            # The first round warms the caches of all.
            if number:
                taken[name].append(time.monotonic() - started)
    return taken


def main() -> int:
    options = arguments(__doc__, rounds=3).parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hotfix-benchmark-"))
    try:
        taken = measure(Bench(folder), options.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    added = medians["ours"] - medians["at once"]
    ratio = medians["ours"] / medians["one after the other"]
    print(f"Two images of one commit, built and pushed, medians of {options.rounds} rounds:\n")
    print("| what | seconds |\n| --- | --: |")
    print(f"| `docker build` and `docker push`, one after the other | {medians['one after the other']:.2f} s |")
    print(f"| the same, both at once | {medians['at once']:.2f} s |")
    print(f"| **`playbooks/emergency_build.yml`** | {medians['ours']:.2f} s |")
    limits = [
        Limit("an emergency build of two images, more than plain builds at once", added, ADDED, "s"),
        Limit("the same, in times of one plain build after the other", ratio, 1.0),
    ]
    return judge(limits, {"taken": taken, "added": added, "ratio": ratio}, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
