# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is wrong with the list of channels is one error that names the entry, the key and what to do."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import notify
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.email import Email
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import origin
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError

KEY = "R0" + "A1B2C3D4E5" * 3
HOOK = "https://hooks.example.com/services/T000/B000/canary-of-the-path"
MAIL = {"type": "email", "host": "mail.example.com", "from": "ops@example.com", "to": ["ann@example.com"]}


def test_every_type_with_what_it_needs() -> None:
    found = notify.parse(
        [
            {"type": "webhook", "url": HOOK, "headers": {"Authorization": "Bearer x"}, "secret": "s", "timeout": "5"},
            {"type": "slack", "url": HOOK, "name": "ops", "on": ["resolved", "opened"]},
            {"type": "pagerduty", "routing_key": KEY, "on": "opened, failed"},
            {**MAIL, "port": "2525", "encryption": "tls", "username": "u", "password": "p", "attach_report": "yes"},
        ]
    )
    assert [(one.type, one.name, one.on, one.timeout) for one in found] == [
        ("webhook", "webhook", ("opened", "mitigated", "resolved", "failed"), 5.0),
        ("slack", "ops", ("opened", "resolved"), 10.0),
        ("pagerduty", "pagerduty", ("opened", "failed"), 10.0),
        ("email", "email", ("opened", "mitigated", "resolved", "failed"), 10.0),
    ]


def test_none_is_no_channel() -> None:
    assert notify.parse([]) == notify.parse(None) == ()


def test_what_was_read_is_read_the_same_again() -> None:
    first = notify.parse([{"type": "slack", "url": HOOK, True: ["opened"]}, MAIL])
    assert notify.parse([one.raw for one in first]) == first


def test_a_bare_on_is_true_in_yaml() -> None:
    (found,) = notify.parse([{"type": "slack", "url": HOOK, True: ["resolved"]}])
    assert found.on == ("resolved",)


def test_ports_follow_the_encryption() -> None:
    found = [notify.parse([{**MAIL, "encryption": one}])[0] for one in ("starttls", "tls", "none")]
    assert [one.port for one in found if isinstance(one, Email)] == [587, 465, 25]


def test_nothing_shows_a_secret() -> None:
    channels = notify.parse(
        [
            {"type": "webhook", "url": HOOK, "headers": {"X-Key": "canary-header"}, "secret": "canary-secret"},
            {"type": "slack", "url": HOOK},
            {"type": "pagerduty", "routing_key": KEY},
            {**MAIL, "username": "u", "password": "canary-password"},
        ]
    )
    assert "canary" not in repr(channels)
    assert KEY not in repr(channels)


BAD: list[tuple[t.Any, str, str, str]] = [
    # what is given, the key, what is said of it, what is to be done
    ({"type": "slak", "url": HOOK}, "type", "'slak'", "slack may be meant"),
    ({"url": HOOK}, "type", "is missing", "webhook, slack, pagerduty, email"),
    ({"type": ["slack"]}, "type", "a list", "slack"),
    ({"type": "slack"}, "url", "is missing", "set it"),
    ({"type": "webhook", "url": ""}, "url", "is missing", "set it"),
    ({"type": "webhook", "url": {"a": "canary"}}, "url", "a dictionary", "set it"),
    ({"type": "slack", "url": "hooks.example.com/canary"}, "url", "no URL", "copy it"),
    ({"type": "slack", "url": "ftp://hooks.example.com/canary"}, "url", "no URL", "copy it"),
    ({"type": "slack", "url": "https://h.example.com:x/canary"}, "url", "no URL", "copy it"),
    ({"type": "slack", "url": "https://h.example.com/canary\r\nX: y"}, "url", "no URL", "copy it"),
    ({"type": "slack", "url": "https://user:canary@h.example.com/"}, "url", "a password", "headers"),
    ({"type": "slack", "url": "http://hooks.example.com/canary"}, "url", "http://hooks.example.com,", "allow_http"),
    ({"type": "slack", "url": "http://127.0.0.1.example.com/canary"}, "url", "anybody on the way", "https://"),
    ({"type": "pagerduty"}, "routing_key", "is missing", "32"),
    ({"type": "pagerduty", "routing_key": "canary"}, "routing_key", "32", "Events API v2"),
    ({"type": "pagerduty", "routing_key": KEY, "url": "http://pd.example.com/"}, "url", "http://pd", "allow_http"),
    ({"type": "email", "from": "a@b.example", "to": "c@d.example"}, "host", "is missing", "mail server"),
    ({**MAIL, "host": "mail.example.com:25"}, "host", "cannot be", "without a port"),
    ({**MAIL, "to": []}, "to", "is missing", "list"),
    ({**MAIL, "to": ["ann"]}, "to", "no mail address", "name@example.com"),
    ({**MAIL, "to": ["ann@example.com\nBcc: eve@example.com"]}, "to", "no mail address", "name@example.com"),
    ({**MAIL, "from": "ops@example.com\r\nBcc: eve@example.com"}, "from", "no mail address", "name@example.com"),
    ({**MAIL, "port": 70000}, "port", "no number from 1 to 65535", "port: 587"),
    ({**MAIL, "port": 25.5}, "port", "no whole number", "port: 587"),
    ({**MAIL, "encryption": "ssl"}, "encryption", "'ssl'", "starttls, tls, none"),
    ({**MAIL, "username": "u"}, "password", "is missing", "neither"),
    ({**MAIL, "password": "canary"}, "username", "is missing", "neither"),
    ({**MAIL, "username": "u", "password": "canary", "encryption": "none"}, "password", "in clear", "starttls"),
    ({**MAIL, "ca_file": "/nonexistent/ca.pem"}, "ca_file", "no file", "correct"),
    ({**MAIL, "validate_certs": "perhaps"}, "validate_certs", "neither", "true"),
    ({"type": "slack", "url": HOOK, "on": ["open"]}, "on", "'open'", "opened, mitigated"),
    ({"type": "slack", "url": HOOK, "on": []}, "on", "no list", "leave it out"),
    ({"type": "slack", "url": HOOK, "on": {"opened": True}}, "on", "no list", "list some"),
    ({"type": "slack", "url": HOOK, "on": ["opened"], True: ["opened"]}, "on", "twice", "take one out"),
    ({"type": "slack", "url": HOOK, "timeout": 0}, "timeout", "1 to 60", "timeout: 10"),
    ({"type": "slack", "url": HOOK, "timeout": True}, "timeout", "1 to 60", "timeout: 10"),
    ({"type": "slack", "url": HOOK, "name": "a\nb"}, "name", "cannot be", "letters"),
    ({"type": "slack", "url": HOOK, "secert": "canary"}, "secert", "unknown", "the keys are"),
    ({"type": "webhook", "url": HOOK, "secert": "canary"}, "secert", "unknown", "secret may be meant"),
    ({"type": "webhook", "url": HOOK, "headers": ["X: canary"]}, "headers", "a list", "Name: value"),
    ({"type": "webhook", "url": HOOK, "headers": {"X Y": "canary"}}, "headers", "'X Y'", "correct"),
    ({"type": "webhook", "url": HOOK, "headers": {"X": "canary\r\nY: z"}}, "headers", "no header can have", "correct"),
    ({"type": "webhook", "url": HOOK, "headers": {"Host": "canary"}}, "headers", "Host", "take it out"),
    ("canary", "", "a text, not a dictionary", "type:"),
]


@pytest.mark.parametrize(("entry", "key", "said", "next_step"), BAD)
def test_bad_input(entry: t.Any, key: str, said: str, next_step: str) -> None:
    with pytest.raises(BadInputError) as caught:
        notify.parse([{"type": "slack", "url": HOOK, "name": "good"}, entry])
    error = caught.value
    assert "hotfix_notifications, entry 2" in error.what
    assert key in error.what
    assert said in error.what
    assert next_step in error.next_step
    assert error.place == ((1, key) if key else (1,))
    assert "canary" not in str(error)


@pytest.mark.parametrize("given", [{"type": "slack"}, "slack", 7, True])
def test_no_list(given: t.Any) -> None:
    with pytest.raises(BadInputError, match="hotfix_notifications is no list"):
        notify.parse(given)


def test_a_name_is_there_once() -> None:
    with pytest.raises(BadInputError, match=r"entry 2 \(slack\): name 'slack' is taken .* Next: give each a name"):
        notify.parse([{"type": "slack", "url": HOOK}, {"type": "slack", "url": HOOK}])


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:8080/x"])
def test_http_to_this_machine(url: str) -> None:
    assert notify.parse([{"type": "webhook", "url": url}])


def test_http_where_it_is_allowed_by_name() -> None:
    assert notify.parse([{"type": "webhook", "url": "http://chat.example.com/x", "allow_http": True}])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/a/b?c=d", "https://hooks.example.com"),
        ("https://u:p@hooks.example.com:8443/a", "https://hooks.example.com:8443"),
        ("http://[::1]:80/a", "http://[::1]:80"),
        ("https://h:x/secret", "a URL that cannot be read"),
    ],
)
def test_what_of_a_url_is_shown(url: str, shown: str) -> None:
    assert origin(url) == shown
