# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the probe says of a run is what users of the app noticed of it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox import lifecycle, load
from tests.integration.driver import UNCHECKED, Host, play, start

pytestmark = pytest.mark.slow

STAGING = ("-l", "staging")
#: Seconds by which two observers may differ who look at other moments, on a machine with other things to do.
TOLERANCE = 0.5


@pytest.fixture(scope="module")
def host() -> Host:
    """A staging host with a hand-started v1 that limits no rates: the load needs that."""
    lifecycle.reset(("staging1",), "no_rate_limit")
    done = play("adopt", *STAGING)
    assert done.code == 0, done.raw
    return Host("staging1")


def kept(folder: Path) -> tuple[str, str]:
    return "-e", f"hotfix_probe_dir={folder}"


def seen(folder: Path) -> dict[str, Any]:
    """The numbers of the only probe in a folder."""
    (summary,) = folder.glob("probe-*/summary.json")
    numbers: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    return numbers


def test_an_outage_is_as_long_as_users_found_it(host: Host, tmp_path: Path) -> None:
    with load.running("staging1", rate=25, sockets=4) as users:
        # The proxy is not under management: containers are replaced in place, and the app is away while they boot.
        done = play("deploy", *STAGING, *kept(tmp_path), "-e", "version=v6", *UNCHECKED)
        time.sleep(1)
    assert done.code == 0, done.raw
    away = users.report().longest_gap
    numbers = seen(tmp_path)
    one = numbers["targets"]["staging1"]
    assert one["down"]["lower"] <= away + TOLERANCE
    assert one["down"]["upper"] >= away - TOLERANCE
    assert one["down"]["upper"] - one["down"]["lower"] < 1
    assert numbers["failures"] > 0
    assert numbers["phases"]["before"]["failures"] == 0
    assert numbers["phases"]["during"]["failures"] > 0
    assert one["websocket"]["opened"] >= 2
    assert f"users: {numbers['lines'][0]}" in done.text
    assert "users: down for " in done.text


def test_a_warm_rollback_is_noticed_by_nobody(host: Host, tmp_path: Path) -> None:
    assert play("proxy", *STAGING).code == 0
    assert play("deploy", *STAGING, *kept(tmp_path / "deploy"), "-e", "version=v2", *UNCHECKED).code == 0
    done = play("rollback", *STAGING, *kept(tmp_path / "rollback"), *UNCHECKED)
    assert done.code == 0, done.raw
    for run in ("deploy", "rollback"):
        numbers = seen(tmp_path / run)
        assert numbers["failures"] == 0
        assert numbers["samples"] >= 5
        assert numbers["ended"] == "stopped"
    assert "users: 0 of " in done.text
    assert "no outage seen" in done.text


def test_kill_9_of_the_controller_costs_no_sample(host: Host, tmp_path: Path) -> None:
    deploy = start("deploy", *STAGING, *kept(tmp_path), "-e", "version=v6", *UNCHECKED)
    try:
        end = time.monotonic() + 30
        while not any(path.read_text().count('"sample"') > 10 for path in tmp_path.glob("probe-*/samples.jsonl")):
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        os.killpg(deploy.pid, signal.SIGKILL)
        deploy.communicate()
    killed = time.time()
    end = time.monotonic() + 10
    while not list(tmp_path.glob("probe-*/summary.json")):
        assert time.monotonic() < end
        time.sleep(0.1)
    numbers = seen(tmp_path)
    assert numbers["ended"] == "the run that started it was gone"
    (samples,) = tmp_path.glob("probe-*/samples.jsonl")
    first, *others = [json.loads(line) for line in samples.read_text().splitlines()]
    # It went on for a while, to see what the killed run left behind.
    assert first["wall"] + max(one["at"] for one in others if one["kind"] == "sample") > killed + 3
    again = play("deploy", *STAGING, *kept(tmp_path / "again"), "-e", "version=v6", *UNCHECKED)
    assert again.code == 0, again.raw


def test_without_an_address_nothing_is_measured_and_that_is_said(host: Host, tmp_path: Path) -> None:
    nothing = json.dumps({"hotfix_public_url": ""})
    done = play("rollback", *STAGING, *kept(tmp_path), "-e", nothing, *UNCHECKED)
    assert done.code == 0, done.raw
    assert "users: availability was not measured: hotfix_public_url is not set." in done.text
    assert list(tmp_path.iterdir()) == []
