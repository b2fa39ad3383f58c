# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import App

CACHE = Path(__file__).resolve().parents[3] / ".cache"


def printed(which: str) -> str:
    """What a run printed, with YAML's line folding undone."""
    return " ".join((CACHE / f"partial-{which}.txt").read_text(encoding="utf-8").split())


def test_the_first_run_failed_and_named_both_hosts() -> None:
    text = printed("first")
    assert "Rollback: partial." in text
    assert "prod1: done" in text
    assert "prod2: unreachable" in text
    assert "run the same command again" in text


def test_the_second_run_did_only_what_was_left() -> None:
    text = printed("second")
    assert "Rollback: done on every host." in text
    assert "prod1: unchanged: Already rolled back from" in text
    assert "prod2: done" in text


def test_both_hosts_serve_the_last_good_version(app: App) -> None:
    assert app.version_served() == "v1"
    assert app.saves_documents()
    assert app.images() == app.recorded_images(app.current())


def test_both_hosts_left_the_same_release(app: App) -> None:
    assert {version: r["state"] for version, r in app.records().items()} == {"v1": "confirmed", "v2": "voided"}
