# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that are killed, that race and that hang; disks that are full or closed; a hundred thousand events."""

from __future__ import annotations

import contextlib
import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import store as store_module
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import IncidentError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder, Store

from tests.unit.plugins.plugin_utils.incident.conftest import Disk
from tests.unit.plugins.plugin_utils.incident.records import note, opened

FORK = multiprocessing.get_context("fork")
PATIENCE = 120


def together(work: Callable[[int], Any], count: int) -> list[Any]:
    """Do *work* in so many processes, which all begin at once; return what each returned."""
    barrier = FORK.Barrier(count)

    def one(number: int, said: Connection) -> None:
        barrier.wait(PATIENCE)
        said.send(work(number))

    pipes = [FORK.Pipe(duplex=False) for _number in range(count)]
    started = [FORK.Process(target=one, args=(number, pipe[1])) for number, pipe in enumerate(pipes)]
    for process in started:
        process.start()
    found = []
    for process, pipe in zip(started, pipes, strict=True):
        assert pipe[0].poll(PATIENCE), "a process did not come to an end"
        found.append(pipe[0].recv())
        process.join(PATIENCE)
    return found


def at_random(least: float, most: float) -> float:
    """Return a number of seconds between."""
    return least + (most - least) * int.from_bytes(os.urandom(2), "big") / 65536


# ------------------------------------------------------------------------ killed


def test_whatever_was_acknowledged_is_there_after_kill_9(incident: Folder) -> None:
    acknowledged: list[str] = []

    def write(number: int, said: Connection) -> None:
        while True:
            # Large ones can be caught half written.
            event = note("x" * (900_000 if os.urandom(1)[0] < 128 else 10))
            incident.append(event)
            said.send(event["id"])

    for number in range(25):
        heard, said = FORK.Pipe(duplex=False)
        process = FORK.Process(target=write, args=(number, said))
        process.start()
        said.close()
        time.sleep(at_random(0.0, 0.05))
        process.kill()
        process.join(PATIENCE)
        with contextlib.suppress(EOFError):
            while heard.poll():
                acknowledged.append(heard.recv())
        found = [event["id"] for event in incident.events()]
        assert set(acknowledged) <= set(found)
        # What was not acknowledged may be there or not, but at most one a kill is torn.
        assert len(found) <= len(acknowledged) + number + 2
        assert incident.damaged <= number + 1
    assert acknowledged
    incident.append(note("after all"))
    assert incident.events()[-1]["text"] == "after all"


def test_an_incident_appears_with_its_first_event_or_not_at_all(store: Store) -> None:

    def open_many(_number: int) -> None:
        while True:
            store.create("production", None, opened())

    for number in range(15):
        process = FORK.Process(target=open_many, args=(number,))
        process.start()
        time.sleep(at_random(0.005, 0.04))
        process.kill()
        process.join(PATIENCE)
        for state in store.states():
            assert state.environment == "production"
            assert Folder(store.path / state.id).events()[0]["kind"] == "opened"
    assert store.ids()
    store.create("production", "the-last")
    assert not [name for name in os.listdir(store.path) if name.startswith(".new-")]


def test_evidence_of_a_killed_process_is_whole_or_not_there(incident: Folder) -> None:
    content = b"0123456789abcdef" * 100_000

    def keep(_number: int) -> None:
        incident.add_evidence("a.log", content, "")

    for number in range(10):
        process = FORK.Process(target=keep, args=(number,))
        process.start()
        time.sleep(at_random(0.0, 0.03))
        process.kill()
        process.join(PATIENCE)
        kept = incident.path / "evidence/a.log"
        assert not kept.exists() or kept.read_bytes() == content
    assert incident.add_evidence("a.log", content, "")["path"] == "evidence/a.log"


# ------------------------------------------------------------------------- races


def test_four_processes_append_at_once_and_nothing_is_lost_or_torn(incident: Folder) -> None:
    def write(number: int) -> list[str]:
        made = [note(f"{number}-{count}" + "y" * (count % 50) * 100) for count in range(500)]
        for event in made:
            incident.append(event)
        return [event["id"] for event in made]

    written = together(write, 4)
    found = [event["id"] for event in incident.events()]
    assert incident.damaged == 0
    assert len(found) == 1 + 4 * 500
    for own in written:
        # Each in its own order.
        assert [one for one in found if one in set(own)] == own


def test_eight_operators_who_begin_at_once_have_one_incident(store: Store) -> None:
    def begin(number: int) -> tuple[str, bool]:
        folder, created = store.open_or_join("production", f"run-{number}", None, opened())
        folder.append(note(f"of {number}", run=f"run-{number}"))
        return folder.id, created

    for _round in range(5):
        found = together(begin, 8)
        assert len({incident for incident, _created in found}) == 1
        assert sum(created for _incident, created in found) == 1
        assert store.ids() == [found[0][0]]
        assert {event["text"] for event in store.get(found[0][0]).events()} >= {f"of {number}" for number in range(8)}
        for path in sorted(store.path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_eight_hosts_of_a_run_that_wants_a_new_one_have_one_incident(store: Store, incident: Folder) -> None:
    found = together(lambda _number: store.open_or_join("production", "run-1", "new", opened())[0].id, 8)
    assert len(set(found)) == 1
    assert found[0] != incident.id


def test_one_name_and_eight_contents_at_once(incident: Folder) -> None:
    references = together(lambda number: incident.add_evidence("a.log", f"content {number % 4}", ""), 8)
    assert len({reference["path"] for reference in references}) == 4
    assert all(incident.intact(reference) for reference in references)
    assert len(os.listdir(incident.path / "evidence")) == 4


def test_two_merges_of_one_record_at_once_add_it_once(incident: Folder, tmp_path: Path) -> None:
    other = Store(tmp_path / "of-bob").create("production", "incident-1", opened())
    other.append(*(note(f"note {number}") for number in range(300)))
    counts = together(lambda _number: incident.merge(other)["events"], 4)
    assert sorted(counts) == [0, 0, 0, 301]
    assert len([line for line in incident.raw() if b"note " in line]) == 300


@pytest.fixture
def hung(incident: Folder, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A process that holds every lock of a store and was stopped."""
    script = (
        "import fcntl, os, signal, sys\n"
        "held = [open(path, 'a') for path in sys.argv[1:]]\n"
        "[fcntl.flock(one, fcntl.LOCK_EX) for one in held]\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    paths = [incident.log, incident.path.parent / ".lock"]
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, paths)])
    try:
        _pid, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        with incident.log.open("ab") as handle, pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        monkeypatch.setattr(store_module, "_LOCK_WAIT", 0.05)
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)


def test_a_process_that_hangs_with_the_locks_holds_up_nobody(store: Store, incident: Folder, hung: Any) -> None:
    with incident.log.open("ab") as handle:
        handle.write(b'{"torn": ')
    incident.append(note("a"))
    incident.append(note("b"), note("c"))
    assert [event["text"] for event in incident.events()] == ["Opened.", "a", "b", "c"]
    assert incident.damaged == 1
    # Nobody knew what the last byte would be when it was written.
    assert incident.log.read_bytes().count(b"\n\n{") == 1
    joined, created = store.open_or_join("production", "run-1", None, opened())
    assert (joined.id, created) == (incident.id, False)
    assert store.open_or_join("production", "run-2", "new", opened())[1] is True


# ------------------------------------------------------------------------- disks


def test_a_full_disk_is_said_and_costs_nothing_that_was_written(disk: Disk) -> None:
    store = Store(disk.path / "incidents")
    incident = store.create("production", None, opened())
    incident.append(note("before"))
    incident.add_evidence("a.log", "before", "")
    disk.fill(leave=50_000)
    before = incident.log.read_bytes()
    for _attempt in range(3):
        # There is room for a part of it.
        with pytest.raises(IncidentError, match="No space left on device") as caught:
            incident.append(note("small"), note("z" * 200_000))
        assert "free space there" in caught.value.next_step
        assert str(incident.log) in caught.value.what
        assert incident.log.read_bytes() == before
    with pytest.raises(IncidentError, match="No space left on device"):
        incident.add_evidence("b.log", "z" * 200_000, "")
    disk.free()
    disk.fill()
    with pytest.raises(IncidentError, match="No space left on device"):
        while True:
            incident.append(note("until its last page is full"))
    with pytest.raises(IncidentError, match="No space left on device"):
        store.open_or_join("production", "run-1", "new", opened())
    assert store.ids() == [incident.id]
    assert store.open_of("production").id == incident.id
    disk.free()
    incident.append(note("after"))
    texts = [event["text"] for event in incident.events()]
    assert (texts[:2], texts[-1], incident.damaged) == (["Opened.", "before"], "after", 0)
    assert os.listdir(incident.path / "evidence") == ["a.log"]
    assert store.open_or_join("production", "run-1", "new", opened())[1] is True


def test_a_read_only_disk_is_said_and_still_read(disk: Disk) -> None:
    store = Store(disk.path / "incidents")
    incident = store.create("production", None, opened(run="run-0"))
    reference = incident.add_evidence("a.log", "a", "")
    disk.remount("ro")
    for act in (
        lambda: incident.append(note("a")),
        lambda: incident.add_evidence("b.log", "b", ""),
        lambda: store.create("production"),
        lambda: store.open_or_join("production", "run-1", None, opened()),
        lambda: Store(disk.path / "elsewhere").open_or_join("production", "run-1", None, opened()),
    ):
        with pytest.raises(IncidentError, match="Read-only file system") as caught:
            act()
        assert "make it writable for you" in caught.value.next_step
    assert store.open_of("production").id == incident.id
    assert store.open_or_join("production", "run-0", None, opened())[0].id == incident.id
    assert [event["text"] for event in store.get(incident.id).events()] == ["Opened."]
    assert incident.intact(reference)
    disk.remount("rw")
    incident.append(note("a"))
    assert [event["text"] for event in incident.events()] == ["Opened.", "a"]


def test_a_file_in_the_place_of_the_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "incidents").write_text("")
    store = Store(tmp_path / "incidents")
    assert store.ids() == []
    with pytest.raises(IncidentError, match="cannot be written"):
        store.open_or_join("production", "run-1", None, opened())


# -------------------------------------------------------------------------- size


def test_a_hundred_thousand_events_are_read_in_bounded_memory(incident: Folder) -> None:
    count = 100_000
    with incident.log.open("ab") as handle:
        for number in range(count):
            event = events.event(
                "step",
                text=f"Step {number} of the rollback on web{number % 20} was done.",
                actor=events.human(f"operator{number % 5}@laptop"),
                host=f"web{number % 20}",
                run=f"run-{number % 50}",
                step="switch",
                outcome="done",
                data={"action": "rollback", "steps": [{"step": "switch", "seconds": 0.5}]},
            )
            handle.write(events.canonical({**event, "end": event["at"]}) + b"\n")
    script = textwrap.dedent(
        """
        import json, re, sys
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder, Store
        folder = Folder(sys.argv[1])
        found = folder.events()
        store = Store(folder.path.parent)
        runs = len(store.states()[0].runs)
        peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))
        print(json.dumps({"events": len(found), "damaged": folder.damaged, "peak": peak, "runs": runs}))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, incident.path],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    found = json.loads(done.stdout)
    assert (found["events"], found["damaged"], found["runs"]) == (count + 1, 0, 50)
    assert found["peak"] < 300 * 1024
