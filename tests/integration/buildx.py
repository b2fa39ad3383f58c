# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BuildKit's command as the hosts have it, for a machine that has none of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandbox.cli import docker
from sandbox.config import host
from tests.integration.driver import ROOT

_INSIDE = "/usr/libexec/docker/cli-plugins/docker-buildx"


def config(name: str) -> Path:
    """Return a folder for `DOCKER_CONFIG` with the command of that host in it."""
    folder = ROOT / ".cache/docker-config"
    plugin = folder / "cli-plugins/docker-buildx"
    plugin.parent.mkdir(parents=True, exist_ok=True)
    if not plugin.exists():
        # Others may look for it just now.
        with tempfile.TemporaryDirectory(dir=plugin.parent.parent) as whole:
            docker("cp", f"{host(name).container}:{_INSIDE}", f"{whole}/{plugin.name}")
            (Path(whole) / plugin.name).replace(plugin)
    return folder
