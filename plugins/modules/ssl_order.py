#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssl_order
short_description: Decide whether a certificate is due, and have it issued by ACME
version_added: 0.1.0
description:
  - Leads the conversation with the authority once for all hosts of the play. Hosts behind one name get one certificate
    by one order.
  - It is on the controller, and reads from every host's variables what M(pangeafate.hotfix.ssl_renewal) saw there.
    Keys are in memory only. What the next task needs of them is sealed with the account key.
  - No request is repeated that the authority refused for a rate limit. When it may be made again is told, and noted.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) it says what it would do. The authority is asked for its directory and its suggestion alone.
  diff_mode:
    support: full
    details:
      - The serial numbers before are shown. Which one comes after is not known beforehand.
  idempotent:
    support: full
    details:
      - With O(state=decided) a certificate that is not due is left alone.
options:
  state:
    description:
      - V(decided) says whether anything is due. V(ordered) fetches our own token from every host and places the order.
        V(issued) has the authority look at the answers, and returns the certificate.
    type: str
    choices: [decided, ordered, issued]
    required: true
  looks:
    description: Name of the variable in which each host has what M(pangeafate.hotfix.ssl_renewal) saw.
    type: str
    required: true
  earlier:
    description: Name of the variable in which each host has the result of the task before, which must have gone well.
    type: str
  environment:
    description:
      - The inventory group of the hosts. One of it that is behind the same name and not selected is refused for
        V(http-01), since the authority may ask it.
    type: str
  decided:
    description: The result of O(state=decided).
    type: dict
  ordered:
    description: The result of O(state=ordered).
    type: dict
  names:
    description: The names that the certificate is for.
    type: list
    elements: str
    required: true
  directory:
    description: URL of the authority's ACME directory.
    type: str
    required: true
  directory_ca_file:
    description: File with the authorities that vouch for that URL, where it is none that this machine trusts.
    type: path
  account_key:
    description: The account's private key in PEM.
    type: str
  contact:
    description: E-mail address of a new account.
    type: str
  eab:
    description: External account binding, where the authority wants one of a new account.
    type: dict
    suboptions:
      kid:
        description: Its key ID.
        type: str
        required: true
      key:
        description: Its key, in base64url.
        type: str
        required: true
  challenge:
    description: How the names are proven.
    type: str
    choices: [http-01, dns-01]
    default: http-01
  dns_hook:
    description:
      - Command with its first arguments that makes or removes a record. It gets V(present) or V(cleanup), the record's
        name and its value as three arguments more, and returns once the record can be seen.
    type: list
    elements: str
    default: []
  dns_timeout:
    description: Seconds that the command may take for one record.
    type: float
    default: 300.0
  key_type:
    description: Kind of the certificate's private key.
    type: str
    choices: [ecdsa256, ecdsa384, rsa2048, rsa4096]
    default: ecdsa256
  days:
    description:
      - Days below which a certificate is due, where the authority does not suggest when to renew it. Of one that lives
        shortly, a third of its life counts.
    type: float
    default: 30.0
  force:
    description: Whether it is ordered although it is not due.
    type: bool
    default: false
  orders:
    description: File on the controller in which orders and failures are noted, one JSON document a line.
    type: path
  timeout:
    description: Seconds that the authority may take to look, and to issue.
    type: float
    default: 120.0
  request_timeout:
    description: Seconds for each request to the authority.
    type: float
    default: 20.0
seealso:
  - module: pangeafate.hotfix.ssl_renewal
"""

EXAMPLES = r"""
- name: See whether the certificate is due
  pangeafate.hotfix.ssl_order:
    state: decided
    looks: notes_certificate
    names: [app.example.com]
    directory: https://acme-v02.api.letsencrypt.org/directory
    account_key: "{{ lookup('ansible.builtin.env', 'HOTFIX_ACME_ACCOUNT_KEY') }}"
  run_once: true
"""

RETURN = r"""
outcome:
  description:
    - V(done), V(unchanged), or V(planned) in check mode.
    - V(bad_input), V(refused) or V(failed) when it failed.
  returned: unless a host was not ready
  type: str
go:
  description: Whether the next task is to begin.
  returned: always
  type: bool
do:
  description:
    - What is to be done, V(nothing), V(order), V(finish) for an order of an earlier run, or V(load) for a certificate
      that lies there and was never loaded.
  returned: success with O(state=decided)
  type: str
summary:
  description: Why, or what was done.
  returned: success
  type: str
replaces:
  description: The ID of the certificate that is renewed, if the authority knows it. No rate limit counts then.
  returned: success with O(state=decided)
  type: str
stand_in:
  description: The hosts whose proxy needs a stand-in to start with.
  returned: success with O(state=decided)
  type: list
  elements: str
tokens:
  description: What the hosts are to serve, each token with its answer.
  returned: success, but for O(state=issued)
  type: dict
order:
  description: The URL of the order.
  returned: success
  type: str
sealed_key:
  description: The private key of the order, sealed with the account key.
  returned: success with O(state=ordered)
  type: str
csr:
  description: The request that the certificate is made from, DER in base64url.
  returned: success, but for O(state=issued)
  type: str
chain:
  description: The certificate and its chain, in PEM.
  returned: success with O(state=issued)
  type: str
orders:
  description: What the hosts are to note of the order.
  returned: failure, and success with O(state=issued)
  type: list
  elements: dict
notes:
  description: What else the operator should know.
  returned: success
  type: list
  elements: str
plan:
  description: What would be done.
  returned: in check mode
  type: list
  elements: str
next_step:
  description: What to do next.
  returned: failure
  type: str
left:
  description: The state in which everything was left.
  returned: failure
  type: str
"""
