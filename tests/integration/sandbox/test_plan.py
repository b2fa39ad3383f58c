# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`--check --diff` shows from which digest to which, on a fresh and on a managed host, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.driver import Host, play

CHECK = ("-l", "staging", "--check", "--diff")


def digests(image: str, record: dict[str, Any]) -> str:
    return str(record["images"][image]["digest"])


def test_on_a_fresh_host(bare: Host) -> None:
    before = bare.fingerprint()
    adopt = play("adopt", *CHECK)
    assert adopt.code == 0, adopt.raw
    assert "Would record what runs now as release zero" in adopt.text
    deploy = play("deploy", *CHECK, "-e", "version=v6")
    assert deploy.code == 0, deploy.raw
    assert "First contact" in deploy.text
    assert "-backend: registry.example.com:5000/notes-backend@sha256:" in deploy.raw
    assert "+backend: registry.example.com:5000/notes-backend@sha256:" in deploy.raw
    assert bare.fingerprint() == before


def test_on_a_managed_host(managed: Host) -> None:
    before = managed.fingerprint()
    current = managed.current()
    deploy = play("deploy", *CHECK, "-e", "version=v2")
    assert deploy.code == 0, deploy.raw
    assert f"-backend: {digests('backend', current)}" in deploy.raw
    assert "+backend: registry.example.com:5000/notes-backend@sha256:" in deploy.raw
    rollback = play("rollback", *CHECK)
    assert rollback.code == 0, rollback.raw
    assert f"-backend: {digests('backend', current)}" in rollback.raw
    assert f"From {current['id']} to the last known good release, {current['came_from']}." in rollback.text
    assert managed.fingerprint() == before


def test_a_plan_for_what_runs_already_changes_nothing(managed: Host) -> None:
    done = play("deploy", *CHECK, "-e", "version=v6")
    assert done.code == 0, done.raw
    assert "changed=0" in done.text


@pytest.mark.parametrize(
    "arguments", [("deploy", "-e", "version=v99"), ("rollback", "-e", "release=20260102T030405Z-v9")]
)
def test_a_plan_finds_bad_input_too(arguments: tuple[str, ...], managed: Host) -> None:
    done = play(*arguments, *CHECK)
    assert done.code != 0
    assert "unknown" in done.text or "not known" in done.text
