# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is typed at the command: it is read, or refused with what was typed and the next step."""

from __future__ import annotations

import math
import typing as t

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hotfix import inputs
from hotfix.exits import UsageError
from tests.unit.properties.hostile import METACHARACTERS, characters, texts

# No shell hands a NUL on.
typed = (texts | st.text(characters, max_size=30)).filter(lambda one: "\0" not in one)
quick = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


def told(read: t.Callable[[], t.Any]) -> t.Any:
    try:
        return read()
    except UsageError as exc:
        assert "Next: " in str(exc)
        return None


@quick
@given(text=typed)
@example(text="@" + "a" * 5000)
@example(text="@~nobody-of-that-name/x")
@example(text='{"a": ' + "[" * 100_000)
@example(text="{" + '"a":{' * 5000)
@example(text="{5}")
@example(text='{"a": 1e400}')
def test_variables(text: str) -> None:
    found = told(lambda: inputs.variables([text]))
    if found is not None:
        assert all(isinstance(name, str) for name in found[0])


@pytest.mark.parametrize("text", METACHARACTERS)
def test_a_value_stays_what_was_typed(text: str) -> None:
    value = text.format(marker="marker")
    assert inputs.variables([f"reason={value}"]) == ({"reason": value}, ())


@quick
@given(text=typed)
@example(text="a" * 5000)
@example(text="A=" + "a" * 5000)
@example(text="A=/")
@example(text="A=~nobody-of-that-name/x")
def test_secrets(text: str) -> None:
    if text.partition("=")[2] != "-":
        told(lambda: inputs.secrets([text]))


@quick
@given(text=typed)
@example(text="a" * 5000)
@example(text="~0")
def test_inventories(text: str) -> None:
    if text:
        told(lambda: inputs.inventories([text]))


@quick
@given(text=typed)
@example(text="9" * 400)
@example(text="9" * 5000 + "h")
@example(text="\u0663s")
@example(text="1\n")
def test_seconds(text: str) -> None:
    found = told(lambda: inputs.seconds(text))
    assert found is None or (found > 0 and math.isfinite(found))
