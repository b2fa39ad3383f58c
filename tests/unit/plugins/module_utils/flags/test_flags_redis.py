# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Against a real redis-server on a loopback port."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.redis_hash import Server, talk

FLAG = "COLLABORATIVE_EDITING"
PASSWORD = "s3cret-redis-password"
READ = {"path": "/api/feature-flags", "result": "flags.{name}", "token": "s3cret-token-of-tests"}

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Server]:
    folder = tmp_path_factory.mktemp("redis")
    port = free_port()
    config = folder / "redis.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\nsave ''\ndir {folder}\nrequirepass {PASSWORD}\n"
        "user reader on >reader-password ~* +hgetall\n"
    )
    with subprocess.Popen(["redis-server", str(config)], stdout=subprocess.DEVNULL) as process:
        server = Server(("127.0.0.1", port), password=PASSWORD, timeout=2.0)
        for _attempt in range(100):
            try:
                talk(server, ("PING",))
                break
            except HotfixError:
                time.sleep(0.05)
        yield server
        process.terminate()


@pytest.fixture
def switch(fleet: t.Any, redis: Server) -> t.Callable[..., t.Any]:
    talk(redis, ("FLUSHALL",), ("HSET", "feature-flags", FLAG, "true"))

    def run(**changed: t.Any) -> t.Any:
        instances = {"services": ["backend"], "port": fleet.port, "token_header": "x-admin-token", **READ}
        given = {"provider": "redis", "url": f"redis://127.0.0.1:{redis.where[1]}/0", "token": PASSWORD}
        return fleet.switch(**{**given, "instances": instances, "wait": 0.5, "retries": 0, **changed})

    return run


class Follows(t.Dict[str, t.Any]):
    """The flags of an app that reads the hash whenever it is asked."""

    def __init__(self, redis: Server) -> None:
        super().__init__({FLAG: True, "NEW_EDITOR": False})
        self._redis = redis

    def items(self) -> t.Any:
        (flat,) = talk(self._redis, ("HGETALL", "feature-flags"))
        self.update({key: value == "true" for key, value in zip(flat[::2], flat[1::2])})
        return super().items()


def test_the_hash_is_set_and_every_instance_follows(fleet: t.Any, redis: Server, switch: t.Any) -> None:
    apps = [fleet.add(Follows(redis)), fleet.add(Follows(redis))]
    for app in apps:
        app.flags.items()
    found = {}
    import threading

    stop = threading.Event()

    def poll() -> None:
        while not stop.wait(0.02):
            for app in apps:
                app.flags.items()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        found = switch()
    finally:
        stop.set()
        thread.join()
    assert found["outcome"] == "done"
    assert talk(redis, ("HGET", "feature-flags", FLAG)) == ["false"]
    assert (found["store"]["before"], found["store"]["after"], found["attempts"]) == ("enabled", "disabled", 1)
    assert found["persistence"]["survives"] == "yes"
    assert "hash 'feature-flags'" in found["persistence"]["why"]
    assert all(app.writes() == 0 for app in apps)
    assert PASSWORD not in str(found)


def test_an_app_that_does_not_read_the_hash_is_found_out(fleet: t.Any, redis: Server, switch: t.Any) -> None:
    fleet.add()
    with pytest.raises(HotfixError, match=f"app-backend-1 .* still evaluates {FLAG} on"):
        switch()
    assert talk(redis, ("HGET", "feature-flags", FLAG)) == ["false"]
    fleet.on_restart = lambda _app: None
    with pytest.raises(HotfixError, match="although it was restarted") as error:
        switch(restart_stale=True)
    assert "the app does not take its flags from Redis" in error.value.next_step


def test_a_flag_that_only_the_app_lists_may_be_set(fleet: t.Any, redis: Server, switch: t.Any) -> None:
    fleet.add().flags["NEW_EDITOR"] = False
    assert switch(name="NEW_EDITOR")["outcome"] == "done"
    assert talk(redis, ("HGET", "feature-flags", "NEW_EDITOR")) == ["false"]


def test_an_unknown_name_is_not_created(fleet: t.Any, redis: Server, switch: t.Any) -> None:
    fleet.add()
    with pytest.raises(HotfixError, match="the closest known: COLLABORATIVE_EDITING"):
        switch(name="COLABORATIV_EDITING")
    assert talk(redis, ("HKEYS", "feature-flags")) == [[FLAG]]


@pytest.mark.parametrize(
    ("changed", "wanted", "code"),
    [
        ({"token": "wrong-password"}, "does not accept the password", "refused"),
        ({"token": None}, "wants a password, and none was given", "refused"),
        (
            {"token": "reader-password", "redis": {"username": "reader"}},
            "does not allow this user to do that",
            "refused",
        ),
        ({"redis": {"key": "text"}}, "is no hash", "failed"),
        ({"redis": {"service": "cache"}, "url": None}, "0 containers of cache run on this host", "bad_input"),
        ({"url": "redis://127.0.0.1:1"}, "refuses connections", "failed"),
        ({"url": "http://127.0.0.1"}, "is no URL of redis or rediss", "bad_input"),
        ({"url": "redis://127.0.0.1/flags"}, "names no database", "bad_input"),
        ({"instances": {"services": ["backend"], "port": 1}}, "It is not said how an instance is asked", "bad_input"),
    ],
)
def test_failures(fleet: t.Any, redis: Server, switch: t.Any, changed: t.Any, wanted: str, code: str) -> None:
    fleet.add()
    talk(redis, ("SET", "text", "x"))
    with pytest.raises(HotfixError) as error:
        switch(**changed)
    assert wanted in error.value.what
    assert error.value.code == code
    for secret in (PASSWORD, "wrong-password", "reader-password"):
        assert secret not in str(error.value)


def test_tls_of_another_name_and_none(
    fleet: t.Any, redis: Server, switch: t.Any, tmp_path: Path, certificate: Path
) -> None:
    fleet.add()
    port = free_port()
    command = ["redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    command += ["--tls-cert-file", str(certificate / "cert.pem"), "--tls-key-file", str(certificate / "key.pem")]
    command += ["--tls-ca-cert-file", str(certificate / "cert.pem"), "--tls-auth-clients", "no", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            given = {
                "address": f"127.0.0.1:{port}",
                "ca_file": str(certificate / "cert.pem"),
                "token": None,
                "retries": 6,
            }
            # No flag is in it; the app's own list makes the name known.
            with pytest.raises(HotfixError, match=f"still evaluates {FLAG} on"):
                switch(url=f"rediss://app.example.com:{port}", **given)
            with pytest.raises(HotfixError, match="has a certificate of another name"):
                switch(url=f"rediss://other.example.com:{port}", **given)
            with pytest.raises(HotfixError, match="Redis at"):
                switch(url=f"redis://app.example.com:{port}", **{**given, "retries": 0})
        finally:
            process.terminate()


def test_a_web_server_is_no_redis(fleet: t.Any, switch: t.Any) -> None:
    app = fleet.add()
    with pytest.raises(HotfixError, match="does not speak Redis' protocol"):
        switch(url=f"redis://127.0.0.2:{app.server_address[1]}")


def test_the_container_of_the_project_is_found(fleet: t.Any, redis: Server, switch: t.Any) -> None:
    app = fleet.add()
    app.flags[FLAG] = False
    entry = fleet.runner.add("redis")
    entry["NetworkSettings"] = {"Networks": {"app_default": {"IPAddress": "127.0.0.1"}}}
    talk(redis, ("HSET", "feature-flags", FLAG, "false"))
    found = switch(url=None, redis={"port": redis.where[1]})
    assert found["outcome"] == "unchanged"
    assert found["store"]["name"] == f"Redis at 127.0.0.1:{redis.where[1]}, hash 'feature-flags'"
    # One look for store and instances, and one whether others came.
    assert sorted(words[0] for words in fleet.runner.calls) == ["inspect", "inspect", "ps", "ps"]
