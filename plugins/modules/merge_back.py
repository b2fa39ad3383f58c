#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: merge_back
short_description: Open the pull request that brings a hotfix back to its base
version_added: 0.1.0
description:
  - Opens a pull request of the hotfix's branch by GitHub's API, with what the commit and the incident say of it. One
    that is open already is found, and a hotfix whose change is in the base is told.
  - Without a token, or where the remote is not at GitHub, the commands are returned that a person types.
  - Says when the base moved on without the hotfix, and in which files a merge would conflict.
  - The checkout is read, and none of its references is moved.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is opened.
  diff_mode:
    support: none
    details:
      - A pull request has no difference to show but that of its branch.
  idempotent:
    support: full
options:
  repository:
    description: Path of the checkout of the app's source, on the controller.
    type: path
    required: true
  remote:
    description: Name of the remote.
    type: str
    default: origin
  base:
    description: The branch that the hotfix goes back to.
    type: str
    default: main
  branch:
    description: The branch of the hotfix. Without it, the newest C(hotfix/emergency-*) of the remote.
    type: str
    default: ''
  api:
    description: Address of the API, as C(https://github.example.com/api/v3). Without it that of github.com, where the
      remote is there.
    type: str
    default: ''
  name:
    description: C(owner/name) of the repository. Without it, as in the remote's URL.
    type: str
    default: ''
  token:
    description: The token that opens it. Without it what the environment variable C(GITHUB_TOKEN) holds.
    type: str
  labels:
    description: Labels that the pull request gets.
    type: list
    elements: str
    default: []
  deploy_key:
    description: The text of a private SSH key for the remote. Without it what the environment variable C(DEPLOY_KEY)
      holds, or else the operator's own keys.
    type: str
  known_hosts:
    description: Lines of a C(known_hosts) file to use with the key.
    type: str
  record:
    description: The run, as M(pangeafate.hotfix.fleet) returns it, to write this to its incident record.
    type: dict
"""

EXAMPLES = r"""
- name: Bring the newest hotfix back to main
  pangeafate.hotfix.merge_back:
    repository: ~/src/notes
  run_once: true
  register: notes_merge
"""

RETURN = r"""
branch:
  description: The branch of the hotfix.
  returned: success
  type: str
commit:
  description: Its commit.
  returned: success
  type: str
opened:
  description: Whether a pull request was opened now.
  returned: success
  type: bool
url:
  description: Where the pull request is.
  returned: when there is one
  type: str
number:
  description: Its number.
  returned: when there is one
  type: int
merged:
  description: Whether the change is in the base already.
  returned: success
  type: bool
base_moved:
  description: How many commits the base has that the branch lacks.
  returned: success
  type: int
conflicts:
  description: The files in which a merge would conflict.
  returned: success
  type: list
  elements: str
commands:
  description: What to type where no pull request was opened.
  returned: success
  type: list
  elements: str
outcome:
  description: V(done), V(unchanged) or V(planned), or V(bad_input) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
next_step:
  description: What to do next.
  returned: failure
  type: str
"""
