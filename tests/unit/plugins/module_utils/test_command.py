# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How programs are run on a host, with files for what is too large to be held in memory."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._command import ModuleRunner


class Module:
    """Runs commands as AnsibleModule does, and remembers them."""

    def __init__(self) -> None:
        self.words: t.List[str] = []

    def run_command(
        self,
        words: t.List[str],
        *,
        data: t.Optional[str],
        environ_update: t.Mapping[str, str],
        errors: str,
        expand_user_and_vars: bool,
        pass_fds: t.Tuple[int, ...],
        handle_exceptions: bool,
    ) -> t.Tuple[int, str, str]:
        assert not expand_user_and_vars
        assert not handle_exceptions
        assert environ_update == {}
        self.words = words
        done = subprocess.run(
            words, check=False, input=data, capture_output=True, text=True, errors=errors, pass_fds=pass_fds
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def module() -> Module:
    return Module()


@pytest.fixture
def run(module: Module) -> ModuleRunner:
    return ModuleRunner(t.cast(t.Any, module))


def test_every_program_has_an_end(run: ModuleRunner, module: Module) -> None:
    assert run(["echo", "a b"], timeout=5.0) == (0, "a b\n", "")
    assert module.words[:4] == ["timeout", "-k", "5", "5.0"]
    assert run(["sleep", "9"], timeout=0.1)[0] == 124


@pytest.mark.parametrize("name", ["plain", "a b", "$(touch pwned)", "a'b", 'a"b', "-n", "a\nb"])
def test_files_are_names_and_never_code(run: ModuleRunner, tmp_path: Path, name: str) -> None:
    source, target = tmp_path / f"in {name}", tmp_path / name
    source.write_bytes(bytes(range(256)) * 1000)
    assert run(["cat"], timeout=5.0, stdin_file=source, stdout_file=target) == (0, "", "")
    assert target.read_bytes() == source.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


def test_one_file_is_enough_and_arguments_stay_as_they_are(run: ModuleRunner, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("something longer than what comes")
    assert run(["printf", "%s", "$(id) *"], timeout=5.0, stdout_file=target) == (0, "", "")
    assert target.read_text() == "$(id) *"
    assert run(["cat"], timeout=5.0, stdin_file=target) == (0, "$(id) *", "")
    assert run(["sh", "-c", "exit 3"], timeout=5.0, stdin_file=target)[0] == 3


def test_a_file_that_is_not_there_is_an_error(run: ModuleRunner, tmp_path: Path) -> None:
    code, _stdout, stderr = run(["cat"], timeout=5.0, stdin_file=tmp_path / "none")
    assert code != 0
    assert "none" in stderr
