# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database is backed up and migrated with a deploy, judged before a rollback, and restored only when told to."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox import faults, lifecycle
from tests.integration.driver import APP, NO_BASELINE, Host, Played, play, start

NAME = "staging1"
LIMIT = ("-l", "staging")
AGREED = ("-e", "migration_reason='agreed with support'")
ROWS = "SELECT notes FROM notes ORDER BY id"
# Some 95 MB that cannot be compressed to less than half.
BIG = """
INSERT INTO notes (id, title, content)
SELECT 'big' || n, 'b', (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1500) WHERE n > 0)
  FROM generate_series(1, 2000) n
"""
# The module is the Python that has the app's lock open.
KILL_MODULE = f"""
for process in /proc/[0-9]*; do
  if [ "$(cat $process/comm 2>/dev/null)" = python3 ] && ls -l $process/fd 2>/dev/null | grep -q ' {APP}/lock$'; then
    kill -9 "${{process#/proc/}}" && found=1
  fi
done
[ "${{found:-}}" ]
"""


def sql(host: Host, statement: str, database: str = "notes") -> list[str]:
    """Ask the database, past the app."""
    command = ("psql", "-U", "notes", "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtc", statement)
    return host.docker("exec", "notes-postgres", *command).splitlines()


def save(host: Host, title: str) -> bool:
    """Save a note as a user does."""
    post = ["-H", "Content-Type: application/json", "-d", json.dumps({"title": title, "content": "c"})]
    where = ["-H", "Host: app.example.com", "http://127.0.0.1/api/notes/share"]
    return host.run("curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *post, *where) in ("200", "201")


def titles(host: Host, database: str = "notes") -> list[str]:
    return sql(host, "SELECT title FROM notes ORDER BY title", database)


def deploy(version: str, *arguments: str) -> Played:
    return play("deploy", *LIMIT, "-e", f"version={version}", *NO_BASELINE, *arguments)


def rollback(*arguments: str) -> Played:
    return play("rollback", *LIMIT, *arguments)


def offered(refused: Played) -> str:
    """Return what a refused rollback told to type for a restore."""
    assert refused.code != 0, refused.raw
    found = re.search(r"-e (restore=[0-9]{4}-[0-9TZ:-]+Z)", refused.text)
    assert found, refused.raw
    return found.group(1)


def backups(host: Host) -> list[str]:
    return sorted(host.run("sh", "-c", f"ls -A {APP}/backups 2>/dev/null || true").split())


def migrations(host: Host) -> list[tuple[str, str]]:
    """Kind and outcome of what is recorded as applied."""
    listed = faults.on_host(host.name, "cat", f"{APP}/schema.json", check=False)
    entries = json.loads(listed)["entries"] if listed.startswith("{") else []
    return [(entry["kind"], entry["outcome"]) for entry in entries]


def wait_for_step(host: Host, step: str) -> None:
    end = time.monotonic() + 60
    while step not in host.steps_begun():
        assert time.monotonic() < end, f"never came to {step}"
        time.sleep(0.05)


@contextmanager
def table_locked(host: Host, seconds: int) -> Iterator[None]:
    """Keep migrations waiting for the table of notes, for the block and at most some seconds."""
    hold = f"BEGIN; LOCK TABLE notes IN SHARE MODE; SELECT pg_sleep({seconds})"
    command = ("psql", "-U", "notes", "-d", "notes", "-v", "ON_ERROR_STOP=1", "-c", hold)
    host.docker("exec", "--detach", "notes-postgres", *command)
    end = time.monotonic() + 10
    waiting = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND granted AND relation = 'notes'::regclass"
    while sql(host, waiting) != ["1"]:
        assert time.monotonic() < end, "the table was never locked"
    try:
        yield
    finally:
        sql(host, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE notes%'")


@pytest.fixture
def migrated(staging: Host) -> Host:
    """A host on which v5 replaced v1 and migrated, with a note saved before and one after."""
    assert save(staging, "before")
    done = deploy("v5", *AGREED)
    assert done.code == 0, done.raw
    assert save(staging, "after")
    return staging


def test_an_incompatible_migration_and_the_restore_that_undoes_it(staging: Host) -> None:
    assert save(staging, "before")
    rows, containers = sql(staging, ROWS), staging.containers()
    refused = deploy("v5")
    assert refused.code != 0
    assert "a migration that the version that runs now cannot live with: backend (incompatible)" in refused.text
    assert "migration_reason=" in refused.text
    assert (staging.containers(), backups(staging)) == (containers, [])

    done = deploy("v5", *AGREED)
    assert done.code == 0, done.raw
    assert staging.served() == ("v5", True)
    assert migrations(staging) == [("incompatible", "done")]
    (record, dump) = sorted(backups(staging), key=lambda name: name.endswith(".dump"))
    assert "read back in full" in done.text
    assert json.loads(staging.run("cat", f"{APP}/backups/{record}"))["verified_at"]
    assert staging.run("stat", "-c", "%a", f"{APP}/backups/{dump}").strip() == "600"

    found = rollback()
    assert "cannot live with the schema" in found.text
    assert staging.served()[0] == "v5"
    saved = titles(staging)
    done = rollback("-e", offered(found))
    assert done.code == 0, done.raw
    # Exactly what was announced: all of before, nothing of after; and what there was is kept.
    assert sql(staging, ROWS) == rows
    (kept,) = [name for name in sql(staging, "SELECT datname FROM pg_database") if name.startswith("notes_before_")]
    assert kept in done.text
    assert titles(staging, kept) == saved
    assert staging.served() == ("v1", True)
    assert migrations(staging) == []
    password = staging.run("sh", "-c", f"sed -n 's/^POSTGRES_PASSWORD=//p' {APP}/.env").strip()
    for text in (done.raw, staging.run("cat", f"{APP}/journal.jsonl", f"{APP}/schema.json")):
        assert password not in text


@pytest.mark.slow
def test_a_compatible_migration_needs_no_word_and_the_rollback_leaves_the_database_alone(staging: Host) -> None:
    assert deploy("v7").code == 0
    assert staging.served() == ("v7", True)
    assert save(staging, "after")
    assert migrations(staging) == [("compatible", "done")]
    # A word for a restore that is not needed restores nothing.
    done = rollback("-e", "restore=2026-01-01T00:00:00Z")
    assert done.code == 0, done.raw
    assert "ran a compatible migration: the older code may run on its schema" in done.text
    assert staging.served() == ("v1", True)
    assert "after" in titles(staging)


@pytest.mark.slow
def test_a_young_backup_counts_until_the_schema_changes(staging: Host) -> None:
    assert deploy("v6").code == 0
    first = backups(staging)
    assert "a verified one from before counts" in deploy("v1").text
    assert backups(staging) == first
    assert deploy("v7").code == 0
    assert backups(staging) == first
    assert "a verified one from before counts" not in deploy("v6").text
    assert len(backups(staging)) == len(first) + 2


@pytest.mark.slow
def test_without_a_declared_database_a_deploy_wants_a_reason(staging: Host) -> None:
    undeclared = ("-e", '{"hotfix_database": null, "hotfix_migration": null}')
    refused = deploy("v6", *undeclared)
    assert refused.code != 0
    assert "Whether this app has a database is not declared" in refused.text
    assert staging.steps_begun() == []
    done = deploy("v6", *undeclared, "-e", "backup_skip_reason='nothing of worth in it'")
    assert done.code == 0, done.raw
    assert "No backup was made: nothing of worth in it." in done.text
    assert backups(staging) == []
    none = ("-e", '{"hotfix_database": {}, "hotfix_migration": null}')
    assert deploy("v1", *none).code == 0


@pytest.mark.slow
def test_back_without_a_restore_for_a_reason(migrated: Host) -> None:
    done = rollback("-e", "schema_ignored_reason='read only is good enough'")
    assert done.code == 0, done.raw
    assert migrated.served()[0] == "v1"
    assert "after" in titles(migrated)
    assert "read only is good enough" in migrated.run("cat", f"{APP}/journal.jsonl")


@pytest.mark.slow
def test_a_time_that_allows_for_less_loss_is_no_confirmation(migrated: Host) -> None:
    refused = rollback("-e", "restore=2999-01-01T00:00:00Z")
    assert refused.code != 0
    assert "which is more" in refused.text
    assert migrated.served() == ("v5", True)


@pytest.mark.slow
def test_a_damaged_dump_is_noticed_and_nothing_is_touched(migrated: Host) -> None:
    told = offered(rollback())
    (dump,) = [name for name in backups(migrated) if name.endswith(".dump")]
    flip = f"import sys; f = open('{APP}/backups/{dump}', 'r+b'); f.seek(300); b = f.read(1); f.seek(300); "
    migrated.run("python3", "-c", flip + "f.write(bytes([b[0] ^ 255]))")
    refused = rollback("-e", told)
    assert refused.code != 0
    assert "its dump is not what was verified" in refused.text
    assert migrated.served() == ("v5", True)
    assert "after" in titles(migrated)
    migrated.run("truncate", "-s", "100", f"{APP}/backups/{dump}")
    assert "There is no backup from before it to restore: its dump has 100 bytes" in rollback().text


@pytest.mark.slow
def test_a_disk_that_gets_full_leaves_no_half_backup(staging: Host) -> None:
    assert deploy("v6").code == 0
    before = backups(staging)
    # Room enough by what the last dump took, and not for what came since.
    sql(staging, BIG)
    faults.shrink_disk(NAME, 40)
    try:
        failed = deploy("v1", "-e", "hotfix_backup_max_age=0", "-e", "deploy_min_free_mb=0")
        assert failed.code != 0
        assert "became full while the backup was written; what was written is removed" in failed.text, failed.raw
        assert backups(staging) == before
        assert staging.served() == ("v6", True)
        assert staging.current()["version"] == "v6"
    finally:
        faults.restore_disk(NAME)


@pytest.mark.slow
def test_a_migration_that_fails_leaves_the_app_as_it_was(staging: Host) -> None:
    with table_locked(staging, 60):
        failed = deploy("v5", *AGREED)
    assert failed.code != 0
    assert "LockNotAvailable" in failed.text
    assert "left nothing in the database" in failed.text
    assert staging.served() == ("v1", True)
    assert migrations(staging) == []
    assert deploy("v5", *AGREED).code == 0
    assert migrations(staging) == [("incompatible", "done")]


@pytest.mark.slow
def test_a_migration_whose_run_was_killed_is_taken_up_by_the_next(staging: Host) -> None:
    assert save(staging, "before")
    run = start("deploy", *LIMIT, "-e", "version=v5", *AGREED)
    with table_locked(staging, 30):
        wait_for_step(staging, "migrate")
        staging.run("bash", "-c", KILL_MODULE)
        run.kill()
        run.wait()
    began = time.monotonic()
    done = deploy("v5", *AGREED)
    assert done.code == 0, done.raw
    assert time.monotonic() - began < 60
    assert staging.served() == ("v5", True)
    assert migrations(staging) == [("incompatible", "done")]
    assert faults.nested_docker(NAME, "ps", "-aq", "--filter", "name=notes-hotfix-migrate") == ""
    assert save(staging, "after")
    done = rollback("-e", offered(rollback()))
    assert done.code == 0, done.raw
    assert staging.served() == ("v1", True)
    assert [title for title in titles(staging) if title in ("before", "after")] == ["before"]


@pytest.mark.slow
@pytest.mark.parametrize("step", ["restore_stage", "restore_swap"])
def test_a_restore_that_was_killed_is_finished_by_the_same_command(migrated: Host, step: str) -> None:
    told = offered(rollback())
    run = start("rollback", *LIMIT, "-e", told)
    wait_for_step(migrated, step)
    subprocess.run(["kill", "-9", str(run.pid)], check=True)
    faults.on_host(NAME, "bash", "-c", KILL_MODULE, check=False)
    run.wait()
    done = rollback("-e", told)
    assert done.code == 0, done.raw
    assert migrated.served() == ("v1", True)
    assert [title for title in titles(migrated) if title in ("before", "after")] == ["before"]
    assert sql(migrated, "SELECT count(*) FROM pg_database WHERE datname LIKE 'notes_restore_%'") == ["0"]
    assert migrations(migrated) == []


@pytest.mark.slow
def test_a_database_that_two_hosts_share_is_looked_after_by_the_one_it_runs_on() -> None:
    lifecycle.reset(("prod1", "prod2"), variant="shared_database")
    first, second = Host("prod1"), Host("prod2")
    shared = {"hotfix_database": {"service": "postgres", "name": "notes", "user": "notes", "host": "prod1"}}
    both = ("-l", "production", "-e", json.dumps(shared))
    assert save(first, "before")
    rows = sql(first, ROWS)
    done = play("deploy", *both, "-e", "version=v5", *AGREED)
    assert done.code == 0, done.raw
    assert (len(backups(first)), backups(second)) == (2, [])
    assert (migrations(first), migrations(second)) == ([("incompatible", "done")], [("incompatible", "done")])
    assert save(second, "after")
    refused = play("rollback", *both)
    assert "The host of the database says what a restore would lose" in refused.text
    assert {first.served()[0], second.served()[0]} == {"v5"}
    done = play("rollback", *both, "-e", offered(refused))
    assert done.code == 0, done.raw
    assert sql(first, ROWS) == rows
    assert (first.served(), second.served()) == (("v1", True), ("v1", True))
    assert (migrations(first), migrations(second)) == ([], [])
