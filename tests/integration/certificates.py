# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of the certificate of its name: on disk, on the wire, and left over from how it got it."""

from __future__ import annotations

import json
import ssl

from cryptography import x509

from sandbox.config import HTTPS_PORT
from sandbox.config import host as of_name
from tests.integration.driver import APP, Host

CERTS = f"{APP}/nginx/certs"


def on_wire(host: Host) -> str:
    """The serial number that a host presents, whoever signed it."""
    pem = ssl.get_server_certificate((of_name(host.name).address, HTTPS_PORT), timeout=5)
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"


def on_disk(host: Host) -> str:
    pem = host.run("cat", f"{CERTS}/fullchain.pem")
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"


def tokens(host: Host) -> list[str]:
    return host.run("find", f"{APP}/nginx/acme", "-type", "f").split()


def settled(*hosts: Host) -> str:
    """See that all hosts present the same certificate, with nothing left of how they got it; return its serial."""
    found = {on_wire(host) for host in hosts} | {on_disk(host) for host in hosts}
    assert len(found) == 1, found
    for host in hosts:
        assert tokens(host) == []
        assert json.loads(host.run("cat", f"{CERTS}/hotfix-pairs/state.json")) == {}
        assert host.run("stat", "-Lc", "%a %U", f"{CERTS}/privkey.pem").strip() == "600 deploy"
        assert "pending" not in host.run("ls", f"{CERTS}/hotfix-pairs").split()
    return found.pop()
