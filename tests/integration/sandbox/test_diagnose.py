# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnosis against the sandbox: what is broken there for real is found, with what would help."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sandbox import config as sandbox_config
from sandbox import faults, https
from tests.integration.driver import (
    NO_BASELINE,
    ROOT,
    UNCHECKED,
    Host,
    Played,
    command,
    environment,
    play,
)

SCHEMA = json.loads((ROOT / "schemas/diagnose.schema.json").read_text(encoding="utf-8"))
SECRETS = [ROOT / ".sandbox" / name for name in ("admin-token", "registry-password", "postgres-password")]


class Diagnosis:
    """One diagnosis, and what it found by kind."""

    def __init__(self, folder: Path, *arguments: str, limit: str = "staging", **variables: Any) -> None:
        file = folder / "found.json"
        given = json.dumps({"diagnose_json": str(file), **variables})
        began = time.monotonic()
        self.played: Played = play("diagnose", "-l", limit, "-e", given, *arguments)
        self.seconds = time.monotonic() - began
        assert file.exists(), self.played.raw
        self.document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        jsonschema.validate(self.document, SCHEMA)
        self.kinds = [one["kind"] for one in self.document["findings"]]
        self.findings: dict[str, dict[str, Any]] = {}
        for one in self.document["findings"]:
            self.findings.setdefault(one["kind"], one)

    def found(self, part: str, host: str = "staging1") -> dict[str, Any]:
        one: dict[str, Any] = self.document["hosts"][host]["parts"][part]
        assert one["status"] == "seen", one
        found: dict[str, Any] = one["found"]
        return found

    def next(self, kind: str) -> str:
        """The command that is recommended."""
        told: str = self.findings[kind]["remedies"][0]["command"]
        assert self.findings[kind]["remedies"][0]["changes"]
        return told


def test_all_is_looked_at_and_nothing_is_changed(managed: Host, tmp_path: Path) -> None:
    before = managed.fingerprint()
    for _number in range(3):
        https.app(sandbox_config.host("staging1"), "/api/health")
    seen = Diagnosis(tmp_path)
    assert seen.played.code == 0, seen.played.raw
    parts = seen.document["hosts"]["staging1"]["parts"]
    assert {name: one["why"] for name, one in parts.items() if one["status"] != "seen"} == {}
    assert seen.found("release")["current"]["version"] == "v6"
    assert {one["service"] for one in seen.found("usage")["containers"]} >= {"backend", "postgres", "redis", "nginx"}
    assert seen.found("requests")["requests"] >= 3
    assert seen.found("requests")["seconds"] is None
    assert seen.found("database")["connections"] >= 1
    assert seen.found("redis")["used_memory"] > 0
    assert seen.found("certificate")["days"] > 100
    assert seen.found("connections")["websockets"] is not None
    assert {one["service"] for one in seen.found("logs")["services"]} >= {"backend", "hocuspocus", "nginx", "postgres"}
    assert not {"stopped", "database", "redis", "health", "unseen", "engine"} & set(seen.kinds), seen.document[
        "findings"
    ]
    assert managed.fingerprint() == before
    assert (tmp_path / "found.json").stat().st_mode & 0o777 == 0o600


def test_a_host_that_cannot_be_reached_fails_the_run_and_is_told(managed: Host, tmp_path: Path) -> None:
    with faults.ssh_cut("staging1"):
        seen = Diagnosis(tmp_path, ansible_ssh_args="-o ControlPath=none", ansible_ssh_timeout=3)
    assert seen.played.code == 2, seen.played.raw
    assert seen.document["verdict"] == "unknown"
    assert seen.kinds == ["not_looked_at"]
    # What users get can be looked at all the same.
    assert seen.document["hosts"]["staging1"]["parts"]["certificate"]["status"] == "seen"


def test_no_output_shows_a_secret_and_no_incident_is_opened(managed: Host, tmp_path: Path) -> None:
    incidents, log = tmp_path / "incidents", tmp_path / "ansible.log"
    done = subprocess.run(
        [*command("diagnose", "-l", "staging", "-vvv", "-e", f"diagnose_json={tmp_path}/found.json")],
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


@pytest.fixture(scope="module")
def broken(bare: Host) -> Host:
    """A staging host under management, for tests that break it and mend it."""
    done = play(
        "deploy", "-l", "staging", "-e", "version=v6", "-e", "hotfix_strategy=recreate", *UNCHECKED, *NO_BASELINE
    )
    assert done.code == 0, done.raw
    return bare


@pytest.mark.slow
@pytest.mark.usefixtures("broken")
class TestBroken:
    """What is broken for real on a host."""

    def test_a_database_without_connections_left(self, tmp_path: Path) -> None:
        with faults.connections_taken("staging1", "notes-backend-1", 110):
            seen = Diagnosis(tmp_path)
        assert seen.findings["connections"]["severity"] == "critical"
        assert "too many clients" in seen.findings["connections"]["details"]["staging1"]
        assert "restart.yml -l staging -e services=backend" in seen.next("connections")

    def test_a_database_that_is_short_of_connections_and_who_holds_them(self, tmp_path: Path) -> None:
        with faults.connections_taken("staging1", "notes-backend-1", 85):
            seen = Diagnosis(tmp_path)
        assert "by backend 8" in seen.findings["connections"]["details"]["staging1"]
        assert seen.findings["connections"]["severity"] in ("serious", "critical")
        assert seen.next("connections").endswith("restart.yml -l staging -e services=backend")

    def test_queries_that_wait_for_a_lock(self, tmp_path: Path) -> None:
        with faults.lock_held("staging1", "notes-backend-1"):
            waiting = "SELECT count(*) FROM notes WHERE title = 's3cret-value'"
            words = ("exec", "--detach", "notes-postgres", "psql", "-U", "notes", "-d", "notes", "-c", waiting)
            faults.nested_docker("staging1", *words)
            time.sleep(2)
            seen = Diagnosis(tmp_path, diagnose_long_query=1)
        told = seen.findings["locks"]
        assert told["severity"] == "critical"
        assert "does nothing in an open transaction" in told["details"]["staging1"]
        assert "LOCK TABLE notes" in told["details"]["staging1"]
        assert "pg_terminate_backend(" in seen.next("locks")
        assert "s3cret-value" not in json.dumps(seen.document)

    def test_a_container_that_is_out_of_memory(self, tmp_path: Path) -> None:
        faults.starve_of_memory("staging1", "notes-backend-1")
        try:
            seen = Diagnosis(tmp_path)
        finally:
            faults.feed_with_memory("staging1", "notes-backend-1")
        assert seen.findings["out_of_memory"]["title"] == "backend runs out of memory"
        assert "its limit is 100 MB" in seen.findings["out_of_memory"]["details"]["staging1"]
        assert "restart.yml" in seen.next("out_of_memory")

    def test_a_crash_loop(self, tmp_path: Path) -> None:
        # Not the one that was out of memory: the engine remembers that for a while.
        with faults.crash_looping("staging1", "notes-backend-2", "notes-backend-1"):
            seen = Diagnosis(tmp_path)
        assert seen.findings["crash_loop"]["severity"] == "critical"
        assert "exit code 3" in seen.findings["crash_loop"]["details"]["staging1"]
        # To start once more what cannot run is no remedy.
        assert "rollback.yml -l staging" in seen.next("crash_loop")

    def test_a_certificate_that_has_expired(self, tmp_path: Path) -> None:
        with faults.certificate_expired("staging1"):
            seen = Diagnosis(tmp_path)
        assert seen.findings["certificate"]["severity"] == "critical"
        assert "expired" in seen.findings["certificate"]["details"]["staging1"]
        assert seen.next("certificate") == "ansible-playbook playbooks/ssl_renew.yml -l staging"

    def test_redis_that_was_stopped(self, tmp_path: Path) -> None:
        faults.stop_service("staging1", "redis")
        try:
            seen = Diagnosis(tmp_path)
        finally:
            faults.start_service("staging1", "redis")
        assert seen.findings["stopped"]["title"] == "redis does not run"
        assert seen.next("stopped") == "ansible-playbook playbooks/restart.yml -l staging -e services=redis"
        assert "redis" not in seen.kinds

    def test_a_database_that_hangs_holds_up_nothing(self, tmp_path: Path) -> None:
        with faults.database_hanging("staging1"):
            seen = Diagnosis(tmp_path)
        parts = seen.document["hosts"]["staging1"]["parts"]
        # It was waited for as long as a server may take to let somebody in, and no longer.
        assert parts["database"]["found"]["answers"] is False
        assert "timeout expired" in seen.findings["database"]["details"]["staging1"]
        assert seen.findings["database"]["severity"] == "critical"
        assert parts["redis"]["status"] == parts["containers"]["status"] == "seen"
        assert seen.seconds < 20

    def test_an_engine_that_hangs_is_one_finding(self, broken: Host, tmp_path: Path) -> None:
        with faults.engine_hanging(broken.name):
            seen = Diagnosis(tmp_path, diagnose_timeout=4)
        assert seen.played.code == 0, "the host was looked at"
        assert seen.kinds.count("engine") == 1
        assert "unseen" not in seen.kinds
        assert seen.document["verdict"] in ("unknown", "critical")
        assert seen.document["hosts"]["staging1"]["parts"]["system"]["status"] == "seen"
        assert seen.seconds < 20

    def test_errors_that_are_new_and_requests_that_fail(self, tmp_path: Path) -> None:
        faults.stop_service("staging1", "hocuspocus")
        item = sandbox_config.host("staging1")
        try:
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(lambda _number: https.app(item, "/ws"), range(6)))
            seen = Diagnosis(tmp_path)
        finally:
            faults.start_service("staging1", "hocuspocus")
        assert "/ws (" in seen.findings["failed_requests"]["details"]["staging1"]
        # It is told why, and what mends that.
        assert seen.findings["failed_requests"]["follows"] == "hocuspocus does not run"
        assert seen.next("failed_requests") == seen.next("stopped")

    def test_connections_that_stay_are_counted(self, tmp_path: Path) -> None:
        item = sandbox_config.host("staging1")
        before = Diagnosis(tmp_path).found("connections")["websockets"]
        opened = [web_socket(item) for _number in range(5)]
        try:
            during = Diagnosis(tmp_path).found("connections")["websockets"]
        finally:
            for one in opened:
                one.close()
        after = Diagnosis(tmp_path).found("connections")["websockets"]
        # The app's own services come and go there too.
        assert during - before >= 5
        assert during - after >= 5

    def test_what_was_found_is_evidence_of_an_open_incident(self, tmp_path: Path) -> None:
        incidents = tmp_path / "incidents"
        given = environment(SANDBOX_INCIDENTS=str(incidents))
        opening = command("incident", "-l", "staging", "-e", "state=opened", "-e", "title=broken", "-e", "severity=2")
        opening += ["-e", "criterion=outage"]
        opened = subprocess.run(opening, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=120)
        assert opened.returncode == 0, opened.stdout
        looked = command("diagnose", "-l", "staging")
        done = subprocess.run(looked, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=120)
        assert "kept as evidence" in done.stdout, done.stdout
        (folder,) = [one for one in incidents.iterdir() if one.is_dir() and (one / "evidence").is_dir()]
        (file,) = (folder / "evidence").glob("diagnosis-*")
        jsonschema.validate(json.loads(file.read_text(encoding="utf-8")), SCHEMA)

    def test_a_disk_that_is_full(self, tmp_path: Path) -> None:
        faults.shrink_disk("staging1", 200)
        try:
            faults.fill_disk("staging1")
            seen = Diagnosis(tmp_path)
        finally:
            faults.restore_disk("staging1")
            # What it mounts from there is another folder of that name now.
            faults.nested_docker("staging1", "restart", "notes-nginx")
        assert seen.findings["disk"]["severity"] == "critical"
        assert "0 MB of 200 MB are free on the disk of /srv/notes" in seen.findings["disk"]["details"]["staging1"]
        assert seen.next("disk") == "on staging1: du -xh --max-depth=2 /srv/notes | sort -h | tail"

    # The last one: what it does by hand is not mended.
    def test_a_change_by_hand(self, broken: Host, tmp_path: Path) -> None:
        change = "cd /srv/notes && docker compose up --detach --no-deps frontend"
        broken.run("su", "deploy", "-c", change)
        seen = Diagnosis(tmp_path)
        assert "frontend" in seen.findings["drift"]["details"]["staging1"]
        assert [one["name"] for one in seen.findings["drift"]["remedies"]] == ["rollback", "deploy"]


@pytest.mark.slow
def test_versions_that_differ_between_hosts(production: list[Host], tmp_path: Path) -> None:
    for version, hosts in (("v1", "production"), ("v6", "production")):
        done = play("deploy", "-l", hosts, "-e", f"version={version}", *UNCHECKED, *NO_BASELINE)
        assert done.code == 0, done.raw
    assert play("rollback", "-l", "prod2", "-e", "rollback_look=false").code == 0
    seen = Diagnosis(tmp_path, limit="production")
    mixed = seen.findings["mixed"]
    assert set(mixed["details"]) == {"prod1", "prod2"}
    assert "v6" in mixed["details"]["prod1"]
    assert "v1" in mixed["details"]["prod2"]
    names = [one["name"] for one in mixed["remedies"]]
    assert names[-1] == "deploy"
    assert names[0] in ("switch_back", "rollback")
    assert len(production) == 2


def web_socket(item: sandbox_config.Host) -> socket.socket:
    """Open a WebSocket as a browser does, and keep it."""
    raw = socket.create_connection((item.address, sandbox_config.HTTP_PORT), timeout=10)
    raw.sendall(
        b"GET /ws HTTP/1.1\r\nHost: app.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b" 101 " in raw.recv(4096)
    return raw
