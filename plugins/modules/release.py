#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Bring the release of a Compose app on a host to a state
version_added: 0.1.0
description:
  - Adopts a running Compose project, prepares, switches to, confirms and reverts a release of it, or rolls it back.
  - Every release is recorded on the host with the digests (or IDs) of its images and a snapshot of its configuration.
  - Every step is written to the host's journal before it begins and after it ended.
  - The roles M(pangeafate.hotfix.fleet) belongs to decide over several hosts; this module acts on one.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._app
  - pangeafate.hotfix._record
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: partial
    details:
      - O(state=adopted), O(state=prepared) and O(state=rolled_back) return their plan. The other states go on from
        a release that was really prepared, and fail in check mode.
  diff_mode:
    support: partial
    details:
      - In check mode the images by service are shown as they are and as they would be.
  idempotent:
    support: full
options:
  state:
    description:
      - V(adopted) records what runs now as release zero, and touches no container.
      - V(prepared) pulls O(version) or O(images), pins the images and snapshots the configuration; users see nothing.
      - V(migrated) backs the database up and migrates it to O(release), where a database is declared.
      - V(started) starts O(release) beside the one that runs and checks it there, where the strategy can; users see
        nothing.
      - V(live) switches to O(release) and verifies it. Unless it is confirmed in time, the host goes back by itself.
      - V(unconfirmed) leaves O(release), which is live, to be confirmed in time, and gives the lease back.
      - V(confirmed) settles O(release), or the current one, as known good, and gives the lease back.
      - V(reverted) undoes the deploy of O(release), however far it came, and gives the lease back.
      - V(rolled_back) goes back to O(release), or to the last known good release.
    type: str
    required: true
    choices: [adopted, prepared, migrated, started, live, unconfirmed, confirmed, reverted, rolled_back]
  version:
    description:
      - The tag of the images to deploy. Required with O(state=prepared), but for O(images).
      - V(emergency) is the newest emergency build. Its labels say which services it made, and all others keep the
        images of the current release, whatever their tags say. The version of the release is the ID of the build.
    type: str
  images:
    description:
      - The images of an emergency build by service, with O(state=prepared), each with C(reference) (C(repository:tag)),
        C(image_id), and C(digest) where a registry has it.
      - An image with a digest is pulled by it. One without must be on the host under its ID, and is pinned by that.
      - All other services keep the images of the current release. The version of the release is the tag of the images.
    type: dict
  release:
    description: ID of a release. Required with O(state=migrated), O(state=started),
      O(state=live) and O(state=unconfirmed).
    type: str
  run:
    description: Identifies the run. The tasks of one run share it, and with it the lease.
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
  min_free_mb:
    description: Megabytes that must be free on the disk before anything is pulled.
    type: int
    default: 1024
  keep_releases:
    description: Of how many good releases the images are kept on the host, besides the current one.
    type: int
    default: 5
  backup_skip_reason:
    description: Why a deploy goes without a verified backup. Without a reason it is refused.
    type: str
  migration_reason:
    description:
      - Why a release is deployed whose migration is incompatible with the code that runs, or not declared.
      - Without a reason it is refused.
    type: str
  restore:
    description:
      - Confirms that a rollback restores the database, and loses everything since that time.
      - The time is the one that the refused rollback names.
    type: str
  schema_ignored_reason:
    description: Why a rollback leaves a database as it is that the older code cannot live with.
    type: str
  probe:
    description:
      - Options of M(pangeafate.hotfix.probe), with which the host is sampled from before the first action on.
      - It is taken on the controller. A task of its own before this one would do the same, and hold up a rollback.
    type: dict
  settings:
    description:
      - Name of a variable, a dictionary of further options. One that is given to the task itself counts instead.
      - It is taken on the controller, and rendered once a plain rollback has turned users back, who need not wait for
        it.
    type: str
  service_logs:
    description:
      - Whether what the services wrote around the change is read as well, once it is made.
      - With O(record) and O(state=rolled_back) it is, where the run's incident is open and has no logs of this host
        yet. They are kept there as evidence.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Record what runs now as release zero
  pangeafate.hotfix.release:
    state: adopted
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    run: 20260102T030405Z-4f2a
    operator: ann@laptop

- name: Go back to the last known good release
  pangeafate.hotfix.release:
    state: rolled_back
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
    proxy_service: nginx
    health:
      url: http://app.example.com/api/health
      address: 127.0.0.1:80
    run: 20260102T030405Z-4f2b
    operator: ann@laptop
    reason: saving documents fails
"""

RETURN = r"""
outcome:
  description:
    - V(done), V(unchanged), or V(planned) in check mode.
    - V(refused), V(bad_input), V(nothing_to_do) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
release:
  description: The release that the state is about.
  returned: success
  type: dict
  contains:
    id:
      description: ID of the release.
      type: str
    version:
      description: The version that was asked for.
      type: str
    state:
      description: V(preparing), V(prepared), V(live), V(confirmed), V(superseded), V(failed) or V(voided).
      type: str
    images:
      description: By service, the digest or image ID that it runs.
      type: dict
    image_ids:
      description: By service, the ID of the image on this host.
      type: dict
    revisions:
      description: By service, the revision of the source that the image's label names.
      type: dict
    transferred:
      description: The services whose images came without a registry.
      type: list
      elements: str
    operator:
      description: Who made it.
      type: str
    reason:
      description: Why it was made.
      type: str
    created:
      description: When it was made, UTC.
      type: str
    arrived_by:
      description: How it became current last, V(adopt), V(deploy), V(revert) or V(rollback).
      type: str
    came_from:
      description: ID of the release that was current before it.
      type: str
leaving:
  description:
    - The release that users have until the switch, like RV(release).
    - Its C(built) lists the services whose images have its version as their tag.
  returned: with O(state=prepared)
  type: dict
previous:
  description: The release that was left, like RV(release).
  returned: when O(state=rolled_back), and when O(state=live) or O(state=reverted) switched
  type: dict
steps:
  description: The steps in their order, each with its name, seconds and outcome.
  returned: always, but for check mode
  type: list
  elements: dict
notes:
  description: What else the operator should know, such as drift or a lease that was taken over.
  returned: success and not in check mode
  type: list
  elements: str
plan:
  description: What would be done.
  returned: in check mode
  type: list
  elements: str
probe:
  description: Whether the host is being sampled (C(measured)), and C(why) not.
  returned: when O(probe) was given, and not in check mode
  type: dict
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
service_logs:
  description:
    - What the services wrote around the change, as M(pangeafate.hotfix.service_logs) returns it, or the C(msg) that
      says why it could not be read.
    - Its C(text) is not returned where it was kept as evidence.
  returned: with O(service_logs), when the change was made or nothing was to be changed
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
from ansible_collections.pangeafate.hotfix.plugins.module_utils._perform import STATES, Wanted, check, perform
from ansible_collections.pangeafate.hotfix.plugins.module_utils._service_logs import around_change


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **app_options(),
            **run_options(),
            "state": {"type": "str", "required": True, "choices": list(STATES)},
            "version": {"type": "str"},
            "images": {"type": "dict"},
            "release": {"type": "str"},
            "min_free_mb": {"type": "int", "default": 1024},
            "keep_releases": {"type": "int", "default": 5},
            "backup_skip_reason": {"type": "str"},
            "migration_reason": {"type": "str"},
            "restore": {"type": "str"},
            "schema_ignored_reason": {"type": "str"},
            "probe": {"type": "dict"},
            "settings": {"type": "str"},
            "service_logs": {"type": "bool", "default": False},
            **record_options(),
        },
        required_if=[
            ("state", "prepared", ["version", "images"], True),
            ("state", "migrated", ["release"]),
            ("state", "started", ["release"]),
            ("state", "live", ["release"]),
            ("state", "unconfirmed", ["release"]),
        ],
        supports_check_mode=True,
    )
    params = module.params
    account = Account(params["app_dir"], params["run"], params["history_hours"])
    wanted = Wanted(
        params["state"],
        params["version"],
        params["release"],
        params["min_free_mb"],
        params["keep_releases"],
        params["backup_skip_reason"],
        params["migration_reason"],
        params["restore"],
        params["schema_ignored_reason"],
        params["images"],
    )
    try:
        host = host_of(module, in_a_hurry=wanted.state == "rolled_back")
        result = check(host, wanted) if module.check_mode else perform(host, run_of(module), wanted)
    except HotfixError as exc:
        told = {} if module.check_mode else account.result(params["registry_password"])
        module.fail_json(**exc.as_result(), steps=exc.steps, **told)
    if not module.check_mode:
        result.update(account.result(params["registry_password"]))
        if params["service_logs"]:
            result["service_logs"] = around_change(params, params["run"], result["journal"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
