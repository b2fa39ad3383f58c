# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Whether the kill switch would be obeyed: the token is used for reading, at the store and at every instance."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.look import info
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.setup import flag_options, world_from
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.switch import World
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import fill_path
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import ask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    PASSED,
    SKIPPED,
    WARNING,
    Found,
    Look,
)

PART = "flags"
Params = t.Mapping[str, t.Any]


def looks(params: Params, docker: Docker) -> t.List[Look]:
    """Return the looks of this part."""
    return [
        Look(
            "admin token",
            PART,
            "The kill switch does not work: a broken feature stays on until a rollback or a deploy.",
            lambda: _token(params, docker),
        )
    ]


def _token(params: Params, docker: Docker) -> Found:
    given = params.get("flags")
    if not given or not given.get("instances"):
        return Found(SKIPPED, "feature_flag_instances is not set.")
    return judge(world_from(_options(params, given), docker, Clock()))


def judge(world: World) -> Found:
    """Say whether the instances take the token, and whether they would have taken none as well."""
    if not world.reader.tells_names:
        return Found(
            SKIPPED,
            "The instances are asked flag by flag; playbooks/feature_flag_info.yml -e flag=NAME looks at one.",
        )
    try:
        seen = info(world, None)
    except HotfixError as exc:
        raise HotfixError(world.hide(exc.what), next_step=world.hide(exc.next_step)) from exc
    asked = f"{len(seen['instances'])} instances"
    if world.reader.token is None:
        return Found(PASSED, f"{asked} answer, and want no token.")
    if _answers_anybody(world):
        return Found(
            WARNING,
            f"{asked} answer, but without a token too: whether it is the right one cannot be told without a change.",
            "set feature_flag_http.path to a path that only admins may read, or switch a flag to what it is.",
        )
    return Found(PASSED, f"{asked} take it, and refuse who has none.")


def _answers_anybody(world: World) -> bool:
    first = world.instances()[0]
    bare = replace(world.reader.endpoint(first), token=None)
    return 200 <= ask(bare, fill_path(world.reader.path, "", "")).status < 300


def _options(params: Params, given: Params) -> t.Dict[str, t.Any]:
    """Return the options as M(pangeafate.hotfix.feature_flag_info) has them, with their defaults."""
    # Ansible's own, which is there wherever a module runs.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    instances = {**given["instances"], "token": params.get("flag_instance_token")}
    wanted = {
        **given,
        "app_dir": params["app_dir"],
        "project": params["project"],
        "token": params.get("flag_token"),
        "instances": {key: value for key, value in instances.items() if value is not None},
    }
    found = ArgumentSpecValidator(flag_options()).validate({k: v for k, v in wanted.items() if v is not None})
    if found.error_messages:
        raise BadInputError(
            f"The settings of the kill switch cannot be right: {found.error_messages[0].rstrip('.')}.",
            next_step="correct the variables feature_flag_….",
        )
    return dict(found.validated_parameters)
