# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What containers use of the memory, asked of the engine's socket: ``docker stats`` takes two seconds for it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._headroom import used_by_stats
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

_SOCKET = "unix:///var/run/docker.sock"
_SECONDS = 3.0
#: Files that the kernel would let go of, by cgroup v2 and v1: the Docker CLI does not count them either.
_INACTIVE = ("inactive_file", "total_inactive_file")


class _Connection(http.client.HTTPConnection):
    """A connection to a socket in the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to it."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def used(host: Host, ids: t.Sequence[str]) -> int:
    """Return the bytes of memory that containers use together."""
    scheme, _sep, path = os.environ.get("DOCKER_HOST", _SOCKET).partition("://")
    if scheme != "unix":
        return used_by_stats(host, ids)
    try:
        return sum(host.docker.each(lambda one: _of(path, one), ids))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        # Another engine than the one that the CLI speaks to, or one that is too old for it.
        return used_by_stats(host, ids)


def _of(path: str, container: str) -> int:
    connection = _Connection(path)
    try:
        connection.request("GET", f"/containers/{container}/stats?stream=false&one-shot=true")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ValueError(f"the engine answered {answer.status}")
    stats = json.loads(body)["memory_stats"]
    inactive = next((int(stats["stats"][name]) for name in _INACTIVE if name in stats["stats"]), 0)
    return max(0, int(stats["usage"]) - inactive)
