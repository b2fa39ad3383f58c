# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the collection pangeafate.hotfix, over ansible-runner."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("hotfix")
except PackageNotFoundError:
    # Run by path from a checkout that was never set up.
    __version__ = "0.0.0"
