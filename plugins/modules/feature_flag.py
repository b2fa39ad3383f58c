#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_flag
short_description: Switch a feature flag, and prove it on every running instance
version_added: 0.1.0
description:
  - Sets a flag where it is kept, then asks every running container of the declared services on this host, by its own
    address, until each has evaluated the flag as wanted several times in a row.
  - An instance that disagrees is named, and written to by itself where the provider can; with O(restart_stale) it is
    restarted.
  - Reads first. Nothing is written where store and instances have the value already.
  - A name that neither the provider nor an instance knows is an error with the closest names; nothing is created.
  - Does not wait for the lease of a deploy or a rollback. Every switch is in the journal, with reason and operator.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._flags
  - pangeafate.hotfix._record
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: Name of the flag.
    type: str
    required: true
  state:
    description: What every instance is to evaluate.
    type: str
    required: true
    choices: [enabled, disabled]
  reads:
    description:
      - How many consecutive reads prove an instance, each over a connection of its own.
      - Raise it where one container runs several processes that keep flags by themselves.
    type: int
    default: 3
  wait:
    description: Seconds that the instances may take to follow. An Unleash client asks every 15 seconds by default.
    type: float
    default: 20.0
  restart_stale:
    description: Whether an instance that does not follow is restarted, one after the other.
    type: bool
    default: false
  persistent:
    description:
      - Whether the app keeps the flag over a restart. Without it only what was observed is told.
      - What was observed counts before what is declared here.
    type: bool
  visible_check:
    description: A request as a user makes it, whose answer must change with the flag.
    type: dict
    suboptions:
      url:
        description: The URL.
        type: str
        required: true
      address:
        description: Where to connect, as C(host:port), when the name in the URL does not lead to this host.
        type: str
      method:
        description: The method. Choose a request that does no harm.
        type: str
        default: GET
      body:
        description: A body, sent as JSON.
        type: raw
      headers:
        description: More headers.
        type: dict
        default: {}
      enabled:
        description: What the answer is while the flag is on. Whatever is not given is not looked at.
        type: dict
        default: {}
        suboptions:
          status:
            description: The HTTP status.
            type: int
          contains:
            description: A text in the answer.
            type: str
      disabled:
        description: What the answer is while the flag is off. Whatever is not given is not looked at.
        type: dict
        default: {}
        suboptions:
          status:
            description: The HTTP status.
            type: int
          contains:
            description: A text in the answer.
            type: str
  run:
    description: Identifies the run in the journal.
    type: str
    required: true
  operator:
    description: Who switches, for the journal.
    type: str
    required: true
  reason:
    description: Why, for the journal.
    type: str
    default: ""
  service_logs:
    description:
      - Whether what the services wrote around the change is read as well, once it is made.
      - With O(record) and O(state=disabled) it is, where the run's incident is open and has no logs of this host yet.
        They are kept there as evidence.
    type: bool
    default: false
seealso:
  - module: pangeafate.hotfix.feature_flag_info
"""

EXAMPLES = r"""
- name: Switch collaborative editing off in an app whose processes keep flags by themselves
  pangeafate.hotfix.feature_flag:
    name: COLLABORATIVE_EDITING
    state: disabled
    app_dir: /srv/notes
    token: "{{ lookup('ansible.builtin.env', 'HOTFIX_FLAG_TOKEN') }}"
    instances:
      services: [backend]
      port: 8081
    run: 20260102T030405Z-4f2a
    operator: ann@laptop
    reason: documents are lost while two people edit

- name: An API of another shape, beside the app
  pangeafate.hotfix.feature_flag:
    name: new-editor
    state: disabled
    app_dir: /srv/wiki
    url: https://flags.example.com
    token: "{{ vault_flags_token }}"
    token_header: Authorization
    token_prefix: "Bearer "
    http:
      path: /v1/toggles
      result: toggles.[key={name}].state
      write_method: PUT
      write_path: /v1/toggles/{name}
      write_body: {state: "{value}"}
      write_at_instances: false
      value_on: "on"
      value_off: "off"
    instances:
      services: [web]
      port: 3000
      path: /internal/toggles
      result: "{name}"
      value_on: true
      value_off: false
    run: 20260102T030405Z-4f2b
    operator: ann@laptop

- name: A hash in Redis, with a check of what users see
  pangeafate.hotfix.feature_flag:
    name: NOTE_SHARING
    state: disabled
    provider: redis
    app_dir: /srv/notes
    token: "{{ lookup('ansible.builtin.file', '~/.config/notes/redis-password') }}"
    instances:
      services: [backend]
      port: 8081
      path: /api/feature-flags
      result: flags.{name}
    visible_check:
      url: https://app.example.com/api/notes/share
      address: 127.0.0.1:443
      method: POST
      body: {title: probe, content: probe}
      enabled: {status: 201}
      disabled: {status: 503}
    run: 20260102T030405Z-4f2c
    operator: ann@laptop

- name: Unleash, whose clients in the app ask for changes every 15 seconds
  pangeafate.hotfix.feature_flag:
    name: collaborative-editing
    state: disabled
    provider: unleash
    app_dir: /srv/notes
    url: https://unleash.example.com
    token: "{{ lookup('ansible.builtin.env', 'UNLEASH_ADMIN_TOKEN') }}"
    unleash:
      project: default
      environment: production
    instances:
      services: [backend]
      port: 8081
      path: /api/feature-flags
      result: flags.{name}
    wait: 30
    run: 20260102T030405Z-4f2d
    operator: ann@laptop
"""

RETURN = r"""
outcome:
  description:
    - V(done), V(unchanged), or V(planned) in check mode.
    - V(bad_input), V(refused) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was done and seen, in one sentence.
  returned: success
  type: str
instances:
  description: Every running container of the services.
  returned: success, and failure after something was written
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container.
      type: str
    service:
      description: Its service.
      type: str
    id:
      description: Its short ID.
      type: str
    address:
      description: Where it was asked.
      type: str
    before:
      description: What it evaluated before, V(enabled), V(disabled) or V(unknown).
      type: str
    after:
      description: What it evaluated when it was read last.
      type: str
    proven:
      description: Whether it evaluated the flag as wanted O(reads) times in a row.
      type: bool
    reads:
      description: How often it was read.
      type: int
    writes:
      description: How often it was written to by itself.
      type: int
    restarted:
      description: Whether it was restarted.
      type: bool
    seconds:
      description: Seconds from the first write until the first of the reads that prove it.
      type: float
    problem:
      description: Why it could not be read, if so.
      type: str
store:
  description: Where the flag is kept outside the instances, with its name, its value before and after, and the writes.
  returned: when there is one
  type: dict
attempts:
  description: How many writes were sent, to store and instances together.
  returned: success
  type: int
seconds_to_effect:
  description: Seconds from the first write until the last instance evaluated the flag as wanted, and went on to.
  returned: success, when something was written
  type: float
persistence:
  description:
    - Whether the app keeps the flag over a restart or release switch.
    - RV(persistence.survives) is V(yes), V(no) or V(unknown), RV(persistence.how) is V(observed), V(declared) or
      V(not observed), and RV(persistence.why) says it in words.
  returned: success
  type: dict
  contains:
    survives:
      description: V(yes), V(no) or V(unknown).
      type: str
    how:
      description: V(observed), V(declared) or V(not observed).
      type: str
    why:
      description: In words.
      type: str
visible:
  description: What the visible check was answered before and after, and whether that is as wanted.
  returned: when O(visible_check) is given
  type: dict
notes:
  description: What else the operator should know.
  returned: success
  type: list
  elements: str
plan:
  description: What would be done.
  returned: in check mode
  type: list
  elements: str
journal:
  description:
    - The host's journal of this run, each entry a dictionary, and of O(history_hours) before it.
    - A step has an entry C(phase=begin) and, once it ended, another one C(phase=end).
  returned: not in check mode
  type: list
  elements: dict
clock:
  description: The host's clock when the module began and when it ended, as C(began) and C(ended), in UTC.
  returned: not in check mode
  type: dict
service_logs:
  description:
    - What the services wrote around the change, as M(pangeafate.hotfix.service_logs) returns it, or the C(msg) that
      says why it could not be read.
    - Its C(text) is not returned where it was kept as evidence.
  returned: with O(service_logs), when the change was made or nothing was to be changed
  type: dict
next_step:
  description: What to do next.
  returned: failure
  type: str
left:
  description: The state in which the instances were left.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.setup import (
    flag_options,
    request_from,
    switch_options,
    world_of,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.switch import Who, plan, switch
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Account, record_options
from ansible_collections.pangeafate.hotfix.plugins.module_utils._service_logs import around_change


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **flag_options(),
            **switch_options(),
            "service_logs": {"type": "bool", "default": False},
            **record_options(),
        },
        supports_check_mode=True,
    )
    params = module.params
    account = Account(params["app_dir"], params["run"], params["history_hours"])
    secrets = (params["token"], params["instances"]["token"])
    try:
        request = request_from(params)
        world = world_of(module)
        if module.check_mode:
            result = plan(world, request)
        else:
            result = switch(world, request, Who(params["run"], params["operator"], params["reason"]))
    except HotfixError as exc:
        module.fail_json(**exc.as_result(), **({} if module.check_mode else account.result(*secrets)))
    if not module.check_mode:
        result.update(account.result(*secrets))
        if params["service_logs"]:
            result["service_logs"] = around_change(params, params["run"], result["journal"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
