# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the images of a hotfix at once, names them for good and for now, and brings them to the registry.

What is in the registry or on the engine already, of the same source, is not built or pushed again: the labels say so.
"""

from __future__ import annotations

import re
import tempfile
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import EMERGENCY
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._emergency import BUILD_LABEL, SERVICES_LABEL
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.engine import Docker, Said, configuration
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.inputs import Service, Source
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._registry import Account, Held, Server, place_of

INPUTS_LABEL = "pangeafate.hotfix.build.inputs"
REVISION_LABEL = "org.opencontainers.image.revision"
_CREATED_LABEL = "org.opencontainers.image.created"
_SOURCE_LABEL = "org.opencontainers.image.source"
_BUILD = re.compile(r"hotfix-[0-9]{8}T[0-9]{6}Z")
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_PUSHES = 3
_LINES = 25
_SHORT = 60.0


@dataclass(frozen=True)
class Registry:
    """Where images are pushed to.

    ``server`` is the name that images and login have. ``address`` is ``host:port`` under which this machine reaches it,
    where that is another. ``ca_file`` is for this module's own questions; the engine has its own way to trust.
    """

    server: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    address: str | None = None
    ca_file: str | None = None
    timeout: float = 10.0

    def account(self) -> Account:
        """Return it as the client of registries takes it."""
        where = None
        if self.address:
            host, _colon, port = self.address.rpartition(":")
            where = host, int(port)
        return Account(self.username or "", self.password or "", where, self.ca_file, self.timeout)

    def pushed_as(self, reference: str) -> str:
        """Return the name under which this machine's engine pushes *reference*."""
        if not self.address or not reference.startswith(f"{self.server}/"):
            return reference
        return f"{self.address}/{reference.removeprefix(f'{self.server}/')}"


@dataclass(frozen=True)
class Wanted:
    """What is to be built. Times are in seconds; ``parallel`` is how many at once, 0 for all."""

    services: t.Sequence[Service]
    source: Source
    registry: Registry
    engine: str | None = None
    builder: str | None = None
    parallel: int = 0
    build_timeout: float = 900.0
    push_timeout: float = 300.0
    origin: str = ""


@dataclass
class Made:
    """One image on its way."""

    service: Service
    image_id: str
    digest: str | None = None
    built: bool = False
    pushed: bool = False
    seconds: float = 0.0


Say = t.Callable[[str], None]


def make(
    wanted: Wanted, *, check: bool = False, say: Say = lambda _text: None, now: t.Callable[[], datetime] = utc_now
) -> dict[str, t.Any]:
    """Have every image built and pushed, and return what the module returns. With *check* nothing is built.

    Raises
    ------
    HotfixError
        When a build fails or the registry refuses. The tag ``emergency`` is then where it was.
    """
    wanted.source.require(wanted.services)
    registry = wanted.registry
    server = registry.address or registry.server
    with configuration(server, registry.username, registry.password) as config:
        return _Build(wanted, Docker(config, wanted.engine), say, now).result(check=check)


class _Build:
    def __init__(self, wanted: Wanted, docker: Docker, say: Say, now: t.Callable[[], datetime]) -> None:
        self._wanted = wanted
        self._docker = docker
        self._say = say
        self._now = now
        self._inputs = wanted.source.inputs(wanted.services)
        self._mask = Mask([wanted.registry.password] if wanted.registry.password else [])
        self._notes: list[str] = []

    def result(self, *, check: bool) -> dict[str, t.Any]:
        wanted = self._wanted
        down = self._held_there() if wanted.registry.server else "no registry is named (hotfix_registry)"
        if isinstance(down, dict):
            return self._said(*self._of_registry(down), "kept", "unchanged")
        build, made = self._on_engine()
        if check:
            return self._planned(build, made, down)
        if build is None:
            moment = self._now()
            build = f"hotfix-{moment:%Y%m%dT%H%M%SZ}"
            made = self._build(build, moment)
        if not down:
            down = self._push(build, made)
        if down:
            self._notes.append(f"The registry was not used: {down}.")
            for one in made:
                one.digest = None
        changed = any(one.built or one.pushed for one in made)
        return self._said(build, made, f"down: {down}" if down else "pushed", "done" if changed else "unchanged")

    # ------------------------------------------------------------ what there is

    def _held_there(self) -> dict[str, Held] | str | None:
        """Return what the registry has of this very build; None where it has not all of it, a text where it is down."""
        names = [one.name for one in self._wanted.services]
        account = self._wanted.registry.account()

        def look(one: Service) -> Held | None:
            server, repository = place_of(one.image)
            return Server(server, account).held(repository, EMERGENCY)

        try:
            with ThreadPoolExecutor(len(names)) as pool:
                found = dict(zip(names, pool.map(look, self._wanted.services), strict=True))
        except HotfixError as exc:
            if exc.code == "refused":
                raise
            return self._mask.text(exc.what).rstrip(".")
        held = {name: one for name, one in found.items() if one and one.labels.get(INPUTS_LABEL) == self._inputs}
        same = len({one.labels.get(BUILD_LABEL) for one in held.values()}) == 1
        return held if len(held) == len(names) and same else None

    def _of_registry(self, held: t.Mapping[str, Held]) -> tuple[str, list[Made]]:
        build = next(iter(held.values())).labels[BUILD_LABEL]
        made = []
        for one in self._wanted.services:
            found = held[one.name]
            made.append(Made(one, found.image_id, f"{one.image}@{found.digest}"))
        return build, made

    def _on_engine(self) -> tuple[str | None, list[Made]]:
        """Return the newest build of the same inputs that this machine's engine has all images of."""
        found = self._docker.images(f"{INPUTS_LABEL}={self._inputs}")
        tags = sorted({name.rpartition(":")[2] for name in found}, reverse=True)
        for tag in tags:
            if _BUILD.fullmatch(tag) and all(f"{one.image}:{tag}" in found for one in self._wanted.services):
                return tag, [Made(one, str(found[f"{one.image}:{tag}"]["Id"])) for one in self._wanted.services]
        return None, []

    # ------------------------------------------------------------ building

    def _build(self, build: str, moment: datetime) -> list[Made]:
        wanted = self._wanted
        buildx = self._docker.run("buildx", "version", timeout=_SHORT).code == 0
        if not buildx:
            without = f", and without the builder {wanted.builder}" if wanted.builder else ""
            self._notes.append(f"docker buildx is not here: the classic builder was used, without BuildKit{without}.")
        broken: list[tuple[Service, Said]] = []
        with tempfile.TemporaryDirectory(prefix="hotfix-build-") as name:
            folder = Path(name) / "source"
            folder.mkdir(mode=0o700)
            wanted.source.unpack(folder)

            def one(service: Service) -> tuple[Service, Said, float]:
                self._say(f"building {service.name} of {wanted.source.revision[:12]}")
                started = time.monotonic()
                said = self._docker.run(
                    *self._command(service, build, moment, folder, buildx),
                    timeout=wanted.build_timeout,
                    # An attestation would make the digest another one each time.
                    env={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"} if buildx else {"DOCKER_BUILDKIT": "0"},
                )
                seconds = time.monotonic() - started
                if said.code != 0:
                    # Nobody waits for the others: they would not be used, and fail because of this one.
                    broken.append((service, said))
                    self._docker.stop()
                else:
                    self._say(f"built {service.name} in {seconds:.1f} s")
                return service, said, seconds

            with ThreadPoolExecutor(wanted.parallel or len(wanted.services)) as pool:
                ended = list(pool.map(one, wanted.services))
        if broken:
            raise self._broken(*broken[0])
        ids = self._docker.must(
            "image", "inspect", "--format", "{{.Id}}", *(f"{one.image}:{build}" for one in wanted.services)
        ).split()
        return [
            Made(service, image_id, built=True, seconds=round(seconds, 3))
            for (service, _said, seconds), image_id in zip(ended, ids, strict=True)
        ]

    def _command(self, one: Service, build: str, moment: datetime, folder: Path, buildx: bool) -> list[str]:
        wanted = self._wanted
        labels = {
            **one.labels,
            REVISION_LABEL: wanted.source.revision,
            _CREATED_LABEL: f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            **({_SOURCE_LABEL: wanted.origin} if wanted.origin else {}),
            BUILD_LABEL: build,
            SERVICES_LABEL: ",".join(service.name for service in wanted.services),
            INPUTS_LABEL: self._inputs,
        }
        command = ["buildx", "build", "--load", "--progress", "plain"] if buildx else ["build", "--force-rm"]
        if buildx and wanted.builder:
            command += ["--builder", wanted.builder]
        command += ["--file", str(folder / one.dockerfile), "--tag", f"{one.image}:{build}"]
        command += ["--target", one.target] if one.target else []
        for name, value in one.args.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, value in labels.items():
            command += ["--label", f"{name}={value}"]
        return [*command, str(folder / one.context)]

    def _broken(self, service: Service, said: Said) -> HotfixError:
        evidence = self._mask.text(f"Last lines of the build of {service.name}:\n{said.last(_LINES)}")
        if said.no_room:
            return HotfixError(
                f"The disk of the build engine filled up while {service.name} was built.",
                left="Nothing was pushed.",
                next_step="make room there ('docker system df', 'docker builder prune'), then run the same again.",
                evidence=evidence,
            )
        return HotfixError(
            f"The image of {service.name} could not be built from {self._wanted.source.revision[:12]}.",
            left="Nothing was pushed.",
            next_step="mend what the failing step says below, then run the same again.",
            evidence=evidence,
        )

    # ------------------------------------------------------------ pushing

    def _push(self, build: str, made: t.Sequence[Made]) -> str | None:
        """Push every image under the build's tag, and then, once all are there, under ``emergency``.

        Return why the registry counts as down, or None.
        """
        for tag in (build, EMERGENCY):

            def one(image: Made, tag: str = tag) -> str | None:
                return self._push_one(image, build, tag)

            with ThreadPoolExecutor(len(made)) as pool:
                troubles = [why for why in pool.map(one, made) if why]
            if troubles:
                return troubles[0]
            if tag == build:
                self._say(f"pushed {', '.join(each.service.name for each in made)} as {build}")
        return None

    def _push_one(self, image: Made, build: str, tag: str) -> str | None:
        source, name = f"{image.service.image}:{build}", f"{image.service.image}:{tag}"
        pushed = self._wanted.registry.pushed_as(name)
        if pushed != source:
            self._docker.must("tag", source, pushed)
        try:
            for attempt in range(_PUSHES):
                said = self._docker.run("push", pushed, timeout=self._wanted.push_timeout)
                found = _DIGEST.search(said.output)
                if said.code == 0 and found:
                    image.digest, image.pushed = f"{image.service.image}@{found[1]}", True
                    return None
                if said.refused and not said.away:
                    raise HotfixError(
                        f"The registry {self._wanted.registry.server} does not let "
                        f"{self._wanted.registry.username or 'us'} push {name}: {self._why(said)}.",
                        code="refused",
                        left=f"The images are on this machine; {EMERGENCY} is where it was.",
                        next_step="give a login with the right to write packages (hotfix_registry_username, "
                        "hotfix_registry_password), then run the same again: nothing is built twice.",
                    )
                time.sleep(attempt)
        finally:
            if pushed not in (source, name):
                self._docker.run("image", "rm", pushed, timeout=_SHORT)
        return f"pushing {name} failed {_PUSHES} times: {self._why(said)}"

    def _why(self, said: Said) -> str:
        return self._mask.text(" ".join(said.last(2).split())).rstrip(".") or f"exit code {said.code}"

    # ------------------------------------------------------------ telling

    def _said(self, build: str, made: t.Sequence[Made], registry: str, outcome: str) -> dict[str, t.Any]:
        names = ", ".join(one.service.name for one in made)
        revision = self._wanted.source.revision
        how = {"pushed": "is in the registry", "kept": "was in the registry already"}
        return {
            "build": build,
            "revision": revision,
            "inputs": self._inputs,
            "images": {
                one.service.name: {
                    "reference": f"{one.service.image}:{build}",
                    "digest": one.digest,
                    "image_id": one.image_id,
                    "built": one.built,
                    "pushed": one.pushed,
                    "seconds": one.seconds,
                }
                for one in made
            },
            "registry": registry,
            "changed": outcome == "done",
            "outcome": outcome,
            "summary": f"{build} of {revision[:12]} ({names}) {how.get(registry, 'is on the build engine only')}.",
            "notes": self._notes,
        }

    def _planned(self, build: str | None, made: t.Sequence[Made], down: str | None) -> dict[str, t.Any]:
        names = ", ".join(one.name for one in self._wanted.services)
        revision = self._wanted.source.revision
        plan = f"Would push {build} ({names})." if build else f"Would build {names} of {revision[:12]} and push them."
        if down:
            plan = f"{plan.rstrip('.')}; but the registry cannot be used: {down}."
        said = self._said(build or "", made, f"down: {down}" if down else "pushed", "planned")
        return {**said, "changed": True, "summary": plan, "plan": [plan]}
