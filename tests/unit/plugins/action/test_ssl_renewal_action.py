# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller does around the module: keys are handed on, and what was installed is proven or put back."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.action import ssl_renewal
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils import _recorded
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import keys, outside

from tests.unit.plugins.plugin_utils.acme.test_acme_client import pem

Call = t.Dict[str, t.Any]
HERE = {"http_address": "192.0.2.7", "public_address": "192.0.2.7:8443", "timeout": 1.0}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> t.List[Call]:
    """Stand where modules are run on hosts, and keep what they got."""
    seen: t.List[Call] = []

    def run(_self: t.Any, arguments: Call, _variables: t.Any) -> Call:
        seen.append(dict(arguments))
        return {"outcome": "done", "changed": True, "serial": "AB", "summary": "It was done.", "steps": [{}]}

    monkeypatch.setattr(_recorded.RecordedAction, "run_module", run)
    return seen


def action(**here: t.Any) -> ssl_renewal.ActionModule:
    made: ssl_renewal.ActionModule = object.__new__(ssl_renewal.ActionModule)
    made._here = {name: {**HERE, **here}.get(name) for name in ssl_renewal._HERE}
    made._host = "app1"
    return made


def wire(monkeypatch: pytest.MonkeyPatch, *wrong: str) -> None:
    monkeypatch.setattr(outside, "proven", lambda *_asked: list(wrong))


def test_what_is_on_the_wire_is_proven(calls: t.List[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    wire(monkeypatch)
    found = action().run_module({"state": "installed", "names": ["app.example.com"]}, {})
    assert [call["state"] for call in calls] == ["installed", "proven"]
    assert (found["outcome"], len(found["steps"])) == ("done", 2)
    assert "It is on the wire for app.example.com, and its chain is trusted." in found["summary"]


def test_what_is_not_is_put_back(calls: t.List[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    wire(monkeypatch, "app.example.com: CD is on the wire, not AB")
    found = action().run_module({"state": "installed", "names": ["app.example.com"]}, {})
    assert [call["state"] for call in calls] == ["installed", "put_back"]
    assert (found["failed"], found["outcome"], "summary" in found) == (True, "failed", False)
    assert found["left"] == "It was done."
    assert "is not on the wire of app1 as it has to be: app.example.com: CD is on the wire" in found["msg"]


def test_the_host_gets_its_key_and_not_the_accounts(calls: t.List[Call]) -> None:
    account = pem(keys._new_key("ecdsa256"))
    sealed = keys.AccountKey(account).seal("the key of the certificate")
    action(account_key=account, sealed_key=sealed).run_module({"state": "answered", "names": []}, {})
    (call,) = calls
    assert call["private_key"] == "the key of the certificate"
    assert account not in str(call) and "account_key" not in call and "sealed_key" not in call


def test_a_stand_in_is_made_for_each_host_that_needs_one(calls: t.List[Call]) -> None:
    for needs in (True, True, False):
        action(stand_in=needs).run_module({"state": "prepared", "names": ["app.example.com"]}, {})
    first, second, third = (call.get("stand_in_key") for call in calls)
    assert first and second and first != second and third is None
    assert keys.leaf_of(calls[0]["stand_in_certificate"]).own
