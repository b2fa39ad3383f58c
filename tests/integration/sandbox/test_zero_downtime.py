# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users notice of a switch, asked by many of them at once: nothing."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from sandbox import lifecycle, load
from sandbox.config import STATE
from tests.integration.driver import APP, NO_BASELINE, ROOT, Host, play
from tests.integration.sabotage import assert_settled, assert_unnoticed, containers_of, live_slot, zero_downtime

STAGING = ("-l", "staging")


def test_users_notice_nothing_from_the_proxys_adoption_to_the_rollback() -> None:
    """One story under load: nginx is brought under management, v6 goes live, v2 is caught, and v6 is rolled back."""
    lifecycle.reset(("staging1",), "no_rate_limit")
    host = Host("staging1")
    with load.running("staging1") as users:
        for playbook in ("adopt", "proxy"):
            done = play(playbook, *STAGING)
            assert done.code == 0, done.raw
        # Its containers are healthy; it is the check of a saved note that it does not pass.
        caught = play("deploy", *STAGING, "-e", "version=v2", *NO_BASELINE)
        assert caught.code != 0
        assert "a note can be saved" in caught.text
        assert_settled(host, "v1")
        done = play("deploy", *STAGING, "-e", "version=v6")
        assert done.code == 0, done.raw
        assert_settled(host, "v6")
        # Its copy of the folder, which is not mounted into it yet, is not behind: on its way back the host writes none.
        for slot in ("own", "blue"):
            seen = host.docker("exec", "notes-nginx", "cat", f"/etc/nginx/hotfix/{slot}/id")
            assert seen.strip() == host.run("cat", f"{APP}/proxy/{slot}/id").strip()
        began = users.now()
        done = play("rollback", *STAGING)
        assert done.code == 0, done.raw
        # Until pages that were loaded before have asked for their assets.
        time.sleep(load.ASSETS_LATER)
    assert_settled(host, "v1")
    assert_unnoticed(users.report(), notes=200)
    assert users.versions() == {"v1", "v6"}
    assert users.first("v1", began) is not None
    # Documents are kept in memory by the server: two of them must not keep one for long.
    assert users.split() < 10
    assert host.states() == {"v1": "confirmed", "v2": "failed", "v6": "voided"}


@pytest.mark.slow
def test_a_release_that_only_a_look_from_outside_finds_bad_is_switched_back() -> None:
    (host,) = zero_downtime("staging1")
    check = {
        "name": "a note can be saved",
        "type": "http",
        "scope": "public",
        "method": "POST",
        "path": "/api/notes/share",
        "body": {"title": "t", "content": "c"},
        "expect": {"status": 201},
    }
    with load.running("staging1") as users:
        done = play("deploy", *STAGING, "-e", "version=v2", "-e", json.dumps({"hotfix_checks": [check]}))
    assert done.code != 0
    assert "a note can be saved" in done.text
    assert "Switched back to" in done.text
    assert_settled(host, "v1")
    # What v2 itself refused is what it was caught for.
    assert_unnoticed(users.report(forgive=lambda s: s.kind == load.WRITE and s.version == "v2" and s.status == 500))
    assert users.versions() == {"v1", "v2"}
    assert host.states() == {"v1": "confirmed", "v2": "voided"}


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v3", "v4"])
def test_a_release_that_does_not_come_up_is_never_seen_by_users(version: str) -> None:
    (host,) = zero_downtime("staging1")
    with load.running("staging1") as users:
        done = play("deploy", *STAGING, "-e", f"version={version}")
    assert done.code != 0
    assert ("unhealthy" if version == "v3" else "crashes again and again") in done.text
    assert_settled(host, "v1")
    assert_unnoticed(users.report())
    assert users.versions() == {"v1"}
    assert users.report().dropped == []
    assert "switch" not in [e["step"] for e in host.journal() if e["action"] == "deploy"]


@pytest.mark.slow
def test_a_cold_rollback_starts_the_old_release_before_it_switches() -> None:
    (host,) = zero_downtime("staging1")
    # Nothing is kept running beside what users reach.
    done = play("deploy", *STAGING, "-e", "version=v6", "-e", "hotfix_warm_for=0")
    assert done.code == 0, done.raw
    end = time.monotonic() + 90
    while containers_of(host, "own"):
        assert time.monotonic() < end, "v1 was never stopped"
        time.sleep(1)
    with load.running("staging1") as users:
        done = play("rollback", *STAGING)
        assert done.code == 0, done.raw
        time.sleep(load.ASSETS_LATER)
    assert_settled(host, "v1")
    assert_unnoticed(users.report())
    assert users.versions() == {"v1", "v6"}


@pytest.mark.slow
def test_the_hosts_own_script_switches_back_and_the_next_run_knows() -> None:
    (host,) = zero_downtime("staging1")
    done = play("deploy", *STAGING, "-e", "version=v6")
    assert done.code == 0, done.raw
    with load.running("staging1") as users:
        time.sleep(2)
        began = users.now()
        ssh = ["ssh", "-F", str(STATE / "ssh" / "config"), "-o", "ControlPath=none", "staging1"]
        said = subprocess.run([*ssh, f"{APP}/switch-back"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        time.sleep(2)
    assert_unnoticed(users.report())
    assert users.first("v1", began) is not None
    assert live_slot(host) == "own"
    info = play("release_info", *STAGING)
    assert info.code == 0, info.raw
    done = play("rollback", *STAGING)
    assert done.code == 0, done.raw
    assert "Already switched back on the host" in done.text
    assert_settled(host, "v1")
    assert host.states() == {"v1": "confirmed", "v6": "voided"}


@pytest.mark.slow
def test_sockets_of_a_service_that_may_keep_them_are_kept() -> None:
    (host,) = zero_downtime("staging1")
    services = {
        name: {"image": f"registry.example.com:5000/notes-{name}"} for name in ("backend", "frontend", "hocuspocus")
    }
    keep = ("-e", json.dumps({"hotfix_services": services}))
    with load.running("staging1") as users:
        done = play("deploy", *STAGING, "-e", "version=v6", *keep)
        assert done.code == 0, done.raw
        done = play("rollback", *STAGING, *keep)
        assert done.code == 0, done.raw
    assert_settled(host, "v1")
    report = users.report()
    assert_unnoticed(report)
    assert report.dropped == []
