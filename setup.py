# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the collection into the wheel, so that the command `hotfix` works without a checkout.

All else stands in pyproject.toml. An editable install takes the collection from the checkout.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
#: What the playbooks need to run; the rest is for people, and in the collection's own tarball.
CARRIED = ("galaxy.yml", "meta", "playbooks", "plugins", "roles", "schemas", "COPYING", "LICENSES")
TARGET = Path("hotfix", "_collections", "ansible_collections", "pangeafate", "hotfix")


class BuildWithCollection(build_py):
    """Copies the collection beside the package."""

    def run(self) -> None:
        """Build the package, then add to it."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / TARGET
        shutil.rmtree(target, ignore_errors=True)
        for source in self._carried():
            copy = target / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return all files that are built."""
        more = (
            []
            if self.editable_mode
            else [str(Path(self.build_lib) / TARGET / x.relative_to(ROOT)) for x in self._carried()]
        )
        return [*super().get_outputs(include_bytecode), *more]

    @staticmethod
    def _carried() -> list[Path]:
        found: list[Path] = []
        for name in CARRIED:
            path = ROOT / name
            found += [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        return [one for one in found if "__pycache__" not in one.parts and one.suffix != ".pyc"]


setup(cmdclass={"build_py": BuildWithCollection})
