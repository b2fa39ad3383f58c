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
      - C(drain_timeout) are the seconds that its requests in flight may take once users are sent elsewhere, 30 by
        default. C(websockets) is V(keep), or V(close) for a service that holds documents in memory and is restarted
        after the switch, so that its clients connect anew. C(exclusive) says that no two of it may run at once, as
        with a worker. It is then stopped before its successor starts.
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
  strategy:
    description:
      - How a release takes over.
      - V(blue_green) starts it beside the one that runs and switches the proxy. It needs a proxy under management
        (M(pangeafate.hotfix.proxy)).
      - V(recreate) replaces the containers in place, the app is away while it boots.
      - V(auto) takes V(blue_green) where the proxy is under management, and V(recreate) elsewhere.
    type: str
    choices: [auto, blue_green, recreate]
    default: auto
  proxy_config:
    description:
      - The proxy's configuration, relative to O(app_dir).
      - Without it, the one of the files that nginx loads which sends traffic to switched services.
    type: str
  assets:
    description:
      - Files that pages of the previous release still ask for after the switch.
      - What the current release does not have is asked of the previous one, while that runs.
    type: dict
    suboptions:
      path:
        description: Where the assets are, as V(/assets/).
        type: str
        required: true
      service:
        description: The switched service that serves them.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 80
  warm_for:
    description:
      - Seconds that the previous release keeps running after it was replaced. Until then a rollback is a switch and
        nothing more.
      - With V(0) it is stopped as soon as it has drained.
    type: float
    default: 900.0
  confirm_within:
    description: Seconds after the switch within which a release must be confirmed.
    type: float
    default: 300.0
  unconfirmed:
    description:
      - What the host does by itself with a release that was not confirmed in time.
      - V(revert) switches back. V(keep) leaves it, as for a security fix that must not be undone because nobody could
        look.
    type: str
    choices: [revert, keep]
    default: revert
  database:
    description:
      - The app's database, backed up before every deploy. An empty dictionary declares that there is none.
      - Without it every deploy needs a recorded reason to go without a backup.
    type: dict
    suboptions:
      type:
        description: What it is.
        type: str
        choices: [postgresql]
        default: postgresql
      service:
        description: The service of the Compose file in which it runs.
        type: str
      name:
        description: The name of the database.
        type: str
      user:
        description: The role that owns it, and may connect inside of its container.
        type: str
      host:
        description: Inventory name of the host on which it runs, where several hosts share it. This host by default.
        type: str
  host_name:
    description:
      - The name of this host in the inventory, to know whether a shared database runs here. Set by the collection's
        roles.
    type: str
  migration:
    description: How the database is migrated to a release. Without it nothing is migrated.
    type: dict
    suboptions:
      service:
        description: The switched service whose image migrates.
        type: str
        required: true
      command:
        description: The command, run once in a container of its own.
        type: list
        elements: str
        required: true
      timeout:
        description: Seconds that it may take.
        type: float
        default: 600.0
  backup_max_age:
    description: Seconds for which a verified backup counts as fresh.
    type: float
    default: 600.0
  backup_keep:
    description: How many backups are kept, besides those that a kept release may need.
    type: int
    default: 5
  checks:
    description:
      - What must hold for a release to be good, see M(pangeafate.hotfix.smoke_check).
      - Those that name a C(service) and a C(port) are also made against a release before users reach it.
    type: list
    elements: dict
    default: []
  check_secrets:
    description: Values that checks name as C({name}) in a path, a header or a body, so that they are in no log.
    type: dict
requirements:
  - Python 3.9 or newer, Docker Engine and Compose v2 on the host
"""
