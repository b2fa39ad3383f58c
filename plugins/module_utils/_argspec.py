# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Options that the modules share, and how they become objects of the engine."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._command import ModuleRunner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import app_from

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def app_options() -> t.Dict[str, t.Any]:
    """Return the argument spec of the doc fragment ``_app``."""
    return {
        "app_dir": {"type": "path", "required": True},
        "project": {"type": "str"},
        "compose_file": {"type": "str", "default": "docker-compose.yml"},
        "services": {"type": "dict", "required": True},
        "proxy_service": {"type": "str"},
        "proxy_test": {"type": "list", "elements": "str", "default": ["nginx", "-t"]},
        "proxy_reload": {"type": "list", "elements": "str", "default": ["nginx", "-s", "reload"]},
        "health": {
            "type": "dict",
            "options": {
                "url": {"type": "str", "required": True},
                "address": {"type": "str"},
                "status": {"type": "int", "default": 200},
                "instance_header": {"type": "str"},
                "ca_file": {"type": "path"},
                "validate_certs": {"type": "bool", "default": True},
                "timeout": {"type": "float", "default": 15.0},
            },
        },
        "current_only": {"type": "list", "elements": "str", "default": []},
        "start_timeout": {"type": "float", "default": 120.0},
        "stop_timeout": {"type": "int", "default": 10},
        "pull_timeout": {"type": "float", "default": 600.0},
        "registry": {"type": "str"},
        "registry_username": {"type": "str"},
        "registry_password": {"type": "str", "no_log": True},
    }


def host_of(module: AnsibleModule) -> Host:
    """Make the host from a module's parameters, with a Docker Engine that answers."""
    app = app_from(module.params)
    docker = Docker(ModuleRunner(module))
    docker.require()
    return Host(app, docker, Clock())
