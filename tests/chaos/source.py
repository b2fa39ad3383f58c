# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app's source with its origin, to be hotfixed again and again."""

from __future__ import annotations

import json
import os
from itertools import count

from sandbox import origin
from tests.integration import buildx
from tests.integration.driver import RECORDS


class Source:
    """A checkout on this machine; every hotfix of it changes another comment."""

    def __init__(self, host: str) -> None:
        self._folder = RECORDS / f"chaos-source-{host}"
        self._turn = count(1)
        origin.up()
        origin.checkout(f"chaos-{host}", self._folder)
        for key, value in (("user.name", "Dev Example"), ("user.email", "dev@example.com")):
            origin.git(self._folder, "config", key, value)
        self._text = (self._folder / "notes/backend.py").read_text(encoding="utf-8")
        os.environ["DOCKER_CONFIG"] = str(buildx.config(host))

    def words(self) -> list[str]:
        """Change the source; return what a hotfix of that is told."""
        number = next(self._turn)
        (self._folder / "notes/backend.py").write_text(f"{self._text}\n# Change {number}.\n", encoding="utf-8")
        given = {
            "hotfix_repository": str(self._folder),
            "changes": True,
            "services": "backend",
            "what": f"Change a comment, time {number}",
            "fixes": "Nothing that users see",
            "risk": "low",
            "guard_reasons": {"tests": "the app has none"},
            "backup_skip_reason": "a test",
        }
        return ["-e", json.dumps(given)]
