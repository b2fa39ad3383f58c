#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on the sandbox: a healthy production, a broken release, the rollback, and what was measured meanwhile.

Two users per production host, one who reads and one who saves documents, go on through all of it; every number that is
printed is counted from their requests, which are kept beside it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
HOSTS = {"prod1": "http://127.0.1.11:8080", "prod2": "http://127.0.1.12:8080"}
NAME = "app.example.com"
GOOD, BROKEN = "v1", "v2"
PAUSE = 0.2
TIMEOUT = 5.0


@dataclass(frozen=True)
class Sample:
    """One request of a user. Times are seconds on this machine's steady clock since the demo began."""

    host: str
    kind: str
    start: float
    seconds: float
    status: int
    version: str

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Users:
    """Reads and saves on every host, a few times a second, until told to stop."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._use, args=(host, url, kind), daemon=True)
            for host, url in HOSTS.items()
            for kind in ("read", "save")
        ]

    def __enter__(self) -> Users:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def now(self) -> float:
        return time.monotonic() - self._began

    def _use(self, host: str, url: str, kind: str) -> None:
        while not self._stop.wait(PAUSE):
            start = self.now()
            status, version = ask(url, kind)
            self.samples.append(Sample(host, kind, start, self.now() - start, status, version))

    def between(self, start: float, end: float, kind: str) -> list[Sample]:
        return [s for s in self.samples if s.kind == kind and start <= s.start < end]


def ask(url: str, kind: str) -> tuple[int, str]:
    """Make one request on a connection of its own; status 0 where nothing answered."""
    headers = {"Host": NAME, "Connection": "close"}
    try:
        if kind == "read":
            answer = requests.get(f"{url}/api/health", headers=headers, timeout=TIMEOUT)
        else:
            note = {"title": "demo", "content": "saved by the demo"}
            answer = requests.post(f"{url}/api/notes/share", json=note, headers=headers, timeout=TIMEOUT)
    except requests.RequestException:
        return 0, ""
    return answer.status_code, answer.headers.get("X-App-Version", "")


def play(name: str, *extra: str) -> None:
    """Run a playbook on production, as an operator would, and show what it prints."""
    command = ["ansible-playbook", "-i", "inventories/sandbox", f"playbooks/{name}.yml", "-l", "production", *extra]
    print(f"\n$ {shlex.join(command)}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


def longest_outage(samples: Iterable[Sample]) -> float:
    """Return the longest time on one host from the last good answer before a failure to the first good one after."""
    longest = 0.0
    for host in HOSTS:
        last_good, failing = None, False
        for sample in sorted((s for s in samples if s.host == host), key=lambda s: s.start):
            if sample.good:
                if failing and last_good is not None:
                    longest = max(longest, sample.start + sample.seconds - last_good)
                last_good, failing = sample.start, False
            else:
                failing = True
    return longest


def counted(samples: Sequence[Sample]) -> str:
    return f"{sum(not s.good for s in samples)} of {len(samples)}"


def served_by(samples: Iterable[Sample], version: str, since: float) -> float:
    """Return how many seconds after *since* the last host gave its first good answer of *version*."""
    firsts = []
    for host in HOSTS:
        good = [s.start + s.seconds for s in samples if s.host == host and s.good and s.version == version]
        after = [moment for moment in good if moment >= since]
        if not after:
            raise SystemExit(f"demo: {host} never saved a document with {version} again")
        firsts.append(min(after))
    return max(firsts) - since


def main() -> int:
    subprocess.run([sys.executable, "-m", "sandbox", "reset", "production"], cwd=ROOT, check=True)
    play("adopt")
    with Users() as users:
        time.sleep(3)
        healthy_until = users.now()
        play("deploy", "-e", f"version={BROKEN}", "-e", "reason=demo")
        deployed = users.now()
        time.sleep(5)
        noticed = users.now()
        broken = users.between(deployed, noticed, "save")
        print(f"\nUsers report that documents are not saved: {counted(broken)} tries failed with {BROKEN}.", flush=True)
        began = users.now()
        play("rollback", "-e", "reason='saving documents fails'")
        returned = users.now()
        time.sleep(5)
        end = users.now()
    before = users.between(0, healthy_until, "save")
    saves, reads = users.between(began, end, "save"), users.between(began, returned, "read")
    after = users.between(returned, end, "save")
    rows = [
        (f"{GOOD}: documents not saved", counted(before)),
        (f"deploy of {BROKEN}: command to return", f"{deployed - healthy_until:.1f} s"),
        (f"deploy of {BROKEN}: reads that failed", counted(users.between(healthy_until, deployed, "read"))),
        (f"{BROKEN} live: documents not saved", counted(broken)),
        ("rollback: command to return, verified on both hosts", f"{returned - began:.1f} s"),
        (f"rollback: command to documents saved by {GOOD} on both hosts", f"{served_by(saves, GOOD, began):.1f} s"),
        ("rollback: reads that failed", counted(reads)),
        ("rollback: longest time without an answer on a host", f"{longest_outage(reads):.1f} s"),
        (f"{GOOD} again: documents not saved", counted(after)),
    ]
    folder = ROOT / "artifacts" / f"demo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    (folder / "samples.jsonl").write_text(
        "".join(json.dumps(asdict(s)) + "\n" for s in users.samples), encoding="utf-8"
    )
    (folder / "measured.json").write_text(json.dumps(dict(rows), indent=2) + "\n", encoding="utf-8")
    print(f"\nMeasured with {len(users.samples)} requests of users on {len(HOSTS)} hosts:\n")
    width = max(len(name) for name, _value in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    print(f"\nEvery request is in {folder.relative_to(ROOT)}/samples.jsonl")
    healthy = all(s.good for s in before) and bool(before)
    healed = all(s.good and s.version == GOOD for s in after) and bool(after)
    noticed_broken = bool(broken) and not any(s.good for s in broken)
    if not (healthy and noticed_broken and healed):
        print("demo: the story did not go as it should; see the table", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
