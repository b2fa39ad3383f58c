#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Look beforehand whether what an emergency needs would work
version_added: 0.1.0
description:
  - Looks at all that a rollback, a deploy, a hotfix and the kill switch need of a host, in one pass and all at once.
    What is looked at from the controller is looked at meanwhile.
  - Changes nothing, takes no lease and pushes nothing.
  - A host that cannot be reached is an item that failed, and no end of the run.
    M(pangeafate.hotfix.preflight_report) tells what was found.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._app
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - This module does not change anything. With C(--check) no upload to the registry is begun, which is how the right
        to push is found out.
  diff_mode:
    support: N/A
    details:
      - This module does not change anything.
  idempotent:
    support: full
options:
  parts:
    description: What is looked at.
    type: list
    elements: str
    choices: [hosts, clock, rollback, database, registry, git, flags, certificates, notifications]
    default: [hosts, clock, rollback, database, registry, git, flags, certificates, notifications]
  timeout:
    description: Seconds that each look may take.
    type: float
    default: 10.0
  rollback_free_mb:
    description: Megabytes that must be free on the disks of O(app_dir) and of Docker for a rollback.
    type: int
    default: 256
  min_free_mb:
    description: Megabytes below which there is a warning, because a deploy wants as much.
    type: int
    default: 1024
  backup_age:
    description: Seconds that the newest verified backup may be old. With V(0) backups are not looked at.
    type: float
    default: 86400.0
  flags:
    description:
      - The options of M(pangeafate.hotfix.feature_flag_info) but O(app_dir) and O(project). Without them it is not
        looked at the kill switch.
      - The tokens among them are taken out on the controller and become O(flag_token) and O(flag_instance_token).
    type: dict
  flag_token:
    description: The token of the flag API.
    type: str
  flag_instance_token:
    description: The token for asking an instance, where it is another one.
    type: str
  clock_skew:
    description:
      - Seconds by which the clocks of host and controller may differ before there is a warning. From one minute on,
        which is what a lease lasts without a sign of life, it is a failure.
      - Used on the controller.
    type: float
    default: 2.0
  public:
    description:
      - Where users reach the app, with C(url), C(address), C(ca_file) and C(validate_certs), as targets of
        M(pangeafate.hotfix.smoke_check).
      - Used on the controller.
    type: dict
  certificate_days:
    description: Days that the certificate must still be good for. Used on the controller.
    type: float
    default: 14.0
  acme_orders:
    description:
      - File on the controller in which orders of certificates are noted, one JSON document a line, each with C(at)
        (ISO 8601) and C(names), and perhaps C(failed) or C(until).
      - Used on the controller.
    type: path
  git:
    description:
      - The checkout from which a hotfix is pushed, with C(repository), C(remote), C(deploy_key) and C(known_hosts).
      - Used on the controller.
    type: dict
  push:
    description:
      - How the controller reaches the registry, with C(address) (C(host:port), where its name leads elsewhere) and
        C(ca_file).
      - Used on the controller.
    type: dict
  notifications:
    description: The channels of C(hotfix_notifications). Used on the controller.
    type: raw
seealso:
  - module: pangeafate.hotfix.preflight_report
"""

EXAMPLES = r"""
- name: See whether a rollback would work
  pangeafate.hotfix.preflight:
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    parts: [hosts, rollback]
  register: notes_preflight
"""

RETURN = r"""
outcome:
  description: V(seen), whatever was found.
  returned: success
  type: str
looks:
  description: What was found on the host, each a dictionary.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What was looked at.
      type: str
    part:
      description: The part it belongs to.
      type: str
    status:
      description: V(passed), V(warning), V(failed) or V(skipped).
      type: str
    says:
      description: What was found, or why it was not looked at.
      type: str
    breaks:
      description: What will not work in an emergency, where it did not pass.
      type: str
    mend:
      description: How it is mended, where it did not pass.
      type: str
    seconds:
      description: What the look took.
      type: float
here:
  description: What was found from the controller for all hosts, of the same shape. Returned for one host of a play.
  returned: success
  type: list
  elements: dict
user:
  description: As whom the host was looked at.
  returned: when the host was looked at
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
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import PARTS
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.on_host import look, user


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **app_options(),
            "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
            "timeout": {"type": "float", "default": 10.0},
            "rollback_free_mb": {"type": "int", "default": 256},
            "min_free_mb": {"type": "int", "default": 1024},
            "backup_age": {"type": "float", "default": 86400.0},
            "flags": {"type": "dict"},
            "flag_token": {"type": "str", "no_log": True},
            "flag_instance_token": {"type": "str", "no_log": True},
            "clock_skew": {"type": "float", "default": 2.0},
            "public": {"type": "dict"},
            "certificate_days": {"type": "float", "default": 14.0},
            "acme_orders": {"type": "path"},
            "git": {"type": "dict"},
            "push": {"type": "dict"},
            "notifications": {"type": "raw"},
        },
        supports_check_mode=True,
    )
    began = stamp(utc_now())
    try:
        found = look(module)
    except HotfixError as exc:
        module.fail_json(**exc.as_result(), clock={"began": began, "ended": stamp(utc_now())})
    module.exit_json(
        changed=False,
        outcome="seen",
        looks=found,
        user=user(),
        clock={"began": began, "ended": stamp(utc_now())},
    )


if __name__ == "__main__":
    main()
