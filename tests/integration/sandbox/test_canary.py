# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and strangers: no secret is anywhere but where it belongs, and whoever is not who they should be is refused.

One story on one host, told as loudly as Ansible can, while two who may read what everybody may look at all processes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import config as sandbox_config
from sandbox import faults, https
from tests.integration.driver import APP, NO_BASELINE, ROOT, Host, command, environment, fresh

pytestmark = pytest.mark.slow

STATE = ROOT / ".sandbox"
FLAG = "COLLABORATIVE_EDITING"
ENV_CANARY = "canary-of-the-env-7f3a9c"
HOOK_CANARY = "canary-of-the-hook-51bd20"
CHECK_CANARY = "canary-of-a-check-9e7d44"
#: Not /run: the engine keeps the environment of running containers there, for root alone.
FOLDERS = ("/tmp", "/var/tmp", "/home", "/root", "/var/log", APP)
#: Prints what this user may read of every process, each line once, until the file is there. Told by its name, it does
#: not see itself.
WATCH = (
    'end=$(($(date +%s)+280)); seen=$(mktemp); while [ ! -e "$1" ] && [ "$(date +%s)" -lt $end ]; do '
    "for p in /proc/[0-9]*; do for f in cmdline environ; do tr '\\0' ' ' <$p/$f; echo; done; done "
    '2>/dev/null >>"$seen"; sort -u -o "$seen" "$seen"; sleep 0.05; done; cat "$seen"; rm -f "$seen"'
)


def secrets() -> dict[str, str]:
    """Every secret that the story has, by name."""
    found = {
        name: (STATE / name).read_text().strip() for name in ("admin-token", "postgres-password", "registry-password")
    }
    key = (STATE / "ssh/id_ed25519").read_text().splitlines()
    return {**found, "env": ENV_CANARY, "hook": HOOK_CANARY, "check": CHECK_CANARY, "SSH key": key[len(key) // 2]}


@dataclass
class Story:
    """What was said while it happened, where it was kept, and what others saw of it."""

    folder: Path
    host: Host
    said: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)

    def tell(self, playbook: str, *arguments: str) -> None:
        given = {
            "hotfix_probe_dir": str(self.folder / "artifacts"),
            "hotfix_notifications": [{"type": "webhook", "url": f"http://127.0.0.1:9/{HOOK_CANARY}", "name": "ops"}],
            "hotfix_check_secrets": {"token": CHECK_CANARY},
        }
        # As secrets are given: what is typed with -e is in the arguments of Ansible, and shown by it at -vvvv.
        file = self.folder.parent / f"{self.folder.name}-given.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(given), encoding="utf-8")
        log = self.folder / "ansible.log"
        done = subprocess.run(
            [*command(playbook, "-l", "staging", "-e", f"@{file}", *arguments), "-vvvv", "--diff"],
            cwd=ROOT,
            env=environment(ANSIBLE_LOG_PATH=str(log), SANDBOX_INCIDENTS=str(self.folder / "incidents")),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        self.said[playbook] = done.stdout + done.stderr
        self.codes[playbook] = done.returncode


def on_host_as(user: str, host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program on a host as another of its users."""
    name = sandbox_config.host(host.name).container
    return subprocess.run(
        ["docker", "exec", "-u", user, name, *words], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    (host,) = fresh("staging1")
    host.run("sh", "-c", f"echo CANARY_PASSWORD={ENV_CANARY} >>{APP}/.env")
    found = Story(folder, host)
    # Not in the folder of the tests, into which only its owner may look.
    stop = Path(f"/tmp/canary-stop-{os.getpid()}")
    container = sandbox_config.host(host.name).container
    unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    here = subprocess.Popen(
        [*unprivileged, "bash", "-c", WATCH, "watch", str(stop)], stdout=subprocess.PIPE, text=True, errors="replace"
    )
    there = subprocess.Popen(
        ["docker", "exec", "-u", "nobody", container, "bash", "-c", WATCH, "watch", str(stop)],
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        found.tell("deploy", "-e", "version=v6", *NO_BASELINE)
        found.tell("feature_flag", "-e", f"flag={FLAG}", "-e", "enabled=false", "-e", "reason=canary")
        found.tell("diagnose", "-e", f"diagnose_json={folder}/found.json")
        found.tell("rollback", "-e", "reason=canary")
        found.tell("logs", "-e", "services=backend,postgres")
    finally:
        stop.touch()
        host.run("touch", str(stop))
        for name, process in (("here", here), ("there", there)):
            found.seen[name], _nothing = process.communicate(timeout=60)
        stop.unlink()
        host.run("rm", "-f", str(stop))
    yield found
    fresh("staging1")


def test_the_story_is_what_it_should_be(story: Story) -> None:
    assert story.codes == {"deploy": 0, "feature_flag": 0, "diagnose": 0, "rollback": 0, "logs": 0}, story.said[
        "deploy"
    ][-3000:]
    # Those who looked saw what was at work, or they prove nothing.
    assert "ansible-playbook" in story.seen["here"]
    assert "docker" in story.seen["there"]
    assert "switch-back" in story.seen["there"]


@pytest.mark.parametrize(
    "name", sorted([*("admin-token", "postgres-password", "registry-password"), "env", "hook", "check", "SSH key"])
)
def test_nothing_that_was_said_or_kept_on_the_controller_holds_a_secret(story: Story, name: str) -> None:
    secret = secrets()[name]
    for playbook, said in story.said.items():
        assert secret not in said, playbook
    kept = [path for path in story.folder.rglob("*") if path.is_file()]
    assert {path.name for path in kept} >= {
        "ansible.log",
        "found.json",
        "events.jsonl",
        "report.md",
        "report.html",
        "report.json",
    }
    for path in kept:
        assert secret.encode() not in path.read_bytes(), path
    private = [path for path in kept if "incidents" in path.parts or "artifacts" in path.parts]
    assert not [path for path in private if path.stat().st_mode & 0o077 and path.parent.stat().st_mode & 0o077]


def test_no_process_shows_a_secret_to_other_users(story: Story) -> None:
    for name, secret in secrets().items():
        for where, seen in story.seen.items():
            # Other tests may look at their hosts meanwhile, with the admin token: nothing in this story does.
            lines = [one[:300] for one in seen.splitlines() if secret in one and not one.startswith("docker exec ")]
            assert lines == [], (name, where)


def test_on_the_host_secrets_are_only_in_files_of_their_owner(story: Story) -> None:
    for name, secret in secrets().items():
        found = faults.on_host(
            story.host.name,
            "grep",
            "-rlF",
            "--exclude-dir=containerd",
            "--exclude=runc-process*",
            secret,
            *FOLDERS,
            check=False,
        )
        files = found.split()
        assert all(path.startswith(f"{APP}/") for path in files), (name, files)
        allowed = {".env", "compose.yml", "docker-compose.yml"}
        assert {os.path.basename(path) for path in files} <= allowed, (name, files)
        if name in ("hook", "check", "registry-password", "SSH key"):
            assert files == [], name
        for path in files:
            mode, owner = story.host.run("stat", "-c", "%a %U", path).split()
            assert (mode, owner) == ("600", "deploy"), path


def test_another_user_of_the_host_reads_no_secret_and_takes_no_lease(story: Story) -> None:
    host = story.host
    before = host.run("cat", f"{APP}/lease.json")
    for text in secrets().values():
        assert on_host_as("nobody", host, "grep", "-rlF", text, APP).stdout == ""
    assert (
        on_host_as(
            "nobody", host, "find", APP, "-not", "-path", f"{APP}/nginx/*", "-writable", "-not", "-type", "l"
        ).stdout
        == ""
    )
    for name in ("lock", "lease.lock", "lease.json", "journal.jsonl", ".env", "switch-back"):
        assert on_host_as("nobody", host, "cat", f"{APP}/{name}").returncode != 0, name
        # Whoever may read a file may lock it, and every change would wait.
        assert on_host_as("nobody", host, "flock", "-n", f"{APP}/{name}", "true").returncode != 0, name
    assert on_host_as("nobody", host, f"{APP}/switch-back", "--takeover").returncode != 0
    assert on_host_as("nobody", host, "docker", "ps").returncode != 0
    assert host.run("cat", f"{APP}/lease.json") == before


def test_a_host_whose_key_changed_is_refused(story: Story, tmp_path: Path) -> None:
    item = sandbox_config.host(story.host.name)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    kind, key, *_comment = (tmp_path / "other.pub").read_text().split()
    known = tmp_path / "known_hosts"
    known.write_text(f"[{item.address}]:2222 {kind} {key}\n")
    before = story.host.fingerprint()
    common = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null"
    given = json.dumps(
        {"ansible_ssh_common_args": common, "ansible_ssh_args": "-o ControlMaster=no -o ControlPath=none"}
    )
    for playbook, more in (("rollback", ()), ("feature_flag", ("-e", f"flag={FLAG}", "-e", "enabled=true"))):
        done = run(playbook, tmp_path, "-e", given, *more)
        assert done.returncode != 0
        assert "Host key verification failed" in done.stdout or "HOST IDENTIFICATION HAS CHANGED" in done.stdout
    assert story.host.fingerprint() == before


def run(playbook: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(playbook, "-l", "staging", "-e", json.dumps({"hotfix_probe_dir": str(folder)}), *arguments),
        cwd=ROOT,
        env=environment(ANSIBLE_SSH_CONTROL_PATH_DIR=str(folder / "s")),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_an_app_whose_certificate_is_not_right_is_refused(story: Story, tmp_path: Path) -> None:
    assert https.app(sandbox_config.host(story.host.name), "/api/health")
    other = tmp_path / "other.pem"
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Other", "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", *made, "-keyout", str(tmp_path / "k"), "-out", str(other)],
        check=True,
        capture_output=True,
    )
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"hotfix_public_ca_file": str(other)}, "cannot be trusted"),
        ({"hotfix_public_url": "https://other.example.com"}, "certificate"),
    ]
    for given, says in wrong:
        done = run("smoke_check", tmp_path, "-e", json.dumps(given))
        assert done.returncode != 0, done.stdout
        assert says in done.stdout, done.stdout
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
