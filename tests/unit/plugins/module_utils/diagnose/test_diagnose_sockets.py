# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open connections, from the kernel's own table: with real sockets of this machine."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose import sockets
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import SkippedError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(local: str, remote: str, state: str) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n"


def test_connections_from_elsewhere_to_what_is_listened_at_are_told() -> None:
    table = sockets.read(
        [
            HEAD
            + row("00000000:1F92", "00000000:0000", "0A")
            + row("0300120A:1F92", "0200120A:C350", "01")
            # From within, as a health check is; of the container's own making; and one that is over.
            + row("0100007F:1F92", "0100007F:C351", "01")
            + row("0300120A:C352", "0400120A:1538", "01")
            + row("0300120A:1F92", "0200120A:C353", "06"),
            HEAD
            + row("00000000000000000000000000000000:1F93", "00000000000000000000000000000000:0000", "0A")
            + row("0000000000000000FFFF00000300120A:1F93", "0000000000000000FFFF00000200120A:C354", "01")
            + row("0000000000000000FFFF00000100007F:1F93", "0000000000000000FFFF00000100007F:C355", "01")
            + row("00000000000000000000000001000000:1F93", "00000000000000000000000001000000:C356", "01"),
        ]
    )
    assert table.listening == {8082, 8083}
    assert sorted(table.inbound.values()) == [8082, 8083]


def test_the_kernel_of_this_machine_is_understood() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        table = sockets.read([Path(f"/proc/{os.getpid()}/net/tcp").read_text(encoding="ascii")])
        assert server.getsockname()[1] in table.listening


def test_only_what_stays_is_counted(runner: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for service, pid in (("live", 11), ("backend", 12), ("worker", 0)):
        container = runner.add(service)
        container["State"]["Pid"] = pid
    docker = Docker(runner)
    listen = HEAD + row("00000000:1F92", "00000000:0000", "0A")
    stays = row("0300120A:1F92", "0200120A:C350", "01")
    for pid in (11, 12):
        (tmp_path / str(pid) / "net").mkdir(parents=True)
    table = tmp_path / "11" / "net" / "tcp"
    table.write_text(listen + stays + row("0300120A:1F92", "0200120A:C351", "01"))
    (tmp_path / "12" / "net" / "tcp").write_text(listen)

    def later(seconds: float) -> None:
        assert seconds > 0
        table.write_text(listen + stays + row("0300120A:1F92", "0200120A:C352", "01"))

    monkeypatch.setattr("time.sleep", later)
    found = sockets.look(docker.containers("app"), ["live"], tmp_path)
    assert found["services"]["live"] == {"open": 1, "ports": {"8082": 1}, "websockets": True}
    assert found["services"]["backend"]["open"] == 0
    assert found["websockets"] == 1


def test_where_nobody_said_who_has_websockets_their_number_is_unknown(runner: t.Any, tmp_path: Path) -> None:
    with pytest.raises(SkippedError):
        sockets.look([], [], tmp_path)
    runner.add("backend")["State"]["Pid"] = 12
    (tmp_path / "12" / "net").mkdir(parents=True)
    (tmp_path / "12" / "net" / "tcp").write_text(HEAD)
    assert sockets.look(Docker(runner).containers("app"), [], tmp_path)["websockets"] is None
