# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""All that is looked at on a host, in one pass."""

from __future__ import annotations

import getpass
import os
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _headroom, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._bounded import Bounded
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._command import ModuleRunner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker, Runner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight import (
    database,
    flags,
    memory,
    registry,
    rollback,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    PASSED,
    SKIPPED,
    WARNING,
    Found,
    Item,
    Look,
    look_at,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import app_from

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Params = t.Mapping[str, t.Any]

#: A limit that is NaN is passed by nothing and by everything: all would look well.
_LEAST = (("timeout", 0.1), ("backup_age", 0.0), ("clock_skew", 0.0), ("certificate_days", 0.0))


def look(module: AnsibleModule) -> t.List[Item]:
    """Look at the host; raise for settings that cannot be right."""
    return look_as(module.params, ModuleRunner(module))


def look_as(params: Params, runner: Runner) -> t.List[Item]:
    """Look with *runner*; raise for settings that cannot be right."""
    for name, least in _LEAST:
        if name in params:
            _numbers.within(params[name], name, f"set {name} to", least=least)
    timeout = float(params["timeout"])
    app = app_from(params)
    # A program that is stopped in time says more than a look that nobody waits for; and a login is put away in time.
    bounded = Bounded(runner, max(0.5, timeout - 1.0))
    host = Host(app, Docker(bounded), Clock())
    wanted = [
        *_of_the_host(host),
        *rollback.looks(host, params),
        *database.looks(host, params),
        # It logs in, which is the state of a client of its own.
        *registry.looks(host, Docker(bounded)),
        *flags.looks(params, Docker(bounded)),
    ]
    secrets = host.mask()
    return look_at([one for one in wanted if one.part in params["parts"]], timeout, secrets.text)


def user() -> str:
    """Return as whom we are on the host."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


def _of_the_host(host: Host) -> t.List[Look]:
    return [
        Look("Docker", "hosts", "Neither a rollback nor a deploy works on this host.", lambda: _engine(host)),
        Look(
            "app folder",
            "hosts",
            "A deploy is refused. A rollback keeps its journal, its records and its lease there too.",
            lambda: _folder(host),
        ),
        Look(
            "lease", "hosts", "Every other deploy or rollback is refused until it is given back.", lambda: _lease(host)
        ),
        Look(
            "second release",
            "hosts",
            "A deploy without downtime is refused, because the new release would run beside the old one.",
            lambda: _second(host),
        ),
    ]


def _engine(host: Host) -> Found:
    host.docker.require()
    engine = host.docker.run("version", "--format", "{{.Server.Version}}").strip()
    compose = host.docker.run("compose", "version", "--short").strip()
    return Found(PASSED, f"Engine {engine}, Compose {compose}.")


def _folder(host: Host) -> Found:
    folder = host.app.app_dir
    if not folder.is_dir():
        return Found(FAILED, f"There is no folder {folder} on this host.", "check hotfix_app_dir.")
    if not os.access(str(folder), os.R_OK | os.W_OK | os.X_OK):
        return Found(
            FAILED,
            f"{user()} may not write to {folder}.",
            f"chown it to {user()}, mount it writable, or run with --become.",
        )
    services = _compose.read(host.docker, host.app).get("services") or {}
    return Found(PASSED, f"{host.app.compose_file} is readable and has {len(services)} services.")


def _lease(host: Host) -> Found:
    holder = host.lease.holder()
    if holder is None:
        return Found(PASSED, "It is free.")
    return Found(WARNING, f"It is held by {holder.says()}.", "talk to them, or take it over with -e takeover=true.")


def _second(host: Host) -> Found:
    try:
        unknown = _headroom.require(host, memory.used)
    except HotfixError as exc:
        return Found(WARNING, exc.what, exc.next_step)
    return Found(SKIPPED, " ".join(unknown)) if unknown else Found(PASSED, "Memory and connections are enough.")
