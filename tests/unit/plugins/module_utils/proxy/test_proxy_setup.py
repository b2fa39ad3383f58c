# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A running nginx is brought under management, wherever that is broken off, or everything is as it was."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _health, _nginx, _proxy, _proxy_setup
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

RUN = Run("run1", "ann@laptop", "", False)
CONFIG = """\
http {
    server {
        proxy_set_header Host $host;
        location / {
            proxy_pass http://backend:8081;
        }
    }
}
"""
COMPOSE = """\
services:
  backend:
    image: registry.example.com/backend:v1
    environment:
      TOKEN: in-the-compose-file
  nginx:
    image: nginx
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - ./certs:/etc/nginx/certs:ro
"""


class KilledError(BaseException):
    """The process is no more."""


class World:
    """An app folder, Compose and one nginx that loads what it sees."""

    def __init__(self, runner: t.Any, app_dir: Path) -> None:
        self.runner, self.app_dir = runner, app_dir
        self.copied: t.Dict[str, str] = {}
        self.loaded: t.List[str] = []
        self.test = 0
        self.source = str(app_dir / "nginx.conf")
        self.read_only = False
        self.seen: t.Optional[str] = None
        self.others = ""
        #: How many more commands that change something are run before the process is killed.
        self.left: t.Optional[int] = None
        (app_dir / "docker-compose.yml").write_text(COMPOSE)
        (app_dir / "nginx.conf").write_text(CONFIG)
        (app_dir / ".env").write_text("")
        runner.add("backend")
        self.proxy = runner.add("nginx")
        runner.answers[("compose",)] = self._compose
        runner.answers[("exec",)] = self._exec
        runner.answers[("cp",)] = self._copy
        runner.answers[("inspect", "--type", "container", "--format")] = self._mounts

    def config(self) -> str:
        return (self.app_dir / "nginx.conf").read_text()

    def compose(self) -> str:
        return (self.app_dir / "docker-compose.yml").read_text()

    def _act(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise KilledError
            self.left -= 1

    def _compose(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        file = words[list(words).index("--file") + 1]
        text = self.runner.stdin[-1] if file == "-" else Path(file).read_text()
        model = yaml.safe_load(text)
        for service in model["services"].values():
            parts = [entry.split(":") for entry in service.get("volumes", [])]
            if parts:
                service["volumes"] = [
                    {"type": "bind", "source": os.path.join(str(self.app_dir), a), "target": b} for a, b, _mode in parts
                ]
        return 0, json.dumps(model), ""

    def _mounts(self, _words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        mounts = [{"Type": "bind", "Destination": "/etc/nginx/nginx.conf", "Source": self.source}]
        return 0, json.dumps({"mounts": mounts, "read_only": self.read_only}), ""

    def _exec(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        if words[2:] == ("nginx", "-T"):
            text = self.config() if self.seen is None else self.seen
            return 0, f"# configuration file /etc/nginx/nginx.conf:\n{text}\n{self.others}", ""
        self._act()
        if words[2:] == ("nginx", "-t"):
            return 0, "", ""
        if words[2] == "sh":
            if self.copied.get(words[1]) != words[7]:
                return 0, "hotfix:stale", ""
            if self.test:
                return 0, "nginx: [emerg] no\n\nhotfix:refused\n", ""
        self.loaded.append(self.config())
        return 0, "\nhotfix:reloaded\n", ""

    def _copy(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        self._act()
        live = self.app_dir / "proxy" / "live" / "id"
        self.copied[words[2].partition(":")[0]] = live.read_text().strip()
        return 0, "", ""


@pytest.fixture
def world(runner: t.Any, tmp_path: Path) -> World:
    return World(runner, tmp_path)


@pytest.fixture
def host(world: World, make_host: t.Callable[..., Host], make: t.Any) -> Host:
    make("v1", "preparing", "prepared", "live", "confirmed", by="adopt")
    return make_host(proxy_service="nginx")


def changed(host: Host) -> t.Set[str]:
    """Return the files of the app but for what every run writes."""
    own = ("lease.json", "lease.lock", "lock", "journal.jsonl", "reserve")
    names = (str(path.relative_to(host.app.app_dir)) for path in host.app.app_dir.rglob("*"))
    return {name for name in names if name not in own and not name.startswith(("releases", "current"))}


def test_a_plan_shows_both_files_and_changes_nothing(host: Host, world: World) -> None:
    before = changed(host)
    plan = _proxy_setup.check(host)
    assert plan["changed"] and plan["outcome"] == "planned"
    config, compose = (one["prepared"] for one in plan["diff"])
    assert "+            proxy_pass http://backend-8081;" in config
    assert compose.splitlines()[-1] == "+      - ./proxy:/etc/nginx/hotfix:ro"
    assert "in-the-compose-file" not in compose
    assert changed(host) == before
    assert (world.config(), world.compose()) == (CONFIG, COMPOSE)
    assert not (host.app.app_dir / "lease.json").exists()


def test_it_is_done_once(host: Host, world: World) -> None:
    inode = (host.app.app_dir / "nginx.conf").stat().st_ino
    done = _proxy_setup.manage(host, RUN)
    assert (done["changed"], done["outcome"]) == (True, "done")
    assert "proxy_pass http://backend-8081;" in world.config()
    assert (host.app.app_dir / "nginx.conf").stat().st_ino == inode, "a mounted file has to stay the same file"
    assert world.compose() == COMPOSE + "      - ./proxy:/etc/nginx/hotfix:ro\n"
    assert world.loaded[-1] == world.config()
    assert (host.app.app_dir / "nginx.conf.before-hotfix").read_text() == CONFIG
    assert (host.app.app_dir / "docker-compose.yml.before-hotfix").read_text() == COMPOSE
    assert _proxy.live_slot(host) == "own"
    assert [step["step"] for step in done["steps"]] == ["prepare_proxy", "mount_proxy", "configure_proxy"]
    assert _proxy.problems(host) == []
    again = _proxy_setup.manage(host, Run("run2", "bob@laptop", "", False))
    assert (again["changed"], again["outcome"], again["steps"]) == (False, "unchanged", [])
    assert _proxy_setup.check(host)["changed"] is False


def test_assets_that_are_declared_later(host: Host, world: World, make_host: t.Callable[..., Host]) -> None:
    _proxy_setup.manage(host, RUN)
    later = make_host(proxy_service="nginx", assets={"path": "/assets/", "service": "backend", "port": 8081})
    assert _proxy_setup.manage(later, RUN)["changed"] is True
    assert "location /assets/ {" in world.config()
    assert (host.app.app_dir / "nginx.conf.before-hotfix").read_text() == CONFIG
    assert _proxy_setup.manage(host, RUN)["changed"] is True
    assert "location /assets/ {" not in world.config()


def test_a_refusal_puts_everything_back(host: Host, world: World) -> None:
    world.test = 1
    with pytest.raises(HotfixError) as caught:
        _proxy_setup.manage(host, RUN)
    assert "refused 'nginx -t': nginx: [emerg] no." in caught.value.what
    assert caught.value.left == "The proxy runs with its former configuration."
    assert caught.value.steps[-1]["outcome"] == "failed"
    assert (world.config(), world.compose()) == (CONFIG, COMPOSE)
    assert world.loaded[-1] == CONFIG
    assert (_proxy.managed(host), _proxy.problems(host)) == (None, [])
    assert host.lease.holder() is None


def answers(monkeypatch: pytest.MonkeyPatch, *problems: t.Optional[str], instance: t.Optional[str] = None) -> None:
    left = list(problems)
    monkeypatch.setattr(
        _health, "wait", lambda *_a, **_k: _health.Answer(left.pop(0), answered=True, status=200, instance=instance)
    )


@pytest.fixture
def asked(make_host: t.Callable[..., Host], host: Host) -> Host:
    assert host
    health = {"url": "http://127.0.0.1/health", "instance_header": "X-Instance"}
    return make_host(proxy_service="nginx", health=health)


def test_an_app_that_does_not_answer_any_more_puts_everything_back(
    asked: Host, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, None, "it answered 502")
    with pytest.raises(HotfixError) as caught:
        _proxy_setup.manage(asked, RUN)
    assert "does not answer as before: it answered 502" in caught.value.what
    assert (world.config(), world.compose()) == (CONFIG, COMPOSE)


def test_an_app_that_is_ill_is_left_alone(asked: Host, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "it answered 503")
    with pytest.raises(HotfixError) as caught:
        _proxy_setup.manage(asked, RUN)
    assert (caught.value.code, world.loaded, world.config()) == ("refused", [], CONFIG)


def test_who_answers_has_to_be_who_ran_before(
    asked: Host, world: World, runner: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, None, None, instance="f" * 12)
    with pytest.raises(HotfixError) as caught:
        _proxy_setup.manage(asked, RUN)
    assert "Another container answers" in caught.value.what
    answers(monkeypatch, None, None, instance=runner.containers[0]["Id"][:12])
    assert "answers from the containers that ran before" in _proxy_setup.manage(asked, RUN)["summary"]
    assert world.loaded


# -- killed -----------------------------------------------------------------------------------------------


def test_killed_at_every_command_and_file(
    host: Host, world: World, monkeypatch: pytest.MonkeyPatch, clock: t.Any
) -> None:
    """Whatever was done until then, the next run ends with a proxy under management."""
    originals = {name: getattr(_files, name) for name in ("write_text", "write_json", "replace_symlink")}
    in_place = _proxy_setup._write_in_place

    def counted(function: t.Callable[..., None]) -> t.Callable[..., None]:
        def call(*args: t.Any, **kwargs: t.Any) -> None:
            world._act()
            function(*args, **kwargs)

        return call

    def half(path: Path, text: str) -> None:
        if world.left == 0:
            # Half of the new text stands over the old.
            data, old = text.encode(), path.read_bytes()
            path.write_bytes(data[:70] + old[70:])
        world._act()
        in_place(path, text)

    kills = 0
    while True:
        (host.app.app_dir / "nginx.conf").write_text(CONFIG)
        (host.app.app_dir / "docker-compose.yml").write_text(COMPOSE)
        for name in changed(host):
            if name.startswith("proxy") and (host.app.app_dir / name).is_file():
                (host.app.app_dir / name).unlink()
        with monkeypatch.context() as patch:
            for name, function in originals.items():
                patch.setattr(_files, name, counted(function))
            patch.setattr(_proxy_setup, "_write_in_place", half)
            world.left = kills
            try:
                _proxy_setup.manage(host, RUN)
                break
            except KilledError:
                kills += 1
        world.left = None
        clock.advance(1)
        done = _proxy_setup.manage(host, Run(f"again{kills}", "ann@laptop", "", False))
        assert done["outcome"] in ("done", "unchanged"), kills
        assert "proxy_pass http://backend-8081;" in world.config(), kills
        assert _nginx.manage(world.config(), ["backend"]).text == world.config(), kills
        assert world.compose().count("/etc/nginx/hotfix:ro") == 1, kills
        assert (_proxy.live_slot(host), _proxy.problems(host)) == ("own", []), kills
        assert not (host.app.app_dir / "proxy-undo.json").exists(), kills
        assert world.loaded[-1] == world.config(), kills
    assert kills > 12


@pytest.mark.parametrize(
    ("text", "torn"),
    [
        ("NEW!old", True),
        ("NEW!new", True),
        ("NEW!new long", True),
        ("old old", True),
        ("mine", False),
        ("oldXold", False),
    ],
)
def test_what_a_broken_off_write_leaves(text: str, torn: bool) -> None:
    assert _proxy_setup.is_torn(text.encode(), b"old old", b"NEW!new longer") is torn


def test_a_file_that_was_edited_meanwhile_is_not_put_back(host: Host, world: World) -> None:
    edited = CONFIG.replace("8081", "9999")
    (host.app.app_dir / "nginx.conf").write_text(edited)
    undo = {"config": str(host.app.app_dir / "nginx.conf"), "old": CONFIG, "new": CONFIG + "# more\n"}
    (host.app.app_dir / "proxy-undo.json").write_text(json.dumps(undo))
    _proxy_setup.manage(host, RUN)
    assert "http://backend-9999;" in world.config()


# -- refused ----------------------------------------------------------------------------------------------


def refusal(host: Host) -> str:
    with pytest.raises(HotfixError) as caught:
        _proxy_setup.check(host)
    assert caught.value.next_step
    return str(caught.value)


def test_a_host_that_nobody_adopted(make_host: t.Callable[..., Host], world: World) -> None:
    assert world
    assert "playbooks/adopt.yml" in refusal(make_host(proxy_service="nginx"))


def test_no_proxy(make_host: t.Callable[..., Host], host: Host) -> None:
    assert host
    assert "hotfix_proxy_service" in refusal(make_host())


def test_a_proxy_that_does_not_run(host: Host, world: World) -> None:
    world.proxy["State"]["Status"] = "exited"
    assert "app-nginx-2 is exited" in refusal(host)


def test_a_variable_as_upstream(host: Host, world: World) -> None:
    text = CONFIG.replace("proxy_pass http://backend:8081", "set $b backend; proxy_pass http://$b:8081")
    (host.app.app_dir / "nginx.conf").write_text(text)
    assert "Line 5 of the proxy's configuration passes to a variable (http://$b:8081)" in refusal(host)
    assert world.config() == text


def test_a_file_that_was_replaced_since(host: Host, world: World) -> None:
    world.seen = CONFIG
    (host.app.app_dir / "nginx.conf").write_text(CONFIG + "# edited with an editor that writes a new file\n")
    assert "the file was replaced since the proxy was started" in refusal(host)


def test_a_configuration_in_the_image(host: Host, world: World) -> None:
    world.seen = CONFIG
    world.source = "/somewhere/else"
    world.runner.answers[("inspect", "--type", "container", "--format")] = (
        0,
        json.dumps({"mounts": [], "read_only": False}),
        "",
    )
    assert "is part of its image" in refusal(host)


def test_traffic_in_several_files(host: Host, world: World) -> None:
    world.others = f"# configuration file /etc/nginx/conf.d/more.conf:\n{CONFIG}\n"
    assert "Several files" in refusal(host)
    assert "/etc/nginx/conf.d/more.conf" in refusal(host)


def test_a_configuration_that_is_not_the_one_named(make_host: t.Callable[..., Host], host: Host) -> None:
    assert host
    assert "correct hotfix_proxy_config" in refusal(make_host(proxy_service="nginx", proxy_config="other.conf"))


def test_a_compose_file_that_is_not_plain(host: Host, world: World) -> None:
    text = "services:\n  backend:\n    image: x\n  nginx:\n    image: nginx\n    volumes: ['./a:/a:ro']\n"
    (host.app.app_dir / "docker-compose.yml").write_text(text)
    assert "add '- ./proxy:/etc/nginx/hotfix:ro' to services.nginx.volumes by hand" in refusal(host)
    # And by hand it is as good.
    by_hand = text.replace("ro'", "ro', './proxy:/etc/nginx/hotfix:ro'")
    (host.app.app_dir / "docker-compose.yml").write_text(by_hand)
    assert _proxy_setup.manage(host, RUN)["outcome"] == "done"
    assert world.compose() == by_hand


def test_a_read_only_container(host: Host, world: World) -> None:
    world.read_only = True
    assert "is read-only" in refusal(host)


def test_a_full_disk_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(CONFIG)
    fill, calls = _proxy_setup._fill, []

    def full(handle: t.Any, data: bytes) -> None:
        calls.append(data)
        if len(calls) == 1:
            handle.write(data[:20])
            raise OSError(28, "No space left on device")
        fill(handle, data)

    monkeypatch.setattr(_proxy_setup, "_fill", full)
    with pytest.raises(OSError, match="No space"):
        _proxy_setup._write_in_place(path, "x" * 1000)
    assert path.read_text() == CONFIG
