# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The images of a release of which an emergency build made only some: the others stay what they are."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.pangeafate.hotfix.plugins.module_utils._adopt import running_images
from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import EMERGENCY, Built, version_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import LocalImage
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host, observe, way_back
from ansible_collections.pangeafate.hotfix.plugins.module_utils._images import obtain as pull_version
from ansible_collections.pangeafate.hotfix.plugins.module_utils._images import record
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import TRANSFERRED, Image

#: Labels of an image: the build that it comes from, and the services that this build made.
BUILD_LABEL = "pangeafate.hotfix.build"
SERVICES_LABEL = "pangeafate.hotfix.build.services"
_BUILD = re.compile(r"hotfix-[0-9]{8}T[0-9]{6}Z")
_BUILD_AGAIN = "finish the build (playbooks/emergency_build.yml), then run this again."


class Found(t.NamedTuple):
    """What a version is on this host. Without ``certain`` nobody knows before the images are pulled."""

    version: str
    images: t.Dict[str, Image]
    notes: t.List[str]
    certain: bool = True


def is_partial(version: str, built: t.Mapping[str, Built]) -> bool:
    """Tell whether what is asked for may hold some services only."""
    return bool(built) or version == EMERGENCY


def obtain(host: Host, version: str, built: t.Mapping[str, Built]) -> Found:
    """Have the images of a version on this host: of *built*, of the newest emergency build, or by their tag."""
    if built:
        return _given(host, built)
    if version == EMERGENCY:
        return _newest(host)
    return Found(version, *pull_version(host, version))


def foresee(host: Host, built: t.Mapping[str, Built]) -> Found:
    """Find out what :func:`obtain` would have of an emergency build; nothing is pulled."""
    return _foresee_given(host, built) if built else _foresee_newest(host)


def kept(host: Host) -> t.Dict[str, Image]:
    """Return the images that the services have now: of the current release, or as they run at the first contact."""
    if not host.releases.managed():
        return {name: image for name, (image, _containers) in running_images(host).items()}
    seen = observe(host)
    # The link to it may be lost; the deploy mends that, but not before the images are here.
    current = way_back(host, seen) or seen.current or host.releases.newest_live()
    if current is None:
        raise HotfixError(
            "No release is current on this host, so there is nothing that the other services could keep.",
            next_step="deploy a whole version first (playbooks/deploy.yml -e version=…).",
        )
    missing = sorted(set(host.app.services) - set(current.images))
    if missing:
        raise HotfixError(
            f"The current release {current.id} has no image of {', '.join(missing)}, which could be kept.",
            next_step="deploy a whole version first (playbooks/deploy.yml -e version=…).",
        )
    return {name: current.images[name] for name in host.app.services}


# -- what was given ------------------------------------------------------------------------------------------


def _given(host: Host, built: t.Mapping[str, Built]) -> Found:
    _require_ours(host, built)
    base, notes = _here(host, kept(host), built), []
    wanted = {name: one for name, one in built.items() if base[name].image_id != one.image_id}
    pulled = sorted(name for name, one in wanted.items() if one.digest and host.docker.image(one.digest) is None)
    refused = dict(zip(pulled, _pull_all(host, [str(wanted[name].digest) for name in pulled])))
    images = dict(base)
    for name, one in sorted(wanted.items()):
        local = host.docker.image(one.digest) if one.digest else None
        local = local or host.docker.image(one.image_id)
        if local is None:
            raise _absent(name, one, refused.get(name))
        if refused.get(name):
            notes.append(f"The registry could not be asked for {one.reference}; the image on this host was taken.")
        images[name] = _pinned(local, one.reference, host.app.services[name])
    return Found(version_of(built), images, [*notes, *_told(images, built)])


def _absent(name: str, one: Built, why: t.Optional[str]) -> HotfixError:
    if one.digest:
        return HotfixError(
            f"The image of {name}, {one.digest}, could not be pulled: {why}.",
            next_step="bring the registry back, or send the images to the hosts (image_transfer), then run this again.",
        )
    return HotfixError(
        f"The image of {name}, {one.reference}, is not on this host under its ID {one.image_id}; no registry has it.",
        next_step="send it to the host (image_transfer), then run this again.",
    )


def _require_ours(host: Host, built: t.Mapping[str, Built]) -> None:
    unknown = sorted(set(built) - set(host.app.services))
    if unknown:
        raise BadInputError(
            f"Unknown service {', '.join(unknown)}: the switched ones are {', '.join(sorted(host.app.services))}.",
            next_step="name services of hotfix_services only.",
        )
    for name, one in sorted(built.items()):
        if one.repository != host.app.services[name]:
            raise BadInputError(
                f"The image {one.reference} is not of the repository {host.app.services[name]}, which {name} has.",
                next_step=f"correct hotfix_services.{name}.image, or the image.",
            )


def _foresee_given(host: Host, built: t.Mapping[str, Built]) -> Found:
    _require_ours(host, built)
    base, notes = kept(host), []
    images = dict(base)
    for name, one in sorted(built.items()):
        if base[name].image_id == one.image_id:
            continue
        local = host.docker.image(one.digest) if one.digest else None
        local = local or host.docker.image(one.image_id)
        if local is not None:
            images[name] = _pinned(local, one.reference, host.app.services[name])
        else:
            images[name] = Image(one.reference, one.image_id, digest=one.digest)
            if one.digest is None:
                notes.append(f"The image {one.reference} is not on this host yet; it would have to be sent.")
    return Found(version_of(built), images, [*notes, *_told(images, built)])


# -- the newest build ----------------------------------------------------------------------------------------


def _newest(host: Host) -> Found:
    references = _references(host)
    names = sorted(references)
    refusals = dict(zip(names, _pull_all(host, [references[name] for name in names], tolerant=True)))
    locals_ = {name: host.docker.image(references[name]) for name in names if refusals[name] != _NONE}
    labels = {name: local.labels for name, local in locals_.items() if local is not None}
    version, services = _choose(host, labels, refusals)
    base, notes = _here(host, kept(host), services), []
    images = dict(base)
    for name in services:
        local = locals_[name]
        if refusals[name]:
            notes.append(f"The registry could not be asked for {references[name]}; the image on this host was taken.")
        if local is not None and local.id != base[name].image_id:
            images[name] = _pinned(local, f"{host.app.services[name]}:{version}", host.app.services[name])
    return Found(version, images, [*notes, *_told(images, services)])


def _foresee_newest(host: Host) -> Found:
    references = _references(host)
    names = sorted(references)
    app = host.app
    with host.docker.logged_in(app.app_dir, app.registry.server, app.registry.username, app.registry.password):
        looks = dict(zip(names, host.docker.each(lambda name: _look(host, references[name]), names)))
    base = kept(host)
    silent = {name: look.why for name, look in looks.items() if look.labels is None and look.why not in (None, _NONE)}
    if silent:
        why = "; ".join(f"{name}: {said}" for name, said in sorted(silent.items()))
        note = f"Which services the newest emergency build has is known once its images are pulled ({why})."
        return Found(EMERGENCY, base, [note], certain=False)
    labels = {name: look.labels for name, look in looks.items() if look.labels is not None}
    version, services = _choose(host, labels, {name: look.why for name, look in looks.items()})
    images = dict(base)
    for name in services:
        local, digest = looks[name].local, looks[name].digest
        reference = f"{app.services[name]}:{version}"
        if local is not None and local.id != base[name].image_id:
            images[name] = _pinned(local, reference, app.services[name])
        elif local is None and digest != base[name].digest:
            images[name] = Image(reference, "unknown until it is pulled", digest=digest)
    return Found(version, images, _told(images, services))


class _Look(t.NamedTuple):
    """What is known of an image before it is pulled."""

    labels: t.Optional[t.Mapping[str, str]]
    why: t.Optional[str] = None
    local: t.Optional[LocalImage] = None
    digest: t.Optional[str] = None


def _look(host: Host, reference: str) -> _Look:
    try:
        digest, why = host.docker.registry_digest(reference)
    except HotfixError as exc:
        if exc.code != "bad_input":
            raise
        return _Look(None, _NONE)
    local = host.docker.image(digest or reference)
    if local is not None:
        return _Look(local.labels, None, local, digest)
    labels, why_not = host.docker.registry_labels(reference)
    return _Look(labels, why_not or (None if labels is not None else why), None, digest)


#: Why there is no image: nobody ever pushed one. It is no reason to refuse those that there are.
_NONE = "the registry has none"


def _references(host: Host) -> t.Dict[str, str]:
    return {name: f"{repository}:{EMERGENCY}" for name, repository in host.app.services.items()}


def _choose(
    host: Host, labels: t.Mapping[str, t.Mapping[str, str]], refusals: t.Mapping[str, t.Optional[str]]
) -> t.Tuple[str, t.List[str]]:
    """Return the newest build and its services, or raise unless every one of them is of it."""
    builds = {name: str(found.get(BUILD_LABEL) or "") for name, found in labels.items()}
    known = {name: build for name, build in builds.items() if _BUILD.fullmatch(build)}
    if not known:
        why = "; ".join(
            f"{name}: {refusals.get(name) or f'no label {BUILD_LABEL}'}" for name in sorted(host.app.services)
        )
        if any(refusals.get(name) not in (None, _NONE) for name in host.app.services):
            raise HotfixError(
                "The registry could not be asked for the newest emergency build, and no image on this host is of one "
                f"({why}).",
                next_step="bring the registry back; or send the images of a build to the hosts (image_transfer), and "
                "deploy them by deploy_images.",
            )
        raise HotfixError(
            f"No image that is tagged '{EMERGENCY}' comes from an emergency build ({why}).",
            code="bad_input",
            next_step="build one (playbooks/emergency_build.yml), or deploy a version by a tag of its own.",
        )
    # Its ID is a time in UTC, so the last one is the newest.
    newest = max(known.values())
    services = sorted(
        {
            part.strip()
            for name, build in known.items()
            if build == newest
            for part in str(labels[name].get(SERVICES_LABEL) or name).split(",")
            if part.strip()
        }
    )
    others = [name for name in services if name not in host.app.services]
    if others:
        raise BadInputError(
            f"Build {newest} is of {', '.join(services)}, and {', '.join(others)} is no switched service here.",
            next_step="correct hotfix_services.",
        )
    stale = [name for name in services if known.get(name) != newest]
    if stale:
        found = "; ".join(
            f"{name}: {known.get(name) or refusals.get(name) or builds.get(name) or 'not there'}" for name in stale
        )
        raise HotfixError(
            f"Build {newest} is of {', '.join(services)}, but not all of them are tagged '{EMERGENCY}' ({found}).",
            next_step=_BUILD_AGAIN,
        )
    return newest, services


# -- both ----------------------------------------------------------------------------------------------------


def _pull_all(host: Host, references: t.Sequence[str], *, tolerant: bool = False) -> t.List[t.Optional[str]]:
    """Pull all *references* at once and return why each could not be had; *tolerant* of those that do not exist."""
    app = host.app

    def pull(reference: str) -> t.Optional[str]:
        try:
            return host.docker.pull(reference, timeout=app.pull_timeout)
        except HotfixError as exc:
            if tolerant and exc.code == "bad_input":
                return _NONE
            raise

    if not references:
        return []
    with host.docker.logged_in(app.app_dir, app.registry.server, app.registry.username, app.registry.password):
        return host.docker.each(pull, references)


def _pinned(local: LocalImage, reference: str, repository: str) -> Image:
    image = record(local, reference, repository)
    return image if image.digest else replace(image, source=TRANSFERRED)


def _here(host: Host, base: t.Mapping[str, Image], replaced: t.Collection[str]) -> t.Dict[str, Image]:
    """Return *base* with every image that is not *replaced* on this host, under a name that it has here."""
    found = dict(base)
    for name, image in sorted(base.items()):
        if name in replaced or host.docker.image(image.pin) is not None:
            continue
        if image.digest and host.docker.image(image.image_id) is not None:
            # Only its name is gone.
            found[name] = replace(image, digest=None)
            continue
        why: t.Optional[str] = "no registry ever had it"
        if image.digest:
            why = _pull_all(host, [image.digest])[0]
        if why:
            raise HotfixError(
                f"The image that {name} keeps, {image.reference}, is gone from this host and cannot be pulled: {why}.",
                next_step="bring the registry back, or deploy a whole version (playbooks/deploy.yml -e version=…).",
            )
    return found


def _told(images: t.Mapping[str, Image], services: t.Collection[str]) -> t.List[str]:
    others = [f"{name} ({image.reference})" for name, image in sorted(images.items()) if name not in services]
    sent = [name for name in sorted(services) if images[name].source == TRANSFERRED]
    return [
        *([f"As they are: {', '.join(others)}."] if others else []),
        *([f"Pinned by image ID, for no registry has them: {', '.join(sent)}."] if sent else []),
    ]
