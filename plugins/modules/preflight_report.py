#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Tell what a preflight found on all hosts, as a table and in a file
version_added: 0.1.0
description:
  - Sums up what M(pangeafate.hotfix.preflight) found, as a table 80 columns wide and as JSON where a file is named.
    Every item that did not pass says what will not work in an emergency, and how it is mended.
  - A host of the play that was not looked at is an item that failed.
  - Runs on the controller and connects to nothing. Use it with C(run_once).
  - It does not fail over what it tells; RV(verdict) is for the next task to judge.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - No file is written.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  results:
    description: Name of the variable in which the hosts' results were registered.
    type: str
    required: true
  name:
    description: What was looked at, for the first line.
    type: str
    default: all hosts
  json:
    description: File on the controller for all that was found, as JSON. It can be read by its owner only.
    type: path
  brief:
    description: Whether the table is only of what did not pass.
    type: bool
    default: false
seealso:
  - module: pangeafate.hotfix.preflight
"""

EXAMPLES = r"""
- name: Tell what was found, here and to CI
  pangeafate.hotfix.preflight_report:
    results: notes_preflight
    json: preflight.json
  run_once: true
  register: told

- name: Have CI notice
  ansible.builtin.assert:
    that: told.verdict != 'failed'
  run_once: true
"""

RETURN = r"""
msg:
  description: The verdict and the table.
  returned: always
  type: str
verdict:
  description: V(passed), V(warning) or V(failed).
  returned: always
  type: str
counts:
  description: How many items have each status.
  returned: always
  type: dict
files:
  description: The files that were written.
  returned: always
  type: list
  elements: str
"""
