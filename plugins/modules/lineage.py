#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lineage
short_description: Warn when a release lacks the hotfix that it follows
version_added: 0.1.0
description:
  - Looks at what M(pangeafate.hotfix.release) prepared on every host of the play. Where users have a hotfix now, the
    revision of each image that changes must hold its commit, as that commit or as another one with the same change.
  - It is on the controller, changes nothing and stops nothing. Where it cannot be told it says why.
  - After a release that is no hotfix nothing is looked at.
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
  prepared:
    description: Name of the variable in which each host has what M(pangeafate.hotfix.release) prepared.
    type: str
    required: true
  repository:
    description: Path of the checkout of the app's source, on the controller. It is read, and never touched.
    type: path
  remote:
    description: The remote that is asked for commits which the checkout lacks.
    type: str
    default: origin
  base:
    description: The branch that hotfixes are merged back to.
    type: str
    default: main
  deploy_key:
    description: The text of a private SSH key for the remote. Without it what the environment variable C(DEPLOY_KEY)
      holds, or else the operator's own keys.
    type: str
  known_hosts:
    description: Lines of a C(known_hosts) file to use with the key.
    type: str
"""

EXAMPLES = r"""
- name: See whether the release holds the hotfix that it follows
  pangeafate.hotfix.lineage:
    prepared: deploy_prepared
    repository: ~/src/notes
  run_once: true
"""

RETURN = r"""
outcome:
  description: V(seen).
  returned: when a hotfix is followed
  type: str
summary:
  description: What is lacking, or that nothing is.
  returned: when a hotfix is followed
  type: str
"""
