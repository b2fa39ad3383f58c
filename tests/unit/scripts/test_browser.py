# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that sees that there is a browser for the tests never stops them, and installs only what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "browser"
NEEDED = ("bash", "env", "mktemp", "rm", "tail", "timeout")
#: The package managers of this machine are not for a test to call: these say what they were asked.
APT_CACHE = "#!/bin/sh\necho 'Depends: chromium-common'\n"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Make a folder with what the script needs, and with nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def tool(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o700)


def run(folder: Path) -> str:
    environment = {"PATH": str(folder), "TMPDIR": str(folder.parent)}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_where_there_is_one_it_says_nothing(tools: Path) -> None:
    tool(tools, "id", "#!/bin/sh\nexit 7\n")
    tool(tools, "chromium", "#!/bin/sh\nexit 7\n")
    assert run(tools) == ""


def test_who_is_not_root_is_told_what_to_type(tools: Path) -> None:
    tool(tools, "id", "#!/bin/sh\necho 1000\n")
    told = run(tools)
    assert "its tests are skipped" in told
    assert "sudo apt-get install --no-install-recommends chromium-headless-shell" in told


@pytest.mark.skipif(not os.access("/etc/debian_version", os.R_OK), reason="this is not Debian")
def test_it_is_installed_by_root(tools: Path) -> None:
    tool(tools, "id", "#!/bin/sh\necho 0\n")
    tool(tools, "apt-cache", APT_CACHE)
    tool(tools, "apt-get", f'#!/bin/sh\necho "$*" >> {tools.parent}/asked\n')
    assert "installed in " in run(tools)
    asked = (tools.parent / "asked").read_text().splitlines()
    # What may hang is the network, and that alone is cut off.
    assert ["--download-only" in line for line in asked] == [True, False]
    assert "--no-download" in asked[1]
    assert all(line.endswith("chromium-headless-shell fonts-liberation") for line in asked)


@pytest.mark.skipif(not os.access("/etc/debian_version", os.R_OK), reason="this is not Debian")
def test_a_package_manager_that_fails_stops_nothing(tools: Path) -> None:
    tool(tools, "id", "#!/bin/sh\necho 0\n")
    tool(tools, "apt-cache", APT_CACHE)
    tool(tools, "apt-get", f'#!/bin/sh\necho "$*" >> {tools.parent}/asked\nexit 100\n')
    assert run(tools).endswith("none could be installed: its tests are skipped\n")
    asked = (tools.parent / "asked").read_text()
    assert " update" in asked
    assert asked.count("chromium-headless-shell") == 2
