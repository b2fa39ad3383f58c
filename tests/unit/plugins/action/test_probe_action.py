# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe under a real ansible-playbook: what it says of a run, and that no run fails because of it."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.action import probe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import records

ROOT = Path(__file__).resolve().parents[4]
RUN = "20260102T030405Z-4f2a"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    one = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.daemon_threads = True
    threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield one.server_address[1]
    one.shutdown()
    one.server_close()


def task(state: str, **more: Any) -> dict[str, Any]:
    return {"pangeafate.hotfix.probe": {"state": state, "run": RUN, **more}}


STARTED = {"url": "http://app.example.com", "address": "127.0.0.1:{{ app_port }}", "rate": 20}
PAUSE = {"ansible.builtin.wait_for": {"timeout": 1}, "delegate_to": "localhost", "run_once": True}
STOPPED = {**task("stopped", dir="{{ kept }}", started="began"), "run_once": True, "register": "seen"}
SHOWN = {"ansible.builtin.debug": {"msg": "{{ seen | to_json }}"}, "run_once": True}


class Playground:
    def __init__(self, folder: Path, port: int) -> None:
        self.kept = folder / "kept"
        self._folder = folder
        self._values = json.dumps({"app_port": port, "kept": str(self.kept)})
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        # Nothing listens on port 1.
        away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        # Stands for docker; there is none that a test of this kind may touch.
        (folder / "bin").mkdir()
        docker = folder / "bin" / "docker"
        docker.write_text("#!/bin/sh\nexit 1\n")
        docker.chmod(0o755)
        self._path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"p1": local, "p2": away, "p3": local}}}))

    def start(self, *tasks: dict[str, Any], extra: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        play = self._folder / "play.json"
        play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]))
        arguments = ["-i", str(self._folder / "hosts.json"), str(play), "-e", self._values, *extra]
        return subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "LC_ALL": "C.UTF-8",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *tasks: dict[str, Any], extra: tuple[str, ...] = ()) -> str:
        process = self.start(*tasks, extra=extra)
        printed, _nothing = process.communicate(timeout=60)
        assert process.returncode == 0, printed
        return " ".join(printed.split())


@pytest.fixture
def playground(tmp_path: Path, port: int) -> Playground:
    return Playground(tmp_path, port)


def test_every_host_is_measured_by_one_sampler_that_needs_no_connection(playground: Playground) -> None:
    given = {**STARTED, "url": "{{ omit if inventory_hostname == 'p3' else 'http://app.example.com' }}"}
    began = {**task("started", dir="{{ kept }}", **given), "register": "began"}
    marked = {**task("marked", dir="{{ kept }}", phase="after"), "run_once": True}
    shown = playground.run(began, PAUSE, marked, PAUSE, STOPPED, SHOWN)
    (folder,) = playground.kept.iterdir()
    numbers = json.loads((folder / records.SUMMARY).read_text())
    assert sorted(numbers["targets"]) == ["p1", "p2"]
    assert numbers["failures"] == 0
    assert numbers["phases"]["before"]["samples"] > 5
    assert numbers["phases"]["after"]["samples"] > 5
    assert numbers["lines"][0] in shown.replace('\\"', '"')
    assert "p3 was not measured: hotfix_public_url is not set." in shown
    assert len([one for one in records.read(str(folder / records.SAMPLES)) if one["kind"] == "begin"]) == 1


def test_a_rollback_begins_it_without_a_task_of_its_own(playground: Playground) -> None:
    app = {"app_dir": str(playground.kept.parent), "services": {"backend": {"image": "registry.example.com/backend"}}}
    measured = {"run": RUN, "dir": "{{ kept }}", "url": "http://127.0.0.1:{{ app_port }}", "rate": 20}
    rollback = {"state": "rolled_back", "run": RUN, "operator": "ann@laptop", **app, "probe": measured}
    began = {
        "pangeafate.hotfix.release": rollback,
        "register": "began",
        "failed_when": False,
        "ignore_unreachable": True,
    }
    shown = playground.run({**began, "delegate_to": "localhost"}, {**STOPPED}, SHOWN)
    (folder,) = playground.kept.iterdir()
    numbers = json.loads((folder / records.SUMMARY).read_text())
    assert sorted(numbers["targets"]) == ["p1", "p2", "p3"]
    assert numbers["phases"]["before"]["samples"] == 0
    assert numbers["phases"]["during"]["samples"] > 0
    assert "was not measured" not in shown


@pytest.mark.slow
def test_what_cannot_be_measured_is_said_and_fails_nothing(playground: Playground) -> None:
    began = {**task("started", dir="{{ kept }}"), "register": "began"}
    shown = playground.run(began, STOPPED, SHOWN)
    assert "availability was not measured: hotfix_public_url is not set." in shown
    assert not playground.kept.exists()


@pytest.mark.slow
def test_a_plan_measures_nothing_and_says_nothing(playground: Playground) -> None:
    began = {**task("started", dir="{{ kept }}", **STARTED), "register": "began"}
    shown = playground.run(began, STOPPED, SHOWN, extra=("--check",))
    assert r"\"lines\": []" in shown or '"lines": []' in shown
    assert not playground.kept.exists()


@pytest.mark.slow
def test_the_samples_outlive_kill_9_of_the_run(playground: Playground) -> None:
    process = playground.start(
        {**task("started", dir="{{ kept }}", **STARTED), "register": "began"},
        {"ansible.builtin.wait_for": {"timeout": 30}, "delegate_to": "localhost", "run_once": True},
    )
    try:
        samples = playground.kept / f"probe-{RUN}" / records.SAMPLES
        wait(lambda: samples.exists() and samples.read_text().count('"sample"') > 5, 20)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    killed = time.monotonic()
    summary = samples.with_name(records.SUMMARY)
    wait(summary.exists, 10)
    assert 4 < time.monotonic() - killed < 8
    numbers = json.loads(summary.read_text())
    assert numbers["ended"] == "the run that started it was gone"
    assert numbers["failures"] == 0


def wait(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_whose_probe_is_unknown() -> None:
    hosts: dict[str, Any] = {
        "p1": {"began": {"measured": True}},
        "p2": {"began": {"measured": False, "why": "because"}},
        # What the module of releases returns.
        "p3": {"began": {"outcome": "done", "probe": {"measured": True}}},
        "p4": {"began": {"outcome": "done", "probe": {"measured": False, "why": "so"}}},
        "p5": {"began": {"unreachable": True, "msg": "Failed to connect"}},
        "p6": {},
    }
    variables = {"ansible_play_hosts_all": list(hosts), "hostvars": hosts}
    missing = probe.unmeasured(variables, "began")
    assert missing == {"p2": "because", "p4": "so", "p5": "nothing is known of its probe"}
    seen = {"availability": {"targets": {"p1": {}, "p3": {}, "p5": {}}, "unusable": {}, "lines": ["all is well."]}}
    assert probe.lines(seen, missing) == ["all is well.", "p2 was not measured: because.", "p4 was not measured: so."]
    assert probe.lines({"why": "none"}, {}) == ["availability was not measured: none."]
