# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

from testinfra.host import Host


def test_nothing_on_the_host_was_changed(host: Host) -> None:
    containers = host.check_output("docker ps --all --quiet --no-trunc | sort")
    assert containers == host.file("/home/deploy/containers-before").content_string.strip()
    files = host.check_output("find /srv/notes -type f -printf '%p %s %T@\\n' | sort")
    assert files == host.file("/home/deploy/files-before").content_string.strip()


def test_nobody_holds_the_lease(host: Host) -> None:
    assert json.loads(host.file("/srv/notes/lease.json").content_string)["held"] is False


def test_no_login_stays_on_the_host(host: Host) -> None:
    assert host.run("ls -d /tmp/.hotfix-login-* /srv/notes/.hotfix-login-*").stdout == ""
    assert not host.file("/home/deploy/.docker/config.json").exists


def test_what_was_found_is_kept_for_programs_and_only_for_their_owner() -> None:
    file = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "preflight.json"
    assert file.stat().st_mode & 0o777 == 0o600
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["verdict"] in ("passed", "warning"), found
    status = {one["name"]: one["status"] for one in found["hosts"]["prod1"] + found["controller"]}
    for name in ("SSH", "Docker", "rollback target", "rollback images", "database", "backup", "admin token"):
        assert status[name] == "passed", name
    assert status["registry pull"] == status["registry push"] == status["certificate"] == "passed"
