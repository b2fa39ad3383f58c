# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in the states that tests begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.driver import UNCHECKED, Host, fresh, play

#: Fixtures of the quick tests that work on the production hosts. Nothing of theirs touches staging or the registry, so
#: they run beside the others; in the slow tier there are more, and all go one after the other.
_ON_PRODUCTION = {"adopted", "process", "prod1", "production"}

#: The managed host with its fingerprint, as the last module that used it left it.
_kept: list[tuple[Host, object]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=["staging", "production"], help="only the tests on these hosts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Nobody has asked where this file was found only while tests were looked for.
    part = config.getoption("--part", None)
    if not part:
        return

    def wanted(item: pytest.Item) -> bool:
        on_production = not _ON_PRODUCTION.isdisjoint(getattr(item, "fixturenames", ()))
        return on_production is (part == "production")

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = filter(wanted, items)


@pytest.fixture
def staging() -> Host:
    """A staging host with a hand-started v1."""
    return fresh("staging1")[0]


@pytest.fixture
def production() -> list[Host]:
    """Both production hosts with a hand-started v1."""
    return fresh("prod1", "prod2")


@pytest.fixture(scope="module")
def bare() -> Host:
    """A staging host with a hand-started v1; its tests change nothing."""
    return fresh("staging1")[0]


@pytest.fixture(scope="module")
def managed(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A staging host with v1 as release zero and v6 as its confirmed, current release; its tests change nothing."""
    if _kept and _kept[0][0].fingerprint() == _kept[0][1]:
        host = _kept[0][0]
    else:
        host = request.getfixturevalue("bare")
        done = play("deploy", "-l", "staging", "-e", "version=v6", *UNCHECKED)
        assert done.code == 0, done.raw
    release = host.current()["id"]
    yield host
    # Another test of the module may have reset it.
    _kept[:] = [(host, host.fingerprint())] if host.current()["id"] == release else []
