# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the demo app's images on the outer engine, those only whose content has changed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cli import File, inspect, run, say, tar_of
from sandbox.config import LABEL, REGISTRY, SWITCHED, SandboxError

HERE = Path(__file__).resolve().parent
HASH_LABEL = f"{LABEL}.hash"
BACKING = ("nginx", "postgres", "redis")
AT_ONCE = 2

_APP = ("Dockerfile", "bin/http-ok", "notes")
# What each target of the Dockerfile copies.
_COPIED = {
    **dict.fromkeys(SWITCHED, _APP),
    "nginx": ("Dockerfile", "bin/http-ok"),
    "postgres": ("Dockerfile", "bin/postgres-entrypoint"),
    "redis": ("Dockerfile", "bin/redis-entrypoint"),
}


@dataclass(frozen=True)
class Image:
    """One image as it shall be."""

    tag: str
    target: str
    labels: tuple[tuple[str, str], ...]
    arguments: tuple[tuple[str, str], ...] = ()

    def content_hash(self, sources: list[File], base: str) -> str:
        """Change with everything that goes into the image, and with nothing else."""
        own = [item for item in sources if item.path.startswith(_COPIED[self.target])]
        return hashlib.sha256(repr((own, self, base)).encode()).hexdigest()[:24]


def build_all(base_tag: str) -> list[str]:
    """Make every image of the app that is not there yet, and return the tags of all, backing services last."""
    images = all_images()
    sources = context()
    found = inspect("image", base_tag, *(image.tag for image in images))
    if base_tag not in found:
        raise SandboxError(f"the base image {base_tag} is not there")
    base_id = str(found[base_tag]["Id"])
    hashes = {image.tag: image.content_hash(sources, base_id) for image in images}

    def is_there(image: Image) -> bool:
        labels = found.get(image.tag, {}).get("Config", {}).get("Labels") or {}
        return labels.get(HASH_LABEL) == hashes[image.tag]

    missing = [image for image in images if not is_there(image)]
    if missing:
        say(f"building {len(missing)} images of the app")
        archive = tar_of(sources)
        # The first one makes the layers that the others share.
        _build(missing[0], archive, base_tag, hashes[missing[0].tag])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda image: _build(image, archive, base_tag, hashes[image.tag]), missing[1:]))
        # What the new images took the names of; a container that still uses one keeps it.
        run(["docker", "image", "prune", "--force", f"--filter=label={HASH_LABEL}"], check=False)
        say(f"built {len(missing)} images of the app")
    return [image.tag for image in images]


def all_images() -> list[Image]:
    """Return every image: the switched services in all versions, then the backing services."""
    images = []
    for version in _versions().values():
        for service in SWITCHED:
            labels = (
                ("org.opencontainers.image.title", f"notes-{service}"),
                ("org.opencontainers.image.version", version.name),
                ("org.opencontainers.image.revision", version.revision),
                # The backend alone knows the schema.
                ("pangeafate.hotfix.migration", version.migration if service == "backend" else "none"),
            )
            tag = f"{REGISTRY}/notes-{service}:{version.name}"
            images.append(Image(tag, service, labels, (("VERSION", version.name),)))
    images += [Image(f"notes-{name}:1", name, ()) for name in BACKING]
    return images


def _versions() -> dict[str, Any]:
    """Load the app's own table; the app is no package of the sandbox and not importable from here."""
    name = "hotfix_sandbox_app_versions"
    spec = importlib.util.spec_from_file_location(name, HERE / "src" / "notes" / "versions.py")
    if spec is None or spec.loader is None:
        raise SandboxError("the app's versions.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    versions: dict[str, Any] = module.VERSIONS
    return versions


def context() -> list[File]:
    """Collect what the Dockerfile copies, with modes of our own: a checkout's depend on its owner's umask."""
    files = [File("Dockerfile", (HERE / "Dockerfile").read_bytes())]
    files += [File(f"bin/{path.name}", path.read_bytes(), 0o755) for path in sorted((HERE / "bin").iterdir())]
    package = HERE / "src" / "notes"
    files += [File("notes", None, 0o755), File("notes/static", None, 0o755)]
    sources = [*sorted(package.glob("*.py")), *sorted((package / "static").iterdir())]
    files += [File(str(path.relative_to(package.parent)), path.read_bytes()) for path in sources]
    return files


def _build(image: Image, archive: bytes, base_tag: str, content_hash: str) -> None:
    options = [f"--target={image.target}", f"--tag={image.tag}", f"--build-arg=BASE={base_tag}"]
    options += [f"--build-arg={name}={value}" for name, value in image.arguments]
    options += [f"--label={name}={value}" for name, value in (*image.labels, (LABEL, "1"), (HASH_LABEL, content_hash))]
    command = ["docker", "build", "--quiet", *options, "-"]
    # The classic builder sees the engine's own images everywhere; BuildKit may be another container that does not.
    classic = {**os.environ, "DOCKER_BUILDKIT": "0"}
    done = run(command, stdin=archive, env=classic, check=False, timeout=300)
    if done.returncode == 0:
        return
    # Newer engines may have no classic builder any more.
    again = run(command, stdin=archive, env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=False, timeout=300)
    if again.returncode != 0:
        raise SandboxError(
            f"could not build {image.tag}:\n{done.stderr.strip()[-1500:]}\n{again.stderr.strip()[-1500:]}"
        )
