# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at on a host: all in one pass, each part with its reason where it was not seen, and no secret."""

from __future__ import annotations

import json
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose import cache, database, on_host, system
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError

PASSWORD = "s3cret-password"
DATABASE = {"service": "postgres", "name": "notes", "user": "notes"}
DECLARED: t.Dict[str, t.Any] = {"type": "postgresql", "host": None, **DATABASE}
INFO = (
    "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:9\r\n"
    "# Clients\r\nconnected_clients:3\r\nmaxclients:10000\r\n"
    "# Memory\r\nused_memory:1048576\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nrdb_last_bgsave_status:ok\r\n"
)


@pytest.fixture
def given(params: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    more = {"timeout": 5.0, "minutes": 5.0, "lines": 3, "log_services": [], "redis": None, "redis_password": None}
    return {**params, **more, "websocket_services": []}


@pytest.fixture
def engine(runner: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Any:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    runner.add("backend", env=[f"DB_PASSWORD={PASSWORD}"], said=f"cannot log in with {PASSWORD}", health="unhealthy")
    runner.answers[("info",)] = (0, json.dumps({"ServerVersion": "26.1.5", "DockerRootDir": "/away"}), "")
    stats = {"Name": "app-backend-1", "CPUPerc": "1%", "MemPerc": "2%", "MemUsage": "7MiB / 1GiB"}
    runner.answers[("stats",)] = (0, json.dumps(stats), "")
    return runner


def parts(given: t.Dict[str, t.Any], engine: t.Any, **more: t.Any) -> t.Dict[str, t.Any]:
    found: t.Dict[str, t.Any] = on_host.look({**given, **more}, engine)["parts"]
    return found


def test_all_is_there_and_what_is_not_declared_says_so(given: t.Dict[str, t.Any], engine: t.Any) -> None:
    found = parts(given, engine)
    assert found["engine"]["found"]["version"] == "26.1.5"
    assert found["system"]["found"]["cpus"] > 0
    (one,) = found["containers"]["found"]["containers"]
    assert (one["service"], one["health"], one["reached"]) == ("backend", "unhealthy", True)
    assert found["usage"]["found"]["containers"][0]["memory_bytes"] == 7 * 1024 * 1024
    reasons = {name: one["why"] for name, one in found.items() if one["status"] == "skipped"}
    assert reasons["database"] == "hotfix_database says that there is none."
    assert reasons["health"] == "hotfix_health is not set."
    assert reasons["requests"] == "hotfix_proxy_service is not set."
    assert "diagnose_redis names none" in reasons["redis"]
    # Whoever asks for the containers gets those that the first one got.
    assert len([words for words in engine.calls if words[0] == "ps"]) == 1


def test_no_secret_of_the_app_is_shown(given: t.Dict[str, t.Any], engine: t.Any) -> None:
    (Path(given["app_dir"]) / ".env").write_text("ADMIN_TOKEN=s3cret-of-the-file\n")
    engine.answers[("info",)] = (1, "", "it says s3cret-of-the-file")
    found = parts(given, engine)
    assert "********" in found["engine"]["why"]
    assert PASSWORD not in json.dumps(found)
    assert "s3cret-of-the-file" not in json.dumps(found)


def test_an_engine_that_hangs_holds_up_nothing_else(given: t.Dict[str, t.Any], engine: t.Any) -> None:
    end = threading.Event()

    def hangs(_arguments: t.Sequence[str], *, timeout: float, **_more: t.Any) -> t.Tuple[int, str, str]:
        end.wait(timeout)
        return 124, "", ""

    began = time.monotonic()
    found = on_host.look({**given, "timeout": 2.5}, t.cast(t.Any, hangs))["parts"]
    end.set()
    assert time.monotonic() - began < 8
    assert found["system"]["status"] == "seen"
    assert found["containers"]["status"] == found["engine"]["status"] == "unseen"
    assert "did not end" in found["containers"]["why"]


@pytest.mark.parametrize(
    ("name", "value"), [("timeout", 0.5), ("minutes", 0), ("lines", -1), ("redis", {"port": 70000}), ("services", {})]
)
def test_settings_that_cannot_be_right_are_refused(
    given: t.Dict[str, t.Any], engine: t.Any, name: str, value: t.Any
) -> None:
    with pytest.raises(BadInputError):
        on_host.look({**given, name: value}, engine)
    assert engine.calls == []


class TestDatabase:
    ROWS = (
        ("server", "17.2 (Debian)", "100", "3", "f", "9", "0"),
        ("state", "active", "2"),
        ("state", "idle", "7"),
        ("client", "172.18.0.3", "6"),
        ("client", "172.18.0.4", "2"),
        ("client", "inside", "1"),
        ("session", "41", "active", "61.5", "61.5", "172.18.0.3", "42", "UPDATE n SET title = 's3cret' WHERE id = 7"),
        ("session", "42", "idle in transaction", "90.0", "99.0", "172.18.0.4", "", "SELECT $$s3cret$$"),
    )  # fmt: skip

    def test_who_holds_connections_and_who_waits_for_whom(self) -> None:
        found = database.read(self.ROWS, {"172.18.0.3": "backend", "172.18.0.4": "backend"})
        assert (found["version"], found["connections"], found["max_connections"]) == ("17.2", 9, 100)
        assert found["clients"] == {"backend": 8, "inside": 1}
        assert found["states"] == {"active": 2, "idle": 7}
        waiting, holder = found["sessions"]
        assert (waiting["blocked_by"], waiting["seconds"], waiting["client"]) == ([42], 61.5, "backend")
        assert holder["state"] == "idle in transaction"
        assert waiting["query"] == "UPDATE n SET title = ? WHERE id = 7"
        assert "s3cret" not in json.dumps(found)

    @pytest.mark.parametrize(
        ("said", "full"),
        [
            ("FATAL:  sorry, too many clients already", True),
            ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", True),
            ('FATAL:  role "notes" does not exist', False),
        ],
    )
    def test_a_server_that_lets_nobody_in_was_seen(
        self, given: t.Dict[str, t.Any], engine: t.Any, said: str, full: bool
    ) -> None:
        engine.add("postgres")
        engine.answers[("exec",)] = (2, "", said)
        found = parts(given, engine, database=DECLARED)["database"]
        assert found["status"] == "seen"
        assert (found["found"]["answers"], found["found"]["runs"], found["found"]["full"]) == (False, True, full)
        # A server that hangs is left after some seconds, so that nothing stays behind in its container.
        (asked,) = [words for words in engine.calls if words[0] == "exec"]
        assert f"PGCONNECT_TIMEOUT={database.CONNECT}" in asked

    def test_one_that_says_nothing_was_not_seen(self, given: t.Dict[str, t.Any], engine: t.Any) -> None:
        engine.add("postgres")
        engine.answers[("exec",)] = (124, "", "")
        assert parts(given, engine, database=DECLARED)["database"]["status"] == "unseen"

    def test_one_that_does_not_run_is_told(self, given: t.Dict[str, t.Any], engine: t.Any) -> None:
        engine.add("postgres", status="exited")
        found = parts(given, engine, database=DECLARED)["database"]["found"]
        assert (found["answers"], found["runs"]) == (False, False)
        assert found["says"] == "it does not run: app-postgres-2 is exited"


class TestRedis:
    def test_the_service_is_found_by_its_image_and_the_password_goes_by_stdin(
        self, given: t.Dict[str, t.Any], engine: t.Any
    ) -> None:
        engine.add("store")["Config"]["Image"] = "docker.io/valkey/valkey:8-alpine"
        engine.answers[("exec",)] = (0, INFO, "")
        found = parts(given, engine, redis_password=PASSWORD)["redis"]["found"]
        assert (found["service"], found["used_memory"], found["connected_clients"]) == ("store", 1048576, 3)
        (number,) = [index for index, words in enumerate(engine.calls) if words[0] == "exec"]
        assert engine.stdin[number] == f"{PASSWORD}\n"
        assert PASSWORD not in " ".join(engine.calls[number])

    @pytest.mark.parametrize("image", ["redis:7", "registry.example.com/cache/notes-redis:1", "bitnami/redis@sha256:1"])
    def test_images_that_are_called_so(self, engine: t.Any, image: str) -> None:
        assert cache._IMAGE.search(image)
        assert not cache._IMAGE.search("registry.example.com/predistribute:1")
        assert engine.calls == []

    def test_a_password_that_is_missing_is_no_answer_and_no_failure_of_it(
        self, given: t.Dict[str, t.Any], engine: t.Any
    ) -> None:
        engine.add("redis")
        engine.answers[("exec",)] = (0, "NOAUTH Authentication required.\n", "")
        found = parts(given, engine, redis={"service": "redis"})["redis"]
        assert found["status"] == "unseen"
        assert found["next"] == "set diagnose_redis.password."

    def test_one_that_refuses_was_seen(self, given: t.Dict[str, t.Any], engine: t.Any) -> None:
        engine.add("redis")
        said = "Could not connect to Redis at 127.0.0.1:6379: Connection refused"
        engine.answers[("exec",)] = (1, "", said)
        found = parts(given, engine, redis={"service": "redis"})["redis"]["found"]
        assert (found["answers"], found["says"]) == (False, said)

    def test_an_image_without_its_client_could_not_be_looked_at(self, given: t.Dict[str, t.Any], engine: t.Any) -> None:
        engine.add("redis")
        engine.answers[("exec",)] = (127, "", "there is no redis-cli in its container")
        assert "no redis-cli" in parts(given, engine, redis={"service": "redis"})["redis"]["why"]

    def test_what_is_no_info_is_told(self) -> None:
        assert cache.read("-ERR unknown\n", "redis") == {"answers": False, "says": "-ERR unknown"}
        with pytest.raises(HotfixError):
            cache.read("WRONGPASS invalid username-password pair\n", "redis")


def test_a_disk_with_several_folders_is_told_once(tmp_path: Path) -> None:
    (found,) = system.disks([str(tmp_path), str(tmp_path.parent), "/no-such-folder"])
    assert found["folders"] == [str(tmp_path), str(tmp_path.parent)]
    assert 0 < found["free"] <= found["size"]


def test_ends_of_containers_are_counted_with_their_reason(given: t.Dict[str, t.Any], engine: t.Any) -> None:
    name = engine.containers[0]["Id"]
    told = [("die", {"exitCode": "3"}), ("die", {"exitCode": "137"}), ("oom", {})]
    events = [{"Action": what, "Actor": {"ID": name, "Attributes": more}} for what, more in told]
    engine.answers[("events",)] = (0, "".join(json.dumps(one) + "\n" for one in events), "")
    found = parts(given, engine)["ends"]["found"]
    assert (found["ended"], found["oom"], found["codes"]) == ({name[:12]: 2}, {name[:12]: 1}, {name[:12]: 137})
