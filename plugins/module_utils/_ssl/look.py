# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One look at the host's side: certificate, proxy, and what an unfinished renewal left. Nothing is changed."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import HISTORY_BYTES
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.challenge import Webroot
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.holders import holders
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.pair import KEPT, BrokenError, Place

Result = t.Dict[str, t.Any]

ACTION = "certificate renewal"


@dataclass(frozen=True)
class Setup:
    """The host's side of one certificate. Without *webroot* challenges are answered elsewhere."""

    host: Host
    place: Place
    webroot: t.Optional[Webroot]

    @classmethod
    def from_params(cls, host: Host, params: t.Mapping[str, t.Any]) -> Setup:
        """Make it from module parameters; raise for what cannot be right."""
        app = host.app
        if not app.proxy_service:
            raise BadInputError(
                "No proxy is named, so nothing would load a new certificate.", next_step="set hotfix_proxy_service."
            )
        place = Place(app.app_dir, params["certificate"], params["key"])
        webroot = Webroot(app.app_dir, params["webroot"] or "") if params["challenge"] == "http-01" else None
        return cls(host, place, webroot)

    def proxies(self) -> t.List[Container]:
        """Return the proxy's containers."""
        app = self.host.app
        return [c for c in self.host.docker.containers(app.project) if c.service == app.proxy_service]


def look(setup: Setup) -> Result:
    """Return what is there; raise for what would make a renewal fail whatever the authority does."""
    place = setup.place
    place.require()
    if setup.webroot is not None:
        setup.webroot.require()
    proxies = setup.proxies()
    _require_seen(setup, proxies)
    seen: Result = {
        "proxy": "missing" if not proxies else "running" if all(c.running for c in proxies) else "down",
        "broken": "",
        "chain": "",
        "live": place.live(),
        "state": place.state(),
        "orders": _orders(setup.host),
        "holders": holders(),
    }
    try:
        pair = place.read()
    except BrokenError as exc:
        seen["broken"] = str(exc)
        says = f"The certificate cannot be used: {exc}."
    else:
        seen.update(chain=pair.chain, serial=pair.leaf.serial)
        says = f"Certificate {pair.leaf.serial} is good for {pair.leaf.days_left(utc_now()):.0f} days."
    return {"changed": False, "outcome": "unchanged", "summary": says, "seen": seen}


def _require_seen(setup: Setup, proxies: t.Sequence[Container]) -> None:
    """Raise unless what we put there is what the proxy sees."""
    place, docker = setup.place, setup.host.docker
    for proxy in proxies:
        listed = json.loads(docker.run("inspect", "--type", "container", "--format", "{{json .Mounts}}", proxy.id))
        sources = [Path(os.path.realpath(str(m["Source"]))) for m in listed or () if m.get("Source")]
        folder = Path(os.path.realpath(str(place.folder)))
        if not any(source == folder or source in folder.parents for source in sources):
            files = {Path(os.path.realpath(str(path))) for path in (place.certificate, place.key)}
            how = "only the file, which it would go on seeing as it was" if files & set(sources) else "nothing of it"
            raise BadInputError(
                f"The proxy {proxy.name} does not see the folder {place.folder}: of it is mounted {how}.",
                next_step=f"mount the folder of certificate and key into {setup.host.app.proxy_service}, or correct "
                "ssl_renewal_certificate and ssl_renewal_key.",
            )


def _orders(host: Host) -> t.List[t.Any]:
    """Return the orders that the host's journal tells of, whoever's they were."""
    return [entry["acme"] for entry in host.journal.newest(HISTORY_BYTES) if isinstance(entry.get("acme"), dict)]


__all__ = ["ACTION", "KEPT", "Result", "Setup", "look"]
