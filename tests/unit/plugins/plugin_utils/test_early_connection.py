# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections are begun early under a real ansible-playbook, with a program in ssh's place that notes its calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils import _early_connection

ROOT = Path(__file__).resolve().parents[4]
KEPT = "-o ControlMaster=auto -o ControlPersist=60s"
#: By the address it is called with: refuses, never answers, or has this machine run the command. A call is noted in one
#: write: others are noted at the same moment.
SSH = """#!/bin/sh
tab=$(printf '\\t') call=
for word in "$@"; do call=$call$word$tab last=$word; done
printf '%s\\n' "$call" >>"$SSH_CALLS"
case " $* " in
  *" 127.0.9.3 "*) echo 'Host key verification failed.' >&2; exit 255 ;;
  *" 127.0.9.4 "*) echo $$ >>"$SSH_CALLS.silent"; exec sleep 60 ;;
esac
exec sh -c "$last"
"""
PLAY = """
- hosts: all
  gather_facts: false
  vars: {hotfix_connect_early: EARLY, MORE}
  tasks:
    - pangeafate.hotfix.fleet: {phase: select}
      run_once: true
    - ansible.builtin.raw: uptime
      changed_when: false
      when: inventory_hostname != 'silent'
"""


class Operator:
    """Runs a play that selects its hosts and then does something on them, and reads what ssh was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.forks = 20
        self.calls = folder / "calls"
        self.ssh = folder / "ssh"
        self.ssh.write_text(SSH)
        self.ssh.chmod(0o755)

    def run(self, hosts: dict[str, Any], *, early: bool = True, more: str = "", ssh_args: str = KEPT) -> str:
        """Return what an operator sees."""
        known = {name: {"ansible_ssh_executable": str(self.ssh), **variables} for name, variables in hosts.items()}
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"production": {"hosts": known}}))
        play = self.folder / "play.yml"
        play.write_text(PLAY.replace("EARLY", str(early).lower()).replace("MORE", more))
        self.calls.write_text("")
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), str(play)],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_FORKS": str(self.forks),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SSH_ARGS": ssh_args,
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
                "ANSIBLE_TIMEOUT": "1",
                "LC_ALL": "C.UTF-8",
                "SSH_CALLS": str(self.calls),
            },
            check=False,
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    def called(self) -> tuple[list[list[str]], list[list[str]]]:
        """Return the command lines of early connections, and those of Ansible's, without what makes the difference."""
        early, own = [], []
        for line in self.calls.read_text().splitlines():
            words = line.split("\t")[:-1]
            if words[:2] == ["-o", "BatchMode=yes"]:
                assert words[-1] == "true"
                early.append(words[2:-1])
            else:
                own.append([word for word in words[:-1] if word != "-tt"])
        return sorted(early), sorted(own)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


A = {"ansible_host": "127.0.9.1", "ansible_user": "ann", "ansible_port": 2201}
B = {"ansible_host": "127.0.9.2", "ansible_ssh_common_args": "-o UserKnownHostsFile=/nowhere/{{ inventory_hostname }}"}
REFUSED = {"ansible_host": "127.0.9.3"}
SILENT = {"ansible_host": "127.0.9.4"}


def test_every_host_is_connected_to_by_the_command_that_ansible_gives(operator: Operator) -> None:
    shown = operator.run({"a": A, "b": B})
    early, own = operator.called()
    assert len(early) == 2
    assert early == own, shown
    assert any('ControlPath="' in word for word in early[0])


def test_what_cannot_be_reached_is_told_as_ever(operator: Operator) -> None:
    hosts = {"a": A, "refused": REFUSED}
    shown = operator.run(hosts)
    early, _own = operator.called()
    assert len(early) == 2
    assert "Host key verification failed." in shown
    assert sorted(shown.splitlines()) == sorted(operator.run(hosts, early=False).splitlines())


def test_a_host_that_says_nothing_holds_up_nobody_and_is_given_up(operator: Operator) -> None:
    began = time.monotonic()
    shown = operator.run({"silent": SILENT, "a": A})
    assert "unreachable=0" in shown
    assert time.monotonic() - began < 30
    silent = int((operator.folder / "calls.silent").read_text())
    end = time.monotonic() + 10
    while Path(f"/proc/{silent}").exists():
        assert time.monotonic() < end, "ssh was left behind"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("variables", "how"),
    [
        ({}, {"early": False}),
        ({}, {"ssh_args": "-o ControlMaster=auto"}),
        ({}, {"ssh_args": "-o ControlPersist=60s -o ControlMaster=no"}),
        ({"ansible_connection": "local"}, {}),
        ({"ansible_password": "secret"}, {}),
    ],
    ids=["not asked for", "not kept", "not shared", "no ssh", "with a password"],
)
def test_nothing_is_done_where_it_is_of_no_use(
    operator: Operator, variables: dict[str, Any], how: dict[str, Any]
) -> None:
    operator.run({"a": {**A, **variables}, "b": {**B, **variables}}, **how)
    assert operator.called()[0] == []


def test_no_more_are_begun_than_ansible_connects_to_at_once(operator: Operator) -> None:
    operator.forks = 2
    operator.run({"a": A, "b": B, "c": {"ansible_host": "127.0.9.5"}})
    early, own = operator.called()
    assert (len(early), len(own)) == (2, 3)


def test_where_the_play_says_how_to_connect_only_what_is_known_is_begun(operator: Operator) -> None:
    operator.run({"a": A, "b": B}, more="ansible_user: eve")
    early, own = operator.called()
    assert len(early) == 1
    assert early[0] in own


class Connection:
    """What Ansible hands to a task, with which ssh would be called as it says."""

    transport = "ssh"

    def __init__(self, socket: Path) -> None:
        self.host = ""
        self._play_context = self
        self.password = None
        self.remote_addr = "a"
        self._socket = socket

    def get_option(self, name: str) -> str:
        return "ssh" if name == "ssh_executable" else ""

    def _build_command(self, *words: str) -> list[bytes]:
        options = ["ControlMaster=auto", "ControlPersist=60s", f'ControlPath="{self._socket}"']
        return [word.encode() for word in [words[0], *options, *words[2:]]]

    def _persistence_controls(self, words: list[bytes]) -> tuple[bool, bool]:
        return bool(words), True


def waited(connection: Connection, host: str = "a") -> float:
    began = time.monotonic()
    _early_connection.wait(host, connection)
    return time.monotonic() - began


def test_it_is_waited_for_until_it_is_open_but_never_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    connection = Connection(tmp_path / "socket")
    assert waited(connection) < 1
    assert list(tmp_path.iterdir()) == []

    held = _early_connection._marked("a")
    with subprocess.Popen(["sleep", "0.4"], stdout=held):
        os.close(held)
        assert 0.2 < waited(connection) < 1.4

    held = _early_connection._marked("a")
    assert 1.4 < waited(connection) < 10
    assert waited(connection, "b") < 1
    (tmp_path / "socket").touch()
    assert waited(connection) < 1
    os.close(held)
