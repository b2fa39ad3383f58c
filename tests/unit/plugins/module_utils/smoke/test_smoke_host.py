# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks on the app's own host: what cannot be right is refused, and an engine that answers badly is no verdict.

How they look at a real engine is tested with the sandbox; here a program named docker says what an engine rarely does.
"""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.here import here_from
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import run_on_host

SECRETS = {"token": "s3cret-token"}
DATABASE = {"type": "postgresql", "service": "postgres", "name": "notes", "user": "notes"}
#: Answers by the first word: a text for stdout, or an exit code with a text for stderr.
PROGRAM = """#!/bin/sh
while [ $# -gt 0 ]; do
  if [ -f "{folder}/$1" ]; then exec sh "{folder}/$1" "$@"; fi
  shift
done
echo "unknown" >&2; exit 1
"""

Make = t.Callable[..., t.Dict[str, t.Any]]


def container(service: str = "backend", number: int = 1, **more: t.Any) -> t.Dict[str, t.Any]:
    """Return a container as the engine shows it."""
    labels = {"com.docker.compose.project": "notes", "com.docker.compose.service": service, **more.pop("labels", {})}
    state = {"Status": more.pop("status", "running"), "ExitCode": 0, "OOMKilled": more.pop("oom", False)}
    env = ["DB_PASSWORD=hunter2-hunter2", "PATH=/bin"]
    return {
        "Id": f"{service}{number}".ljust(64, "0"),
        "Name": f"/notes-{service}-{number}",
        "Image": "sha256:1",
        "Config": {"Labels": labels, "Image": "x", "Env": env},
        "State": state,
        "RestartCount": more.pop("restarts", 0),
        "Created": "2026-01-02T03:04:05.678Z",
        "Mounts": [],
    }


class Engine:
    """A program that answers as a docker that is in trouble."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answers(self, word: str, script: str) -> None:
        (self._folder / word).write_text(script + "\n", encoding="utf-8")

    def prints(self, word: str, text: str) -> None:
        (self._folder / f"{word}.out").write_text(text, encoding="utf-8")
        self.answers(word, f'cat "{self._folder}/{word}.out"')

    def runs(self, *containers: t.Dict[str, t.Any]) -> None:
        self.prints("ps", "".join(f"{one['Id']} notes notes\n" for one in containers))
        self.prints("inspect.json", json.dumps(containers))
        created = "".join(f'"{one["Created"]}" {one["Id"]}\n' for one in containers)
        self.prints("inspect.created", created)
        at = self._folder
        self.answers(
            "inspect",
            f'case "$*" in *Created*) cat "{at}/inspect.created.out";; *) cat "{at}/inspect.json.out";; esac',
        )


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    folder = tmp_path / "engine"
    folder.mkdir()
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(folder=folder), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return Engine(folder)


def look(check: t.Dict[str, t.Any], app: t.Optional[t.Dict[str, t.Any]] = None, timeout: float = 5.0) -> _smoke.Result:
    once = {} if check["type"] == "memory" else {"retries": 0}
    checks = _smoke.parse([{"name": "a", "timeout": 1, **once, **check}], SECRETS)
    here = here_from({"project": "notes", "services": ["backend"], **(app or {})}, checks)
    return run_on_host(checks, here, timeout=timeout, secrets=SECRETS).results[0]


def command(*words: t.Any, **more: t.Any) -> t.Dict[str, t.Any]:
    return {"type": "command", "command": list(words), **more}


@pytest.mark.parametrize(
    ("check", "status", "message"),
    [
        (command("true"), "passed", "true ended with 0 in "),
        (command("sh", "-c", "exit 3"), "failed", "sh -c exit 3 ended with 3, not 0"),
        (command("sh", "-c", "exit 3", expect={"exit_code": 3}), "passed", "ended with 3 in "),
        (command("sh", "-c", "echo; echo why >&2; exit 1"), "failed", "ended with 1, not 0: why"),
        (command("sh", "-c", "kill -9 $$"), "failed", "was ended by signal 9, not 0"),
        (command("echo", "a", 1, expect={"contains": "a 1"}), "passed", "echo a 1 ended with 0"),
        (command("echo", "a", expect={"contains": ["a", "b"]}), "failed", 'did not print "b"'),
        (command("echo", "a", expect={"not_contains": "a"}), "failed", 'but printed "a"'),
        (command("sh", "-c", "echo b >&2; echo a", expect={"matches": "^b$"}), "passed", "ended with 0"),
        (command("echo", "ab", expect={"matches": "^b$"}), "failed", 'printed nothing matching "^b$"'),
        (command("sleep", 30, timeout=0.2), "error", "sleep 30 did not end within 0.2 s, and was stopped"),
        (command("yes", timeout=0.2), "error", "yes did not end within 0.2 s, and was stopped"),
        (
            command("sh", "-c", "yes | head -c 3000000", expect={"matches": "^n$"}),
            "failed",
            'printed nothing matching "^n$"',
        ),
        (
            command("sh", "-c", "yes | head -c 3000000", expect={"not_contains": "n"}),
            "error",
            "printed more than 1 MB, which is more than is looked at",
        ),
        (command("no-such-program"), "error", "no-such-program could not be run: No such file or directory"),
        (command("/"), "error", "/ could not be run: Permission denied"),
        (command("sh", "-c", 'echo "$TOKEN"', environment={"TOKEN": "{token}"}), "passed", "ended with 0"),
    ],
)
def test_a_command(check: t.Dict[str, t.Any], status: str, message: str) -> None:
    started = time.monotonic()
    result = look(check, {"project": None})
    assert time.monotonic() - started < 2
    assert result.status == status, result.message
    assert message in result.message
    assert "s3cret-token" not in str(result.as_dict())


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ({"type": "command"}, "command is no list of words"),
        (command(), "command is no list of words"),
        ({"type": "command", "command": "df -h"}, "command is no list of words"),
        (command("a\0b"), "command is no list of words"),
        (command("curl", "{token}"), "the secret {token} would be an argument"),
        (command("true", expect={}), "expect says nothing"),
        (command("true", expect={"exit_code": None}), "exit_code expects nothing"),
        (command("true", expect={"contains": []}), "contains expects nothing"),
        (command("true", expect={"matches": "("}), "is no regular expression"),
        (command("true", expect={"status": 0}), "unknown key 'status'"),
        (command("true", environment={"A-B": "x"}), "environment key"),
        (command("true", environment={"A": ["x"]}), "is no text"),
        (command("true", environment={"A": "{nothing}"}), "nothing gives a value to {nothing}"),
        (command("true", environment={"PGPASSWORD": "x"}), "looks like a credential"),
        (command("true", service="backend", port=80), "made on the app's own host"),
        (command("true", scope="public"), "scope cannot be 'public'"),
        (command("true", **{"in": "a b"}), "service 'a b' is not usable"),
        ({"type": "database", "connections_below": 0}, "connections_below cannot be 0"),
        ({"type": "database", "connections_below": 80}, "connections_below cannot be 80"),
        ({"type": "logs", "pattern": "("}, "is no regular expression"),
        ({"type": "logs", "pattern": "error|"}, "every line would be an error"),
        ({"type": "logs", "ignore": ["("]}, "is no regular expression"),
        ({"type": "logs", "services": []}, "services names none"),
        ({"type": "logs", "since": 0}, "since cannot be 0"),
        ({"type": "memory"}, "by how much memory may grow"),
        ({"type": "memory", "at_most": -1}, "at_most cannot be -1"),
        ({"type": "memory", "at_most": 1, "retries": 3}, "retries cannot be 3: it watches once"),
    ],
)
def test_what_cannot_be_right_is_refused(check: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{"name": "a", **check}], SECRETS)
    assert says in str(caught.value)


def test_which_app_is_meant(tmp_path: Path) -> None:
    logs = _smoke.parse([{"name": "a", "type": "logs"}])
    with pytest.raises(BadInputError, match="nobody said which app"):
        here_from({}, logs)
    with pytest.raises(BadInputError, match="not an absolute path"):
        here_from({"app_dir": "srv/app"}, logs)
    assert here_from({"app_dir": "/srv/My"}, logs).project == "my"
    inside = _smoke.parse([{"name": "a", **command("true", **{"in": "backend"})}])
    with pytest.raises(BadInputError, match="nobody said which app"):
        here_from({}, inside)
    assert here_from({}, _smoke.parse([{"name": "a", **command("true")}])).project == ""


HOST_CHECKS: t.Sequence[t.Dict[str, t.Any]] = [
    command("true", **{"in": "backend"}),
    {"type": "database"},
    {"type": "logs"},
    {"type": "memory", "minutes": 0.01, "at_most": 1},
]


@pytest.mark.parametrize("check", HOST_CHECKS, ids=lambda check: check["type"])
def test_no_engine_is_no_verdict(engine: Engine, monkeypatch: pytest.MonkeyPatch, check: t.Dict[str, t.Any]) -> None:
    engine.answers("ps", "echo 'Cannot connect to the Docker daemon with hunter2-hunter2' >&2; exit 1")
    result = look(check, {"database": DATABASE})
    assert (result.status, "Cannot connect to the Docker daemon" in result.message) == ("error", True), result.message
    monkeypatch.setenv("PATH", "/nonexistent")
    result = look(check, {"database": DATABASE})
    assert result.status == "error"
    assert "Docker is not installed on this host" in result.message


@pytest.mark.parametrize("check", HOST_CHECKS, ids=lambda check: check["type"])
def test_an_app_that_is_not_there(engine: Engine, check: t.Dict[str, t.Any]) -> None:
    engine.runs()
    result = look(check, {"database": DATABASE})
    # Of the database the engine says that it does not run.
    assert result.status == ("failed" if check["type"] == "database" else "error"), result.message
    assert "container" in result.message


def test_a_command_in_a_container_without_a_shell(engine: Engine) -> None:
    engine.runs(container())
    no_shell = (
        'echo "OCI runtime exec failed: exec failed: exec: \\"sh\\": executable file not found in $PATH" >&2; exit 127'
    )
    engine.answers("exec", f'case "$*" in *"sh -c"*) {no_shell};; *) echo plain;; esac')
    result = look(command("app", "--version", **{"in": "backend"}, expect={"matches": "^plain$"}))
    assert (result.status, result.evidence["in"]) == ("passed", "notes-backend-1"), result.message


def test_what_a_container_prints_is_masked(engine: Engine) -> None:
    engine.runs(container())
    engine.answers("exec", "echo 17; echo the password is hunter2-hunter2; echo s3cret-token >&2; exit 1")
    result = look(command("app", **{"in": "backend"}))
    assert result.status == "failed"
    assert result.evidence["stdout"] == "the password is ********\n"
    assert "hunter2" not in str(result.as_dict())
    assert "s3cret-token" not in str(result.as_dict())


@pytest.mark.parametrize(
    ("row", "more", "status", "says"),
    [
        ("3|100|0|0|f", {}, "passed", "the database answers; 3 of 100 connections are taken"),
        ("80|100|0|0|f", {}, "failed", "80 of 100 connections are taken, not less than 80%"),
        ("79|100|0|0|f", {}, "passed", "79 of 100"),
        ("3|100|5.5|0|f", {}, "passed", "the database answers"),
        ("3|100|5.5|0|f", {"longest_query": 5}, "failed", "a query runs for 5.5 s, not at most 5 s"),
        ("3|100|0|2|f", {"longest_query": 5}, "error", "the queries of 2 connections are hidden from this user"),
        ("3|100|0|2|f", {}, "passed", "the database answers"),
        ("many|100|0|0|f", {}, "error", "an answer that cannot be read"),
        ("", {}, "error", "an answer that cannot be read"),
    ],
)
def test_what_the_database_says(engine: Engine, row: str, more: t.Dict[str, t.Any], status: str, says: str) -> None:
    engine.runs(container("postgres"))
    engine.prints("exec", row.replace("|", "\x1f") + "\n")
    result = look({"type": "database", **more}, {"database": DATABASE})
    assert (result.status, says in result.message) == (status, True), result.message


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("echo 'psql: error: FATAL:  sorry, too many clients already' >&2; exit 2", "failed"),
        ("echo 'psql: error: connection to server on socket failed: No such file' >&2; exit 2", "failed"),
        ("echo 'OCI runtime exec failed: exec: \"psql\": not found' >&2; exit 127", "error"),
        ("sleep 30", "error"),
    ],
)
def test_a_database_that_does_not_answer(engine: Engine, script: str, status: str) -> None:
    engine.runs(container("postgres"))
    engine.answers("exec", script)
    result = look({"type": "database"}, {"database": DATABASE})
    assert (result.status, "the database does not answer" in result.message) == (status, True), result.message


def test_a_database_that_is_none_of_this_host(engine: Engine) -> None:
    result = look({"type": "database"})
    assert (result.status, result.message) == ("skipped", "no database is declared here (hotfix_database)")
    result = look({"type": "database"}, {"database": {**DATABASE, "host": "db1"}, "host_name": "app1"})
    assert (result.status, result.message) == ("skipped", "the database runs on another host, which looks at it")
    assert result.target == "app1"
    engine.runs(container("postgres", status="exited"))
    result = look({"type": "database"}, {"database": DATABASE})
    assert (result.status, result.message) == ("failed", "the database does not run: notes-postgres-1 is exited")


def lines(*pairs: t.Tuple[float, str]) -> str:
    """Return a log: so many seconds ago, this was written."""
    now = time.time()
    moments = [(time.gmtime(now - ago), now - ago, text) for ago, text in pairs]
    return "".join(
        f"{time.strftime('%Y-%m-%dT%H:%M:%S', at)}.{int(exact % 1 * 1e9):09d}Z {text}\n" for at, exact, text in moments
    )


OLD_ERROR = (400.0, "ERROR note 17 is gone after 3.5 ms")
NEW_ERROR = (2.0, "ERROR note 4711 is gone after 12 ms")


@pytest.mark.parametrize(
    ("log", "more", "status", "says"),
    [
        ([(400.0, "hello"), (2.0, "all is well")], {}, "passed", "no new kind of error in the logs of 1 container"),
        ([OLD_ERROR, NEW_ERROR], {}, "passed", "1 line of known kinds"),
        ([(400.0, "hello"), NEW_ERROR], {}, "failed", '1 new kind of error (1 line): backend: "ERROR note 4711'),
        (
            [OLD_ERROR, NEW_ERROR, (1.0, "ERROR other"), (0.5, "ERROR other")],
            {},
            "failed",
            "1 new kind of error (2 lines)",
        ),
        ([(400.0, "hello"), NEW_ERROR], {"since": 1}, "passed", "no new kind"),
        ([(400.0, "hello"), NEW_ERROR], {"ignore": "note [0-9]+ is gone"}, "passed", "no new kind"),
        ([(400.0, "hello"), (1.0, "oops")], {"pattern": "OOPS"}, "failed", 'backend: "oops"'),
        ([NEW_ERROR], {}, "error", "1 line with an error, and nothing is left of the time before to compare with"),
        ([(400.0, "hello"), (1.0, '{"level":"error","msg":"x"}')], {}, "failed", "1 new kind"),
        ([(400.0, "hello"), (1.0, '{"level":50,"msg":"x"}')], {}, "failed", "1 new kind"),
        ([(400.0, "hello"), (1.0, "ValueError: x")], {}, "failed", "1 new kind"),
        ([(400.0, "hello"), (1.0, "0 errors, error_count=0")], {}, "passed", "no new kind"),
        ([(400.0, "hello"), (1.0, "ERROR password hunter2-hunter2")], {}, "failed", "ERROR password ********"),
        ([(400.0, "hello"), (1.0, "ERROR s3cret-token")], {}, "failed", "ERROR ********"),
    ],
)
def test_a_log(engine: Engine, log: t.Any, more: t.Dict[str, t.Any], status: str, says: str) -> None:
    engine.runs(container())
    engine.prints("logs", lines(*log))
    result = look({"type": "logs", **more})
    assert result.status == status, result.message
    assert says in result.message
    assert "hunter2" not in str(result.as_dict())


def test_a_new_container_is_looked_at_from_its_beginning(engine: Engine) -> None:
    ours = container()
    ours["Created"] = lines((1000.0, "")).split()[0]
    engine.runs(ours)
    engine.prints("logs", lines((1200.0, "of nobody"), (900.0, "ERROR at the start"), (2.0, "quiet")))
    result = look({"type": "logs"})
    assert (result.status, "ERROR at the start" in result.message) == ("failed", True), result.message
    # Of a container that is older than the time before, the last minutes count.
    assert look({"type": "logs", "before": 950}).status == "passed"


def test_the_slot_that_users_left_is_of_the_time_before(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "live").symlink_to("blue")
    colour = {
        "pangeafate.hotfix.app": "notes",
        "pangeafate.hotfix.service": "backend",
        "pangeafate.hotfix.slot": "blue",
    }
    engine.runs(container(), container("backend-blue", 1, labels=colour))
    log = lines((3.0, "ERROR of both")), lines((2.0, "ERROR of both"), (1.0, "ERROR of the new one"))
    engine.prints("own", log[0])
    engine.prints("blue", log[1])
    at = tmp_path / "engine"
    engine.answers("logs", f'case "$*" in *backend-blue*) cat "{at}/blue.out";; *) cat "{at}/own.out";; esac')
    result = look({"type": "logs"}, {"app_dir": str(tmp_path), "project": "notes"})
    assert result.status == "failed"
    assert result.message == '1 new kind of error (1 line): backend: "ERROR of the new one"'
    assert result.evidence["known_lines"] == 1


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'configured logging driver does not support reading' >&2; exit 1", "does not support reading"),
        ("sleep 30", "could not be read within 1 s"),
        ("echo 'x'; exit 1", "docker said nothing"),
    ],
)
def test_a_log_that_cannot_be_read(engine: Engine, script: str, says: str) -> None:
    engine.runs(container())
    engine.answers("logs", script)
    result = look({"type": "logs"})
    assert (result.status, says in result.message) == ("error", True), result.message


def test_a_log_without_end(engine: Engine) -> None:
    engine.runs(container())
    engine.answers("logs", f"yes '{lines((1.0, 'x'))[:-1]}' | head -c 12000000")
    result = look({"type": "logs", "timeout": 30}, timeout=30)
    assert result.status == "error"
    assert "more than 8 MB were written, which is more than is read" in result.message


def usage(engine: Engine, *amounts: str) -> None:
    """Let the engine tell these amounts, one after the other, the last one for good."""
    at = engine._folder
    engine.prints("stats.all", "\n".join(amounts))
    engine.answers(
        "stats",
        f'n=$(($(cat "{at}/n" 2>/dev/null || echo 0) + 1)); echo $n > "{at}/n"; '
        f'a=$(sed -n "${{n}}p" "{at}/stats.all.out"); [ -n "$a" ] || a=$(tail -n 1 "{at}/stats.all.out"); '
        f'printf \'{{"ID":"%s","MemUsage":"%s / 1GiB"}}\\n\' {container()["Id"]} "$a"',
    )


MEMORY = {"type": "memory", "minutes": 0.02, "at_most": 100}


def test_memory_that_stays_as_it_is(engine: Engine) -> None:
    engine.runs(container())
    # One jump is no growth.
    usage(engine, "50MiB", "50MiB", "50MiB", "90MiB", "50MiB")
    result = look(MEMORY)
    assert result.status == "passed", result.message
    assert result.message == "no memory grows faster than 100 MB/h in 0.02 min (most: notes-backend-1 by 0.0 MB/h)"
    assert result.evidence["notes-backend-1"]["highest_mb"] == 90.0
    assert result.evidence["notes-backend-1"]["samples"] > 10


def test_memory_that_grows(engine: Engine) -> None:
    engine.runs(container())
    usage(engine, *(f"{50 + number / 10:.1f}MiB" for number in range(200)))
    result = look(MEMORY)
    assert result.status == "failed"
    assert result.message.startswith("memory grows too fast: notes-backend-1 by ")
    assert result.message.endswith(" MB/h, not at most 100 MB/h (in 0.02 min)")


@pytest.mark.parametrize(
    ("after", "status", "says"),
    [
        (container(restarts=1), "failed", "notes-backend-1 was restarted while it was watched"),
        (container(restarts=1, oom=True), "failed", "was restarted while it was watched, for it was out of memory"),
        (container(number=2), "error", "notes-backend-1 was replaced or stopped while it was watched"),
    ],
)
def test_a_container_that_does_not_stay(engine: Engine, after: t.Dict[str, t.Any], status: str, says: str) -> None:
    engine.runs(container())
    engine.prints("after", json.dumps([after]))
    engine.prints("ps.after", f"{after['Id']} notes notes\n")
    usage(engine, "50MiB")
    at = engine._folder
    switch = f'[ -e "{at}/n" ] && exec cat "{at}/%s"; cat "{at}/%s"'
    engine.answers("ps", switch % ("ps.after.out", "ps.out"))
    engine.answers("inspect", switch % ("after.out", "inspect.json.out"))
    result = look(MEMORY)
    assert (result.status, says in result.message) == (status, True), result.message


@pytest.mark.parametrize(
    "script", ["exit 1", "echo nonsense", "sleep 30", 'echo \'{"ID": "other", "MemUsage": "1B / 2B"}\'']
)
def test_memory_that_cannot_be_seen(engine: Engine, script: str) -> None:
    engine.runs(container())
    engine.answers("stats", script)
    started = time.monotonic()
    result = look({**MEMORY, "timeout": 0.5})
    assert time.monotonic() - started < 9
    assert (result.status, "could be looked at only 0 times" in result.message) == ("error", True), result.message
