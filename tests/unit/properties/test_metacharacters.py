# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a shell, Jinja, a path or a parser of options reads as more than a name is inert: nothing of it is ever run.

The scripts and command lines are the real ones and run in a real shell. What would run if anything did makes a file.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pangeafate.hotfix.plugins.action import release as release_action
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _switch_back
from ansible_collections.pangeafate.hotfix.plugins.module_utils._command import ModuleRunner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import fill, fill_path
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git

from tests.unit.properties.hostile import METACHARACTERS
from tests.unit.properties.test_module_input_properties import MODULES, RUN, called

#: Notes with what it was started, and shows the containers that a test wants to be there.
DOCKER = r"""#!/bin/sh
printf '%s\0' "$@" >>"$CALLS"
printf '\036' >>"$CALLS"
case $1 in
  ps) cat "$CONTAINERS" ;;
  exec) exit "${EXEC_CODE:-0}" ;;
esac
"""


class Place:
    """A folder of an app, a Docker of its own, and the file that must not be there."""

    def __init__(self, folder: Path, name: str = "app") -> None:
        self.marker = folder / "marker"
        self.app = folder / name
        self.app.mkdir()
        self.calls, self.containers = folder / "calls", folder / "containers"
        self.containers.write_text("", encoding="utf-8")
        bin_ = folder / "bin"
        bin_.mkdir()
        (bin_ / "docker").write_text(DOCKER, encoding="utf-8")
        (bin_ / "docker").chmod(0o755)
        self.env = {
            "PATH": f"{bin_}:/usr/local/bin:/usr/bin:/bin",
            "CALLS": str(self.calls),
            "CONTAINERS": str(self.containers),
            "EXEC_CODE": "1",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd="/", env=self.env, capture_output=True, text=True, check=False, timeout=30)

    def called(self) -> list[list[str]]:
        raw = self.calls.read_text(encoding="utf-8") if self.calls.exists() else ""
        return [one.split("\0")[:-1] for one in raw.split("\x1e") if one]

    def require_inert(self) -> None:
        assert not self.marker.exists()


def filled(text: str, place: Place) -> str:
    return text.format(marker=place.marker)


#: What a file's name can hold; a slash would be a folder.
NAMED = [one for one in METACHARACTERS if "/" not in one]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def way(place: Place, **more: t.Any) -> _switch_back.Way:
    given: dict[str, t.Any] = {
        "app_dir": str(place.app),
        "project": "app",
        "leaves": "20260102T030405Z-v2",
        "leaves_slot": "green",
        "services": ["backend"],
        "method": _switch_back.RECREATE,
        "back": "20260101T030405Z-v1",
        "back_slot": "own",
        "back_project": "app",
        "compose_file": str(place.app / "compose.yml"),
        "compose_services": ["backend"],
        "early": {"backend": 1},
        "proxy_service": "proxy",
        "proxy_test": ["nginx", "-t"],
        "start_timeout": 0.0,
        **more,
    }
    return _switch_back.Way(**given)


def installed(place: Place, one: _switch_back.Way) -> str:
    script = place.app / "switch-back"
    script.write_text(_switch_back.render(one), encoding="utf-8")
    script.chmod(0o700)
    return str(script)


MODES = (["--status"], ["--force"], ["--for", "r1", "alice@laptop"])
SETTINGS = ("project", "leaves", "back", "back_project", "compose_file", "proxy_service", "rendered")


@pytest.mark.parametrize("text", METACHARACTERS)
def test_no_setting_of_the_switch_back_script_is_run(place: Place, text: str) -> None:
    value = filled(text, place)
    settings = {**dict.fromkeys(SETTINGS, value), "services": [value], "compose_services": [value], "early": {value: 1}}
    script = installed(place, way(place, **settings, images={value: value}, exclusive=[value], closing=[value]))
    for mode in MODES:
        done = place.run(script, *mode)
        place.require_inert()
        # It ran to an end of its own, and no shell fell over the text.
        assert done.returncode in (0, 1, 3, 4), done.stderr
        assert "yntax error" not in done.stderr
        assert "not found" not in done.stderr


@pytest.mark.parametrize("text", [*NAMED, "a b", "it's", 'say "hi"', "$HOME", "*", "-rf"])
def test_the_folder_of_the_app_may_be_named_as_it_likes(tmp_path: Path, text: str) -> None:
    marker = "marker"
    place = Place(tmp_path, text.format(marker=marker) + "x")
    (place.app / "journal.jsonl").touch()
    script = installed(place, way(place))
    done = place.run(script, "--status")
    assert done.returncode == 0, done.stderr
    assert "way back:   from 20260102T030405Z-v2" in done.stdout
    command = release_action.turn_command({"app_dir": str(place.app), **RUN})
    place.run("sh", "-c", command)
    place.run(script, "--force")
    assert not (tmp_path / marker).exists()
    assert not Path("/marker").exists()
    assert not (place.app / marker).exists()
    assert json.loads((place.app / "lease.json").read_text(encoding="utf-8"))["action"] == "switch_back"


@pytest.mark.parametrize("text", METACHARACTERS)
def test_a_word_of_the_proxys_commands_stays_one(place: Place, text: str) -> None:
    word = filled(text, place)
    place.containers.write_text("a1|running|Up 2 minutes|app|proxy|False||||\nb1|running|Up|app|backend|False||||\n")
    script = installed(place, way(place, proxy_test=["nginx", word], early={}))
    place.run(script, "--force")
    place.require_inert()
    assert ["exec", "a1", "nginx", word] in place.called()


@pytest.mark.parametrize("text", METACHARACTERS)
def test_what_containers_are_called_is_only_shown(place: Place, text: str) -> None:
    value = filled(text, place).replace("\n", " ").replace("|", " ")
    place.containers.write_text(f"a1|running|{value}|app|{value}|False|app|{value}|{value}|{value}\n")
    script = installed(place, way(place))
    shown = place.run(script, "--status")
    place.run(script, "--force")
    place.require_inert()
    assert value.strip().split()[0] in shown.stdout


RECORDS = ("lease.json", "deadline.json", "idle-own.json", "journal.jsonl")
KEYS = ("owner", "action", "run", "fencing", "at", "id", "slot", "release", "heartbeat", "expires", "step", "outcome")


@pytest.mark.parametrize("text", METACHARACTERS)
def test_no_record_is_run(place: Place, text: str) -> None:
    value = filled(text, place)
    (place.app / "proxy").mkdir()
    for link in ("current", "proxy/live"):
        (place.app / link).symlink_to(value)
    rows = ",\n".join(f'  "{key}": {json.dumps(value)}' for key in KEYS)
    script = installed(place, way(place))
    for mode in (*MODES, ["--at-deadline", value, "0"], ["--overdue", value, value, "1"]):
        for name in RECORDS:
            (place.app / name).write_text("{\n" + rows + ',\n  "held": true\n}\n', encoding="utf-8")
        done = subprocess.run(
            ["timeout", "2", script, *mode], cwd="/", env=place.env, capture_output=True, text=True, check=False
        )
        assert "yntax error" not in done.stderr
        assert "arithmetic" not in done.stderr
        place.require_inert()


def test_a_rollback_that_would_put_more_than_a_name_into_a_record_leaves_it_to_the_module(place: Place) -> None:
    for text in METACHARACTERS:
        for key in ("run", "operator"):
            arguments = {"state": "rolled_back", "app_dir": "/srv/app", **RUN, key: filled(text, place)}
            if text != "--help":
                assert not release_action.is_plain_rollback(arguments)
            # And if it were asked all the same, it would be one word.
            place.run("sh", "-c", release_action.turn_command(arguments))
            words = [word.rstrip(";") for word in shlex.split(release_action.turn_command(arguments))]
            assert filled(text, place).rstrip(";") in words
    place.require_inert()


@pytest.mark.parametrize("text", METACHARACTERS)
def test_the_seconds_of_a_rollback_are_a_number(place: Place, text: str) -> None:
    script = installed(place, way(place))
    arguments = {"app_dir": str(place.app), **RUN, "start_timeout": filled(text, place)}
    command = release_action.turn_command(arguments)
    assert os.path.basename(script) in command
    place.run("sh", "-c", command)
    place.require_inert()


def runner() -> ModuleRunner:
    with patch_module_args({}):
        return ModuleRunner(AnsibleModule(argument_spec={}))


@pytest.mark.parametrize("text", NAMED)
def test_files_and_words_of_programs_are_words(tmp_path: Path, text: str) -> None:
    name = text.format(marker="marker") + "y"
    source, target = tmp_path / name, tmp_path / f"{name}.out"
    source.write_text("inside", encoding="utf-8")
    run = runner()
    assert run(["cat"], timeout=5.0, stdin_file=source, stdout_file=target)[0] == 0
    assert target.read_text(encoding="utf-8") == "inside"
    assert run(["printf", "%s", name], timeout=5.0) == (0, name, "")
    assert run(["printf", "%s", "$HOME ~ *"], timeout=5.0) == (0, "$HOME ~ *", "")
    assert not list(tmp_path.glob("marker")) and not Path("marker").exists()


# -- what is refused, and named ------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, t.Callable[[str], dict[str, t.Any]]]] = {
    "version": ("release", lambda text: {"state": "prepared", "version": text}),
    "release": ("release", lambda text: {"state": "started", "release": text, "version": None}),
    "project": ("release", lambda text: {"project": text}),
    "service": (
        "release",
        lambda text: {"services": {text: {"image": "registry.example.com/app"}}, "assets": None, "migration": None},
    ),
    "image": ("release", lambda text: {"services": {"backend": {"image": text}}}),
    "proxy service": ("release", lambda text: {"proxy_service": text}),
    "registry": ("release", lambda text: {"registry": text}),
    "environment key": ("release", lambda text: {"current_only": [text]}),
    "database": ("release", lambda text: {"database": {"service": "postgres", "name": text, "user": "app"}}),
    "database user": ("release", lambda text: {"database": {"service": "postgres", "name": "app", "user": text}}),
    "assets": ("release", lambda text: {"assets": {"path": text, "service": "backend"}}),
    "service to restart": ("restart", lambda text: {"names": [text]}),
    "service of flags": (
        "feature_flag",
        lambda text: {"instances": {**MODULES["feature_flag"]["instances"], "services": [text]}},
    ),
    "project of flags": ("feature_flag", lambda text: {"project": text}),
    "project of logs": ("logs", lambda text: {"project": text}),
    "project of release_info": ("release_info", lambda text: {"project": text}),
}

#: An engine that is there, and says nothing.
SILENT = """#!/bin/sh
printf '%s\\n' "$*" >>"$CALLS"
case "$*" in
  *'compose version'*) echo 2.30.0 ;;
  *version*) echo 26.1.5 ;;
esac
"""


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_a_name_that_is_more_than_one_is_refused_and_named(
    place: Place, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name, changes = REFUSED[kind]
    (place.app.parent / "bin" / "docker").write_text(SILENT, encoding="utf-8")
    for key, one in place.env.items():
        monkeypatch.setenv(key, one)
    for text in METACHARACTERS:
        value = filled(text, place)
        arguments = {**MODULES[name], "app_dir": str(place.app), **changes(value)}
        result = called(name, {key: one for key, one in arguments.items() if one is not None}, planning=False)
        place.require_inert()
        assert result["failed"], result
        assert result["outcome"] == "bad_input", result
        assert repr(value)[1:-1] in result["msg"] or value in result["msg"], result["msg"]
        # Not a file was made, and no program got it.
        assert list(place.app.iterdir()) == []
        assert value not in (place.calls.read_text(encoding="utf-8") if place.calls.exists() else "")


@pytest.mark.parametrize("text", [one for one in METACHARACTERS if "\n" not in one])
def test_a_flag_may_be_called_so_and_goes_out_as_its_name(place: Place, text: str) -> None:
    name = filled(text, place)
    path = fill_path("/flags/{name}", name, True)
    assert path.count("/") == 2
    assert not set(path) & set(" \t\r\n?#%".replace("%", "")) or "%" in path
    assert not set(path) & set(" \r\n?#'\"`;|$(){}<>&")
    assert fill({"flag": "{name}", "on": "{value}"}, name, True) == {"flag": name, "on": True}
    place.require_inert()


@pytest.mark.parametrize("text", METACHARACTERS)
def test_git_takes_no_name_for_an_option_or_a_command(tmp_path: Path, text: str) -> None:
    marker = tmp_path / "marker"
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(tmp_path)}
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True, env=env)
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.inputs import Source

    value = text.format(marker=marker)
    with pytest.raises(HotfixError) as caught:
        Source.of(Git(checkout), value)
    assert repr(value) in str(caught.value)
    assert not marker.exists()
