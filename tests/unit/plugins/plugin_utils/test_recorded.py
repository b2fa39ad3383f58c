# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task that is recorded collects for the record, and what it hands on to the tasks after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import asked, events, store

from tests.unit import local_play

RUN = "20260102T030405Z-4f2a"


def rollback(app: Path, incidents: Path, **more: Any) -> dict[str, Any]:
    about = asked.settings({"hotfix_incident_dir": str(incidents), "hotfix_incident": ""})
    run = {"id": RUN, "operator": "ann@laptop", "environment": "production", "hosts": ["localhost"], "incident": about}
    task = {
        "state": "rolled_back",
        "app_dir": str(app),
        "services": {"backend": {"image": "registry.example.com/backend"}},
        "run": RUN,
        "operator": "ann@laptop",
        "record": run,
        **more,
    }
    return {"pangeafate.hotfix.release": task}


def test_what_is_older_than_the_run_is_on_record_once_and_is_not_carried_along(tmp_path: Path) -> None:
    app, incidents = tmp_path / "app", tmp_path / "incidents"
    app.mkdir()
    common = {"at": events.now(), "action": "deploy", "step": "switch", "fencing": 1}
    older = {**common, "run": "20260102T020000Z-0000"}
    (app / "journal.jsonl").write_text(json.dumps(older) + "\n" + json.dumps({**common, "run": RUN}) + "\n")
    first, again, asked_for = local_play.results(
        tmp_path,
        {},
        rollback(app, incidents),
        rollback(app, incidents),
        rollback(app, incidents, history_hours=24),
        path=local_play.no_engine(tmp_path),
    )
    for one in (first, again, asked_for):
        assert one["outcome"] == "bad_input", one
        assert "trouble" not in one["record"]
    # Who asks for the time before the run gets it.
    runs = [[entry["run"] for entry in one["journal"]] for one in (first, again, asked_for)]
    assert runs == [[RUN], [RUN], [older["run"], RUN]]
    folder = store.Folder(incidents / first["record"]["incident"])
    lines = [one["run"] for one in folder.each() if one["kind"] == "journal"]
    assert lines.count(older["run"]) == 1, lines
