#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_logs
short_description: Read what the services of a Compose app wrote around one moment
version_added: 0.1.0
description:
  - Returns the last lines of every service, also of containers that exist and run no more, such as those of a release
    that was rolled back from.
  - Errors are counted before and after O(around), and those of a kind that was not seen before are shown. What an error
    line is, is what a check of type C(logs) of M(pangeafate.hotfix.smoke_check) takes for one.
  - Secrets of the app's C(.env) and of its containers' environment are masked on the host.
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
  app_dir:
    description: Absolute path of the app's folder on the host.
    type: path
    required: true
  project:
    description: Name of the Compose project. Defaults to the last part of O(app_dir).
    type: str
  services:
    description: The services. Without any, all that have a container.
    type: list
    elements: str
    default: []
  around:
    description: The moment that parts before from after, by the host's clock, in ISO 8601. Now by default.
    type: str
  since:
    description: Begin of the window. 15 minutes before O(around) by default.
    type: str
  until:
    description: End of the window. Now by default.
    type: str
  tail:
    description: How many lines of each container are returned. Errors are counted in the last 20,000 of the window.
    type: int
    default: 400
  max_bytes:
    description: How much is returned of a service at most. The newest lines are kept.
    type: int
    default: 65536
  max_total:
    description: How much is returned of all services together at most.
    type: int
    default: 524288
  timeout:
    description: Seconds for all logs together.
    type: float
    default: 20.0
  record:
    description:
      - The run, as M(pangeafate.hotfix.fleet) returns it. Where its incident is open and has no logs of this host yet,
        they are collected and kept as evidence, and O(around) is the moment at which the run changed what users reach.
        Otherwise the task is skipped.
      - It is taken on the controller.
    type: dict
"""

EXAMPLES = r"""
- name: See what the backend wrote in the last minutes
  pangeafate.hotfix.service_logs:
    app_dir: /srv/notes
    services: [backend]
    around: "2026-01-02T03:04:05Z"
  register: notes_logs
"""

RETURN = r"""
outcome:
  description: V(seen), or V(bad_input) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was read, in one sentence.
  returned: success
  type: str
since:
  description: Begin of the window.
  returned: success
  type: str
around:
  description: The moment that parts before from after.
  returned: success
  type: str
until:
  description: End of the window.
  returned: success
  type: str
services:
  description: What was read of each service.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: Its name.
      type: str
    containers:
      description: Its containers, whether they run or not, with name, status, slot, release and restarts.
      type: list
      elements: dict
    text:
      description: The last lines, each with its time and container; not returned where it was kept as evidence.
      type: str
    lines:
      description: How many lines these are.
      type: int
    bytes:
      description: How many bytes.
      type: int
    cut:
      description: Whether there was more in the window.
      type: bool
    errors_before:
      description: How many error lines were written before O(around).
      type: int
    errors_after:
      description: How many after.
      type: int
    new:
      description: The first lines of kinds of errors that were written after, and not before.
      type: list
      elements: str
    last_error:
      description: The last error line that was written after.
      type: str
    problems:
      description: What could not be read, and why.
      type: list
      elements: str
clock:
  description: The host's clock when the module began and when it ended, as C(began) and C(ended), in UTC.
  returned: success
  type: dict
next_step:
  description: What to do next.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp, utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._service_logs import collect, wanted_from


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "app_dir": {"type": "path", "required": True},
            "project": {"type": "str"},
            "services": {"type": "list", "elements": "str", "default": []},
            "around": {"type": "str"},
            "since": {"type": "str"},
            "until": {"type": "str"},
            "tail": {"type": "int", "default": 400},
            "max_bytes": {"type": "int", "default": 65536},
            "max_total": {"type": "int", "default": 524288},
            "timeout": {"type": "float", "default": 20.0},
            "record": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    began = utc_now()
    try:
        result = collect(module.params, wanted_from(module.params))
    except HotfixError as exc:
        module.fail_json(**exc.as_result())
    module.exit_json(changed=False, **result, clock={"began": stamp(began), "ended": stamp(utc_now())})


if __name__ == "__main__":
    main()
