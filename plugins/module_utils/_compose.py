# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Compose files: read by Compose itself, checked, pinned and written as the immutable file of a release."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _json, _mask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import RELEASE_LABEL, Container, Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import App

Model = t.Dict[str, t.Any]

_HEADER = (
    "# Rendered for one release; never edited. Every value is resolved and every image is pinned.\n"
    "# It is JSON, which every YAML reader reads.\n"
)


def _marker(key: str) -> str:
    return f"hotfix-current-only-{key}-"


def source(app: App) -> Path:
    """Return the app's own Compose file."""
    return app.app_dir / app.compose_file


def read(docker: Docker, app: App) -> Model:
    """Let Compose read and resolve the app's file; raise when it is missing or wrong, or a service is not in it.

    Values of keys that are *current only* are left as ``${KEY}``: a release never holds them.
    """
    path = source(app)
    if not path.is_file():
        raise BadInputError(
            f"There is no Compose file {path} on this host.",
            next_step="check hotfix_app_dir and hotfix_compose_file.",
        )
    try:
        raw = docker.run(
            "compose",
            "--project-name",
            app.project,
            "--project-directory",
            str(app.app_dir),
            "--file",
            str(path),
            "config",
            "--format",
            "json",
            env={key: _marker(key) for key in app.current_only},
        )
        model = _json.loads(raw)
    except CommandError as exc:
        masked = _mask.Mask.of_env(_mask.read_env(app.app_dir / ".env")).text(exc.output)
        raise BadInputError(
            f"Compose cannot read {path}: {masked or exc.what}.",
            next_step="mend the file (docker compose config) first.",
        ) from exc
    except ValueError as exc:
        raise BadInputError(
            f"Compose rendered {path} to something that is no JSON ({exc}).",
            next_step="check the version of Compose on the host.",
        ) from exc
    _require_services(model, app, path)
    return t.cast(Model, _restore_current_only(model, app.current_only))


def _require_services(model: Model, app: App, path: Path) -> None:
    present = model.get("services") or {}
    wanted = list(app.services) + ([app.proxy_service] if app.proxy_service else [])
    missing = sorted(set(wanted) - set(present))
    if missing:
        raise BadInputError(
            f"Unknown service {', '.join(missing)}: {path} has {', '.join(sorted(present)) or 'no services'}.",
            next_step="correct hotfix_services or hotfix_proxy_service.",
        )
    build_only = sorted(name for name in app.services if not present[name].get("image"))
    if build_only:
        raise BadInputError(
            f"{path} only builds {', '.join(build_only)}: without 'image:' there is nothing that could be "
            "rolled back to.",
            next_step=f"add 'image: {app.services[build_only[0]]}:…' to the service.",
        )


def _restore_current_only(value: t.Any, keys: t.Sequence[str]) -> t.Any:
    if not keys:
        return value
    if isinstance(value, str):
        for key in keys:
            value = value.replace(_marker(key), "${" + key + "}")
        return value
    if isinstance(value, list):
        return [_restore_current_only(item, keys) for item in value]
    if isinstance(value, dict):
        restored = {name: _restore_current_only(item, keys) for name, item in value.items()}
        environment = restored.get("environment")
        if isinstance(environment, dict):
            # Values that came through env_file were never interpolated, so the marker is not in them.
            restored["environment"] = {k: ("${" + k + "}" if k in keys else v) for k, v in environment.items()}
        return restored
    return value


def pinned(model: Model, images: t.Mapping[str, Image]) -> Model:
    """Return a copy in which the switched services run exactly *images* and nothing is ever built or pulled."""
    result = copy.deepcopy(model)
    for name, image in images.items():
        entry = result["services"][name]
        entry["image"] = image.pin
        entry["pull_policy"] = "never"
        entry.pop("build", None)
    return result


def content_hash(model: Model, services: t.Collection[str]) -> str:
    """Return a hash of everything a release runs with; backing services are none of its business."""
    model = {**model, "services": {name: model["services"][name] for name in services}}
    return hashlib.sha256(json.dumps(model, sort_keys=True).encode("utf-8")).hexdigest()


def write(path: Path, model: Model, *, release_id: str, services: t.Iterable[str]) -> None:
    """Write the Compose file of a release: readable by its owner only, for it holds resolved values."""
    labelled = copy.deepcopy(model)
    for name in services:
        labels = labelled["services"][name].setdefault("labels", {})
        labels[RELEASE_LABEL] = release_id
    _files.write_text(path, _HEADER + json.dumps(labelled, indent=2, sort_keys=True) + "\n")


def load(path: Path) -> t.Optional[Model]:
    """Read back what :func:`write` wrote; ``None`` when it is missing or damaged."""
    try:
        text = path.read_text(encoding="utf-8")
        model = _json.loads(re.sub(r"\A(?:#[^\n]*\n)*", "", text))
    except (FileNotFoundError, ValueError):
        return None
    return model if isinstance(model, dict) and isinstance(model.get("services"), dict) else None


def of_release(path: Path, release_id: str) -> Model:
    """Return what a release is started from, or raise when its file is missing or damaged."""
    model = load(path)
    if model is None:
        raise HotfixError(
            f"The Compose file of release {release_id} is missing or damaged ({path}).",
            next_step="go to another release by its ID (-e release=…), or deploy a version again.",
        )
    return model


def current_only_env(app: App, containers: t.Sequence[Container]) -> t.Dict[str, str]:
    """Return today's values of the keys that never come from a snapshot.

    They are taken from the app's ``.env``, or where that lacks one, from a container that runs with it.
    """
    running = dict(entry.partition("=")[::2] for c in containers if c.service in app.services for entry in c.env)
    env = {**running, **_mask.read_env(app.app_dir / ".env")}
    missing = [key for key in app.current_only if key not in env]
    if missing:
        raise BadInputError(
            f"Neither {app.app_dir / '.env'} nor a container sets {', '.join(missing)}, "
            "which hotfix_current_only takes from there.",
            next_step="set them there, or take them off hotfix_current_only.",
        )
    return {key: env[key] for key in app.current_only}


def replicas(model: Model, service: str) -> int:
    """Return how many containers of *service* are to run."""
    entry = model["services"][service]
    scale = (entry.get("deploy") or {}).get("replicas", entry.get("scale", 1))
    return int(scale)
