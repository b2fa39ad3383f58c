# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  app_dir:
    description:
      - Absolute path of the app's folder on the host, where its Compose file and C(.env) are.
      - Releases, journal and lease are kept in it.
    type: path
    required: true
  project:
    description:
      - Name of the Compose project.
      - Defaults to the last part of O(app_dir).
    type: str
  compose_file:
    description: The app's own Compose file, relative to O(app_dir).
    type: str
    default: docker-compose.yml
  services:
    description:
      - The switched services, those that a release replaces as one set.
      - Each key is the name of a service in the Compose file, each value a dictionary with the key C(image),
        the repository of its image without tag or digest.
    type: dict
    required: true
  proxy_service:
    description:
      - The service of the reverse proxy, which is reloaded after containers were replaced.
      - Without it no proxy is reloaded.
    type: str
  proxy_test:
    description: Command in the proxy's container that checks its configuration. An empty list skips it.
    type: list
    elements: str
    default: [nginx, -t]
  proxy_reload:
    description: Command in the proxy's container that reloads it gracefully. An empty list skips it.
    type: list
    elements: str
    default: [nginx, -s, reload]
  health:
    description: How the host asks the app for its health, through the proxy. Without it the app is not asked.
    type: dict
    suboptions:
      url:
        description: The URL, with the name that users use.
        type: str
        required: true
      address:
        description: Where to connect, as C(host:port), when the name in the URL does not lead to this host.
        type: str
      status:
        description: The HTTP status of a healthy app.
        type: int
        default: 200
      instance_header:
        description:
          - A response header in which the app names the container that answers (its hostname, ID or name).
          - With it the release is verified by the container that really answered.
        type: str
      ca_file:
        description: File on the host with the certificate authority of the URL.
        type: path
      validate_certs:
        description: Whether the certificate is verified.
        type: bool
        default: true
      timeout:
        description: Seconds to wait for the first good answers.
        type: float
        default: 15.0
  current_only:
    description:
      - Names of variables in C(.env) that are always taken from there and never from the snapshot of a release,
        such as rotated secrets.
    type: list
    elements: str
    default: []
  start_timeout:
    description: Seconds that the containers of a release may take to become healthy.
    type: float
    default: 120.0
  stop_timeout:
    description: Seconds that a container may take to stop before it is killed.
    type: int
    default: 10
  pull_timeout:
    description: Seconds that pulling one image may take.
    type: float
    default: 600.0
  registry:
    description: Host and port of the registry to log in to while pulling.
    type: str
  registry_username:
    description: User name at the registry. Without it the login of the SSH user counts, if there is one.
    type: str
  registry_password:
    description: Password or token at the registry. It is never an argument of a command and never stays on the host.
    type: str
requirements:
  - Python 3.9 or newer, Docker Engine and Compose v2 on the host
"""
