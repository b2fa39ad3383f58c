# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The first contact with a host: what runs there now becomes release zero, untouched."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _files, _mask, _start, _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._images import keep, record
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN, Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session


def running_images(host: Host) -> t.Dict[str, t.Tuple[Image, t.List[Container]]]:
    """Return image and containers of every switched service as it runs now, or raise when that is no one state."""
    app = host.app
    containers = host.docker.containers(app.project)
    found = {}
    for service, repository in sorted(app.services.items()):
        present = [c for c in containers if c.slot == OWN and c.service == service]
        if not present:
            raise BadInputError(
                f"Service {service!r} of the Compose project {app.project!r} has no container on this host: "
                "there is no running app to record.",
                next_step="start the app once, or correct hotfix_project ('docker compose ls --all' lists "
                "the projects).",
            )
        ids = {c.image_id for c in present}
        if len(ids) > 1:
            raise HotfixError(
                f"Service {service!r} runs two different images "
                f"({', '.join(sorted(c.image_reference for c in present))}).",
                next_step=f"make it one: docker compose --project-directory {app.app_dir} up --detach "
                f"--no-deps {service}",
            )
        local = host.docker.image(present[0].image_id)
        if local is None:
            raise HotfixError(
                f"The image of {present[0].name} is no longer on this host.",
                next_step="pull it again, so that there is something to go back to: docker pull "
                f"{present[0].image_reference}",
            )
        found[service] = (record(local, present[0].image_reference, repository), present)
    return found


def adopt(session: Session) -> Release:
    """Record what runs now as release zero, and return it."""
    host = session.host
    app = host.app
    model = _compose.read(host.docker, app)
    settled = _start.settle(host, app.services, app.start_timeout, session.require)
    found = running_images(host)
    images = {service: image for service, (image, _containers) in found.items()}
    hashes = _config_hashes(host)
    for service, (_image, containers) in found.items():
        if containers[0].config_hash != hashes.get(service):
            _take_environment(host, model, service, containers[0])
            session.note(
                f"{service} was started before the Compose file or .env last changed: "
                "the environment of its container was recorded, not the one in the files."
            )
        if _compose.replicas(model, service) != len(containers):
            # Scaled by hand: what runs is what a rollback is to bring back.
            model["services"][service].setdefault("deploy", {})["replicas"] = len(containers)
    pinned = _compose.pinned(model, images)
    tags = {image.reference.rpartition(":")[2] for image in images.values() if ":" in image.reference}
    version = tags.pop() if len(tags) == 1 and len(images) == len(app.services) else "adopted"
    now = host.clock.now()
    with session.step("adopt"):
        release = Release(
            id=host.releases.new_id(now, version),
            version=version,
            images=images,
            operator=session.run.owner,
            reason="ran here at the first contact",
            created=stamp(now),
            config_hash=_compose.content_hash(pinned, images),
        )
        _states_up_to_live(session, release)
        write_snapshot(host, release, pinned)
        unhealthy = [c.name for c in settled if not c.running or c.health not in (None, "healthy")]
        if unhealthy:
            session.note(f"Recorded, but not as known good: {', '.join(sorted(unhealthy))} is not healthy.")
        else:
            release.advance(
                _states.CONFIRMED, at=stamp(host.clock.now()), operator=session.run.owner, why="healthy when adopted"
            )
        keep(host, release)
        session.require()
        host.releases.make_current(release, by="adopt", came_from=None)
    return release


def write_snapshot(host: Host, release: Release, pinned: _compose.Model) -> None:
    """Write the files that a release is started from: Compose file and ``.env``."""
    _files.make_folder(host.app.app_dir / "releases")
    _files.make_folder(host.releases.folder(release.id))
    _compose.write(host.releases.compose_file(release.id), pinned, release_id=release.id, services=release.images)
    env = _mask.read_env(host.app.app_dir / ".env")
    kept = {key: value for key, value in env.items() if key not in host.app.current_only}
    _files.write_text(host.releases.env_file(release.id), _mask.write_env(kept))


def _states_up_to_live(session: Session, release: Release) -> None:
    for state in (_states.PREPARING, _states.PREPARED, _states.LIVE):
        release.advance(state, at=release.created, operator=session.run.owner, why="adopted as it ran")


def _config_hashes(host: Host) -> t.Dict[str, str]:
    app = host.app
    listed = host.docker.run(
        "compose",
        "--project-name",
        app.project,
        "--project-directory",
        str(app.app_dir),
        "--file",
        str(_compose.source(app)),
        "config",
        "--hash",
        "*",
    )
    return dict(line.split(None, 1) for line in listed.splitlines() if len(line.split()) == 2)


def _take_environment(host: Host, model: _compose.Model, service: str, container: Container) -> None:
    local = host.docker.image(container.image_id)
    baked = set(local.env) if local else set()
    environment = dict(entry.partition("=")[::2] for entry in container.env if entry not in baked)
    keys = host.app.current_only
    # '$' is doubled as in every rendered Compose file, or the next start would read it as a variable.
    model["services"][service]["environment"] = {
        key: "${" + key + "}" if key in keys else value.replace("$", "$$") for key, value in environment.items()
    }
