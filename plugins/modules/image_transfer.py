#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_transfer
short_description: Send images from the controller's engine to a host, without a registry
version_added: 0.1.0
description:
  - Brings the images of an emergency build straight from the engine that built them to a host, over the connection that
    Ansible has to it, for when the registry is down.
  - Images that the host has are not sent, nor are layers that it has. The rest is compressed and sent in parts, with a
    line of progress for each. A part that arrived whole is not sent again, so that a run after a lost connection goes
    on where the last one ended.
  - The host then loads them, once the sha256 of all it got is that of what was sent, and tags them as the build did.
    Their IDs are compared.
  - The host must have room for the archive and twice for what is in it, which is looked at before.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - It returns which images would be sent, and how much that is at most.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  images:
    description:
      - The images by service, each with C(reference) (C(repository:tag)) and C(image_id), as the role emergency_build
        returns them.
      - Each gets its reference and the tag C(emergency) on the host.
    type: dict
  engine:
    description: The engine that has the images, as C(DOCKER_HOST) names it. The one of the controller by default.
    type: str
  folder:
    description:
      - Folder on the host in which the parts are kept until they are loaded, in a folder of their own that only the SSH
        user can read.
      - C(~) is the home of the user who logs in. With C(become), the user that the task becomes must be able to read
        it, as root is.
      - Parts that nobody came back for are removed after a day.
      - Defaults to C(~/.hotfix-images).
    type: str
  part_mb:
    description: Megabytes of a part.
    type: int
    default: 16
  timeout:
    description: Seconds that saving the images on the controller, and loading them on the host, may take each.
    type: float
    default: 600.0
  record:
    description:
      - The run, as M(pangeafate.hotfix.fleet) returns it. What is done is then written to its incident record.
      - It is taken on the controller.
    type: dict
  phase:
    description:
      - What is done on the host. It is set on the controller, as are the options that follow.
    type: str
    choices: [look, ready, load, tag, discard]
  layers:
    description: The layers of every image, by its ID.
    type: dict
    default: {}
  tags:
    description: Image IDs by reference.
    type: dict
    default: {}
  archive:
    description: What is sent, its sha256, its size and that of a part, and the sha256 of each part.
    type: dict
    default: {}
  configs:
    description: Digests of the images' configurations, by their IDs.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Send the images that were built to every host
  pangeafate.hotfix.image_transfer:
    images:
      backend:
        reference: registry.example.com/notes-backend:hotfix-20260102T030405Z
        image_id: sha256:4f0c6b7e1a9d8c5b2e3f6a7089bcd1e2f34567890abcdef1234567890abcdef0
  register: sent

- name: Prepare a release of them
  pangeafate.hotfix.release:
    state: prepared
    images: "{{ sent.images }}"
    app_dir: /srv/notes
    services:
      backend: {image: registry.example.com/notes-backend}
      frontend: {image: registry.example.com/notes-frontend}
    run: 20260102T030405Z-4f2a
    operator: ann@laptop
"""

RETURN = r"""
outcome:
  description: V(done), V(unchanged), or V(planned) in check mode. V(bad_input), V(failed) or another when it failed.
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
images:
  description: The images by service, each with C(reference), C(image_id) as the host knows it, and no C(digest).
  returned: success
  type: dict
sent_bytes:
  description: How much was sent.
  returned: success
  type: int
resumed_bytes:
  description: How much was there from an earlier run that was interrupted.
  returned: success
  type: int
next_step:
  description: What to do next.
  returned: failure
  type: str
left:
  description: The state in which the host was left.
  returned: failure
  type: str
"""

import typing as t  # pylint: disable=wrong-import-position
from pathlib import Path  # pylint: disable=wrong-import-position

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _image_transfer
from ansible_collections.pangeafate.hotfix.plugins.module_utils._command import ModuleRunner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError


def perform(docker: Docker, params: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Do one phase."""
    _image_transfer.require_usable(params)
    phase, folder = params["phase"], Path(params["folder"] or "/nonexistent")
    if phase == "look":
        return _image_transfer.look(docker, params["layers"], params["tags"])
    if phase == "ready":
        return {"parts": _image_transfer.ready(docker, folder, params["archive"])}
    if phase == "load":
        ids = _image_transfer.load(docker, folder, params["archive"], params["configs"], timeout=params["timeout"])
        return {"ids": ids, "changed": True}
    if phase == "tag":
        tagged = _image_transfer.tag(docker, params["tags"])
        return {"tagged": tagged, "changed": bool(tagged)}
    _image_transfer.discard(folder)
    return {"changed": True}


def clearer(docker: Docker, error: HotfixError) -> HotfixError:
    """Return why the engine cannot be used at all, where that is so."""
    if isinstance(error, CommandError):
        try:
            docker.require()
        except HotfixError as exc:
            return exc
    return error


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict"},
            "engine": {"type": "str"},
            "folder": {"type": "str"},
            "part_mb": {"type": "int", "default": 16},
            "timeout": {"type": "float", "default": 600.0},
            "record": {"type": "dict"},
            "phase": {"type": "str", "choices": ["look", "ready", "load", "tag", "discard"]},
            "layers": {"type": "dict", "default": {}},
            "tags": {"type": "dict", "default": {}},
            "archive": {"type": "dict", "default": {}},
            "configs": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    docker = Docker(ModuleRunner(module))
    try:
        result = perform(docker, module.params)
    except HotfixError as exc:
        module.fail_json(**clearer(docker, exc).as_result())
    except OSError as exc:
        error = HotfixError(
            f"The host could not read or write {exc.filename or 'a file'}: {exc.strerror or exc}.",
            left="What was sent is kept on the host.",
            next_step="with become, let the user that is become read the SSH user's folder, then run this again.",
        )
        module.fail_json(**error.as_result())
    module.exit_json(**{"changed": False, **result})


if __name__ == "__main__":
    main()
