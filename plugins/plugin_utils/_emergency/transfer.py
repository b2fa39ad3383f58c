# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that go straight from the engine that built them to a host, in parts, so that a lost connection loses little.

The archive is one that ``docker load`` reads, without the layers that the host has. It is the same, byte for byte,
whenever it is made of the same images: its parts are known by what they hold, and what arrived is not sent again.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import EMERGENCY, Built
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._image_transfer import part_name

_MEGABYTE = 1024 * 1024
_BLOCK = 1024 * 1024
#: Little is gained by more, and somebody waits.
_COMPRESSION = 3
_AGAIN = "run the same command again; it goes on from there."


@dataclass(frozen=True)
class Archive:
    """What is sent: ``parts`` are the sha256 of each, ``unpacked`` is its size in bytes before it was compressed.

    ``configs`` are, by image ID, the digests of the images' configurations.
    """

    path: str
    sha256: str
    size: int
    part_size: int
    parts: list[str]
    unpacked: int
    configs: dict[str, str]

    def length(self, number: int) -> int:
        """Return the bytes of one part."""
        return min(self.part_size, self.size - number * self.part_size)

    def to_send(self) -> dict[str, t.Any]:
        """Return what the host is to know of it."""
        return {name: value for name, value in asdict(self).items() if name not in ("path", "configs")}


class Target(t.Protocol):
    """The host that images are sent to."""

    def module(self, phase: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Have the module do one phase; raise :class:`HotfixError` where it fails."""

    def make_folder(self, name: str) -> str:
        """Make the folder for the parts of one archive, for us alone, and return its path."""

    def put(self, local: str, remote: str) -> None:
        """Send one file."""

    def say(self, text: str) -> None:
        """Show a line to the operator."""


class Engine:
    """The engine that has the images. *docker_host* is a value of DOCKER_HOST; without one, that of the operator."""

    def __init__(self, docker_host: str | None = None, timeout: float = 600.0) -> None:
        self.name = docker_host or ""
        self._timeout = timeout

    def run(self, *arguments: str) -> str:
        """Run ``docker`` on the controller and return its stdout."""
        env = {**os.environ, "LC_ALL": "C.UTF-8", **({"DOCKER_HOST": self.name} if self.name else {})}
        advice = "see that Docker runs on this machine, or set hotfix_build_engine."
        try:
            done = subprocess.run(
                ["docker", *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout,
                check=False,
            )
        except FileNotFoundError as exc:
            raise HotfixError("There is no 'docker' command on this machine.", next_step=advice) from exc
        except subprocess.TimeoutExpired as exc:
            raise HotfixError(
                f"'docker {arguments[0]}' did not end within {self._timeout:.0f} s.", next_step=advice
            ) from exc
        if done.returncode != 0:
            said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[-500:]
            if "no space left" in said.lower():
                advice = f"make room on this machine ({tempfile.gettempdir()} and Ansible's local_tmp)."
            elif "no such image" in said.lower():
                advice = "build the images first (playbooks/emergency_build.yml), on the engine that this names."
            raise HotfixError(f"'docker {' '.join(arguments[:2])}' failed on this machine: {said}.", next_step=advice)
        return done.stdout

    def images(self, ids: t.Sequence[str]) -> dict[str, tuple[list[str], int]]:
        """Return the layers of each image, bottom first, and its size in bytes."""
        found = json.loads(self.run("image", "inspect", *ids))
        return {
            one["Id"]: (list((one.get("RootFS") or {}).get("Layers") or []), int(one.get("Size") or 0)) for one in found
        }

    def archive(self, kept: t.Mapping[str, int], folder: Path, part_size: int) -> Archive:
        """Make the archive of the images in *kept*, of each without so many layers from the bottom, or take it as made.

        The hosts of a run are worked on at once, and mostly lack the same.
        """
        key = hashlib.sha256(json.dumps([self.name, sorted(kept.items()), part_size]).encode()).hexdigest()[:24]
        try:
            with open(folder / f"hotfix-images-{key}.lock", "w", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                return self._archive(kept, folder / f"hotfix-images-{key}", part_size)
        except OSError as exc:
            raise HotfixError(
                f"The images could not be packed in {folder} on this machine: {exc.strerror or exc}.",
                next_step="make room there, or set Ansible's local_tmp to a larger disk, then run this again.",
            ) from exc

    def _archive(self, kept: t.Mapping[str, int], stem: Path, part_size: int) -> Archive:
        index, saved, packed = (stem.with_suffix(suffix) for suffix in (".json", ".tar", ".gz"))
        if index.exists():
            return Archive(**json.loads(index.read_text(encoding="utf-8")))
        try:
            self.run("image", "save", "--output", str(saved), *sorted(kept))
            made = pack(saved, packed, kept, part_size)
        finally:
            saved.unlink(missing_ok=True)
        index.write_text(json.dumps(asdict(made)), encoding="utf-8")
        return made


def pack(saved: Path, target: Path, kept: t.Mapping[str, int], part_size: int) -> Archive:
    """Write what ``docker save`` wrote to *saved* as the archive *target*, without the layers that are *kept*."""
    with tarfile.open(saved) as source:
        manifest = json.loads(_bytes(source, "manifest.json"))
        configs = {one["Config"]: _bytes(source, one["Config"]) for one in manifest}
        digests = {name: "sha256:" + hashlib.sha256(content).hexdigest() for name, content in configs.items()}
        # An engine with containerd's image store knows an image by its manifest, of which nothing may be left out.
        plain = set(digests.values()) == set(kept)
        with (
            open(target, "wb") as raw,
            gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as out,
        ):
            unpacked = _write_plain(source, out, manifest, kept, digests) if plain else _write_all(source, out)
        known = {digest: digest for digest in digests.values()} if plain else _by_id(kept, list(digests.values()))
    whole, parts = _hashes(target, part_size)
    return Archive(str(target), whole, target.stat().st_size, part_size, parts, unpacked, known)


def _by_id(kept: t.Mapping[str, int], digests: t.Sequence[str]) -> dict[str, str]:
    """Return the configuration of each image where only one can be meant."""
    return {image: digests[0] if len(kept) == len(digests) == 1 else image for image in kept}


def _bytes(source: tarfile.TarFile, name: str) -> bytes:
    handle = source.extractfile(name)
    if handle is None:
        raise HotfixError(f"'docker save' wrote no {name}.", next_step="look at the engine (docker version).")
    with handle:
        return handle.read()


def _add(out: tarfile.TarFile, name: str, content: t.IO[bytes], size: int) -> int:
    # Nothing but names and contents: neither times nor owners of this machine.
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    out.addfile(info, content)
    return size


def _write_plain(
    source: tarfile.TarFile,
    out: tarfile.TarFile,
    manifest: t.Sequence[t.Mapping[str, t.Any]],
    kept: t.Mapping[str, int],
    digests: t.Mapping[str, str],
) -> int:
    entries, written, total = [], set(), 0
    for one in sorted(manifest, key=lambda entry: str(entry["Config"])):
        image = digests[one["Config"]]
        config = _bytes(source, one["Config"])
        diffs = [str(diff).partition(":")[2] for diff in json.loads(config)["rootfs"]["diff_ids"]]
        name = f"{image.partition(':')[2]}.json"
        total += _add(out, name, io.BytesIO(config), len(config))
        for number, (diff, path) in enumerate(zip(diffs, one["Layers"], strict=True)):
            if number < kept[image] or diff in written:
                continue
            written.add(diff)
            handle = source.extractfile(path)
            if handle is None:
                raise HotfixError(f"'docker save' wrote no {path}.", next_step="look at the engine (docker version).")
            with handle:
                # An entry that is a link to another one has no size of its own.
                size = handle.seek(0, os.SEEK_END)
                handle.seek(0)
                total += _add(out, f"{diff}.tar", handle, size)
        entries.append({"Config": name, "RepoTags": None, "Layers": [f"{diff}.tar" for diff in diffs]})
    listed = json.dumps(entries, sort_keys=True).encode()
    return total + _add(out, "manifest.json", io.BytesIO(listed), len(listed))


def _write_all(source: tarfile.TarFile, out: tarfile.TarFile) -> int:
    total = 0
    for member in sorted(source.getmembers(), key=lambda one: one.name):
        if member.isfile():
            handle = source.extractfile(member)
            if handle is not None:
                with handle:
                    total += _add(out, member.name, handle, member.size)
        elif not member.isdir():
            link = tarfile.TarInfo(member.name)
            link.type, link.linkname = member.type, member.linkname
            out.addfile(link)
    return total


def _hashes(path: Path, part_size: int) -> tuple[str, list[str]]:
    whole, parts = hashlib.sha256(), list[str]()
    with open(path, "rb") as handle:
        while True:
            part, left = hashlib.sha256(), part_size
            while left and (block := handle.read(min(left, _BLOCK))):
                whole.update(block)
                part.update(block)
                left -= len(block)
            if left == part_size:
                return whole.hexdigest(), parts
            parts.append(part.hexdigest())


def tags_of(built: t.Mapping[str, Built]) -> dict[str, str]:
    """Return the references that the images are to have on a host: that of their build, and the one of every build."""
    tags = {one.reference: one.image_id for one in built.values()}
    return {**tags, **{f"{one.repository}:{EMERGENCY}": one.image_id for one in built.values()}}


def transfer(
    built: t.Mapping[str, Built],
    engine: Engine,
    target: Target,
    *,
    work: Path,
    part_size: int,
    timeout: float,
    check: bool = False,
) -> dict[str, t.Any]:
    """Bring *built* to a host, as far as it is not there, and return the result.

    *work* is a folder on this machine for the time of the run, *timeout* the seconds that loading may take.
    """
    wanted = sorted({one.image_id for one in built.values()})
    local = engine.images(wanted)
    unknown = [image for image in wanted if image not in local]
    if unknown:
        raise HotfixError(
            f"The engine on this machine has no image {', '.join(unknown)}.",
            next_step="build the images first (playbooks/emergency_build.yml).",
        )
    tags = tags_of(built)
    seen = target.module("look", layers={image: local[image][0] for image in wanted}, tags=tags)
    missing = [image for image in wanted if image in seen["missing"]]
    names = sorted(name for name, one in built.items() if one.image_id in missing)
    if check:
        return _planned(built, names, bool(missing or seen["untagged"]), sum(local[one][1] for one in missing))
    ids: dict[str, str] = {}
    sent = resumed = 0
    if missing:
        ids, sent, resumed = _bring(
            engine, target, {one: seen["layers"][one] for one in missing}, work, part_size, timeout
        )
    changed = bool(missing)
    if missing or seen["untagged"]:
        tagged = target.module("tag", tags={name: ids.get(image, image) for name, image in tags.items()})["tagged"]
        changed = changed or bool(tagged)
    there = f"; {_mb(resumed)} MB of it were there from before" if resumed else ""
    if names:
        summary = f"Sent the images of {', '.join(names)} ({_mb(sent + resumed)} MB{there})."
    elif changed:
        summary = "The images are here already; they were tagged."
    else:
        summary = "The images are here already."
    return {
        **_result(built, ids),
        "changed": changed,
        "outcome": "done" if changed else "unchanged",
        "summary": summary,
        "sent_bytes": sent,
        "resumed_bytes": resumed,
    }


def _result(built: t.Mapping[str, Built], ids: t.Mapping[str, str]) -> dict[str, t.Any]:
    return {
        "images": {
            name: {"reference": one.reference, "digest": None, "image_id": ids.get(one.image_id, one.image_id)}
            for name, one in sorted(built.items())
        }
    }


def _planned(built: t.Mapping[str, Built], names: t.Sequence[str], changed: bool, size: int) -> dict[str, t.Any]:
    summary = "The images are here already." if not changed else "The images are here already; they would be tagged."
    if names:
        summary = (
            f"Would send the images of {', '.join(names)}: at most {_mb(size)} MB, less what the host has of them."
        )
    result = {**_result(built, {}), "changed": changed, "outcome": "planned", "summary": summary, "plan": [summary]}
    return {**result, "sent_bytes": 0, "resumed_bytes": 0}


def _bring(
    engine: Engine, target: Target, kept: t.Mapping[str, int], work: Path, part_size: int, timeout: float
) -> tuple[dict[str, str], int, int]:
    try:
        return _send(engine.archive(kept, work, part_size), target, timeout)
    except HotfixError as exc:
        if exc.code != "not_loaded" or not any(kept.values()):
            raise
        # A layer may have been removed meanwhile, or this engine wants every layer in the archive.
        target.say(f"The host could not load the images without the layers that it has ({exc.what}) All are sent now.")
    return _send(engine.archive(dict.fromkeys(kept, 0), work, part_size), target, timeout)


def _send(archive: Archive, target: Target, timeout: float) -> tuple[dict[str, str], int, int]:
    """Send what is not there yet and load it; return the IDs there, and the bytes that were sent and were there."""
    folder = target.make_folder(archive.sha256)
    about = {"folder": folder, "archive": archive.to_send()}
    have = set(target.module("ready", **about)["parts"])
    resumed = sum(archive.length(number) for number in have)
    if resumed:
        target.say(f"{_mb(resumed)} of {_mb(archive.size)} MB are there from before.")
    done = resumed
    with open(archive.path, "rb") as source:
        for number in range(len(archive.parts)):
            if number in have:
                continue
            _put(archive, number, source, folder, target, done, about)
            done += archive.length(number)
            target.say(f"{_mb(done)} of {_mb(archive.size)} MB sent ({100 * done // archive.size} %).")
    try:
        ids = target.module("load", **about, configs=archive.configs, timeout=timeout)["ids"]
    except AnsibleConnectionFailure as exc:
        raise AnsibleConnectionFailure(
            f"The connection was lost while the host loaded the images. What was sent is kept. Next: {_AGAIN} ({exc})"
        ) from exc
    return ids, done - resumed, resumed


def _put(
    archive: Archive,
    number: int,
    source: t.IO[bytes],
    folder: str,
    target: Target,
    done: int,
    about: t.Mapping[str, t.Any],
) -> None:
    source.seek(number * archive.part_size)
    piece = Path(f"{archive.path}.{os.getpid()}.part")
    try:
        piece.write_bytes(source.read(archive.length(number)))
        target.put(str(piece), f"{folder}/{part_name(number)}")
    except AnsibleConnectionFailure as exc:
        raise AnsibleConnectionFailure(
            f"The connection was lost when {_mb(done)} of {_mb(archive.size)} MB had been sent; they are kept. "
            f"Next: {_AGAIN} ({exc})"
        ) from exc
    except (AnsibleError, OSError) as exc:
        _explain(exc, target, about)
    finally:
        piece.unlink(missing_ok=True)


def _explain(exc: Exception, target: Target, about: t.Mapping[str, t.Any]) -> t.NoReturn:
    """Raise why a part could not be written; where the disk is full, the parts are removed."""
    try:
        target.module("ready", **about)
    except HotfixError as error:
        if error.code == "no_room":
            target.module("discard", **about)
            raise HotfixError(
                f"The disk filled up while the images were sent. {error.what}",
                left="What was sent is removed again.",
                next_step=error.next_step,
            ) from exc
        raise
    raise HotfixError(
        f"A part of the images could not be written to {about['folder']} on the host: {exc}",
        left="What was sent before is kept on the host.",
        next_step=f"mend what it says, then {_AGAIN}",
    ) from exc


def _mb(size: int) -> str:
    return f"{size / _MEGABYTE:.0f}" if size >= _MEGABYTE else f"{size / _MEGABYTE:.1f}"
