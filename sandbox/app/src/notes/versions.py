# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version behaves how. Standard library only: the image build reads this table too."""

from __future__ import annotations

from dataclasses import dataclass

# The table that every version can create by itself. What came later comes through a migration.
BASE_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
    id text PRIMARY KEY,
    title text NOT NULL,
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One step of the schema. `kind` is seen from the code that ran before it."""

    number: int
    name: str
    kind: str
    statements: tuple[str, ...]


BASE = Migration(1, "base", "compatible", (BASE_SCHEMA,))
RENAME_CONTENT = Migration(
    5, "rename-content-to-body", "incompatible", ("ALTER TABLE notes RENAME COLUMN content TO body",)
)
ADD_REVISION = Migration(
    7, "add-revision", "compatible", ("ALTER TABLE notes ADD COLUMN revision integer NOT NULL DEFAULT 1",)
)


@dataclass(frozen=True)
class Version:
    """What one release of the app does, and what it does wrong."""

    name: str
    revision: str
    summary: str
    content_column: str = "content"
    counts_revisions: bool = False
    save_fails: bool = False
    never_healthy: bool = False
    crashes: bool = False
    script_throws: bool = False
    style_missing: bool = False
    any_origin: bool = False
    page_for_unknown: bool = False
    echoes: bool = True
    api_seconds: float = 0.0
    rots: bool = False
    migrations: tuple[Migration, ...] = (BASE,)

    @property
    def migration(self) -> str:
        """The worst kind among the migrations beyond the base: what the image's label declares."""
        kinds = {migration.kind for migration in self.migrations if migration is not BASE}
        if "incompatible" in kinds:
            return "incompatible"
        return "compatible" if kinds else "none"


def _revision(number: int) -> str:
    """A fixed text in the shape of a git revision, one per version."""
    return f"{number:x}" * 40


VERSIONS: dict[str, Version] = {
    version.name: version
    for version in (
        Version("v1", _revision(1), "good"),
        Version("v2", _revision(2), "healthy, but saving a note fails", save_fails=True),
        Version("v3", _revision(3), "never becomes healthy", never_healthy=True),
        Version("v4", _revision(4), "exits soon after its start", crashes=True),
        Version(
            "v5",
            _revision(5),
            "carries a migration that the versions before it cannot live with",
            content_column="body",
            migrations=(BASE, RENAME_CONTENT),
        ),
        Version("v6", _revision(6), "good"),
        Version(
            "v7",
            _revision(7),
            "good, with a migration that older versions can live with",
            counts_revisions=True,
            migrations=(BASE, ADD_REVISION),
        ),
        Version("v8", _revision(8), "its page loads, but the page's script throws", script_throws=True),
        Version(
            "v9",
            _revision(9),
            "careless routes: a stylesheet is missing, any origin may call, unknown paths answer with a page",
            style_missing=True,
            any_origin=True,
            page_for_unknown=True,
        ),
        Version(
            "v10",
            _revision(10),
            "its API is slow, and its WebSockets never answer",
            echoes=False,
            api_seconds=0.6,
        ),
        Version(
            "v11",
            _revision(11),
            "answers, but rots: logs errors, leaks memory and connections, and cannot read the cache of its rate limit",
            rots=True,
        ),
    )
}
