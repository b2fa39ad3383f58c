#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restart
short_description: Restart services of a Compose app by the way that costs users least
version_added: 0.1.0
description:
  - Starts the switched services of the current release afresh in the idle colour and switches the proxy to them, where
    the proxy is under management. They are switched as one set. The release stays the same one.
  - Restarts all other services in place, in the order in which they depend on each other, each healthy again before the
    next one is stopped. What depends on them is checked afterwards, and so is the answer of the app.
  - A container that does not come back is shown with its last lines, and the module fails.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._app
  - pangeafate.hotfix._record
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details: The plan is returned, with what would be interrupted.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every run is a restart. One that was cut off is finished by the next one.
options:
  state:
    description:
      - V(planned) returns what O(state=restarted) would do and interrupt, and changes nothing.
      - V(restarted) restarts the services.
      - V(measured) keeps on the host what users noticed of the restart of O(run), as it was measured from outside.
    type: str
    choices: [planned, restarted, measured]
    default: restarted
  names:
    description:
      - The services to restart, by their names in the Compose file.
      - V(high_usage) alone stands for the switched services that use too much, see O(high_cpu) and O(high_memory). What
        else uses too much is named, and not restarted.
    type: list
    elements: str
    default: []
  force:
    description:
      - Whether a container that does not stop within O(stop_timeout) seconds is killed.
      - Without it no container that is restarted in place is ever killed, and one that does not stop fails the module.
        But for the proxy, which has no data, takes no requests while it stops, and would wait for WebSockets for ever.
    type: bool
    default: false
  high_cpu:
    description: From how many percent of one CPU on a container uses too much.
    type: float
    default: 80.0
  high_memory:
    description: From how many percent of the memory that it may use on a container uses too much.
    type: float
    default: 80.0
  users:
    description: What users noticed. Required with O(state=measured).
    type: dict
    suboptions:
      lower:
        description: Seconds that the app was away at least.
        type: float
        required: true
      upper:
        description: Seconds that the app was away at most. Without it that is not known.
        type: float
      failures:
        description: How many samples of the probe failed.
        type: int
        default: 0
  run:
    description: Identifies the run.
    type: str
    required: true
  operator:
    description: Who runs this. The same operator resumes an interrupted run at once.
    type: str
    required: true
  reason:
    description: Why, for the record.
    type: str
    default: ""
  takeover:
    description: Whether a lease that somebody else holds is taken over. It is recorded.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Start the backend afresh
  pangeafate.hotfix.restart:
    names: [backend]
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    proxy_service: nginx
    run: 20260102T030405Z-4f2a
    operator: ann@laptop

- name: Restart a cache that no longer answers, and kill it where it does not stop
  pangeafate.hotfix.restart:
    names: [redis]
    force: true
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    run: 20260102T030405Z-4f2b
    operator: ann@laptop
    reason: redis-cli ping hangs
"""

RETURN = r"""
outcome:
  description:
    - V(done), V(unchanged) where no service uses too much, or V(planned).
    - V(refused), V(bad_input) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
names:
  description: The services that were, or would be, restarted, in their order.
  returned: success, but for O(state=measured)
  type: list
  elements: str
slot:
  description: The slot in which the switched services run now, where they were started afresh.
  returned: when O(state=restarted)
  type: str
restarted:
  description: The services that were restarted in place, each with C(service), C(containers) and C(seconds).
  returned: when O(state=restarted) and not in check mode
  type: list
  elements: dict
plan:
  description: What would be done, what that interrupts, and for how long it did the last time.
  returned: with O(state=planned), and in check mode
  type: list
  elements: str
usage:
  description:
    - What the containers use where V(high_usage) was asked for, each with C(service), C(container), in percent C(cpu)
      and C(memory), and in C(bytes) of memory.
  returned: with O(state=planned), and in check mode
  type: list
  elements: dict
steps:
  description: The steps in their order, each with its name, seconds and outcome.
  returned: when O(state=restarted) and not in check mode
  type: list
  elements: dict
notes:
  description: What else the operator should know, such as drift, or a warm slot that was lost.
  returned: when O(state=restarted) and not in check mode
  type: list
  elements: str
journal:
  description:
    - The host's journal of this run, each entry a dictionary, and of O(history_hours) before it.
    - A step has an entry C(phase=begin) and, once it ended, another one C(phase=end).
  returned: when O(state=restarted) and not in check mode
  type: list
  elements: dict
clock:
  description: The host's clock when the module began and when it ended, as C(began) and C(ended), in UTC.
  returned: when O(state=restarted) and not in check mode
  type: dict
next_step:
  description: What to do next.
  returned: failure
  type: str
left:
  description: The state in which the host was left.
  returned: failure
  type: str
"""

import typing as t  # pylint: disable=wrong-import-position

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import (
    app_options,
    host_of,
    run_of,
    run_options,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Account, record_options
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart import perform

USERS = {
    "lower": {"type": "float", "required": True},
    "upper": {"type": "float"},
    "failures": {"type": "int", "default": 0},
}


def _done(module: AnsibleModule) -> t.Dict[str, t.Any]:
    params = module.params
    host, run = host_of(module), run_of(module)
    if params["state"] == perform.MEASURED:
        if module.check_mode:
            return {"changed": False, "outcome": "unchanged", "summary": "Nothing was measured in check mode."}
        return perform.measured(host, run, params["users"])
    wanted = perform.Wanted(params["names"], params["force"], params["high_cpu"], params["high_memory"])
    if params["state"] == perform.PLANNED or module.check_mode:
        return perform.check(host, wanted, None if module.check_mode else run)
    return perform.perform(host, run, wanted)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **app_options(),
            **run_options(),
            "state": {"type": "str", "choices": list(perform.STATES), "default": perform.RESTARTED},
            "names": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "high_cpu": {"type": "float", "default": 80.0},
            "high_memory": {"type": "float", "default": 80.0},
            "users": {"type": "dict", "options": USERS},
            **record_options(),
        },
        required_if=[("state", "measured", ["users"])],
        supports_check_mode=True,
    )
    params = module.params
    account = Account(params["app_dir"], params["run"], params["history_hours"])
    told = params["state"] == perform.RESTARTED and not module.check_mode
    try:
        result = _done(module)
    except HotfixError as exc:
        journal = account.result(params["registry_password"]) if told else {}
        module.fail_json(**exc.as_result(), steps=exc.steps, **journal)
    if told:
        result.update(account.result(params["registry_password"]))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
