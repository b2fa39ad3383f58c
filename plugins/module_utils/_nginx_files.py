# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The files that nginx includes while a slot is live: one folder for each slot, and a link to the one that is live."""

from __future__ import annotations

import typing as t

#: Where the proxy sees the app's folder ``proxy/``.
FOLDER = "/etc/nginx/hotfix"
LIVE = f"{FOLDER}/live"
UPSTREAMS = "upstreams.conf"
ASSETS = "assets.conf"
#: The variable with the name of the service that has the assets of the other slot.
PREVIOUS = "$hotfix_previous_assets"

_HEADER = "# Written for one slot of the app; a switch turns from one folder to the other. Not to be edited.\n"
Named = t.Callable[[str], str]


class Server(t.NamedTuple):
    """A ``server`` line of an upstream of the user's own: which file of a slot stands for it, and what it said."""

    file: str
    service: str
    port: int
    parameters: str


class Assets(t.NamedTuple):
    """Which path has the files that pages of the previous release ask for, and who serves them."""

    path: str
    service: str
    port: int


def upstream_name(service: str, port: int) -> str:
    """Return the name of the upstream that stands for a service and its port."""
    return f"{service}-{port}"


def render_upstreams(upstreams: t.Iterable[t.Tuple[str, int]], address: Named) -> str:
    """Return ``upstreams.conf`` of a slot; *address* gives the name by which a service of it is found."""
    blocks = [
        f"upstream {upstream_name(service, port)} {{\n    server {address(service)}:{port};\n}}\n"
        for service, port in upstreams
    ]
    return _HEADER + "".join(blocks)


def render_server(server: Server, address: Named) -> str:
    """Return the file of a slot that stands for a ``server`` line of an upstream of the user's own."""
    parameters = f" {server.parameters}" if server.parameters else ""
    return f"{_HEADER}server {address(server.service)}:{server.port}{parameters};\n"


def render_assets(previous: t.Optional[str]) -> str:
    """Return ``assets.conf`` of a slot: the name of the service that has the assets of the other slot."""
    return _HEADER + (f"set {PREVIOUS} {previous};\n" if previous else "")
