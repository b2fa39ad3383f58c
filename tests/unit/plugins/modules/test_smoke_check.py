# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module tells a pass, a failure, a look that was not possible, and an input that cannot be right."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.setup import smoke_options
from ansible_collections.pangeafate.hotfix.plugins.modules import smoke_check

CHECK = {"name": "a", "type": "http", "path": "/", "expect": {"status": 200}, "retries": 0}
NOBODY = {"url": "http://127.0.0.1:9"}


def call(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args({"checks": [CHECK], "targets": [NOBODY], **arguments}), pytest.raises(SystemExit):
        smoke_check.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_could_not_look_fails_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys)
    assert result["failed"]
    assert (result["outcome"], result["verdict"]) == ("failed", "error")
    assert result["msg"].startswith("Could not look (1 of 1 checks): a: GET /: 127.0.0.1:9 refuses connections.")
    assert result["summary"] in result["msg"]
    assert result["left"] == "Nothing was changed."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"checks": []}, "There is no check"),
        ({"checks": [{**CHECK, "expct": 1}]}, "Check 'a': unknown key 'expct'"),
        ({"targets": []}, "No target is named"),
        ({"targets": [{"url": ""}]}, "A target has no url"),
        ({"targets": [{"url": "app.example.com"}]}, "is no URL of https or http"),
        ({"targets": [{"url": "https://u:p@app.example.com"}]}, "holds a password"),
        ({"targets": [{"url": "https://app.example.com/?a=b"}]}, "has more than a path"),
        ({"targets": [{**NOBODY, "address": "127.0.0.1:99999"}]}, "is not host:port"),
        ({"targets": [{**NOBODY, "ca_file": "/nonexistent.pem"}]}, "is no file here"),
        ({"targets": [NOBODY, NOBODY]}, "Two targets are named"),
        ({"timeout": 0}, "timeout 0 cannot be"),
        ({"secrets": {"token": ""}}, "The secret 'token' is empty"),
    ],
)
def test_what_cannot_be_right_is_no_verdict(
    capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], says: str
) -> None:
    result = call(capsys, **arguments)
    assert (result["failed"], result["outcome"]) == (True, "bad_input")
    assert says in result["msg"]
    assert "results" not in result


def test_check_mode_reads_all_and_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, _ansible_check_mode=True)
    assert result["outcome"] == "planned"
    assert result["plan"] == ["Would make 1 checks at 127.0.0.1:9.", "a (http)"]
    assert call(capsys, _ansible_check_mode=True, checks=[])["outcome"] == "bad_input"


@pytest.mark.parametrize(
    ("address", "url", "shown"),
    [
        ("127.0.0.1:9", "http://app.example.com", "127.0.0.1:9"),
        ("127.0.0.1", "http://app.example.com:9", "127.0.0.1:9"),
        ("::1", "http://app.example.com:9", "::1:9"),
        ("[::1]", "http://app.example.com:9", "::1:9"),
        ("[::1]:9", "http://app.example.com", "::1:9"),
    ],
)
def test_an_address_may_leave_the_port_to_the_url(
    capsys: pytest.CaptureFixture[str], address: str, url: str, shown: str
) -> None:
    result = call(capsys, targets=[{"name": "x", "url": url, "address": address}])
    assert f"GET /: {shown} " in result["msg"]


def test_secrets_are_not_returned(capsys: pytest.CaptureFixture[str]) -> None:
    check = {**CHECK, "path": "/{token}", "headers": {"Authorization": "{token}"}}
    assert "s3cret-value" not in json.dumps(call(capsys, checks=[check], secrets={"token": "s3cret-value"}))


def test_documentation_and_spec_agree() -> None:
    def plain(options: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {
                **{key: one[key] for key in ("type", "elements", "required", "default") if key in one},
                "options": plain(one.get("options") or one.get("suboptions") or {}),
            }
            for name, one in options.items()
        }

    assert plain(yaml.safe_load(smoke_check.DOCUMENTATION)["options"]) == plain(smoke_options())


def test_the_examples_are_suites_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    for task in yaml.safe_load(smoke_check.EXAMPLES):
        arguments = task["pangeafate.hotfix.smoke_check"]
        secrets = dict.fromkeys(arguments.get("secrets", {}), "x" * 8)
        given = {"targets": [], **arguments, "secrets": secrets}
        assert call(capsys, _ansible_check_mode=True, **given)["outcome"] == "planned"
