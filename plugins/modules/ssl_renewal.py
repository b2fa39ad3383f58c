#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssl_renewal
short_description: The host's side of the renewal of a certificate
version_added: 0.1.0
description:
  - Answers the authority's challenges from the webroot of the app's own nginx, and makes a new certificate the one
    that nginx loads. Certificate and key are replaced as a pair, in one step.
  - The pair of before is kept. It is put back when nginx refuses the new one, or when the new one is not seen on the
    wire as it has to be.
  - M(pangeafate.hotfix.ssl_order) talks to the authority. The role C(ssl_renewal) calls both in their order.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._app
  - pangeafate.hotfix._record
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) it only looks.
  diff_mode:
    support: full
    details:
      - The serial numbers before and after are shown, and nothing of the key.
  idempotent:
    support: full
options:
  state:
    description:
      - V(looked_at) changes nothing. V(prepared) takes the lease, clears away what a killed run left, and serves
        O(tokens). V(answered) serves the authority's O(tokens) and keeps the key of the order. V(installed) installs
        O(chain) with that key, and is proven from outside or put back. V(withdrawn) gives up before anything was
        installed.
      - V(proven) and V(put_back) end what V(installed) began, and are asked for by its action plugin.
    type: str
    choices: [looked_at, prepared, answered, installed, proven, put_back, withdrawn]
    required: true
  names:
    description: The names that the certificate is for.
    type: list
    elements: str
    required: true
  certificate:
    description: The file of the certificate and its chain that nginx loads, relative to O(app_dir).
    type: str
    required: true
  key:
    description: The file of its private key, in the same folder.
    type: str
    required: true
  challenge:
    description: How challenges are answered.
    type: str
    choices: [http-01, dns-01]
    default: http-01
  webroot:
    description:
      - The folder that nginx serves C(/.well-known/acme-challenge/) from, relative to O(app_dir).
      - Required for V(http-01).
    type: str
  tokens:
    description: What is to be served, each token with its answer.
    type: dict
    default: {}
  keep_pending:
    description: Whether the key of an unfinished order is kept, with V(prepared).
    type: bool
    default: false
  order:
    description: The URL of the order.
    type: str
  csr:
    description: The request that the certificate is made from, DER in base64url.
    type: str
  chain:
    description: The certificate and its chain in PEM. Without it what is there already is loaded.
    type: str
  serial:
    description: The serial number that was proven, or was not.
    type: str
  orders:
    description: What became of the order, for the host's journal.
    type: list
    elements: dict
    default: []
  ca:
    description: The authorities that clients trust, in PEM. By default those of the host, where it has any.
    type: str
  private_key:
    description: The private key of the order. The action plugin sets it from O(sealed_key).
    type: str
  stand_in_certificate:
    description: A certificate to start a proxy with that has none. The action plugin sets it.
    type: str
  stand_in_key:
    description: Its key. The action plugin sets it.
    type: str
  sealed_key:
    description: The private key of the order as M(pangeafate.hotfix.ssl_order) sealed it. Used on the controller.
    type: str
  account_key:
    description: The account key by which O(sealed_key) is opened, in PEM. Used on the controller, no host gets it.
    type: str
  stand_in:
    description: Whether the proxy of this host needs a stand-in to start with. Used on the controller.
    type: bool
    default: false
  http_address:
    description:
      - Where the controller reaches port 80 of this host, as C(host) or C(host:port). An empty one goes where the name
        leads.
      - Used on the controller.
    type: str
  public_address:
    description: The same for port 443. Used on the controller.
    type: str
  ca_file:
    description: File on the controller with the authorities that clients trust. Used on the controller.
    type: path
  timeout:
    description: Seconds for each look from outside. Used on the controller.
    type: float
    default: 10.0
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
seealso:
  - module: pangeafate.hotfix.ssl_order
"""

EXAMPLES = r"""
- name: Look at the certificate of every host
  pangeafate.hotfix.ssl_renewal:
    state: looked_at
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    proxy_service: nginx
    names: [app.example.com]
    certificate: nginx/certs/fullchain.pem
    key: nginx/certs/privkey.pem
    webroot: nginx/acme
    http_address: "{{ ansible_host }}"
    public_address: "{{ ansible_host }}"
    run: 20260102T030405Z-4f2a
    operator: ann@laptop
  register: notes_certificate
"""

RETURN = r"""
outcome:
  description:
    - V(done) or V(unchanged).
    - V(refused), V(bad_input) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
seen:
  description:
    - What there is, with C(proxy), C(chain) and C(serial) of the certificate, C(broken) where there is none that can
      be used, C(state) of an unfinished renewal, C(orders) of the journal, C(holders) who renew something now, and
      C(wire), what is presented for each name.
  returned: with O(state=looked_at)
  type: dict
serial:
  description: The serial number of the certificate that was installed.
  returned: with O(state=installed)
  type: str
steps:
  description: The steps in their order, each with its name, seconds and outcome.
  returned: always, but for O(state=looked_at)
  type: list
  elements: dict
notes:
  description: What else the operator should know.
  returned: success, but for O(state=looked_at)
  type: list
  elements: str
journal:
  description:
    - The host's journal of this run, each entry a dictionary, and of O(history_hours) before it.
    - A step has an entry C(phase=begin) and, once it ended, another one C(phase=end).
  returned: but for O(state=looked_at)
  type: list
  elements: dict
clock:
  description: The host's clock when the module began and when it ended, as C(began) and C(ended), in UTC.
  returned: but for O(state=looked_at)
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
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import (
    app_options,
    host_of,
    run_of,
    run_options,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Account, record_options
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.change import STATES, change
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.look import Setup, look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **app_options(),
            **run_options(),
            "state": {"type": "str", "choices": ["looked_at", *STATES], "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "certificate": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": False},
            "challenge": {"type": "str", "choices": ["http-01", "dns-01"], "default": "http-01"},
            "webroot": {"type": "str"},
            "tokens": {"type": "dict", "default": {}, "no_log": False},
            "keep_pending": {"type": "bool", "default": False},
            "order": {"type": "str"},
            "csr": {"type": "str"},
            "chain": {"type": "str"},
            "serial": {"type": "str"},
            "orders": {"type": "list", "elements": "dict", "default": []},
            "ca": {"type": "str"},
            "private_key": {"type": "str", "no_log": True},
            "stand_in_certificate": {"type": "str"},
            "stand_in_key": {"type": "str", "no_log": True},
            "sealed_key": {"type": "str", "no_log": True},
            "account_key": {"type": "str", "no_log": True},
            "stand_in": {"type": "bool", "default": False},
            "http_address": {"type": "str"},
            "public_address": {"type": "str"},
            "ca_file": {"type": "path"},
            "timeout": {"type": "float", "default": 10.0},
            **record_options(),
        },
        supports_check_mode=True,
    )
    params = module.params
    looks = params["state"] == "looked_at" or module.check_mode
    account = Account(params["app_dir"], params["run"], params["history_hours"])
    try:
        setup = Setup.from_params(host_of(module), params)
        result = look(setup) if looks else change(setup, run_of(module), params)
    except HotfixError as exc:
        told = {} if looks else account.result(params["registry_password"])
        module.fail_json(**exc.as_result(), steps=exc.steps, **told)
    if not looks:
        result.update(account.result(params["registry_password"]))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
