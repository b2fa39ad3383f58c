# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on targets passes its unit tests on the oldest system it supports: Debian 11 with Python 3.9."""

from __future__ import annotations

import io
import re
import tarfile

from sandbox import faults, lifecycle
from tests.integration.driver import ROOT

UTILS = "plugins/module_utils"
TESTS = "tests/unit/plugins/module_utils"


def test_the_unit_tests_of_what_runs_on_targets() -> None:
    lifecycle.up(["legacy1"])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(ROOT / UTILS, f"ansible_collections/pangeafate/hotfix/{UTILS}")
        archive.add(ROOT / TESTS, TESTS)
    # Nobody installs a browser on a target: checks of that type, and the probe, are the controller's.
    left_out = "--ignore-glob='*/timers' --ignore-glob='*/probe' --ignore-glob='*/test_smoke_browser.py'"
    script = (
        "set -e; rm -rf /tmp/unit; mkdir /tmp/unit; cd /tmp/unit; tar -x; "
        f"PYTHONPATH=. python3 -m pytest -q -p no:cacheprovider -m 'not slow' {left_out} tests"
    )
    printed = faults.on_host("legacy1", "bash", "-c", script, stdin=packed.getvalue(), check=False)
    assert "3.9" in faults.on_host("legacy1", "python3", "--version")
    assert re.search(r"^\d+ passed(, \d+ (deselected|warnings?))* in ", printed.splitlines()[-1]), printed
