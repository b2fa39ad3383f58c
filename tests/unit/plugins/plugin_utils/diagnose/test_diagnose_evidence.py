# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A diagnosis is evidence of an incident that is open; it opens none, and its record holds up nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose import evidence
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Store

from tests.unit.plugins.plugin_utils.incident.records import opened

SAID = "Diagnosis of production: 1 critical; 2 of 2 hosts looked at."


def run(folder: Path, incident: str = "", environment: str = "production") -> dict[str, Any]:
    return {"id": "20260102T030405Z-abcd", "environment": environment, "incident": {"dir": str(folder), "id": incident}}


def never() -> str:
    raise AssertionError("nobody is to look for secrets where there is no incident")


def test_without_an_incident_nothing_is_opened_and_nothing_made(tmp_path: Path) -> None:
    assert evidence.keep(run(tmp_path / "incidents"), SAID, never) == ""
    assert Store(tmp_path / "incidents").ids() == []


def test_one_of_another_environment_is_none_of_ours(tmp_path: Path) -> None:
    Store(tmp_path).open_or_join("staging", "r", None, opened("staging"))
    assert evidence.keep(run(tmp_path), SAID, never) == ""


def test_an_open_one_has_what_was_said_and_the_file(tmp_path: Path) -> None:
    folder, _new = Store(tmp_path).open_or_join("production", "r", None, opened())
    told = evidence.keep(run(tmp_path), SAID, lambda: '{"verdict": "critical"}')
    assert told.startswith("incident: kept as evidence in ")
    last = folder.events()[-1]
    assert (last["kind"], last["text"], last["actor"]["kind"]) == ("note", SAID, "tool")
    (kept,) = last["evidence"]
    assert (folder.path / kept["path"]).read_text(encoding="utf-8") == '{"verdict": "critical"}'
    assert folder.intact(kept)


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = evidence.keep(run(tmp_path, "20260102T030405Z-production-1"), SAID, never)
    assert told.startswith("incident: could not be recorded: ")
