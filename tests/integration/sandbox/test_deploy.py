# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys that fail leave every host as it was; users keep what they had, or get it back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from sandbox import faults
from tests.integration.driver import APP, NO_BASELINE, ROOT, Host, play


@pytest.mark.parametrize(
    ("version", "says"),
    [("v3", "unhealthy"), pytest.param("v4", "crashes again and again", marks=pytest.mark.slow)],
)
@pytest.mark.slow
def test_a_version_that_never_gets_healthy_is_undone_everywhere(
    version: str, says: str, production: list[Host]
) -> None:
    done = play("deploy", "-l", "production", "-e", f"version={version}")
    assert done.code != 0
    assert "Deploy: reverted." in done.text
    assert says in done.text
    assert "Last lines of notes-backend-" in done.text
    for host in production:
        assert host.served() == ("v1", True)
        assert host.states() == {"v1": "confirmed", version: "failed"}
        assert host.runs_its_record()
        assert not host.lease()["held"]
    again = play("rollback", "-l", "production")
    assert again.code == 0, again.raw
    assert "Already switched back automatically from" in again.text


def test_one_host_that_cannot_prepare_keeps_all_from_switching(production: list[Host]) -> None:
    before = [host.containers() for host in production]
    with faults.registry_cut("prod2"):
        done = play("deploy", "-l", "production", "-e", "version=v6", *NO_BASELINE)
    assert done.code != 0
    assert "prod2: failed: The image registry.example.com:5000/notes-" in done.text
    for host, containers in zip(production, before, strict=True):
        assert [c for c in containers if c not in host.containers()] == []
        assert host.served() == ("v1", True)
        assert "switch" not in host.steps_begun()
        assert not host.lease()["held"]


@pytest.mark.parametrize(
    "out_of_reach",
    [
        # Others may need it meanwhile.
        functools.partial(faults.registry_cut, "staging1"),
        pytest.param(faults.registry_down, marks=pytest.mark.slow),
    ],
)
def test_the_registry_may_be_down_when_the_images_are_here(
    out_of_reach: Callable[[], AbstractContextManager[None]], bare: Host
) -> None:
    with out_of_reach():
        done = play("deploy", "-l", "staging", "-e", "version=v1", *NO_BASELINE)
    assert done.code == 0, done.raw
    assert "The registry could not be asked for" in done.text


def test_nothing_secret_is_printed(bare: Host) -> None:
    # It runs v1 whether the test above has been here or not, and v4 goes from it by itself.
    lines = bare.run("cat", f"{APP}/.env").splitlines()
    secrets = [line.split("=", 1)[1] for line in lines if "TOKEN" in line or "PASSWORD" in line]
    secrets.append((ROOT / ".sandbox/registry-password").read_text(encoding="utf-8").strip())
    assert len(secrets) == 3
    for arguments in (("deploy", "-e", "version=v4"), ("rollback",), ("release_info",)):
        done = play(*arguments, "-l", "staging", "-vvv", "--diff")
        for secret in secrets:
            assert len(secret) > 8
            assert secret not in done.raw
