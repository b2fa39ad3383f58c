# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of the sandbox's hosts: merged by time, followed without a gap, and no secret among them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox import config as sandbox_config
from sandbox import faults, https
from tests.integration.driver import Host, Played, play

_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (\S+) (\S+) \| (.*)$")


def result(played: Played) -> dict[str, Any]:
    """Return what the last task told."""
    text = played.raw[played.raw.rindex("TASK [") :]
    begin = text.index("{")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text[begin:])[0]
    return found


def lines(played: Played) -> list[tuple[str, ...]]:
    matches = [_LINE.match(line) for line in str(result(played)["msg"]).splitlines()]
    return [match.groups() for match in matches if match]


def test_the_last_lines_are_merged_by_time_and_what_came_since_is_told_once(managed: Host) -> None:
    item = sandbox_config.host(managed.name)
    https.app(item, "/before")
    # Only a container knows this secret; it is written where an app would write it.
    write = 'echo "leaked: $ADMIN_TOKEN" >/proc/1/fd/2'
    faults.nested_docker(managed.name, "exec", faults.containers(managed.name, "backend")[0], "sh", "-c", write)
    first = play("logs", "-l", "staging", "-e", "services=backend,nginx", "-e", "lines=6")
    assert first.code == 0, first.raw
    told = lines(first)
    assert len(told) == 6
    assert [line[0] for line in told] == sorted(line[0] for line in told)
    assert {line[1] for line in told} == {managed.name}
    assert any("GET /before" in line[3] for line in told)
    assert any(line[3] == "leaked: ********" for line in told)
    newest = result(first)["newest"][managed.name]
    https.app(item, "/after")
    second = play("logs", "-l", "staging", "-e", "services=nginx", "-e", f"since={newest}")
    assert [line[3].split('"')[1] for line in lines(second)] == ["GET /after HTTP/1.1"]


def test_an_unknown_service_lists_the_known_ones_and_silence_is_told(managed: Host) -> None:
    unknown = play("logs", "-l", "staging", "-e", "services=backend,bakend")
    assert unknown.code == 2
    assert "Unknown service bakend. Known are: backend, frontend, hocuspocus, nginx, postgres, redis." in unknown.text
    silent = play("logs", "-l", "staging", "-e", "services=redis", "-e", "since=1s")
    assert silent.code == 0, silent.raw
    assert f"redis: no line on {managed.name}" in silent.text


@pytest.mark.slow
def test_two_hosts_in_one_order_and_one_that_is_away(production: list[Host]) -> None:
    for host in production:
        https.app(sandbox_config.host(host.name), f"/asked-{host.name}")
    both = lines(play("logs", "-l", "production", "-e", "services=nginx", "-e", "lines=50"))
    assert {line[1] for line in both} == {"prod1", "prod2"}
    assert [line[0] for line in both] == sorted(line[0] for line in both)
    with faults.ssh_cut("prod2"):
        given = json.dumps({"ansible_ssh_args": "-o ControlPath=none", "ansible_ssh_timeout": 3})
        partly = play("logs", "-l", "production", "-e", "services=nginx", "-e", given)
    assert partly.code == 2
    assert "prod2: nothing could be read" in partly.text
    assert {line[1] for line in lines(partly)} == {"prod1"}
