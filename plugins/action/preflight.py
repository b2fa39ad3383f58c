# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module on the host, and looks meanwhile at what is looked at from the controller."""

from __future__ import annotations

import time
import typing as t
from datetime import datetime, timezone

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _clock, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import usable_address
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    ON_HOST,
    PARTS,
    PASSED,
    SKIPPED,
    Found,
    Item,
    Look,
    item,
    look_at,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._meanwhile import Meanwhile, short
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight import (
    certificate,
    clock,
    git,
    notifications,
    registry,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._registry import Account, place_of

Vars = dict[str, t.Any]

#: What only the controller needs, and no host is told.
_HERE: Vars = {
    "clock_skew": {"type": "float", "default": 2.0},
    "public": {"type": "dict"},
    "certificate_days": {"type": "float", "default": 14.0},
    "acme_orders": {"type": "path"},
    "git": {"type": "dict"},
    "push": {"type": "dict"},
    "notifications": {"type": "raw"},
}
_BOTH: Vars = {
    "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
    "timeout": {"type": "float", "default": 10.0},
}


def _nothing() -> Found:
    """Stand for a look that is no function of its own: what it finds is known from what was done."""
    return Found(SKIPPED, "")


_SSH = Look("SSH", "hosts", "Nothing can be done on this host from here: no rollback, no deploy, no look.", _nothing)
_BECOME = Look("become", "hosts", "What needs more rights than the SSH user has cannot be done.", _nothing)
_SETTINGS = Look("settings", "hosts", "Every playbook refuses to run for this host.", _nothing)
_CLOCK = Look(
    "clock",
    "clock",
    "Deadlines, leases and the ages of backups are wrong, and so is the order of what is written down.",
    _nothing,
)


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.preflight)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: Vars | None = None) -> Vars:
        result: Vars = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        mine = {name: arguments.pop(name) for name in list(arguments) if name in _HERE}
        checked = ArgumentSpecValidator({**_HERE, **_BOTH}).validate(
            {**mine, **{name: arguments[name] for name in _BOTH if name in arguments}}
        )
        if checked.error_messages:
            return {**result, "failed": True, "msg": f"{checked.error_messages[0]} Nothing was touched."}
        options = dict(checked.validated_parameters)
        try:
            for name, least in (("timeout", 0.1), ("certificate_days", 0.0), ("clock_skew", 0.0)):
                _numbers.within(options[name], name, f"set {name} to", least=least)
        except HotfixError as exc:
            return {**result, "failed": True, **exc.as_result()}
        _part_with_tokens(arguments)
        host = str(variables.get("inventory_hostname"))
        # What all hosts share is looked at once.
        first = (variables.get("ansible_play_hosts") or [host])[0] == host
        of_host, of_all = self._from_here(arguments, options, first)
        meanwhile = Meanwhile(lambda: look_at([*of_host, *of_all], options["timeout"]))
        found = self._on_host(arguments, options, variables)
        here = meanwhile.result()
        looks = [*found["looks"], *here[: len(of_host)]]
        return {
            **result,
            **found,
            "changed": False,
            "outcome": "seen",
            "looks": sorted(looks, key=_order),
            "here": sorted(here[len(of_host) :], key=_order),
        }

    # ------------------------------------------------------------------------------ from the controller

    def _from_here(self, arguments: Vars, options: Vars, first: bool) -> tuple[list[Look], list[Look]]:
        """Return the looks from the controller: those at this host, and those that all hosts share."""
        parts, timeout = options["parts"], options["timeout"]
        of_host, of_all = [], []
        if "certificates" in parts:
            public, days = options.get("public") or {}, options["certificate_days"]
            of_host.append(
                Look(
                    "certificate",
                    "certificates",
                    "Browsers refuse the app, and so does whatever else checks certificates, once it is no good.",
                    lambda: certificate.on_the_wire(public, days, timeout - 0.5),
                )
            )
        if not first:
            return of_host, []
        if "certificates" in parts:
            of_all.append(
                Look(
                    "ACME budget",
                    "certificates",
                    "A certificate that has to be replaced now is not issued.",
                    lambda: certificate.budget(options.get("acme_orders"), datetime.now(timezone.utc)),
                )
            )
        if "git" in parts:
            of_all.append(
                Look(
                    "git push",
                    "git",
                    "A hotfix branch cannot be pushed: nobody can review the fix, and nothing merges it back.",
                    # It ends before we do: a key of its own is on disk until then.
                    lambda: git.may_push(options.get("git") or {}, max(1.0, timeout - 2.0)),
                )
            )
        if "registry" in parts:
            breaks = "An emergency build stays on the controller and has to be sent to every host over SSH."
            of_all.append(Look("registry push", "registry", breaks, lambda: self._push(arguments, options)))
        if "notifications" in parts:
            of_all += notifications.looks(options.get("notifications"), timeout - 0.5)
        return of_host, of_all

    def _push(self, arguments: Vars, options: Vars) -> Found:
        username, password = arguments.get("registry_username"), arguments.get("registry_password")
        if not (arguments.get("registry") and username and password):
            return Found(SKIPPED, "hotfix_registry, its user name and its password are not all set.")
        if self._task.check_mode:
            return Found(SKIPPED, "With --check no upload is begun.")
        given = options.get("push") or {}
        services = arguments.get("services") or {}
        images = [str(one["image"]) for one in services.values() if isinstance(one, t.Mapping) and one.get("image")]
        server = str(arguments["registry"])
        ours = [image for image in images if place_of(image)[0] == place_of(f"{server}/x")[0]]
        if not ours:
            return Found(SKIPPED, f"No service has an image in {server}.")
        account = Account(
            username=str(username),
            password=str(password),
            address=usable_address(given.get("address"), "hotfix_registry_address"),
            ca_file=given.get("ca_file") or None,
            timeout=max(0.5, options["timeout"] / 2 - 0.5),
        )
        return registry.may_push(ours, account)

    # ---------------------------------------------------------------------------------------- on the host

    def _on_host(self, arguments: Vars, options: Vars, variables: Vars) -> Vars:
        """Run the module, and make items of how that went."""
        wanted = [part for part in options["parts"] if part in ON_HOST]
        if not wanted:
            return {"looks": []}
        before = time.time()
        try:
            result: Vars = self._execute_module(module_args={**arguments, "parts": wanted}, task_vars=variables)
        except AnsibleConnectionFailure as exc:
            return {"looks": [item(_SSH, self._unreachable(exc))]}
        except AnsibleError as exc:
            return {"looks": [item(self._suspect(str(exc)), Found(FAILED, short(str(exc)), _MEND_LOGIN))]}
        after = time.time()
        if not isinstance(result.get("looks"), list):
            return {"looks": [self._died(result)]}
        looks: list[Item] = []
        if "hosts" in wanted:
            looks += self._entrance(result)
        if "clock" in wanted:
            began, ended = (_clock.parse(result["clock"][key]).timestamp() for key in ("began", "ended"))
            found = clock.judge(clock.Bounds.of(before, began, ended, after), options["clock_skew"])
            looks.append(item(_CLOCK, found))
        looks += result["looks"]
        return {key: value for key, value in result.items() if key != "looks"} | {"looks": looks}

    def _entrance(self, result: Vars) -> list[Item]:
        user = str(result.get("user") or "somebody")
        become = self._connection.become
        if become is None:
            used = Found(SKIPPED, "It is not used.")
            return [item(_SSH, Found(PASSED, f"{user} gets in and runs Python.")), item(_BECOME, used)]
        return [
            item(_SSH, Found(PASSED, f"{self._play_context.remote_user or 'somebody'} gets in.")),
            item(_BECOME, Found(PASSED, f"{user}, by {str(become.name).rpartition('.')[2]}.")),
        ]

    def _unreachable(self, exc: Exception) -> Found:
        return Found(FAILED, short(str(exc)), _MEND_LOGIN)

    def _suspect(self, said: str) -> Look:
        """Return whether it is the login or the rights that do not work."""
        words = ("become", "sudo", "password", "privilege", "doas")
        return _BECOME if self._connection.become is not None and any(w in said.lower() for w in words) else _SSH

    def _died(self, result: Vars) -> Item:
        """Return the item for a module that said nothing of ours: refused settings, no rights, no Python."""
        if result.get("outcome") == "bad_input":
            return item(_SETTINGS, Found(FAILED, str(result.get("what")), str(result.get("next_step"))))
        said = str(result.get("module_stderr") or result.get("msg") or "The host said nothing.")
        return item(self._suspect(said), Found(FAILED, short(said), _MEND_LOGIN))


_MEND_LOGIN = (
    "log in by hand as this run does (ssh, and sudo where become is used), with the same key; the host key belongs in "
    "known_hosts, and Python 3.9 or newer on the host."
)


def _part_with_tokens(arguments: Vars) -> None:
    """Take the tokens out of the options of the kill switch: the module's own log would show them there."""
    given = arguments.get("flags")
    if not isinstance(given, t.Mapping):
        return
    flags = {key: value for key, value in given.items() if value is not None}
    arguments["flag_token"] = flags.pop("token", None)
    if isinstance(flags.get("instances"), t.Mapping):
        instances = dict(flags["instances"])
        arguments["flag_instance_token"] = instances.pop("token", None)
        flags["instances"] = instances
    arguments["flags"] = flags


def _order(one: Item) -> int:
    return PARTS.index(one["part"])
