# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight against the sandbox: what is broken there is found, told with its remedy, and nothing is changed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox import faults, origin
from tests.integration.driver import APP, BIN, NO_BASELINE, ROOT, UNCHECKED, Host, Played, command, environment, play

SECRETS = [ROOT / ".sandbox" / name for name in ("admin-token", "registry-password")]


class Flight:
    """One preflight, and what it found by item."""

    def __init__(self, folder: Path, *arguments: str, **variables: Any) -> None:
        file = folder / "found.json"
        given = json.dumps({"preflight_json": str(file), **variables})
        self.played: Played = play("preflight", "-l", "staging", "-e", given, *arguments)
        assert file.exists(), self.played.raw
        self.document: dict[str, Any] = json.loads(file.read_text())
        items = [*self.document["controller"], *(self.document["hosts"].get("staging1") or [])]
        self.found: dict[str, dict[str, Any]] = {one["name"]: one for one in items}

    def bad(self, status: str = "failed") -> set[str]:
        return {name for name, one in self.found.items() if one["status"] == status}


@contextmanager
def held_by_somebody(host: Host) -> Iterator[None]:
    """Have the lease held as by a run that is at work; its record comes back with its times."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    until = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 600))
    lease: dict[str, Any] = {"owner": "bob@other", "run": "r", "action": "deploy", "since": now, "heartbeat": now}
    lease |= {"expires": until, "fencing": 99, "held": True}
    host.run("mv", f"{APP}/lease.json", "/var/tmp/lease.kept")
    host.run("bash", "-c", f"echo '{json.dumps(lease)}' >{APP}/lease.json")
    try:
        yield
    finally:
        host.run("mv", "/var/tmp/lease.kept", f"{APP}/lease.json")


def test_all_is_well_and_nothing_is_changed(managed: Host, tmp_path: Path) -> None:
    before = managed.fingerprint()
    flight = Flight(tmp_path)
    assert flight.played.code == 0, flight.played.raw
    assert flight.bad() == set()
    passed = {"SSH", "Docker", "app folder", "lease", "clock", "rollback target", "rollback images", "disk", "database"}
    assert flight.bad("passed") >= passed | {"backup", "registry pull", "registry push", "admin token", "certificate"}
    skipped = {name: flight.found[name]["says"] for name in flight.bad("skipped")}
    assert skipped["git push"] == "hotfix_repository is not set."
    assert skipped["become"] == "It is not used."
    assert managed.fingerprint() == before
    assert (tmp_path / "found.json").stat().st_mode & 0o777 == 0o600


def test_whatever_is_wrong_is_told_at_once_with_its_remedy(managed: Host, tmp_path: Path) -> None:
    before = managed.fingerprint()
    with held_by_somebody(managed):
        flight = Flight(
            tmp_path,
            feature_flag_token="no-such-token",
            hotfix_registry_password="no-such-password",
            hotfix_notifications=[{"type": "webhook", "url": "http://127.0.0.1:1/hooks/no-such-hook-1"}],
            hotfix_repository=str(tmp_path / "away"),
            preflight_certificate_days=4000,
            preflight_backup_max_age=0.001,
            preflight_min_free_mb=10**9,
        )
    assert flight.played.code == 2, flight.played.raw
    failed = {"admin token", "registry pull", "registry push", "notify webhook", "git push", "certificate", "backup"}
    assert flight.bad() == failed
    assert flight.bad("warning") == {"lease", "disk"}
    for name in failed | {"lease", "disk"}:
        assert flight.found[name]["breaks"], name
        assert flight.found[name]["mend"], name
    assert "does not accept the token (401)" in flight.found["admin token"]["says"]
    assert "refused the login of ci" in flight.found["registry pull"]["says"]
    assert "does not accept the login of ci (401" in flight.found["registry push"]["says"]
    assert "bob@other" in flight.found["lease"]["says"]
    assert "sooner than 4000" in flight.found["certificate"]["says"]
    assert "7 items would fail in an emergency" in flight.played.text
    assert "no-such-hook" not in flight.played.raw
    assert managed.fingerprint() == before


def test_a_host_that_cannot_be_reached_is_an_item_and_no_end(managed: Host, tmp_path: Path) -> None:
    with faults.ssh_cut("staging1"):
        flight = Flight(tmp_path, ansible_ssh_args="-o ControlPath=none", ansible_ssh_timeout=3)
    assert flight.played.code == 2, flight.played.raw
    assert flight.bad() == {"SSH"}
    assert flight.found["SSH"]["mend"]
    assert flight.found["registry push"]["status"] == "passed"
    assert flight.found["certificate"]["status"] == "passed"


@pytest.mark.slow
def test_parts_are_looked_at_alone_and_failures_may_be_told_only(managed: Host, tmp_path: Path) -> None:
    flight = Flight(tmp_path, preflight_parts=["git"], hotfix_repository="/away", preflight_only_warn=True)
    assert flight.played.code == 0, flight.played.raw
    assert set(flight.found) == {"git push"}
    assert flight.bad() == {"git push"}


def test_no_output_and_no_file_shows_a_secret_and_no_incident_is_opened(managed: Host, tmp_path: Path) -> None:
    incidents, log = tmp_path / "incidents", tmp_path / "ansible.log"
    done = subprocess.run(
        [*command("preflight", "-l", "staging", "-vvv", "-e", f"preflight_json={tmp_path}/found.json")],
        cwd=ROOT,
        env=environment(ANSIBLE_LOG_PATH=str(log), SANDBOX_INCIDENTS=str(incidents)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    said = done.stdout + done.stderr + log.read_text() + (tmp_path / "found.json").read_text()
    for file in SECRETS:
        assert file.read_text().strip() not in said
    assert not incidents.exists() or list(incidents.iterdir()) == []
    left = managed.run("bash", "-c", "ls -d /tmp/.hotfix-login-* /tmp/hotfix-key-* 2>/dev/null || true")
    assert left == ""


@pytest.fixture(scope="module")
def broken(bare: Host) -> Iterator[Host]:
    """A staging host whose previous release does not run any more, for tests that break it and mend it."""
    done = play(
        "deploy", "-l", "staging", "-e", "version=v6", "-e", "hotfix_strategy=recreate", *UNCHECKED, *NO_BASELINE
    )
    assert done.code == 0, done.raw
    yield bare


@pytest.mark.slow
@pytest.mark.usefixtures("broken")
class TestBroken:
    """What is broken for real on a host."""

    def test_an_image_that_was_pruned(self, broken: Host, tmp_path: Path) -> None:
        keepers = broken.docker("ps", "-aq", "--filter", "label=pangeafate.hotfix.keeps").split()
        broken.docker("rm", "-f", *keepers)
        reference = broken.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "--no-trunc")
        (image,) = {line.split()[1] for line in reference.splitlines() if "notes-backend:v1 " in line}
        broken.docker("rmi", "-f", image)
        flight = Flight(tmp_path, preflight_parts=["rollback"])
        assert flight.bad() == {"rollback images"}
        assert f"backend ({image[:19]})" in flight.found["rollback images"]["says"]
        assert "docker pull registry.example.com:5000/notes-backend@sha256:" in flight.found["rollback images"]["mend"]

    def test_a_database_that_is_down(self, broken: Host, tmp_path: Path) -> None:
        broken.docker("stop", "notes-postgres")
        try:
            flight = Flight(tmp_path, preflight_parts=["database"])
        finally:
            broken.docker("start", "notes-postgres")
        assert flight.bad() == {"database"}
        assert "The database does not run" in flight.found["database"]["says"]

    def test_a_disk_that_is_full(self, tmp_path: Path) -> None:
        faults.shrink_disk("staging1", 200)
        try:
            flight = Flight(tmp_path, preflight_parts=["rollback"])
            faults.fill_disk("staging1")
            full = Flight(tmp_path)
        finally:
            faults.restore_disk("staging1")
        assert "disk" in flight.bad()
        assert "are free on the disk of /srv/notes" in flight.found["disk"]["says"]
        assert "disk" in full.bad()
        # Whoever has no room there can look all the same.
        assert full.found["registry pull"]["status"] == "passed"

    def test_an_engine_that_is_down(self, broken: Host, tmp_path: Path) -> None:
        with faults.engine_down("staging1"):
            flight = Flight(tmp_path)
        assert flight.played.code == 2
        assert {"Docker", "rollback images", "database", "admin token"} <= flight.bad()
        assert "systemctl start docker" in flight.found["Docker"]["mend"]
        assert flight.found["rollback target"]["status"] == "passed"
        broken.docker("start", *broken.containers())

    def test_a_registry_that_this_host_does_not_reach(self, tmp_path: Path) -> None:
        with faults.registry_cut("staging1"):
            flight = Flight(tmp_path, preflight_parts=["registry"])
        assert flight.bad() == {"registry pull"}
        assert flight.found["registry push"]["status"] == "passed"

    def test_rights_that_are_not_given(self, tmp_path: Path) -> None:
        given = Flight(tmp_path, "--become", preflight_parts=["hosts"])
        assert given.found["become"]["says"] == "root, by sudo."
        flight = Flight(tmp_path, "--become", "--become-user", "nobody-of-that-name", preflight_parts=["hosts"])
        assert flight.bad() == {"become"}

    def test_a_certificate_that_has_expired(self, broken: Host, tmp_path: Path) -> None:
        folder = broken.run("bash", "-c", f"dirname $(find {APP} -name fullchain.pem | head -1)").strip()
        broken.run("cp", "-a", folder, "/var/tmp/certs.kept")
        made = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=app.example.com -not_before 20200101000000Z"
        made += f" -not_after 20200201000000Z -keyout {folder}/privkey.pem -out {folder}/fullchain.pem"
        try:
            broken.run("bash", "-c", made)
            broken.docker("exec", "notes-nginx", "nginx", "-s", "reload")
            time.sleep(1)
            flight = Flight(tmp_path, preflight_parts=["certificates"])
        finally:
            broken.run("bash", "-c", f"cp -a /var/tmp/certs.kept/. {folder}/; rm -rf /var/tmp/certs.kept")
            broken.docker("exec", "notes-nginx", "nginx", "-s", "reload")
        assert flight.bad() == {"certificate"}
        assert "xpired" in flight.found["certificate"]["says"] or "itself" in flight.found["certificate"]["says"]

    def test_an_origin_that_takes_a_push_and_one_that_does_not_know_the_key(self, tmp_path: Path) -> None:
        origin.up()
        checkout = tmp_path / "checkout"
        origin.checkout("preflight", checkout)
        flight = Flight(tmp_path, preflight_parts=["git"], hotfix_repository=str(checkout))
        assert flight.found["git push"]["status"] == "passed", flight.found
        assert origin.git(checkout, "ls-remote", "--heads", "origin").split("\t")[1:] == ["refs/heads/main"]
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        known = (ROOT / ".sandbox/ssh/known_hosts").read_text()
        refused = Flight(
            tmp_path,
            preflight_parts=["git"],
            hotfix_repository=str(checkout),
            hotfix_deploy_key=key.read_text(),
            hotfix_known_hosts=known,
        )
        assert refused.bad() == {"git push"}
        assert "it refuses these credentials" in refused.found["git push"]["says"]
        assert key.read_text() not in refused.played.raw


@pytest.mark.slow
def test_it_is_as_fast_as_one_task_and_three_seconds(production: list[Host], tmp_path: Path) -> None:
    book = tmp_path / "one.yml"
    book.write_text("- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.ping: {}}]\n")
    one = [str(BIN / "ansible-playbook"), "-i", str(ROOT / "inventories/sandbox"), str(book), "-l", "production"]
    took = []
    for words in (one, command("preflight", "-l", "production")):
        best = 1000.0
        for _attempt in range(3):
            began = time.monotonic()
            subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, check=False, timeout=120)
            best = min(best, time.monotonic() - began)
        took.append(best)
    assert took[1] - took[0] <= 3.0, took
