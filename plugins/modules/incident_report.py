#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: incident_report
short_description: Keep the record of an incident, and write its report
version_added: 0.1.0
description:
  - Opens an incident on the controller, adds to it, takes it from one state to the next, and writes its report as
    Markdown, HTML and JSON, with the post-mortem as a calendar file.
  - What the collection's own roles and modules do is recorded without it. It is for what only people know, such as the
    severity, the cause, and what of the checklists is done.
  - Runs on the controller and connects to nothing. Use it with C(run_once).
  - Secrets that it knows of, and what looks like a token, are masked before anything is written.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - It says what it would write, and writes nothing.
  diff_mode:
    support: full
    details:
      - The lines that are added to the record, with secrets masked.
  idempotent:
    support: partial
    details:
      - What the record holds already is not added again. Closing an incident twice is an error.
options:
  state:
    description:
      - V(opened) opens an incident, or adds to the one that is open.
      - V(recorded) adds to an incident.
      - V(mitigated) says that users are served again, V(resolved) that the cause is gone, V(closed) that the review is
        over. They come in this order, and there is no way back.
      - V(rendered) writes the report anew and adds nothing.
      - By default V(recorded) where there is anything to add, V(rendered) otherwise.
    type: str
    choices: [opened, recorded, mitigated, resolved, closed, rendered]
  id:
    description:
      - ID of the incident. By default the newest one of O(environment) that is not closed.
      - With O(state=opened) an ID that is not there yet opens an incident of that ID, and V(new) opens one in any case.
    type: str
  environment:
    description: The environment. By default that of the selected hosts.
    type: str
  dir:
    description:
      - Folder on the controller in which each incident has a folder of its own.
      - It is relative to the folder in which the run was started.
    type: path
    default: incidents
  title:
    description: What is wrong, in a few words.
    type: str
  severity:
    description: How bad it is, from V(1), the worst, to V(4).
    type: int
    choices: [1, 2, 3, 4]
  criterion:
    description: Which of the criteria for an emergency applies.
    type: str
    choices: [security, outage, data_loss, broken_function]
  summary:
    description: What happened, in some sentences.
    type: str
  services:
    description: Services that are affected.
    type: list
    elements: str
  reason:
    description: Why it was opened.
    type: str
  roles:
    description: Who does what, such as V(commander), V(scribe) and V(communication).
    type: list
    elements: dict
    suboptions:
      role:
        description: What it is that one does.
        type: str
        required: true
      name:
        description: Who does it.
        type: str
        required: true
  contacts:
    description: Who can be called.
    type: dict
    suboptions:
      technical:
        description: Engineers.
        type: list
        elements: dict
        default: []
        suboptions: &person
          role:
            description: What for.
            type: str
            required: true
          name:
            description: Name.
            type: str
          phone:
            description: Telephone number.
            type: str
          email:
            description: E-mail address.
            type: str
      business:
        description: Those who speak with customers and decide.
        type: list
        elements: dict
        default: []
        suboptions: *person
  started_at:
    description: When the trouble began, if that is known. A time as in O(at).
    type: str
  detected_at:
    description: When somebody noticed. A time as in O(at).
    type: str
  at:
    description:
      - When it was so, for a state, a note or a tick that is written down later. Now by default.
      - With an offset from UTC, as in V(2026-01-02T03:04:05Z), or in O(zone) without one. V(03:04) is the last time
        that it was this late.
    type: str
  event:
    description: Something that was done or seen, for the timeline.
    type: dict
    suboptions:
      at:
        description: When it began. A time as in O(at).
        type: str
      end:
        description: When it ended, where it took time.
        type: str
      actor:
        description: Who or what did it. The operator by default.
        type: str
      host:
        description: Where.
        type: str
      step:
        description: A word for it.
        type: str
      outcome:
        description: How it ended.
        type: str
        choices: [done, unchanged, planned, seen, failed, refused, nothing_to_do, unreachable, unknown]
        default: done
      text:
        description: What it was, in one sentence.
        type: str
        required: true
      evidence:
        description: Files on the controller that show it. They are copied to the record, texts with secrets masked.
        type: list
        elements: path
        default: []
  note:
    description: A sentence for the timeline.
    type: str
  tick:
    description: What is done, by the key of an item of the checklists, or the ID of an action.
    type: list
    elements: str
  untick:
    description: What is not done after all.
    type: list
    elements: str
  by:
    description: Who did what O(tick) names. The operator by default.
    type: str
  root_cause:
    description: The cause, once it is known.
    type: str
  contributing:
    description: What else it took, or what made it worse.
    type: list
    elements: str
  actions:
    description: What is done so that it does not happen again. A second one of the same text changes the first.
    type: list
    elements: dict
    suboptions:
      text:
        description: What is to be done.
        type: str
        required: true
      owner:
        description: Who sees to it.
        type: str
      due:
        description: The day until which it is to be done, as in V(2026-01-31).
        type: str
      type:
        description: What it is for.
        type: str
        choices: [mitigate, prevent, process, detect]
        default: prevent
      done:
        description: Whether it is done.
        type: bool
        default: false
  customer_message:
    description: What customers are told. Without it the report has a draft made from facts.
    type: str
  merge:
    description: Folder with another operator's record of the same incident, which is taken in. Twice adds nothing.
    type: path
  journals:
    description:
      - Name of the variable in which M(pangeafate.hotfix.release_info) with C(history_hours) was registered.
      - What the hosts' journals hold and the record does not is added, for when the record could not be written.
    type: str
  zone:
    description: Time zone of the operator, as in V(Europe/Berlin). By default that of the controller.
    type: str
  notifications:
    description: Whom to tell when an incident is opened, mitigated or resolved. See the page about incidents.
    type: list
    elements: dict
  listed:
    description: Return all incidents in words instead. With it nothing is written.
    type: bool
    default: false
  command:
    description: The command that shows the incident, for the next steps that are returned.
    type: str
    default: ansible-playbook playbooks/incident.yml
  operator:
    description: Who says all this. By default C(hotfix_operator), or the user and host name of the controller.
    type: str
notes:
  - The record is made for its owner only, mode C(0700).
"""

EXAMPLES = r"""
- name: Open an incident
  pangeafate.hotfix.incident_report:
    state: opened
    environment: production
    title: Notes are not saved
    severity: 2
    criterion: broken_function
  run_once: true
  register: incident

- name: Write down what was seen
  pangeafate.hotfix.incident_report:
    event:
      at: "2026-01-02T03:04:05Z"
      text: The queue was emptied by hand
      host: app1.example.com
      evidence: [queue.txt]
  run_once: true

- name: Tick what is done
  pangeafate.hotfix.incident_report:
    tick: [customer_communications]
    by: alice
  run_once: true

- name: Write down what is done so that it does not happen again
  pangeafate.hotfix.incident_report:
    root_cause: A migration dropped a column that the older code still wrote to.
    actions:
      - text: Check migrations against the code that runs
        owner: bob
        due: "2026-01-31"
  run_once: true
"""

RETURN = r"""
id:
  description: ID of the incident.
  returned: when there is one
  type: str
folder:
  description: Its folder.
  returned: when there is one
  type: str
state:
  description: V(opened), V(mitigated), V(resolved) or V(closed).
  returned: when there is one
  type: str
report:
  description: The files of the report, by C(markdown), C(html), C(json) and C(calendar).
  returned: when they were written
  type: dict
due:
  description: Items of the checklists that are to be done, with C(key), C(text), C(list), C(due) and C(overdue).
  returned: when there is an incident
  type: list
  elements: dict
added:
  description: What was added to the record, or would be, in words.
  returned: when there is an incident
  type: list
  elements: str
outcome:
  description: V(done), V(unchanged), V(planned), V(nothing_to_do) where no incident is open, V(bad_input) or V(failed).
  returned: always
  type: str
msg:
  description: The incident in words.
  returned: always
  type: str
"""
