# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a host, its proxy and its database, and says which of the rules that always hold does not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

from sandbox.config import SandboxError
from tests.integration.driver import APP, Host
from tests.integration.sabotage import containers_of, live_slot

#: States in which a release may be found once nobody is at work.
_AT_REST = {"confirmed", "superseded", "voided", "failed"}
_BACKING = ("postgres", "redis", "nginx")
_PATIENCE = 20.0
#: Only the owner may read these.
_PRIVATE = f"find {APP} -name .env -perm /077; find {APP}/backups -type f -perm /077 2>/dev/null"


def problems(host: Host, versions: Sequence[str]) -> list[str]:
    """Return every rule that is broken on *host*, where one of *versions* is to be served; empty where all is well.

    What is only on its way, such as a container that starts, is waited for.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            found = list(_problems(host, versions))
        except (SandboxError, OSError, ValueError, KeyError) as exc:
            found = [f"{host.name} could not be looked at: {type(exc).__name__}: {exc}"]
        if not found or time.monotonic() > end:
            return found
        time.sleep(1)


def _problems(host: Host, versions: Sequence[str]) -> Iterator[str]:
    current, slot = host.current(), live_slot(host)
    if current["state"] != "confirmed":
        yield f"{current['id']} is current and {current['state']}"
    if current["version"] not in versions:
        yield f"{current['version']} is current, and not one of {', '.join(versions)}"
    if current["slot"] != slot:
        yield f"users are in {slot}, and the record of {current['id']} says {current['slot']}"
    yield from _of_containers(host, current, slot)
    yield from _of_answers(host, current["version"])
    yield from _of_records(host, current["id"])


def _of_containers(host: Host, current: dict[str, object], slot: str) -> Iterator[str]:
    running = {name: set(images) for name, images in containers_of(host, slot).items()}
    images = current["images"]
    assert isinstance(images, dict)
    recorded = {name: {image["image_id"]} for name, image in images.items()}
    if running != recorded:
        yield f"in {slot} run {running}, and recorded are {recorded}"
    for service in _BACKING:
        state = json.loads(host.docker("inspect", "--format", "{{json .State}}", f"notes-{service}"))
        health = (state.get("Health") or {}).get("Status")
        if state["Status"] != "running" or health != "healthy":
            yield f"{service} is {state['Status']} and {health}"


def _of_answers(host: Host, version: str) -> Iterator[str]:
    answers = {host.served() for _look in range(4)}
    if answers != {(version, True)}:
        yield f"users are answered by {sorted(answers)}, where {version} is to save their notes"


def _of_records(host: Host, current: str) -> Iterator[str]:
    listed = host.run("bash", "-c", f"cat {APP}/releases/*/release.json").strip()
    decoder = json.JSONDecoder()
    while listed:
        record, end = decoder.raw_decode(listed)
        listed = listed[end:].lstrip()
        if record["state"] not in _AT_REST:
            yield f"{record['id']} was left {record['state']}"
        if record["state"] == "confirmed" and record["id"] != current:
            yield f"{record['id']} is confirmed beside {current}"
    if host.lease()["held"]:
        yield f"the lease is still held: {host.lease()}"
    if host.run("bash", "-c", f"ls {APP}/deadline.json 2>/dev/null || true").strip():
        yield "a deadline is left"
    readable = host.run("bash", "-c", _PRIVATE).strip()
    if readable:
        yield f"others can read {readable}"
