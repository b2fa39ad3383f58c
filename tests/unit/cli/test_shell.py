# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The help pages, what is refused on the command line, and completion."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hotfix.cli import hotfix as root
from hotfix.cli import main
from hotfix.exits import Exit
from hotfix.shell import COMMANDS
from hotfix.task import Options, Task

#: The usual terminal.
LINES, COLUMNS = 24, 80
HOTFIX = [sys.executable, "-m", "hotfix"]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*path, name)
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


EVERY = list(commands(root))


def test_all_that_operators_want_is_there() -> None:
    wanted = (
        "status diagnose logs flag rollback deploy confirm ship smoke restart ssl releases incident preflight unlock "
        "completion"
    )
    assert set(wanted.split()) <= set(COMMANDS)
    assert {path[1] for path in EVERY if path[0] == "incident" and len(path) == 2} == {
        "open",
        "note",
        "check",
        "resolve",
        "report",
    }
    assert ("ssl", "renew") in EVERY


@pytest.mark.parametrize("path", [(), *EVERY], ids=" ".join)
def test_a_help_page_fits_one_screen_and_has_an_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    (example,) = [line for line in lines if line.startswith("Example: ")]
    assert "hotfix" in example


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rolback"], "There is no command 'rolback'. Did you mean 'rollback'? Next:"),
        (["rollback"], "No environment is named. Nothing was touched. Next: name one, as in '-l production'."),
        (["rollback", "-l", ""], "No environment is named."),
        (["deploy", "-l", "production"], "Missing argument 'VERSION'"),
        (["flag", "NAME", "of", "-l", "production"], "'of'"),
        (["rollback", "--nope"], "No such option"),
        (["rollback", "-l", "production", "--timeout", "soon"], "--timeout 'soon' is no time. Next:"),
        (["rollback", "-l", "production", "-e", "novalue"], "-e 'novalue' is not of the form name=value. Next:"),
        (["rollback", "-l", "production", "-e", "{"], "is no JSON"),
        (["rollback", "-l", "production", "-e", "@nowhere.yml"], "-e names the file 'nowhere.yml', which is not there"),
        (["rollback", "-l", "production", "--secret", "a b"], "--secret 'a b' is no name of a variable"),
        (["rollback", "-l", "production", "--secret", "a=nowhere"], "--secret a cannot be read from 'nowhere'"),
        (
            ["rollback", "-l", "production", "--secret", "a=env:NOT_SET"],
            "--secret a is to come from NOT_SET, which is not set",
        ),
        (["rollback", "-l", "production", "--secret", "a"], "--secret a is to be asked for, and there is no terminal"),
        (
            ["rollback", "-l", "production", "-i", "nowhere"],
            "-i names 'nowhere', and there is no such inventory. Next:",
        ),
        (
            ["rollback", "-l", "production"],
            "there is no terminal to ask on. Nothing was touched. Next: look at the plan",
        ),
        (["ship", "-l", "production"], "exactly one of --patch FILE, --commit ID and --changes"),
        (["ship", "-l", "production", "--patch", "nowhere"], "--patch names 'nowhere', which is not there"),
    ],
)
def test_a_wrong_command_line_is_refused_with_the_next_step(
    project: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTFIX_INVENTORY", str(project / "inventory.yml"))
    assert main(words) == Exit.USAGE
    captured = capsys.readouterr()
    shown = " ".join(captured.err.split())
    assert said in shown
    assert "Next:" in shown
    assert captured.out == ""


def test_a_refusal_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--output", "json"]) == Exit.USAGE
    found = json.loads(capsys.readouterr().out)
    assert found["command"] == "deploy"
    assert found["exit"] == {"code": 2, "name": "usage"}


def test_without_an_inventory_it_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HOTFIX_INVENTORY", "ANSIBLE_INVENTORY", "ANSIBLE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    assert main(["status", "-l", "production"]) == Exit.USAGE
    assert "No inventory is named. Next: name it with -i, with HOTFIX_INVENTORY" in capsys.readouterr().err


@pytest.fixture
def conducted(monkeypatch: pytest.MonkeyPatch, project: Path) -> list[tuple[Task, Options]]:
    """What commands ask for, instead of a run."""
    monkeypatch.setenv("HOTFIX_INVENTORY", str(project / "inventory.yml"))
    found: list[tuple[Task, Options]] = []

    def conduct(task: Task, options: Options) -> Exit:
        found.append((task, options))
        return Exit.DONE

    for module in ("looks", "flags", "changes", "ship", "incident", "run", "follow"):
        __import__(f"hotfix.commands.{module}")
        monkeypatch.setattr(f"hotfix.commands.{module}.conduct", conduct)
    return found


ASKED = [
    ("", "release_info", {}, False),
    ("status", "release_info", {}, False),
    ("releases", "release_info", {}, False),
    ("diagnose", "diagnose", {}, False),
    ("logs backend nginx -n 5 --since 10m", "logs", {"services": "backend,nginx", "lines": "5", "since": "10m"}, False),
    ("smoke", "smoke_check", {}, False),
    ("preflight --part git", "preflight", {"preflight_parts": ["git"]}, False),
    ("flag", "feature_flag_info", {}, False),
    ("flag NAME", "feature_flag_info", {"flag": "NAME"}, False),
    ("flag NAME off", "feature_flag", {"flag": "NAME", "enabled": "false"}, True),
    ("flag NAME on", "feature_flag", {"flag": "NAME", "enabled": "true"}, True),
    ("rollback", "rollback", {}, True),
    ("rollback --to ID", "rollback", {"release": "ID"}, True),
    ("deploy v2", "deploy", {"version": "v2"}, True),
    ("deploy v2 --confirm-later", "deploy", {"version": "v2", "confirm": "later"}, True),
    ("confirm", "confirm", {}, True),
    ("ship --commit ID --service backend", "hotfix", {"commit": "ID", "services": "backend"}, True),
    ("restart backend nginx --force", "restart", {"services": "backend,nginx", "force": "true"}, True),
    ("ssl renew --force", "ssl_renew", {"force": "true"}, True),
    ("incident open T --severity 2", "incident", {"state": "opened", "title": "T", "severity": "2"}, False),
    ("incident note N", "incident", {"note": "N"}, False),
    ("incident check K --by ann", "incident", {"tick": "K", "by": "ann"}, False),
    ("incident resolve --root-cause C", "incident", {"state": "resolved", "root_cause": "C"}, False),
    ("incident report --list --incident I", "incident", {"list": "true", "incident": "I"}, False),
    ("unlock", "unlock", {}, True),
]


@pytest.mark.parametrize(
    ("words", "playbook", "variables", "changes"), ASKED, ids=[one[0] or "nothing" for one in ASKED]
)
def test_a_command_asks_its_playbook_for_what_was_typed(
    conducted: list[tuple[Task, Options]], words: str, playbook: str, variables: dict[str, object], changes: bool
) -> None:
    more = ["-l", "production", *(["--yes", "--reason", "why"] if changes else [])]
    assert main([*words.split(), *more]) == Exit.DONE
    ((task, options),) = conducted
    assert (task.playbook, task.variables, task.changes) == (playbook, variables, changes)
    assert options.limit == "production"
    assert options.variables.get("reason") == ("why" if changes else None)
    if changes:
        assert task.undo
        assert options.yes


def test_what_was_typed_beside_a_command_arrives(conducted: list[tuple[Task, Options]], project: Path) -> None:
    (project / "secret").write_text("s3cret\n", encoding="utf-8")
    (project / "more.yml").write_text("a: 1\n", encoding="utf-8")
    words = ["deploy", "v2", "-l", "prod1,prod2", "-i", "inventory.yml", "--check", "--diff", "-vv", "--takeover"]
    words += [
        "-e",
        "title=it is slow",
        "-e",
        '{"deploy_baseline": false}',
        "-e",
        "@more.yml",
        "--secret",
        "token=secret",
    ]
    assert main([*words, "--timeout", "10m", "-o", "junit"]) == Exit.DONE
    ((_task, options),) = conducted
    assert options == Options(
        inventory=(str(project / "inventory.yml"),),
        limit="prod1,prod2",
        output="junit",
        timeout=600.0,
        verbosity=2,
        variables={"title": "it is slow", "deploy_baseline": False, "token": "s3cret", "takeover": "true"},
        files=(str(project / "more.yml"),),
        check=True,
        diff=True,
    )


def test_alone_it_is_the_state_of_production(conducted: list[tuple[Task, Options]]) -> None:
    assert main([]) == Exit.DONE
    assert main(["-l", "staging"]) == Exit.DONE
    assert [(task.command, options.limit) for task, options in conducted] == [
        ("status", "production"),
        ("status", "staging"),
    ]


def test_what_goes_on_has_no_junit_form(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "-l", "staging", "-i", "inventory.yml", "-f", "-o", "junit"]) == Exit.USAGE
    assert "Next: leave it or --follow out." in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == Exit.DONE
    assert "_HOTFIX_COMPLETE" in capsys.readouterr().out
    words = {"bash": "hotfix ro", "zsh": "hotfix ro", "fish": "hotfix ro"}[shell]
    environment = {**os.environ, "_HOTFIX_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": "1"}
    if shell == "fish":
        environment["COMP_CWORD"] = "ro"
    done = subprocess.run(HOTFIX, env=environment, capture_output=True, text=True, check=False)
    assert "rollback" in done.stdout
    environment["COMP_WORDS"] = "hotfix incident re"
    environment["COMP_CWORD"] = "re" if shell == "fish" else "2"
    done = subprocess.run(HOTFIX, env=environment, capture_output=True, text=True, check=False)
    assert "resolve" in done.stdout
    assert "report" in done.stdout


def test_a_help_page_takes_less_than_a_third_of_a_second_of_processor_time() -> None:
    def processor() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    taken = []
    for _round in range(5):
        before = processor()
        subprocess.run([*HOTFIX, "--help"], stdout=subprocess.DEVNULL, check=True)
        taken.append(processor() - before)
    # The others pay for whatever else the machine does.
    assert min(taken) < 0.3


def test_a_help_page_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hotfix.cli import main; main(['rollback', '--help']); "
        "print([name for name in ('rich', 'ansible_runner', 'ansible', 'pexpect', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_runs_as_a_module_and_says_its_version() -> None:
    done = subprocess.run([*HOTFIX, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("hotfix ")
