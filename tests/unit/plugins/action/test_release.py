# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rollbacks begin with the host's own script, and what is typed for it there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.action import release

from tests.unit import local_play

ROLLBACK = {"state": "rolled_back", "app_dir": "/srv/app", "run": "20260102T030405Z-4f2a", "operator": "ann@laptop"}


def test_a_plain_rollback_does() -> None:
    assert release.is_plain_rollback(ROLLBACK)
    assert release.is_plain_rollback({**ROLLBACK, "takeover": "false", "strategy": "auto"})


@pytest.mark.parametrize(
    "more",
    [
        {"state": "live"},
        {"release": "20260102T030405Z-v1"},
        {"restore": "2026-01-02T03:04:05Z"},
        {"schema_ignored_reason": "nobody reads it"},
        {"takeover": True},
        {"takeover": "yes"},
        {"strategy": "recreate"},
        {"operator": 'ann", "owner": "bob'},
        {"operator": "ann laptop"},
        {"operator": ""},
        {"run": "$(touch /tmp/x)"},
    ],
)
def test_what_leaves_something_to_decide_does_not(more: dict[str, Any]) -> None:
    assert not release.is_plain_rollback({**ROLLBACK, **more})


def test_the_command_is_nothing_where_there_is_no_script_and_quotes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "an app; touch oops"
    command = release.turn_command({**ROLLBACK, "app_dir": f"{folder}/"})
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False).returncode == 0
    folder.mkdir()
    script = folder / "switch-back"
    script.write_text('#!/bin/sh\necho "$@"\n')
    script.chmod(0o700)
    said = subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said == "--for 20260102T030405Z-4f2a ann@laptop\n"
    assert not (tmp_path / "oops").exists()


def test_users_do_not_wait_for_settings_that_only_the_module_needs(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    turned = tmp_path / "turned"
    script = app / "switch-back"
    script.write_text(f'#!/bin/sh\necho "$2" >{turned}\nexit 4\n')
    script.chmod(0o700)
    task = {
        "state": "rolled_back",
        "app_dir": str(app),
        "run": "20260102T030405Z-4f2a",
        "operator": "ann@laptop",
        "settings": "later",
    }
    variables = {
        "later": {
            "app_dir": "what/the/task/says/counts",
            "services": {"backend": {"image": "registry.example.com/backend"}},
            "project": "{{ 'no name ' ~ lookup('ansible.builtin.file', '" + str(turned) + "') }}",
            "compose_file": "{{ nothing | default(omit) }}",
        },
    }
    (result,) = local_play.results(
        tmp_path, variables, {"pangeafate.hotfix.release": task}, path=local_play.no_engine(tmp_path)
    )
    # The module refuses the project by its name, and nothing before it.
    assert "no name 20260102T030405Z-4f2a" in result["msg"], result
