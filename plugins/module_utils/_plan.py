# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a change would do, found out by looking only: for ``--check`` and ``--diff``."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _images, _names, _rollback
from ansible_collections.pangeafate.hotfix.plugins.module_utils._adopt import running_images
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release


@dataclass
class Plan:
    """What would change: pins by service before and after, and the plan in words."""

    before: t.Dict[str, str]
    after: t.Dict[str, str]
    lines: t.List[str] = field(default_factory=list)
    change: bool = True
    release: t.Optional[Release] = None

    def diff(self) -> t.Dict[str, str]:
        """Return it the way ``--diff`` shows it."""
        return {
            "before": "".join(f"{name}: {pin}\n" for name, pin in sorted(self.before.items())),
            "after": "".join(f"{name}: {pin}\n" for name, pin in sorted(self.after.items())),
            "before_header": "runs now",
            "after_header": "would run",
        }


def _now(host: Host) -> t.Dict[str, str]:
    return {service: image.pin for service, (image, _containers) in running_images(host).items()}


def of_adopt(host: Host) -> Plan:
    """Plan the first contact."""
    current = host.releases.current()
    if host.releases.managed():
        return Plan({}, {}, ["This host is under management already."], change=False, release=current)
    _compose.read(host.docker, host.app)
    now = _now(host)
    return Plan(now, now, ["Would record what runs now as release zero; no container is touched."])


def of_deploy(host: Host, version: str) -> Plan:
    """Plan a deploy: asks the registry for digests, pulls nothing."""
    app = host.app
    _names.version(version)
    model = _compose.read(host.docker, app)
    current = host.releases.current()
    now = {name: image.pin for name, image in current.images.items()} if current else _now(host)
    services = sorted(app.services)
    references = {service: f"{app.services[service]}:{version}" for service in services}
    with host.docker.logged_in(app.app_dir, app.registry.server, app.registry.username, app.registry.password):
        found = host.docker.each(lambda s: host.docker.registry_digest(references[s]), services)
    images, notes = {}, []
    for service, (digest, why) in zip(services, found):
        local = None if digest else host.docker.image(references[service])
        if local is not None:
            images[service] = _images.record(local, references[service], app.services[service])
            notes.append(
                f"The registry could not be asked for {references[service]} ({why}); the image on this host counts."
            )
        else:
            images[service] = Image(references[service], "unknown until it is pulled", digest=digest)
    after = {service: image.pin for service, image in images.items()}
    drift = observe(host).drift
    same = current is not None and current.config_hash == _compose.content_hash(_compose.pinned(model, images))
    plan = Plan(now, after, change=not same or bool(drift), release=current)
    if plan.change:
        plan.lines.append(
            f"Would replace the containers of {', '.join(services)}: they are away while the app boots "
            "(strategy recreate)."
        )
        if now == after and not drift:
            plan.lines.append("The images are the same; the Compose file or .env has changed.")
    else:
        plan.lines.append(f"Version {version} is current already.")
    if not host.releases.managed():
        plan.lines.append("First contact: what runs now would be recorded as release zero.")
    plan.lines += notes + [f"Drift: {text}." for text in drift]
    return plan


def of_rollback(host: Host, requested: t.Optional[str]) -> Plan:
    """Plan a rollback."""
    seen = observe(host)
    decision = _rollback.decide(host.releases, seen, requested)
    target = decision.target
    after = {name: image.pin for name, image in target.images.items()}
    leaving = decision.source or seen.current
    before = {name: image.pin for name, image in leaving.images.items()} if leaving else {}
    plan = Plan(before, after, [decision.why], change=decision.change, release=target)
    plan.lines += [
        f"The image of {name} in {target.id} is gone from this host and would have to be pulled."
        for name in _images.absent(host, target)
    ]
    plan.lines += schema_notes(leaving, target)
    plan.lines += [f"Drift: {text}." for text in seen.drift]
    return plan


def schema_notes(leaving: t.Optional[Release], target: Release) -> t.List[str]:
    """Say what the labels of the images tell about the schema: a rollback neither migrates nor restores."""
    if leaving is None or leaving.id == target.id:
        return []
    notes = []
    for service, migration in sorted(leaving.migrations.items()):
        if migration == "compatible":
            notes.append(
                f"{service} of {leaving.id} declares a compatible migration: the older code may run on its schema."
            )
        else:
            notes.append(
                f"{service} of {leaving.id} declares a migration that is {migration}: "
                "if it was run, the older code cannot live with the schema, and a rollback does not "
                "restore the database."
            )
    return notes
