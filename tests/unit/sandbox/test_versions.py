# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of the demo app, good ones and bad ones, are the ones that its page and the scenarios know."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from sandbox.app.build import _versions, all_images

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_names_every_version() -> None:
    page = (ROOT / "sandbox" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (v\d+(?:, v\d+)*) \|", page, re.MULTILINE)
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(_versions())


def test_every_version_is_an_image_of_its_own_revision() -> None:
    versions = _versions().values()
    assert len({version.revision for version in versions}) == len(versions)
    assert all(re.fullmatch("[0-9a-f]{40}", version.revision) for version in versions)
    tags = [image.tag for image in all_images()]
    assert len(set(tags)) == len(tags)


def test_the_scenario_puts_versions_there_that_exist() -> None:
    rows = yaml.safe_load((ROOT / "molecule/smoke_check/vars.yml").read_text(encoding="utf-8"))["scenario_rows"]
    assert {row["version"] for row in rows} <= set(_versions())
