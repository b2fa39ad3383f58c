# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret is written, in whatever spelling; and nothing that only looks a little like one is taken away."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import textwrap
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import MASK
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import (
    Redactor,
    is_secret_name,
    known_values,
)
from hypothesis import given
from hypothesis import strategies as st

SECRET = "canary-5/7 ü'\"&x\\y"
BODY = (
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACDx1234567890abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR\n"
)
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}-----END OPENSSH PRIVATE KEY-----"
# Written in two halves, so that no scanner takes this file for one that leaks.
SHAPES = {
    "github classic": "ghp" + "_16C7e42F292c6912E7710c838347Ae178B4a",
    "github oauth": "gho" + "_16C7e42F292c6912E7710c838347Ae178B4a",
    "github server": "ghs" + "_16C7e42F292c6912E7710c838347Ae178B4a",
    "github fine-grained": "github" + "_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789",
    "gitlab": "glpat" + "-a1B2c3D4e5F6g7H8i9J0",
    "aws key": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws session key": "ASIA" + "IOSFODNN7EXAMPLE",
    "slack bot": "xoxb" + "-123456789012-123456789012-a1B2c3D4e5F6g7H8i9J0k1L2",
    "pagerduty": "R0" + "3ABCDEFGHIJKLMNOPQRSTUVWXYZ012",
    "stripe": "sk" + "_live_4eC39HqLyjWDarjtT1zdp7dc",
    "npm": "npm" + "_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "pypi": "pypi" + "-AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMA",
    "google": "AIza" + "SyA1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q",
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "unleash": "964a287e1b728cb5f4f3e0120df92cb5ab05cf0e5a1b2c3d4e5f6a7b",
}
IN_CONTEXT = {
    "unleash": "default:development.{}",
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("frame", ["{}", "before {} after", '"{}"', "x={}&y", "({}),", "line\n{}\nline"])
def test_a_token_is_known_by_its_shape(name: str, frame: str) -> None:
    token = SHAPES[name]
    shown = Redactor().text(frame.format(IN_CONTEXT.get(name, "{}").format(token)))
    assert token not in shown
    assert MASK in shown
    assert shown.startswith(frame.partition("{}")[0])
    assert shown.endswith(frame.partition("{}")[2])


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("Authorization: Bearer abcdefgh", "abcdefgh", f"Authorization: Bearer {MASK}"),
        ("curl -H 'Authorization: opaque' http://a", "opaque", f"curl -H 'Authorization: {MASK}' http://a"),
        ('{"Authorization": "Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz", f'{{"Authorization": "Basic {MASK}"}}'),
        ("it said Bearer opaquevalue.", "opaquevalue", f"it said Bearer {MASK}"),
        ("it said Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", f"it said Basic {MASK}"),
        ("x-admin-token: hunter2", "hunter2", f"x-admin-token: {MASK}"),
        ("X-Api-Key=hunter2", "hunter2", f"X-Api-Key={MASK}"),
        ("Cookie: a=hunter2; b=hunter3", "hunter", f"Cookie: {MASK}"),
        ("password=hunter2 user=bob", "hunter2", f"password={MASK} user=bob"),
        ("PGPASSWORD='hunter 2' psql", "hunter 2", f"PGPASSWORD='{MASK}' psql"),
        ('{"password": "hunt\\"er2", "user": "bob"}', "er2", f'{{"password": "{MASK}", "user": "bob"}}'),
        ('"{\\"password\\": \\"hunter2\\", \\"a\\": 1}"', "hunter2", f'"{{\\"password\\": \\"{MASK}\\", \\"a\\": 1}}"'),
        ('password: "hunter2 is cut', "hunter2", f'password: "{MASK}'),
        ("token: hunter2", "hunter2", f"token: {MASK}"),
        ("secret => 'hunter2'", "hunter2", f"secret => '{MASK}'"),
        ("db_password_prod: hunter2", "hunter2", f"db_password_prod: {MASK}"),
        ("accessToken=hunter2", "hunter2", f"accessToken={MASK}"),
        ("aws_secret_access_key = hunter2", "hunter2", f"aws_secret_access_key = {MASK}"),
        ("routing_key: 0123456789abcdef0123456789abcdef", "0123456789", f"routing_key: {MASK}"),
        ("psql --password hunter2 -h a", "hunter2", f"psql --password {MASK} -h a"),
        ("tool --api-key=hunter2", "hunter2", f"tool --api-key={MASK}"),
        ("GET /a?token=hunter2&b=1", "hunter2", f"GET /a?token={MASK}&b=1"),
        ("GET /a?b=1&sig=hunter2", "hunter2", f"GET /a?b=1&sig={MASK}"),
        ("redis://:hunter2@cache:6379/0", "hunter2", f"redis://:{MASK}@cache:6379/0"),
        ("postgres://app:hunter2@db/app", "hunter2", f"postgres://app:{MASK}@db/app"),
        ("POST https://hooks.slack.com/services/T0/B0/abc", "T0/B0/abc", f"POST https://hooks.slack.com/{MASK}"),
        (f"id AKIA{'IOSFODNN7EXAMPLE'} {'wJalrXUtnFEMI/K7MDENG/bPxRfiCY' + 'EXAMPLEKEY'}.", "wJalr", f"id {MASK}."),
    ],
)
def test_a_secret_is_known_by_what_stands_before_it(text: str, secret: str, shown: str) -> None:
    assert secret in text
    assert Redactor().text(text) == shown


def test_what_was_masked_stays_so() -> None:
    redactor = Redactor([SECRET])
    for text in (*SHAPES.values(), PEM, "password=hunter2", f"x {SECRET} y", "redis://:hunter2@cache"):
        once = redactor.text(text)
        assert redactor.text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "sha256:" + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "registry.example.com:5000/backend@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "registry.example.com/backend:v1.4f3e0120",
        "9f86d081884c",
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "b3a2c1d0-1111-4222-8333-444455556666",
        "2026-01-02T03:04:05.678Z",
        "20260102T030405Z-production-1a2b",
        "j-0123456789abcdef",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPHXNzk1 deploy@host",
        "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDUJ3w8s5Gz3Qm2Q5c",
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\n-----END CERTIFICATE-----",
        "alice@laptop and https://alice@example.com/a/b",
        "http://localhost:8080/api/health?page=2&key_count=3",
        "The Basic Authentication failed; bearer token missing.",
        "Basic functionality is back.",
        "Next: check hotfix_registry_username and hotfix_registry_password.",
        "token: missing",
        "The password: is wrong",
        "password_file: /run/secrets/db",
        "token_header: X-Admin-Token",
        "token_count=1234567",
        'password: "{{ vault_password }}"',
        "secrets: {}",
        "password: ''",
        "secretary: Alice",
        "tokenizer=fast-tokenizer",
        "passwordless: certainly",
        "dedup_key: 0123456789ab",
        "task-list-of-everything-that-was-done",
        "disk-usage-of-the-root-file-system-is-high",
        "a PRIVATE KEY is not shown",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor().text(text) == text
    assert Redactor().deep({"text": text}) == {"text": text}


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        urllib.parse.quote(SECRET, safe="").lower().replace("x%5cy", "x%5cy"),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(SECRET).replace("/", "\\/"),
        repr(SECRET),
    ],
)
def test_a_known_value_is_masked_in_every_spelling(written: str) -> None:
    shown = Redactor([SECRET]).text(f"<{written}>")
    assert "canary" not in shown
    assert MASK in shown


@given(
    secret=st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6 and text.strip("* \t\r\n")),
    before=st.binary(max_size=7),
    after=st.binary(max_size=7),
    urlsafe=st.booleans(),
)
def test_a_known_value_is_masked_wherever_in_base64_it_is(
    secret: str, before: bytes, after: bytes, urlsafe: bool
) -> None:
    raw = secret.strip().encode("utf-8", "replace")
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    encoded = encode(before + raw + after).decode()
    assert MASK in Redactor([secret]).text(encoded)


def test_a_value_of_several_lines_is_masked_line_by_line() -> None:
    shown = Redactor(["first line of it\n  second line of it\nx"]).text(
        "web | first line of it\nweb | second line of it\n"
    )
    assert shown == f"web | {MASK}\nweb | {MASK}\n"


def test_a_short_value_is_no_known_one() -> None:
    assert Redactor(["abc", " ab\n", ""]).text("abc ab") == "abc ab"


@given(
    known=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=30), min_size=1, max_size=4),
    between=st.lists(st.text('ab:/@ ="\n', max_size=8), min_size=5, max_size=5),
)
def test_no_known_value_survives(known: list[str], between: list[str]) -> None:
    real = [value for value in known if len(value.strip()) >= 6 and "*" not in value]
    text = "".join(f"{word}{value}" for word, value in zip(between, real, strict=False)) + between[-1]
    shown = Redactor(real).text(text)
    assert not [value for value in real if value in shown]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"before\n{PEM}\nafter", f"before\n{MASK}\nafter"),
        (json.dumps({"key": PEM}), f'{{"key": "{MASK}"}}'),
        ("\n".join(f"web | {line}" for line in PEM.splitlines()), f"web | {MASK}"),
        # The end was cut off, then the beginning.
        (PEM[:150] + ". Then more.", f"{MASK}. Then more."),
        (f"{BODY}-----END OPENSSH PRIVATE KEY-----\nafter", f"{MASK}\nafter"),
        (f"before.\n{BODY}-----END RSA PRIVATE KEY-----", f"before.\n{MASK}"),
        (f"{PEM}\nbetween: it\n{PEM}", f"{MASK}\nbetween: it\n{MASK}"),
    ],
)
def test_a_private_key_is_masked_as_a_whole(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_deep_masks_values_keys_and_what_bears_the_name_of_a_secret() -> None:
    redactor = Redactor([SECRET])
    assert redactor.deep(
        {
            "n": 1,
            "none": None,
            "yes": True,
            "seconds": 1.5,
            "list": [SECRET, ("a", f"b {SECRET}")],
            SECRET: "first",
            f"{SECRET} ": "second",
            "admin_token": "short",
            "tokens": {"web": "abc", "count": 3},
            "password": "",
            "token_header": "X-Admin-Token",
            "raw": SECRET.encode(),
        }
    ) == {
        "n": 1,
        "none": None,
        "yes": True,
        "seconds": 1.5,
        "list": [MASK, ["a", f"b {MASK}"]],
        MASK: "first",
        f"{MASK} ": "second",
        "admin_token": MASK,
        "tokens": {"web": MASK, "count": 3},
        "password": "",
        "token_header": "X-Admin-Token",
        "raw": MASK,
    }


def test_two_keys_that_are_secrets_stay_two() -> None:
    assert Redactor(["secret-one", "secret-two"]).deep({"secret-one": 1, "secret-two": 2}) == {
        MASK: 1,
        f"{MASK} (2)": 2,
    }


def test_deep_comes_to_an_end() -> None:
    value: Any = SECRET
    for _level in range(5000):
        value = [value]
    assert SECRET not in repr(json.dumps(Redactor([SECRET]).deep(value)))


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("feature_flag_token", True),
        ("hotfix_registry_password", True),
        ("hotfix_check_secrets", True),
        ("ansible_become_password", True),
        ("DATABASE_PASSWORD_2", True),
        ("apiKey", True),
        ("adminPassword", True),
        ("feature_flag_token_header", False),
        ("password_file", False),
        ("sort_key", False),
        ("tokenizer", False),
        ("secretary", False),
        ("summary", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


class Vaulted:
    """As Ansible has it: no text before it is asked for one."""

    def __init__(self, plain: str | None) -> None:
        self._plain = plain

    def __str__(self) -> str:
        if self._plain is None:
            raise ValueError("Decryption failed")
        return self._plain


class Lazy(Mapping[str, Any]):
    """Renders when asked, and cannot render one of them."""

    def __getitem__(self, key: str) -> Any:
        if key == "broken_token":
            raise RuntimeError("undefined")
        return "lazy-secret"

    def __iter__(self) -> Iterator[str]:
        return iter(["broken_token", "fine_token"])

    def __len__(self) -> int:
        return 2


def test_known_values_of_variables() -> None:
    variables: dict[Any, Any] = {
        "hotfix_check_secrets": {"login": "secret-of-check", "nested": {"a": ["deep-secret"]}},
        "feature_flag_token": "flag-token",
        "feature_flag_token_header": "X-Admin-Token",
        "hotfix_registry_password": Vaulted("vaulted-secret"),
        "other_password": Vaulted(None),
        "templated_password": "{{ lookup('file', 'a') }}",
        "hotfix_notifications": [
            {
                "type": "slack",
                "name": "operations-channel",
                "url": "https://chat.example.com/in/abc",
                "on": ["opened"],
            },
            {"type": "pagerduty", "routing_key": "0123456789abcdef"},
            {"type": "webhook", "url": "https://a.example.com/", "headers": {"X-Any": "header-value"}},
            "no channel",
        ],
        "app": {"settings": [{"db_password": "nested-secret", "db_host": "database.example.com"}]},
        "ansible_password": 12345678,
        "pin_password": 123,
        "my_thing": "named-by-caller",
        "lazy": Lazy(),
        "hostvars": {"web1": {"some_password": "not-looked-at"}},
        "version": "v1.2.3.4",
        7: {"token": "under-a-number"},
    }
    found = known_values(variables, names=["my_thing"])
    assert found == [
        "0123456789abcdef",
        "12345678",
        "deep-secret",
        "flag-token",
        "header-value",
        "https://a.example.com/",
        "https://chat.example.com/in/abc",
        "lazy-secret",
        "named-by-caller",
        "nested-secret",
        "secret-of-check",
        "under-a-number",
        "vaulted-secret",
    ]


def test_known_values_renders_what_it_can() -> None:
    def render(value: str) -> Any:
        if "broken" in value:
            raise KeyError(value)
        return {"{{ one }}": "rendered-one", "{{ all }}": {"a": "rendered-all"}}[value]

    variables = {"a_token": "{{ one }}", "b_token": "{{ broken }}", "hotfix_check_secrets": "{{ all }}"}
    assert known_values(variables, render=render) == ["rendered-all", "rendered-one"]


def test_known_values_never_raises() -> None:
    loop: dict[str, Any] = {"a_token": "in-a-loop"}
    loop["again"] = loop
    assert known_values(loop) == ["in-a-loop"]
    broken: Any = None
    assert known_values(broken) == []


HOSTILE = {
    "one long word": "'a' * N",
    "words of names": "'token' * (N // 5)",
    "names with a tail": "'token-' * (N // 6)",
    "names with signs": "'token=' * (N // 6)",
    "names with quotes": "'token=\"' * (N // 7)",
    "names with quotes of two kinds": "'token=\"token=\\'' * (N // 14)",
    "names with backslashes": "'token=\"' + '\\\\' * N",
    "headers": "'authorization:' * (N // 14)",
    "schemes": "'Bearer ' * (N // 7)",
    "options": "'-' * N",
    "options with names": "'--token ' * (N // 8)",
    "begins of JWTs": "'eyJ' * (N // 3)",
    "begins of JWTs with dashes": "'-eyJaaaaaa' * (N // 10)",
    "begins of JWTs with dots": "'eyJaaaaaa.' * (N // 10)",
    "begins of keys": "'-----BEGIN RSA PRIVATE KEY-----' * (N // 31)",
    "begins of keys with bodies": "('-----BEGIN RSA PRIVATE KEY-----' + 'A' * 69) * (N // 100)",
    "ends of keys": "('AAAA\\n' * 20 + '-----END RSA PRIVATE KEY-----') * (N // 129)",
    "dashes with blanks": "'-----BEGIN ' + 'A ' * (N // 2)",
    "URLs": "'://a:' * (N // 5)",
    "URLs with passwords": "'://' + 'a:' * (N // 2)",
    "colons": "'a:' * (N // 2)",
    "digits": "'1' * N",
    "digits with colons": "'12345678:AA' * (N // 11)",
    "tokens of Slack": "'xoxb-' * (N // 5)",
    "keys of AWS": "'AKIA' * (N // 4)",
    "dots": "'SG.' * (N // 3)",
    "backslashes": "'\\\\' * N",
    "quotes": "'\"' * N",
    "blanks": "' ' * N",
    "names with blanks": "('token' + ' ' * 20) * (N // 25)",
    "queries": "'?key=' * (N // 5)",
}


@pytest.mark.parametrize("length", [200_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_hostile_text_takes_no_longer_than_its_length(length: int) -> None:
    """What takes time by the square of a length of a megabyte would need hours."""
    script = textwrap.dedent(
        f"""
        import sys
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor, is_secret_name
        N = {length}
        redactor = Redactor(["known-value-%d" % number for number in range(20)])
        for name, made in {HOSTILE!r}.items():
            text = eval(made)
            redactor.text(text)
            is_secret_name(text)
            print(name, flush=True)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == list(HOSTILE)
