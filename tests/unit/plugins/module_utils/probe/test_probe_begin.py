# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory says becomes a target, or a reason why nothing is measured; it never becomes an exception."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import begin, control, targets

URL = {"url": "https://app.example.com"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (URL, {"tls": True, "server": "app.example.com", "host": "app.example.com", "port": 443, "path": "/"}),
        ({"url": "http://app.example.com:8080"}, {"tls": False, "server": "app.example.com:8080", "port": 8080}),
        ({**URL, "address": "127.0.1.11:8443"}, {"server": "app.example.com", "host": "127.0.1.11", "port": 8443}),
        ({**URL, "address": "127.0.1.11"}, {"host": "127.0.1.11", "port": 443}),
        ({**URL, "address": "2001:db8::1"}, {"host": "2001:db8::1", "port": 443}),
        ({**URL, "address": "[2001:db8::1]:8443"}, {"host": "2001:db8::1", "port": 8443}),
        ({"url": "https://app.example.com/notes/", "path": "api/é?a=b c"}, {"path": "/notes/api/%C3%A9?a=b%20c"}),
        ({"url": "https://app.example.com/notes", "websocket": "/ws"}, {"websocket": "/notes/ws"}),
        ({**URL, "rate": "2", "timeout": "3", "slow": 0.5}, {"rate": 2.0, "timeout": 3.0, "slow": 0.5}),
        ({**URL, "validate_certs": "no"}, {"validate_certs": False}),
        ({**URL, "validate_certs": None, "ca_file": None, "rate": None}, {"validate_certs": True, "rate": 5.0}),
    ],
)
def test_targets(options: t.Dict[str, t.Any], expected: t.Dict[str, t.Any]) -> None:
    found = targets.target_of(options, "p1")._asdict()
    assert found["name"] == "p1"
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "hotfix_public_url is not set"),
        ({"url": "ftp://app.example.com"}, "hotfix_public_url is no URL of http or https"),
        ({"url": "https://app.example.com:99999"}, "hotfix_public_url is no URL of http or https"),
        ({"url": "https://app example.com"}, "hotfix_public_url is no URL of http or https"),
        ({"url": "https://ann:pass@app.example.com"}, "hotfix_public_url has more than scheme, name and path"),
        ({"url": "https://app.example.com/?a=b"}, "hotfix_public_url has more than scheme, name and path"),
        ({"url": "https://äpp.example.com"}, "hotfix_public_url holds a character that no Host header can hold"),
        ({**URL, "address": "a:b"}, "address 'a:b' is not host:port"),
        ({**URL, "address": "a:0"}, "address 'a:0' is not host:port"),
        ({**URL, "rate": 0}, "rate 0 cannot be; set a number of more than 0 and at most 50"),
        ({**URL, "rate": 51}, "rate 51 cannot be; set a number of more than 0 and at most 50"),
        ({**URL, "rate": "nan"}, "rate 'nan' cannot be; set a number of more than 0 and at most 50"),
        ({**URL, "slow": "soon"}, "slow 'soon' cannot be; set a number of more than 0 and at most 3600"),
        ({**URL, "ca_file": "/nowhere"}, "ca_file '/nowhere' is no file here"),
        ({**URL, "enabled": "false"}, "it is switched off (hotfix_probe)"),
        (URL, "'' is no ID of a run"),
        ({**URL, "run": "../r1"}, "'../r1' is no ID of a run"),
    ],
)
def test_what_cannot_be_measured_is_said(options: t.Dict[str, t.Any], why: str, tmp_path: Path) -> None:
    found = begin.begin({"dir": str(tmp_path / "kept"), **options}, "p1")
    assert found == {"measured": False, "why": why}
    assert not (tmp_path / "kept").exists()


def test_a_mistake_of_ours_is_a_reason_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def mistake(_folder: str) -> int:
        raise KeyError("oops")

    monkeypatch.setattr(control, "_start", mistake)
    found = begin.begin({**URL, "run": "r1", "dir": str(tmp_path)}, "p1")
    assert found == {"measured": False, "why": "KeyError: 'oops'"}
