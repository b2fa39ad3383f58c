# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small parts: the pipe, Ansible's settings, inventories, processes, what is recommended next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from hotfix import collection, inputs, processes, settings
from hotfix.advice import advice
from hotfix.aftermath import look_after
from hotfix.commands.follow import Cursor
from hotfix.document import empty
from hotfix.events import parse
from hotfix.exits import Exit, UsageError
from hotfix.handover import Pipe, as_yaml
from hotfix.runner import Job
from hotfix.state import next_commands, state_of
from hotfix.task import Options, Task
from hotfix.verdict import Verdict
from hotfix.watch import Seen
from tests.unit.cli.events_of import asked, outcome, record, result, selected, stats, task
from tests.unit.cli.test_document import BEGAN, LOOKED

ROOT = Path(__file__).resolve().parents[3]
ENDED = [
    {"name": "n1", "service": "backend", "status": "exited", "slot": "blue", "release": "B"},
    {"name": "n3", "service": "redis", "status": "exited", "slot": "own", "release": None},
]
ROLLBACK = Task("rollback", "rollback", changes=True)


def test_variables_arrive_as_they_are() -> None:
    """As Ansible itself reads them: what looks like a number or like nothing is the text that was typed."""
    given = {
        "text": "a \"b\" 'c' {{ d }}\n# é … \U0001f525 \x7f\x85 \\ud83d\\ude00",
        "texts": [
            "",
            "1.10",
            "1e3",
            "0x10",
            "017",
            "true",
            "no",
            "null",
            "~",
            "2026-01-01",
            "=",
            "<<",
            "[1]",
            "!x",
            "@",
        ],
        "flag": True,
        "number": 3,
        "nothing": None,
        "deep": {"a b": ["{% x %}", 1, {"c": ""}]},
    }
    read = DataLoader().load(as_yaml(given))
    assert read == given
    assert all(isinstance(one, str) for one in read["texts"])


@pytest.mark.parametrize("place", ["text", "key {{ 1 }}"])
def test_no_text_is_a_template(place: str) -> None:
    read = DataLoader().load(as_yaml({place: ["{{ 1 + 1 }}", {"{{ 2 }}": "{{ 3 }}"}]}))
    templar = Templar(DataLoader(), {})
    assert templar.template(read) == {place: ["{{ 1 + 1 }}", {"{{ 2 }}": "{{ 3 }}"}]}


def test_a_pipe_gives_its_content_once_and_is_then_gone(tmp_path: Path) -> None:
    text = "x" * 300_000
    with Pipe(tmp_path / "pipe", text) as pipe:
        assert (tmp_path / "pipe").stat().st_mode & 0o777 == 0o600
        pipe.serve()
        assert (tmp_path / "pipe").read_text(encoding="utf-8") == text
        assert not (tmp_path / "pipe").exists()


def test_a_pipe_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    began = time.monotonic()
    with Pipe(tmp_path / "pipe", "x") as pipe:
        pipe.serve()
    with Pipe(tmp_path / "pipe", "x"):
        pass
    assert time.monotonic() - began < 2
    assert list(tmp_path.iterdir()) == []


def test_settings_of_ansible_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = settings.read()
    assert found.environment()["ANSIBLE_FORKS"] == "20"
    assert found.environment()["ANSIBLE_PIPELINING"] == "True"
    assert found.environment()["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert not found.has_inventory()
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\nforks = 3\ninventory = hosts.yml  ; ours\ncollections_path = mine:~/theirs\n"
        "host_key_checking = no\n[connection]\npipelining = False\n",
        encoding="utf-8",
    )
    found = settings.read()
    assert "ANSIBLE_FORKS" not in found.environment()
    assert "ANSIBLE_PIPELINING" not in found.environment()
    assert found.environment()["ANSIBLE_HOST_KEY_CHECKING"] == "no"
    assert found.has_inventory()
    assert found.collections() == [str(tmp_path / "mine"), str(tmp_path / "home/theirs")]
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", "/a:/b")
    monkeypatch.setenv("ANSIBLE_HOST_KEY_CHECKING", "True")
    assert found.collections() == ["/a", "/b"]
    assert "ANSIBLE_HOST_KEY_CHECKING" not in found.environment()


def test_a_settings_file_that_others_may_write_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory = hosts.yml\n", encoding="utf-8")
    tmp_path.chmod(0o777)
    assert settings.read().path != tmp_path / "ansible.cfg"


def test_the_first_inventory_that_is_named_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one.yml", "two.yml"):
        (tmp_path / name).touch()
    monkeypatch.setenv("HOTFIX_INVENTORY", f"one.yml{os.pathsep}two.yml")
    assert inputs.inventories(["two.yml"]) == (str(tmp_path / "two.yml"),)
    assert inputs.inventories([]) == (str(tmp_path / "one.yml"), str(tmp_path / "two.yml"))
    assert inputs.inventories(["a.example.com,"]) == ("a.example.com,",)
    monkeypatch.setenv("HOTFIX_INVENTORY", "nowhere")
    with pytest.raises(UsageError, match="HOTFIX_INVENTORY names 'nowhere'"):
        inputs.inventories([])


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("1h", 3600), (None, None)])
def test_times(text: str | None, seconds: float | None) -> None:
    assert inputs.seconds(text) == seconds


@pytest.mark.parametrize("text", ["0", "-1", "1d", "soon", ""])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="Next: write it as in"):
        inputs.seconds(text)


def test_a_secret_of_the_environment_is_taken_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_TOKEN", "s3cret")
    assert inputs.secrets(["token=env:CI_TOKEN"]) == {"token": "s3cret"}
    assert "CI_TOKEN" not in os.environ


def test_the_playbooks_are_those_of_this_checkout() -> None:
    found = collection.path()
    assert found == ROOT / ".ansible/collections"
    assert collection.playbook("rollback") == "pangeafate.hotfix.rollback"
    assert collection.paths(["/a", str(found)]).split(os.pathsep) == [str(found), "/a"]
    with pytest.raises(UsageError, match="has no playbook nothing"):
        collection.playbook("nothing")


def test_processes_below_are_ended_and_what_detached_itself_is_left(tmp_path: Path) -> None:
    script = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        open('detached', 'w').write(str(os.getpid()))\n"
        "        time.sleep(300)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "open('ready', 'w').write(str(child.pid))\n"
        "time.sleep(300)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}])"],
        cwd=tmp_path,
    )
    until = time.monotonic() + 20
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    found = processes.below(parent.pid)
    assert len(found) == 2
    processes.end(parent.pid, grace=0.2)
    parent.wait(10)
    detached = int((tmp_path / "detached").read_text(encoding="utf-8"))
    try:
        assert processes._living(found) == {}
        os.kill(detached, 0)
    finally:
        os.kill(detached, signal.SIGKILL)


@pytest.mark.parametrize(
    ("changed", "command"),
    [
        ({}, "rollback"),
        ({"unfinished": None}, "confirm"),
        ({"unfinished": None, "reverts_at": None}, "rollback"),
        ({"unfinished": None, "containers": [], "drift": [], "current": None}, "rollback"),
        ({"unfinished": None, "reverts_at": None, "last_known_good": None}, "logs"),
        ({"unfinished": None, "reverts_at": None, "containers": []}, "diagnose"),
        # A rollback starts no database: that comes first, whatever else is the matter.
        ({"containers": ENDED, "unfinished": None, "reverts_at": None}, "restart backend redis"),
        # While a change waits to be finished, what it replaces is not restarted beside it.
        ({"containers": ENDED}, "restart redis"),
        ({"containers": ENDED, "unfinished": None}, "restart redis"),
        ({"containers": ENDED[1:]}, "restart redis"),
        ({"containers": ENDED[:1]}, "rollback"),
        ({"containers": ENDED[:1], "unfinished": None, "reverts_at": None, "last_known_good": None}, "restart backend"),
        ({"unfinished": None, "reverts_at": None, "containers": [], "drift": []}, "smoke"),
        (
            {"unfinished": None, "reverts_at": None, "containers": [], "drift": [], "managed": False},
            "run pangeafate.hotfix.adopt",
        ),
    ],
)
def test_the_state_says_what_to_do_next(changed: dict[str, Any], command: str) -> None:
    states = {"prod1": state_of({**LOOKED, **changed})}
    assert next_commands(states, "production")[0].startswith(f"hotfix {command} -l production")


@pytest.mark.parametrize("code", [one for one in Exit if one not in (Exit.USAGE,)])
def test_every_ending_of_a_change_has_a_next_command(code: Exit) -> None:
    found = empty("rollback", Verdict(code, ""))
    found["left"] = "prod1: stopped."
    task = Task("rollback", "rollback", changes=True, advice=("hotfix smoke -l {limit}",))
    assert advice(task, Options(limit="production"), found)


def lines(*texts: str) -> list[dict[str, str]]:
    return [{"at": text[:2], "container": "c", "service": "s", "text": text} for text in texts]


def test_lines_that_follow_are_shown_once_though_clocks_differ() -> None:
    cursor = Cursor()

    def look(one: list[dict[str, str]], two: list[dict[str, str]]) -> list[str]:
        found = record(
            selected("a", "b"),
            result("a", "logs", outcome="seen", lines=one),
            result("b", "logs", outcome="seen", lines=two),
        )
        return [line["text"] for _host, line in cursor.fresh(found)]

    assert look(lines("01 x", "05 y"), lines("03 z")) == ["01 x", "03 z", "05 y"]
    assert cursor.since == "03"
    # Asked from 03 on: what was shown comes again, and so does what was written in the same moment.
    assert look(lines("05 y", "05 w"), lines("03 z", "04 v")) == ["04 v", "05 w"]
    assert look(lines("05 y", "05 w"), lines("04 v")) == []
    assert cursor.since == "04"


class Hidden:
    def __enter__(self) -> Hidden:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        return

    def take(self, *_arguments: object) -> None:
        return


def after(stopped: Any, *then: Any, task_: Task = ROLLBACK) -> tuple[Any, list[Job]]:
    jobs: list[Job] = []
    waiting = list(then)

    def watch(job: Job, *_arguments: object) -> Seen:
        jobs.append(job)
        return Seen(job, waiting.pop(0), "successful", BEGAN, BEGAN)

    job = Job("pangeafate.hotfix.rollback", "production", variables={"reason": "r"}, mark="m1")
    left = look_after(task_, Seen(job, stopped, "canceled", BEGAN, BEGAN), lambda _title: Hidden(), watch)
    return left, jobs


def test_after_a_stop_the_work_on_the_hosts_is_ended_and_their_state_is_told() -> None:
    stopped = record(selected("prod1", "prod2"), task("Roll back"), asked("prod1"), asked("prod2"))
    ended = record(
        selected("prod1", "prod2"),
        result("prod1", "unlock", outcome="done", notes=["Ended python3 (process 5)."], summary="The lease was taken."),
        result("prod2", "unlock", "unreachable", msg="no route"),
        outcome("prod1", "partial", ["prod1: done: x", "prod2: unreachable: no route"], "failed"),
        stats(),
    )
    looked = record(selected("prod1", "prod2"), result("prod1", "release_info", "ok", **LOOKED), stats())
    left, jobs = after(stopped, ended, looked)
    assert [job.playbook.rpartition(".")[2] for job in jobs] == ["unlock", "release_info"]
    assert jobs[0].variables == {
        "reason": "its run was stopped",
        "stopped_mark": "m1",
        "stopped_run": "20260102T030405Z-1a2b",
    }
    assert "m1" not in (jobs[0].mark, jobs[1].mark)
    assert "prod1: stopped. Ended python3 (process 5). The lease was taken." in left.text
    assert "prod2: could not be reached to stop it" in left.text
    assert "prod2: what it is like is not known. Next: hotfix status -l production" in left.text
    assert left.states["prod1"]["current"]["id"] == "B"


def test_a_stop_before_anything_began_asks_no_host() -> None:
    left, jobs = after(record(selected("prod1"), asked("prod1", "fleet")))
    assert jobs == []
    assert left.text == "Nothing had begun on any host."


def test_a_look_that_was_stopped_holds_no_lease() -> None:
    stopped = record(selected("prod1"), asked("prod1", "smoke_check"))
    ended = record(
        selected("prod1"), result("prod1", "unlock", outcome="unchanged"), outcome("prod1", "unchanged", []), stats()
    )
    _left, jobs = after(stopped, ended, task_=Task("smoke", "smoke_check", looks=True))
    assert [job.playbook.rpartition(".")[2] for job in jobs] == ["stop"]


def test_a_host_that_has_not_answered_yet_is_told_of_too() -> None:
    """A playbook of the operator's own selects nothing by the fleet, and its first task may be the one that hangs."""
    ended = record(selected("a"), result("a", "unlock", outcome="done", summary="Ended sleep (process 5)."), stats())
    ended.take(parse(outcome("a", "done", ["a: done: x"])))
    left, _jobs = after(record(asked("a", "command")), ended, task_=Task("run", "long.yml"))
    assert left.text == "a: stopped. Ended sleep (process 5)."


def test_who_cannot_be_stopped_is_not_said_to_be() -> None:
    left, _jobs = after(record(selected("prod1"), asked("prod1")), record(), record())
    assert "Whether anything is still at work on prod1 is not known" in left.text


def test_a_second_request_to_end_does_not_wait() -> None:
    stopped = record(selected("prod1"), asked("prod1"))

    def watch(job: Job, stop: Any, _display: object) -> Seen:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        assert stop.reason == "cancelled"
        return Seen(job, record(), "canceled", BEGAN, BEGAN)

    assert threading.current_thread() is threading.main_thread()
    job = Job("x", "production", mark="m")
    left = look_after(ROLLBACK, Seen(job, stopped, "canceled", BEGAN, BEGAN), lambda _title: Hidden(), watch)
    assert "not known" in left.text
    assert left.states == {}
