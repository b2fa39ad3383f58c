#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: logs_report
short_description: Show the last lines of all hosts in one order
version_added: 0.1.0
description:
  - Puts what M(pangeafate.hotfix.logs) read on every host of the play into the order of its times, and keeps the newest
    lines. The times are those of the hosts' own clocks.
  - Says of every service where it wrote nothing, and where it has no container.
  - Fails for a service that no host knows, with those that are known, and where nothing could be read on a host.
  - Runs on the controller and connects to nothing. Use it with C(run_once).
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - This module does not change anything.
  diff_mode:
    support: N/A
    details:
      - This module does not change anything.
  idempotent:
    support: full
options:
  results:
    description: Name of the variable in which the hosts' results were registered.
    type: str
    required: true
  services:
    description: The services that were asked for. Without any, all that have a container.
    type: list
    elements: str
    default: []
  declared:
    description: Services that are known though they may have no container now.
    type: list
    elements: str
    default: []
  lines:
    description: How many lines of all hosts together are shown.
    type: int
    default: 100
seealso:
  - module: pangeafate.hotfix.logs
"""

EXAMPLES = r"""
- name: Show what was written last
  pangeafate.hotfix.logs_report:
    results: notes_logs
    services: [backend, nginx]
  run_once: true
"""

RETURN = r"""
outcome:
  description: V(seen), V(bad_input) for a service that nobody knows, or V(failed) where a host could not be read.
  returned: always
  type: str
msg:
  description: The lines, each with time, host and container, then what wrote nothing and what could not be read.
  returned: always
  type: str
newest:
  description: By host, the time of its newest line, for the O(pangeafate.hotfix.logs#module:since) of the next call.
  returned: always
  type: dict
count:
  description: How many lines are shown.
  returned: unless a service is unknown
  type: int
cut:
  description: Whether there may be more lines than these.
  returned: unless a service is unknown
  type: bool
"""
