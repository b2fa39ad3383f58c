# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator says of an incident on the command line. It is small, because every run waits for it.

Ansible compiles the files of a collection anew in each process that imports them.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError

Vars = t.Mapping[str, t.Any]

#: Where the incidents are kept, relative to the folder in which a run is started.
FOLDER = "incidents"
CRITERIA = ("security", "outage", "data_loss", "broken_function")
SEVERITIES = (1, 2, 3, 4)
#: Asks for an incident of its own.
NEW = "new"


def settings(given: Vars) -> dict[str, t.Any]:
    """Return what a run is to know of its incident, from the variables of the play; raise where one cannot be right.

    A folder that cannot be read or written is no reason to refuse a run.
    """
    enabled = _flag(given.get("hotfix_incident_enabled", True))
    base = os.path.abspath(os.path.expanduser(str(given.get("hotfix_incident_dir") or FOLDER)))
    found: dict[str, t.Any] = {
        "enabled": enabled,
        "dir": base,
        "id": str(given.get("hotfix_incident") or "").strip(),
        "title": _text(given, "title"),
        "severity": _severity(given.get("hotfix_incident_severity")),
        "criterion": _criterion(given.get("hotfix_incident_criterion")),
        "summary": _text(given, "summary"),
        "roles": _roles(given.get("hotfix_incident_roles")),
    }
    if enabled and found["id"] and found["id"] != NEW:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import store

        store.checked_id(found["id"])
        records = store.Store(base)
        try:
            records.ids()
        except (HotfixError, OSError):
            return found
        records.get(found["id"])
    return found


def _flag(value: t.Any) -> bool:
    return str(value).strip().lower() not in ("false", "no", "off", "0", "")


def _text(given: Vars, name: str) -> str:
    return str(given.get(f"hotfix_incident_{name}") or "").strip()


def _severity(value: t.Any) -> int | None:
    text = str(value if value is not None else "").strip()
    if not text:
        return None
    if text not in {str(one) for one in SEVERITIES}:
        raise BadInputError(
            f"Severity {text!r} is none: 1 is the worst, 4 the least.", next_step="give one of them, or leave it out."
        )
    return int(text)


def _criterion(value: t.Any) -> str | None:
    text = str(value or "").strip()
    if text and text not in CRITERIA:
        raise BadInputError(
            f"{text!r} is no criterion of an emergency ({', '.join(CRITERIA)}).",
            next_step="give one of them, or leave it out.",
        )
    return text or None


def _roles(value: t.Any) -> list[dict[str, str]]:
    if not value:
        return []
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, t.Mapping) for one in value):
        raise BadInputError(
            "hotfix_incident_roles is no list of roles and names.",
            next_step="give it as in [{role: commander, name: Ann}].",
        )
    return [{"role": str(one.get("role") or ""), "name": str(one.get("name") or "")} for one in value]
