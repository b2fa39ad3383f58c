# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ACME server (pebble) beside the hosts, started only by who asks for it.

It validates for real: the app's name leads to the hosts that `point` names, and it asks them on port 80.
"""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Sequence
from typing import Any

from sandbox.cli import File, docker, inspect, run, say
from sandbox.config import APP_NAME, FILES, NETWORK, REGISTRY_ADDRESS, STATE, SandboxError, host
from sandbox.hosts import Plan, ensure_container, ensure_network, remove_containers, wait_for
from sandbox.images import ensure_image
from sandbox.keys import acme_certificate, ensure_keys, locked, write_private

CONTAINER = "hotfix-acme"
ADDRESS = REGISTRY_ADDRESS
PORT, MANAGEMENT_PORT, DNS_MANAGEMENT_PORT = 14000, 15000, 8055
DIRECTORY = f"https://{ADDRESS}:{PORT}/dir"
#: The account's key, and what clients of the app trust: the sandbox's own authority, and that of this server, which
#: makes a new one whenever it starts.
ACCOUNT_KEY = STATE / "acme-account.pem"
CA_FILE = STATE / "acme-ca.crt"


def up() -> None:
    """Bring the server to answer, with both production hosts behind the app's name."""
    with locked():
        keys = ensure_keys()
        ensure_network()
        own = acme_certificate()
        files = (
            File("/usr/local/sbin/sandbox-init", (FILES / "acme" / "sandbox-init").read_bytes(), 0o755),
            File("/etc/pebble", None, 0o755),
            File("/etc/pebble/pebble.json", (FILES / "acme" / "pebble.json").read_bytes()),
            File("/etc/pebble/tls.crt", own.cert),
            File("/etc/pebble/tls.key", own.key, 0o600),
        )
        ports = (PORT, MANAGEMENT_PORT, DNS_MANAGEMENT_PORT)
        options = (
            "--hostname=acme",
            "--stop-timeout=3",
            *(f"--publish={ADDRESS}:{port}:{port}" for port in ports),
        )
        if not ACCOUNT_KEY.exists():
            write_private(
                ACCOUNT_KEY, run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]).stdout.encode()
            )
        image = ensure_image("acme")
        ensure_container(Plan(CONTAINER, image, options, f"{CONTAINER}-data", "/var/lib/pebble", files))
        wait_for(_answers, 30, "the ACME server does not answer")
        write_private(CA_FILE, keys.ca + _ask(f"https://{ADDRESS}:{MANAGEMENT_PORT}/roots/0"))
    point("prod1", "prod2")
    say("the ACME server is up")


def freeze() -> None:
    """Have the server take connections and never answer."""
    docker("pause", CONTAINER)


def thaw() -> None:
    """End `freeze`, where it was begun: the server remembers accounts and orders."""
    docker("unpause", CONTAINER, check=False)


def down() -> None:
    """Remove the server; its image stays."""
    remove_containers([CONTAINER])


def point(*names: str) -> None:
    """Let the app's name lead to these hosts."""
    _clear(APP_NAME)
    _tell("add-a", {"host": f"{APP_NAME}.", "addresses": addresses(names)})


def point_nowhere() -> None:
    """Let the app's name lead to where nobody answers."""
    _clear(APP_NAME)
    _tell("add-a", {"host": f"{APP_NAME}.", "addresses": ["127.0.0.1"]})


def addresses(names: Sequence[str]) -> list[str]:
    """Return the addresses of hosts on the sandbox's own network."""
    found = inspect("container", *[host(name).container for name in names])
    return [str(item["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]) for item in found.values()]


def _clear(name: str) -> None:
    _tell("clear-a", {"host": f"{name}."})


def _tell(what: str, about: Any) -> bytes:
    return _ask(f"http://{ADDRESS}:{DNS_MANAGEMENT_PORT}/{what}", json.dumps(about).encode())


def _ask(url: str, data: bytes | None = None) -> bytes:
    context = ssl.create_default_context(cafile=str(STATE / "ca" / "ca.crt"))
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, data, timeout=10) as answer:
            found: bytes = answer.read()
    except OSError as error:
        raise SandboxError(f"no answer from {url}: {error}") from error
    return found


def _answers() -> bool:
    try:
        _ask(DIRECTORY)
        _ask(f"http://{ADDRESS}:{DNS_MANAGEMENT_PORT}/clear-a", json.dumps({"host": "nobody.example.com."}).encode())
    except SandboxError:
        return False
    return True
