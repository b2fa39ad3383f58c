# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way in which a flag API goes wrong has a sentence of its own, and no sentence shows the token."""

from __future__ import annotations

import socket
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.switch import UnprovenError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import usable_token

FLAG = "COLLABORATIVE_EDITING"
TOKEN = "s3cret-token-of-tests"
API = "/api/feature-flags"
LOGIN = "<!doctype html><html><head><title>Sign in – Example</title></head><body>password</body></html>"


def failure(fleet: t.Any, **changed: t.Any) -> HotfixError:
    with pytest.raises(HotfixError) as error:
        fleet.switch(**{"retries": 0, "wait": 0.2, **changed})
    assert TOKEN not in str(error.value)
    assert error.value.next_step
    return error.value


@pytest.mark.parametrize(
    ("status", "headers", "body", "wanted"),
    [
        (401, {}, '{"error": "who are you"}', "does not accept the token (401): who are you."),
        (403, {}, '{"message": "read only token"}', "knows the token but does not allow this (403): read only token."),
        (403, {}, '{"details": [{"message": "Needs approval"}]}', "wants an approval before it makes the change (403)"),
        (
            302,
            {"Location": f"https://sso.example.com/login?next={TOKEN}"},
            "",
            "redirects to https://sso.example.com/login",
        ),
        (200, {"Content-Type": "text/html"}, LOGIN, "with an HTML page instead of JSON ('Sign in – Example')"),
        (200, {}, "not json at all", "answered 200 and no JSON, but: not json at all."),
        (200, {}, "", "answered 200 and no JSON, but: nothing."),
        (200, {}, '{"features": []}', "has no flags at 'flags.{name}'"),
        (404, {}, '{"error": "no route"}', "has nothing there (404): no route."),
        (429, {}, "{}", "takes no more requests now (429)"),
        (500, {"Content-Type": "text/html"}, "<title>Oops</title>", "failed (500): Oops."),
        (418, {}, f"your token is {TOKEN}", "refused the request (418): your token is ********."),
    ],
)
def test_an_answer_that_is_none(fleet: t.Any, status: int, headers: t.Any, body: str, wanted: str) -> None:
    app = fleet.add()
    app.answers[("GET", API)] = (status, headers, body)
    error = failure(fleet)
    assert (
        error.what.startswith(f"app-backend-1 (127.0.0.2:{fleet.port}) ") or "The answer of app-backend-1" in error.what
    )
    assert wanted in error.what
    assert error.left == "Nothing was changed."
    assert app.writes() == 0


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (401, "{}", "does not accept the token (401)"),
        (403, '{"message": "change request required"}', "wants an approval before it makes the change (403)"),
        (
            202,
            '{"message": "queued"}',
            "took the change but has not made it (202): queued: it waits for somebody's approval",
        ),
        (302, "", "redirects to nowhere (302)"),
        (200, LOGIN, "with an HTML page instead of JSON"),
        (400, '{"error": "enabled must be a boolean"}', "refused the request (400): enabled must be a boolean"),
    ],
)
def test_a_write_that_is_refused(fleet: t.Any, status: int, body: str, wanted: str) -> None:
    app = fleet.add()
    app.answers[("POST", API)] = (status, {}, body)
    began = time.monotonic()
    error = failure(fleet, wait=20.0)
    assert wanted in error.what
    assert f"still evaluates {FLAG} on" in error.what
    assert app.writes() == 1
    # What would be refused again is not tried until the time is over.
    assert time.monotonic() - began < 5


def test_a_wrong_token_and_none(fleet: t.Any) -> None:
    fleet.add()
    error = failure(fleet, token="wrong-token")
    assert "does not accept the token (401): a valid x-admin-token is required" in error.what
    assert "the name of its header, which is 'x-admin-token' now" in error.next_step
    assert error.code == "refused"
    assert "wants a token (401), and none was given" in failure(fleet, token=None).what


def test_nobody_listens(fleet: t.Any) -> None:
    fleet.add()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "refuses connections" in failure(fleet, instances={"services": ["backend"], "port": port}).what


def test_a_timeout_is_one_of_the_whole_answer(fleet: t.Any) -> None:
    app = fleet.add()
    app.hangs = 5.0
    assert "did not answer within 0.3 s" in failure(fleet, timeout=0.3).what


def test_an_answer_that_never_ends(fleet: t.Any) -> None:
    fleet.add()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _address = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for _second in range(100):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        error = failure(fleet, url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.4)
        assert "did not answer within 0.4 s" in error.what
        assert time.monotonic() - began < 3


def test_something_that_is_no_http(fleet: t.Any) -> None:
    fleet.add()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _address = listening.accept()
            with connection:
                connection.sendall(b"220 mail.example.com ESMTP\r\n")
                connection.recv(4096)

        threading.Thread(target=greet, daemon=True).start()
        assert "does not speak HTTP" in failure(fleet, url=f"http://127.0.0.1:{listening.getsockname()[1]}").what


class TestShared:
    """An API that stands before or beside the instances."""

    def test_it_is_written_to_and_every_instance_proven(self, fleet: t.Any, serve: t.Any) -> None:
        one, two = fleet.add(), fleet.add()
        with serve() as shared:
            found = fleet.switch(url=f"http://127.0.0.1:{shared.server_address[1]}")
            assert shared.flags[FLAG] is False
            assert (found["store"]["before"], found["store"]["after"]) == ("enabled", "disabled")
        # They did not follow, and were told by themselves.
        assert (one.writes(), two.writes(), found["attempts"]) == (1, 1, 3)

    def test_instances_without_an_api_of_their_own_are_never_written_to(self, fleet: t.Any, serve: t.Any) -> None:
        one = fleet.add()
        with serve() as shared:
            url = f"http://127.0.0.1:{shared.server_address[1]}"
            error = failure(fleet, url=url, http={"write_at_instances": False})
        assert one.writes() == 0
        assert f"still evaluates {FLAG} on" in error.what

    def test_a_url_that_holds_a_password_is_refused_and_not_shown(self, fleet: t.Any) -> None:
        fleet.add()
        error = failure(fleet, url="http://ann:hunter22@127.0.0.1/")
        assert "holds a password" in error.what
        assert "hunter22" not in str(error)

    @pytest.mark.parametrize(
        "url", ["ftp://x", "http://", "http://a:99999", "app.example.com", "http://a b/", "http://[::1"]
    )
    def test_what_is_no_url(self, fleet: t.Any, url: str) -> None:
        fleet.add()
        assert failure(fleet, url=url).code == "bad_input"

    def test_a_name_that_leads_nowhere(self, fleet: t.Any) -> None:
        fleet.add()
        assert "has a name that leads nowhere" in failure(fleet, url="http://flags.invalid").what


class TestTls:
    def switch(self, fleet: t.Any, app: t.Any, name: str, **changed: t.Any) -> t.Any:
        fleet.add().flags[FLAG] = False
        port = app.server_address[1]
        given = {"url": f"https://{name}:{port}", "address": f"127.0.0.1:{port}", **changed}
        return fleet.switch(http={"write_at_instances": False}, retries=0, wait=0.2, **given)

    def test_the_right_name(self, fleet: t.Any, serve: t.Any, certificate: Path) -> None:
        with serve(certificate) as app:
            found = self.switch(fleet, app, "app.example.com", ca_file=str(certificate / "cert.pem"))
            assert app.flags[FLAG] is False
        assert found["outcome"] == "done"

    def test_another_name(self, fleet: t.Any, serve: t.Any, certificate: Path) -> None:
        with serve(certificate) as app, pytest.raises(HotfixError) as error:
            self.switch(fleet, app, "other.example.com", ca_file=str(certificate / "cert.pem"))
        assert "has a certificate of another name" in error.value.what
        assert "other.example.com" in error.value.what
        assert app.seen == []

    def test_an_authority_that_nobody_knows(self, fleet: t.Any, serve: t.Any, certificate: Path) -> None:
        with serve(certificate) as app, pytest.raises(HotfixError, match="cannot be trusted"):
            self.switch(fleet, app, "app.example.com")

    def test_unchecked_by_name(self, fleet: t.Any, serve: t.Any, certificate: Path) -> None:
        with serve(certificate) as app:
            assert self.switch(fleet, app, "other.example.com", validate_certs=False)["outcome"] == "done"

    def test_no_tls_at_all(self, fleet: t.Any, serve: t.Any) -> None:
        with serve() as app, pytest.raises(HotfixError, match=r"does not speak TLS|broke off|did not answer"):
            self.switch(fleet, app, "app.example.com")


class TestOtherApis:
    def test_a_list_of_objects_and_words_for_values(self, fleet: t.Any) -> None:
        app = fleet.add({})
        state = {"x.y": "on"}
        app.answers[("GET", "/v1")] = (200, {}, '{"toggles": [{"key": "x.y", "state": "on"}]}')
        app.answers[("PUT", "/v1/x.y?to=off")] = (200, {}, "")
        http = {
            "path": "/v1",
            "result": "toggles.[key={name}].state",
            "write_method": "PUT",
            "write_path": "/v1/{name}?to={value}",
            "write_body": {},
            "value_on": "on",
            "value_off": "off",
        }
        with pytest.raises(UnprovenError):
            fleet.switch(name="x.y", http=http, wait=0.1, retries=0)
        assert ("PUT", "/v1/x.y?to=off") in app.seen
        assert state

    def test_one_flag_at_a_time(self, fleet: t.Any) -> None:
        app = fleet.add({})
        app.answers[("GET", "/flag/A")] = (200, {}, '{"value": 0}')
        app.answers[("GET", "/flag/")] = (404, {}, '{"error": "no such flag"}')
        http = {"path": "/flag/{name}", "result": "value", "value_on": 1, "value_off": 0}
        assert fleet.switch(name="A", http=http)["outcome"] == "unchanged"
        with pytest.raises(HotfixError, match="There is no flag 'B'"):
            fleet.switch(name="B", http=http)
        assert app.writes() == 0

    def test_a_value_that_is_neither(self, fleet: t.Any) -> None:
        fleet.add({FLAG: "sometimes"})
        with pytest.raises(UnprovenError, match="neither on nor off"):
            fleet.switch(wait=0.1)

    def test_an_answer_that_does_not_confirm(self, fleet: t.Any) -> None:
        app = fleet.add()
        app.answers[("POST", API)] = (200, {}, '{"success": true, "enabled": true}')
        with pytest.raises(UnprovenError, match="does not confirm the new value"):
            fleet.switch(http={"write_result": "enabled"}, wait=0.1)


@pytest.mark.parametrize("token", ["two\nlines", "trailing ", "tab\t", "ümlaut", "\r"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(HotfixError) as error:
        usable_token(token)
    assert token not in str(error.value) or token == "\r"
    assert error.value.code == "bad_input"
