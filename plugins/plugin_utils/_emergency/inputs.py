# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an emergency build is made of: the services, the source of one commit, and what tells two builds apart."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git, GitError

_KEYS = {"context", "dockerfile", "target", "args", "labels"}
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = re.compile(r"[a-z0-9][a-z0-9._/-]*")
#: Ours are written by the build.
_OWN_LABELS = ("org.opencontainers.image.revision", "org.opencontainers.image.created", "pangeafate.hotfix.build")
_UNPACK = 120.0


@dataclass(frozen=True)
class Service:
    """How the image of one service is built. ``image`` is its repository, paths are relative to the source's root."""

    name: str
    image: str
    context: str = "."
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: t.Mapping[str, str] = field(default_factory=dict)
    labels: t.Mapping[str, str] = field(default_factory=dict)


def services(named: t.Sequence[str], known: t.Mapping[str, t.Any]) -> list[Service]:
    """Return how the *named* services are built, or all that say how; *known* is hotfix_services.

    Raises
    ------
    BadInputError
        When one is unknown or does not say how it is built, or what it says cannot be right.
    """
    if not isinstance(known, t.Mapping):
        raise BadInputError(
            "hotfix_services is no dictionary.", next_step="write it as hotfix_services: {backend: {image: …}}."
        )
    known = {str(name): about for name, about in known.items()}
    buildable = sorted(name for name, about in known.items() if isinstance(about, t.Mapping) and about.get("build"))
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise BadInputError(
            f"Unknown service {', '.join(unknown)}: there are {', '.join(sorted(known)) or 'none'}.",
            next_step="name services of hotfix_services, as in -e services=backend,frontend.",
        )
    wanted = list(dict.fromkeys(named)) or buildable
    silent = [name for name in wanted if name not in buildable]
    if silent or not wanted:
        raise BadInputError(
            f"How {', '.join(silent) or 'the services'} {'is' if len(silent) == 1 else 'are'} built is not said.",
            next_step="set it, as in hotfix_services.backend.build: {context: ., dockerfile: Dockerfile}.",
        )
    return [_service(name, known[name]) for name in sorted(wanted)]


def _service(name: str, about: t.Mapping[str, t.Any]) -> Service:
    said = about["build"] if isinstance(about["build"], t.Mapping) else {"context": about["build"]}
    odd = sorted(set(map(str, said)) - _KEYS)
    if odd:
        raise _wrong(name, f"does not know {', '.join(odd)}", f"its keys are {', '.join(sorted(_KEYS))}.")
    for key in ("args", "labels"):
        if not isinstance(said.get(key) or {}, t.Mapping):
            raise _wrong(name, f"has {key} that are no dictionary", f"write them as {key}: {{NAME: value}}.")
    args = {str(key): str(value) for key, value in (said.get("args") or {}).items()}
    labels = {str(key): str(value) for key, value in (said.get("labels") or {}).items()}
    for key in args:
        if not _ARGUMENT.fullmatch(key):
            raise _wrong(name, f"has the build argument {key!r}", "name it as the Dockerfile's ARG does.")
    for key in labels:
        if not _LABEL.fullmatch(key) or key.startswith(_OWN_LABELS):
            raise _wrong(name, f"has the label {key!r}", "take another; revision, time and build are set for you.")
    return Service(
        name=_names.service(name),
        image=_names.repository(str(about.get("image") or "")),
        context=_inside(name, "context", str(said.get("context") or ".")),
        dockerfile=_inside(name, "dockerfile", str(said.get("dockerfile") or "Dockerfile")),
        target=str(said["target"]) if said.get("target") else None,
        args=args,
        labels=labels,
    )


def _inside(name: str, key: str, path: str) -> str:
    plain = posixpath.normpath(path)
    if plain.startswith(("/", "../")) or plain == ".." or any(not one.isprintable() for one in plain):
        raise _wrong(name, f"has {key} {path!r}", f"give the path of the {key} within the repository.")
    return plain


def _wrong(name: str, what: str, advice: str) -> BadInputError:
    return BadInputError(f"hotfix_services.{name}.build {what}.", next_step=advice)


@dataclass(frozen=True)
class Source:
    """The source of one commit. ``revision`` is its whole ID."""

    git: Git
    revision: str

    @classmethod
    def of(cls, git: Git, revision: str) -> Source:
        """Return the source of what *revision* names in a checkout; raise where that is no commit."""
        if revision.startswith("-") or not revision.isprintable():
            raise BadInputError(f"The revision {revision!r} cannot be one.", next_step="give a commit or a branch.")
        commit = git.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False).stdout.strip()
        if not commit:
            raise BadInputError(
                f"The commit {revision!r} is not known in {git.path}.",
                next_step="fetch it into the checkout (hotfix_repository), or correct it (-e revision=…).",
            )
        return cls(git, commit)

    def require(self, wanted: t.Sequence[Service]) -> None:
        """Raise unless the commit has the context and the Dockerfile of every service."""
        for one in wanted:
            for key, path, kind in (("context", one.context, "tree"), ("dockerfile", one.dockerfile, "blob")):
                if self._object(path, kind) is None:
                    what = "folder" if kind == "tree" else "file"
                    raise BadInputError(
                        f"The commit {self.revision[:12]} has no {what} {path!r}, which the {key} of {one.name} names.",
                        next_step=f"correct hotfix_services.{one.name}.build.{key}.",
                    )

    def inputs(self, wanted: t.Sequence[Service]) -> str:
        """Return the hash of all that goes into a build: two with the same are the same."""
        parts = [
            [
                *(one.name, one.image, one.context, one.dockerfile, one.target),
                *(sorted(one.args.items()), sorted(one.labels.items())),
                *(self._object(one.context, "tree"), self._object(one.dockerfile, "blob")),
            ]
            for one in wanted
        ]
        return hashlib.sha256(json.dumps([self.revision, parts], sort_keys=True).encode()).hexdigest()

    def unpack(self, folder: Path) -> None:
        """Write the files of the commit into *folder*."""
        archive = folder.with_suffix(".tar")
        try:
            self.git.run("archive", "--format=tar", f"--output={archive}", self.revision, timeout=_UNPACK)
            with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as packed:
                # A link that leads out of the folder is the image's own matter: Docker sends it as a link.
                packed.extractall(folder, filter="tar")
        except (OSError, tarfile.TarError) as exc:
            raise HotfixError(
                f"The source of {self.revision[:12]} could not be unpacked to {folder.parent}: {exc}.",
                next_step="make room there (or set TMPDIR to another disk), then run this again.",
            ) from exc
        finally:
            archive.unlink(missing_ok=True)

    def _object(self, path: str, kind: str) -> str | None:
        name = f"{self.revision}:{'' if path == '.' else path}"
        try:
            found = self.git.out("rev-parse", "--verify", "--quiet", name)
            return found if self.git.out("cat-file", "-t", found) == kind else None
        except GitError:
            return None
