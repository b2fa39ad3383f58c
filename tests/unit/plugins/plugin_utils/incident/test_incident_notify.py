# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Telling people is a process of its own: it outlives its caller, holds nobody up, and leaves no secret behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import notify, queue
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.notifier import LOG
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder

from tests.unit.plugins.plugin_utils.incident.notify_servers import Receiver, closed_port, receiver

COLLECTIONS = Path(__file__).resolve().parents[5] / ".ansible" / "collections"
KEY = "R0" + "A1B2C3D4E5" * 3
FACTS: dict[str, t.Any] = {"title": "Saving fails", "severity": 2, "environment": "production", "event": "e1"}
CANARIES = ("canaryOfThePath42", "canary-of-a-header", "canary-of-the-signature", "canary-of-the-password", KEY)
CALLER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import notify
folder, about, channels, facts = json.loads(sys.stdin.readline())
notify.send(folder, about, notify.parse(channels), facts)
print("sent", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server() -> t.Iterator[Receiver]:
    with receiver() as found:
        yield found


def receipts(incident: Folder) -> list[dict[str, t.Any]]:
    return [event["data"] for event in incident.events() if event["kind"] == "notification"]


def until(what: t.Callable[[], t.Any]) -> t.Any:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)
    return found


def receipts_of(incident: Folder, number: int) -> list[dict[str, t.Any]]:
    until(lambda: len(receipts(incident)) >= number)
    return receipts(incident)


def notifiers(folder: Path) -> list[int]:
    """The processes that send for an incident."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                words = (one / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(folder) in words and any(word.endswith(b"notifier.py") for word in words):
                found.append(int(one.name))
    return found


def gone(incident: Folder) -> bool:
    """Tell whether nobody sends for an incident any more."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    return not notifiers(incident.path)


def send(incident: Folder, about: str, *channels: dict[str, t.Any], **changed: t.Any) -> None:
    notify.send(incident.path, about, notify.parse(list(channels)), {**FACTS, **changed})


def call(incident: Folder, channels: list[dict[str, t.Any]], words: t.Sequence[str] = (), **options: t.Any) -> t.Any:
    """Start a process that sends, and hand it what it needs."""
    command = [*words, sys.executable, "-c", CALLER, str(COLLECTIONS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    process.stdin.write(json.dumps([str(incident.path), "opened", channels, FACTS]) + "\n")
    process.stdin.flush()
    return process


def test_everybody_is_told_and_there_is_a_receipt_of_each(incident: Folder, server: Receiver) -> None:
    send(
        incident,
        "opened",
        {"type": "webhook", "url": server.url("/webhook")},
        {"type": "slack", "url": server.url("/slack"), "name": "ops"},
        {"type": "pagerduty", "url": server.url("/pagerduty"), "routing_key": KEY},
        {"type": "slack", "url": server.url("/not-this-one"), "name": "end", "on": "resolved"},
    )
    found = {one["channel"]: one for one in receipts_of(incident, 3)}
    assert sorted(path for path, _headers, _body, _at in server.seen) == ["/pagerduty", "/slack", "/webhook"]
    assert found["ops"] == {
        "channel": "ops",
        "type": "slack",
        "about": "opened",
        "ok": True,
        "status": 200,
        "attempts": 1,
        "key": f"{incident.id}/opened/e1/ops",
        "error": None,
    }
    assert set(found) == {"ops", "webhook", "pagerduty"}
    until(lambda: gone(incident))
    assert not (incident.path / LOG).exists()
    # Nobody keeps a place in a queue.
    assert list((incident.path / ".notify").iterdir()) == []


def test_the_report_has_the_receipts(incident: Folder, server: Receiver) -> None:
    server.answers = [(404, {}, "no_service")]
    send(incident, "opened", {"type": "slack", "url": server.url(), "name": "ops"})
    receipts_of(incident, 1)
    until(lambda: gone(incident))
    assert not (incident.path / LOG).exists()
    (found,) = json.loads((incident.path / "report.json").read_text(encoding="utf-8"))["notifications"]
    assert (found["channel"], found["about"], found["ok"]) == ("ops", "opened", False)
    assert "answered 404: no_service" in found["detail"]


def test_a_receipt_has_the_times_of_the_attempts(incident: Folder, server: Receiver) -> None:
    server.answers = [(500, {}, "")]
    send(incident, "opened", {"type": "webhook", "url": server.url()}, run="20260102T030405Z-1")
    receipts_of(incident, 1)
    (event,) = (one for one in incident.events() if one["kind"] == "notification")
    assert (event["outcome"], event["run"], event["data"]["attempts"]) == ("done", "20260102T030405Z-1", 2)
    # There is a second between two attempts.
    assert event["seconds"] >= 1.0


def test_without_a_channel_that_wants_it_nothing_is_started(incident: Folder, server: Receiver) -> None:
    send(incident, "opened", {"type": "slack", "url": server.url(), "on": ["resolved"]})
    assert not notifiers(incident.path)
    assert not (incident.path / ".notify").exists()


def test_the_caller_is_killed(incident: Folder, server: Receiver) -> None:
    server.free.clear()
    caller = call(incident, [{"type": "webhook", "url": server.url()}], start_new_session=True)
    assert caller.stdout.readline() == "sent\n"
    # Its whole group, as a terminal that is closed or a job that is cancelled does.
    os.killpg(caller.pid, signal.SIGKILL)
    caller.wait()
    assert server.arrived.wait(30)
    assert receipts(incident) == []
    server.free.set()
    (found,) = receipts_of(incident, 1)
    assert found["ok"] is True


def test_a_pipe_of_the_caller_ends_with_the_caller(incident: Folder, server: Receiver) -> None:
    server.free.clear()
    pipeline = call(incident, [{"type": "webhook", "url": server.url()}], ["sh", "-c", '"$@" 2>&1 | cat', "sh"])
    # It comes back once nobody holds the other end, while the server has not answered yet.
    assert pipeline.communicate(timeout=60)[0] == "sent\n"
    assert server.arrived.wait(30)
    assert notifiers(incident.path)
    assert receipts(incident) == []
    server.free.set()
    receipts_of(incident, 1)


def test_secrets_are_nowhere(incident: Folder, server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary-of-the-password@proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("UNRELATED_TOKEN", "canary-of-the-password")
    server.free.clear()
    said = " ".join([*CANARIES, server.url("/services/canaryOfThePath42")])
    server.answers = [(400, {}, said)] * 3
    send(
        incident,
        "opened",
        {
            "type": "webhook",
            "url": server.url("/services/canaryOfThePath42"),
            "headers": {"X-Key": "canary-of-a-header"},
            "secret": "canary-of-the-signature",
        },
        {"type": "slack", "url": server.url("/services/canaryOfThePath42")},
        {"type": "pagerduty", "url": server.url("/v2"), "routing_key": KEY},
        {
            "type": "email",
            "host": "127.0.0.1",
            "port": closed_port(),
            "username": "u",
            "password": "canary-of-the-password",
            "from": "a@example.com",
            "to": "b@example.com",
        },
        # What somebody typed into a title.
        title=f"see {server.url('/services/canaryOfThePath42')}",
    )
    assert server.arrived.wait(30)
    (pid,) = notifiers(incident.path)
    shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    shown += b"".join(os.fsencode(one) + one.read_bytes() for one in incident.path.rglob("*") if one.is_file())
    server.free.set()
    assert len(receipts_of(incident, 4)) == 4
    until(lambda: gone(incident))
    shown += b"".join(os.fsencode(one) + one.read_bytes() for one in incident.path.rglob("*") if one.is_file())
    for canary in CANARIES:
        assert canary.encode() not in shown, canary
    # The receipts are in what was searched.
    assert b"could not be reached" in shown
    assert b"answered 400: " in shown
    # Nor is one told to another.
    assert all(b"canaryOfThePath42" not in body for _path, _headers, body, _at in server.seen)


def test_nothing_is_told_twice(incident: Folder, server: Receiver) -> None:
    """Two operators, at the same time; then one of them again."""
    server.free.clear()
    for _number in range(2):
        send(incident, "resolved", {"type": "webhook", "url": server.url()})
    assert server.arrived.wait(30)
    assert len(server.seen) == 1
    server.free.set()
    until(lambda: gone(incident))
    send(incident, "resolved", {"type": "webhook", "url": server.url()})
    until(lambda: gone(incident))
    assert len(server.seen) == len(receipts(incident)) == 1


def test_another_event_is_told(incident: Folder, server: Receiver) -> None:
    for event in ("e1", "e2"):
        send(incident, "failed", {"type": "webhook", "url": server.url()}, event=event)
    send(incident, "failed", {"type": "webhook", "url": server.url(), "name": "another"})
    receipts_of(incident, 3)
    assert sorted(one["key"] for one in server.bodies()) == sorted(
        f"{incident.id}/failed/{event}" for event in ("e1", "e1", "e2")
    )


def test_what_could_not_be_told_is_told_by_a_later_run(incident: Folder, server: Receiver) -> None:
    server.answers = [(404, {}, "no_service")]
    send(incident, "opened", {"type": "slack", "url": server.url()})
    receipts_of(incident, 1)
    until(lambda: gone(incident))
    send(incident, "opened", {"type": "slack", "url": server.url()})
    first, second = receipts_of(incident, 2)
    assert (first["ok"], first["status"], first["error"]) == (False, 404, f"{server.url('')} answered 404: no_service")
    assert (second["ok"], second["status"], second["error"]) == (True, 200, None)


def test_what_was_sent_first_is_told_first(incident: Folder, server: Receiver) -> None:
    """An alert that is resolved before it is triggered would stay."""
    server.free.clear()
    pager = {"type": "pagerduty", "url": server.url(), "routing_key": KEY}
    for about in ("opened", "mitigated", "resolved"):
        send(incident, about, pager)
    assert server.arrived.wait(30)
    server.free.set()
    receipts_of(incident, 3)
    assert [one["event_action"] for one in server.bodies()] == ["trigger", "acknowledge", "resolve"]
    assert [one["about"] for one in receipts(incident)] == ["opened", "mitigated", "resolved"]


def test_one_that_hangs_holds_up_no_other(incident: Folder, server: Receiver) -> None:
    server.free.clear()
    with receiver() as other:
        send(
            incident,
            "opened",
            {"type": "webhook", "url": server.url(), "name": "hangs"},
            {"type": "webhook", "url": other.url(), "name": "works"},
        )
        (found,) = receipts_of(incident, 1)
        assert found["channel"] == "works"
    server.free.set()
    assert {one["channel"] for one in receipts_of(incident, 2)} == {"hangs", "works"}


def test_a_process_that_is_killed_keeps_nobody_waiting(incident: Folder, server: Receiver) -> None:
    server.free.clear()
    send(incident, "opened", {"type": "webhook", "url": server.url()})
    assert server.arrived.wait(30)
    (pid,) = notifiers(incident.path)
    os.kill(pid, signal.SIGKILL)
    server.free.set()
    # It is not known whether that was told, so that it is told again.
    send(incident, "opened", {"type": "webhook", "url": server.url()})
    (found,) = receipts_of(incident, 1)
    assert found["ok"] is True


def test_a_record_that_cannot_be_written(incident: Folder, server: Receiver) -> None:
    incident.log.unlink()
    incident.log.mkdir()
    send(incident, "opened", {"type": "webhook", "url": server.url("/canary")})
    until(lambda: (incident.path / LOG).exists() and b'"ok":true' in (incident.path / LOG).read_bytes())
    assert len(server.seen) == 1
    assert b"canary" not in (incident.path / LOG).read_bytes()
    assert (incident.path / LOG).stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_there(tmp_path: Path, server: Receiver) -> None:
    """The record fell back to the hosts' journals; somebody is told all the same."""
    notify.send(tmp_path / "none", "opened", notify.parse([{"type": "webhook", "url": server.url()}]), FACTS)
    assert server.arrived.wait(30)
    assert not (tmp_path / "none").exists()


def test_a_process_that_cannot_be_started(incident: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    send(incident, "opened", {"type": "slack", "url": "https://hooks.example.com/canary"})
    (found,) = receipts(incident)
    assert (found["ok"], found["attempts"]) == (False, 0)
    assert found["error"] == "the process that sends could not be started (No such file or directory)"
    assert list((incident.path / ".notify").iterdir()) == []


def test_facts_that_json_does_not_know(incident: Folder, server: Receiver) -> None:
    send(incident, "opened", {"type": "webhook", "url": server.url()}, title=Path("/x"), times={"opened": Path("/y")})
    assert receipts_of(incident, 1)[0]["ok"] is True
    assert server.bodies()[0]["title"] == "/x"


def test_an_order_that_is_larger_than_a_pipe(incident: Folder, server: Receiver) -> None:
    send(incident, "opened", {"type": "webhook", "url": server.url()}, headline="long " * 100000)
    assert receipts_of(incident, 1)[0]["ok"] is True
    assert len(server.bodies()[0]["headline"]) <= 2000


def test_from_a_collection_that_is_installed(incident: Folder, server: Receiver, tmp_path: Path) -> None:
    """Not by the link of a checkout, and without a package above it."""
    plugins = COLLECTIONS / "ansible_collections" / "pangeafate" / "hotfix" / "plugins"
    installed = tmp_path / "ansible_collections" / "pangeafate" / "hotfix" / "plugins"
    for name in ("module_utils", "plugin_utils"):
        shutil.copytree(plugins / name, installed / name, ignore=shutil.ignore_patterns("__pycache__"))
    order = json.dumps([str(incident.path), "opened", [{"type": "webhook", "url": server.url()}], FACTS])
    command = [sys.executable, "-c", CALLER, str(tmp_path)]
    subprocess.run(command, input=f"{order}\n", text=True, check=True, timeout=60, stdout=subprocess.PIPE)
    assert receipts_of(incident, 1)[0]["ok"] is True


# ------------------------------------------------------------------ the queue


def test_places_of_a_queue(tmp_path: Path) -> None:
    first, other, second = (queue.take(str(tmp_path), name) for name in ("ops", "mail", "ops"))
    assert first and other and second
    assert queue.wait(str(tmp_path), first.name, 0)
    assert queue.wait(str(tmp_path), other.name, 0)
    assert not queue.wait(str(tmp_path), second.name, 0)
    # Its owner has died.
    os.close(first.descriptor)
    assert queue.wait(str(tmp_path), second.name, 0)
    for one in (other, second):
        os.close(one.descriptor)
        queue.leave(str(tmp_path), one.name)
    assert list((tmp_path / ".notify").iterdir()) == []


def test_a_place_is_given_up_before_its_owner_ends(tmp_path: Path) -> None:
    first, second = (queue.take(str(tmp_path), "ops") for _number in range(2))
    assert first and second
    queue.leave(str(tmp_path), first.name)
    assert queue.wait(str(tmp_path), second.name, 0)
    os.close(first.descriptor)
    os.close(second.descriptor)
