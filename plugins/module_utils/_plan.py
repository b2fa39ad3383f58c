# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a change would do, found out by looking only: for ``--check`` and ``--diff``."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _emergency,
    _images,
    _names,
    _proxy,
    _rollback,
    _slots,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._adopt import running_images
from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import Built, version_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import guard, verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._deploy import Reasons
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, observe
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._switch import choose


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


def of_deploy(host: Host, version: str, reasons: Reasons, built: t.Optional[t.Mapping[str, Built]] = None) -> Plan:
    """Plan a deploy: asks the registry for digests, pulls nothing."""
    version = _names.version(version_of(built) if built else version)
    model = _compose.read(host.docker, host.app)
    strategy, why = choose(host, model)
    guard.require(host, None, skip_reason=reasons.backup_skip, migration_reason=reasons.migration)
    current = host.releases.current()
    now = {name: image.pin for name, image in current.images.items()} if current else _now(host)
    if _emergency.is_partial(version, built or {}):
        found = _emergency.foresee(host, built or {})
    else:
        found = _foresee(host, version)
    version, images, notes = found.version, found.images, found.notes
    after = {service: image.pin for service, image in images.items()}
    drift = (*observe(host).drift, *_proxy.problems(host))
    content = _compose.content_hash(_compose.pinned(model, images), images)
    same = found.certain and current is not None and current.config_hash == content
    plan = Plan(now, after, change=not same or bool(drift), release=current)
    if plan.change:
        plan.lines += _how(host, model, strategy.name, why)
        if now == after and found.certain and not drift:
            plan.lines.append("The images are the same; the Compose file or .env has changed.")
    else:
        plan.lines.append(f"Version {version} is current already.")
    if not host.releases.managed():
        plan.lines.append("First contact: what runs now would be recorded as release zero.")
    plan.lines += notes + [f"Drift: {text}." for text in drift]
    return plan


def _foresee(host: Host, version: str) -> _emergency.Found:
    """Find out what the tag *version* is of every switched service; nothing is pulled."""
    app = host.app
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
    return _emergency.Found(version, images, notes)


def _how(host: Host, model: _compose.Model, strategy: str, why: t.Optional[str]) -> t.List[str]:
    """Say how a release would take over, and what users notice."""
    services = sorted(host.app.services)
    if strategy != "blue_green":
        return [
            f"Would replace the containers of {', '.join(services)}: they are away while the app boots "
            f"(strategy recreate: {why})."
        ]
    colour = _slots.idle_colour(host.live_slot())
    lines = [f"Would start {', '.join(services)} as {colour} and switch the proxy to it; no request is to fail."]
    exclusive = [name for name in services if host.app.option(name).exclusive]
    if exclusive:
        lines.append(f"{', '.join(exclusive)} may not run twice, and would be away while its successor boots.")
    ports = _slots.fixed_ports(model, services)
    if ports:
        lines.append(f"Ports of the host that a colour does not publish: {', '.join(ports)}.")
    return lines


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
    strategy, why = choose(host, _compose.load(host.releases.compose_file(target.id)))
    if decision.change and strategy.is_warm(host, target, seen.containers):
        plan.lines.append(f"{target.id} still runs ({target.slot}): a switch of the proxy, no request is to fail.")
    elif decision.change and strategy.name == "blue_green":
        plan.lines.append(f"{target.id} would be started beside the current release first, from images on this host.")
    elif decision.change:
        plan.lines.append(f"The app is away while {target.id} boots (strategy recreate: {why}).")
    plan.lines += verdict.verdict(host, leaving, target).sentences
    plan.lines += [f"Drift: {text}." for text in (*seen.drift, *_proxy.problems(host))]
    return plan
