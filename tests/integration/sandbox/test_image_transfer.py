# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images get to a host without a registry, whatever happens on the way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import faults
from tests.integration.driver import BIN, ROOT, Host, environment
from tests.integration.sandbox.images import Build

MEGABYTE = 1024 * 1024
PARTS = "/home/deploy/.hotfix-images"
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - pangeafate.hotfix.fleet:
        phase: select
      run_once: true
      register: selection
    - pangeafate.hotfix.image_transfer:
        record: "{{ selection.run }}"
        images: "{{ wanted }}"
        part_mb: 1
        folder: "{{ in_folder | default(omit) }}"
      become: "{{ by_root | default(false) | bool }}"
      register: sent
      failed_when: false
      ignore_unreachable: true
    - ansible.builtin.copy:
        content: "{{ sent | to_json }}"
        dest: "{{ into }}"
        mode: "0600"
      delegate_to: localhost
"""


@pytest.fixture(scope="module")
def build() -> Iterator[Build]:
    made = Build("20260102T030405Z", "frontend", blob=48 * MEGABYTE)
    yield made
    made.remove()


class Sender:
    """Runs the module as a playbook would."""

    def __init__(self, folder: Path, build: Build) -> None:
        self._folder = folder
        self._build = build
        self.records = ""
        (folder / "send.yml").write_text(PLAY, encoding="utf-8")
        # A path that is short enough for a socket, in no other run's way.
        self.sockets = tempfile.mkdtemp(prefix="hotfix-ssh-")

    def start(self, *more: str) -> subprocess.Popen[str]:
        words = [BIN / "ansible-playbook", "-i", ROOT / "inventories/sandbox", "-l", "staging", "-c", "ssh"]
        words += [self._folder / "send.yml", "-e", json.dumps({"wanted": self._build.images()})]
        words += ["-e", f"into={self._folder}/sent.json", *more]
        # Its own connection: what is cut is nobody else's.
        env = environment(ANSIBLE_SSH_CONTROL_PATH_DIR=self.sockets)
        self.records = env["SANDBOX_INCIDENTS"]
        return subprocess.Popen(
            [str(word) for word in words],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *more: str) -> tuple[dict[str, Any], str]:
        """Return the module's result and all that was printed."""
        process = self.start(*more)
        printed, _nothing = process.communicate(timeout=200)
        return self.result(printed), printed

    def result(self, printed: str) -> dict[str, Any]:
        path = self._folder / "sent.json"
        assert path.exists(), printed
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return found


@pytest.fixture
def send(tmp_path: Path, build: Build) -> Iterator[Sender]:
    sender = Sender(tmp_path, build)
    yield sender
    for pid in ssh_processes(sender.sockets):
        end(pid)
    shutil.rmtree(sender.sockets)


@pytest.fixture
def clean(bare: Host, build: Build) -> Iterator[Host]:
    """A staging host that never heard of the build."""
    forget(bare, build)
    yield bare
    forget(bare, build)


def forget(host: Host, build: Build) -> None:
    references = [build.reference("frontend"), f"{build.repository('frontend')}:emergency"]
    faults.nested_docker(host.name, "image", "rm", "--force", *references, check=False)
    host.run("rm", "-rf", PARTS)


def parts(host: Host, folder: str = PARTS) -> list[str]:
    return faults.on_host(host.name, "find", folder, "-name", "part-*", "-size", "+0", check=False).split()


def until(found: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def id_of(host: Host, reference: str) -> str:
    return faults.nested_docker(host.name, "image", "inspect", "--format", "{{.Id}}", reference, check=False).strip()


def test_an_image_is_sent_once_and_without_the_layers_that_are_there(clean: Host, build: Build, send: Sender) -> None:
    sent, printed = send()
    assert (sent["outcome"], sent["changed"], sent["resumed_bytes"]) == ("done", True, 0), printed
    # The image has more than 300 MB, of which the host has all but one layer.
    assert 48 * MEGABYTE <= sent["sent_bytes"] < 52 * MEGABYTE
    assert "staging1: images: 1 of 48 MB sent (2 %)." in printed
    assert "staging1: images: 48 of 48 MB sent (100 %)." in printed
    for tag in (build.id, "emergency"):
        assert id_of(clean, f"{build.repository('frontend')}:{tag}") == build.image_id("frontend")
    assert sent["images"]["frontend"]["image_id"] == build.image_id("frontend")
    assert parts(clean) == []
    recorded = "".join(path.read_text(encoding="utf-8") for path in Path(send.records).rglob("*.jsonl"))
    assert "Sent the images of frontend (48 MB)." in recorded
    again, printed = send()
    assert (again["outcome"], again["changed"], again["sent_bytes"]) == ("unchanged", False, 0), printed


def test_a_check_says_what_would_be_sent_and_sends_nothing(clean: Host, build: Build, send: Sender) -> None:
    process = send.start("--check", "-v")
    printed, _nothing = process.communicate(timeout=100)
    assert "Would send the images of frontend: at most" in printed
    assert id_of(clean, build.reference("frontend")) == ""
    assert "no" in faults.on_host(clean.name, "sh", "-c", f"test -e {PARTS} && echo yes || echo no")


@pytest.mark.slow
def test_after_a_lost_connection_the_next_run_goes_on(clean: Host, build: Build, send: Sender) -> None:
    process = send.start()
    try:
        until(lambda: len(parts(clean)) > 5, process)
        with faults.ssh_cut(clean.name):
            printed, _nothing = process.communicate(timeout=200)
            lost = send.result(printed)
    finally:
        kill(process)
    assert lost["unreachable"] is True, printed
    assert "The connection was lost when" in lost["msg"]
    assert "they are kept" in lost["msg"]
    assert len(parts(clean)) > 5
    assert faults.on_host(clean.name, "find", PARTS, "-type", "d", "-perm", "/077").strip() == ""
    sent, printed = send()
    assert sent["outcome"] == "done", printed
    assert sent["resumed_bytes"] >= 5 * MEGABYTE
    assert sent["resumed_bytes"] + sent["sent_bytes"] < 52 * MEGABYTE
    assert "MB are there from before." in printed
    assert id_of(clean, build.reference("frontend")) == build.image_id("frontend")
    assert parts(clean) == []


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with(clean: Host, build: Build, send: Sender) -> None:
    process = send.start()
    try:
        until(lambda: len(parts(clean)) > 5, process)
    finally:
        kill(process)
    sent, printed = send()
    assert sent["outcome"] == "done", printed
    assert sent["resumed_bytes"] >= 5 * MEGABYTE
    assert id_of(clean, build.reference("frontend")) == build.image_id("frontend")


@pytest.mark.slow
def test_one_killed_ssh_process_costs_one_part_at_most(clean: Host, build: Build, send: Sender) -> None:
    process = send.start()
    try:
        until(lambda: len(parts(clean)) > 3, process)
        # The connection that all share, which runs apart from the playbook, and whatever sends just now.
        killed = [pid for pid in ssh_processes(send.sockets) if end(pid)]
        printed, _nothing = process.communicate(timeout=200)
    finally:
        kill(process)
    assert killed
    found = send.result(printed)
    if found.get("unreachable"):
        found, printed = send()
        assert found["resumed_bytes"] >= 3 * MEGABYTE
    assert found["outcome"] == "done", printed
    assert id_of(clean, build.reference("frontend")) == build.image_id("frontend")


@pytest.mark.slow
def test_by_root_it_is_loaded_from_the_users_folder(clean: Host, build: Build, send: Sender) -> None:
    sent, printed = send("-e", "by_root=true")
    assert sent["outcome"] == "done", printed
    assert id_of(clean, build.reference("frontend")) == build.image_id("frontend")


@pytest.fixture
def small(clean: Host) -> Iterator[str]:
    """A folder on the host that is to be put on a disk of its own."""
    path = "/srv/small"
    clean.run("install", "-d", "-o", "deploy", path)
    yield path
    faults.restore_disk(clean.name, path)
    clean.run("rm", "-rf", path)


def test_no_room_is_said_before_anything_is_sent(clean: Host, small: str, send: Sender) -> None:
    faults.shrink_disk(clean.name, 40, small)
    clean.run("chown", "deploy", small)
    sent, printed = send("-e", f"in_folder={small}/images")
    assert sent["failed_when_result"] is False
    assert sent["outcome"] == "no_room", printed
    assert f"are free on the disk of {small}/images" in sent["msg"]
    assert "MB are wanted for the images" in sent["msg"]
    assert "sent (" not in printed
    assert parts(clean, small) == []


@pytest.mark.slow
def test_a_disk_that_fills_up_is_told_and_relieved(clean: Host, build: Build, small: str, send: Sender) -> None:
    faults.shrink_disk(clean.name, 160, small)
    clean.run("chown", "deploy", small)
    process = send.start("-e", f"in_folder={small}/images")
    try:
        until(lambda: len(parts(clean, small)) > 3, process)
        faults.fill_disk(clean.name, small)
        printed, _nothing = process.communicate(timeout=200)
    finally:
        kill(process)
    sent = send.result(printed)
    assert "The disk filled up while the images were sent." in sent["msg"], printed
    assert "What was sent is removed again." in sent["msg"]
    assert parts(clean, small) == []
    assert id_of(clean, build.reference("frontend")) == ""


def processes() -> dict[int, tuple[int, str]]:
    """Parent and command line of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                found[int(entry.name)] = parent, (entry / "cmdline").read_bytes().decode(errors="replace")
    return found


def ssh_processes(mark: str) -> list[int]:
    """The SSH processes whose command line names *mark*."""
    return [pid for pid, (_parent, line) in processes().items() if line.startswith(("ssh", "sftp")) and mark in line]


def end(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a playbook with its workers, which are in sessions of their own."""
    known, doomed = processes(), [process.pid]
    for pid in doomed:
        doomed += [child for child, (parent, _line) in known.items() if parent == pid]
    if process.poll() is None:
        for pid in doomed:
            end(pid)
    process.wait()
