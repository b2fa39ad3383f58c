# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The admin token, used for reading at an instance that is a real HTTP server."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import (
    PROJECT_LABEL,
    SERVICE_LABEL,
    Docker,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.setup import flag_options, world_from
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.flags import judge

TOKEN = "s3cret-token-of-tests"


class Instance(http.server.ThreadingHTTPServer):
    daemon_threads = True
    #: Whether it answers those who have no token.
    open_to_all = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.methods: t.List[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = t.cast(Instance, self.server)
        server.methods.append(self.command)
        good = server.open_to_all or self.headers.get("x-admin-token") == TOKEN
        body = json.dumps({"flags": {"SHARING": True}} if good else {"error": "no"}).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@pytest.fixture
def instance() -> t.Iterator[Instance]:
    server = Instance()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def world(instance: Instance, runner: t.Any, tmp_path: Path) -> t.Callable[..., t.Any]:
    runner.containers.append(
        {
            "Id": "1234567890abcdef",
            "Name": "/app-web-1",
            "Image": "sha256:v1",
            "Config": {"Labels": {SERVICE_LABEL: "web", PROJECT_LABEL: "app"}},
            "State": {"Status": "running", "StartedAt": "2026-01-01T00:00:00.1Z"},
            "NetworkSettings": {"Networks": {"host": {}}},
        }
    )

    def make(token: t.Optional[str], **more: t.Any) -> t.Any:
        options = {name: option.get("default") for name, option in flag_options().items()}
        instances = {"services": ["web"], "port": instance.server_address[1], **more}
        given = {"app_dir": str(tmp_path), "project": "app", "token": token, "instances": instances}
        return world_from({**options, **given}, Docker(runner), Clock())

    return make


def test_a_token_that_is_taken_where_none_is_refused_is_proven(instance: Instance, world: t.Any) -> None:
    found = judge(world(TOKEN))
    assert (found.status, found.says) == ("passed", "1 instances take it, and refuse who has none.")
    assert set(instance.methods) == {"GET"}


@pytest.mark.parametrize("token", ["another-token", None])
def test_a_wrong_token_and_none_are_told_and_not_shown(world: t.Any, token: t.Optional[str]) -> None:
    with pytest.raises(HotfixError) as caught:
        judge(world(token))
    assert "401" in caught.value.what
    assert "another-token" not in str(caught.value)


def test_an_instance_that_answers_anybody_proves_nothing(instance: Instance, world: t.Any) -> None:
    instance.open_to_all = True
    found = judge(world("another-token"))
    assert (found.status, "without a token too" in found.says) == ("warning", True)
    assert judge(world(None)).status == "passed"


def test_instances_that_are_asked_flag_by_flag_are_left_out_with_the_reason(world: t.Any) -> None:
    found = judge(world(TOKEN, path="/flags/{name}", result="enabled"))
    assert (found.status, "flag by flag" in found.says) == ("skipped", True)
