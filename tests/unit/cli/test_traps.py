# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-runner does by default, and must not do here. Each was measured before it was avoided."""

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

from hotfix import private
from hotfix.exits import Exit
from hotfix.plain import Plain
from hotfix.runner import Job
from hotfix.runner import play as run_job
from hotfix.stopping import Stop, signals
from hotfix.watch import watch

#: Lists, while the play runs, the arguments and the environment of every process, and every file in some folders.
LISTING = """\
import os, pathlib, sys
out = []
for entry in pathlib.Path("/proc").glob("[0-9]*"):
    for name in ("cmdline", "environ"):
        try:
            out.append((entry / name).read_bytes())
        except OSError:
            pass
for base in sys.argv[2:]:
    for path in pathlib.Path(base).rglob("*"):
        try:
            if path.is_file() and path.stat().st_size < 1000000:
                out.append(b"FILE " + bytes(path) + b"\\n" + path.read_bytes())
        except OSError:
            pass
pathlib.Path(sys.argv[1]).write_bytes(b"\\n".join(out))
"""


@pytest.fixture
def memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the private folder of a run is made, for this test alone."""
    folder = tmp_path_factory.mktemp("memory")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


def test_a_secret_arrives_and_is_seen_nowhere_else(
    project: Path, play, hotfix, memory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # It is put together here, so that this file and the arguments of pytest do not hold it.
    word = "-".join(("geheim", "{{ 1 }}", str(os.getpid() * 7919)))
    monkeypatch.setenv("CI_TOKEN", f"{word}-env")
    (project / "secret").write_text(word, encoding="utf-8")
    (project / "listing.py").write_text(LISTING, encoding="utf-8")
    play(
        f"    - ansible.builtin.command: {sys.executable} listing.py seen.bin {memory}\n"
        "      args:\n"
        "        chdir: '{{ playbook_dir }}'\n"
        "    - ansible.builtin.copy:\n"
        "        content: '{{ token }} {{ other }}'\n"
        "        dest: arrived.txt\n"
        "        mode: '0600'\n"
        "      no_log: true\n",
    )
    given = ("--secret", "token=secret", "--secret", "other=env:CI_TOKEN")
    assert hotfix("-l", "staging", "--output", "json", "-v", *given) == Exit.DONE
    assert (project / "arrived.txt").read_text(encoding="utf-8") == f"{word} {word}-env"
    seen = (project / "seen.bin").read_bytes()
    assert b"ansible-playbook" in seen
    assert b"FILE " in seen
    assert word.encode() not in seen
    captured = capfd.readouterr()
    assert word not in captured.out + captured.err
    assert list(memory.iterdir()) == []


def test_what_a_killed_run_left_in_memory_is_removed_by_the_next(memory: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    stale, alive, foreign = (
        memory / f"hotfix-{ended.stdout.strip()}-abc",
        memory / f"hotfix-{os.getppid()}-abc",
        memory / "hotfix-notes",
    )
    for folder in (stale, alive, foreign):
        folder.mkdir()
        (folder / "file").touch()
    with private.folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not stale.exists()
    assert not folder.exists()
    assert alive.exists()
    assert foreign.exists()


def test_nothing_of_another_run_gets_into_this_one(project: Path, play, hotfix) -> None:
    """The runner would take env/cmdline, env/extravars and env/envvars of its folder, or of the project."""
    (project / "env").mkdir()
    (project / "env/cmdline").write_text("--check", encoding="utf-8")
    (project / "env/extravars").write_text("word: of another run", encoding="utf-8")
    (project / "env/envvars").write_text("WORD: of another run", encoding="utf-8")
    (project / "inventory").mkdir()
    play(
        "    - ansible.builtin.copy:\n"
        "        content: \"{{ ansible_check_mode }} {{ word | default('none') }} {{ lookup('env', 'WORD') }}\"\n"
        "        dest: '{{ playbook_dir }}/made'\n"
        "        mode: '0600'\n"
    )
    assert hotfix("-l", "staging") == Exit.DONE
    assert (project / "made").read_text(encoding="utf-8") == "False none "
    assert not (project / "artifacts").exists()


@pytest.mark.parametrize(
    ("config", "variable", "expected"),
    [("", None, "true"), ("host_key_checking = False\n", None, "false"), ("", "False", "false")],
    ids=["by default", "switched off in ansible.cfg", "switched off in the environment"],
)
def test_host_keys_are_checked_unless_the_operator_says_otherwise(
    project: Path,
    play,
    hotfix,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    config: str,
    variable: str | None,
    expected: str,
) -> None:
    if config:
        (project / "ansible.cfg").write_text(f"[defaults]\n{config}", encoding="utf-8")
        monkeypatch.setenv("ANSIBLE_CONFIG", str(project / "ansible.cfg"))
    if variable:
        monkeypatch.setenv("ANSIBLE_HOST_KEY_CHECKING", variable)
    play("    - ansible.builtin.debug:\n        msg: \"checked {{ lookup('config', 'HOST_KEY_CHECKING') }}\"\n")
    assert hotfix("-l", "staging", "-v") == Exit.DONE
    assert f"checked {expected}" in capfd.readouterr().err.lower()


class Broken:
    """A screen that fails at everything."""

    def __enter__(self) -> Any:
        raise BrokenPipeError

    def __exit__(self, *_exc_info: object) -> None:
        raise BrokenPipeError

    def take(self, *_arguments: object) -> None:
        raise RuntimeError("a bug of the screen")


def test_a_broken_screen_does_not_end_a_run(project: Path, play) -> None:
    play("    - ansible.builtin.command: touch made\n      args:\n        chdir: '{{ playbook_dir }}'\n")
    seen = watch(Job("play.yml", "staging", ("inventory.yml",)), Stop(), Broken())
    assert seen.status == "successful"
    assert seen.record.stats is not None
    assert (project / "made").exists()


def test_a_handler_that_raises_does_not_end_a_run(project: Path, play) -> None:
    def raises(_event: dict[str, Any]) -> None:
        raise RuntimeError("a bug of ours")

    play("    - ansible.builtin.command: touch made\n      args:\n        chdir: '{{ playbook_dir }}'\n")
    assert run_job(Job("play.yml", "staging", ("inventory.yml",)), Stop(), raises) == "successful"
    assert (project / "made").exists()


def test_a_slow_screen_holds_up_nothing(project: Path, play) -> None:
    class Slow(Broken):
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_exc_info: object) -> None:
            return

        def take(self, *_arguments: object) -> None:
            time.sleep(0.2)

    play("".join(f"    - ansible.builtin.debug:\n        msg: '{number}'\n" for number in range(5)))
    seen = watch(Job("play.yml", "staging", ("inventory.yml",)), Stop(), Slow())
    # Nothing was lost, and the last event came as late as the screen was slow.
    assert seen.record.stats is not None
    assert len(seen.record.steps) == 5


def test_signal_handlers_are_put_back(project: Path, play, hotfix) -> None:
    def mine(_number: int, _frame: object) -> None:
        raise AssertionError

    before = {number: signal.signal(number, mine) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        play("    - ansible.builtin.ping:\n")
        assert hotfix("-l", "staging") == Exit.DONE
        assert [signal.getsignal(number) for number in before] == [mine] * 3
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_terminal_that_is_closed_does_not_end_a_run() -> None:
    stop = Stop()
    with signals(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0.05)
        assert stop.reason is None
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        assert stop.reason == "cancelled"


@pytest.mark.parametrize("how", ["cancelled", "timed_out"])
def test_a_run_that_is_ended_leaves_no_process_behind(project: Path, play, how: str) -> None:
    """The runner kills one group of processes; Ansible's workers and what they started are in others."""
    (project / "long.sh").write_text(
        "echo $$ > pid; trap '' TERM HUP; sleep 300 & echo $! >> pid; wait\n", encoding="utf-8"
    )
    play("    - ansible.builtin.command: sh long.sh\n      args:\n        chdir: '{{ playbook_dir }}'\n")
    stop = Stop(3600)

    def cancel() -> None:
        until = time.monotonic() + 30
        while not (project / "pid").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)
        if how == "cancelled":
            stop.cancel()
        else:
            stop.shorten(0)

    threading.Thread(target=cancel, daemon=True).start()
    seen = watch(Job("play.yml", "staging", ("inventory.yml",)), stop, Plain(sys.stderr))
    assert stop.reason == how
    assert seen.status == "canceled"
    assert seen.record.stats is None
    pids = [int(line) for line in (project / "pid").read_text(encoding="utf-8").split()]
    assert len(pids) == 2
    assert [pid for pid in pids if alive(pid)] == []


def alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def test_a_run_is_ended_within_a_second(project: Path, play) -> None:
    """The runner looks every five seconds by default, and forgets another setting where it may write no files."""
    play("    - ansible.builtin.command: sleep 300\n")
    stop = Stop(3600)
    took: list[float] = []

    class Waits:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_exc_info: object) -> None:
            return

        def take(self, event: Any, _record: object) -> None:
            if event.kind == "host_start":
                took.append(time.monotonic())
                stop.cancel()

    watch(Job("play.yml", "staging", ("inventory.yml",)), stop, Waits())
    assert time.monotonic() - took[0] < 3


def test_a_result_that_is_long_is_not_dropped(project: Path, play) -> None:
    """The runner sends none of a result beyond 700,000 characters, and says nothing of it."""
    play(f"    - ansible.builtin.command: {sys.executable} -c \"print('x' * 1500000)\"\n")
    seen = watch(Job("play.yml", "staging", ("inventory.yml",)), Stop(), Plain(sys.stderr))
    assert len(seen.record.hosts["three"].result_of("command")["stdout"]) == 1500000


def test_a_run_works_from_any_thread(project: Path, play) -> None:
    """Signal handlers can be set in the main thread only."""
    play("    - ansible.builtin.ping:\n")
    found: list[str] = []

    def work() -> None:
        stop = Stop()
        with signals(stop):
            found.append(watch(Job("play.yml", "staging", ("inventory.yml",)), stop, Plain(sys.stderr)).status)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert found == ["successful"]
