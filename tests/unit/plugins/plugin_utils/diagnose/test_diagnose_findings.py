# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from what was looked at: nothing from what is well, one finding from one cause, remedies by cost."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import SKIPPED, UNSEEN, part
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose import document, findings, screen
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import Finding, Fleet, Limits
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[5]
SCHEMA = json.loads((ROOT / "schemas" / "diagnose.schema.json").read_text(encoding="utf-8"))
GIB = 1024 * 1024 * 1024
V6, V1 = "20260102T030405Z-v6", "20260101T030405Z-v1"


def container(service: str, **changed: Any) -> dict[str, Any]:
    plain = {
        "id": f"{service[:6]:0<12}", "name": f"notes-{service}-1", "service": service, "slot": "own", "reached": True,
        "image": f"registry.example.com/{service}:v6", "image_id": f"sha256:{service}", "release": None,
        "status": "running", "health": "healthy", "health_log": [], "exit_code": 0, "oom_killed": False, "error": "",
        "restarts": 0, "restart_policy": "unless-stopped", "started": "2026-01-02T02:00:00.123456789Z",
        "finished": "0001-01-01T00:00:00Z", "memory_limit": 0,
    }  # fmt: skip
    return {**plain, **changed}


def release(identifier: str, state: str = "confirmed") -> dict[str, Any]:
    return {"id": identifier, "version": identifier.rpartition("-")[2], "state": state, "slot": "own"}


def well() -> dict[str, Any]:
    """Return what is seen of a host on which all is well."""
    found: dict[str, dict[str, Any]] = {
        "engine": {"version": "26.1.5", "root": "/var/lib/docker", "disks": [], "running": 3, "warnings": []},
        "system": {
            "disks": [
                {
                    "folders": ["/srv/notes", "/var/lib/docker"],
                    "size": 50 * GIB,
                    "free": 20 * GIB,
                    "inodes": 1000000,
                    "inodes_free": 900000,
                    "read_only": False,
                }
            ],
            "memory": 4 * GIB,
            "memory_available": 2 * GIB,
            "swap": 0,
            "swap_free": 0,
            "oom_kills_since_boot": 0,
            "load": [0.5, 0.4, 0.3],
            "cpus": 2,
        },
        "containers": {
            "containers": [container(name) for name in ("backend", "frontend", "postgres", "redis", "nginx")],
            "missing": [],
        },
        "ends": {"seconds": 300.0, "ended": {}, "oom": {}, "codes": {}},
        "usage": {
            "containers": [
                {
                    "service": "backend",
                    "name": "notes-backend-1",
                    "cpu_percent": 5.0,
                    "memory_percent": 1.0,
                    "memory_bytes": 50000000,
                    "limited": False,
                }
            ]
        },
        "release": {
            "managed": True,
            "current": release(V6),
            "since": "2026-01-02T03:04:05.000Z",
            "live_slot": "own",
            "back": release(V1, "superseded"),
            "back_is_warm": False,
            "drift": [],
            "damaged": [],
            "unfinished": None,
            "reverts_at": None,
            "timers": [],
            "lease": None,
            "runs": {"backend": ["sha256:v6b"], "frontend": ["sha256:v6f"]},
        },
        "health": {"url": "http://app.example.com/", "problem": None, "status": 200, "answered": True},
        "logs": {
            "seconds": 300.0,
            "services": [
                {
                    "service": "backend",
                    "errors_before": 0,
                    "errors_after": 0,
                    "new": [],
                    "last_error": "",
                    "problems": [],
                    "lines": ["2026-01-02T03:04:05.123456789Z notes-backend-1 | all is well"],
                }
            ],
        },
        "requests": {
            "service": "nginx",
            "window": 300.0,
            "cut": False,
            "problems": [],
            "requests": 1000,
            "statuses": {"200": 1000},
            "server_errors": 0,
            "failing": [],
            "seconds": {"p50": 0.01, "p95": 0.05, "p99": 0.1},
        },
        "database": {
            "answers": True,
            "runs": True,
            "full": False,
            "container": "notes-postgres-1",
            "version": "17.2",
            "max_connections": 100,
            "reserved": 3,
            "recovery": False,
            "connections": 10,
            "hidden": 0,
            "states": {"idle": 10},
            "clients": {"backend": 10},
            "sessions": [],
        },
        "redis": {
            "service": "redis",
            "runs": True,
            "answers": True,
            "version": "7",
            "used_memory": 1000000,
            "maxmemory": 0,
            "connected_clients": 3,
            "maxclients": 10000,
        },
        "connections": {
            "services": {"backend": {"open": 2, "ports": {"8081": 2}, "websockets": False}},
            "websockets": None,
        },
        "certificate": {"good": True, "says": "TLSv1.3, trusted", "days": 60.0, "not_after": "2026-03-03T00:00:00Z"},
        "clock": {"surely": 0.0, "perhaps": 0.2},
    }
    app = {
        "project": "notes",
        "folder": "/srv/notes",
        "switched": ["backend", "frontend"],
        "proxy": "nginx",
        "database": {"service": "postgres", "name": "notes", "user": "notes"},
    }
    clock = {"began": "2026-01-02T03:10:00.000Z", "ended": "2026-01-02T03:10:01.000Z"}
    parts = {name: part("seen", found=one) for name, one in found.items()}
    return {"outcome": "seen", "app": app, "clock": clock, "parts": parts}


def fleet(*hosts: dict[str, Any], flags: bool = True, **limits: Any) -> Fleet:
    named = {f"prod{number}": host for number, host in enumerate(hosts, 1)}
    return Fleet("production", named, tuple(named), flags, Limits(**limits))


def broken(name: str, **changed: Any) -> dict[str, Any]:
    """Return a host on which one part is different."""
    host = well()
    host["parts"][name]["found"].update(changed)
    return host


def with_container(service: str, **changed: Any) -> dict[str, Any]:
    host = well()
    host["parts"]["containers"]["found"]["containers"] = [
        container(service, **changed) if one["service"] == service else one
        for one in host["parts"]["containers"]["found"]["containers"]
    ]
    return host


def only(found: list[Finding]) -> Finding:
    assert [one.title for one in found] == [found[0].title], [one.title for one in found]
    # Whatever is found can be told in 80 columns.
    return found[0]


def names(finding: Finding) -> list[str]:
    return [one.name for one in finding.remedies]


def test_where_all_is_well_nothing_stands_out() -> None:
    given = fleet(well(), well())
    assert findings.of(given) == []
    told = document.of(given, [])
    Draft7Validator(SCHEMA).validate(told)
    assert told["verdict"] == "nothing"
    assert "Nothing stands out in what was looked at." in screen.lines(given, [], 2)


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


# (what is broken, kind, severity, first remedies)
CASES: list[tuple[dict[str, Any], str, str, list[str]]] = [
    (with_container("redis", status="exited", finished="2026-01-02T03:05:00Z"), "stopped", "critical", ["restart"]),
    (
        with_container("backend", status="exited", exit_code=1),
        "stopped",
        "critical",
        ["restart", "rollback"],
    ),
    (with_container("backend", status="restarting", exit_code=3), "crash_loop", "critical", ["rollback", "hotfix"]),
    (
        with_container("backend", restarts=5, started="2026-01-02T03:09:30Z"),
        "crash_loop",
        "critical",
        ["rollback", "hotfix"],
    ),
    (
        with_container("backend", oom_killed=True, memory_limit=100 * 1024 * 1024),
        "out_of_memory",
        "serious",
        ["restart", "rollback"],
    ),
    (with_container("backend", status="paused"), "frozen", "critical", ["thaw"]),
    (
        with_container("backend", health="unhealthy", health_log=[{"exit_code": 1, "output": "no\nanswer"}]),
        "unhealthy",
        "critical",
        ["restart", "rollback"],
    ),
    (broken("containers", missing=["redis"]), "missing", "critical", ["up"]),
    (broken("database", answers=False, full=True, says="FATAL: too many"), "connections", "critical", ["restart"]),
    (broken("database", connections=97), "connections", "critical", ["restart", "rollback"]),
    (broken("database", connections=85), "connections", "serious", ["restart", "rollback"]),
    (broken("database", answers=False, says="FATAL: no such role"), "database", "critical", ["restart"]),
    (broken("redis", answers=False, says="refused"), "redis", "critical", ["restart"]),
    (broken("redis", maxmemory=1000001, maxmemory_policy="noeviction"), "redis_memory", "critical", ["logs"]),
    (broken("redis", rdb_last_bgsave_status="err"), "redis_disk", "serious", ["logs"]),
    (broken("redis", connected_clients=9500), "redis_clients", "serious", ["restart"]),
    (broken("health", problem="it answered 500, not 200", status=500), "health", "critical", ["restart", "rollback"]),
    (broken("certificate", good=False, says="it expired 3 days ago"), "certificate", "critical", ["ssl_renew"]),
    (broken("certificate", days=3.0), "certificate", "serious", ["ssl_renew"]),
    (broken("certificate", good=False, says="it still takes TLSv1"), "certificate", "notice", []),
    (broken("clock", surely=-5.0), "clock", "notice", ["clock"]),
    (broken("clock", surely=90.0), "clock", "serious", ["clock"]),
    (broken("system", memory_available=GIB // 50), "memory", "critical", ["top"]),
    (broken("system", load=[9.0, 8.5, 3.0]), "load", "serious", ["top"]),
    (broken("release", drift=["frontend was started by hand"]), "drift", "serious", ["rollback", "deploy"]),
    (broken("release", managed=False, current=None, back=None), "unmanaged", "notice", ["adopt"]),
    (broken("release", damaged=[V1]), "damaged", "serious", ["releases"]),
    (broken("release", reverts_at="2026-01-02T03:14:05.000Z"), "unconfirmed", "notice", ["confirm"]),
    (broken("release", lease="bob@laptop (deploy)"), "lease", "notice", ["releases"]),
    (
        broken("release", unfinished={"action": "deploy", "release": V6, "at": "x", "owner": "y", "step": "switch"}),
        "unfinished",
        "serious",
        ["rollback"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("host", "kind", "severity", "first"), CASES, ids=[f"{c[1]}-{c[2]}" for c in CASES])
def test_one_cause_is_one_finding_with_its_remedy(
    host: dict[str, Any], kind: str, severity: str, first: list[str]
) -> None:
    given = fleet(host)
    found = only(findings.of(given))
    assert (found.kind, found.severity) == (kind, severity)
    assert names(found)[: len(first)] == first
    assert all(remedy.command and remedy.changes for remedy in found.remedies)
    Draft7Validator(SCHEMA).validate(document.of(given, [found]))
    shown = screen.lines(given, [found], 2)
    assert max(map(len, shown)) <= 80
    assert found.title in " ".join(" ".join(shown).split())


def disk(**changed: Any) -> dict[str, Any]:
    host = well()
    host["parts"]["system"]["found"]["disks"][0].update(changed)
    return host


@pytest.mark.parametrize(
    ("host", "kind", "severity", "first"),
    [
        (disk(free=0), "disk", "critical", "prune"),
        (disk(free=800 * 1024 * 1024), "disk", "serious", "prune"),
        (disk(free=0, folders=["/srv/notes"]), "disk", "critical", "space"),
        (disk(inodes_free=12), "inodes", "critical", "inodes"),
    ],
)
def test_disks(host: dict[str, Any], kind: str, severity: str, first: str) -> None:
    found = only(findings.of(fleet(host)))
    assert (found.kind, found.severity, names(found)[0]) == (kind, severity, first)


def test_an_engine_that_keeps_its_things_elsewhere() -> None:
    host = well()
    own = host["parts"]["system"]["found"]["disks"][0] | {"folders": ["/data/docker"], "free": 0}
    host["parts"]["engine"]["found"].update(root="/data/docker", disks=[own])
    found = only(findings.of(fleet(host)))
    assert "on the disk of /data/docker" in found.details["prod1"]
    assert names(found) == ["prune", "space"]


def test_a_disk_without_a_number_of_files_has_no_lack_of_them() -> None:
    assert findings.of(fleet(disk(inodes=None, inodes_free=None))) == []


class TestRequests:
    FAILS = broken(
        "requests", server_errors=200, statuses={"200": 800, "500": 200}, failing=[{"path": "/api/notes", "count": 200}]
    )

    def test_the_kill_switch_comes_first_where_there_is_one(self) -> None:
        found = only(findings.of(fleet(self.FAILS)))
        assert (found.kind, found.severity) == ("failed_requests", "critical")
        assert names(found) == ["flag", "restart", "rollback", "hotfix"]
        assert "200 of 1000 requests (20.0 %) failed in 5 min: /api/notes (200)." in found.details["prod1"]
        assert names(only(findings.of(fleet(self.FAILS, flags=False))))[0] == "restart"

    def test_a_warm_way_back_is_cheaper_than_a_restart(self) -> None:
        host = copy.deepcopy(self.FAILS)
        host["parts"]["release"]["found"]["back_is_warm"] = True
        found = only(findings.of(fleet(host)))
        assert names(found) == ["flag", "switch_back", "restart", "hotfix"]
        assert found.remedies[1].command == "ansible-playbook playbooks/rollback.yml -l production"
        assert V1 in found.remedies[1].changes

    def test_one_warm_host_of_two_is_not_warm(self) -> None:
        host = copy.deepcopy(self.FAILS)
        host["parts"]["release"]["found"]["back_is_warm"] = True
        found = only(findings.of(fleet(host, self.FAILS)))
        assert names(found) == ["flag", "restart", "rollback", "hotfix"]
        assert set(found.details) == {"prod1", "prod2"}
        assert found.remedies[1].command.startswith("ansible-playbook playbooks/restart.yml -l production -e")

    def test_where_there_is_no_way_back_none_is_recommended(self) -> None:
        host = copy.deepcopy(self.FAILS)
        host["parts"]["release"]["found"]["back"] = None
        assert names(only(findings.of(fleet(host)))) == ["flag", "restart", "hotfix"]

    def test_some_failures_are_serious_and_few_are_nothing(self) -> None:
        some = broken("requests", server_errors=20, statuses={"200": 980, "502": 20}, failing=[])
        assert only(findings.of(fleet(some))).severity == "serious"
        assert findings.of(fleet(broken("requests", server_errors=2, statuses={"500": 2}, failing=[]))) == []

    def test_slow_ones_and_those_of_which_nobody_knows(self) -> None:
        slow = broken("requests", seconds={"p50": 0.1, "p95": 2.5, "p99": 3.0})
        found = only(findings.of(fleet(slow)))
        assert (found.kind, names(found)[0]) == ("slow", "flag")
        assert findings.of(fleet(slow, slow=3.0)) == []
        unknown = fleet(broken("requests", seconds=None))
        assert findings.of(unknown) == []
        assert "how long they took is unknown" in "\n".join(screen.lines(unknown, [], 0))


def test_all_that_was_stopped_is_started_in_one_go() -> None:
    host = with_container("redis", status="exited")
    for one in host["parts"]["containers"]["found"]["containers"]:
        one["status"] = "exited"
    (stopped,) = findings.of(fleet(host))
    (remedy,) = stopped.remedies
    assert (stopped.kind, stopped.title) == ("stopped", "What users need does not run")
    assert remedy.command.endswith("-e services=backend,frontend,nginx,postgres,redis")


def test_what_users_notice_leads_to_its_cause() -> None:
    host = with_container("redis", status="exited")
    host["parts"]["health"]["found"].update(problem="it answered 503, not 200", status=503)
    host["parts"]["redis"]["found"] = {"service": "redis", "runs": False, "answers": False, "says": "it does not run"}
    stopped, health = findings.of(fleet(host))
    assert (stopped.kind, health.kind) == ("stopped", "health")
    assert health.follows == "redis does not run"
    assert health.remedies == stopped.remedies[:1]


def test_what_is_broken_on_another_host_is_no_cause() -> None:
    other = broken("health", problem="it answered 503, not 200", status=503)
    found = findings.of(fleet(with_container("redis", status="exited"), other))
    assert [one.follows for one in found] == [None, None]


def test_new_errors_of_switched_services_are_worse_than_those_of_others() -> None:
    for service, severity in (("backend", "serious"), ("postgres", "notice")):
        host = well()
        one = host["parts"]["logs"]["found"]["services"][0]
        one.update(service=service, errors_after=7, new=["ERROR no such column"])
        found = only(findings.of(fleet(host)))
        assert (found.kind, found.severity) == ("new_errors", severity)
        assert "7 error lines in 5 min, and none in the 15 min before: ERROR no such column" in found.details["prod1"]


class TestUnseen:
    def test_a_host_that_cannot_be_reached_is_not_well(self) -> None:
        away = {"outcome": "unreachable", "unreachable_why": "No route to host", "parts": {}}
        given = fleet(well(), away)
        found = only(findings.of(given))
        assert (found.kind, found.severity) == ("not_looked_at", "unknown")
        assert found.details == {"prod2": "No route to host."}
        assert document.of(given, [found])["hosts"]["prod2"]["seen"] is False
        assert "1 of 2 hosts looked at" in screen.lines(given, [found], 0)[0]

    def test_a_module_that_died_is_told(self) -> None:
        found = only(findings.of(fleet({"outcome": "failed", "msg": "MemoryError"})))
        assert found.details == {"prod1": "MemoryError."}

    def test_a_part_is_told_with_what_would_mend_it(self) -> None:
        host = well()
        host["parts"]["database"] = part(UNSEEN, why="It did not end within 8 s.", next_step="see what it waits for.")
        host["parts"]["redis"] = part(SKIPPED, why="No service has an image of Redis.")
        given = fleet(host)
        found = only(findings.of(given))
        assert (found.kind, found.severity) == ("unseen", "unknown")
        assert found.title == "Could not look at the database"
        assert found.remedies[0].command == "see what it waits for."
        shown = "\n".join(screen.lines(given, [found], 0))
        assert "database      NOT SEEN: It did not end within 8 s." in shown
        assert "redis         not configured: No service has an image of Redis." in shown

    def test_an_engine_that_hangs_is_one_finding(self) -> None:
        host = well()
        for number, name in enumerate(("engine", "containers", "usage", "logs", "requests", "database", "redis")):
            host["parts"][name] = part(UNSEEN, why=f"'docker {number}' did not end.", next_step="look at the engine.")
        found = only(findings.of(fleet(host)))
        assert found.title == "The Docker engine does not answer"
        assert "logs, requests, the database, Redis" in found.details["prod1"]
        assert names(found) == ["mend", "engine"]


class TestDatabase:
    def sessions(self, *sessions: dict[str, Any]) -> dict[str, Any]:
        plain = {"state": "active", "seconds": 0.1, "transaction_seconds": 0.1, "client": "backend", "blocked_by": []}
        return broken("database", sessions=[{**plain, "query": "SELECT ?", **one} for one in sessions])

    def test_who_holds_a_lock_is_told_and_not_who_waits(self) -> None:
        host = self.sessions(
            {"pid": 7, "state": "idle in transaction", "transaction_seconds": 99.0},
            {"pid": 8, "seconds": 40.0, "blocked_by": [7]},
            {"pid": 9, "seconds": 45.0, "blocked_by": [7, 8]},
        )
        found = only(findings.of(fleet(host)))
        assert (found.kind, found.severity, names(found)) == ("locks", "critical", ["end_session"])
        assert "2 queries wait for up to 45 s; process 7 of backend does nothing" in found.details["prod1"]
        assert found.remedies[0].command == (
            "on prod1: docker exec notes-postgres-1 psql -U notes -d notes -c 'SELECT pg_terminate_backend(7)'"
        )

    def test_a_query_that_holds_a_lock_is_cancelled(self) -> None:
        host = self.sessions({"pid": 7, "seconds": 3.0}, {"pid": 8, "seconds": 2.0, "blocked_by": [7]})
        found = only(findings.of(fleet(host)))
        assert (found.kind, found.severity, names(found)) == ("locks", "serious", ["cancel"])

    def test_long_queries_and_transactions_that_are_left_open(self) -> None:
        found = findings.of(
            fleet(
                self.sessions(
                    {"pid": 7, "seconds": 31.0},
                    {"pid": 8, "state": "idle in transaction", "seconds": 31.0, "transaction_seconds": 31.0},
                    {"pid": 9, "seconds": 29.0},
                )
            )
        )
        assert [(one.kind, names(one)) for one in found] == [
            ("long_query", ["cancel"]),
            ("idle_transaction", ["end_session"]),
        ]

    def test_who_holds_most_connections_is_started_anew(self) -> None:
        found = only(findings.of(fleet(broken("database", connections=90, clients={"psql": 50, "frontend": 40}))))
        assert found.remedies[0].command.endswith("-e services=frontend")
        assert "by psql 50, frontend 40" in found.details["prod1"]


class TestFleet:
    def test_versions_that_differ(self) -> None:
        newer, older = well(), well()
        older["parts"]["release"]["found"].update(
            current=release(V1), back=None, runs={"backend": ["sha256:v1b"], "frontend": ["sha256:v6f"]}
        )
        found = only(findings.of(fleet(newer, older)))
        assert (found.kind, found.severity) == ("mixed", "serious")
        assert found.details["prod1"] == f"{V6} (confirmed); backend sha256:v6b."
        assert names(found) == ["rollback", "deploy"]
        assert found.remedies[1].command.endswith("deploy.yml -l production -e version=v6")

    def test_a_service_that_does_not_run_is_no_other_version(self) -> None:
        other = broken("release", runs={"backend": [], "frontend": ["sha256:v6f"]})
        assert findings.of(fleet(well(), other)) == []

    def test_the_same_on_several_hosts_is_one_finding(self) -> None:
        found = only(findings.of(fleet(broken("certificate", days=3.0), broken("certificate", days=4.0))))
        assert found.remedies[0].command == "ansible-playbook playbooks/ssl_renew.yml -l production"
        one = Fleet("production", {"prod1": broken("certificate", days=3.0)}, ("prod1", "prod2"))
        assert only(findings.of(one)).remedies[0].command.endswith("-l prod1")

    def test_the_worst_comes_first(self) -> None:
        host = broken("certificate", days=3.0)
        host["parts"]["clock"]["found"]["surely"] = 5.0
        host["parts"]["redis"] = part(UNSEEN, why="late", next_step="look again.")
        host["parts"]["system"]["found"]["disks"][0]["free"] = 0
        found = findings.of(fleet(host))
        assert [one.severity for one in found] == ["critical", "unknown", "serious", "notice"]
        assert document.verdict(found) == "critical"


def test_a_container_that_did_its_work_is_no_finding() -> None:
    assert findings.of(fleet(with_container("redis", status="exited", restart_policy="no"))) == []


def test_containers_that_users_do_not_reach_are_none() -> None:
    assert findings.of(fleet(with_container("backend", status="exited", exit_code=1, reached=False))) == []


def test_ends_and_lack_of_memory_that_the_engine_remembers_count() -> None:
    host = with_container("backend", restarts=1)
    name = container("backend")["id"]
    host["parts"]["ends"]["found"].update(ended={name: 4}, oom={}, codes={name: 3})
    looping = only(findings.of(fleet(host)))
    assert looping.kind == "crash_loop"
    assert looping.details["prod1"] == "notes-backend-1 is running, 4 restarts; it ended with exit code 3 last."
    host["parts"]["ends"]["found"].update(ended={name: 1}, oom={name: 1})
    assert only(findings.of(fleet(host))).kind == "out_of_memory"


def test_long_words_and_many_hosts_stay_within_80_columns_and_commands_whole() -> None:
    host = with_container("backend", health="unhealthy", health_log=[{"exit_code": 1, "output": "x" * 300}])
    host["parts"]["logs"]["found"]["services"][0]["lines"] = ["2026-01-02T03:04:05.1Z notes-backend-1 | " + "ä" * 300]
    given = Fleet("production", {f"a-host-with-a-long-name-{number}": host for number in range(5)}, ("other",))
    found = findings.of(given)
    shown = screen.lines(given, found, 2)
    begin = next(number for number, line in enumerate(shown) if "Next:" in line)
    end = next(number for number in range(begin, len(shown)) if not shown[number].endswith("\\"))
    typed = " ".join(line.rstrip("\\").strip() for line in shown[begin : end + 1]).removeprefix("Next: ")
    assert typed == found[0].remedies[0].command
    assert max(len(line) for line in shown if "a-host-with-a-long-name-0,a-host" not in line) <= 80
