#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Show the releases of a Compose app on a host, and what really runs
version_added: 0.1.0
description:
  - Returns the recorded releases, which one is current, which one a rollback would go to, and where the
    containers differ from the record (drift).
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
  history_hours:
    description: Hours before now of which the host's journal is returned as well, at most 200 entries.
    type: float
    default: 0.0
"""

EXAMPLES = r"""
- name: Look at the releases
  pangeafate.hotfix.release_info:
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
  register: notes_releases

- name: Show what a rollback would go to
  ansible.builtin.debug:
    var: notes_releases.last_known_good.id
"""

RETURN = r"""
outcome:
  description: Always V(seen) when the host could be looked at.
  returned: always
  type: str
notes:
  description: Drift, releases and lease in words.
  returned: success
  type: list
  elements: str
managed:
  description: Whether a release was ever recorded here.
  returned: success
  type: bool
current:
  description: The current release, as M(pangeafate.hotfix.release) returns it.
  returned: success
  type: dict
switched:
  description: The services that a release replaces, sorted.
  returned: success
  type: list
  elements: str
last_known_good:
  description: The release that a rollback would go to, were the current one the broken one.
  returned: success
  type: dict
releases:
  description: All readable releases, the one that was live last first.
  returned: success
  type: list
  elements: dict
damaged:
  description: IDs of releases whose record cannot be read.
  returned: success
  type: list
  elements: str
drift:
  description: In words, where the containers differ from the current release.
  returned: success
  type: list
  elements: str
unfinished:
  description: The journal's line of a switch that began and never ended.
  returned: success
  type: dict
containers:
  description: The containers of the project, with name, service, image, status, health, restarts and release.
  returned: success
  type: list
  elements: dict
lease:
  description: Who holds the lease, in words.
  returned: success
  type: str
summary:
  description: What runs, in one sentence.
  returned: success
  type: str
journal:
  description: The host's journal of O(history_hours), each entry a dictionary.
  returned: always
  type: list
  elements: dict
clock:
  description: The host's clock when the module began and when it ended, as C(began) and C(ended), in UTC.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import app_options, host_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Account
from ansible_collections.pangeafate.hotfix.plugins.module_utils._perform import info


def main() -> None:
    module = AnsibleModule(
        argument_spec={**app_options(), "history_hours": {"type": "float", "default": 0.0}}, supports_check_mode=True
    )
    params = module.params
    account = Account(params["app_dir"], None, params["history_hours"])
    try:
        result = info(host_of(module))
    except HotfixError as exc:
        module.fail_json(**exc.as_result(), **account.result(params["registry_password"]))
    module.exit_json(changed=False, **result, **account.result(params["registry_password"]))


if __name__ == "__main__":
    main()
