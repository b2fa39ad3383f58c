# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Images that come to a host without a registry: what is here already, room for the rest, and loading it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError

_MEGABYTE = 1024 * 1024
_BLOCK = 1024 * 1024
#: Seconds after which parts that nobody came back for are removed.
_FORGOTTEN = 24 * 3600.0
_OF_ARCHIVE = re.compile(r"[0-9a-f]{64}")
_CONTENT = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_PARTS = 100000
_ADVICE = "call pangeafate.hotfix.image_transfer from a playbook, which makes this option."
#: The engine unpacks the archive into its own folder first, then every layer.
_COPIES = 2
#: Megabytes that stay free beside what is needed.
_SPARE = 64


def require_usable(params: t.Mapping[str, t.Any]) -> None:
    """Raise for options that the controller would not have made, before anything is done with them."""
    phase = params["phase"]
    if phase is None:
        raise BadInputError("phase is missing.", next_step=_ADVICE)
    if phase == "look":
        for image, layers in params["layers"].items():
            _require(_CONTENT, image, "layers")
            if not isinstance(layers, list) or not all(isinstance(one, str) for one in layers):
                raise BadInputError(f"layers has no list of layers for {image}.", next_step=_ADVICE)
    if phase in ("look", "tag"):
        for reference, image in params["tags"].items():
            repository, _colon, tag_ = str(reference).rpartition(":")
            _names.repository(repository)
            _names.version(tag_)
            _require(_CONTENT, image, "tags")
    if phase in ("ready", "load", "discard"):
        # It is removed with all that is in it, so that it must be one that was made for an archive.
        path = params["folder"] or ""
        if "\0" in path or not _OF_ARCHIVE.fullmatch(os.path.basename(path)):
            raise BadInputError(f"folder {path[:200]!r} is none that was made for an archive.", next_step=_ADVICE)
    if phase in ("ready", "load"):
        _require_archive(params["archive"])
    if phase == "load":
        _numbers.within(params["timeout"], "timeout", "set timeout to", least=1.0)
        for image, config in params["configs"].items():
            _require(_CONTENT, image, "configs")
            _require(_CONTENT, config, "configs")


def _require(pattern: t.Pattern[str], value: t.Any, option: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadInputError(f"{option} has {str(value)[:100]!r}, which is no sha256.", next_step=_ADVICE)


def _require_archive(archive: t.Mapping[str, t.Any]) -> None:
    for key, least in (("size", 1), ("part_size", 1), ("unpacked", 0)):
        value = archive.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
            raise BadInputError(f"archive has the {key} {str(value)[:40]}.", next_step=_ADVICE)
    parts = archive.get("parts")
    if not isinstance(parts, list) or -(-archive["size"] // archive["part_size"]) != len(parts) or not parts:
        raise BadInputError("archive has other parts than its size wants.", next_step=_ADVICE)
    if len(parts) > _MOST_PARTS:
        raise BadInputError(f"archive has {len(parts)} parts.", next_step="give a larger part_mb.")
    for one in (archive.get("sha256"), *parts):
        _require(_OF_ARCHIVE, one, "archive")


def part_name(number: int) -> str:
    """Return the name of a part's file."""
    return f"part-{number:05d}"


def look(docker: Docker, images: t.Mapping[str, t.Sequence[str]], tags: t.Mapping[str, str]) -> t.Dict[str, t.Any]:
    """Return what this host lacks of *images* (layers by ID) and of *tags* (ID by reference).

    ``layers`` is, for each image that is missing, how many of its first layers are here already.
    """
    ids = {image: docker.image(image) for image in images}
    missing = [image for image, local in ids.items() if local is None]
    chains = _chains(docker) if missing else []
    return {
        "missing": missing,
        "layers": {image: _common(images[image], chains) for image in missing},
        "untagged": sorted(reference for reference, image in tags.items() if _id_of(docker, reference) != image),
    }


def ready(docker: Docker, folder: Path, archive: t.Mapping[str, t.Any]) -> t.List[int]:
    """Return the numbers of the parts in *folder* that are whole; raise where there is no room for the others."""
    _sweep(folder)
    wanted = list(archive["parts"])
    have = [number for number, sha256 in enumerate(wanted) if _sha256([folder / part_name(number)]) == sha256]
    size, part_size = int(archive["size"]), int(archive["part_size"])
    left = size - sum(min(part_size, size - number * part_size) for number in have)
    _require_room(docker, folder, left, int(archive["unpacked"]) * _COPIES)
    return have


def load(
    docker: Docker, folder: Path, archive: t.Mapping[str, t.Any], images: t.Mapping[str, str], *, timeout: float
) -> t.Dict[str, str]:
    """Load the parts in *folder*, once they are what was sent, and remove them.

    *images* maps the ID of every image to the digest of its configuration, which is its ID in engines that keep images
    otherwise. Return the ID by which this host knows each.
    """
    paths = [folder / part_name(number) for number in range(len(archive["parts"]))]
    if _sha256(paths) != archive["sha256"]:
        raise HotfixError(
            f"What arrived in {folder} is not what was sent.", next_step="run the same command again; it is sent anew."
        )
    code, stdout, stderr = docker.program(
        "sh", "-c", 'cat -- "$@" | docker load --quiet', "sh", *map(str, paths), timeout=timeout
    )
    if code != 0:
        raise _not_loaded(docker, folder, code, stderr or stdout, timeout)
    discard(folder)
    found = {}
    for image, config in images.items():
        local = docker.image(image) or docker.image(config)
        if local is None:
            raise HotfixError(
                f"The images were loaded, but this host's engine does not know {image}.",
                left="What was loaded stays; nothing runs from it.",
                next_step="let both engines keep images the same way (containerd image store), or use a registry.",
            )
        found[image] = local.id
    return found


def tag(docker: Docker, tags: t.Mapping[str, str]) -> t.List[str]:
    """Give every image its references; return those that were not so before."""
    changed = []
    for reference, image in sorted(tags.items()):
        if _id_of(docker, reference) != image:
            docker.run("tag", image, reference)
            changed.append(reference)
    return changed


def discard(folder: Path) -> None:
    """Remove the parts."""
    shutil.rmtree(str(folder), ignore_errors=True)


def _not_loaded(docker: Docker, folder: Path, code: int, output: str, timeout: float) -> HotfixError:
    said = " ".join(output.split())[-500:]
    if "no space left" in said.lower():
        discard(folder)
        return HotfixError(
            f"The disk of {_root(docker)} filled up while the images were loaded: {said}.",
            left="What was sent is removed again.",
            next_step="make room on the host (docker image prune), then run this again.",
        )
    if code in (124, 137):
        said = f"it did not end within {timeout:.0f} s"
    return HotfixError(
        f"The images could not be loaded: {said or f'exit code {code}'}.",
        code="not_loaded",
        left="What was sent is kept on the host.",
        next_step="look at the engine on the host (docker info), then run this again.",
    )


def _id_of(docker: Docker, reference: str) -> t.Optional[str]:
    local = docker.image(reference)
    return local.id if local else None


def _chains(docker: Docker) -> t.List[t.List[str]]:
    """Return the layers of every image on this host, bottom first."""
    if "io.containerd." in docker.run("info", "--format", "{{json .DriverStatus}}"):
        # There the layers are kept as the registry had them, and cannot be told by what they hold.
        return []
    return docker.layers()


def _common(layers: t.Sequence[str], chains: t.Sequence[t.Sequence[str]]) -> int:
    """Return how many layers from the bottom are here; one that lies on another than here is of no use."""

    def shared(chain: t.Sequence[str]) -> int:
        count = 0
        while count < min(len(chain), len(layers)) and chain[count] == layers[count]:
            count += 1
        return count

    return max((shared(chain) for chain in chains), default=0)


def _sha256(paths: t.Sequence[Path]) -> t.Optional[str]:
    """Return the sha256 of the files one after the other; ``None`` where one is missing."""
    found = hashlib.sha256()
    try:
        for path in paths:
            with open(str(path), "rb") as handle:
                for block in iter(lambda: handle.read(_BLOCK), b""):
                    found.update(block)
    except FileNotFoundError:
        return None
    return found.hexdigest()


def _root(docker: Docker) -> str:
    return docker.run("info", "--format", "{{.DockerRootDir}}").strip()


def _require_room(docker: Docker, folder: Path, parts: int, unpacked: int) -> None:
    """Raise unless both disks have room, or the one that both are on."""
    needs: t.Dict[int, t.List[t.Any]] = {}
    for path, size in ((str(folder), parts), (_root(docker), unpacked)):
        try:
            device, stat = os.stat(path).st_dev, os.statvfs(path)
        except OSError:
            # The engine's folder may be out of sight for this user, or on another machine.
            continue
        entry = needs.setdefault(device, [path, stat.f_bavail * stat.f_frsize, 0])
        entry[2] += size
    for path, free, size in needs.values():
        wanted = size // _MEGABYTE + (_SPARE if size else 0)
        if free // _MEGABYTE < wanted:
            raise HotfixError(
                f"Only {free // _MEGABYTE} MB are free on the disk of {path}, {wanted} MB are wanted for the images.",
                code="no_room",
                next_step="make room on the host (docker image prune), then run this again.",
            )


def _sweep(folder: Path) -> None:
    """Remove the parts of other archives that were forgotten."""
    with contextlib.suppress(OSError):
        for other in folder.parent.iterdir():
            forgotten = time.time() - other.stat().st_mtime > _FORGOTTEN
            if other != folder and forgotten and _OF_ARCHIVE.fullmatch(other.name):
                discard(other)
