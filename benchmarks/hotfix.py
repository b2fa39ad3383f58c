#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the emergency code path from a patch to the fix that is proven live on both production hosts.

One command: preflight, branch, guards, build and push of backend and frontend, backup, deploy, proof. The procedure
that people follow by hand allows 15 minutes. Needs the sandbox, and resets its production hosts.

    .venv/bin/python -m benchmarks.hotfix [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.limits import Limit, arguments, judge
from sandbox import lifecycle, origin
from sandbox.cli import docker
from sandbox.config import host

ROOT = Path(__file__).resolve().parent.parent
#: Seconds that the procedure by hand allows.
BY_HAND = 900.0
#: What the patch mends: every round another title cannot be saved.
SAVES = '(share_id, texts["title"], texts["content"])'


class Story:
    """A bug in the app's source on its main, and the patch of one line that mends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._source = folder / "notes"
        self._plugins = folder / "docker/cli-plugins"
        self._plugins.mkdir(parents=True)
        plugin = "/usr/libexec/docker/cli-plugins/docker-buildx"
        docker("cp", f"{host('prod1').container}:{plugin}", str(self._plugins / "docker-buildx"))
        origin.up()
        origin.checkout("benchmark-hotfix", self._source)
        for key, value in (("user.name", "Dev Example"), ("user.email", "dev@example.com")):
            origin.git(self._source, "config", key, value)

    def play(self, playbook: str, **variables: object) -> float:
        """Run a playbook on production, which must go well; return the seconds that it took."""
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        words = [program, "-i", str(ROOT / "inventories/sandbox"), str(ROOT / f"playbooks/{playbook}.yml")]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        more = {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "DOCKER_CONFIG": str(self._plugins.parent),
            "SANDBOX_INCIDENTS": str(self._folder / "incidents"),
        }
        given = ["-l", "production", "-e", json.dumps(variables)]
        began = time.monotonic()
        done = subprocess.run(
            [*words, *given], cwd=ROOT, env={**kept, **more}, capture_output=True, text=True, check=False
        )
        took = time.monotonic() - began
        if done.returncode != 0:
            raise SystemExit(f"{playbook}:\n{done.stdout}{done.stderr}")
        return took

    def round(self, number: int) -> float:
        """Break the app on both hosts, mend it by one command, and return the seconds of that command."""
        backend = self._source / "notes/backend.py"
        good = backend.read_text(encoding="utf-8")
        bad = good.replace(SAVES, f'(share_id, texts["title"].replace("{number}", "\\0"), texts["content"])')
        if bad == good:
            raise SystemExit("The line that the patch mends is no longer in the app's source.")
        backend.write_text(bad, encoding="utf-8")
        origin.git(self._source, "commit", "--quiet", "--all", "--message", f"Round {number}")
        origin.git(self._source, "push", "--quiet", "origin", "HEAD:main")
        source = {"hotfix_repository": str(self._source), "backup_skip_reason": "a benchmark"}
        self.play("emergency_build", services="backend,frontend", **source)
        self.play("deploy", version="emergency", hotfix_checks=[], **source)
        backend.write_text(good, encoding="utf-8")
        patch = self._folder / f"{number}.patch"
        patch.write_text(origin.git(self._source, "diff") + "\n", encoding="utf-8")
        backend.write_text(bad, encoding="utf-8")
        check = {
            "name": f"a note titled {number} can be saved",
            "type": "http",
            "verify": True,
            "method": "POST",
            "path": "/api/notes/share",
            "body": {"title": f"{number}", "content": "x"},
            "expect": {"status": 201},
            "retries": 0,
        }
        took = self.play(
            "hotfix",
            hotfix_repository=str(self._source),
            services="backend,frontend",
            patch=str(patch),
            what=f"Save notes titled {number}",
            fixes=f"Saving a note titled {number} fails",
            risk="low",
            guard_reasons={"tests": "the app has none"},
            hotfix_checks=[check],
        )
        # The next round begins with the mended source.
        backend.write_text(good, encoding="utf-8")
        return took


def main() -> int:
    options = arguments(__doc__, rounds=3).parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hotfix-benchmark-"))
    try:
        lifecycle.reset(("production",), "no_rate_limit")
        story = Story(folder)
        story.play("adopt")
        story.play("proxy")
        taken = [story.round(number) for number in range(1, options.rounds + 1)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    median = statistics.median(taken)
    print(f"From a patch to the fix proven live on two hosts, {options.rounds} rounds:\n")
    print("| what | seconds |\n| --- | --: |")
    print(f"| **`playbooks/hotfix.yml`** | {median:.0f} s ({min(taken):.0f} to {max(taken):.0f} s) |")
    print(f"| what the procedure by hand allows | {BY_HAND:.0f} s |")
    limit = Limit("a patch, until the fix is proven live on two hosts", median, BY_HAND, "s")
    return judge([limit], {"taken": taken}, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
