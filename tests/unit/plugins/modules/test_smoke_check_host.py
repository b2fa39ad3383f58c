# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With scope host the module makes the checks that look at the app from its own host, and no others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pangeafate.hotfix.plugins.modules import smoke_check

HTTP = {"name": "outside", "type": "http", "path": "/", "expect": {"status": 200}, "retries": 0}
DISK = {
    "name": "disk",
    "type": "command",
    "command": ["sh", "-c", 'echo "$TOKEN"'],
    "environment": {"TOKEN": "{token}"},
}
LOGS = {"name": "logs", "type": "logs"}


def call(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    given = {"scope": "host", "checks": [HTTP, DISK], "secrets": {"token": "s3cret-token"}, **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        smoke_check.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_only_those_of_the_host_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, app={"host_name": "app1"})
    assert result["outcome"] == "seen", result
    assert [(one["name"], one["target"], one["status"]) for one in result["results"]] == [("disk", "app1", "passed")]
    assert "s3cret-token" not in json.dumps(result)


def test_check_mode_runs_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    check = {"name": "a", "type": "command", "command": ["touch", str(tmp_path / "made")]}
    result = call(capsys, _ansible_check_mode=True, checks=[check])
    assert result["plan"] == ["Would make 1 checks at this host.", "a (command)"]
    assert not (tmp_path / "made").exists()
    assert call(capsys, checks=[check])["outcome"] == "seen"
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"checks": [HTTP]}, "No check is made on the host itself"),
        ({"checks": [LOGS]}, "Check 'logs' looks at an app, and nobody said which app of the host"),
        ({"checks": [LOGS], "app": {"app_dir": "srv"}}, "is not an absolute path"),
        ({"checks": [LOGS], "app": {"project": "No Project"}}, "is not usable"),
        ({"app": {"database": {"service": "postgres"}}}, "The database has no name, user"),
        ({"targets": [{"url": "http://127.0.0.1:9"}]}, "Targets are named, but with scope host"),
        (
            {"scope": "public", "checks": [DISK], "targets": [{"url": "http://127.0.0.1:9"}]},
            "none is made from outside",
        ),
        ({"scope": "public"}, "No target is named"),
    ],
)
def test_what_cannot_be_right(capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], says: str) -> None:
    result = call(capsys, **arguments)
    assert (result["outcome"], says in result["msg"]) == ("bad_input", True), result["msg"]
