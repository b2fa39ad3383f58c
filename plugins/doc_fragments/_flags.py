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
      - Absolute path of the app's folder on the host.
      - The journal is in it, C(journal.jsonl). A switch is written there; the lease of a deploy is not waited for.
    type: path
    required: true
  project:
    description:
      - Name of the Compose project.
      - Defaults to the last part of O(app_dir).
    type: str
  provider:
    description:
      - Where the flags are set.
      - V(http) is a flag API of the app's own. Without O(url) every instance is written to by its own address.
      - V(redis) is a hash in Redis that the app reads.
      - V(unleash) is the admin API of an Unleash server.
    type: str
    choices: [http, redis, unleash]
    default: http
  url:
    description:
      - Where the provider is reached from the host, without a password.
      - With O(provider=http) the base URL of the API, for an API that stands before or beside the instances.
      - With O(provider=redis) as V(redis://host:6379/0), or V(rediss://host:6379/0) for TLS. Without it the container
        of O(redis.service) on this host is meant.
      - With O(provider=unleash) the base URL of the server, without C(/api). It is required then.
    type: str
  address:
    description: Where to connect, as C(host:port), when the name in O(url) does not lead there from the host.
    type: str
  token:
    description:
      - The token of the API, or the password of Redis.
      - Take it from the environment, a vault or a file of the controller. It never stands in an argument of a command,
        a log, the journal or an error.
    type: str
  token_header:
    description:
      - The header that carries the token.
      - Defaults to C(x-admin-token) with O(provider=http), and to C(Authorization) with O(provider=unleash).
    type: str
  token_prefix:
    description: What stands before the token in the header, such as V(Bearer ) with the blank.
    type: str
    default: ""
  timeout:
    description: Seconds that one request may take, all of it.
    type: float
    default: 5.0
  retries:
    description:
      - How often a write or a read of the provider is repeated where that may help.
      - An instance that disagrees is written to as often.
    type: int
    default: 2
  validate_certs:
    description: Whether certificates are verified.
    type: bool
    default: true
  ca_file:
    description: File on the host with the certificate authority.
    type: path
  http:
    description:
      - How the API is spoken to with O(provider=http). In paths and bodies C({name}) and C({value}) are filled in.
      - The defaults are C(GET /api/feature-flags/admin/all) and C(POST /api/feature-flags/NAME).
    type: dict
    suboptions:
      path:
        description: Path that tells the flags.
        type: str
        default: /api/feature-flags/admin/all
      result:
        description:
          - Where the values are in the answer. Keys are separated by dots, a number picks from a list, and
            C([key=value]) picks the item of a list that has this value.
          - For example V(flags.{name}), V({name}.enabled) or V(features.[name={name}].enabled).
          - Without C({name}) in it the answer is about one flag, which then stands in O(http.path).
        type: str
        default: flags.{name}
      write_path:
        description: Path that changes a flag.
        type: str
        default: /api/feature-flags/{name}
      write_method:
        description: Method that changes a flag.
        type: str
        choices: [POST, PUT, PATCH, DELETE, GET]
        default: POST
      write_body:
        description:
          - Body that changes a flag. C({value}) alone becomes the value with its own type. An empty one is not sent.
        type: raw
        default: {enabled: "{value}"}
      write_format:
        description: How the body is sent.
        type: str
        choices: [json, form]
        default: json
      write_result:
        description:
          - Where the new value is in the answer to a change, like O(http.result).
          - Without it only the status of the answer counts, and that it is no page for people.
        type: str
      write_at_instances:
        description:
          - Whether an instance that disagrees after a write to O(url) is written to by its own address.
          - Switch it off for an API that the instances do not serve themselves.
        type: bool
        default: true
      value_on:
        description: The value that means on.
        type: raw
        default: true
      value_off:
        description: The value that means off.
        type: raw
        default: false
  redis:
    description: Where the flags are with O(provider=redis).
    type: dict
    suboptions:
      key:
        description: Name of the hash. Its fields are the flags.
        type: str
        default: feature-flags
      service:
        description: Service of the Compose project that is the Redis, without O(url).
        type: str
        default: redis
      port:
        description: Port of Redis in its container, without O(url).
        type: int
        default: 6379
      database:
        description: Number of the database, unless O(url) names one.
        type: int
        default: 0
      username:
        description: User name, where Redis has users. O(token) is the password.
        type: str
      value_on:
        description: The text that means on.
        type: str
        default: "true"
      value_off:
        description: The text that means off.
        type: str
        default: "false"
  unleash:
    description: Where the flags are with O(provider=unleash).
    type: dict
    suboptions:
      project:
        description: ID of the project in Unleash.
        type: str
        default: default
      environment:
        description: Environment in Unleash.
        type: str
        default: production
  instances:
    description:
      - Who evaluates the flags, and how each is asked. Every running container of the services is asked from the host
        by its own address.
    type: dict
    required: true
    suboptions:
      services:
        description: Services of the Compose project.
        type: list
        elements: str
        required: true
      port:
        description: Port in the container.
        type: int
        required: true
      scheme:
        description: How the port is spoken to.
        type: str
        choices: [http, https]
        default: http
      host_name:
        description: Host name of the request, and of the certificate. Without it the container's address.
        type: str
      network:
        description: Docker network of the addresses, for containers that are in several.
        type: str
      path:
        description: Path that tells what the instance evaluates. Defaults to O(http.path) with O(provider=http).
        type: str
      result:
        description:
          - Where the values are in the answer, like O(http.result).
          - Defaults to O(http.result) with O(provider=http).
        type: str
      value_on:
        description: The value that means on. Defaults to O(http.value_on) with O(provider=http), or true.
        type: raw
      value_off:
        description: The value that means off. Defaults to O(http.value_off) with O(provider=http), or false.
        type: raw
      token:
        description: The token for asking an instance. Defaults to O(token) with O(provider=http).
        type: str
      token_header:
        description: The header that carries it. Defaults to O(token_header).
        type: str
      token_prefix:
        description: What stands before it in the header. Defaults to O(token_prefix).
        type: str
requirements:
  - Python 3.9 or newer and Docker Engine on the host
"""
