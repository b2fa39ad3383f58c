#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy
short_description: Bring the nginx of a Compose app under management, while it runs
version_added: 0.1.0
description:
  - Makes an nginx that names its upstreams directly follow a switch, so that a release can be started beside the one
    that runs and take over by a graceful reload.
  - Each C(proxy_pass) (or C(grpc_pass), C(fastcgi_pass), C(uwsgi_pass), C(scgi_pass)) to a switched service, and each
    C(server) of an C(upstream) that names one, is pointed to a file of the folder C(proxy) in O(app_dir).
  - The container is neither stopped nor made anew. The configuration is written in place, tested and reloaded; the app
    has to answer healthy before and after, from the same containers. Otherwise everything is put back.
  - The Compose file gets one line more, the mount of that folder. Compose has to confirm that nothing else changed.
    Until somebody makes the container anew, the folder is copied into it.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._app
  - pangeafate.hotfix._record
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Of the configuration and the Compose file the lines that change are shown. Values of C(.env) are masked.
  idempotent:
    support: full
options:
  state:
    description: V(managed) brings the proxy under management.
    type: str
    choices: [managed]
    default: managed
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
- name: Bring nginx under management
  pangeafate.hotfix.proxy:
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    proxy_service: nginx
    health:
      url: http://app.example.com/api/health
      address: 127.0.0.1:80
    run: 20260102T030405Z-4f2a
    operator: ann@laptop
"""

RETURN = r"""
outcome:
  description:
    - V(done), V(unchanged), or V(planned) in check mode.
    - V(refused), V(bad_input) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
steps:
  description: The steps in their order, each with its name, seconds and outcome.
  returned: always, but for check mode
  type: list
  elements: dict
notes:
  description: What else the operator should know, such as what the app sees differently.
  returned: success and not in check mode
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
next_step:
  description: What to do next.
  returned: failure
  type: str
left:
  description: The state in which the host was left.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _proxy_setup
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import (
    app_options,
    host_of,
    run_of,
    run_options,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Account, record_options


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **app_options(),
            **run_options(),
            "state": {"type": "str", "choices": ["managed"], "default": "managed"},
            **record_options(),
        },
        supports_check_mode=True,
    )
    params = module.params
    account = Account(params["app_dir"], params["run"], params["history_hours"])
    try:
        host = host_of(module)
        result = _proxy_setup.check(host) if module.check_mode else _proxy_setup.manage(host, run_of(module))
    except HotfixError as exc:
        told = {} if module.check_mode else account.result(params["registry_password"])
        module.fail_json(**exc.as_result(), steps=exc.steps, **told)
    if not module.check_mode:
        result.update(account.result(params["registry_password"]))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
