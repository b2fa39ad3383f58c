# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What the sampler's process runs: this file, by its path, without Ansible and without site packages.

The packages above this one are made by hand, because where a collection is installed (or linked) differs.
"""

from __future__ import annotations

import os
import sys
import types


def _make_packages() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    name = ""
    for part in ("ansible_collections", "pangeafate", "hotfix", "plugins", "module_utils"):
        name = f"{name}.{part}" if name else part
        package = types.ModuleType(name)
        package.__path__ = [os.path.dirname(folder)] if part == "module_utils" else []
        sys.modules[name] = package


if __name__ == "__main__":
    _make_packages()
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.sampler import main

    raise SystemExit(main(sys.argv[1:]))
