# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps a diagnosis as evidence where an incident is open; it never opens one."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, store


def keep(run: t.Mapping[str, t.Any], said: str, content: t.Callable[[], str]) -> str:
    """Add *said* and a file to the incident that is open; return what is to be told of it, if anything.

    What goes wrong with the record takes nothing from the diagnosis.
    """
    about = run["incident"]
    try:
        records = store.Store(str(about["dir"]))
        wanted = str(about.get("id") or "")
        named = wanted if wanted != store.NEW else ""
        folder = records.get(named) if named else records.open_of(str(run.get("environment")))
        if folder is None:
            return ""
        # Only now: without an incident nobody is to wait for it.
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import run_end

        where = run_end.shown(folder.path)
        name = store.evidence_name("diagnosis", str(run["id"]), "diagnosis.json")
        reference = folder.add_evidence(name, content(), "what was looked at on every host, and what follows from it")
        folder.append(events.event("note", text=said, actor=events.tool(), run=str(run["id"]), evidence=[reference]))
    except Exception as exc:
        why = exc.what if isinstance(exc, HotfixError) else f"{type(exc).__name__}: {exc}"
        return f"incident: could not be recorded: {why}"
    return f"incident: kept as evidence in {where}"
