# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback's connections are opened early, and are no other than Ansible's."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.driver import Host, Played, play

#: Notes for every call of ssh who makes it, and whether it finds a connection open.
SSH = """#!/bin/sh
for word in "$@"; do case $word in ControlPath=*) path=${word#ControlPath=} ;; esac; done
path=${path#?} path=${path%?}
found=nothing
[ ! -S "$path" ] || found=open
case $* in *BatchMode*) who=early ;; *) who=task ;; esac
echo "$who $found" >>CALLS
exec ssh "$@"
"""


class Operator:
    """Rolls staging back from a machine that has no connection yet. There is nothing to roll back to, which is said."""

    def __init__(self, folder: Path) -> None:
        self.sockets = folder / "cp"
        self._calls = folder / "calls"
        self._ssh = folder / "ssh"
        self._ssh.write_text(SSH.replace("CALLS", str(self._calls)))
        self._ssh.chmod(0o755)

    def roll_back(self, **more: object) -> Played:
        variables = {
            "ansible_ssh_executable": str(self._ssh),
            "ansible_control_path_dir": str(self.sockets),
            "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=5s",
            **more,
        }
        return play("rollback", "-l", "staging", "-e", json.dumps(variables))

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()


@pytest.fixture
def operator() -> Iterator[Operator]:
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="early.") as name:
        yield Operator(Path(name))


def test_the_first_task_on_a_host_finds_its_connection_open(bare: Host, operator: Operator) -> None:
    done = operator.roll_back()
    assert "There is nothing to roll back to" in done.text, done.raw
    first, *others = operator.calls()
    assert first == "early nothing"
    assert others
    assert set(others) == {"task open"}


@pytest.mark.slow
def test_a_host_key_that_is_not_known_is_refused_as_ever(bare: Host, operator: Operator, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("")
    common = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null"
    done = operator.roll_back(ansible_ssh_common_args=common)
    assert done.code != 0
    assert "Rollback: unreachable." in done.text, done.raw
    assert "Host key verification failed" in done.text
    assert "early nothing" in operator.calls()
    assert known.read_text() == ""
    assert list(operator.sockets.iterdir()) == []
