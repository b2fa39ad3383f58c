# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS to the sandbox's loopback addresses, verified against its CA."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping

from sandbox.config import APP_NAME, HTTPS_PORT, STATE, Host


class _Connection(http.client.HTTPSConnection):
    """Connects to an address, and verifies another name: the names are in no DNS."""

    def __init__(self, address: str, port: int, server_name: str, timeout: float) -> None:
        self._tls = ssl.create_default_context(cafile=str(STATE / "ca" / "ca.crt"))
        self._server_name = server_name
        super().__init__(address, port, timeout=timeout, context=self._tls)

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._server_name)


def get(
    address: str,
    port: int,
    path: str,
    *,
    server_name: str,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5,
) -> tuple[int, bytes]:
    """Return status and body of a GET; status 0 where there was no answer."""
    connection = _Connection(address, port, server_name, timeout)
    try:
        connection.request("GET", path, headers={"Host": server_name, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def app(item: Host, path: str) -> tuple[int, bytes]:
    """GET a path of the app on one host, as a user would."""
    return get(item.address, HTTPS_PORT, path, server_name=APP_NAME)
