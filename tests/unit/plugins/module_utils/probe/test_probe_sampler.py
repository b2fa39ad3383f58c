# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sampler as the process that it is: started, marked, stopped, left alone, frozen and killed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import control, processes, records
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target

from tests.unit.plugins.module_utils.probe.servers import (
    Server,
    accepts_web_sockets,
    answers,
    pongs,
    read_head,
    silent,
    status,
)

Make = t.Callable[..., Server]
OK = answers(status(200))


class Probed:
    """The probe of one run, and its files."""

    def __init__(self, folder: Path) -> None:
        self.base = folder
        self.probe = control.Probe(str(folder), "20260102T030405Z-4f2a")
        self.numbers: t.Optional[t.Dict[str, t.Any]] = None

    @property
    def folder(self) -> Path:
        return Path(self.probe.folder or "nowhere")

    def records(self, kind: str = "") -> t.List[t.Dict[str, t.Any]]:
        every = list(records.read(str(self.folder / records.SAMPLES)))
        return [one for one in every if not kind or one["kind"] == kind]

    def samples(self) -> t.List[t.Dict[str, t.Any]]:
        return self.records("sample")

    def wait(self, condition: t.Callable[[], t.Any], seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.records()
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        return int((self.folder / "sampler").read_text())

    def end(self) -> t.Dict[str, t.Any]:
        self.numbers = self.probe.end()
        assert self.numbers is not None
        log = (self.folder / records.LOG).read_text()
        assert log == ""
        return self.numbers


@pytest.fixture
def probed(tmp_path: Path) -> t.Iterator[Probed]:
    one = Probed(tmp_path)
    yield one
    if one.probe.folder and one.numbers is None:
        one.probe.end()


def test_all_hosts_of_a_run_share_one_sampler(server: Make, probed: Probed) -> None:
    made = [server(OK), server(OK)]
    for number, one in enumerate(made):
        probed.probe.begin(one.target(name=f"app{number}", rate=20))
    probed.wait(lambda: {one["target"] for one in probed.samples()} == {"app0", "app1"})
    assert [one["pid"] for one in probed.records("begin")] == [probed.pid]
    numbers = probed.end()
    assert numbers["ended"] == "stopped"
    assert numbers["failures"] == 0
    assert sorted(numbers["targets"]) == ["app0", "app1"]
    assert probed.folder.name == "probe-20260102T030405Z-4f2a"
    assert oct(probed.folder.stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o077) for path in probed.folder.iterdir()} == {"0o0"}


def test_fresh_and_kept_connections_by_turns(server: Make, probed: Probed) -> None:
    made = server(OK)
    probed.probe.begin(made.target(rate=20))
    probed.wait(lambda: len(probed.samples()) >= 8)
    probed.end()
    how = [one["how"] for one in probed.samples()]
    assert how[:8] == ["fresh", "kept"] * 4
    # Each fresh one, and the one that is kept.
    assert made.connections == how.count("fresh") + 1


def test_a_kept_connection_that_was_closed_is_made_again_as_browsers_do(server: Make, probed: Probed) -> None:
    def once(connection: t.Any) -> None:
        read_head(connection)
        connection.sendall(status(200))
        # Closed only when the next request is there: that one is lost, and not to be counted.
        read_head(connection)

    probed.probe.begin(server(once).target(rate=20))
    probed.wait(lambda: sum(bool(one.get("again")) for one in probed.samples()) >= 2)
    numbers = probed.end()
    assert numbers["failures"] == 0
    assert numbers["reconnected"] >= 2


def test_an_outage_is_measured_between_its_bounds(server: Make, probed: Probed) -> None:
    made = server(OK)
    probed.probe.begin(made.target(rate=20, websocket=""))
    probed.wait(lambda: len(probed.samples()) >= 4)
    down_after = time.monotonic()
    made.close()
    down_before = time.monotonic()
    time.sleep(0.5)
    up_after = time.monotonic()
    server(OK, port=made.port)
    up_before = time.monotonic()
    probed.wait(lambda: [one["verdict"] for one in probed.samples()][-3:] == ["good"] * 3)
    numbers = probed.end()
    (outage,) = numbers["targets"]["app1"]["outages"]
    # Times are kept to a millisecond, and between a look at the clock and the request some more may pass.
    assert outage["lower"] <= up_before - down_after + 0.02
    assert outage["upper"] >= up_after - down_before - 0.02
    assert outage["upper"] - outage["lower"] < 0.4
    assert outage["lower"] > 0.2
    assert numbers["failures"] >= outage["samples"]


def test_a_rate_limit_is_counted_apart(server: Make, probed: Probed) -> None:
    probed.probe.begin(server(answers(status(429))).target(rate=20))
    probed.wait(lambda: len(probed.samples()) >= 3)
    numbers = probed.end()
    assert numbers["samples"] == 0
    assert numbers["limited"] >= 3
    assert numbers["lines"][0].startswith("unknown: ")


def test_what_hangs_is_told_when_the_probe_is_stopped(server: Make, probed: Probed) -> None:
    probed.probe.begin(server(silent).target(rate=10, timeout=30))
    probed.wait(lambda: probed.records("target"))
    time.sleep(0.4)
    started = time.monotonic()
    numbers = probed.end()
    assert time.monotonic() - started < 2.5
    assert (numbers["samples"], numbers["failures"]) == (0, 0)
    assert numbers["unanswered"] >= 3


def test_a_marked_moment_divides_the_samples(server: Make, probed: Probed) -> None:
    probed.probe.begin(server(OK).target(rate=20))
    probed.wait(lambda: len(probed.samples()) >= 3)
    assert probed.probe.mark("during")
    seen = len(probed.samples())
    probed.wait(lambda: len(probed.samples()) >= seen + 3)
    numbers = probed.end()
    assert numbers["phases"]["before"]["samples"] >= 3
    assert numbers["phases"]["during"]["samples"] >= 2
    assert numbers["phases"]["after"]["samples"] == 0


def test_a_websocket_beside_the_samples(server: Make, probed: Probed) -> None:
    def behave(connection: t.Any) -> None:
        accepts_web_sockets(pongs)(connection)

    made = server(behave)
    probed.probe.begin(made.target(rate=1, websocket="/ws"))
    probed.wait(lambda: probed.records("websocket"))
    made.close()
    probed.wait(lambda: len(probed.records("websocket")) >= 2)
    found = probed.end()["targets"]["app1"]["websocket"]
    assert (found["opened"], found["codes"], found["open"]) == (1, {"1006": 1}, False)


def test_a_ca_file_that_is_none_leaves_the_others_measured(server: Make, probed: Probed) -> None:
    bad = probed.base / "ca.crt"
    bad.write_text("no certificate\n")
    probed.probe.begin(server(OK).target(name="bad", tls=True, ca_file=str(bad)))
    probed.probe.begin(server(OK).target(name="good", rate=20))
    probed.wait(probed.samples)
    numbers = probed.end()
    assert list(numbers["targets"]) == ["good"]
    assert "bad was not measured: ca_file" in numbers["lines"][-1]


def test_a_frozen_sampler_owns_up_and_blames_nobody(server: Make, probed: Probed) -> None:
    probed.probe.begin(server(OK).target(rate=10))
    probed.wait(lambda: len(probed.samples()) >= 2)
    os.kill(probed.pid, signal.SIGSTOP)
    time.sleep(0.6)
    os.kill(probed.pid, signal.SIGCONT)
    probed.wait(lambda: probed.records("gap"))
    numbers = probed.end()
    assert numbers["targets"]["app1"]["gaps"][0]["seconds"] > 0.5
    assert (numbers["failures"], numbers["targets"]["app1"]["degraded"]["samples"]) == (0, 0)


def test_after_kill_9_of_the_sampler_its_samples_count(server: Make, probed: Probed) -> None:
    probed.probe.begin(server(OK).target(rate=20))
    probed.wait(lambda: len(probed.samples()) >= 3)
    os.kill(probed.pid, signal.SIGKILL)
    started = time.monotonic()
    numbers = probed.end()
    assert time.monotonic() - started < 2
    assert numbers["samples"] >= 3
    assert numbers["ended"] is None
    assert "the sampler ended without a word" in numbers["lines"][-1]


def test_a_run_that_begins_again_has_a_second_probe(server: Make, probed: Probed) -> None:
    one = server(OK)
    probed.probe.begin(one.target(rate=20))
    probed.wait(probed.samples)
    probed.end()
    assert not probed.probe.mark("during")
    probed.probe.begin(one.target(rate=20))
    assert probed.folder.name.endswith("-4f2a-2")
    probed.wait(probed.samples)
    assert probed.end()["samples"] >= 1


# A run that starts a probe as Ansible's workers do, says where, and waits to be killed.
RUN = """
import sys, time
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import control
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target
control.LINGER, control.LONGEST = float(sys.argv[2]), float(sys.argv[3])
target = Target("app1", False, "app.example.com", "app.example.com", "127.0.0.1", int(sys.argv[4]), "/", rate=20.0)
print(control.Probe(sys.argv[1], "r1").begin(target), flush=True)
time.sleep(30)
"""


def run(folder: Path, linger: float, longest: float, port: int) -> t.Tuple[subprocess.Popen[str], Path]:
    arguments = [str(folder), str(linger), str(longest), str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def summed_up(folder: Path, seconds: float) -> t.Dict[str, t.Any]:
    end = time.monotonic() + seconds
    while not (folder / records.SUMMARY).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    found: t.Dict[str, t.Any] = json.loads((folder / records.SUMMARY).read_text())
    return found


def test_after_kill_9_of_the_run_it_goes_on_a_little_and_ends(server: Make, tmp_path: Path) -> None:
    process, folder = run(tmp_path, 0.5, 60, server(OK).port)
    try:
        time.sleep(0.3)
    finally:
        process.kill()
        process.communicate()
    killed = time.time()
    numbers = summed_up(folder, 5)
    assert numbers["ended"] == "the run that started it was gone"
    assert numbers["failures"] == 0
    first, *_rest, _last = records.read(str(folder / records.SAMPLES))
    last = [one for one in records.read(str(folder / records.SAMPLES)) if one["kind"] == "sample"][-1]
    assert first["wall"] + last["at"] > killed + 0.3
    sampler = int((folder / "sampler").read_text())
    end = time.monotonic() + 2
    while not processes.gone(sampler):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_never_takes_longer_than_its_longest_time(server: Make, tmp_path: Path) -> None:
    process, folder = run(tmp_path, 60, 0.5, server(OK).port)
    try:
        assert summed_up(folder, 5)["ended"] == "its longest time of 0.5 s was over"
    finally:
        process.kill()
        process.communicate()


def test_a_process_is_told_from_another_with_its_number() -> None:
    assert not processes.gone(os.getpid())
    assert not processes.gone(os.getpid(), processes.start_of(os.getpid()))
    assert processes.gone(os.getpid(), "1")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert processes.gone(ended.pid)


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", "-x", "a b"])
def test_a_run_is_no_path(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(control.NotMeasuredError):
        control.Probe(str(tmp_path), run_id)


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = Target("app1", False, "a", "a", "127.0.0.1", 1, "/")
    with pytest.raises(control.NotMeasuredError, match=r"cannot be written .*; set hotfix_probe_dir"):
        control.Probe(str(tmp_path / "file"), "r1").begin(target)


def test_no_probe_no_numbers(tmp_path: Path) -> None:
    probe = control.Probe(str(tmp_path), "r1")
    assert probe.end() is None
    assert not probe.mark("during")


def test_it_costs_little(server: Make, certificate: Path, tmp_path: Path) -> None:
    """Two targets over TLS at the default rate: less than 10 % of a core and 50 MB, start included."""
    made = [server(OK, certificate=certificate) for _number in range(2)]
    probe = control.Probe(str(tmp_path), "r1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    for number, one in enumerate(made):
        ca_file = str(certificate / "cert.pem")
        probe.begin(one.target(name=f"app{number}", ca_file=ca_file))
    assert time.monotonic() - started < 0.5
    time.sleep(1.0)
    pid = int(Path(probe.folder or "", "sampler").read_text())
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    most = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    first, second = ticks(pid), time.monotonic()
    time.sleep(2.0)
    share = (ticks(pid) - first) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - second)
    numbers = probe.end()
    assert numbers is not None
    assert numbers["failures"] == 0
    assert most < 50
    assert share < 0.10
    os.waitpid(pid, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
