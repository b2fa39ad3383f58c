# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a host, its proxy and its database, and says which of the rules that always hold does not."""

from __future__ import annotations

import fnmatch
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from sandbox import faults
from sandbox.config import SandboxError
from tests.integration.driver import APP, SWITCHED, Host

#: States in which a release may be found once nobody is at work.
_AT_REST = {"confirmed", "superseded", "voided", "failed"}
_BACKING = ("postgres", "redis", "nginx")
_PATIENCE = 20.0
#: Seconds after which what was stopped is not waited for any more: it does not come back by itself.
_STOPPED = 4.0

#: All of it is read by one program on the host: a look past SSH takes longer than what it looks at.
_LOOK = f"""
import glob, http.client, json, os, subprocess

APP = {APP!r}

def run(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout

def read(path):
    try:
        with open(path) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None

def ask(method, path, body=None, address="127.0.0.1", port=80):
    connection = http.client.HTTPConnection(address, port, timeout=10)
    headers = {{"Host": "app.example.com", "Content-Type": "application/json"}}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("X-App-Version"), answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as exc:
        return 0, None, type(exc).__name__
    finally:
        connection.close()

def flags(container):
    (network, *_others) = container["NetworkSettings"]["Networks"].values()
    status, _version, text = ask("GET", "/api/feature-flags", address=network["IPAddress"], port=8081)
    return json.loads(text)["flags"] if status == 200 else None

ids = run("docker", "ps", "--all", "--quiet", "--no-trunc").split()
containers = json.loads(run("docker", "inspect", *ids)) if ids else []
for each in containers:
    labels = each["Config"]["Labels"]
    each["service"] = labels.get("pangeafate.hotfix.service") or labels.get("com.docker.compose.service")
    each["slot"] = labels.get("pangeafate.hotfix.slot", "own")
running = [each for each in containers if each["State"]["Status"] == "running"]
note = json.dumps({{"title": "t", "content": "c"}})
try:
    live = os.readlink(APP + "/proxy/live")
except OSError:
    live = "own"
private = run("find", APP, "-name", ".env", "-perm", "/077") + run(
    "find", APP + "/backups", "-type", "f", "-perm", "/077"
)
print(json.dumps({{
    "current": read(APP + "/current/release.json"),
    "live": live,
    "records": {{path.split("/")[-2]: read(path) for path in glob.glob(APP + "/releases/*/release.json")}},
    "containers": [
        {{"name": each["Name"].lstrip("/"), "service": each["service"], "slot": each["slot"], "image": each["Image"],
          "status": each["State"]["Status"], "health": (each["State"].get("Health") or {{}}).get("Status")}}
        for each in containers
    ],
    "answers": [
        [ask("GET", "/api/health")[1], ask("POST", "/api/notes/share", note)[0] in (200, 201)] for _look in range(4)
    ],
    "flags": {{each["Name"].lstrip("/"): flags(each) for each in running
              if each["service"] == "backend" and each["slot"] == live}},
    "lease": read(APP + "/lease.json"),
    "deadline": os.path.exists(APP + "/deadline.json"),
    "private": private.strip(),
}}))
"""

Found = dict[str, Any]


def look(host: Host) -> Found:
    """Return what there is on a host."""
    found: Found = json.loads(faults.on_host(host.name, "python3", "-", stdin=_LOOK.encode()))
    return found


def problems(
    host: Host,
    versions: Sequence[str],
    *,
    but: str = "",
    flag: tuple[str, bool] | None = None,
    damaged: bool = False,
) -> list[str]:
    """Return every rule that is broken on *host*, where one of *versions* is to be served; empty where all is well.

    Versions are patterns, and *but* is one that is none of them all the same. With *flag* every instance must have it
    so. With *damaged* a record that cannot be read is nobody's fault. What is only on its way, such as a container that
    starts, is waited for.
    """
    began = time.monotonic()
    while True:
        hopeless = False
        try:
            found = look(host)
            broken = [*_of_version(found, versions, but), *_problems(found, damaged)]
            if flag is not None:
                broken += _of_flag(found, *flag)
            waited = time.monotonic() - began
            hopeless = waited > _STOPPED and any(text.endswith("is exited") for text in broken)
        except (SandboxError, OSError, ValueError, KeyError, TypeError) as exc:
            broken = [f"{host.name} could not be looked at: {type(exc).__name__}: {exc}"]
        if not broken or hopeless or time.monotonic() - began > _PATIENCE:
            return broken
        time.sleep(1)


def _of_version(found: Found, versions: Sequence[str], but: str) -> Iterator[str]:
    version = (found["current"] or {}).get("version", "nothing")
    if version == but or not any(fnmatch.fnmatch(version, one) for one in versions):
        yield f"{version} is current, and that is to be one of {', '.join(versions)}" + (f" but {but}" if but else "")


def _problems(found: Found, damaged: bool) -> Iterator[str]:
    current = found["current"]
    if current is None:
        yield "no release is current, or its record cannot be read"
        return
    if current["state"] != "confirmed":
        yield f"{current['id']} is current and {current['state']}"
    if current["slot"] != found["live"]:
        yield f"users are in {found['live']}, and the record of {current['id']} says {current['slot']}"
    yield from _of_containers(found)
    answers = set(map(tuple, found["answers"]))
    # An emergency build answers with the version of the source that it was built from.
    expected = {(current["version"], True)}
    if current["version"].startswith("hotfix-"):
        expected = {(version, True) for version, _saves in answers}
    if len(answers) != 1 or answers != expected:
        yield f"users are answered by {sorted(map(str, answers))}, where {current['version']} is to save their notes"
    yield from _of_records(found, damaged)


def _of_containers(found: Found) -> Iterator[str]:
    running: dict[str, set[str]] = {}
    for each in found["containers"]:
        if each["status"] == "running" and each["service"] in SWITCHED and each["slot"] == found["live"]:
            running.setdefault(each["service"], set()).add(each["image"])
            if each["health"] not in ("healthy", None):
                yield f"{each['name']} is {each['health']}"
    recorded = {name: {image["image_id"]} for name, image in found["current"]["images"].items()}
    if running != recorded:
        yield f"in {found['live']} run {running}, and recorded are {recorded}"
    for service in _BACKING:
        of_it = [each for each in found["containers"] if each["service"] == service]
        states = {str(each["health"] if each["status"] == "running" else each["status"]) for each in of_it}
        if states != {"healthy"}:
            yield f"{service} is {' and '.join(sorted(states)) or 'gone'}"


def _of_records(found: Found, damaged: bool) -> Iterator[str]:
    current = found["current"]["id"]
    for name, record in found["records"].items():
        if record is None:
            if not damaged:
                yield f"the record of {name} cannot be read"
            continue
        if record["state"] not in _AT_REST:
            yield f"{name} was left {record['state']}"
        if record["state"] == "confirmed" and name != current:
            yield f"{name} is confirmed beside {current}"
    if (found["lease"] or {}).get("held"):
        yield f"the lease is still held: {found['lease']}"
    if found["deadline"]:
        yield "a deadline is left"
    if found["private"]:
        yield f"others can read {found['private']}"


def _of_flag(found: Found, name: str, enabled: bool) -> Iterator[str]:
    for instance, flags in found["flags"].items():
        if flags is None or flags.get(name) is not enabled:
            yield f"{instance} has {name} as {'unknown' if flags is None else flags.get(name)}, and not {enabled}"
