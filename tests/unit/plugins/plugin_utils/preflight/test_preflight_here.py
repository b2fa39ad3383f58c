# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at from the controller: Git with real repositories, channels with real sockets, clocks and orders."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import look_at
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight import clock, git, notifications
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._preflight.certificate import budget, on_the_wire
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class TestGit:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        folder = tmp_path / "checkout"
        who = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"]
        for words in (
            ["init", "--quiet", "--bare", str(tmp_path / "origin.git")],
            ["init", "--quiet", "--initial-branch=main", str(folder)],
            ["-C", str(folder), "remote", "add", "origin", str(tmp_path / "origin.git")],
            ["-C", str(folder), *who, "commit", "--quiet", "--allow-empty", "--message", "first"],
        ):
            subprocess.run(["git", *words], check=True)
        return folder

    def test_the_right_is_found_out_and_nothing_is_pushed(self, checkout: Path, tmp_path: Path) -> None:
        found = git.may_push({"repository": str(checkout)}, 10)
        assert found.status == "passed", found
        assert list((tmp_path / "origin.git" / "refs" / "heads").rglob("*")) == []

    def test_a_hook_of_the_operator_is_not_run(self, checkout: Path, tmp_path: Path) -> None:
        hook = checkout / ".git" / "hooks" / "pre-push"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        hook.chmod(0o755)
        assert git.may_push({"repository": str(checkout)}, 10).status == "passed"
        assert not (tmp_path / "ran").exists()

    def test_a_remote_that_is_gone_is_told(self, checkout: Path, tmp_path: Path) -> None:
        shutil.rmtree(tmp_path / "origin.git")
        found = git.may_push({"repository": str(checkout)}, 10)
        assert (found.status, "'origin' cannot be pushed to" in found.says) == ("failed", True)

    def test_no_checkout_is_told_and_none_declared_is_skipped(self, tmp_path: Path) -> None:
        assert git.may_push({"repository": str(tmp_path / "away")}, 10).status == "failed"
        assert git.may_push({}, 10).status == "skipped"


class Server:
    """Listens, greets if it is to, and keeps what it was sent."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.got: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                connection.sendall(self._greeting)
                try:
                    self.got.append(connection.recv(4096))
                except ConnectionResetError:
                    # Whoever hangs up with our greeting unread says so; it sent nothing either.
                    self.got.append(b"")

    def close(self) -> None:
        # Closed alone, it would leave its thread waiting on a number that the next socket gets.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class TestNotifications:
    @pytest.fixture
    def server(self) -> Iterator[Server]:
        one = Server(b"220 mail.example.com ESMTP\r\n")
        yield one
        one.close()

    def seen(self, *channels: dict[str, Any]) -> list[dict[str, Any]]:
        return look_at(notifications.looks(list(channels), 2.0), 5)

    def mail(self, port: int, **more: Any) -> dict[str, Any]:
        channel = {"type": "email", "host": "127.0.0.1", "port": port, "encryption": "none"}
        return {**channel, "from": "a@example.com", "to": ["b@example.com"], **more}

    def test_channels_are_connected_to_and_nothing_is_sent(self, server: Server) -> None:
        hook = {"type": "webhook", "url": f"http://127.0.0.1:{server.port}/hooks/s3cret-path-123"}
        found = self.seen(self.mail(server.port), hook)
        assert [one["status"] for one in found] == ["passed", "passed"], found
        assert [one["name"] for one in found] == ["notify email", "notify webhook"]
        for _attempt in range(100):
            if len(server.got) == 2:
                break
            threading.Event().wait(0.05)
        assert server.got == [b"", b""]
        assert "s3cret" not in str(found)

    def test_one_that_does_not_answer_is_named_and_the_other_passes(self, server: Server) -> None:
        found = self.seen(self.mail(server.port), self.mail(1, name="second"))
        assert [one["status"] for one in found] == ["passed", "failed"]
        assert found[1]["says"] == "127.0.0.1:1 refuses connections."
        assert found[1]["breaks"]

    def test_what_is_no_mail_server_is_told(self) -> None:
        other = Server(b"SSH-2.0-OpenSSH\r\n")
        (found,) = self.seen(self.mail(other.port))
        other.close()
        assert "does not greet as a mail server" in found["says"]

    def test_a_declaration_that_cannot_be_read_is_one_item(self) -> None:
        (found,) = self.seen({"type": "slak", "url": "https://hooks.example.com/s3cret"})
        assert (found["status"], "slack may be meant" in found["mend"]) == ("failed", True)
        assert "s3cret" not in str(found)

    def test_none_is_skipped_with_the_reason(self) -> None:
        (found,) = self.seen()
        assert (found["status"], found["says"]) == ("skipped", "hotfix_notifications is not set.")


class TestClock:
    @given(
        skew=st.floats(-3600, 3600),
        there=st.floats(0, 5),
        worked=st.floats(0, 5),
        back=st.floats(0, 5),
    )
    def test_the_true_difference_is_within_the_bounds(
        self, skew: float, there: float, worked: float, back: float
    ) -> None:
        began = 1000.0 + there + skew
        bounds = clock.Bounds.of(1000.0, began, began + worked, 1000.0 + there + worked + back)
        assert bounds.least - 1e-6 <= skew <= bounds.most + 1e-6
        assert abs(bounds.surely) <= abs(skew) + 1e-6
        assert abs(skew) <= bounds.perhaps + 1e-6

    @pytest.mark.parametrize(
        ("ahead", "status", "words"),
        [(0.0, "passed", "at most"), (5.0, "warning", "ahead of"), (-5.0, "warning", "behind"), (90.0, "failed", "90")],
    )
    def test_what_it_means(self, ahead: float, status: str, words: str) -> None:
        found = clock.judge(clock.Bounds(ahead - 0.1 if ahead > 0 else ahead, ahead + 0.1), 2.0)
        assert (found.status, words in f"{found.says} 90" if status == "failed" else words in found.says) == (
            status,
            True,
        )


class TestBudget:
    def orders(self, folder: Path, *ages: float, failed: bool = False) -> str:
        lines = [
            {"at": (NOW - timedelta(hours=age)).isoformat(), "names": ["app.example.com"], "failed": failed}
            for age in ages
        ]
        file = folder / "orders.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines) + "half a li")
        return str(file)

    def test_what_was_not_noted_is_skipped_with_the_reason(self, tmp_path: Path) -> None:
        said = [budget(None, NOW), budget(str(tmp_path / "away"), NOW)]
        assert [one.status for one in said] == ["skipped", "skipped"]

    def test_few_the_last_but_one_and_too_many(self, tmp_path: Path) -> None:
        assert budget(self.orders(tmp_path, 1, 30), NOW).status == "passed"
        assert budget(self.orders(tmp_path, 1, 2, 3, 4), NOW).status == "warning"
        spent = budget(self.orders(tmp_path, 1, 2, 3, 4, 100), NOW)
        assert spent.status == "failed"
        assert "2026-01-04 23:05 UTC" in spent.mend
        assert budget(self.orders(tmp_path, 1, 2, 3, 200, 300), NOW).status == "passed"

    def test_failures_of_an_hour_are_another_matter(self, tmp_path: Path) -> None:
        assert budget(self.orders(tmp_path, 2, 2, 2, 2, 2, failed=True), NOW).status == "passed"
        spent = budget(self.orders(tmp_path, 0.5, 0.4, 0.3, 0.2, 0.1, failed=True), NOW)
        assert (spent.status, "2026-01-02 03:35 UTC" in spent.mend) == ("failed", True)


class TestCertificate:
    def test_without_tls_or_address_it_is_skipped(self) -> None:
        assert on_the_wire({}, 14.0, 2.0).status == "skipped"
        assert on_the_wire({"url": "http://app.example.com", "address": "127.0.0.1:1"}, 14.0, 2.0).status == "skipped"

    def test_nothing_that_answers_is_no_pass(self) -> None:
        found = on_the_wire({"url": "https://app.example.com", "address": "127.0.0.1:1"}, 14.0, 2.0)
        assert (found.status, found.says) == ("failed", "127.0.0.1:1 refuses connections.")
