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
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run, app_from

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
        "strategy": {"type": "str", "choices": ["auto", "blue_green", "recreate"], "default": "auto"},
        "proxy_config": {"type": "str"},
        "assets": {
            "type": "dict",
            "options": {
                "path": {"type": "str", "required": True},
                "service": {"type": "str", "required": True},
                "port": {"type": "int", "default": 80},
            },
        },
        "warm_for": {"type": "float", "default": 900.0},
        "confirm_within": {"type": "float", "default": 300.0},
        "unconfirmed": {"type": "str", "choices": ["revert", "keep"], "default": "revert"},
        "database": {
            "type": "dict",
            "options": {
                "type": {"type": "str", "choices": ["postgresql"], "default": "postgresql"},
                "service": {"type": "str"},
                "name": {"type": "str"},
                "user": {"type": "str"},
                "host": {"type": "str"},
            },
        },
        "host_name": {"type": "str"},
        "migration": {
            "type": "dict",
            "options": {
                "service": {"type": "str", "required": True},
                "command": {"type": "list", "elements": "str", "required": True},
                "timeout": {"type": "float", "default": 600.0},
            },
        },
        "backup_max_age": {"type": "float", "default": 600.0},
        "backup_keep": {"type": "int", "default": 5},
        "checks": {"type": "list", "elements": "dict", "default": []},
        "check_secrets": {"type": "dict", "no_log": True},
    }


def run_options() -> t.Dict[str, t.Any]:
    """Return the argument spec of who runs what, and why."""
    return {
        "run": {"type": "str", "required": True},
        "operator": {"type": "str", "required": True},
        "reason": {"type": "str", "default": ""},
        "takeover": {"type": "bool", "default": False},
    }


def run_of(module: AnsibleModule) -> Run:
    """Make the run from a module's parameters."""
    params = module.params
    return Run(params["run"], params["operator"], params["reason"], params["takeover"])


def host_of(module: AnsibleModule, *, in_a_hurry: bool = False) -> Host:
    """Make the host from a module's parameters, with a Docker Engine that answers.

    Who is in a hurry finds that out by the first command.
    """
    app = app_from(module.params)
    docker = Docker(ModuleRunner(module))
    if not in_a_hurry:
        docker.require()
    return Host(app, docker, Clock())
