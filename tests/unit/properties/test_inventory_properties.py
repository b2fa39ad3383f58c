# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever an inventory holds where the controller reads it: it is taken, or one error names the variable."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.targets import UnusableError, target_of
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils import _recorded
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import client as acme
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import keys
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import inputs
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.github import repository_of
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import channels
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import IncidentError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.properties.hostile import anything, changed, texts

CANARY = "canary-of-a-channel"
CHANNELS: list[dict[str, t.Any]] = [
    {
        "type": "webhook",
        "name": "ops",
        "url": f"https://hooks.example.com/{CANARY}",
        "secret": CANARY,
        "on": ["opened"],
    },
    {"type": "slack", "url": f"https://hooks.example.com/{CANARY}", "timeout": 5},
    {"type": "pagerduty", "routing_key": CANARY},
    {
        "type": "email",
        "host": "mail.example.com",
        "port": 587,
        "from": "a@example.com",
        "to": ["b@example.com"],
        "username": "u",
        "password": CANARY,
    },
]
SERVICES = {
    "backend": {
        "image": "registry.example.com/app",
        "build": {"context": ".", "args": {"A": "b"}, "labels": {"a": "b"}},
    },
    "frontend": {"image": "registry.example.com/web", "build": "web"},
}
PROBE = {
    "url": "https://app.example.com",
    "address": "127.0.0.1:443",
    "path": "/api/health",
    "websocket": "/ws",
    "rate": 5,
    "timeout": 5.0,
    "slow": "1",
    "validate_certs": True,
    "enabled": "yes",
}


@settings(max_examples=200)
@given(raw=changed(CHANNELS, most=2) | anything)
def test_channels_are_taken_or_named_and_no_secret_is_shown(raw: t.Any) -> None:
    try:
        found = channels.parse(raw)
    except (HotfixError, IncidentError) as exc:
        assert "hotfix_notifications" in str(exc)
        assert exc.next_step
        assert CANARY not in str(exc)
    else:
        assert CANARY not in repr(found)


@settings(max_examples=150)
@given(known=changed(SERVICES, most=2), named=st.lists(texts, max_size=1))
@example(known={"backend": {"image": "a", "build": {"args": 5}}}, named=[])
@example(known={"backend": {"image": "a", "build": {"labels": ["a"]}}}, named=[])
@example(known={"backend": {"image": "a", "build": {5: "a"}}}, named=[])
@example(known={"backend": {"image": ["a"], "build": "."}, 5: {"image": "a", "build": "."}}, named=[])
@example(known=["backend"], named=[])
@example(known="backend", named=["backend"])
def test_services_that_are_built_are_taken_or_named(known: t.Any, named: list[str]) -> None:
    try:
        found = inputs.services(named, known)
    except HotfixError as exc:
        assert exc.code == "bad_input"
        assert exc.next_step
    else:
        assert found


@settings(max_examples=150)
@given(options=changed(PROBE, most=2).filter(lambda one: isinstance(one, dict)))
@example(options={**PROBE, "rate": 10**400})
@example(options={**PROBE, "ca_file": "a\0b"})
@example(options={**PROBE, "url": "https://[::1"})
@example(options={**PROBE, "path": "\ud800"})
@example(options={**PROBE, "address": "a" * 70 + ":1"})
def test_a_probe_is_taken_or_its_reason_is_told(options: t.Any) -> None:
    try:
        found = target_of(options, "app1")
    except UnusableError as exc:
        assert str(exc)
    else:
        assert 0 < found.rate <= 50


@given(text=texts)
@example(text=f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----")
@example(text=f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{CANARY}\n-----END ENCRYPTED PRIVATE KEY-----")
def test_an_account_key_is_one_or_refused_without_showing_it(text: str) -> None:
    try:
        keys.AccountKey(text)
    except HotfixError as exc:
        assert "ssl_renewal_account_key" in str(exc)
        assert CANARY not in str(exc)


KEY = keys.AccountKey.__new__(keys.AccountKey)


@given(url=texts)
def test_a_directory_is_a_url_or_refused(url: str) -> None:
    try:
        acme.Client(url, KEY)
    except HotfixError as exc:
        assert "ssl_renewal_directory" in str(exc)


@given(url=texts)
def test_a_remote_is_a_repository_or_none(url: str) -> None:
    found = repository_of(url)
    assert found is None or "/" in found[1]


VARIABLES = {
    "hotfix_contacts": {"technical": [{"role": "lead", "name": "a"}]},
    "hotfix_notifications": CHANNELS,
    "hotfix_registry_password": CANARY,
    "hotfix_check_secrets": {"token": CANARY},
    "feature_flag_token": CANARY,
    "hotfix_incident_zone": "Europe/Berlin",
}


@settings(max_examples=150)
@given(variables=changed(VARIABLES, most=2).filter(lambda one: isinstance(one, dict)), given_services=anything)
def test_what_the_record_needs_of_variables_never_holds_a_run_up(variables: t.Any, given_services: t.Any) -> None:
    def render(value: t.Any) -> t.Any:
        return value

    _recorded.context_of(variables, render, {"services": given_services, "instances": given_services})


def test_what_variables_hold_is_masked() -> None:
    found = _recorded.context_of(VARIABLES, lambda value: value, {})
    assert CANARY not in str(found.redact({"text": f"it said {CANARY} to https://hooks.example.com/{CANARY}"}))
