# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in the states that tests begin with."""

from __future__ import annotations

import pytest

from tests.integration.driver import Host, fresh, play


@pytest.fixture
def staging() -> Host:
    """A staging host with a hand-started v1."""
    return fresh("staging1")[0]


@pytest.fixture
def production() -> list[Host]:
    """Both production hosts with a hand-started v1."""
    return fresh("prod1", "prod2")


@pytest.fixture(scope="module")
def managed() -> Host:
    """A staging host with v1 as release zero and v6 as its confirmed, current release; its tests change nothing."""
    (host,) = fresh("staging1")
    done = play("deploy", "-l", "staging", "-e", "version=v6")
    assert done.code == 0, done.raw
    return host
