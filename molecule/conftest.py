# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios look at on a host, with testinfra over SSH."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import pytest
from testinfra.host import Host

APP_DIR = "/srv/notes"
SWITCHED = ("backend", "frontend", "hocuspocus")


class App:
    """The app on one host, as its files and its engine tell."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def records(self) -> dict[str, dict[str, Any]]:
        """Every release record, by version."""
        listed = self.host.check_output(f"cat {APP_DIR}/releases/*/release.json")
        decoder, found, text = json.JSONDecoder(), {}, listed.strip()
        while text:
            record, end = decoder.raw_decode(text)
            found[record["version"]] = record
            text = text[end:].lstrip()
        return found

    def current(self) -> dict[str, Any]:
        """The record that the link `current` leads to."""
        record: dict[str, Any] = json.loads(self.host.check_output(f"cat {APP_DIR}/current/release.json"))
        return record

    def journal(self) -> list[dict[str, Any]]:
        """Every line of the journal."""
        return [json.loads(line) for line in self.host.check_output(f"cat {APP_DIR}/journal.jsonl").splitlines()]

    @cached_property
    def containers(self) -> dict[str, list[dict[str, Any]]]:
        """What `docker inspect` says of the project's containers, by service; looked at once a test."""
        listed = self.host.check_output(
            "docker inspect $(docker ps --all --quiet --filter label=com.docker.compose.project=notes)"
        )
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in json.loads(listed):
            found.setdefault(entry["Config"]["Labels"]["com.docker.compose.service"], []).append(entry)
        return found

    def images(self) -> dict[str, set[str]]:
        """The image IDs that the switched services run."""
        return {name: {c["Image"] for c in self.containers[name]} for name in SWITCHED}

    def recorded_images(self, record: dict[str, Any]) -> dict[str, set[str]]:
        """The image IDs that a record names, in the same shape."""
        return {name: {image["image_id"]} for name, image in record["images"].items()}

    def version_served(self) -> str:
        """The version that answers through the proxy."""
        return self.host.check_output(
            "curl --silent --show-error --fail --output /dev/null --write-out '%header{x-app-version}' "
            "--header 'Host: app.example.com' http://127.0.0.1/api/health"
        )

    def saves_documents(self) -> bool:
        """Whether a document can be shared through the proxy."""
        status = self.host.check_output(
            "curl --silent --output /dev/null --write-out '%{http_code}' --header 'Host: app.example.com' "
            '--header \'Content-Type: application/json\' --data \'{"title": "t", "content": "c"}\' '
            "http://127.0.0.1/api/notes/share"
        )
        return status in ("200", "201")


@pytest.fixture
def app(host: Host) -> App:
    return App(host)
