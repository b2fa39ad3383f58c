# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Asks the engine's own socket, for the little that the Docker CLI takes seconds to tell."""

from __future__ import annotations

import http.client
import json
import os
import socket
import typing as t

_SOCKET = "unix:///var/run/docker.sock"
_SECONDS = 3.0
#: What goes wrong where another engine is meant than the one that the CLI speaks to, or one that is too old.
ERRORS = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError)
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


def path() -> t.Optional[str]:
    """Return where the socket is; ``None`` where the CLI speaks to the engine by other means."""
    scheme, _sep, name = os.environ.get("DOCKER_HOST", _SOCKET).partition("://")
    return name if scheme == "unix" else None


def stats(socket_path: str, container: str) -> t.Dict[str, t.Any]:
    """Return what the engine measures of a container now; raises one of :data:`ERRORS`."""
    connection = _Connection(socket_path)
    try:
        connection.request("GET", f"/containers/{container}/stats?stream=false&one-shot=true")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ValueError(f"the engine answered {answer.status}")
    return dict(json.loads(body))


def memory_of(found: t.Mapping[str, t.Any]) -> int:
    """Return the bytes of memory that :func:`stats` tells, as the CLI counts them."""
    memory = found["memory_stats"]
    inactive = next((int(memory["stats"][name]) for name in _INACTIVE if name in memory["stats"]), 0)
    return max(0, int(memory["usage"]) - inactive)
