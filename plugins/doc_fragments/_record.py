# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  record:
    description:
      - The run, as M(pangeafate.hotfix.fleet) returns it. What is done is then written to its incident record.
      - It is taken on the controller. Without it nothing is recorded there.
    type: dict
  history_hours:
    description:
      - Hours before this run of which the host's journal is returned as well, at most 200 entries.
      - With O(record) it is 24 in the first task of a run. What is older than the run then goes to the record and is
        not returned.
    type: float
    default: 0.0
"""
