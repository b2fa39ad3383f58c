# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill switch through a real Unleash server, for two containers that ask it for their flags every half second."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import lifecycle, unleash
from tests.integration.driver import Host, Played, play

pytestmark = pytest.mark.slow

FLAG = "collaborative-editing"
SERVICE = "evaluator"
# What a client of Unleash is: it asks for all flags now and then, and answers from memory.
CLIENT = """
import http.server, json, os, threading, time, urllib.request

flags = {}

def poll():
    while True:
        request = urllib.request.Request(os.environ["UNLEASH_URL"] + "/api/client/features",
                                         headers={"Authorization": os.environ["UNLEASH_TOKEN"]})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                features = json.load(answer)["features"]
            flags.update({one["name"]: bool(one["enabled"]) for one in features})
        except OSError as error:
            print(error, flush=True)
        time.sleep(float(os.environ["POLL"]))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"flags": flags}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

threading.Thread(target=poll, daemon=True).start()
http.server.ThreadingHTTPServer(("", 9000), Handler).serve_forever()
"""


def start(host: Host, number: int, poll: float = 0.5) -> None:
    image = host.docker("inspect", "--format", "{{.Image}}", "notes-backend-1")
    host.docker(
        *("run", "--detach", f"--name=notes-{SERVICE}-{number}", "--network=notes_notes"),
        *("--label=com.docker.compose.project=notes", f"--label=com.docker.compose.service={SERVICE}"),
        *("--label=com.docker.compose.oneoff=False", f"--env=UNLEASH_URL=http://{unleash.NAME}:{unleash.PORT}"),
        *(f"--env=UNLEASH_TOKEN={unleash.client_token()}", f"--env=POLL={poll}"),
        *("--entrypoint=python3", image, "-c", CLIENT),
    )


def evaluated(host: Host) -> set[Any]:
    """What every container answers, asked by its own address."""
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    ids = host.docker("ps", "-q", "--filter", f"label=com.docker.compose.service={SERVICE}").split()
    found = set()
    for address in host.docker("inspect", "--format", template, *ids).split():
        found.add(json.loads(host.run("curl", "-sf", "-m", "5", f"http://{address}:9000/"))["flags"].get(FLAG))
    return found


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    lifecycle.reset(("staging1",))
    unleash.up()
    try:
        found = Host("staging1")
        for number in (1, 2):
            start(found, number)
        yield found
        found.docker("rm", "--force", *(f"notes-{SERVICE}-{number}" for number in (1, 2)))
    finally:
        unleash.down()


@pytest.fixture
def flag(host: Host) -> None:
    """The flag is there, and on."""
    path = "/api/admin/projects/default/features"
    unleash.ask("POST", path, {"name": FLAG, "type": "kill-switch"})
    assert unleash.ask("POST", f"{path}/{FLAG}/environments/production/on", {})[0] == 200
    for _attempt in range(50):
        if evaluated(host) == {True}:
            return
        time.sleep(0.2)
    raise AssertionError("the clients do not follow Unleash")


def switch(tmp_path: Path, *arguments: str, name: str = FLAG, **changed: Any) -> Played:
    variables = {
        "flag": name,
        "enabled": False,
        "feature_flag_provider": "unleash",
        "feature_flag_url": f"http://{unleash.NAME}:{unleash.PORT}",
        "feature_flag_token": unleash.admin_token(),
        "feature_flag_instances": {"services": [SERVICE], "port": 9000, "path": "/", "result": "flags.{name}"},
        **changed,
    }
    # By a file: what stands on the command line is for all to see.
    given = tmp_path / "variables.json"
    given.write_text(json.dumps(variables))
    done = play("feature_flag", "-l", "staging", "-e", f"@{given}", *arguments)
    assert variables["feature_flag_token"] not in done.raw
    return done


@pytest.mark.usefixtures("flag")
def test_off_in_unleash_and_on_every_client(host: Host, tmp_path: Path) -> None:
    done = switch(tmp_path, "-vvv", "--diff")
    assert done.code == 0, done.raw
    assert evaluated(host) == {False}
    # The clients follow the server, which a restart of theirs does not touch.
    assert "is unknown" not in done.text
    again = switch(tmp_path)
    assert again.code == 0, again.raw
    assert "changed=0" in again.text


@pytest.mark.usefixtures("flag")
def test_a_misspelt_name_creates_nothing(host: Host, tmp_path: Path) -> None:
    done = switch(tmp_path, name="colaborative-editing")
    assert done.code != 0
    assert f"the closest known: {FLAG}" in done.text
    features = unleash.ask("GET", "/api/admin/projects/default/features")[1]["features"]
    assert [one["name"] for one in features] == [FLAG]


@pytest.mark.usefixtures("flag")
@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"feature_flag_token": "*:*.wrong-token"}, "does not accept the token (401)"),
        ({"feature_flag_token": "CLIENT"}, "knows the token but does not allow this (403)"),
        (
            {"feature_flag_unleash": {"environment": "prod"}},
            "has no environment 'prod' in 'default', but: development, production",
        ),
        ({"feature_flag_unleash": {"project": "other"}}, "There is no flag|has nothing there"),
        (
            {"feature_flag_url": f"http://{unleash.NAME}:{unleash.PORT}/ui"},
            "HTML page instead of JSON|has nothing there",
        ),
        ({"feature_flag_url": f"http://{unleash.NAME}:1"}, "refuses connections"),
    ],
)
def test_failures(host: Host, tmp_path: Path, changed: dict[str, Any], wanted: str) -> None:
    if changed.get("feature_flag_token") == "CLIENT":
        changed = {"feature_flag_token": unleash.client_token()}
    done = switch(tmp_path, "-vvv", **changed)
    assert done.code != 0
    assert any(words in done.text for words in wanted.split("|")), done.raw
    assert evaluated(host) == {True}


@pytest.mark.usefixtures("flag")
def test_a_client_that_sleeps_is_named_and_restarted_where_that_is_allowed(host: Host, tmp_path: Path) -> None:
    start(host, 3, poll=3600)
    try:
        time.sleep(1.0)
        done = switch(tmp_path, feature_flag_wait=2)
        assert done.code != 0
        assert f"notes-{SERVICE}-3" in done.text
        assert f"still evaluates {FLAG} on" in done.text
        mended = switch(tmp_path, "-e", "restart_stale=true", feature_flag_wait=5)
        assert mended.code == 0, mended.raw
        assert evaluated(host) == {False}
    finally:
        host.docker("rm", "--force", f"notes-{SERVICE}-3")
