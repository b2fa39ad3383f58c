#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_flag_info
short_description: Show the feature flags that every running instance evaluates, and those that were switched off
version_added: 0.1.0
description:
  - Asks every running container of the declared services on this host, by its own address, for its flags.
  - Tells which flags this collection switched off on the host, by whom and why, and whether they are still off.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._flags
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
  name:
    description: Name of a flag. Without it all flags are shown.
    type: str
seealso:
  - module: pangeafate.hotfix.feature_flag
"""

EXAMPLES = r"""
- name: Look at all flags on every instance
  pangeafate.hotfix.feature_flag_info:
    app_dir: /srv/notes
    token: "{{ lookup('ansible.builtin.env', 'HOTFIX_FLAG_TOKEN') }}"
    instances:
      services: [backend]
      port: 8081
  register: flags

- name: Show those that were switched off and still are
  ansible.builtin.debug:
    msg: "{{ flags.switched_off | selectattr('still_off') | map(attribute='flag') }}"

- name: Compare a flag in Redis with what the instances evaluate
  pangeafate.hotfix.feature_flag_info:
    name: NOTE_SHARING
    provider: redis
    app_dir: /srv/notes
    instances:
      services: [backend]
      port: 8081
      path: /api/feature-flags
      result: flags.{name}

- name: Compare a flag in Unleash with what the instances evaluate
  pangeafate.hotfix.feature_flag_info:
    name: collaborative-editing
    provider: unleash
    url: https://unleash.example.com
    token: "{{ lookup('ansible.builtin.env', 'UNLEASH_ADMIN_TOKEN') }}"
    app_dir: /srv/notes
    instances:
      services: [backend]
      port: 8081
      path: /api/feature-flags
      result: flags.{name}
"""

RETURN = r"""
outcome:
  description: V(seen) when every instance could be looked at.
  returned: always
  type: str
summary:
  description: What was seen, in one sentence.
  returned: success
  type: str
flags:
  description:
    - By flag, a dictionary with C(store), the value where it is kept outside the instances, and C(instances), the value
      by the name of the container. Values are V(enabled), V(disabled) or V(unknown).
  returned: success, and failure when some instances could be looked at
  type: dict
switched_off:
  description: The flags that were switched off on this host through this collection and not on again.
  returned: success, and failure when some instances could be looked at
  type: list
  elements: dict
  contains:
    flag:
      description: Name of the flag.
      type: str
    since:
      description: When it was switched off, UTC.
      type: str
    operator:
      description: Who did it.
      type: str
    reason:
      description: Why.
      type: str
    provider:
      description: Where it was set.
      type: str
    proven:
      description: Whether it was seen off on every instance then.
      type: bool
    still_off:
      description: Whether every instance evaluates it off now.
      type: bool
    on_again_at:
      description: The containers that evaluate it on.
      type: list
      elements: str
    unknown_at:
      description: The containers that did not say.
      type: list
      elements: str
    persistence:
      description: What containers that were started since tell about restarts.
      type: dict
instances:
  description: The running containers of the services, with name, service, id and address.
  returned: success
  type: list
  elements: dict
notes:
  description: What was switched off, and where instances differ, in words.
  returned: success
  type: list
  elements: str
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
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.look import info
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.setup import flag_options, world_of


def main() -> None:
    module = AnsibleModule(argument_spec={**flag_options(), "name": {"type": "str"}}, supports_check_mode=True)
    try:
        result = info(world_of(module), module.params["name"])
    except HotfixError as exc:
        module.fail_json(**exc.as_result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
