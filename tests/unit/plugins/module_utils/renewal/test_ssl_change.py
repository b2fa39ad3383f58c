# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's side of a renewal, with an nginx that loads what lies there, and wherever it is killed."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl import change as changes
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.look import Setup, look

RUN = Run("run1", "ann@laptop", "", False)
PARAMS: t.Dict[str, t.Any] = {
    "certificate": "certs/fullchain.pem",
    "key": "certs/privkey.pem",
    "challenge": "http-01",
    "webroot": "acme",
    "names": ["app.example.com"],
    "tokens": {},
    "keep_pending": False,
    "order": None,
    "csr": None,
    "chain": None,
    "serial": None,
    "orders": [],
    "ca": None,
    "private_key": None,
    "stand_in_certificate": None,
    "stand_in_key": None,
}


class KilledError(BaseException):
    """The process is no more."""


class World:
    """An app folder, and one nginx that keeps what it loaded."""

    def __init__(self, runner: t.Any, app_dir: Path, authority: t.Any) -> None:
        self.app_dir, self.runner, self.authority = app_dir, runner, authority
        (app_dir / "certs").mkdir()
        (app_dir / "acme").mkdir()
        self.write(1)
        runner.add("backend")
        self.proxy = runner.add("nginx")
        self.source = str(app_dir / "certs")
        self.refuses: t.Set[str] = set()
        self.loaded = ""
        runner.answers[("exec",)] = self._exec
        runner.answers[("start",)] = self._start
        runner.answers[("inspect", "--type", "container", "--format")] = self._mounts
        self.reload()

    def write(self, serial: int) -> None:
        cert, key = self.authority.issue(serial)
        (self.app_dir / "certs/fullchain.pem").write_text(cert)
        (self.app_dir / "certs/privkey.pem").write_text(key)

    def reload(self) -> None:
        self.loaded = self.setup_of(None).place.read().leaf.serial

    def setup_of(self, host: t.Any) -> Setup:
        about: t.Any = host or _Only(self.app_dir)
        return Setup.from_params(about, PARAMS)

    def _mounts(self, _words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        return 0, json.dumps([{"Type": "bind", "Source": self.source, "Destination": "/etc/nginx/certs"}]), ""

    def _exec(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        if words[-1] in self.refuses:
            return 1, "", f"nginx: [emerg] no {words[-1]}"
        if words[-1] == "reload":
            self.reload()
        return 0, "", ""

    def _start(self, _words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        self.reload()
        self.proxy["State"]["Status"] = "running"
        return 0, "", ""


class _Only:
    """As much of a host as says where things are."""

    def __init__(self, app_dir: Path) -> None:
        self.app = type("App", (), {"app_dir": app_dir, "proxy_service": "nginx"})()


@pytest.fixture
def world(runner: t.Any, tmp_path: Path, authority: t.Any) -> World:
    return World(runner, tmp_path, authority)


@pytest.fixture
def host(world: World, make_host: t.Callable[..., Host]) -> Host:
    return make_host(proxy_service="nginx")


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever renews something on the machine of the tests is none of theirs.
    monkeypatch.setattr(changes, "holders", list)


def do(world: World, host: Host, state: str, **more: t.Any) -> t.Dict[str, t.Any]:
    return changes.change(world.setup_of(host), RUN, {**PARAMS, "state": state, **more})


def renewed(world: World, host: Host, serial: int) -> None:
    """Go through all of it, as a run does in which nothing goes wrong."""
    cert, key = world.authority.issue(serial)
    do(world, host, "prepared", tokens={"hotfix-own-token": "text"})
    about = {"private_key": key, "order": "u1", "csr": "csr", "tokens": {"their-token": "answer"}}
    do(world, host, "answered", **about)
    do(world, host, "installed", chain=cert, ca=world.authority.ca, orders=[{"names": ["app.example.com"]}])
    do(world, host, "proven", serial=f"{serial:02X}")


def served(world: World) -> t.Set[str]:
    return {path.name for path in (world.app_dir / "acme").rglob("*") if path.is_file()}


def test_the_new_pair_is_loaded_and_nothing_else_is_left(world: World, host: Host) -> None:
    do(world, host, "prepared", tokens={"hotfix-own-token": "text"})
    assert served(world) == {"hotfix-own-token"}
    assert host.lease.holder() is not None
    renewed(world, host, 2)
    place = world.setup_of(host).place
    assert (world.loaded, place.read().leaf.serial) == ("02", "02")
    assert (served(world), place.state(), (place.kept / "pending").exists()) == (set(), {}, False)
    assert host.lease.holder() is None
    (noted,) = [entry["acme"] for entry in host.journal.entries() if entry.get("acme")]
    assert noted == {"names": ["app.example.com"]}
    assert look(world.setup_of(host))["seen"]["orders"] == [noted]


@pytest.mark.parametrize("refuses", ["-t", "reload"])
def test_what_nginx_refuses_is_put_back_and_can_be_finished(refuses: str, world: World, host: Host) -> None:
    cert, key = world.authority.issue(2)
    do(world, host, "prepared")
    do(world, host, "answered", private_key=key, order="u1", csr="csr")
    world.refuses = {refuses}
    with pytest.raises(HotfixError, match="refused") as caught:
        do(world, host, "installed", chain=cert, ca=world.authority.ca)
    assert "The certificate of before is in place again" in caught.value.left
    place = world.setup_of(host).place
    assert (world.loaded, place.read().leaf.serial) == ("01", "01")
    assert host.lease.holder() is None
    assert place.state()["pending"]["order"] == "u1"

    world.refuses = set()
    do(world, host, "prepared", keep_pending=True)
    do(world, host, "installed", chain=cert, ca=world.authority.ca)
    do(world, host, "proven", serial="02")
    assert (world.loaded, place.state()) == ("02", {})


def test_what_is_not_on_the_wire_is_put_back(world: World, host: Host) -> None:
    cert, key = world.authority.issue(2)
    do(world, host, "prepared")
    do(world, host, "answered", private_key=key, order="u1", csr="csr")
    do(world, host, "installed", chain=cert, ca=world.authority.ca)
    assert world.loaded == "02"
    said = do(world, host, "put_back", serial="02")
    assert "The certificate of before is in place again." in said["summary"]
    assert (world.loaded, world.setup_of(host).place.read().leaf.serial) == ("01", "01")


def test_what_clients_would_not_trust_is_never_loaded(world: World, host: Host) -> None:
    cert, key = world.authority.issue(2, "other.example.com")
    do(world, host, "prepared")
    do(world, host, "answered", private_key=key, order="u1", csr="csr")
    with pytest.raises(HotfixError, match="Clients would not trust"):
        do(world, host, "installed", chain=cert, ca=world.authority.ca)
    assert not [call for call in world.runner.calls if call[-1] == "reload"]


def test_a_certificate_whose_key_is_not_here_is_refused(world: World, host: Host) -> None:
    cert, _key = world.authority.issue(2)
    do(world, host, "prepared")
    with pytest.raises(HotfixError, match="key of the new certificate is not on this host"):
        do(world, host, "installed", chain=cert, ca=world.authority.ca)
    assert world.setup_of(host).place.read().leaf.serial == "01"


def test_nothing_is_prepared_where_nginx_would_not_reload(world: World, host: Host) -> None:
    world.refuses = {"-t"}
    with pytest.raises(HotfixError, match="refuses its configuration already"):
        do(world, host, "prepared", tokens={"hotfix-own-token": "text"})
    assert (served(world), host.lease.holder()) == (set(), None)


def test_a_proxy_without_a_certificate_gets_a_stand_in(world: World, host: Host) -> None:
    for name in ("fullchain.pem", "privkey.pem"):
        (world.app_dir / "certs" / name).unlink()
    world.proxy["State"]["Status"] = "exited"
    assert look(world.setup_of(host))["seen"]["proxy"] == "down"
    chain, key = world.authority.issue(9)
    said = do(world, host, "prepared", stand_in_certificate=chain, stand_in_key=key)
    assert world.loaded == "09"
    assert any("stand-in" in note for note in said["notes"])
    renewed(world, host, 2)
    assert world.loaded == "02"


def test_another_client_at_work_is_named(world: World, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "holders", lambda: ["certbot runs (process 7)"])
    with pytest.raises(HotfixError, match=r"certbot runs \(process 7\)") as caught:
        do(world, host, "prepared")
    assert caught.value.code == "refused"
    assert not (world.app_dir / "certs/hotfix-pairs").exists()


def test_a_file_that_is_mounted_by_itself_is_refused(world: World, host: Host) -> None:
    world.source = str(world.app_dir / "certs/fullchain.pem")
    with pytest.raises(BadInputError, match="only the file, which it would go on seeing as it was"):
        look(world.setup_of(host))
    world.source = str(world.app_dir / "elsewhere")
    with pytest.raises(BadInputError, match="nothing of it"):
        look(world.setup_of(host))


def test_killed_anywhere_the_next_run_finishes_or_begins_anew(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    limit = 0

    def counted(work: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def run(*arguments: t.Any, **more: t.Any) -> t.Any:
            nonlocal steps
            steps += 1
            if steps > limit:
                raise KilledError
            return work(*arguments, **more)

        return run

    real = {name: getattr(os, name) for name in ("replace", "symlink")}
    place = world.setup_of(host).place
    serial, kills = 2, 0
    while True:
        old = place.read().leaf.serial
        steps = 0
        for name, work in real.items():
            monkeypatch.setattr(os, name, counted(work))
        try:
            renewed(world, host, serial)
        except KilledError:
            kills += 1
        else:
            break
        finally:
            for name, work in real.items():
                monkeypatch.setattr(os, name, work)
        # Whatever lies there can be loaded, and is one of the two.
        assert place.read().leaf.serial in (old, f"{serial:02X}")
        assert world.loaded in (old, f"{serial:02X}")
        limit += 1
        serial += 1
        if kills % 7 == 0:
            renewed(world, host, serial)
            assert (world.loaded, place.state(), served(world)) == (f"{serial:02X}", {}, set())
            serial += 1
    assert kills > 20
    assert world.loaded == f"{serial:02X}"
