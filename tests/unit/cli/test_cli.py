# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, with the real ansible-runner on tiny playbooks without SSH."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotfix.cli import Exit, Screen, main

INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  children:
    production:
      hosts:
        one:
        two:
    staging:
      hosts:
        three:
    gone:
      hosts:
        nowhere:
          # A connection that cannot be made, without the network: nobody listens there.
          ansible_connection: ssh
          ansible_host: 127.0.0.1
          ansible_port: 1
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    monkeypatch.delenv("ANSIBLE_HOST_KEY_CHECKING", raising=False)
    (tmp_path / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    return tmp_path


def play(project: Path, tasks: str, hosts: str = "all", more: str = "") -> None:
    (project / "play.yml").write_text(
        f"- name: A play\n  hosts: {hosts}\n  gather_facts: false\n{more}  tasks:\n{tasks}", encoding="utf-8"
    )


def hotfix(*arguments: str) -> int:
    return main(["run", "play.yml", "-i", "inventory.yml", *arguments])


def test_a_run_reaches_the_hosts_of_the_limit_and_no_others(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    play(project, "    - ansible.builtin.debug:\n        msg: 'seen {{ inventory_hostname }}'\n")
    assert hotfix("-l", "production") == Exit.OK
    shown = capfd.readouterr().out
    assert "seen one" in shown
    assert "seen two" in shown
    assert "seen three" not in shown


def test_extra_variables_arrive_and_stay_off_the_command_line(project: Path) -> None:
    (project / "seen.sh").write_text("ps -ww -e -o args > seen.txt", encoding="utf-8")
    play(
        project,
        "    - ansible.builtin.command: sh seen.sh\n"
        "      args:\n"
        "        chdir: '{{ playbook_dir }}'\n"
        "    - ansible.builtin.copy:\n"
        "        content: '{{ word }}'\n"
        "        dest: word.txt\n"
        "        mode: '0600'\n",
    )
    word = 'it\'s a "word" {{ 1 }}'
    assert hotfix("-l", "staging", "-e", f"word={word}") == Exit.OK
    assert (project / "word.txt").read_text(encoding="utf-8") == word
    processes = (project / "seen.txt").read_text(encoding="utf-8")
    assert "--extra-vars @" in processes
    assert word not in processes


def test_check_mode_changes_nothing(project: Path) -> None:
    play(
        project,
        "    - ansible.builtin.copy:\n"
        "        content: x\n"
        "        dest: '{{ playbook_dir }}/made'\n"
        "        mode: '0600'\n",
    )
    assert hotfix("-l", "staging", "--check", "--diff") == Exit.OK
    assert not (project / "made").exists()


def test_a_failing_task_is_a_failure(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    play(project, "    - ansible.builtin.fail:\n        msg: it broke\n")
    assert hotfix("-l", "production") == Exit.FAILED
    captured = capfd.readouterr()
    assert "it broke" in captured.out
    assert "hotfix: the run failed" in captured.err


@pytest.mark.parametrize("more", ["", "  ignore_unreachable: true\n"], ids=["plainly", "though the play ignores it"])
def test_an_unreachable_host_is_no_success(project: Path, more: str, capfd: pytest.CaptureFixture[str]) -> None:
    play(project, "    - ansible.builtin.ping:\n", more=more)
    assert hotfix("-l", "staging,gone") == Exit.UNREACHABLE
    assert "not every host was reached (nowhere)" in capfd.readouterr().err


def test_a_play_that_matches_no_host_is_no_success(project: Path) -> None:
    play(project, "    - ansible.builtin.ping:\n", hosts="staging")
    assert hotfix("-l", "production") == Exit.NO_HOST


@pytest.mark.parametrize(
    "content",
    ["- name: A play\n  hosts: all\n  tsks: []\n", "- name: [\n", ""],
    ids=["a wrong keyword", "no YAML", "empty"],
)
def test_a_playbook_that_cannot_be_read_was_not_run(project: Path, content: str) -> None:
    (project / "play.yml").write_text(content, encoding="utf-8")
    assert hotfix("-l", "production") == Exit.NOT_RUN


def test_a_playbook_that_is_not_there_was_not_run() -> None:
    assert main(["run", "nowhere.yml", "-i", "inventory.yml", "-l", "production"]) == Exit.NOT_RUN


def test_an_unknown_environment_was_not_run(project: Path) -> None:
    play(project, "    - ansible.builtin.ping:\n")
    assert hotfix("-l", "prodcution") == Exit.NOT_RUN


def test_host_keys_are_checked(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    play(project, "    - ansible.builtin.debug:\n        msg: \"{{ lookup('config', 'HOST_KEY_CHECKING') }}\"\n")
    assert hotfix("-l", "staging") == Exit.OK
    assert "msg: true" in capfd.readouterr().out.lower().replace('"', "")


@pytest.mark.parametrize(
    "arguments",
    [["run", "play.yml"], ["run", "-l", "production"], [], ["run", "play.yml", "-l", "x", "-e", "novalue"]],
    ids=["no limit", "no playbook", "nothing", "a variable without a value"],
)
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(arguments)
    assert refusal.value.code == 2


def test_a_broken_screen_does_not_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_values: object, **_options: object) -> None:
        raise BrokenPipeError

    screen = Screen()
    monkeypatch.setattr("builtins.print", gone)
    event = {"event": "runner_on_ok", "event_data": {"host": "one"}, "stdout": "ok: [one]"}
    assert screen.handle(event) is False
    monkeypatch.undo()
    assert screen.reached == {"one"}
