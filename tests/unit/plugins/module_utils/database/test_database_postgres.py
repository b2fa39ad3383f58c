# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the programs of PostgreSQL are called: inside the container, with no secret on a command line."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.postgres import (
    _INSIDE,
    Postgres,
    name_beside,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.state import State
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Database

SCHEMA = """--
-- PostgreSQL database dump
--

\\restrict {token}

-- Dumped by pg_dump version {version}

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE TABLE public.notes (
    id text NOT NULL
);

\\unrestrict {token}
"""


@pytest.fixture
def postgres(docker: t.Any, runner: t.Any) -> Postgres:
    return Postgres(docker, "c1", Database("postgres", "notes", "notes"))


def test_values_are_never_part_of_the_sql(postgres: Postgres, runner: t.Any) -> None:
    runner.answers[("exec",)] = (0, "1\x1fx\n\n2\x1f\n", "")
    assert postgres.rows("SELECT :'name'", values={"name": "x'; DROP TABLE notes"}) == [["1", "x"], ["2", ""]]
    (words,) = runner.calls
    assert words[:5] == ("exec", "--interactive", "c1", "sh", "-c")
    assert words[words.index("psql") :] == (
        "psql", "--no-password", "--username=notes", "--dbname=notes", "-X", "-q", "-A", "-t", "-F", "\x1f",
        "-v", "ON_ERROR_STOP=1", "-v", "name=x'; DROP TABLE notes", "-f", "-",
    )  # fmt: skip
    assert runner.stdin == ["SELECT :'name'"]


def test_what_says_nothing_of_the_schema_is_left_out(postgres: Postgres, runner: t.Any) -> None:
    def answer(words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        return (0, schema, "") if "pg_dump" in words else (0, books, "")

    runner.answers[("exec",)] = answer
    schema, books = SCHEMA.format(token="abc", version="17.1"), ""
    first = postgres.state()
    assert first.book is None
    schema = SCHEMA.format(token="def", version="17.2")
    assert postgres.state() == first
    schema = schema.replace("id text", "id integer")
    assert postgres.state().schema != first.schema
    books = "public.schema_migrations\x1fabc\n"
    assert postgres.state().book is not None


def test_a_dump_goes_to_a_file(postgres: Postgres, runner: t.Any, tmp_path: Path) -> None:
    seen: t.Dict[str, t.Any] = {}

    class Recording:
        def __call__(self, arguments: t.Sequence[str], **more: t.Any) -> t.Tuple[int, str, str]:
            seen.update(more, words=tuple(arguments))
            return 0, "", ""

    postgres._docker._runner = Recording()
    postgres.dump(tmp_path / "d", 7)
    assert seen["stdout_file"] == tmp_path / "d"
    assert 7 in seen["pass_fds"]
    # Without a stdin of ours: pg_dump would be given what belongs to somebody else.
    assert "--interactive" not in seen["words"]
    postgres.read_back(tmp_path / "d")
    assert seen["stdin_file"] == tmp_path / "d"
    assert seen["words"][-3:] == ("c1", "pg_restore", "--file=/dev/null")


@pytest.mark.parametrize(
    "environment, password",
    [
        ({}, ""),
        ({"POSTGRES_PASSWORD": "s3cret"}, "s3cret"),
        ({"PGPASSWORD": "own", "POSTGRES_PASSWORD": "s3cret"}, "own"),
        ({"POSTGRES_PASSWORD_FILE": "{file}"}, "from file"),
        ({"POSTGRES_PASSWORD_FILE": "/nowhere"}, ""),
    ],
)
def test_the_password_comes_from_the_containers_environment(
    environment: t.Dict[str, str], password: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("from file\n")
    done = subprocess.run(
        ["sh", "-c", _INSIDE, "sh", "sh", "-c", 'printf %s "$PGPASSWORD"; printf "|%s" "$@"', "sh", "a b", "$(id)"],
        env={"PATH": "/usr/bin:/bin", **{key: value.format(file=file) for key, value in environment.items()}},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{password}|a b|$(id)"


def test_names_beside_are_no_longer_than_postgresql_takes() -> None:
    assert name_beside("notes", "before", "20260102T030405Z") == "notes_before_20260102T030405Z"
    long = name_beside("n" * 63, "restore", "20260102T030405Z")
    assert len(long) == 63
    assert long.endswith("_restore_20260102T030405Z")


def test_a_state_is_read_back(postgres: Postgres) -> None:
    assert State.of_json(["a", None]) == State("a", None)
    assert State.of_json(("a", "b")) == State("a", "b")
    assert State.of_json(None) is None
    assert State.of_json(["a"]) is None
    assert postgres.maintenance() == "postgres"
