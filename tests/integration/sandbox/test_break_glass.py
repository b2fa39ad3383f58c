# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of docs/break-glass.md is typed on a host, exactly as it stands there, over plain SSH."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable

import pytest

from sandbox import faults
from tests.integration.driver import APP, ROOT, UNCHECKED, Host, fresh, play

PAGE = (ROOT / "docs/break-glass.md").read_text(encoding="utf-8")
SSH = ["ssh", "-F", str(ROOT / ".sandbox/ssh/config")]
NOTE = "SELECT count(*) FROM notes WHERE title = '{}'"


class ByHand:
    """Types the blocks of the page on a host, in their order, and counts that none is left out."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.blocks: dict[str, list[str]] = {}
        for section in re.split(r"^## ", PAGE, flags=re.M)[1:]:
            title, _newline, text = section.partition("\n")
            self.blocks[title] = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.M | re.S)

    def type_next(self, section: str) -> str:
        """Type the next block of a section; every command of it must be known, and the last must work."""
        block = self.blocks[section].pop(0)
        done = subprocess.run(
            [*SSH, self.host.name, "sh", "-s"],
            input=block,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert done.returncode == 0, (section, block, done.stdout)
        assert "not found" not in done.stdout, (block, done.stdout)
        return done.stdout

    def left(self) -> list[str]:
        return [section for section, blocks in self.blocks.items() if blocks]


def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.3)


def version(host: Host) -> str:
    return host.served()[0]


def psql(host: Host, sql: str) -> str:
    return host.docker("exec", "notes-postgres", "psql", "-U", "notes", "-d", "notes", "-Atc", sql).strip()


def running(host: Host, *labels: str) -> list[str]:
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    return host.docker("ps", "-q", *filters).split()


@pytest.mark.slow
def test_the_page_does_what_it_says() -> None:
    (host,) = fresh("staging1")
    for book, more in (("adopt", []), ("proxy", []), ("deploy", ["-e", "version=v6", "-e", "confirm=later"])):
        done = play(book, "-l", "staging", *more, "-e", "backup_skip_reason=test", *UNCHECKED)
        assert done.code == 0, done.raw
    old, new = host.run("ls", f"{APP}/releases").split()
    page = ByHand(host)

    said = page.type_next("Where are we")
    assert f"current:    {new}" in said and "switches back at" in said and f"from {new} to {old}" in said
    said = page.type_next("Where are we")
    assert new in said and "blue" in said and '"armed": true' in said

    page.type_next("Keep a release that would be left")
    wait(lambda: "--at-deadline" not in host.run("ps", "axww", "-o", "args"))
    assert version(host) == "v6"

    said = page.type_next("Go back")
    assert f"Switched back from {new} to {old}." in said
    assert version(host) == "v1"

    page.type_next("Turn the proxy by hand")
    wait(lambda: version(host) == "v6")
    page.type_next("Turn the proxy by hand")
    assert host.current()["id"] == new

    page.type_next("Stop a slot that nobody needs")
    in_own = "com.docker.compose.project=notes"
    assert running(host, in_own, "com.docker.compose.service=backend") == []
    assert version(host) == "v6"

    page.type_next("Start a release by hand")
    page.type_next("Start a release by hand")
    wait(lambda: version(host) == "v1")
    page.type_next("Start a release by hand")
    assert host.current()["id"] == old

    holder = subprocess.Popen([*SSH, host.name, "flock", f"{APP}/lock", "sleep", "300"], stdin=subprocess.DEVNULL)
    try:
        wait(lambda: faults.on_host(host.name, "flock", "-n", f"{APP}/lock", "echo", "free", check=False) == "")
        assert "flock" in page.type_next("A run that hangs")
        page.type_next("A run that hangs")
        wait(lambda: "free" in faults.on_host(host.name, "flock", "-n", f"{APP}/lock", "echo", "free", check=False))
    finally:
        holder.kill()
        holder.wait()

    page.type_next("The disk is full")
    assert version(host) == "v1"

    psql(host, "INSERT INTO notes (id, title, content) SELECT 'kept', 'kept', ''")
    page.type_next("Restore the database")
    assert "is whole" in page.type_next("Restore the database")
    psql(host, "INSERT INTO notes (id, title, content) SELECT 'lost', 'lost', ''")
    page.type_next("Restore the database")
    page.type_next("Restore the database")
    assert (psql(host, NOTE.format("kept")), psql(host, NOTE.format("lost"))) == ("1", "0")
    wait(lambda: host.served() == ("v1", True))

    page.type_next("Take nginx out of management")
    assert version(host) == "v1"
    assert "nginx/hotfix" not in host.run("cat", f"{APP}/nginx/nginx.conf", f"{APP}/docker-compose.yml")

    assert page.left() == []
    # And the engine makes sense of what was done by hand.
    done = play("release_info", "-l", "staging")
    assert done.code == 0, done.raw
    done = play("rollback", "-l", "staging", "-e", f"release={new}", "-e", "schema_ignored_reason=test", *UNCHECKED)
    assert done.code == 0, done.raw
    assert version(host) == "v6"
