# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Unleash server beside the hosts, started only by who asks for it."""

from __future__ import annotations

import hashlib
import http.client
import json
from typing import Any

from sandbox.cli import File, say
from sandbox.config import FILES, REGISTRY_ADDRESS
from sandbox.hosts import Plan, ensure_container, ensure_network, remove_containers, wait_for
from sandbox.images import ensure_image
from sandbox.keys import ensure_keys, locked

CONTAINER = "hotfix-unleash"
NAME = "unleash.example.com"
ADDRESS = REGISTRY_ADDRESS
PORT = 4242


def admin_token() -> str:
    """The token of the admin API."""
    return f"*:*.{ensure_keys().admin_token}"


def client_token() -> str:
    """The token with which an app asks for the flags of `production`."""
    return f"default:production.{hashlib.sha256(ensure_keys().admin_token.encode()).hexdigest()}"


def up() -> None:
    """Bring the server to answer; the first time its image is built, which takes minutes."""
    with locked():
        ensure_keys()
        ensure_network()
        files = (
            File("/usr/local/sbin/sandbox-init", (FILES / "unleash" / "sandbox-init").read_bytes(), 0o755),
            File("/etc/unleash", None, 0o700),
            File("/etc/unleash/admin-token", admin_token().encode(), 0o600),
            File("/etc/unleash/client-token", client_token().encode(), 0o600),
        )
        options = (
            "--hostname=unleash",
            f"--network-alias={NAME}",
            "--stop-timeout=3",
            f"--publish={ADDRESS}:{PORT}:{PORT}",
        )
        image = ensure_image("unleash")
        ensure_container(Plan(CONTAINER, image, options, f"{CONTAINER}-data", "/var/lib/unleash", files))
        wait_for(_healthy, 90, "Unleash does not answer")
    say("unleash is up")


def down() -> None:
    """Remove the server; its image stays."""
    remove_containers([CONTAINER])


def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Make a request of the admin API."""
    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=10)
    try:
        headers = {"Authorization": admin_token(), "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
    finally:
        connection.close()


def _healthy() -> bool:
    try:
        return ask("GET", "/health")[0] == 200
    except (OSError, http.client.HTTPException):
        return False
