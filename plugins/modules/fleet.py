#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet
short_description: Decide over all selected hosts of a run
version_added: 0.1.0
description:
  - Checks before the first host is touched that exactly one environment is selected, and between the phases
    of a change that every selected host got there. Unreachable hosts are selected hosts.
  - Runs on the controller and does nothing on a host. Use it with C(run_once).
  - Where the variable C(hotfix_connect_early) is set, V(phase=select) has the SSH connections to the selected hosts
    opened, as soon as nothing is left to refuse. The next task finds them open, and tells what cannot be reached.
    Meanwhile the modules that the variable C(hotfix_early_modules) names are packed, which their tasks then find done.
  - The hosts of a play are all decided over at once, so C(serial) is refused.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  phase:
    description:
      - V(select) checks the selection and returns RV(run).
      - V(agree) returns whether every selected host got through a phase, all with the same images, and so the next
        one may begin.
      - V(outcome) shows the outcome of the run, and fails unless it went well on every selected host.
    type: str
    required: true
    choices: [select, agree, outcome]
  action:
    description: What the run does, for the words of the outcome.
    type: str
    default: change
  results:
    description:
      - Names of the variables in which the hosts' results were registered. The last one that a host has counts.
    type: list
    elements: str
    default: []
  reverted:
    description: Name of the variable with the results of undoing the change, if it was undone.
    type: str
  stands:
    description: Whether what the good hosts did stands when others failed, so that the outcome is V(partial).
    type: bool
    default: true
  users:
    description: What users noticed of the run, in lines, as M(pangeafate.hotfix.probe) returns them.
    type: list
    elements: str
    default: []
  record:
    description:
      - The run, as O(phase=select) returned it. How it ended is then written to its incident record, whose report is
        made anew, and the outcome names it.
      - A run that only looked joins an incident that is open, and never opens one.
      - What goes wrong with the record is told in the outcome, and changes nothing else.
    type: dict
  probe:
    description:
      - Name of the variable in which M(pangeafate.hotfix.probe) with O(pangeafate.hotfix.probe#module:state=stopped)
        was registered, for the record.
    type: str
  before:
    description:
      - Name of the variable with what M(pangeafate.hotfix.smoke_check) returned of each host before anything was
        touched, for the record.
    type: str
notes:
  - The environments are the inventory groups named in the variable C(hotfix_environments), C(production) and
    C(staging) by default.
  - The operator is C(hotfix_operator), or the user and host name of the controller. Reason and takeover are
    C(hotfix_reason) and C(hotfix_takeover).
  - The incident record is described by C(hotfix_incident), C(hotfix_incident_title), C(hotfix_incident_severity),
    C(hotfix_incident_criterion), C(hotfix_incident_summary), C(hotfix_incident_roles), C(hotfix_incident_dir) and
    C(hotfix_incident_enabled). What cannot be right is refused.
  - These variables are read only after everything that was typed on the command line was found to hold no template.
"""

EXAMPLES = r"""
- name: Refuse hosts of two environments
  pangeafate.hotfix.fleet:
    phase: select
  run_once: true
  register: selection

- name: Go on only if every host is prepared
  pangeafate.hotfix.fleet:
    phase: agree
    results: [prepared]
  run_once: true
  register: may_switch
"""

RETURN = r"""
run:
  description: The run, with its ID, operator, environment, hosts, start time, reason, takeover and incident.
  returned: when O(phase=select)
  type: dict
go:
  description:
    - Whether every selected host, unreachable ones included, got through the phase. Always false in check mode.
  returned: when O(phase=agree)
  type: bool
undo:
  description: Whether what the phases did is to be undone. Always false in check mode.
  returned: when O(phase=agree)
  type: bool
outcome:
  description:
    - V(done), V(unchanged), V(planned), V(partial), V(reverted), or what all hosts say alike
      (V(nothing_to_do), V(refused), V(bad_input), V(unreachable), V(failed)).
  returned: when O(phase=outcome)
  type: str
hosts:
  description: The outcome in words, a line for each host and each note.
  returned: when O(phase=outcome)
  type: list
  elements: str
"""
