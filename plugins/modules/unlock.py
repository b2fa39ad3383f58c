#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unlock
short_description: Take the lease of an app away, and end what a stopped run left at work
version_added: 0.1.0
description:
  - Takes away the lease that says who may change the app, and leaves it free. Whoever had it changes nothing any more.
  - A lease that has run out needs no reason. One that is live is taken with O(reason) only.
  - It is written to the host's journal, with who had the lease and since when.
  - Can also end the processes that a run has left on the host which was stopped on the controller, see O(mark).
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  app_dir:
    description:
      - Absolute path of the app's folder on the host, in which the lease is kept.
      - Without it only O(mark) is looked at.
    type: path
  of_run:
    description:
      - ID of a run. Only its lease is taken away, and without a reason.
      - It is for the operator who has stopped that run.
    type: str
  mark:
    description:
      - What the SSH sessions of a stopped run had as C(LC_HOTFIX_RUN) in their environment.
      - Processes of this user with it are ended.
      - The host's own timers are left alone, so that an unconfirmed release still goes back in time.
    type: str
  run:
    description: ID of this run.
    type: str
    required: true
  operator:
    description: Who runs this.
    type: str
    required: true
  reason:
    description: Why the lease is taken away. Required where it is live and not of O(of_run).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Take away what an operator who has gone home holds
  pangeafate.hotfix.unlock:
    app_dir: /srv/notes
    run: 20260102T030405Z-1a2b
    operator: ann@laptop
    reason: bob went home
"""

RETURN = r"""
outcome:
  description: V(done), V(unchanged) or V(planned); V(refused) for a live lease without a reason.
  returned: always
  type: str
summary:
  description: From whom it was taken and why, in one sentence.
  returned: success
  type: str
notes:
  description: What was ended.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run, folder_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._unlock import unlock


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "app_dir": {"type": "path"},
            "of_run": {"type": "str"},
            "mark": {"type": "str"},
            "run": {"type": "str", "required": True},
            "operator": {"type": "str", "required": True},
            "reason": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        result = unlock(
            folder_of(params["app_dir"]) if params["app_dir"] else None,
            Run(params["run"], params["operator"], params["reason"], False),
            of_run=params["of_run"],
            mark=params["mark"],
            check=module.check_mode,
        )
    except HotfixError as exc:
        module.fail_json(**exc.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
