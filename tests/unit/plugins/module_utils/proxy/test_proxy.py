# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The switch is a link and a reload; a proxy that refuses goes on as it was."""

from __future__ import annotations

import json
import os
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _nginx_files, _proxy
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session, opened
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

RECORD = _proxy.Managed(
    "nginx.conf",
    (("backend", 8081),),
    (_nginx_files.Server("server-1.conf", "backend", 9000, "backup"),),
    _nginx_files.Assets("/assets/", "backend", 8081),
    "docker-compose.yml",
)
CONFIG = (
    "http { include /etc/nginx/hotfix/live/upstreams.conf; server { location / { proxy_pass http://backend-8081; } } }"
)


class Nginx:
    """Answers as a proxy's container does: by what it sees in the folder, mounted or copied."""

    def __init__(self, runner: t.Any, app_dir: str) -> None:
        self.runner, self.folder = runner, os.path.join(app_dir, "proxy")
        self.verdict = ""
        self.seen: t.Dict[str, str] = {}
        self.mounted = True
        self.writable = True
        self.written: t.Dict[str, str] = {}
        runner.answers[("exec",)] = self._exec
        runner.answers[("cp",)] = self._copy
        runner.answers[("start",)] = self._start
        runner.answers[("restart",)] = self._start

    def add(self, **state: t.Any) -> t.Dict[str, t.Any]:
        container: t.Dict[str, t.Any] = self.runner.add("nginx", **state)
        if self.mounted:
            container["Mounts"] = [{"Destination": _nginx_files.FOLDER}]
        return container

    def identity(self) -> str:
        with open(os.path.join(self.folder, "live", "id"), encoding="utf-8") as handle:
            return handle.read().strip()

    def _exec(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        container, wanted, files = words[1], words[7], words[9:]
        if files and self.writable:
            given = dict(zip(files[::2], files[1::2]))
            assert given[f"{words[8]}/id"] == f"{wanted}\n"
            self.written = given
            self.seen[container] = wanted
        seen = self.identity() if self.mounted else self.seen.get(container, "")
        if seen != wanted:
            return 0, "hotfix:stale\n", ""
        return 0, f"nginx: said something\n\nhotfix:{self.verdict or 'reloaded'}\n", ""

    def _copy(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        self.seen[words[2].partition(":")[0]] = self.identity()
        return 0, "", ""

    def _start(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        for container in self.runner.containers:
            if container["Id"] == words[-1]:
                container["State"]["Status"] = "running"
        return 0, "", ""


@pytest.fixture
def host(make_host: t.Callable[..., Host]) -> Host:
    host = make_host(proxy_service="nginx")
    _proxy.write_slot(host, RECORD, "own", None)
    _files.replace_symlink(_proxy.folder(host) / "live", "own")
    _files.write_json(_proxy.record_file(host), RECORD.as_json())
    (host.app.app_dir / "nginx.conf").write_text(CONFIG)
    (host.app.app_dir / "docker-compose.yml").write_text(f"  - ./proxy:{_nginx_files.FOLDER}:ro\n")
    return host


@pytest.fixture
def nginx(runner: t.Any, host: Host) -> Nginx:
    return Nginx(runner, str(host.app.app_dir))


@pytest.fixture
def session(host: Host) -> t.Iterator[Session]:
    with opened(host, Run("run1", "ann@laptop", "", False), "deploy", resumes=False) as session:
        yield session


def read(host: Host, name: str) -> str:
    return (_proxy.folder(host) / name).read_text()


def kinds(runner: t.Any) -> t.List[str]:
    return [words[0] for words in runner.calls]


def test_the_record_survives_being_written() -> None:
    assert _proxy.Managed.from_json(json.loads(json.dumps(RECORD.as_json()))) == RECORD
    assert _proxy.Managed.from_json({"config": "x"}) is None
    assert _proxy.Managed.from_json(None) is None


def test_where_nothing_is_managed(make_host: t.Callable[..., Host]) -> None:
    host = make_host(proxy_service="nginx")
    assert (_proxy.managed(host), _proxy.live_slot(host), _proxy.problems(host)) == (None, None, [])


def test_the_folder_of_each_slot(host: Host, session: Session) -> None:
    _proxy.prepare(session, "blue", "own")
    assert "server backend-blue:8081;" in read(host, "blue/upstreams.conf")
    assert "server backend-blue:9000 backup;" in read(host, "blue/server-1.conf")
    assert "set $hotfix_previous_assets backend;" in read(host, "blue/assets.conf")
    assert "server backend:8081;" in read(host, "own/upstreams.conf")
    assert "set $hotfix_previous_assets backend-blue;" in read(host, "own/assets.conf")
    assert read(host, "blue/id").startswith("blue ")
    # Whoever the proxy runs as can read it.
    assert (_proxy.folder(host) / "blue").stat().st_mode & 0o777 == 0o755
    assert (_proxy.folder(host) / "blue" / "id").stat().st_mode & 0o777 == 0o644
    before = {path: path.stat().st_mtime_ns for path in _proxy.folder(host).rglob("*.conf")}
    _proxy.prepare(session, "blue", "own")
    assert {path: path.stat().st_mtime_ns for path in _proxy.folder(host).rglob("*.conf")} == before


def test_a_switch_is_one_command(host: Host, session: Session, nginx: Nginx, runner: t.Any) -> None:
    nginx.add()
    seen = host.docker.containers("app")
    _proxy.prepare(session, "blue", "own")
    runner.calls.clear()
    _proxy.point_at(session, "blue", seen)
    assert _proxy.live_slot(host) == "blue"
    assert kinds(runner) == ["exec"]
    script = runner.calls[0][4]
    assert script.index("cat") < script.index("nginx -t") < script.index("nginx -s reload")
    assert [step["step"] for step in session.steps] == ["prepare_proxy", "point_proxy"]


def test_commands_of_the_proxy_are_no_shell(make_host: t.Callable[..., Host], session: Session, nginx: Nginx) -> None:
    session.host = make_host(proxy_service="nginx", proxy_test=["my nginx", "-t; rm -rf /"], proxy_reload=[])
    nginx.add()
    _proxy.point_at(session, "own")
    script = nginx.runner.calls[-1][4]
    assert "'my nginx' '-t; rm -rf /' 2>&1" in script
    assert "\nold= 2>&1" in script


@pytest.mark.parametrize("writable", [True, False])
def test_a_proxy_that_lacks_the_mount_gets_a_copy(
    host: Host, session: Session, nginx: Nginx, runner: t.Any, writable: bool
) -> None:
    nginx.mounted, nginx.writable = False, writable
    nginx.add()
    seen = host.docker.containers("app")
    _proxy.prepare(session, "blue", "own")
    runner.calls.clear()
    _proxy.point_at(session, "blue", seen)
    if writable:
        assert kinds(runner) == ["exec"]
        # All slots: the host that goes back by itself finds what was written for it.
        assert {name: text for name, text in nginx.written.items() if name.endswith("/id")} == {
            "own/id": read(host, "own/id"),
            "blue/id": read(host, "blue/id"),
        }
        assert nginx.written["own/assets.conf"] == read(host, "own/assets.conf")
        # It stands for the others: where these could not be written, it must not be there.
        for slot in ("own", "blue"):
            assert [name for name in nginx.written if name.startswith(f"{slot}/")][-1] == f"{slot}/id"
    else:
        assert kinds(runner) == ["exec", "cp", "exec"]
        assert runner.calls[1][1] == f"{_proxy.folder(host)}/."
        assert runner.calls[1][2].endswith(":/etc/nginx/hotfix")


def test_a_refusal_turns_the_link_back(host: Host, session: Session, nginx: Nginx) -> None:
    nginx.add()
    _proxy.prepare(session, "blue", "own")
    nginx.verdict = "refused"
    with pytest.raises(HotfixError) as caught:
        _proxy.point_at(session, "blue")
    assert "refused 'nginx -t': nginx: said something." in caught.value.what
    assert "the slot own, as before" in caught.value.left
    assert _proxy.live_slot(host) == "own"


def test_a_folder_that_was_replaced_is_told(host: Host, session: Session, nginx: Nginx) -> None:
    container = nginx.add()
    nginx.mounted = False
    assert container["Mounts"]
    with pytest.raises(HotfixError) as caught:
        _proxy.point_at(session, "own")
    assert "was replaced since it was started" in caught.value.what
    assert "--force-recreate nginx" in caught.value.next_step


@pytest.mark.parametrize(("status", "act"), [("exited", "start"), ("restarting", "restart")])
@pytest.mark.parametrize("mounted", [True, False])
def test_a_proxy_that_died_is_started_with_the_new_link(
    host: Host, session: Session, nginx: Nginx, runner: t.Any, mounted: bool, status: str, act: str
) -> None:
    nginx.mounted = mounted
    # Where it crashed for long, the engine's own next try would come too late.
    nginx.add(status=status)
    _proxy.prepare(session, "blue", "own")
    runner.calls.clear()
    _proxy.point_at(session, "blue", host.docker.containers("app"))
    assert _proxy.live_slot(host) == "blue"
    order = [kind for kind in kinds(runner) if kind in ("cp", act, "exec")]
    assert order == ([act, "exec"] if mounted else ["cp", act, "exec"])


def test_a_proxy_that_is_not_managed_is_not_switched(make_host: t.Callable[..., Host], session: Session) -> None:
    _proxy.record_file(session.host).unlink()
    with pytest.raises(HotfixError) as caught:
        _proxy.point_at(session, "blue")
    assert "not under management" in caught.value.what
    assert "the record of the proxy" in _proxy.problems(session.host)[0]


def test_a_run_that_lost_its_lease_turns_nothing(host: Host, session: Session, nginx: Nginx) -> None:
    nginx.add()
    host.lease.take(owner="bob@laptop", run="run2", action="deploy", takeover=True)
    with pytest.raises(HotfixError) as caught:
        _proxy.point_at(session, "blue")
    assert caught.value.code == "refused"
    assert _proxy.live_slot(host) == "own"


def test_what_became_of_it_since(host: Host) -> None:
    assert _proxy.problems(host) == []
    config = host.app.app_dir / "nginx.conf"
    config.write_text(CONFIG.replace("backend-8081", "backend:8081"))
    assert "names a switched service itself (line 1: proxy_pass http://backend:8081)" in _proxy.problems(host)[0]
    config.write_text("http { server { location / { proxy_pass http://backend:8081; } } }")
    assert "no longer follows a switch" in _proxy.problems(host)[0]
    config.unlink()
    assert "cannot be read" in _proxy.problems(host)[0]
    (_proxy.folder(host) / "live").unlink()
    assert "leads to no slot" in _proxy.problems(host)[0]
    assert _proxy.live_slot(host) is None
    (host.app.app_dir / "docker-compose.yml").write_text("services: {}\n")
    assert "made anew, the proxy would not start" in " ".join(_proxy.problems(host))
