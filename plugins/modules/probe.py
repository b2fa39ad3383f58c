#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Measure from outside what users notice of a run
version_added: 0.1.0
description:
  - Starts a sampler on the controller that asks every host of a run again and again, as users do, while the run changes
    them. It uses fresh and kept connections by turns, and keeps one WebSocket open.
  - The sampler is one process for all hosts, and independent of the run. It writes every sample to a file at once, and
    ends by itself some seconds after the run is gone, however that ended.
  - Nothing that goes wrong with it fails the run. Where nothing could be measured, the result says why.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details: Nothing is measured.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(started) has the host sampled from now on. The first host of a run starts the sampler.
      - V(marked) has the O(phase) begin with this moment.
      - V(stopped) ends the sampler and returns what it saw. Use it with C(run_once).
    type: str
    required: true
    choices: [started, marked, stopped]
  run:
    description: The ID of the run, as M(pangeafate.hotfix.fleet) returns it. A run has one probe.
    type: str
    required: true
  dir:
    description:
      - Folder on the controller in which the probe keeps its files, in a folder C(probe-ID) of its own.
      - It is relative to the folder in which the run was started.
    type: path
    default: artifacts
  phase:
    description:
      - What begins with this moment. Samples before, during and after the change are summed up apart.
      - With O(state=started) it begins at once, for a run that waits for nothing before it acts.
      - Before the first one it is the time before. With O(state=marked) it is V(during) by default.
    type: str
    choices: [during, after]
  started:
    description:
      - Name of the variable in which O(state=started) was registered, given with O(state=stopped).
      - Hosts that are not measured are then named with the reason.
    type: str
  name:
    description: The name of the target. Defaults to the name of the host in the inventory.
    type: str
  url:
    description:
      - Scheme and name by which users reach the app, and perhaps the beginning of every path.
      - Without it nothing is measured.
    type: str
  address:
    description:
      - Where to connect, as C(host) or C(host:port), so that it is this host that answers.
      - By default where the name in the URL leads.
    type: str
  ca_file:
    description: File on the controller with the certificate authority of the URL.
    type: path
  validate_certs:
    description: Whether the certificate is verified.
    type: bool
    default: true
  path:
    description: What is asked for, with C(GET). An answer below 400 is a good one.
    type: str
    default: /
  websocket:
    description: The path of a WebSocket that is kept open. Without it there is none.
    type: str
  rate:
    description: Samples per second. More than 50 cannot be.
    type: float
    default: 5.0
  timeout:
    description: Seconds after which a sample that was not answered has failed.
    type: float
    default: 5.0
  slow:
    description: Seconds beyond which a good answer shows that the app is degraded.
    type: float
    default: 1.0
  enabled:
    description: Whether anything is measured at all.
    type: bool
    default: true
notes:
  - Every number is about when a request was sent. An outage is two failures in a row or more.
"""

EXAMPLES = r"""
- name: Have every host of the run sampled
  pangeafate.hotfix.probe:
    state: started
    run: "{{ selection.run.id }}"
    url: https://app.example.com
    address: "{{ ansible_host }}:443"
    path: /api/health
    websocket: /ws

- name: Note that the restart begins
  pangeafate.hotfix.probe:
    state: marked
    run: "{{ selection.run.id }}"
    phase: during
  run_once: true

- name: See what users noticed
  pangeafate.hotfix.probe:
    state: stopped
    run: "{{ selection.run.id }}"
  run_once: true
  register: noticed
"""

RETURN = r"""
measured:
  description: Whether the probe is under way, or saw anything.
  returned: always
  type: bool
why:
  description: Why nothing is measured.
  returned: when nothing is
  type: str
folder:
  description: The probe's folder, with C(samples.jsonl) and, once it has ended, C(summary.json).
  returned: when there is a probe
  type: str
lines:
  description: The most important of it in words.
  returned: when O(state=stopped)
  type: list
  elements: str
unmeasured:
  description: Why hosts are not measured, by host.
  returned: when O(state=stopped)
  type: dict
availability:
  description:
    - What was seen, in numbers. Seconds throughout; what is unknown is null.
    - C(samples) that told something and C(failures) among them, C(why) they failed, and how many were C(limited) (429),
      C(unanswered) at the end, or C(blind) because this machine could not look. Those count neither way.
    - C(phases) has C(before), C(during) and C(after), each with C(samples), C(failures), C(p50) and C(p95).
    - C(targets) has for each host its C(outages), each with C(lower) and C(upper), how long it was C(down) and
      C(degraded) in all, the C(gaps) in which the sampler could not look, and its C(websocket).
  returned: when O(state=stopped) and there was a probe
  type: dict
"""
