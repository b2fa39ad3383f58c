# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts give to those who ask them by the app's name, on real sockets."""

from __future__ import annotations

import http.server
import ssl
import threading
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import keys, outside
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.unit.plugins.plugin_utils.acme.fake_authority import Authority, authority

NAME = "app.example.com"


class Web(http.server.ThreadingHTTPServer):
    """Answers with what `pages` holds for a path: a status and a text, or where to go instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.pages: dict[str, tuple[int, str]] = {}
        self.hosts: list[str] = []

    @property
    def place(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.server_address[1])

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: clients that do not trust it hang up."""


class Page(http.server.BaseHTTPRequestHandler):
    server: Web

    def log_request(self, code: t.Any = "-", size: t.Any = "-") -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.hosts.append(str(self.headers["Host"]))
        status, text = self.server.pages.get(self.path, (404, "nothing here"))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", text)
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> t.Iterator[Web]:
    with Web() as web:
        if context is not None:
            web.socket = context.wrap_socket(web.socket, server_side=True)
        thread = threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()


@pytest.fixture
def ca() -> t.Iterator[Authority]:
    with authority() as found:
        yield found


def tls(ca: Authority, folder: Path, days: float = 30, name: str = NAME) -> tuple[ssl.SSLContext, str]:
    """Return what a server presents, and its serial number."""
    request = keys.new_request([name], "ecdsa256")
    chain = ca.chain([name], load_pem_private_key(request.private_key.encode(), None).public_key(), days)
    (folder / "chain").write_text(chain)
    (folder / "key").write_text(request.private_key)
    (folder / "ca").write_text(ca.root_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain", folder / "key")
    return context, keys.leaf_of(chain).serial


class TestTokens:
    WANTED: t.ClassVar = [(NAME, "a-token-of-ours", "text")]
    PATH = f"{outside.PATH}a-token-of-ours"

    def test_what_is_served_is_fetched_under_the_apps_name(self) -> None:
        with serving() as web:
            web.pages[self.PATH] = (200, "text\n")
            assert outside.answers([outside.Address("app1", web.place, None)], self.WANTED, 5.0) == []
            assert web.hosts == [NAME]

    @pytest.mark.parametrize(
        ("page", "words"),
        [
            ((404, "x"), "answers 404 for http://app.example.com/.well-known/acme-challenge/a-token-of-ours"),
            ((200, "<html>"), "answers something else"),
            ((302, "/again"), "answers 404 for http://app.example.com/again"),
            ((302, outside.PATH + "a-token-of-ours"), "redirects more than 4 times"),
        ],
    )
    def test_what_is_wrong_is_said_with_the_host(self, page: tuple[int, str], words: str) -> None:
        with serving() as web:
            web.pages[self.PATH] = page
            (problem,) = outside.answers([outside.Address("app1", web.place, None)], self.WANTED, 5.0)
            assert problem.startswith(f"app1 (127.0.0.1:{web.place[1]}, as {NAME})")
            assert words in problem

    def test_every_host_is_asked(self) -> None:
        with serving() as web:
            web.pages[self.PATH] = (200, "text")
            hosts = [outside.Address("app1", web.place, None), outside.Address("app2", ("127.0.0.1", 9), None)]
            (problem,) = outside.answers(hosts, self.WANTED, 5.0)
            assert problem.startswith("app2") and "refuses connections" in problem

    def test_a_redirect_to_tls_is_followed_whatever_the_certificate(self, ca: Authority, tmp_path: Path) -> None:
        context, _serial = tls(ca, tmp_path, days=-5)
        with serving() as plain, serving(context) as secure:
            plain.pages[self.PATH] = (301, f"https://{NAME}{self.PATH}")
            secure.pages[self.PATH] = (200, "text")
            assert outside.answers([outside.Address("app1", plain.place, secure.place)], self.WANTED, 5.0) == []


class TestWire:
    def test_the_serial_number_on_the_wire_is_the_proof(self, ca: Authority, tmp_path: Path) -> None:
        context, serial = tls(ca, tmp_path)
        with serving(context) as web:
            address = outside.Address("app1", None, web.place, str(tmp_path / "ca"))
            seen = outside.on_the_wire(address, NAME, 5.0)
            assert (seen.serial, seen.problem, seen.blind) == (serial, "", False)
            assert outside.proven(address, [NAME], serial, 2.0) == []
            (wrong,) = outside.proven(address, [NAME], "AB", 0.5)
            assert wrong == f"{NAME}: {serial} is on the wire, not AB"

    @pytest.mark.parametrize(
        ("days", "name", "words"),
        [(-3, NAME, "expired 3.0 days ago"), (30, "other.example.com", "another name")],
    )
    def test_what_clients_refuse_is_no_proof(
        self, days: float, name: str, words: str, ca: Authority, tmp_path: Path
    ) -> None:
        context, serial = tls(ca, tmp_path, days, name)
        with serving(context) as web:
            address = outside.Address("app1", None, web.place, str(tmp_path / "ca"))
            seen = outside.on_the_wire(address, NAME, 5.0)
            assert seen.serial == serial
            assert words in seen.problem
            assert outside.proven(address, [NAME], serial, 0.5)

    def test_a_chain_that_is_not_trusted_is_no_proof(self, ca: Authority, tmp_path: Path) -> None:
        context, serial = tls(ca, tmp_path)
        with serving(context) as web, authority() as another:
            (tmp_path / "ca").write_text(another.root_pem)
            address = outside.Address("app1", None, web.place, str(tmp_path / "ca"))
            assert "trusted" in outside.proven(address, [NAME], serial, 0.5)[0]

    def test_nobody_there_is_not_seen(self) -> None:
        seen = outside.on_the_wire(outside.Address("app1", None, ("127.0.0.1", 9)), NAME, 1.0)
        assert (seen.serial, seen.blind) == ("", True)


class TestNames:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ([], "No name is given"),
            (["https://app.example.com"], "no name of a host"),
            (["app example.com"], "no name of a host"),
            (["*.example.com"], "no host can answer for by HTTP"),
        ],
    )
    def test_what_cannot_be_ordered_is_refused(self, given: list[str], words: str) -> None:
        from ansible_collections.pangeafate.hotfix.plugins.action.ssl_order import _names

        with pytest.raises(BadInputError, match=words.replace("*", r"\*")):
            _names({"names": given, "challenge": "http-01", "dns_hook": []})

    def test_without_a_command_nothing_comes_into_the_dns(self) -> None:
        from ansible_collections.pangeafate.hotfix.plugins.action.ssl_order import _names

        about = {"names": ["*.Example.COM.", "*.example.com"], "challenge": "dns-01"}
        with pytest.raises(BadInputError, match="ssl_renewal_dns_hook"):
            _names({**about, "dns_hook": []})
        assert _names({**about, "dns_hook": ["hook"]}) == ["*.example.com"]
