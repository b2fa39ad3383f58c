# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The slots that a release can run in: the app's own Compose project, and the two colours beside it.

A colour is a Compose project of its own with the switched services alone. It is made from the release's file: the
services get the colour's name, so that on the app's networks nobody mistakes them for the others, and a network of
the colour's own on which they find one another by their plain names.
"""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import (
    APP_LABEL,
    PLAIN_SERVICE_LABEL,
    SLOT_LABEL,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import BLUE, GREEN, OWN, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import App

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

_COLOUR_NETWORK = "hotfix_colour"
#: What only one container on a host can have.
_NOT_TWICE = ("container_name", "ports", "build", "mac_address")


def project(app: App, slot: str) -> str:
    """Return the Compose project of a slot."""
    return app.project if slot == OWN else f"{app.project}-{slot}"


def address_name(service: str, slot: str) -> str:
    """Return the name by which the proxy finds *service* of a slot on the app's networks."""
    return service if slot == OWN else f"{service}-{slot}"


def idle_colour(live: str) -> str:
    """Return the colour that a new release is started in."""
    return GREEN if live == BLUE else BLUE


def compose_file(host: Host, release: Release, slot: str) -> Path:
    """Return the file that *release* is started from in a slot."""
    if slot == OWN:
        return host.releases.compose_file(release.id)
    return host.releases.folder(release.id) / f"{slot}.yml"


def write(host: Host, release: Release, slot: str) -> Path:
    """Write the file that *release* is started from in a slot, and return its path."""
    path = compose_file(host, release, slot)
    model = _compose.of_release(host.releases.compose_file(release.id), release.id)
    if slot != OWN:
        rendered = render(model, host.app, slot, release.images)
        _compose.write(path, rendered, release_id=release.id, services=rendered["services"])
    return path


def obstacles(model: _compose.Model, services: t.Iterable[str]) -> t.List[str]:
    """Return why the switched services cannot run twice on one host; nothing when they can."""
    found = []
    for name in sorted(services):
        entry = model["services"][name]
        mode = entry.get("network_mode")
        if mode:
            found.append(f"{name} has network_mode {mode}")
        if entry.get("volumes_from"):
            found.append(f"{name} has volumes_from")
    return found


def fixed_ports(model: _compose.Model, services: t.Iterable[str]) -> t.List[str]:
    """Return the ports of the host that switched services publish, as ``service port``: a colour publishes none."""
    return [
        f"{name} {port['published']}"
        for name in sorted(services)
        for port in model["services"][name].get("ports") or ()
        if isinstance(port, dict) and port.get("published")
    ]


def render(model: _compose.Model, app: App, slot: str, services: t.Collection[str]) -> _compose.Model:
    """Return the Compose model of a colour, from the whole model of a release."""
    cannot = obstacles(model, services)
    if cannot:
        raise BadInputError(
            f"Two of a release cannot run on one host: {'; '.join(cannot)}.",
            next_step="set hotfix_strategy: recreate.",
        )
    rendered: _compose.Model = {"name": project(app, slot), "services": {}, "networks": {}}
    used_networks: t.Set[str] = set()
    used: t.Dict[str, t.Set[str]] = {"volumes": set(), "configs": set(), "secrets": set()}
    for name in services:
        entry = copy.deepcopy(model["services"][name])
        for key in _NOT_TWICE:
            entry.pop(key, None)
        joined = entry.get("networks") or {"default": None}
        entry["networks"] = {network: _without_address(options) for network, options in joined.items()}
        used_networks.update(joined)
        entry["networks"][_COLOUR_NETWORK] = {"aliases": [name]}
        entry["depends_on"] = _among(entry.get("depends_on"), services, slot)
        if not entry["depends_on"]:
            del entry["depends_on"]
        if entry.get("links"):
            entry["links"] = [link for link in entry["links"] if str(link).partition(":")[0] not in services]
        labels = entry.setdefault("labels", {})
        labels.update({APP_LABEL: app.project, PLAIN_SERVICE_LABEL: name, SLOT_LABEL: slot})
        for volume in entry.get("volumes") or ():
            if isinstance(volume, dict) and volume.get("type") == "volume" and volume.get("source"):
                used["volumes"].add(volume["source"])
        for kind in ("configs", "secrets"):
            used[kind].update(item["source"] for item in entry.get(kind) or () if isinstance(item, dict))
        rendered["services"][address_name(name, slot)] = entry
    names = {network: _network_name(model, app, network) for network in used_networks}
    rendered["networks"] = {network: {"external": True, "name": name} for network, name in names.items()}
    rendered["networks"][_COLOUR_NETWORK] = {"name": _colour_network(project(app, slot), names.values())}
    for kind, keys in used.items():
        known = model.get(kind) or {}
        if keys:
            rendered[kind] = {key: _shared(kind, known.get(key) or {}, app, key) for key in sorted(keys)}
    return rendered


def _among(depends_on: t.Any, services: t.Collection[str], slot: str) -> t.Dict[str, t.Any]:
    # What is not of the colour runs already; waiting for it is not Compose's business here.
    found = depends_on if isinstance(depends_on, dict) else {}
    return {address_name(name, slot): how for name, how in found.items() if name in services}


def _without_address(options: t.Any) -> t.Any:
    if not isinstance(options, dict):
        return options
    # Its aliases name the service of the other colour as well, and an address can be taken only once.
    fixed = ("ipv4_address", "ipv6_address", "mac_address", "link_local_ips", "aliases")
    return {key: value for key, value in options.items() if key not in fixed} or None


def _network_name(model: _compose.Model, app: App, network: str) -> str:
    entry = (model.get("networks") or {}).get(network) or {}
    return str(entry.get("name") or f"{app.project}_{network}")


def _shared(kind: str, entry: t.Mapping[str, t.Any], app: App, key: str) -> t.Dict[str, t.Any]:
    if kind != "volumes":
        return dict(entry)
    return {"external": True, "name": str(entry.get("name") or f"{app.project}_{key}")}


def _colour_network(name: str, others: t.Iterable[str]) -> str:
    """Return a name that sorts before those of the app's networks.

    The engine looks a name up in a container's networks in the order of their names. The colour's own comes first, so
    that its services find each other, not those of the app's own project.
    """
    return name if all(name < other for other in others) else f"0-{name}"
