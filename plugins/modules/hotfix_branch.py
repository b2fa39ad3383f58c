#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hotfix_branch
short_description: Make the branch of a hotfix from the newest base, and push it
version_added: 0.1.0
description:
  - Takes one change, puts it as one commit on the base as the remote has it now, and pushes that as the branch
    C(hotfix/emergency-UTC-TIME). It never forces, and asks the remote afterwards whether it holds the commit.
  - Of the checkout nothing is touched, neither what is checked out nor index, files or branches. The commit is kept
    there as C(refs/hotfix/emergency-UTC-TIME), so that it can be built from.
  - Three guards are looked at, V(size), V(paths) and V(tests). Each that does not hold needs a reason, which is
    recorded in the commit's message. All are looked at before any refuses.
  - Runs on the controller and connects to no host. Use it with C(run_once). Hooks of the checkout do not run,
    submodules are left alone, and the commit is not signed.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - It asks the remote and says what it would push and what the guards say. It writes nothing to the checkout, runs
        no test command and pushes nothing.
  diff_mode:
    support: full
    details:
      - The change as a patch, with secrets masked.
  idempotent:
    support: full
    details:
      - A branch of the remote that holds the same change on the same base by the same message is taken as it is.
options:
  repository:
    description: Path of the checkout on the controller.
    type: path
    required: true
  remote:
    description: Name of the remote.
    type: str
    default: origin
  base:
    description: The branch of the remote that the hotfix is made from.
    type: str
    default: main
  patch:
    description:
      - Path of a patch as C(git diff) writes it, or its text. A text has more than one line.
      - Exactly one of O(patch), O(commit) and O(changes) is given.
    type: str
  commit:
    description: A commit that is known in the checkout and is no merge. It is picked with its author.
    type: str
  changes:
    description:
      - Whether what is not committed in the checkout is taken, staged or not, with new files that are not ignored.
      - It is refused where the checkout has commits that the base lacks, for the change may need them.
    type: bool
    default: false
  what:
    description: What the change does, in one line. It follows C(HOTFIX:) in the message.
    type: str
    required: true
  body:
    description: More about it, in as many lines as it needs.
    type: str
  fixes:
    description: What it fixes, in one line.
    type: str
    required: true
  risk:
    description: How risky it is, V(Low), V(Medium) or V(High).
    type: str
    required: true
  rollback:
    description: How it is undone, in one line. It is C(Available via playbooks/rollback.yml) by default.
    type: str
  trailers:
    description: More trailers of the message, each with its value.
    type: dict
    default: {}
  guard_files:
    description: How many files a change may touch.
    type: int
    default: 5
  guard_lines:
    description: How many lines it may add and remove. A binary file has none that could be counted, and does not hold.
    type: int
    default: 50
  guard_migrations:
    description:
      - Patterns of paths that are migrations. Without a slash one matches a name in any folder, C(**) is any number of
        folders.
      - By default those of the usual tools, such as C(**/migrations/**) and C(**/alembic/versions/**).
    type: list
    elements: str
  guard_locks:
    description: Patterns of lock files. By default those of the usual tools, such as C(yarn.lock) and C(go.sum).
    type: list
    elements: str
  guard_reasons:
    description:
      - Why a guard is passed that does not hold, by its name, V(size), V(paths) or V(tests).
      - With a reason for V(tests) the test command is not run.
    type: dict
    default: {}
  test_command:
    description:
      - The project's own tests, as a list of words or as one text for the shell. It runs in a worktree of the commit,
        without those variables of the environment that look like secrets, and with C(CI=true).
      - Without it the guard V(tests) does not hold.
    type: raw
  test_timeout:
    description: Seconds that it may take.
    type: float
    default: 600.0
  deploy_key:
    description:
      - The text of a private SSH key without a passphrase, which is used for the remote instead of the operator's own.
      - By default what the environment variable E(DEPLOY_KEY) holds. It is in a file of nobody else's while this runs.
    type: str
  known_hosts:
    description: Lines of a C(known_hosts) file to use together with the key. The user's own by default.
    type: str
  operator:
    description: Who commits, where Git is not configured with a name.
    type: str
  record:
    description: The run, as M(pangeafate.hotfix.fleet) returns it. What is done is then written to its incident record.
    type: dict
"""

EXAMPLES = r"""
- name: Bring a patch on a branch of its own
  pangeafate.hotfix.hotfix_branch:
    repository: ~/src/notes
    patch: ~/fix.patch
    what: Save notes again
    fixes: Notes are lost when the cache is away
    risk: Low
    test_command: [make, test]
  run_once: true
  register: notes_branch

- name: Take what was changed in the checkout, though its tests take an hour
  pangeafate.hotfix.hotfix_branch:
    repository: ~/src/notes
    changes: true
    what: Save notes again
    fixes: Notes are lost when the cache is away
    risk: Medium
    guard_reasons:
      tests: The suite takes an hour, the one test of saving was run by hand.
  run_once: true
"""

RETURN = r"""
branch:
  description: Name of the branch.
  returned: success
  type: str
  sample: hotfix/emergency-20261124T031500Z
commit:
  description: The commit. Nothing in check mode, unless the branch is there already.
  returned: success
  type: str
base:
  description: The branch that it was made from.
  returned: success
  type: str
base_commit:
  description: The commit of that branch on the remote.
  returned: success
  type: str
remote:
  description: Name of the remote.
  returned: success
  type: str
files:
  description: The files that the change touches.
  returned: success
  type: list
  elements: str
lines:
  description: How many lines it adds and removes.
  returned: success
  type: int
guards:
  description: What the guards found.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the guard.
      type: str
    passed:
      description: Whether it holds, or was passed with a reason.
      type: bool
    reason:
      description: Why it was passed though it does not hold.
      type: str
    detail:
      description: What was found.
      type: str
pushed:
  description: Whether the remote holds the commit.
  returned: success
  type: bool
message:
  description: The message of the commit.
  returned: success
  type: str
outcome:
  description: V(done), V(unchanged), V(planned), V(refused), V(nothing_to_do), V(bad_input) or V(failed).
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
notes:
  description: What else is to be known of it.
  returned: success
  type: list
  elements: str
next_step:
  description: What to do next.
  returned: failure
  type: str
"""
