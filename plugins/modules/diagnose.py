#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose
short_description: Look at all of a Compose app on a host at once, while something is wrong
version_added: 0.1.0
description:
  - Looks at containers, their use of CPU and memory, the host's disks, memory and load, the logs, the proxy's requests,
    the database, Redis, open connections, the release and its drift, in one pass and all at once. The certificate and
    the clocks are looked at from the controller meanwhile.
  - Each part has an end to it. An engine or a database that hangs is a part that could not be looked at, and the others
    are there all the same.
  - Changes nothing and takes no lease. M(pangeafate.hotfix.diagnose_report) says what follows from it.
  - A host that cannot be reached is told in RV(unreachable_why), and no end of the run.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._app
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
  timeout:
    description: Seconds that each part may take, and so all of them.
    type: float
    default: 8.0
  minutes:
    description: Minutes before now in which requests, errors and ends of containers are counted.
    type: float
    default: 5.0
  lines:
    description: How many last lines of every service are returned.
    type: int
    default: 5
  log_services:
    description: The services whose lines are returned. Without any, all that have a container.
    type: list
    elements: str
    default: []
  redis:
    description:
      - Where Redis or Valkey runs. Without it, the service whose image is called so.
      - A O(redis.password) is taken out on the controller and becomes O(redis_password).
    type: dict
    suboptions:
      service:
        description: The service of the Compose file.
        type: str
      port:
        description: Its port within its container.
        type: int
        default: 6379
      username:
        description: As whom it is asked.
        type: str
      password:
        description: Its password.
        type: str
  redis_password:
    description:
      - The password, which goes to its container by stdin. Without it C(REDIS_PASSWORD) of the container counts.
    type: str
  websocket_services:
    description: The services whose connections are told as WebSockets.
    type: list
    elements: str
    default: []
  public:
    description:
      - Where users reach the app, with C(url), C(address) and C(ca_file), as the targets of
        M(pangeafate.hotfix.smoke_check).
      - Used on the controller, to look at the certificate.
    type: dict
seealso:
  - module: pangeafate.hotfix.diagnose_report
  - module: pangeafate.hotfix.logs
"""

EXAMPLES = r"""
- name: See what is wrong
  pangeafate.hotfix.diagnose:
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    proxy_service: nginx
    database: {service: postgres, name: notes, user: notes}
  register: notes_diagnosis

- name: Say what follows from it
  pangeafate.hotfix.diagnose_report:
    results: notes_diagnosis
  run_once: true
"""

RETURN = r"""
outcome:
  description: V(seen), or V(unreachable).
  returned: success
  type: str
app:
  description: What was declared of the app, with project, folder, switched services, proxy and database.
  returned: when the host was looked at
  type: dict
parts:
  description: What was looked at, by name.
  returned: when the host was looked at
  type: dict
  contains:
    status:
      description: V(seen), V(unseen) where it could not be looked at, or V(skipped) where there is nothing to look at.
      type: str
    why:
      description: Why it was not seen.
      type: str
    next:
      description: What to do so that it is seen.
      type: str
    seconds:
      description: What it took.
      type: float
    found:
      description: What was found; the page about diagnose has every key.
      type: dict
unreachable_why:
  description: Why the host could not be reached.
  returned: when it could not be reached
  type: str
clock:
  description: The host's clock when the module began and when it ended, as C(began) and C(ended), in UTC.
  returned: when the host was looked at
  type: dict
next_step:
  description: What to do next.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import app_options
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp, utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.on_host import look
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._programs import BoundedRunner


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **app_options(),
            "timeout": {"type": "float", "default": 8.0},
            "minutes": {"type": "float", "default": 5.0},
            "lines": {"type": "int", "default": 5},
            "log_services": {"type": "list", "elements": "str", "default": []},
            "redis": {
                "type": "dict",
                "options": {
                    "service": {"type": "str"},
                    "port": {"type": "int", "default": 6379},
                    "username": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                },
            },
            "redis_password": {"type": "str", "no_log": True},
            "websocket_services": {"type": "list", "elements": "str", "default": []},
            "public": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    began = stamp(utc_now())
    try:
        found = look(module.params, BoundedRunner())
    except HotfixError as exc:
        module.fail_json(**exc.as_result(), clock={"began": began, "ended": stamp(utc_now())})
    module.exit_json(changed=False, outcome="seen", **found, clock={"began": began, "ended": stamp(utc_now())})


if __name__ == "__main__":
    main()
