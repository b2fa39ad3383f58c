#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on the sandbox: a healthy production, a broken release, the rollback, and what was measured meanwhile.

Users of both production hosts read and save notes, load pages, wait for slow answers and stay connected through all of
it; every number that is printed is counted from their requests, which are kept beside it. The incident that comes of it
has a report, which is named last.

    .venv/bin/python -m scripts.demo [--example docs/example-incident]
"""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from sandbox import lifecycle, load

ROOT = Path(__file__).resolve().parent.parent
HOSTS = ("prod1", "prod2")
GOOD, BROKEN = "v1", "v2"
#: Requests per second and WebSockets, on each host.
RATE, SOCKETS = 25, 10


#: What every command is given: who does it, and a place of its own for the incident.
SETTINGS: list[str] = []


def play(name: str, *extra: str, fails: bool = False) -> None:
    """Run a playbook on production, as an operator would, and show what it prints."""
    command = ["ansible-playbook", "-i", "inventories/sandbox", f"playbooks/{name}.yml", "-l", "production", *extra]
    command += SETTINGS
    print(f"\n$ {shlex.join(command)}", flush=True)
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if (code != 0) is not fails:
        raise SystemExit(f"demo: that should have {'failed' if fails else 'worked'} (exit code {code})")


def refused(sample: load.Sample) -> bool:
    """Tell whether it is what the broken release does by itself: it answers, and saves nothing."""
    return sample.kind == load.WRITE and sample.version == BROKEN and sample.status == 500


def failed(report: load.Report) -> str:
    return f"{len(report.failed)} of {report.requests}"


def reports(incidents: Path) -> Path | None:
    """Return the folder of the newest incident that has a report."""
    found = [one.parent for one in incidents.glob("*/report.html")]
    return max(found, key=lambda one: (one / "report.html").stat().st_mtime, default=None)


def copy_example(folder: Path, to: Path) -> None:
    """Copy a report to where others read it, without what is of this machine only."""
    to.mkdir(parents=True, exist_ok=True)
    for name in ("report.md", "report.html", "report.json"):
        text = (folder / name).read_text(encoding="utf-8").replace(f"{ROOT}/", "")
        for private in (str(ROOT), str(Path.home()) + "/", f"@{socket.gethostname()}"):
            if private in text:
                raise SystemExit(f"demo: {name} holds {private}, so it was not copied")
        (to / name).write_text(text, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--example", type=Path, metavar="FOLDER", help="copy the incident's report there")
    example: Path | None = parser.parse_args().example
    folder = ROOT / "artifacts" / f"demo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    incidents = folder / "incidents"
    SETTINGS[:] = ["-e", f"hotfix_incident_dir={incidents.relative_to(ROOT)}", "-e", "hotfix_operator=alice@laptop"]
    lifecycle.reset(("production",), "no_rate_limit")
    play("adopt")
    with load.running(*HOSTS, rate=RATE, sockets=SOCKETS) as users:
        play("proxy")
        managed = users.now()
        print(f"\n{BROKEN} is healthy, and cannot save notes. The checks find it before any user does:", flush=True)
        play("deploy", "-e", f"version={BROKEN}", "-e", "reason=demo", fails=True)
        caught = users.now()
        print("\nWithout any checks it goes live:", flush=True)
        play("deploy", "-e", f"version={BROKEN}", "-e", "reason=demo", "-e", '{"hotfix_checks": []}')
        deployed = users.now()
        time.sleep(5)
        began = users.now()
        tries = [s for s in users.samples if s.kind == load.WRITE and deployed <= s.start < began]
        unsaved = sum(not s.good for s in tries)
        print(f"\nUsers report that notes are not saved: {unsaved} of {len(tries)} tries with {BROKEN}.", flush=True)
        play(
            "rollback",
            # The deploy that the checks refused has a record of its own.
            *("-e", "incident=new", "-e", "reason='saving notes fails'", "-e", "title='Notes are not saved'"),
            *("-e", "severity=2", "-e", "criterion=broken_function"),
        )
        returned = users.now()
        time.sleep(load.ASSETS_LATER + 1)
    play("smoke_check")
    play(
        "incident",
        *("-e", f"root_cause='{BROKEN} cannot save notes: its backend answers every POST with 500.'"),
        *("-e", "prevent='Never deploy without checks'", "-e", "owner=bob", "-e", "due=2030-01-31"),
        *("-e", "tick=customers_told", "-e", "by=carol"),
    )
    play("incident", "-e", "state=resolved")
    served = users.first(GOOD, began)
    back = users.report(since=began, forgive=refused)
    whole = users.report(forgive=refused)
    seen_early = sum(s.version == BROKEN for s in users.samples if s.start < caught)
    after = [s for s in users.samples if s.kind == load.WRITE and s.start >= returned]
    rows = [
        ("the proxy comes under management: failed requests", failed(users.report(until=managed))),
        (f"deploy of {BROKEN}, with checks: answers by {BROKEN}", str(seen_early)),
        (f"deploy of {BROKEN}, with checks: failed requests", failed(users.report(managed, caught))),
        (f"deploy of {BROKEN}, without checks: failed requests", failed(users.report(caught, deployed, refused))),
        (f"{BROKEN} live: notes that it did not save", f"{unsaved} of {len(tries)}"),
        ("rollback: command to return, verified on both hosts", f"{returned - began:.1f} s"),
        (
            f"rollback: command until {GOOD} serves on both hosts",
            "never" if served is None else f"{served - began:.1f} s",
        ),
        ("rollback: failed requests", failed(back)),
        ("rollback: longest time without a good answer on a host", f"{back.longest_gap:.2f} s"),
        (f"{GOOD} again: notes not saved", f"{sum(not s.good for s in after)} of {len(after)}"),
        ("acknowledged notes that were lost", f"{len(whole.lost) + len(whole.unread)} of {whole.notes}"),
        ("WebSockets that were told to connect again, by two switches", str(whole.codes.get(1012, 0))),
        ("WebSockets that just broke", str(len(whole.dropped) - whole.codes.get(1012, 0))),
    ]
    users.save(folder / "samples.jsonl")
    (folder / "measured.json").write_text(json.dumps(dict(rows), indent=2) + "\n", encoding="utf-8")
    print(f"\nMeasured with {whole.requests} requests of users on {len(HOSTS)} hosts:\n")
    width = max(len(name) for name, _value in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    print(f"\nEvery request is in {folder.relative_to(ROOT)}/samples.jsonl")
    written = reports(incidents)
    if written is not None:
        print(f"The report of the incident is {written.relative_to(ROOT)}/report.html")
        if example is not None:
            copy_example(written, example)
    good = not whole.failed and not whole.lost and not whole.unread and not seen_early
    healed = bool(after) and all(s.good and s.version == GOOD for s in after)
    if not (good and healed and written is not None and served is not None and tries and unsaved == len(tries)):
        print(f"demo: the story did not go as it should: {whole.text()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
