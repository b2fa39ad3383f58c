# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the playbooks against the sandbox's hosts as an operator would, and looks at the hosts past SSH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import faults, lifecycle

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RECORDS = ROOT / ".cache/test-incidents"
APP = "/srv/notes"
OF_PROJECT = "label=com.docker.compose.project=notes"
SWITCHED = ("backend", "frontend", "hocuspocus")
#: Nobody looks before a deploy, from outside or at the hosts, which takes six seconds: for what is not about that.
NO_BASELINE = ("-e", "deploy_baseline=false", "-e", "deploy_preflight=false")
#: Nor after it. It lets a release through that the checks would find broken: v2 is healthy, but saves nothing.
UNCHECKED = ("-e", '{"hotfix_checks": [], "deploy_preflight": false}')


@dataclass(frozen=True)
class Played:
    """How a playbook run ended. `text` is all it printed, with white space folded."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        return " ".join(self.raw.split())


def command(playbook: str, *arguments: str) -> list[str]:
    return [
        str(BIN / "ansible-playbook"),
        "-i",
        str(ROOT / "inventories/sandbox"),
        str(ROOT / f"playbooks/{playbook}.yml"),
        *arguments,
    ]


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))}
    # One result is one JSON document: long lines are not folded, so that tests can look for sentences.
    plain = {
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    # An incident that a test leaves open is none of the next one's.
    apart = {"SANDBOX_INCIDENTS": tempfile.mkdtemp(dir=RECORDS)}
    return {**kept, "LC_ALL": "C.UTF-8", **plain, **apart, **more}


def start(playbook: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a playbook and return while it runs."""
    return subprocess.Popen(
        command(playbook, *arguments),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def play(playbook: str, *arguments: str) -> Played:
    """Run a playbook to its end."""
    process = start(playbook, *arguments)
    printed, _nothing = process.communicate(timeout=300)
    return Played(process.returncode, printed)


class Host:
    """One host of the sandbox, looked at past SSH."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *arguments: str) -> str:
        return faults.on_host(self.name, *arguments)

    def docker(self, *arguments: str) -> str:
        return faults.nested_docker(self.name, *arguments)

    def current(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.run("cat", f"{APP}/current/release.json"))
        return record

    def states(self) -> dict[str, str]:
        """Every release's state, by version."""
        text = self.run("bash", "-c", f"cat {APP}/releases/*/release.json").strip()
        decoder, found = json.JSONDecoder(), {}
        while text:
            record, end = decoder.raw_decode(text)
            found[record["version"]] = record["state"]
            text = text[end:].lstrip()
        return found

    def journal(self) -> list[dict[str, Any]]:
        listed = faults.on_host(self.name, "cat", f"{APP}/journal.jsonl", check=False)
        return [json.loads(line) for line in listed.splitlines() if line.startswith("{")]

    def steps_begun(self) -> list[str]:
        return [entry["step"] for entry in self.journal() if entry.get("phase") == "begin"]

    def lease(self) -> dict[str, Any]:
        lease: dict[str, Any] = json.loads(self.run("cat", f"{APP}/lease.json"))
        return lease

    def containers(self) -> list[str]:
        """IDs of all the project's containers, sorted."""
        return sorted(self.docker("ps", "-aq", "--no-trunc", "--filter", OF_PROJECT).split())

    def served(self) -> tuple[str, bool]:
        """The version that answers through the proxy, and whether it saves documents."""
        base = ["curl", "-s", "-m", "10", "-H", "Host: app.example.com"]
        version = self.run(*base, "-o", "/dev/null", "-w", "%header{x-app-version}", "http://127.0.0.1/api/health")
        note = json.dumps({"title": "t", "content": "c"})
        post = ["-H", "Content-Type: application/json", "-d", note, "http://127.0.0.1/api/notes/share"]
        status = self.run(*base, "-o", "/dev/null", "-w", "%{http_code}", *post)
        return version, status in ("200", "201")

    def runs_its_record(self) -> bool:
        """Whether every switched service runs exactly the images of the current release."""
        record = self.current()
        for service in SWITCHED:
            of_service = f"label=com.docker.compose.service={service}"
            ids = self.docker("ps", "-q", "--filter", OF_PROJECT, "--filter", of_service).split()
            if not ids:
                return False
            images = set(self.docker("inspect", "--format", "{{.Image}}", *ids).split())
            if images != {record["images"][service]["image_id"]}:
                return False
        return True

    def fingerprint(self) -> tuple[list[str], str]:
        """Containers and files of the app: what a run that changes nothing leaves as it was."""
        files = self.run("find", APP, "-type", "f", "-not", "-path", f"{APP}/nginx/*", "-printf", "%p %s %T@\\n")
        return self.containers(), files


def fresh(*names: str) -> list[Host]:
    """Reset hosts to a hand-started v1 that nothing manages."""
    lifecycle.reset(names)
    return [Host(name) for name in names]
