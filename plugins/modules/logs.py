#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: logs
short_description: Read the last lines of services of a Compose app, in one order
version_added: 0.1.0
description:
  - Returns the last lines of all services together, also of containers that exist and run no more.
  - Secrets of the app's C(.env) and of its containers' environment are masked on the host.
  - With O(since) set to what RV(newest) was, the next call returns what was written meanwhile, each line once.
  - M(pangeafate.hotfix.logs_report) puts the lines of several hosts into one order.
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
  lines:
    description: How many lines of all services together, at most 10,000. The newest are kept.
    type: int
    default: 100
  since:
    description:
      - Only what was written after it. A time in ISO 8601 by the host's clock, how long ago as in V(15m) or V(2h), or
        the RV(newest) of a call before.
    type: str
  timeout:
    description: Seconds for all logs together.
    type: float
    default: 20.0
seealso:
  - module: pangeafate.hotfix.logs_report
  - module: pangeafate.hotfix.service_logs
"""

EXAMPLES = r"""
- name: See what backend and proxy wrote last
  pangeafate.hotfix.logs:
    app_dir: /srv/notes
    services: [backend, nginx]
  register: notes_logs

- name: See what they wrote since
  pangeafate.hotfix.logs:
    app_dir: /srv/notes
    services: [backend, nginx]
    since: "{{ notes_logs.newest }}"
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
known:
  description: The services that have a container on this host.
  returned: success
  type: list
  elements: str
lines:
  description: The lines in the order of their times.
  returned: success
  type: list
  elements: dict
  contains:
    at:
      description: When it was written, by the host's clock, to the nanosecond in UTC.
      type: str
    service:
      description: Who wrote it.
      type: str
    container:
      description: The name of its container.
      type: str
    text:
      description: What was written, secrets masked.
      type: str
newest:
  description: The time of the newest line, for O(since). V(none) where there was no line.
  returned: success
  type: str
cut:
  description: Whether there may be more lines than these.
  returned: success
  type: bool
problems:
  description: Which logs could not be read, and why.
  returned: success
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
from ansible_collections.pangeafate.hotfix.plugins.module_utils._last_logs import collect, wanted_from


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "app_dir": {"type": "path", "required": True},
            "project": {"type": "str"},
            "services": {"type": "list", "elements": "str", "default": []},
            "lines": {"type": "int", "default": 100},
            "since": {"type": "str"},
            "timeout": {"type": "float", "default": 20.0},
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
