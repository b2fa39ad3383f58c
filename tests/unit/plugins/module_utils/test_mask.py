# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import MASK, Mask, read_env


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("A = 1 ", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("A='x y'", {"A": "x y"}),
        ('A="x # y"', {"A": "x # y"}),
        ("A=x # a comment", {"A": "x"}),
        ("A=x#y", {"A": "x#y"}),
        ("A=# a comment", {"A": ""}),
        ("A=", {"A": ""}),
        ("A=\nB=2", {"A": "", "B": "2"}),
        ("# A=1\nB=2\n\nnonsense\n", {"B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=a=b==", {"A": "a=b=="}),
        ('A="one\ntwo"\nB=2', {"A": "one\ntwo", "B": "2"}),
        ('A="say \\"hi\\"\\nyou"', {"A": 'say "hi"\nyou'}),
        ("A='no \\n escape'", {"A": "no \\n escape"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_an_env_file_is_read_as_compose_reads_it(tmp_path, text: str, expected) -> None:
    (tmp_path / ".env").write_bytes(text.encode())
    assert read_env(tmp_path / ".env") == expected


def test_no_file_no_values(tmp_path) -> None:
    assert read_env(tmp_path / ".env") == {}
    assert read_env(tmp_path / ".env" / "x") == {}


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe\nADMIN_TOKEN=secret-value\n")
    assert read_env(tmp_path / ".env")["ADMIN_TOKEN"] == "secret-value"


@pytest.mark.parametrize(
    "key",
    [
        "ADMIN_TOKEN",
        "SMTP_PASS",
        "DB_PWD",
        "POSTGRES_PASSWORD",
        "api_key",
        "SENTRY_DSN",
        "CLIENT_SECRET",
        "DATABASE_URL",
        "MONGO_URI",
        "COOKIE_SALT",
        "BASIC_AUTH",
    ],
)
def test_what_sounds_secret_is_masked(key: str) -> None:
    assert Mask.of_env({key: "s3cr3t-value"}).text("it said s3cr3t-value!") == f"it said {MASK}!"


def test_what_does_not_is_shown() -> None:
    assert Mask.of_env({"LOG_LEVEL": "verbose"}).text("verbose") == "verbose"


def test_short_values_are_left_or_every_text_would_be_stars() -> None:
    assert Mask.of_env({"AUTH": "true"}).text("true") == "true"


def test_the_password_inside_a_url_is_masked_alone_too() -> None:
    mask = Mask.of_env({"DATABASE_URL": "postgresql://notes:p%40ssw0rd@db:5432/notes"})
    assert mask.text("auth failed with p%40ssw0rd") == f"auth failed with {MASK}"
    assert mask.text("auth failed with p@ssw0rd") == f"auth failed with {MASK}"
    assert mask.text("redis://u:other-pw@redis") == f"redis://u:{MASK}@redis"


def test_a_value_that_only_looks_like_a_url_is_masked_all_the_same() -> None:
    assert Mask.of_env({"API_KEY": "x://[broken"}).text("x://[broken") == MASK


def test_a_key_of_several_lines_is_masked_line_by_line() -> None:
    mask = Mask.of_env({"TLS_KEY": "-----BEGIN-----\nMIIEvQIBADAN\n-----END-----"})
    assert mask.text("| MIIEvQIBADAN |") == f"| {MASK} |"


def test_a_secret_inside_another_does_not_uncover_it() -> None:
    mask = Mask.of_env({"A_TOKEN": "abcdef", "B_TOKEN": "abcdefghijkl"})
    assert mask.text("abcdefghijkl abcdef") == f"{MASK} {MASK}"


def test_more_values_may_be_given() -> None:
    assert Mask.of_env({}, "registry-pw", None).text("registry-pw") == MASK
