# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells people of an incident, from a process of its own: whoever fights the incident never waits for it.

That process gets everything over a pipe. What it needs is secret, and an argument, an environment or a file would show
it to others.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import queue
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import MOMENTS, Channel, parse
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.order import Order

__all__ = ["MOMENTS", "Channel", "parse", "send"]

_PROGRAM = "notifier.py"
# What Python and OpenSSL read as they start. The rest goes over the pipe: a proxy's URL may hold a password.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "OPENSSL_CONF", "SSL_CERT_FILE", "SSL_CERT_DIR")
_SETTINGS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle", "tz")


def send(
    folder: str | os.PathLike[str], about: str, channels: t.Sequence[Channel], facts: t.Mapping[str, t.Any]
) -> None:
    """Tell every one of *channels* that wants to know of *about*; return at once, and never raise.

    *folder* is the incident's, *about* one of :data:`MOMENTS`, *facts* what :class:`Message` takes; texts in it are
    redacted already. What came of it is written to the incident as events of kind ``notification``.
    """
    wanted = [channel for channel in channels if about in channel.on]
    if not wanted:
        return
    path = os.path.abspath(os.fspath(folder))
    try:
        _start(path, about, wanted, facts)
    except Exception as exc:  # not even a mistake of ours may stop a rescue
        why = f"the process that sends could not be started ({getattr(exc, 'strerror', None) or type(exc).__name__})"
        with contextlib.suppress(Exception):
            _give_up(path, about, wanted, facts, why)


def _give_up(path: str, about: str, channels: t.Sequence[Channel], facts: t.Mapping[str, t.Any], why: str) -> None:
    # A run that has no trouble need not wait for this import.
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import receipt

    for channel in channels:
        receipt.write_receipt(path, about, channel, facts, error=why)


def _start(path: str, about: str, channels: t.Sequence[Channel], facts: t.Mapping[str, t.Any]) -> None:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), _PROGRAM)
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as failed:
        # Taken here, so that what is sent first is told first, however long each process takes to begin.
        tickets = {channel.name: queue.take(path, channel.name) for channel in channels}
        descriptors = [one.descriptor for one in tickets.values() if one is not None]
        for one in tickets.values():
            if one is not None:
                stack.callback(os.close, one.descriptor)
                failed.callback(queue.leave, path, one.name)
        order: Order = {
            "folder": path,
            "about": about,
            "channels": [dict(channel.raw) for channel in channels],
            "facts": dict(facts),
            "tickets": {name: one.name for name, one in tickets.items() if one is not None},
            "environment": {name: value for name, value in os.environ.items() if name.lower() in _SETTINGS},
            # Where requests is, which may be a folder that an isolated Python does not look into.
            "paths": [one for one in sys.path if os.path.isabs(one)],
        }
        line = json.dumps(order, default=str).encode("ascii") + b"\n"
        process = subprocess.Popen(
            # Isolated: beside the program are modules that bear names of the standard library's.
            [sys.executable, "-I", program, path, about],
            stdin=subprocess.PIPE,
            # Not what is ours: a pipe to `| tee` would not end before it does.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            pass_fds=descriptors,
            start_new_session=True,
        )
        pipe = t.cast(t.IO[bytes], process.stdin)
        with contextlib.closing(pipe):
            pipe.write(line)
        # The places are that process' now.
        failed.pop_all()
