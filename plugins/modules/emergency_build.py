#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: emergency_build
short_description: Build the images of a hotfix at once, and push them
version_added: 0.1.0
description:
  - Builds the image of every named service from one commit, all at once, on the controller's engine or another. Nothing
    is pushed unless all of them were built.
  - Each is pushed as C(hotfix-UTC-TIME). Once all are there, the tag C(emergency) is moved to them as well. What runs
    is pinned by digests, which this returns, so that a later push to that tag changes nothing.
  - What the registry or the engine has already of the same commit, Dockerfiles and arguments is not built or pushed
    again. Its labels say so.
  - With the registry down the images are on the engine that built them, for M(pangeafate.hotfix.image_transfer) to
    send.
  - It needs the C(docker) command with BuildKit (C(docker buildx)). Without that the classic builder is used, and said
    so.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is built and nothing is pushed. The registry is asked what it has.
  diff_mode:
    support: none
    details:
      - What changes is an image, which has no readable difference.
  idempotent:
    support: full
options:
  repository:
    description: Path of the checkout of the app's source, on the controller. It is read, and never touched.
    type: path
    required: true
  revision:
    description: The commit to build. What is not committed is in no image.
    type: str
    default: HEAD
  remote:
    description: The remote of the checkout whose URL the images name as their source.
    type: str
    default: origin
  services:
    description:
      - All services, each with C(image), the repository of its image, and how it is built under C(build).
      - C(build) has C(context) and C(dockerfile), relative to the root of the source, C(target), C(args) and C(labels).
        An argument is no secret, since the image's history shows it.
    type: dict
    required: true
  names:
    description: The services to build. Without any, all that say how.
    type: list
    elements: str
    default: []
  engine:
    description: The engine that builds, as C(DOCKER_HOST) has it. Without it, that of the operator.
    type: str
  builder:
    description: Name of a builder of C(docker buildx). Without it, the one that is in use.
    type: str
  parallel:
    description: How many images are built at once. With 0 it is all.
    type: int
    default: 0
  build_timeout:
    description: Seconds that a build may take.
    type: float
    default: 900.0
  push_timeout:
    description: Seconds that a push may take. One that fails is tried three times.
    type: float
    default: 300.0
  registry:
    description: The registry, as the names of the images begin. Without it nothing is pushed.
    type: str
  registry_username:
    description: Who logs in there.
    type: str
  registry_password:
    description: Password or token. It is kept in a file of this user for the time of the run, and in no argument.
    type: str
  registry_address:
    description: Host and port under which the controller reaches the registry, where that is not its name.
    type: str
  registry_ca_file:
    description: File on the controller with the authority of the registry's certificate.
    type: path
  record:
    description: The run, as M(pangeafate.hotfix.fleet) returns it, to write the build to its incident record.
    type: dict
"""

EXAMPLES = r"""
- name: Build and push the backend of a hotfix
  pangeafate.hotfix.emergency_build:
    repository: ~/src/notes
    revision: hotfix/emergency-20260102T030405Z
    services:
      backend:
        image: registry.example.com/notes-backend
        build: {context: packages/backend, dockerfile: packages/backend/Dockerfile.production}
    registry: registry.example.com
    registry_username: ci
    registry_password: "{{ lookup('ansible.builtin.env', 'REGISTRY_PASSWORD') }}"
  run_once: true
  register: notes_build
"""

RETURN = r"""
build:
  description: The build's ID, which is the tag of its images.
  returned: success
  type: str
  sample: hotfix-20260102T030405Z
revision:
  description: The commit that was built.
  returned: success
  type: str
inputs:
  description: Hash of all that went into the build.
  returned: success
  type: str
images:
  description:
    - By service, C(reference), C(digest) (none without a registry), C(image_id), C(built), C(pushed) and C(seconds),
      the time that its build took.
    - It is what O(ignore:images) of M(pangeafate.hotfix.release) takes.
  returned: success
  type: dict
registry:
  description: V(pushed), V(kept) when the registry had all of it, or V(down) with a colon and the reason.
  returned: success
  type: str
outcome:
  description: V(done), V(unchanged) or V(planned), or V(bad_input), V(refused) or V(failed) when it failed.
  returned: always
  type: str
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
notes:
  description: What else is worth knowing.
  returned: success
  type: list
  elements: str
next_step:
  description: What to do next.
  returned: failure
  type: str
"""
