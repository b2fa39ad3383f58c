# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of an emergency build, made on this machine's engine from the demo app's, and pushed by its rules."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import uuid
from pathlib import Path

from sandbox.config import REGISTRY, REGISTRY_FROM_HERE, REGISTRY_USER
from tests.integration.driver import ROOT

BASE = "v6"


def docker(*arguments: str, config: str | None = None) -> str:
    options = ["--config", config] if config else []
    done = subprocess.run(["docker", *options, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Build:
    """One emergency build. Of what is not `labelled` nobody knows that it is one."""

    def __init__(self, time: str, *services: str, blob: int = 0, labelled: bool = True) -> None:
        self.id = f"hotfix-{time}"
        self.services = services
        labels = {"org.opencontainers.image.revision": uuid.uuid4().hex + uuid.uuid4().hex[:8]}
        if labelled:
            labels.update({"pangeafate.hotfix.build": self.id, "pangeafate.hotfix.build.services": ",".join(services)})
        self.revision = labels["org.opencontainers.image.revision"]
        for service in services:
            self._build(service, labels, blob)

    def repository(self, service: str) -> str:
        return f"{REGISTRY}/notes-{service}"

    def reference(self, service: str) -> str:
        return f"{self.repository(service)}:{self.id}"

    def image_id(self, service: str) -> str:
        return docker("image", "inspect", "--format", "{{.Id}}", self.reference(service))

    def _build(self, service: str, labels: dict[str, str], blob: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            lines = [f"FROM {self.repository(service)}:{BASE}"]
            if blob:
                # It does not shrink, so there is something to send.
                with open("/dev/urandom", "rb") as noise:
                    (Path(folder) / "blob").write_bytes(noise.read(blob))
                lines.append("COPY blob /blob")
            lines += [f'LABEL {name}="{value}"' for name, value in labels.items()]
            (Path(folder) / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")
            docker("build", "--quiet", "--tag", self.reference(service), folder)

    def images(self) -> dict[str, dict[str, str | None]]:
        """What a release is told of it where there is no registry."""
        return {
            service: {"reference": self.reference(service), "digest": None, "image_id": self.image_id(service)}
            for service in self.services
        }

    def push(self) -> None:
        """Push it, and take the tag over that every emergency build has."""
        password = (ROOT / ".sandbox/registry-password").read_text(encoding="utf-8").strip()
        login = base64.b64encode(f"{REGISTRY_USER}:{password}".encode()).decode()
        with tempfile.TemporaryDirectory() as config:
            (Path(config) / "config.json").write_text(json.dumps({"auths": {REGISTRY_FROM_HERE: {"auth": login}}}))
            for service in self.services:
                for tag in (self.id, "emergency"):
                    remote = f"{REGISTRY_FROM_HERE}/notes-{service}:{tag}"
                    docker("tag", self.reference(service), remote)
                    docker("push", "--quiet", remote, config=config)
                    docker("image", "rm", remote)

    def remove(self) -> None:
        """Remove it from this machine's engine."""
        docker("image", "rm", "--force", *(self.reference(service) for service in self.services))
