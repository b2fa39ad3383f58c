#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose_report
short_description: Say what follows from a look at all hosts, worst first, with what would help
version_added: 0.1.0
description:
  - Draws conclusions from what M(pangeafate.hotfix.diagnose) saw of every host of the play, and from what differs
    between them. Each finding says in plain words what is wrong, and names the commands that would help, the cheapest
    first, with what each would change.
  - What could not be looked at is a finding, and so is a host that could not be reached. It is never taken for well.
  - Runs on the controller and connects to nothing. Use it with C(run_once).
  - It does not fail over what it tells; RV(not_looked_at) and RV(verdict) are for the next task to judge.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - No file is written, and nothing is added to an incident.
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
    description: The environment, by which commands are told. Its inventory group says whether all of it was looked at.
    type: str
    default: all hosts
  flags:
    description: Whether there is a kill switch, so that it can be recommended.
    type: bool
    default: false
  lines:
    description: How many last lines of every service are shown.
    type: int
    default: 2
  limits:
    description: From where on something is a finding.
    type: dict
    suboptions:
      min_free_mb:
        description: Megabytes that must be free on every disk. With less than a quarter of it the disk counts as full.
        type: int
        default: 1024
      certificate_days:
        description: Days that the certificate must still be good for.
        type: float
        default: 14.0
      clock_skew:
        description: Seconds by which the clocks of a host and of the controller may differ.
        type: float
        default: 2.0
      long_query:
        description: Seconds that a query, a transaction or a wait for a lock may take.
        type: float
        default: 30.0
      slow:
        description: Seconds within which 95 % of the requests are to be answered.
        type: float
        default: 1.0
      error_percent:
        description: Percent of the requests that may fail with a status of 500 or above. Five percent are critical.
        type: float
        default: 1.0
      connection_percent:
        description: Percent of the database's connections that may be taken.
        type: float
        default: 80.0
  json:
    description: File on the controller for all that was found, as JSON. It can be read by its owner only.
    type: path
  record:
    description:
      - The run, as M(pangeafate.hotfix.fleet) returns it. Where an incident of the environment is open, what was found
        is kept in it as evidence. None is ever opened.
    type: dict
seealso:
  - module: pangeafate.hotfix.diagnose
"""

EXAMPLES = r"""
- name: Say what is wrong, here and to other programs
  pangeafate.hotfix.diagnose_report:
    results: notes_diagnosis
    name: production
    json: diagnosis.json
  run_once: true
  register: told
"""

RETURN = r"""
outcome:
  description: Always V(seen).
  returned: always
  type: str
msg:
  description: The findings, then what was seen of every host; at most 80 columns wide.
  returned: always
  type: str
verdict:
  description:
    - The worst severity, V(critical), V(unknown), V(serious) or V(notice). V(nothing) where nothing stands out.
  returned: always
  type: str
counts:
  description: How many findings have each severity.
  returned: always
  type: dict
not_looked_at:
  description: The hosts of which nothing is known.
  returned: always
  type: list
  elements: str
files:
  description: The files that were written.
  returned: always
  type: list
  elements: str
"""
