# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles and the plugin under a real ansible-playbook, on hosts that are this machine or nowhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
APP = """
hotfix_services: {backend: {image: registry.example.com/backend}}
"""
# Stands for docker; there is none that a test of this kind may touch.
NO_DOCKER = (
    "#!/bin/sh\n[ $1 = compose ] && echo 2.26.1 && exit\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n"
)


class Playground:
    """An inventory of local hosts, a way to run playbooks on it, and the file that a rendered template would make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trap = folder / "rendered"
        self.template = "{{ lookup('ansible.builtin.pipe', 'touch " + str(self.trap) + "') }}"
        (folder / "app").mkdir()
        (folder / "bin").mkdir()
        docker = folder / "bin" / "docker"
        docker.write_text(NO_DOCKER)
        docker.chmod(0o755)
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        # Nothing listens on port 1.
        away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        self.inventory = folder / "hosts.json"
        self.inventory.write_text(
            json.dumps(
                {
                    "production": {"hosts": {"p1": local, "p2": local}},
                    "staging": {"hosts": {"s1": local}},
                    "outside": {"hosts": {"x1": local}},
                    "mixed": {"children": {"away": {"hosts": {"a1": away}}, "here": {"hosts": {"h1": local}}}},
                }
            )
        )
        self.app = folder / "app.yml"
        self.incidents = folder / "incidents"
        record = f"hotfix_incident_dir: {self.incidents}\n"
        self.app.write_text(f"hotfix_app_dir: {folder / 'app'}\n{record}{APP}")

    def run(self, playbook: str | Path, *arguments: str) -> tuple[int, str]:
        path = [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "PATH": os.pathsep.join(path),
        }
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", str(self.inventory), str(playbook), *arguments],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def play(self, text: str) -> Path:
        path = self.folder / "play.yml"
        path.write_text(text)
        return path


@pytest.fixture
def playground(tmp_path: Path) -> Playground:
    return Playground(tmp_path)


INPUTS = [
    ("deploy", "version", False),
    ("deploy", "version", True),
    ("deploy", "deploy_version", False),
    ("rollback", "release", False),
    ("rollback", "reason", False),
    ("rollback", "reason", True),
    ("rollback", "takeover", False),
    ("adopt", "hotfix_operator", False),
    ("release_info", "hotfix_environments", True),
]


@pytest.mark.parametrize(("playbook", "name", "nested"), INPUTS)
def test_a_template_on_the_command_line_is_never_rendered(
    playground: Playground, playbook: str, name: str, nested: bool
) -> None:
    value: Any = {"a": [playground.template]} if nested else playground.template
    code, shown = playground.run(
        f"playbooks/{playbook}.yml", "-l", "production", "-e", f"@{playground.app}", "-e", json.dumps({name: value})
    )
    assert code != 0
    assert f"{name} holds a template" in shown
    assert "Nothing was touched" in shown
    assert not playground.trap.exists()


def test_the_trap_of_these_tests_works(playground: Playground) -> None:
    play = playground.play(
        "- hosts: p1\n  gather_facts: false\n  tasks: [{ansible.builtin.debug: {msg: '{{ given }}'}}]\n"
    )
    code, _shown = playground.run(play, "-e", json.dumps({"given": playground.template}))
    assert code == 0
    assert playground.trap.exists()


@pytest.mark.parametrize(
    ("playbook", "arguments", "message"),
    [
        ("deploy", ["-e", "version=v1"], "No environment is named"),
        ("rollback", [], "No environment is named"),
        ("rollback", ["-l", "production,staging"], "Hosts of 2 environments are selected"),
        ("adopt", ["-l", "outside"], "x1 is in no environment"),
        ("deploy", ["-l", "production"], "No version is named"),
    ],
)
def test_what_is_refused_is_refused_before_the_first_host(
    playground: Playground, playbook: str, arguments: list[str], message: str
) -> None:
    code, shown = playground.run(f"playbooks/{playbook}.yml", "-e", f"@{playground.app}", *arguments)
    assert code != 0
    assert message in shown
    assert "Nothing was touched" in shown
    assert list((playground.folder / "app").iterdir()) == []


DIR = {"hotfix_app_dir": "/srv/a"}
SERVICES = {"hotfix_services": {"a": {"image": "a"}}}


@pytest.mark.parametrize(
    ("playbook", "given", "missing"),
    [
        ("adopt", SERVICES, "hotfix_app_dir"),
        ("deploy", SERVICES, "hotfix_app_dir"),
        ("deploy", DIR, "hotfix_services"),
        ("rollback", DIR, "hotfix_services"),
        ("release_info", {}, "hotfix_app_dir, hotfix_services"),
    ],
)
def test_an_app_that_is_not_described_is_refused_by_name(
    playground: Playground, playbook: str, given: dict[str, Any], missing: str
) -> None:
    code, shown = playground.run(
        f"playbooks/{playbook}.yml", "-l", "production", "-e", "version=v1", "-e", json.dumps(given)
    )
    assert code != 0
    assert f"missing required arguments: {missing}" in shown


def test_batches_are_refused(playground: Playground) -> None:
    play = playground.play(
        "- hosts: production\n  gather_facts: false\n  serial: 1\n  roles: [pangeafate.hotfix.rollback]\n"
    )
    code, shown = playground.run(play, "-e", f"@{playground.app}")
    assert code != 0
    assert "This play runs in batches (serial)" in shown


def test_templates_of_the_inventory_and_the_play_are_rendered(playground: Playground) -> None:
    play = playground.play(
        "- hosts: mixed\n  gather_facts: false\n  vars:\n    who: ann\n"
        "    hotfix_operator: '{{ who }}@laptop'\n    hotfix_environments: ['{{ \"mixed\" }}']\n"
        "    hotfix_reason: 'as {{ who }} said'\n    hotfix_takeover: '{{ true }}'\n"
        "  tasks:\n    - pangeafate.hotfix.fleet: {phase: select}\n      run_once: true\n      register: said\n"
        "    - ansible.builtin.debug: {msg: '{{ said.run | to_json }}'}\n      run_once: true\n"
    )
    code, shown = playground.run(play)
    assert code == 0, shown
    for text in ('"operator": "ann@laptop"', '"environment": "mixed"', '"reason": "as ann said"', '"takeover": true'):
        assert text in shown


def test_hosts_that_cannot_be_reached_and_hosts_that_fail_are_both_in_the_outcome(playground: Playground) -> None:
    code, shown = playground.run(
        "playbooks/rollback.yml", "-l", "mixed", "-e", f"@{playground.app}", "-e", '{"hotfix_environments": ["mixed"]}'
    )
    assert code != 0
    assert "Rollback: failed." in shown
    assert "a1: unreachable: " in shown
    assert "h1: failed: The Docker Engine on this host does not answer" in shown


def test_all_hosts_unreachable_fails_and_says_so(playground: Playground) -> None:
    code, shown = playground.run(
        "playbooks/deploy.yml",
        "-l",
        "away",
        "-e",
        f"@{playground.app}",
        "-e",
        "version=v1",
        "-e",
        '{"hotfix_environments": ["mixed"]}',
    )
    assert code != 0
    assert "Deploy: unreachable." in shown
    assert "a1: unreachable: " in shown


def test_a_plan_looks_at_the_host_too(playground: Playground) -> None:
    code, shown = playground.run(
        "playbooks/deploy.yml", "--check", "-l", "production", "-e", f"@{playground.app}", "-e", "version=v1"
    )
    assert code != 0
    assert "p1: failed: The Docker Engine on this host does not answer" in shown
    assert list((playground.folder / "app").iterdir()) == []


def test_a_module_that_dies_is_a_failure_that_is_shown(playground: Playground) -> None:
    play = playground.play(
        "- hosts: production\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.command: 'false'\n      register: result\n      failed_when: false\n"
        "    - pangeafate.hotfix.fleet: {phase: agree, results: [result]}\n      run_once: true\n      register: may\n"
        "    - ansible.builtin.debug: {msg: 'go={{ may.go }} undo={{ may.undo }}'}\n      run_once: true\n"
        "    - pangeafate.hotfix.fleet: {phase: outcome, action: deploy, results: [result]}\n      run_once: true\n"
    )
    code, shown = playground.run(play)
    assert code != 0
    assert "go=False undo=True" in shown
    # The sentence is Ansible's own, and differs a little from one version to the next.
    assert re.search(r"p1: failed: [^:]*non-zero return code", shown), shown


def test_a_mistake_in_the_suite_stops_a_deploy_and_no_rollback(playground: Playground) -> None:
    suite = playground.folder / "checks.yml"
    suite.write_text("- name: health\n  type: http\n  path: /api/health\n  expct: {status: 200}\n")
    with playground.app.open("a") as app:
        app.write(f"hotfix_checks: \"{{{{ lookup('pangeafate.hotfix.suite', '{suite}') }}}}\"\n")
    arguments = ("-l", "production", "-e", f"@{playground.app}")
    code, shown = playground.run("playbooks/deploy.yml", *arguments, "-e", "version=v1")
    assert code != 0
    assert "checks.yml:4: Check 'health': unknown key 'expct'" in shown
    code, shown = playground.run("playbooks/rollback.yml", *arguments)
    assert "Rollback: failed." in shown
    assert "p1: failed: The Docker Engine on this host does not answer" in shown


def test_checks_that_cannot_be_made_are_refused_before_anything_is_touched(playground: Playground) -> None:
    check = {"name": "health", "type": "http", "path": "/", "expect": {"status": 200}}
    given = {"hotfix_checks": [check], "hotfix_public_url": "app.example.com"}
    arguments = ("-l", "production", "-e", f"@{playground.app}", "-e", "version=v1", "-e", json.dumps(given))
    code, shown = playground.run("playbooks/deploy.yml", *arguments)
    assert code != 0
    assert "Deploy: bad input." in shown
    assert "p1: bad input: The url of a target" in shown
    # One that is to be told apart from later is no reason to stop: nobody listens there.
    given["hotfix_public_url"] = "http://127.0.0.1:1"
    code, shown = playground.run("playbooks/deploy.yml", *arguments[:-1], json.dumps(given))
    assert code != 0
    assert "p1: failed: The Docker Engine on this host does not answer" in shown
    assert list((playground.folder / "app").iterdir()) == []


def test_a_rollback_that_fails_is_on_record_without_a_secret(playground: Playground) -> None:
    secret = "canary-registry-password"
    given = {
        "hotfix_registry_password": secret,
        "hotfix_registry": "registry.example.com",
        "hotfix_registry_username": "a",
    }
    code, shown = playground.run(
        "playbooks/rollback.yml",
        "-l",
        "mixed",
        "-e",
        f"@{playground.app}",
        "-e",
        json.dumps({"hotfix_environments": ["mixed"], **given, "reason": f"saving fails, see {secret}"}),
    )
    assert code != 0
    (folder,) = [path for path in playground.incidents.iterdir() if path.is_dir()]
    assert f"incident: {folder.name} (open): " in shown
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    steps = {event["host"]: event["outcome"] for event in lines if event["kind"] == "step" and event["end"]}
    assert steps == {"a1": "unreachable", "h1": "failed"}
    titles = [event["data"]["title"] for event in lines if event["kind"] == "opened"]
    assert titles == ["Rollback on mixed", "saving fails, see ********"]
    for path in folder.rglob("*"):
        if path.is_file():
            assert secret not in path.read_text(errors="replace"), path


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"incident": "20260102T030405Z-production-ffff"}, "There is no incident '20260102T030405Z-production-ffff'"),
        ({"severity": 7}, "Severity '7' is none"),
        ({"criterion": "slowness"}, "'slowness' is no criterion of an emergency"),
    ],
)
def test_what_is_said_of_an_incident_and_cannot_be_right_is_refused_first(
    playground: Playground, given: dict[str, Any], message: str
) -> None:
    code, shown = playground.run(
        "playbooks/rollback.yml", "-l", "production", "-e", f"@{playground.app}", "-e", json.dumps(given)
    )
    assert code != 0
    assert message in shown
    assert "Nothing was touched" in shown
    assert not playground.incidents.exists()


def test_neither_a_plan_nor_a_run_without_a_record_writes_one(playground: Playground) -> None:
    arguments = ("-l", "production", "-e", f"@{playground.app}")
    playground.run("playbooks/rollback.yml", *arguments, "--check")
    assert not playground.incidents.exists()
    _code, shown = playground.run("playbooks/rollback.yml", *arguments, "-e", '{"hotfix_incident_enabled": false}')
    assert "incident:" not in shown
    assert not playground.incidents.exists()


def test_the_record_begins_while_the_hosts_script_is_at_work_and_does_not_hold_it_up(playground: Playground) -> None:
    script = playground.folder / "app" / "switch-back"
    # It waits for the record, which so cannot be waiting for it.
    script.write_text(
        "#!/bin/sh\nn=0; while [ $((n += 1)) -lt 40 ]; do\n"
        f"  cat {playground.incidents}/*/events.jsonl >{playground.folder}/seen 2>/dev/null && exit 4\n"
        "  sleep 0.5\ndone\n"
    )
    script.chmod(0o755)
    playground.run("playbooks/rollback.yml", "-l", "production", "-e", f"@{playground.app}")
    lines = [json.loads(line) for line in (playground.folder / "seen").read_text().splitlines()]
    assert "opened" in [event["kind"] for event in lines]
    (folder,) = [path for path in playground.incidents.iterdir() if path.is_dir()]
    every = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert {event["host"] for event in every if event["kind"] == "step" and event["end"]} == {"p1", "p2"}


def test_roles_that_are_included_later_are_of_the_same_run(playground: Playground) -> None:
    """Each depends on the role that selects; made again, it would be another run, and take the lease from the first."""
    for name in ("one", "two"):
        role = playground.folder / "roles" / name
        (role / "tasks").mkdir(parents=True)
        (role / "meta").mkdir()
        (role / "meta" / "main.yml").write_text("dependencies: [{role: pangeafate.hotfix._common}]\n", encoding="utf-8")
        tasks = f"- ansible.builtin.debug: {{msg: 'run {name} {{{{ _common_selection.run.id }}}}'}}\n"
        (role / "tasks" / "main.yml").write_text(tasks, encoding="utf-8")
    path = playground.play(
        """
        - hosts: production
          gather_facts: false
          roles: [one]
          tasks:
            - ansible.builtin.include_role: {name: two}
        """
    )
    code, text = playground.run(path)
    assert code == 0, text
    said = re.findall(r"run (one|two) (\S+?)\"?\s", text)
    assert sorted(role for role, _run in said) == ["one", "one", "two", "two"]
    assert len({run for _role, run in said}) == 1
