# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`hotfix run`, with the real ansible-runner on tiny playbooks without SSH."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotfix.cli import main
from hotfix.exits import Exit


def test_a_run_reaches_the_hosts_of_the_limit_and_no_others(play, hotfix, capfd: pytest.CaptureFixture[str]) -> None:
    play("    - ansible.builtin.debug:\n        msg: 'seen {{ inventory_hostname }}'\n")
    assert hotfix("-l", "production", "-v") == Exit.DONE
    shown = capfd.readouterr().err
    assert "seen one" in shown
    assert "seen two" in shown
    assert "seen three" not in shown


def test_check_mode_changes_nothing(project: Path, play, hotfix) -> None:
    play(
        "    - ansible.builtin.copy:\n"
        "        content: x\n"
        "        dest: '{{ playbook_dir }}/made'\n"
        "        mode: '0600'\n",
    )
    assert hotfix("-l", "staging", "--check", "--diff") == Exit.DONE
    assert not (project / "made").exists()


def test_a_failing_task_is_a_failure_with_its_reason(play, hotfix, capfd: pytest.CaptureFixture[str]) -> None:
    play("    - ansible.builtin.fail:\n        msg: it broke\n")
    assert hotfix("-l", "production") == Exit.FAILED_UNCHANGED
    captured = capfd.readouterr()
    assert "it broke" in captured.out
    assert "failed, and nothing was changed" in captured.out


def test_a_failure_after_a_change_is_told_from_one_before(play, hotfix) -> None:
    play("    - ansible.builtin.command: 'true'\n    - ansible.builtin.fail:\n        msg: it broke\n")
    assert hotfix("-l", "staging") == Exit.FAILED_CHANGED


@pytest.mark.parametrize("more", ["", "  ignore_unreachable: true\n"], ids=["plainly", "though the play ignores it"])
def test_an_unreachable_host_is_no_success(play, hotfix, more: str, capfd: pytest.CaptureFixture[str]) -> None:
    play("    - ansible.builtin.ping:\n", more=more)
    assert hotfix("-l", "staging,gone") == Exit.COULD_NOT_LOOK
    assert "Not every host was reached (nowhere)" in " ".join(capfd.readouterr().out.split())


def test_a_play_that_matches_no_host_is_no_success(play, hotfix) -> None:
    play("    - ansible.builtin.ping:\n", hosts="staging")
    assert hotfix("-l", "production") == Exit.COULD_NOT_LOOK


def test_an_inventory_without_hosts_is_no_success(project: Path, play, hotfix) -> None:
    play("    - ansible.builtin.ping:\n")
    (project / "inventory.yml").write_text("all: {children: {staging: {}}}\n", encoding="utf-8")
    assert hotfix("-l", "staging") in (Exit.NOT_RUN, Exit.COULD_NOT_LOOK)


@pytest.mark.parametrize(
    "content",
    ["- name: A play\n  hosts: all\n  tsks: []\n", "- name: [\n", ""],
    ids=["a wrong keyword", "no YAML", "empty"],
)
def test_a_playbook_that_cannot_be_read_was_not_run(project: Path, hotfix, content: str) -> None:
    """ansible-playbook ends with 4 here, as for an unreachable host."""
    (project / "play.yml").write_text(content, encoding="utf-8")
    assert hotfix("-l", "production") == Exit.NOT_RUN


def test_a_playbook_that_is_not_there_was_not_run(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "nowhere.yml", "-i", "inventory.yml", "-l", "production", "-y"]) == Exit.NOT_RUN
    assert "nowhere.yml" in capfd.readouterr().out


def test_an_unknown_environment_was_not_run(play, hotfix, capfd: pytest.CaptureFixture[str]) -> None:
    play("    - ansible.builtin.ping:\n")
    assert hotfix("-l", "prodcution") == Exit.NOT_RUN
    assert "prodcution" in capfd.readouterr().out


def test_an_ansible_that_dies_in_the_middle_is_told_from_one_that_failed(
    play, hotfix, capfd: pytest.CaptureFixture[str]
) -> None:
    """There are no statistics then."""
    play(
        "    - name: A step that kills\n"
        "      ansible.builtin.command: pkill -KILL -n -f 'ansible-playboo[k] -i .*{{ playbook_dir }}'\n"
    )
    assert hotfix("-l", "staging") == Exit.NOT_RUN
    assert "A step that kills" in capfd.readouterr().out


def test_with_json_nothing_else_is_on_the_standard_output(play, hotfix, capfd: pytest.CaptureFixture[str]) -> None:
    play("    - ansible.builtin.ping:\n")
    assert hotfix("-l", "staging,gone", "--output", "json") == Exit.COULD_NOT_LOOK
    found = json.loads(capfd.readouterr().out)
    assert found["exit"] == {"code": 6, "name": "could_not_look"}
    assert {host["name"]: host["outcome"] for host in found["hosts"]} == {"three": "ok", "nowhere": "unreachable"}
