# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Options of the module, and how they become checks and targets."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import usable_address, usable_url, with_port
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import baseline
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.checks import parse
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.fields import HOST_SCOPE
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Check, Here, Report, Target
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.suite import on_host, public, run, run_on_host

_LONGEST = 3600.0


def smoke_options() -> t.Dict[str, t.Any]:
    """Return the argument spec of the module."""
    return {
        "checks": {"type": "list", "elements": "dict", "required": True},
        "secrets": {"type": "dict", "no_log": True, "default": {}},
        "scope": {"type": "str", "choices": ["public", "host"], "default": "public"},
        "app": {
            "type": "dict",
            "options": {
                "app_dir": {"type": "path"},
                "project": {"type": "str"},
                "services": {"type": "list", "elements": "str", "default": []},
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
            },
        },
        "targets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "url": {"type": "str", "required": True},
                "name": {"type": "str"},
                "address": {"type": "str"},
                "instances": {"type": "list", "elements": "str"},
                "ca_file": {"type": "path"},
                "validate_certs": {"type": "bool", "default": True},
            },
        },
        "timeout": {"type": "float", "default": 30.0},
        "concurrency": {"type": "int", "default": 0},
        "baseline": {"type": "raw"},
        "save": {"type": "path"},
        "evidence_dir": {"type": "path"},
        "browser_path": {"type": "path"},
    }


class Suite:
    """All that a module call was told, checked before the first request."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self.secrets: t.Mapping[str, str] = params["secrets"] or {}
        self.checks: t.List[Check] = parse(params["checks"], self.secrets)
        self.here: t.Optional[Here] = None
        if params["scope"] == HOST_SCOPE:
            self.here = _here(params["app"] or {}, self.checks)
            if params["targets"]:
                raise BadInputError(
                    "Targets are named, but with scope host the host itself is looked at.",
                    next_step="take targets out, or set scope: public.",
                )
        self.targets = [_target(one) for one in params["targets"]]
        self.timeout = float(params["timeout"])
        if not 0.1 <= self.timeout <= _LONGEST:
            raise BadInputError(
                f"timeout {self.timeout:g} cannot be.", next_step=f"set seconds from 0.1 to {_LONGEST:g}."
            )
        self.concurrency = int(params["concurrency"])
        if self.concurrency < 0:
            raise BadInputError(
                f"concurrency {self.concurrency} cannot be.", next_step="set how many at once, or 0 for all."
            )
        self.before = baseline.read(params.get("baseline"))
        self.save: t.Optional[str] = params.get("save") or None
        if self.save is not None and not os.path.isdir(os.path.dirname(self.save) or "."):
            raise BadInputError(
                f"save {self.save!r} is in a folder that is not there.", next_step="make the folder, or correct save."
            )
        self.evidence_dir: t.Optional[str] = params.get("evidence_dir") or None
        self.browser_path: t.Optional[str] = params.get("browser_path") or None
        if self.browser_path is not None and not os.access(self.browser_path, os.X_OK):
            raise BadInputError(
                f"browser_path {self.browser_path!r} is no program here.",
                next_step="correct browser_path, or leave it out: Chromium and Chrome are found by their names.",
            )
        names = [one.name for one in self.targets]
        for name in names:
            if names.count(name) > 1:
                raise BadInputError(f"Two targets are named {name!r}.", next_step="give each a name of its own.")

    def plan(self) -> t.List[str]:
        """Say what would be looked at, without looking."""
        names = ", ".join(one.name for one in self.targets) if self.here is None else self.here.name
        chosen = self.chosen()
        return [
            f"Would make {len(chosen)} checks at {names}.",
            *(f"{one.name} ({one.type})" for one in chosen),
        ]

    def chosen(self) -> t.List[Check]:
        """Return the checks that are made here."""
        return public(self.checks) if self.here is None else on_host(self.checks)

    def run(self) -> Report:
        """Look, and compare it with what was so before."""
        report = self._looked()
        baseline.judge(report, self.before)
        if self.save is not None:
            _save(self.save, report)
        return report

    def _looked(self) -> Report:
        if self.here is not None:
            return run_on_host(
                self.checks, self.here, timeout=self.timeout, secrets=self.secrets, concurrency=self.concurrency
            )
        return run(
            self.checks,
            self.targets,
            timeout=self.timeout,
            secrets=self.secrets,
            evidence_dir=self.evidence_dir,
            browser_path=self.browser_path,
            concurrency=self.concurrency,
        )


def _save(path: str, report: Report) -> None:
    # Most runs keep nothing.
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.stored import save

    save(path, report.as_dict(), report.verdict)


def _here(app: t.Mapping[str, t.Any], checks: t.Sequence[Check]) -> Here:
    # On the controller, where most checks are made, nobody needs it.
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.here import here_from

    return here_from(app, on_host(checks))


def _target(raw: t.Mapping[str, t.Any]) -> Target:
    if not raw["url"]:
        raise BadInputError(
            "A target has no url.", next_step="set it (hotfix_public_url: https://app.example.com), as users have it."
        )
    parts = usable_url(raw["url"], ("https", "http"), "url of a target")
    if parts.query or parts.fragment:
        raise BadInputError(
            f"The url {raw['url']!r} of a target has more than a path.", next_step="put the rest into path of a check."
        )
    ca_file = raw.get("ca_file")
    if ca_file is not None and not os.path.isfile(ca_file):
        raise BadInputError(f"ca_file {ca_file!r} is no file here.", next_step="correct ca_file: a PEM file.")
    address = raw.get("address")
    return Target(
        name=raw.get("name") or address or parts.netloc,
        url=raw["url"],
        address=usable_address(with_port(address, parts), "address of a target") if address else None,
        instances=None if raw.get("instances") is None else tuple(raw["instances"]),
        ca_file=ca_file,
        validate_certs=raw.get("validate_certs") is not False,
    )
