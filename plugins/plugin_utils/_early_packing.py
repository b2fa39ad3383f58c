# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packs the modules of a run beside what Ansible does before it needs them.

To find all that a module imports and to compress it takes Ansible as long as a turn of the proxy. It keeps what it
packed for the rest of the run, so that a process of its own can do this before the module is needed.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

#: Users wait for what is done meanwhile, and nobody yet for this.
_NICENESS = 19


def pack(action: ActionBase, modules: t.Iterable[str], variables: t.Mapping[str, t.Any]) -> None:
    """Have Ansible pack *modules* into its cache. It raises nothing: who needs one that is not there packs it, then."""
    with contextlib.suppress(Exception):
        os.nice(_NICENESS)
        # Where the kernel shares the processors between sessions, that counts among the processes of this one only.
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write(str(_NICENESS))
        # Which interpreter runs them is not in what is kept, and to look for one would take the connection.
        known = {**variables, "ansible_python_interpreter": "/usr/bin/python3"}
        for module in modules:
            action._configure_module(module, {}, known)
