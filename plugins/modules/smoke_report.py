#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smoke_report
short_description: Tell the results of smoke checks of all hosts, as a table and in files
version_added: 0.1.0
description:
  - Shows what M(pangeafate.hotfix.smoke_check) found at every host of the play as one table, 80 columns wide.
  - Writes it as JSON and as JUnit XML where a file is named. A failure is what answered and not as it must, an error
    what could not be looked at. A host without any result, because it could not be reached, is an error.
  - Runs on the controller and connects to nothing. Use it with C(run_once).
  - It judges nothing and does not fail over what it tells.
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
    description: Names of the variables in which the hosts' results were registered.
    type: list
    elements: str
    required: true
  name:
    description: What all of it is called in JUnit XML.
    type: str
    default: smoke check
  json:
    description:
      - File on the controller for all results as JSON. A later run can take it for its C(baseline).
      - It can be read by its owner only, because the beginnings of answers are in it.
    type: path
  junit:
    description: File on the controller for all results as JUnit XML, with a suite for every host.
    type: path
seealso:
  - module: pangeafate.hotfix.smoke_check
"""

EXAMPLES = r"""
- name: Tell what was found, here and to CI
  pangeafate.hotfix.smoke_report:
    results: [smoke_check_result]
    junit: smoke-check.xml
  run_once: true
"""

RETURN = r"""
msg:
  description: The table.
  returned: always
  type: str
files:
  description: The files that were written.
  returned: always
  type: list
  elements: str
"""
